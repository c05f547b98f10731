//! What limits the conclusions: items out of scope, suspensions, records that nothing bound to their
//! authors, and times that can't be right.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    OscalContext,
    model::{Method, Observation, OscalEvidence, Property},
    texts::{plain, properties, property, span, title},
};
use crate::{
    period::model::{ControlReport, IdentityFact, OutOfScope, Suspension, TimeAnomaly},
    text::object_name,
};

/// Those of the whole log: the log itself, identity, time.
pub(super) fn of_log(context: &OscalContext<'_>) -> Vec<Observation> {
    let report = context.report;
    let mut all = vec![log(context)];
    let facts = report.identity.iter().enumerate();
    all.extend(facts.map(|(number, one)| identity(context, number, one)));
    let anomalies = report.log.time_anomalies.iter().enumerate();
    all.extend(anomalies.map(|(number, one)| anomaly(context, number, one)));
    all
}

/// Those of a control, by kind and time.
pub(super) fn of_control(context: &OscalContext<'_>, control: &ControlReport) -> Vec<Observation> {
    let outside = control.out_of_scope.iter().enumerate();
    let mut all: Vec<Observation> =
        outside.map(|(number, one)| out_of_scope(context, control, number, one)).collect();
    let suspended = control.suspensions.iter().enumerate();
    all.extend(suspended.map(|(number, one)| suspension(context, control, number, one)));
    all
}

/// The ids of those of a control.
pub(super) fn ids_of(context: &OscalContext<'_>, control: &ControlReport) -> Vec<Uuid> {
    let name = control.name.as_str();
    let outside = 0..control.out_of_scope.len();
    let suspended = 0..control.suspensions.len();
    outside
        .map(|number| id(context, "out-of-scope", name, number))
        .chain(suspended.map(|number| id(context, "suspension", name, number)))
        .collect()
}

fn id(context: &OscalContext<'_>, what: &str, of: &str, number: usize) -> Uuid {
    context.ids.id_of(&["observation", what, of, &number.to_string()])
}

fn observation(
    context: &OscalContext<'_>,
    uuid: Uuid,
    method: Method,
    (heading, description): (&str, &str),
    props: Vec<Property>,
    relevant_evidence: Vec<OscalEvidence>,
    collected: Timestamp,
) -> Observation {
    Observation {
        uuid,
        title: title(heading),
        description: plain(description),
        props,
        methods: [method],
        types: Vec::new(),
        origins: context.origin(),
        subjects: context.subject(),
        relevant_evidence,
        collected,
    }
}

fn out_of_scope(
    context: &OscalContext<'_>,
    control: &ControlReport,
    number: usize,
    one: &OutOfScope,
) -> Observation {
    let name = object_name(&one.item.resource);
    let back = one.to.map_or("and it did not come back".to_owned(), |to| format!("until {to}"));
    let mut entries = vec![context.entry_links.evidence(one.entry, "it left the scope")];
    entries
        .extend(one.return_entry.map(|entry| context.entry_links.evidence(entry, "it came back")));
    let why = if one.why.is_empty() { one.cause.meaning() } else { &one.why };
    observation(
        context,
        id(context, "out-of-scope", &control.name, number),
        Method::Unknown,
        (
            &format!("Out of scope: {name}"),
            &format!(
                "{name} was out of the scope of {} from {} {back}: {why}",
                control.name, one.from
            ),
        ),
        properties([
            ("control", control.name.as_str().into()),
            ("uid", one.item.uid.clone().unwrap_or_default().into()),
            ("cause", one.cause.as_str().into()),
            ("from", one.from.to_string().into()),
            ("to", one.to.map(|at| at.to_string()).unwrap_or_default().into()),
        ]),
        entries,
        one.from,
    )
}

fn suspension(
    context: &OscalContext<'_>,
    control: &ControlReport,
    number: usize,
    one: &Suspension,
) -> Observation {
    let by = match &one.approved_by {
        Some(by) => format!("approved by {by}"),
        None => "approved by nobody, so that nothing is concluded of it".to_owned(),
    };
    observation(
        context,
        id(context, "suspension", &control.name, number),
        Method::Unknown,
        (
            &format!("Suspended: {}", control.name),
            &format!("The control was suspended from {}, {by}.", span(one.from, one.to)),
        ),
        properties([
            ("control", control.name.as_str().into()),
            ("from", one.from.to_string().into()),
            ("to", one.to.to_string().into()),
            ("approved-by", one.approved_by.clone().unwrap_or_default().into()),
            ("exception", one.exception.clone().unwrap_or_default().into()),
        ]),
        vec![context.entry_links.evidence(one.entry, "the spec suspends")],
        one.to,
    )
}

fn log(context: &OscalContext<'_>) -> Observation {
    let log = &context.report.log;
    let continues = match log.continues_published {
        Some(true) => "The log continues what was found published of it.",
        Some(false) => "The log does not continue a checkpoint that was found published.",
        None => "No entry says whether the log continues what was published of it.",
    };
    let contradictions = &context.report.provenance.contradictions;
    let contradicted = match contradictions.len() {
        0 => String::new(),
        number => number.to_string(),
    };
    let published = log.continues_published.map(|one| one.to_string()).unwrap_or_default();
    observation(
        context,
        id(context, "log", "", 0),
        Method::Examine,
        (
            "What others know of the log",
            &format!(
                "{continues} Days vouched for from outside: {} of {}. {}",
                log.vouched_days,
                log.days,
                log.policy.words()
            ),
        ),
        properties([
            ("continues-published", published.into()),
            ("vouched-days", log.vouched_days.to_string().into()),
            ("days", log.days.to_string().into()),
            ("witness-policy", log.policy.as_str().into()),
            ("contradicted-checkpoints", contradicted.into()),
        ]),
        Vec::new(),
        context.report.provenance.run_at,
    )
}

fn identity(context: &OscalContext<'_>, number: usize, one: &IdentityFact) -> Observation {
    let mut props = properties([
        ("from", one.from.to_string().into()),
        ("to", one.to.map(|at| at.to_string()).unwrap_or_default().into()),
        ("author-bound", if one.author_not_bound { "false" } else { "" }.into()),
    ]);
    props.extend(one.who.iter().filter_map(|who| property("who", who)));
    observation(
        context,
        id(context, "identity", "", number),
        Method::Examine,
        ("Who could have written the evidence", &one.what),
        props,
        vec![context.entry_links.evidence(one.entry, "it says so")],
        one.from,
    )
}

fn anomaly(context: &OscalContext<'_>, number: usize, one: &TimeAnomaly) -> Observation {
    let server = one.server_time.map(|at| at.to_string()).unwrap_or_default();
    observation(
        context,
        id(context, "time", "", number),
        Method::Examine,
        (
            "Times that can't all be right",
            &format!(
                "The operator's clock said {} at entry {}, and the API server's {}.",
                one.at,
                one.entry,
                if server.is_empty() { "was not known" } else { &server }
            ),
        ),
        properties([
            ("entry", one.entry.to_string().into()),
            ("at", one.at.to_string().into()),
            ("server-time", server.clone().into()),
            ("fault", one.fault.as_str().into()),
        ]),
        vec![context.entry_links.evidence(one.entry, "the entry")],
        one.at,
    )
}
