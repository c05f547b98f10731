//! The entries that are next: what makes an append one step, and the fence between writers. Pure.
//!
//! The object `pending` beside the log holds the leaves of the newest append and the tree that they
//! follow. It is sealed by the writer's key, so that a writer that takes over signs only what a
//! writer before it meant to append, and it differs each time, so that it never is what it was.

use bytes::Bytes;
use tlog_tiles::Hash;

use super::bundle;
use crate::key::{SigningKey, authenticate};

/// The path of the object.
pub const PENDING: &str = "pending";

/// The first line of the object. A later form has another, and is then quarantined, not misread.
const FORM: &str = "comptroller.dev/evidence/pending/v1";
/// What the key of the seal is derived for, so that no other use of the signing key yields a seal.
const PURPOSE: &[u8] = b"comptroller.dev/evidence pending v1";
/// How many bytes at the end are the seal, an HMAC-SHA256.
const SEAL: usize = 32;

/// The newest append, as the object holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The size of the tree that the leaves follow.
    pub base: u64,
    /// The root of that tree.
    pub root: Hash,
    /// The leaves; none when a writer only took over.
    pub leaves: Vec<Bytes>,
}

impl Pending {
    /// The size of the tree with the leaves.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.leaves.len() as u64)
    }

    /// The bytes of the object.
    pub fn seal(
        &self,
        key: &SigningKey,
        origin: &str,
        nonce: [u8; 16],
    ) -> Result<Bytes, super::LogError> {
        let nonce = u128::from_be_bytes(nonce);
        let mut bytes =
            format!("{FORM}\n{origin}\n{}\n{}\n{nonce:032x}\n", self.base, self.root).into_bytes();
        for leaf in &self.leaves {
            bundle::push(&mut bytes, leaf)?;
        }
        let seal = authenticate(&key.derive(PURPOSE), &[&bytes]);
        bytes.extend(seal);
        Ok(bytes.into())
    }

    /// Reads the object; None if it is torn, or sealed by another key or for another log.
    pub fn open(bytes: &Bytes, key: &SigningKey, origin: &str) -> Option<Self> {
        let body = bytes.slice(..bytes.len().checked_sub(SEAL)?);
        // First of all: nothing of the object is even parsed before it is known to be a writer's own.
        if bytes.get(body.len()..)? != authenticate(&key.derive(PURPOSE), &[&body]) {
            return None;
        }
        let mut start = 0;
        let mut line = || {
            let rest = body.get(start..)?;
            let length = rest.iter().position(|byte| *byte == b'\n')?;
            start += length + 1;
            std::str::from_utf8(rest.get(..length)?).ok()
        };
        if line()? != FORM || line()? != origin {
            return None;
        }
        let base = line()?.parse().ok()?;
        let root = Hash::parse_hash(line()?).ok()?;
        let _nonce = line()?;
        Some(Self { base, root, leaves: bundle::split(&body.slice(start..))? })
    }
}

#[cfg(test)]
mod tests {
    use tlog_tiles::EMPTY_HASH;

    use super::*;

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e";

    #[test]
    fn it_reads_back_and_no_bit_of_it_can_be_changed() {
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let pending = Pending {
            base: 5,
            root: EMPTY_HASH,
            leaves: vec![Bytes::from_static(b"a\nb"), Bytes::from_static(b"c")],
        };
        let sealed = pending.seal(&key, ORIGIN, [1; 16]).unwrap();
        assert_eq!(Pending::open(&sealed, &key, ORIGIN).unwrap(), pending);
        assert_ne!(pending.seal(&key, ORIGIN, [2; 16]).unwrap(), sealed);
        assert_eq!(Pending::open(&sealed, &key, "comptroller.dev/evidence/other"), None);
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Pending::open(&bytes.into(), &key, ORIGIN), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(Pending::open(&sealed.slice(..length), &key, ORIGIN), None);
        }
    }
}
