//! What people did, in words; people are pseudonyms.

use super::{Description, cut};
use crate::data::{AttestationData, AttestationRecord};

pub(super) fn attestation(control: &str, data: &AttestationData) -> Description {
    let dates = &data.occurrence;
    let (period, phase) = (&dates.period, data.phase);
    let says = match &data.record {
        Some(record) => format!(
            "The record {} of {} answers the occurrence {period} of Control {control}, which is {phase}",
            record.name, record.attested_by
        ),
        None => format!("The occurrence {period} of Control {control} is {phase}"),
    };
    let why = Some(&data.message).filter(|message| !message.is_empty());
    let described = Description::new(says)
        .known("why", why)
        .detail("opens", &dates.opens)
        .detail("due", &dates.due)
        .detail("missed after", &dates.grace_until)
        .detail("rule", &format!("{}, frozen when it opened", dates.rule_digest));
    match &data.record {
        Some(one) => record(described, one),
        None => described,
    }
}

fn record(described: Description, record: &AttestationRecord) -> Description {
    let counts = if record.counts {
        "it came in time, and the rule admits it"
    } else {
        "it does not count for the occurrence"
    };
    let behalf = record.on_behalf.then_some("somebody else wrote it on their behalf");
    let bound = match record.author_bound {
        Some(true) => "the policies that bind it to its author were in force",
        Some(false) => {
            "the policies that bind it to its author were not in force: anybody may have written it"
        }
        None => "whether a policy bound it to its author is not known",
    };
    let summary = Some(cut(&record.summary)).filter(|summary| !summary.is_empty());
    described
        .detail("counts", &counts)
        .detail("outcome", &record.outcome)
        .known("what was done", summary)
        .detail("performed", &record.performed_at)
        .detail("recorded", &record.recorded_at)
        .known("first seen", record.seen_at)
        .known("recorded by", record.recorded_by.as_ref())
        .known("on behalf", behalf)
        .detail("author", &bound)
        .known("version", record.version.as_ref())
        .detail("participants", &record.participants)
        .detail("spec", &record.spec_digest)
        .list("artifacts", &record.artifacts, |artifact| {
            format!("{} ({})", cut(&artifact.uri), artifact.digest)
        })
}
