//! `person` and `disclosure`: where a log names somebody, for the company and for its auditor.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use comptroller_vocabulary::visible;
use serde::Serialize;

use super::{Answer, AnswerFormat, CommandError, LogArgs};
use crate::{
    key::{self, SigningKey},
    log::LogReader,
    people::{NamedIn, NamingEntry, naming_entries},
    pseudonym::{Disclosure, PseudonymForm},
    store,
};

/// Finds the entries that are about a person, for whoever has the signing key of the log; and writes
/// what shows an auditor that it is this person. Exit code 0: the log names them; 1: it does not.
#[derive(Debug, clap::Args)]
pub struct PersonArgs {
    /// The name of the person as the cluster knows it, such as jane@example.com.
    name: String,
    #[command(flatten)]
    log: LogArgs,
    /// The signing key of the log. Default: the one beside a local log. After a rotation, give each key.
    #[arg(long, value_name = "FILE")]
    signing_key: Vec<PathBuf>,
    /// Write a disclosure to this file: it shows an auditor without the key who this pseudonym is, and
    /// nothing of anybody else.
    #[arg(long, value_name = "FILE")]
    disclose: Option<PathBuf>,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: AnswerFormat,
}

/// Checks a disclosure without any key of the company, and finds the entries about that person. Exit
/// code 0: the pseudonym is this person's, and the log has it; 1: it is not, or the log does not.
#[derive(Debug, clap::Args)]
pub struct DisclosureArgs {
    /// The disclosure that the company wrote, in JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// How to write the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: AnswerFormat,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PersonJson<'a> {
    name: &'a str,
    pseudonyms: &'a [String],
    /// None where it shows nothing, since the log has codes of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    disclosure: Option<&'a Disclosure>,
    entries: &'a [NamingEntry],
}

impl PersonArgs {
    /// Reads the whole log.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        let log = LogReader::open(self.log.store()?, self.log.key()?).await?;
        let keys = self.keys(&log)?;
        let both = [PseudonymForm::Commitment, PseudonymForm::Code];
        let pseudonyms: Vec<String> = keys
            .iter()
            .flat_map(|key| both.map(|form| key.pseudonyms().in_form(&self.name, form)))
            .collect();
        let entries = naming_entries(&log, &pseudonyms).await?;
        let is_named = |name: &String| entries.iter().any(|entry| entry.pseudonym == *name);
        let disclosure = keys
            .iter()
            .map(|key| key.pseudonyms().disclose(&self.name, log.origin()))
            .find(|shown| is_named(&shown.pseudonym));
        if let Some(path) = &self.disclose {
            let shown = disclosure.as_ref().ok_or(CommandError::NothingToDisclose)?;
            write_disclosure(path, shown)?;
        }
        let named: Vec<String> = pseudonyms.into_iter().filter(is_named).collect();
        let exit_code = u8::from(entries.is_empty());
        if self.output == AnswerFormat::Json {
            let json = PersonJson {
                name: &self.name,
                pseudonyms: &named,
                disclosure: disclosure.as_ref(),
                entries: &entries,
            };
            return Answer::json(&json, exit_code);
        }
        let mut text = match named.as_slice() {
            [] => format!(
                "{} is nowhere in this log, by the keys that were given: see that they are those of this log, and that the name is the one that the cluster knows\n",
                visible(&self.name)
            ),
            named => format!("{} is {}\n", visible(&self.name), named.join(" and ")),
        };
        text.push_str(&describe(&entries));
        if disclosure.is_none() && !named.is_empty() {
            text.push_str("  This log was begun by an older version, whose pseudonyms only the key can resolve: nobody else can be shown who it is.\n");
        }
        Ok(Answer { text, exit_code })
    }

    fn keys(&self, log: &LogReader) -> Result<Vec<SigningKey>, CommandError> {
        let mut paths = self.signing_key.clone();
        if paths.is_empty() {
            let directory =
                store::directory_of(log.location()).ok_or(CommandError::NoSigningKey)?;
            paths.push(key::default_path(&directory));
        }
        let load = |path: &PathBuf| Ok(SigningKey::load(path, log.origin())?);
        paths.iter().map(load).collect()
    }
}

impl DisclosureArgs {
    /// Checks the disclosure, and reads the whole log.
    pub async fn run(&self) -> Result<Answer, CommandError> {
        let text = std::fs::read(&self.file).map_err(|source| CommandError::File {
            path: self.file.display().to_string(),
            source,
        })?;
        let shown: Disclosure = serde_json::from_slice(&text).map_err(|error| {
            CommandError::NotADisclosure(self.file.display().to_string(), error)
        })?;
        let refused = |why: &str| Answer {
            text: format!("NOT SHOWN: {}\n  {why}\n", visible(&self.file.display().to_string())),
            exit_code: 1,
        };
        if let Err(error) = shown.check() {
            return Ok(refused(&error.to_string()));
        }
        let log = LogReader::open(self.log.store()?, self.log.key()?).await?;
        if log.origin() != shown.origin {
            return Ok(refused(&format!(
                "it is for the log {}, and this is {}",
                visible(&shown.origin),
                visible(log.origin())
            )));
        }
        let pseudonyms = [shown.pseudonym.clone()];
        let entries = naming_entries(&log, &pseudonyms).await?;
        let exit_code = u8::from(entries.is_empty());
        if self.output == AnswerFormat::Json {
            let json = PersonJson {
                name: &shown.name,
                pseudonyms: &pseudonyms,
                disclosure: Some(&shown),
                entries: &entries,
            };
            return Answer::json(&json, exit_code);
        }
        let text = format!(
            "Shown: {} is {}\n{}",
            visible(&shown.pseudonym),
            visible(&shown.name),
            describe(&entries)
        );
        Ok(Answer { text, exit_code })
    }
}

fn write_disclosure(path: &Path, shown: &Disclosure) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(shown)? + "\n";
    std::fs::write(path, text)
        .map_err(|source| CommandError::Write { path: path.display().to_string(), source })
}

fn describe(entries: &[NamingEntry]) -> String {
    let mut text = format!("  {} entries name them\n", entries.len());
    for one in entries {
        // A String takes everything that is written to it.
        let _ = writeln!(
            text,
            "    entry {}, {}, {}: {} {}{}",
            one.entry,
            one.at,
            one.type_,
            visible(&one.subject.kind),
            visible(&one.subject.name),
            match one.named_in {
                NamedIn::Entry => "",
                NamedIn::StoredData => " (in its data beside the log)",
                NamedIn::PopulationList => " (in its list of what was judged)",
            }
        );
    }
    text
}
