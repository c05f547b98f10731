//! The signed tree head: a C2SP tlog-checkpoint in a C2SP signed-note. Pure.

use signed_note::Note;
use tlog_tiles::{Checkpoint, Hash};

use crate::key::{SigningKey, VerifierKey};

/// More entries than any log has, and few enough that no sum of tiles overflows.
const MAX_SIZE: u64 = 1 << 48;

/// What a checkpoint says, with its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Which log it is.
    pub origin: String,
    /// How many entries it covers.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The whole signed note, as it is in the log.
    pub text: String,
}

impl Head {
    /// Signs a head. The same head has the same text.
    pub fn sign(key: &SigningKey, origin: &str, size: u64, root: Hash) -> Self {
        let text = key.sign(&format!("{origin}\n{size}\n{root}\n"));
        Self { origin: origin.to_owned(), size, root, text }
    }

    /// Reads a checkpoint and checks that this key signed it; the error says what is wrong.
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Self, String> {
        let note = Note::from_bytes(bytes)
            .map_err(|_| "it is not a signed note (C2SP signed-note)".to_owned())?;
        // Before the text is read: nothing that the key did not sign is interpreted.
        if !key.verifies(&note) {
            return Err(format!("it is not signed by {key}"));
        }
        let checkpoint = Checkpoint::from_bytes(note.text())
            .map_err(|_| "it is not a checkpoint (C2SP tlog-checkpoint)".to_owned())?;
        if checkpoint.size() > MAX_SIZE {
            return Err(format!("no log has {} entries", checkpoint.size()));
        }
        Ok(Self {
            origin: checkpoint.origin().to_owned(),
            size: checkpoint.size(),
            root: *checkpoint.hash(),
            text: String::from_utf8_lossy(bytes).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tlog_tiles::EMPTY_HASH;

    use super::*;

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e";

    #[test]
    fn a_checkpoint_reads_back_and_only_under_its_key() {
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let head = Head::sign(&key, ORIGIN, 0, EMPTY_HASH);
        assert_eq!(head, Head::sign(&key, ORIGIN, 0, EMPTY_HASH));
        assert_eq!(Head::open(head.text.as_bytes(), &key.verifier()).unwrap(), head);
        let other = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
        let error = Head::open(head.text.as_bytes(), &other.verifier()).unwrap_err();
        assert!(error.starts_with("it is not signed by"), "{error}");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let head = Head::sign(&key, ORIGIN, 3, EMPTY_HASH);
        for bit in 0..head.text.len() * 8 {
            let mut bytes = head.text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Head::open(&bytes, &key.verifier()).is_err(), "bit {bit}");
        }
    }
}
