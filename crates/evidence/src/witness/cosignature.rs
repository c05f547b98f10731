//! A cosignature of a checkpoint (C2SP tlog-cosignature, `cosignature/v1`). Pure.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};
use jiff::Timestamp;
use signed_note::{Note, Signature};

/// The byte that says a timestamped Ed25519 cosignature in a verifier key.
const ED25519_COSIGNATURE: u8 = 4;

/// The same of ML-DSA-44, and how long such a public key is.
const ML_DSA_44: (u8, usize) = (6, 1312);

/// The bytes of a cosignature: the time, and an Ed25519 signature.
const LENGTH: usize = 8 + 64;

/// The public key of a witness, from its text `<name>+<id>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerKey {
    name: String,
    id: u32,
    key: PublicKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PublicKey {
    Ed25519(VerifyingKey),
    /// Read, so that a policy may name such a witness, but not verified: it never counts.
    MlDsa44(Vec<u8>),
}

/// That a witness saw a checkpoint, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The name of the witness, as its key has it.
    pub witness: String,
    /// When the witness says that it signed.
    pub at: Timestamp,
    /// The line of the signed note, without its line break.
    pub line: String,
}

impl CosignerKey {
    /// Reads the text of a key; None if it is not that of a witness.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64_STANDARD.decode(key).ok()?;
        let (kind, public) = bytes.split_first()?;
        let parsed = match *kind {
            ED25519_COSIGNATURE => {
                PublicKey::Ed25519(VerifyingKey::from_bytes(public.try_into().ok()?).ok()?)
            }
            kind if (kind, public.len()) == ML_DSA_44 => PublicKey::MlDsa44(public.to_vec()),
            _ => return None,
        };
        let expected = signed_note::key_id(name, &bytes);
        let is_valid = signed_note::is_key_name_valid(name) && id == format!("{expected:08x}");
        is_valid.then(|| Self { name: name.to_owned(), id: expected, key: parsed })
    }

    /// The name of the witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this version can verify what the witness signs.
    pub fn is_supported(&self) -> bool {
        matches!(self.key, PublicKey::Ed25519(_))
    }

    /// The bytes of the public key, which tell whether two texts are one key.
    pub(super) fn public(&self) -> &[u8] {
        match &self.key {
            PublicKey::Ed25519(key) => key.as_bytes(),
            PublicKey::MlDsa44(key) => key,
        }
    }

    /// The cosignature that a line of a note is, of a text by this key. None: it is another's, or wrong.
    fn verify(&self, text: &[u8], line: &str) -> Option<Cosignature> {
        let signature = Signature::from_bytes(line.as_bytes()).ok()?;
        let PublicKey::Ed25519(key) = &self.key else { return None };
        let signed = signature.signature();
        if signature.name() != self.name || signature.id() != self.id || signed.len() != LENGTH {
            return None;
        }
        let (time, signed) = signed.split_first_chunk::<8>()?;
        let seconds = i64::try_from(u64::from_be_bytes(*time)).ok()?;
        let at = Timestamp::from_second(seconds).ok()?;
        let mut message = format!("cosignature/v1\ntime {seconds}\n").into_bytes();
        message.extend(text);
        key.verify_strict(&message, &Ed25519Signature::from_slice(signed).ok()?).ok()?;
        Some(Cosignature { witness: self.name.clone(), at, line: line.to_owned() })
    }
}

/// The cosignatures on a signed note by some keys, each with the place of its key among them. At most
/// one of a key, the newest; those of unknown keys and those that are wrong are left out.
pub(super) fn cosignatures(note: &[u8], keys: &[&CosignerKey]) -> Vec<(usize, Cosignature)> {
    let Ok(parsed) = Note::from_bytes(note) else { return Vec::new() };
    let text = String::from_utf8_lossy(note);
    // The signatures are after the last blank line, as the note was parsed.
    let lines: Vec<&str> =
        text.rsplit_once("\n\n").map(|(_, lines)| lines.lines().collect()).unwrap_or_default();
    let newest = |key: &&CosignerKey| {
        lines
            .iter()
            .filter_map(|line| key.verify(parsed.text(), line))
            .max_by_key(|cosignature| cosignature.at)
    };
    keys.iter().enumerate().filter_map(|(place, key)| Some((place, newest(key)?))).collect()
}
