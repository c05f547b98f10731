//! What a rule asks of a record, and of who attests.

use crate::{
    api::test_spec::{AttestationTest, RequiredPart},
    inventory::records::AttestationFacts,
};

/// What a record lacks of what the rule requires, as a reason why it does not count.
pub fn missing(record: &AttestationFacts, rule: &AttestationTest) -> Option<String> {
    let lacks = |part: &RequiredPart| match part {
        RequiredPart::Artifact => record.artifacts.is_empty(),
        RequiredPart::Version => record.version.is_none(),
        RequiredPart::Participants => record.participants == 0,
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
    (!missing.is_empty()).then(|| {
        format!("it lacks {}, which the control requires: write a new one", missing.join(" and "))
    })
}

/// Whether somebody may attest: Ok with what to know of it, or why not.
pub fn attester(person: &str, rule: &AttestationTest) -> Result<String, String> {
    let Some(attesters) = &rule.attesters else {
        return Ok(String::new());
    };
    if attesters.users.iter().any(|user| user == person) {
        return Ok(String::new());
    }
    if attesters.groups.is_empty() {
        return Err("attestedBy is not among the attesters of the control".to_owned());
    }
    // Who is in a group is known to the API server at the moment of the request, and to nobody later.
    Ok("attestedBy is not among attesters.users; whether they are in one of attesters.groups is checked on admission only, and not verified here".to_owned())
}
