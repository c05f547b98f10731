//! Entry bundles: each entry after its length in 16 bits, big-endian. Pure.

use bytes::Bytes;

use super::LogError;
use crate::entry::MAX_ENTRY;

/// Adds an entry to a bundle.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), LogError> {
    match u16::try_from(entry.len()) {
        Ok(length) if length > 0 => {
            bundle.extend(length.to_be_bytes());
            bundle.extend(entry);
            Ok(())
        }
        _ => Err(LogError::EntrySize(entry.len())),
    }
}

/// Whether an entry can be in a bundle.
pub fn fits(entry: &[u8]) -> bool {
    (1..=MAX_ENTRY).contains(&entry.len())
}

/// The entries of a bundle; None if it ends within one, or holds an empty one.
pub fn split(bundle: &Bytes) -> Option<Vec<Bytes>> {
    let mut entries = Vec::new();
    let mut rest = bundle.clone();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?));
        if length == 0 || length > MAX_ENTRY || rest.len() < length + 2 {
            return None;
        }
        entries.push(rest.slice(2..length + 2));
        rest = rest.slice(length + 2..);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bundle_reads_back(entries in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 1..300), 0..20,
        )) {
            let mut bundle = Vec::new();
            for entry in &entries {
                push(&mut bundle, entry).unwrap();
            }
            prop_assert_eq!(split(&bundle.into()).unwrap(), entries);
        }

        #[test]
        fn no_bytes_make_it_fail_otherwise_than_by_none(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Some(entries) = split(&bytes.clone().into()) {
                let mut again = Vec::new();
                for entry in &entries {
                    push(&mut again, entry).unwrap();
                }
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn what_is_longer_than_16_bits_can_say_is_refused() {
        let mut bundle = Vec::new();
        assert!(push(&mut bundle, &vec![b'a'; 65_535]).is_ok());
        assert!(matches!(push(&mut bundle, &vec![0; 65_536]), Err(LogError::EntrySize(65_536))));
        assert!(matches!(push(&mut bundle, &[]), Err(LogError::EntrySize(0))));
    }
}
