//! Names of people as the log has them, and how the company opens one of them to an auditor.
//!
//! A pseudonym is a commitment: the SHA-256 of an opening and the name. The opening is 32 bytes that
//! only who has the secret of the log can make, another for each name. So a pseudonym says nothing of
//! its name, not even to who tries all names; and who is given a name with its opening computes the
//! pseudonym and finds it in the log, without the secret and without learning of anybody else. What
//! was committed to can't be opened as another name: that takes two inputs with the same 160 bits.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{fold::LogState, key::authenticate};
use comptroller_vocabulary::hex;

/// What a pseudonym begins with.
pub const PREFIX: &str = "person:";

/// What is hashed before an opening and a name, so that the digest is of use for nothing else.
const PURPOSE: &[u8] = b"comptroller.dev/person v1\n";

/// How many hexadecimal digits a commitment has: 160 bits.
const DIGITS: usize = 40;

/// How many digits pseudonyms of older logs have, which can't be opened: a code of the name alone.
const OLD_DIGITS: usize = 32;

/// The version of a disclosure's form.
const DISCLOSURE_VERSION: u8 = 1;

/// Names of people as the log has them: the same for a person in all of a log, meaningless without
/// the signing key, and of no use in another log.
#[derive(Clone)]
pub struct Pseudonyms {
    codes: [u8; 32],
    openings: [u8; 32],
    form: PseudonymForm,
}

/// How pseudonyms are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PseudonymForm {
    /// A commitment to the name, which can be opened.
    #[default]
    Commitment,
    /// A code of the name under the secret of the log, as older versions wrote it. Nobody can show
    /// what it stands for without that secret.
    Code,
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(..)")
    }
}

impl Pseudonyms {
    /// Pseudonyms by two secrets: that of codes, and that of openings.
    pub(crate) fn new(codes: [u8; 32], openings: [u8; 32]) -> Self {
        Self { codes, openings, form: PseudonymForm::default() }
    }

    /// The pseudonyms to go on with in a log. One that names people by codes goes on so: a person
    /// with a second name would seem to be another, and what was found of the first to be mended.
    #[must_use]
    pub fn continuing(self, log: &LogState) -> Self {
        let form = if has_codes(log) { PseudonymForm::Code } else { PseudonymForm::Commitment };
        Self { form, ..self }
    }

    /// The pseudonym of a person: `person:` and hexadecimal digits.
    pub fn pseudonym(&self, person: &str) -> String {
        self.in_form(person, self.form)
    }

    /// The pseudonym of a person in one of the two forms.
    pub fn in_form(&self, person: &str, form: PseudonymForm) -> String {
        match form {
            PseudonymForm::Commitment => commitment(&self.opening(person), person),
            PseudonymForm::Code => {
                let code = hex(&authenticate(&self.codes, &[person.as_bytes()]));
                format!("{PREFIX}{}", &code[..OLD_DIGITS])
            }
        }
    }

    /// What shows an auditor who a pseudonym of this log stands for.
    pub fn disclose(&self, person: &str, origin: &str) -> Disclosure {
        let opening = self.opening(person);
        Disclosure {
            v: DISCLOSURE_VERSION,
            origin: origin.to_owned(),
            name: person.to_owned(),
            pseudonym: commitment(&opening, person),
            opening: hex(&opening),
        }
    }

    fn opening(&self, person: &str) -> [u8; 32] {
        authenticate(&self.openings, &[person.as_bytes()])
    }
}

/// Opens one pseudonym: given to an auditor, it shows who that person is and says nothing of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disclosure {
    /// The version of this form.
    pub v: u8,
    /// The origin of the log that names the person so.
    pub origin: String,
    /// The name of the person, as the cluster knows them.
    pub name: String,
    /// What the log has in its place.
    pub pseudonym: String,
    /// The opening, as 64 hexadecimal digits.
    pub opening: String,
}

/// Why a disclosure shows nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// Written by a later version.
    #[error("it has version {0} and this program reads version 1: use a newer one")]
    Version(u8),
    /// Its opening is something else.
    #[error("its opening is not 64 hexadecimal digits")]
    Opening,
    /// The name and the opening give another pseudonym.
    #[error(
        "its name and opening give {0}, which is another pseudonym: it does not name this person"
    )]
    Another(String),
}

impl Disclosure {
    /// Computes the pseudonym from the name and the opening, and compares. No secret is needed.
    pub fn check(&self) -> Result<(), DisclosureError> {
        if self.v != DISCLOSURE_VERSION {
            return Err(DisclosureError::Version(self.v));
        }
        let opening = bytes(&self.opening).ok_or(DisclosureError::Opening)?;
        let computed = commitment(&opening, &self.name);
        if computed == self.pseudonym { Ok(()) } else { Err(DisclosureError::Another(computed)) }
    }
}

fn commitment(opening: &[u8; 32], person: &str) -> String {
    let digest = Sha256::new()
        .chain_update(PURPOSE)
        .chain_update(opening)
        .chain_update(person.as_bytes())
        .finalize();
    format!("{PREFIX}{}", &hex(&digest)[..DIGITS])
}

/// The bytes of 64 lower-case hexadecimal digits.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    // A sign would be read too, and one opening has one text.
    (hex(&bytes) == digits).then_some(bytes)
}

/// Whether what the log says of the present names anybody by a code.
fn has_codes(log: &LogState) -> bool {
    // All of it as text: a pseudonym may stand in a finding, a spec or a record. It is asked once,
    // when a log is opened.
    serde_json::to_string(log).is_ok_and(|text| {
        text.split(PREFIX).skip(1).any(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
            digits == OLD_DIGITS
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::{ChangeKind, ObjectChange},
        entry::{ClockReading, Data, Entry, EntrySubject},
        key::SigningKey,
    };

    const NAME: &str = "comptroller.dev/evidence/7d9e3a60";

    fn pseudonyms(seed: u8) -> Pseudonyms {
        SigningKey::from_seed(NAME, &[seed; 32]).unwrap().pseudonyms()
    }

    #[test]
    fn a_pseudonym_is_steady_and_differs_by_person_and_by_key() {
        for form in [PseudonymForm::Commitment, PseudonymForm::Code] {
            let name = |seed: u8, person: &str| pseudonyms(seed).in_form(person, form);
            let alice = name(7, "alice@example.com");
            assert_eq!(alice, name(7, "alice@example.com"));
            assert_ne!(alice, name(7, "bob@example.com"));
            assert_ne!(alice, name(8, "alice@example.com"));
        }
        let alice = pseudonyms(7).pseudonym("alice@example.com");
        assert_eq!(alice.strip_prefix(PREFIX).unwrap().len(), DIGITS);
    }

    #[test]
    fn a_disclosure_shows_one_person_without_the_secret_and_no_other() {
        let shown = pseudonyms(7).disclose("alice@example.com", NAME);
        assert_eq!(shown.pseudonym, pseudonyms(7).pseudonym("alice@example.com"));
        assert_eq!(shown.check(), Ok(()));
        // As the documentation says to compute it.
        let mut input = PURPOSE.to_vec();
        input.extend(bytes(&shown.opening).unwrap());
        input.extend(b"alice@example.com");
        let digest = hex(&Sha256::digest(&input));
        assert_eq!(shown.pseudonym, format!("person:{}", &digest[..40]));

        let bob = pseudonyms(7).pseudonym("bob@example.com");
        for (wrong, reason) in [
            (Disclosure { name: "bob@example.com".to_owned(), ..shown.clone() }, "another"),
            (Disclosure { pseudonym: bob, ..shown.clone() }, "another"),
            (Disclosure { opening: "00".repeat(32), ..shown.clone() }, "another"),
            (Disclosure { opening: "+0".repeat(32), ..shown.clone() }, "64 hexadecimal"),
            (Disclosure { opening: shown.opening.to_uppercase(), ..shown.clone() }, "64 hexa"),
            (Disclosure { opening: String::new(), ..shown.clone() }, "64 hexadecimal"),
            (Disclosure { v: 2, ..shown.clone() }, "newer"),
        ] {
            let error = wrong.check().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_log_that_has_codes_goes_on_with_them_and_a_new_one_does_not() {
        let state_with = |person: String| {
            let spec = serde_json::json!({ "approvedBy": person });
            let change = ObjectChange {
                change: ChangeKind::Created,
                uid: None,
                generation: Some(1),
                phase: None,
                spec_digest: Some("sha256:00".to_owned()),
                previous_digest: None,
                spec: Some(spec),
                created_at: None,
                author_bound: None,
                fields: Vec::new(),
            };
            let mut state = LogState::default();
            state.apply(
                0,
                &Entry {
                    at: "2026-11-20T09:14:03Z".parse().unwrap(),
                    clock: ClockReading::default(),
                    epoch: 1,
                    subject: EntrySubject::new("ControlException", "legacy"),
                    data: Data::Exception(Box::new(change)),
                },
            );
            state
        };
        for form in [PseudonymForm::Code, PseudonymForm::Commitment] {
            let state = state_with(pseudonyms(7).in_form("jane@corp", form));
            let named = pseudonyms(7).continuing(&state).pseudonym("jane@corp");
            assert_eq!(named, pseudonyms(7).in_form("jane@corp", form));
        }
        let new = pseudonyms(7).continuing(&LogState::default());
        assert_eq!(new.pseudonym("a"), pseudonyms(7).in_form("a", PseudonymForm::Commitment));
    }
}
