//! A witness for tests.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "what fails there fails the test"
)]

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signer as _, SigningKey as Ed25519};
use jiff::Timestamp;

/// A witness that cosigns whatever it is given.
#[derive(Debug)]
pub struct Cosigner {
    name: &'static str,
    key: Ed25519,
}

impl Cosigner {
    /// The same seed is the same key.
    pub fn new(name: &'static str, seed: u8) -> Self {
        Self { name, key: Ed25519::from_bytes(&[seed; 32]) }
    }

    /// Its key, as policies name it.
    pub fn vkey(&self) -> String {
        format!("{}+{:08x}+{}", self.name, self.id(), BASE64_STANDARD.encode(self.material()))
    }

    /// The line that it adds to a checkpoint at a time.
    pub fn cosign(&self, checkpoint: &str, at: &str) -> String {
        let (text, _) = checkpoint.rsplit_once("\n\n").unwrap();
        let seconds = at.parse::<Timestamp>().unwrap().as_second();
        let message = format!("cosignature/v1\ntime {seconds}\n{text}\n");
        let mut signed = self.id().to_be_bytes().to_vec();
        signed.extend(seconds.to_be_bytes());
        signed.extend(self.key.sign(message.as_bytes()).to_bytes());
        format!("\u{2014} {} {}\n", self.name, BASE64_STANDARD.encode(signed))
    }

    fn material(&self) -> Vec<u8> {
        [&[4][..], self.key.verifying_key().as_bytes()].concat()
    }

    fn id(&self) -> u32 {
        signed_note::key_id(self.name, &self.material())
    }
}
