//! Proofs that an entry is in a log, and that a log continues an older one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use tlog_tiles::{Error, Hash, HashReader, Tile, record_hash};

use super::{
    LogError, LogReader, checkpoint::Head, path::FULL, rotation::Rotation, tiles::Tiles, tree,
};
use crate::key::VerifierKey;

/// The form of a proof.
const FORM: &str = "comptroller.dev/inclusion-proof/v1";

/// That an entry is in a log: all that is needed besides the verifier key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InclusionProof {
    /// The form of this proof: `comptroller.dev/inclusion-proof/v1`.
    pub format: String,
    /// The index of the entry.
    pub index: u64,
    /// The entry: the text of the leaf.
    pub entry: String,
    /// The hashes beside the way from the leaf to the root (RFC 6962, section 2.1.1), in base64.
    pub proof: Vec<String>,
    /// The signed checkpoint that the proof leads to.
    pub checkpoint: String,
    /// The key that the checkpoint was checked with. Whoever checks the proof uses their own copy.
    pub verifier_key: String,
    /// Where the key was replaced: what both keys signed, the last first. Whoever has an earlier key
    /// follows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<String>,
}

/// Why a proof proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// It has another form.
    #[error("it is not an inclusion proof of the form {FORM}: {0}")]
    Form(String),
    /// The checkpoint in it is not signed.
    #[error("its checkpoint can't be trusted: {0}")]
    Checkpoint(String),
    /// The hashes don't lead from the entry to the root.
    #[error(
        "entry {index} is not in the log of {size} entries that its checkpoint covers, or is another"
    )]
    NotIncluded {
        index: u64,
        /// How many entries the checkpoint covers.
        size: u64,
    },
}

impl InclusionProof {
    /// Proves an entry of a log.
    pub async fn of(log: &LogReader, index: u64) -> Result<Self, LogError> {
        let size = log.size();
        if index >= size {
            return Err(LogError::NoEntry { location: log.location().to_owned(), size, index });
        }
        let number = index / FULL;
        let bytes = log.tiles().read_bundle(number).await?;
        let (entries, hashes) = log.tiles().split(number, &bytes)?;
        log.tiles().check(number, &hashes).await?;
        let position = usize::try_from(index % FULL).unwrap_or(usize::MAX);
        let entry = entries.get(position).map(|entry| String::from_utf8_lossy(entry).into_owned());
        let hashes =
            gather(log.tiles(), size, |reader| tlog_tiles::prove_record(size, index, reader))
                .await?;
        Ok(Self {
            format: FORM.to_owned(),
            index,
            entry: entry.unwrap_or_default(),
            proof: hashes.iter().map(ToString::to_string).collect(),
            checkpoint: log.checkpoint().to_owned(),
            verifier_key: log.verifier_key().to_owned(),
            rotations: log.rotations().iter().map(|rotation| rotation.note.clone()).collect(),
        })
    }

    /// Reads a proof from its JSON.
    pub fn parse(text: &[u8]) -> Result<Self, ProofError> {
        let proof: Self =
            serde_json::from_slice(text).map_err(|error| ProofError::Form(error.to_string()))?;
        if proof.format != FORM {
            return Err(ProofError::Form("another format".to_owned()));
        }
        Ok(proof)
    }

    /// Checks the proof with nothing but the key: no log, no cluster. Returns what was signed.
    pub fn check(&self, key: &VerifierKey) -> Result<Head, ProofError> {
        let mut key = key.clone();
        for note in self.rotations.iter().rev() {
            if let Some(next) = Rotation::open(note.as_bytes()).filter(|it| it.from == key) {
                key = next.to;
            }
        }
        let head = Head::open(self.checkpoint.as_bytes(), &key).map_err(ProofError::Checkpoint)?;
        let hashes = self.proof.iter().map(|hash| Hash::parse_hash(hash));
        let hashes = hashes
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ProofError::Form("one of its hashes is not a hash".to_owned()))?;
        let not_included = ProofError::NotIncluded { index: self.index, size: head.size };
        if self.index >= head.size {
            return Err(not_included);
        }
        let leaf = record_hash(self.entry.as_bytes());
        tlog_tiles::check_record(&hashes, head.size, head.root, self.index, leaf)
            .map_err(|_| not_included)?;
        Ok(head)
    }

    /// The proof as a C2SP tlog-proof, with the entry as its extra data.
    pub fn to_tlog_proof(&self) -> String {
        let extra = BASE64_STANDARD.encode(&self.entry);
        let hashes: String = self.proof.iter().flat_map(|hash| [hash.as_str(), "\n"]).collect();
        format!(
            "c2sp.org/tlog-proof@v1\nextra {extra}\nindex {}\n{hashes}\n{}",
            self.index, self.checkpoint
        )
    }
}

/// Checks that a log continues an older checkpoint of it.
pub async fn check_continues(
    location: &str,
    tiles: &Tiles,
    new: &Head,
    old: &Head,
) -> Result<(), LogError> {
    let location = location.to_owned();
    if new.origin != old.origin {
        let (log, ours) = (new.origin.clone(), old.origin.clone());
        return Err(LogError::OriginMismatch { location, log, ours });
    }
    if new.size < old.size {
        let shown = format!("a checkpoint signed before covers {}", old.size);
        return Err(LogError::RolledBack { location, size: new.size, shown });
    }
    let forked = LogError::Forked { location, old: old.size, new: new.size };
    // There is no consistency proof from an empty tree, or between trees of one size (RFC 6962).
    if new.size == old.size || old.size == 0 {
        let same = old.size == 0 && old.root == tlog_tiles::EMPTY_HASH || new.root == old.root;
        return if same { Ok(()) } else { Err(forked) };
    }
    let proof =
        gather(tiles, new.size, |reader| tlog_tiles::prove_tree(new.size, old.size, reader))
            .await?;
    tlog_tiles::check_tree(&proof, new.size, new.root, old.size, old.root).map_err(|_| forked)
}

/// The hashes that prove that a tree continues its first leaves; empty where nothing is to be proven.
pub async fn consistency(tiles: &Tiles, size: u64, old: u64) -> Result<Vec<Hash>, LogError> {
    // There is no consistency proof from an empty tree, or between trees of one size (RFC 6962).
    if old == 0 || old >= size {
        return Ok(Vec::new());
    }
    gather(tiles, size, |reader| tlog_tiles::prove_tree(size, old, reader)).await
}

/// Makes a proof by trying: each failed try names the hashes that it lacked, which are then read.
async fn gather(
    tiles: &Tiles,
    size: u64,
    prove: impl Fn(&KnownHashes) -> Result<Vec<Hash>, Error>,
) -> Result<Vec<Hash>, LogError> {
    let mut known = KnownHashes::default();
    // A proof asks for its hashes in one or two steps. The bound only ends a loop that a broken tile,
    // which never yields its hash, would make endless.
    for _ in 0..64 {
        if let Ok(proof) = prove(&known) {
            return Ok(proof);
        }
        let missing = std::mem::take(
            &mut *known.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        if missing.is_empty() {
            break;
        }
        for index in missing {
            let tile = Tile::from_index(8, index);
            let (level, number) = (u32::from(tile.level()), tile.level_index());
            let hashes = tiles.get(level, number).await?;
            if let Ok(hash) = tile.hash_at_index(&tree::bytes(&hashes), index) {
                known.hashes.insert(index, hash);
            }
        }
    }
    Err(LogError::Broken {
        path: super::CHECKPOINT.to_owned(),
        index: 0,
        reason: format!("no proof can be made from the tiles of a log of {size} entries"),
    })
}

/// The hashes read so far, and those that were asked for and are not among them.
#[derive(Default)]
struct KnownHashes {
    hashes: BTreeMap<u64, Hash>,
    missing: Mutex<BTreeSet<u64>>,
}

impl HashReader for KnownHashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let mut missing = self.missing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        missing.extend(indexes.iter().filter(|index| !self.hashes.contains_key(index)));
        if !missing.is_empty() {
            return Err(Error::IndexesNotInTree);
        }
        Ok(indexes.iter().filter_map(|index| self.hashes.get(index).copied()).collect())
    }
}
