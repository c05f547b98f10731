//! Which witnesses are believed, and how many of them it takes: a C2SP tlog-policy. Pure.

use std::{collections::HashSet, fs, path::Path};

use super::cosignature::{Cosignature, CosignerKey, cosignatures};
use crate::key::VerifierKey;

/// More than any policy has.
const MAX: u64 = 1024 * 1024;

/// Why a policy can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file can't be read.
    #[error("the policy {path} can't be read: {source}")]
    File { path: String, source: std::io::Error },
    /// A line is not one of a policy.
    #[error("line {line} of the policy (C2SP tlog-policy): {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it, with what to write instead.
        reason: String,
    },
    /// It does not say which cosignatures it takes.
    #[error(
        "the policy (C2SP tlog-policy) has {0} quorum lines and needs one: `quorum NAME` of a witness or a group, or `quorum none`"
    )]
    Quorum(usize),
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The key that its cosignatures are verified with.
    pub key: CosignerKey,
    /// Where it takes checkpoints, if the policy says so.
    pub url: Option<String>,
}

/// A policy: a checkpoint is believed if one of its logs signed it, and a quorum of its witnesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    members: Vec<Member>,
    /// None: no cosignature is needed.
    quorum: Option<usize>,
    text: Vec<u8>,
}

/// A name of the policy. A group's members come before it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    Witness(Box<Witness>),
    Group { threshold: usize, members: Vec<usize> },
}

impl Policy {
    /// Reads a policy from a file.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        use std::io::Read as _;
        let failed = |source| PolicyError::File { path: path.display().to_string(), source };
        let mut text = Vec::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX).read_to_end(&mut text))
            .map_err(failed)?;
        Self::parse(&text)
    }

    /// Reads the text of a policy.
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        let mut reading = Reading::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let wrong = |reason| PolicyError::Line { line: number, reason };
            reading.line(line).map_err(wrong)?;
        }
        let Reading { logs, members, quorums, .. } = reading;
        let [quorum] = quorums[..] else { return Err(PolicyError::Quorum(quorums.len())) };
        Ok(Self { logs, members, quorum, text: text.to_vec() })
    }

    /// The text that it was read from.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The witnesses that it names.
    pub fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        self.members.iter().filter_map(|member| match member {
            Member::Witness(witness) => Some(&**witness),
            Member::Group { .. } => None,
        })
    }

    /// Whether a log of this key is one of those that it names; it need not name any.
    pub fn names_log(&self, key: &VerifierKey) -> bool {
        self.logs.is_empty() || self.logs.contains(key)
    }

    /// The cosignatures of its witnesses on a signed note, one of each at most. Those of others, and
    /// those that are wrong, are left out.
    pub fn cosignatures(&self, note: &[u8]) -> Vec<Cosignature> {
        let keys: Vec<&CosignerKey> = self.witnesses().map(|witness| &witness.key).collect();
        cosignatures(note, &keys).into_iter().map(|(_, cosignature)| cosignature).collect()
    }

    /// Whether these cosignatures are those of a quorum.
    pub fn is_met(&self, cosignatures: &[Cosignature]) -> bool {
        let Some(quorum) = self.quorum else { return true };
        let mut met: Vec<bool> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let is_met = match member {
                Member::Witness(witness) => {
                    cosignatures.iter().any(|cosignature| cosignature.witness == witness.key.name())
                }
                Member::Group { threshold, members } => {
                    members.iter().filter(|place| met.get(**place) == Some(&true)).count()
                        >= *threshold
                }
            };
            met.push(is_met);
        }
        met.get(quorum) == Some(&true)
    }
}

/// What was read of a policy so far. Names are octets: another spelling of a letter is another name.
#[derive(Default)]
struct Reading {
    logs: Vec<VerifierKey>,
    names: Vec<Vec<u8>>,
    members: Vec<Member>,
    keys: HashSet<Vec<u8>>,
    /// The names of cosigners: cosignatures are told apart by them.
    cosigners: HashSet<String>,
    in_group: HashSet<usize>,
    quorums: Vec<Option<usize>>,
}

impl Reading {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(byte) = line.iter().find(|byte| **byte != b'\t' && byte.is_ascii_control()) {
            return Err(format!("it has the control character 0x{byte:02x}: take it out"));
        }
        let words: Vec<&[u8]> = line
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty())
            .collect();
        match &words[..] {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => self.log(key),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(url)),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] => self.quorum(name),
            _ => Err("it is none of `log KEY [URL]`, `witness NAME KEY [URL]`, `group NAME all|any|K NAME...` and `quorum NAME`".to_owned()),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), String> {
        let text = text(key)?;
        let key = VerifierKey::parse(text).map_err(|error| error.to_string())?;
        let public = text.rsplit('+').next().unwrap_or_default().as_bytes().to_vec();
        self.new_key(public)?;
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let key = text(key)?;
        let key = CosignerKey::parse(key).ok_or_else(|| {
            format!("{key:?} is not the key of a witness: it has the form <name>+<id>+<base64>, of the type 4 or 6 (C2SP tlog-cosignature)")
        })?;
        self.new_key(key.public().to_vec())?;
        if !self.cosigners.insert(key.name().to_owned()) {
            return Err(format!("another witness has a key of the name {:?}", key.name()));
        }
        let url = url.map(|url| text(url).map(str::to_owned)).transpose()?;
        self.define(name, Member::Witness(Box::new(Witness { key, url })))
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], names: &[&[u8]]) -> Result<(), String> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let place = self.find(name)?;
            // Otherwise one witness could count more than once.
            if !self.in_group.insert(place) {
                return Err(format!("{} is a member already", shown(name)));
            }
            members.push(place);
        }
        let threshold = match threshold {
            b"all" => members.len(),
            b"any" => 1,
            digits => text(digits)?
                .parse::<usize>()
                .ok()
                .filter(|count| (1..=members.len()).contains(count))
                .ok_or_else(|| {
                    format!(
                        "{} is none of `all`, `any` and a number from 1 to {}",
                        shown(digits),
                        members.len()
                    )
                })?,
        };
        self.define(name, Member::Group { threshold, members })
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        let quorum = if name == b"none" { None } else { Some(self.find(name)?) };
        self.quorums.push(quorum);
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == b"none" || self.names.iter().any(|known| known == name) {
            return Err(format!("the name {} is taken", shown(name)));
        }
        self.names.push(name.to_vec());
        self.members.push(member);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, String> {
        self.names
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| format!("no line before this one defines the name {}", shown(name)))
    }

    fn new_key(&mut self, public: Vec<u8>) -> Result<(), String> {
        if self.keys.insert(public) {
            Ok(())
        } else {
            Err("another line has the same key".to_owned())
        }
    }
}

fn text(octets: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(octets).map_err(|_| format!("{} is not UTF-8", shown(octets)))
}

fn shown(octets: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(octets))
}
