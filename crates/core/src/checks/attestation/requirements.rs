//! What a rule requires of a record, and of whoever attests.

use jiff::Timestamp;

use crate::{
    api::test_spec::{AttestationTest, RequiredPart},
    inventory::records::AttestationFacts,
};

/// Why a record does not count for an occurrence, as the occurrence notes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordRejection {
    /// A file, or an object whose time of creation is gone.
    #[error("it never reached an API server, so it is not known when it was written")]
    NeverStored,
    #[error("it was recorded before the occurrence opened at {opens}: write a new one")]
    TooEarly { opens: Timestamp },
    #[error("it was recorded after {grace_until}")]
    TooLate { grace_until: Timestamp },
    #[error(
        "performedAt {performed} is later than the record itself: write a new one when it is done"
    )]
    NotYetPerformed { performed: Timestamp },
    #[error("performedAt {performed} is before the period, which begins at {opens}")]
    PerformedTooEarly { performed: Timestamp, opens: Timestamp },
    /// The fields that are missing, joined for a sentence.
    #[error("it lacks {0}, which the control requires: write a new one")]
    Lacks(String),
    #[error("attestedBy is not among the attesters of the control")]
    NotAnAttester,
    #[error(
        "attestedBy is somebody of the event, whom the control keeps from attesting (notBy): have another person attest"
    )]
    Barred,
    /// No log is open, which has the pseudonyms.
    #[error("it is not known yet whether attestedBy is somebody of the event")]
    PeopleUnknown,
}

/// Whether a record has every part that the rule requires.
pub fn check_parts(
    record: &AttestationFacts,
    rule: &AttestationTest,
) -> Result<(), RecordRejection> {
    let lacks = |part: &RequiredPart| match part {
        RequiredPart::Artifact => record.artifacts.is_empty(),
        RequiredPart::Version => record.version.is_none(),
        RequiredPart::Participants => record.participants.is_empty(),
    };
    let missing: Vec<&str> = rule
        .requires
        .iter()
        .filter(|part| lacks(part))
        .map(|part| match part {
            RequiredPart::Artifact => "spec.artifacts",
            RequiredPart::Version => "spec.version",
            RequiredPart::Participants => "spec.participants",
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(RecordRejection::Lacks(missing.join(" and "))) }
}

/// Whether somebody may attest: Ok with a note about it, which is empty when there is nothing to add.
pub fn check_attester(person: &str, rule: &AttestationTest) -> Result<String, RecordRejection> {
    let Some(attesters) = &rule.attesters else {
        return Ok(String::new());
    };
    if attesters.users.iter().any(|user| user == person) {
        return Ok(String::new());
    }
    if attesters.groups.is_empty() {
        return Err(RecordRejection::NotAnAttester);
    }
    // Who is in a group is known to the API server at the moment of the request, and to nobody later.
    Ok("attestedBy is not among attesters.users; whether they are in one of attesters.groups is checked on admission only, and not verified here".to_owned())
}

/// Whether somebody is none of the people of an event who may not attest, by pseudonym.
pub(crate) fn check_not_barred(
    person: &str,
    barred: &[String],
    pseudonym: Option<&dyn Fn(&str) -> String>,
) -> Result<(), RecordRejection> {
    if barred.is_empty() {
        return Ok(());
    }
    let pseudonym = pseudonym.ok_or(RecordRejection::PeopleUnknown)?;
    // Programs stand in the log by their own names.
    let is_barred =
        barred.iter().any(|known| known == person) || barred.contains(&pseudonym(person));
    if is_barred { Err(RecordRejection::Barred) } else { Ok(()) }
}
