//! What was observed: each control over the period, each deviation, each occurrence of a human
//! control, and each gap.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    OscalContext, limits,
    model::{Method, Observation, OscalEvidence, Property},
    registers,
    texts::{plain, properties, span, title},
};
use crate::{
    period::model::{
        AttestationReport, ControlReport, Deviation, Ending, GapReport, OccurrenceReport,
        ReportedPopulation, SpecChange,
    },
    text::object_name,
};

/// Every observation, by control and time; what is of the whole cluster or log is the last.
pub(super) fn all(context: &OscalContext<'_>) -> Vec<Observation> {
    let mut observations = Vec::new();
    for control in &context.report.controls {
        observations.push(of_control(context, control));
        let deviations = control.deviations.iter().enumerate();
        observations.extend(deviations.map(|(n, one)| of_deviation(context, control, n, one)));
        observations
            .extend(control.occurrences.iter().map(|one| of_occurrence(context, control, one)));
        observations.extend(limits::of_control(context, control));
    }
    observations.extend(registers::all(context));
    let gaps = context.report.gaps.iter().enumerate();
    observations.extend(gaps.map(|(n, gap)| of_gap(context, n, gap)));
    observations.extend(limits::of_log(context));
    observations
}

/// The id of what was observed of a control over the period.
pub(super) fn control_id(context: &OscalContext<'_>, control: &str) -> Uuid {
    context.ids.id_of(&["observation", "control", control])
}

/// The id of a deviation. One entry may open many, even of the same rule and resource.
pub(super) fn deviation_id(context: &OscalContext<'_>, control: &str, number: usize) -> Uuid {
    context.ids.id_of(&["observation", "deviation", control, &number.to_string()])
}

fn occurrence_id(context: &OscalContext<'_>, control: &str, period: &str) -> Uuid {
    context.ids.id_of(&["observation", "occurrence", control, period])
}

fn gap_id(context: &OscalContext<'_>, number: usize) -> Uuid {
    context.ids.id_of(&["observation", "gap", &number.to_string()])
}

/// The ids of all that was observed of a control.
pub(super) fn ids_of(context: &OscalContext<'_>, control: &ControlReport) -> Vec<Uuid> {
    let name = control.name.as_str();
    let mut ids = vec![control_id(context, name)];
    ids.extend((0..control.deviations.len()).map(|number| deviation_id(context, name, number)));
    ids.extend(control.occurrences.iter().map(|one| occurrence_id(context, name, &one.period)));
    ids.extend(limits::ids_of(context, control));
    let gaps = context.report.gaps.iter().enumerate();
    ids.extend(
        gaps.filter(|(_, gap)| gap.everywhere || gap.controls.iter().any(|one| one == name))
            .map(|(number, _)| gap_id(context, number)),
    );
    ids
}

fn method(control: &ControlReport) -> Method {
    if control.is_attested() { Method::Examine } else { Method::Test }
}

fn of_control(context: &OscalContext<'_>, control: &ControlReport) -> Observation {
    let mut props = properties([
        ("control", control.name.as_str().into()),
        ("owner", control.owner.as_str().into()),
        ("severity", control.severity.as_str().into()),
        ("test", control.test.as_str().into()),
        ("spec-digest", control.spec_digest.as_str().into()),
        ("conclusion", control.conclusion.as_str().into()),
        ("deviation-pattern", control.deviation_pattern.map_or("", |one| one.as_str()).into()),
        ("coverage", control.coverage.text().into()),
        ("observed-seconds", control.coverage.observed_seconds.to_string().into()),
        ("expected-seconds", control.coverage.expected_seconds.to_string().into()),
    ]);
    props.extend(control.criteria.iter().filter_map(|id| super::texts::property("criterion", id)));
    props.extend(population_properties(control));
    let seconds = seconds_by_state(control);
    // At a time, a state has no length.
    let states: Vec<String> = seconds
        .iter()
        .map(|(state, seconds)| match seconds {
            0 => (*state).to_owned(),
            seconds => format!("{state} for {seconds} s"),
        })
        .collect();
    let mut relevant = Vec::new();
    let populations = [&control.population_start, &control.population_end];
    for population in populations.into_iter().flatten() {
        relevant.push(population_evidence(context, population));
    }
    relevant.extend(control.changes.iter().map(|change| change_evidence(context, change)));
    Observation {
        uuid: control_id(context, &control.name),
        title: title(&control.title),
        description: plain(&format!(
            "{}{} States: {}. Deviations: {}.",
            control.objective.as_deref().map(|text| format!("{text} ")).unwrap_or_default(),
            control.basis,
            if states.is_empty() { "none was recorded".to_owned() } else { states.join(", ") },
            control.deviations.len(),
        )),
        props,
        methods: [method(control)],
        types: vec!["control-objective"],
        origins: context.origin(),
        subjects: context.subject(),
        relevant_evidence: relevant,
        collected: collected(context, control),
    }
}

/// When the newest of the evidence was collected.
fn collected(context: &OscalContext<'_>, control: &ControlReport) -> Timestamp {
    let populations = [&control.population_end, &control.population_start];
    let population = populations.into_iter().flatten().map(|population| population.at).max();
    let observed = control.intervals.iter().filter(|one| one.state.is_some()).map(|one| one.to);
    population.or_else(|| observed.max()).unwrap_or(context.bounds().1)
}

fn seconds_by_state(control: &ControlReport) -> BTreeMap<&'static str, i64> {
    let mut seconds = BTreeMap::new();
    for interval in &control.intervals {
        let state = interval.state.map_or("NotObserved", |state| state.as_str());
        *seconds.entry(state).or_default() += interval.length().as_secs();
    }
    seconds
}

fn population_properties(control: &ControlReport) -> Vec<Property> {
    let of = |population: &Option<ReportedPopulation>, names: [&'static str; 2]| {
        let Some(population) = population else { return Vec::new() };
        let digest = population.list.as_ref().map_or("", |list| list.digest.as_str());
        properties([
            (names[0], population.count.to_string().into()),
            (names[1], digest.to_owned().into()),
        ])
    };
    let mut all = of(&control.population_start, ["population-start", "population-start-digest"]);
    all.extend(of(&control.population_end, ["population-end", "population-end-digest"]));
    all
}

fn population_evidence(
    context: &OscalContext<'_>,
    population: &ReportedPopulation,
) -> OscalEvidence {
    let what = format!("{} items were judged at {}", population.count, population.at);
    context.entry_links.evidence(population.entry, &what)
}

fn change_evidence(context: &OscalContext<'_>, change: &SpecChange) -> OscalEvidence {
    let fields: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
    let what = format!("{} at {} {}", change.change, change.at, fields.join(", "));
    context.entry_links.evidence(change.entry, &plain(&what))
}

fn of_deviation(
    context: &OscalContext<'_>,
    control: &ControlReport,
    number: usize,
    deviation: &Deviation,
) -> Observation {
    let resource = &deviation.item.resource;
    let optional =
        |text: &Option<String>| -> Cow<'static, str> { text.clone().unwrap_or_default().into() };
    let mut relevant = vec![context.entry_links.evidence(deviation.opened_entry, "it was found")];
    relevant.extend(
        deviation.closed_entry.map(|entry| context.entry_links.evidence(entry, "it ended")),
    );
    Observation {
        uuid: deviation_id(context, &control.name, number),
        title: title(&format!("{}: {}", deviation.rule, object_name(resource))),
        description: sentence(deviation),
        props: properties([
            ("control", control.name.as_str().into()),
            ("rule", deviation.rule.as_str().into()),
            ("severity", deviation.severity.as_str().into()),
            ("api-version", resource.api_version.as_str().into()),
            ("kind", resource.kind.as_str().into()),
            ("namespace", optional(&resource.namespace)),
            ("name", resource.name.as_str().into()),
            ("subject", optional(&deviation.subject)),
            ("since", deviation.from.to_string().into()),
            ("until", deviation.to.map(|at| at.to_string()).unwrap_or_default().into()),
            ("ending", deviation.ending.as_str().into()),
            ("ending-detail", deviation.ending_detail.as_str().into()),
            (
                "last-found",
                deviation.last_found.map(|at| at.to_string()).unwrap_or_default().into(),
            ),
            ("uid", optional(&deviation.item.uid)),
            ("exception", optional(&deviation.exception)),
            ("pattern", deviation.pattern.as_str().into()),
            ("cause", optional(&deviation.cause)),
        ]),
        methods: [method(control)],
        types: vec!["finding"],
        origins: context.origin(),
        subjects: context.subject(),
        relevant_evidence: relevant,
        collected: deviation.from,
    }
}

/// What is wrong, since when and until when, in Markdown.
pub(super) fn sentence(deviation: &Deviation) -> String {
    let subject = deviation.subject.as_ref().map(|subject| format!("{subject}: "));
    let end = match deviation.to {
        Some(until) => format!("until {until} ({})", deviation.ending),
        None if deviation.ending == Ending::Open => "and it was still so at the end".to_owned(),
        None => format!("and nobody saw it end ({})", deviation.ending),
    };
    plain(&format!(
        "{}: {}{}; since {} {end}.",
        object_name(&deviation.item.resource),
        subject.unwrap_or_default(),
        deviation.message,
        deviation.from,
    ))
}

fn of_occurrence(
    context: &OscalContext<'_>,
    control: &ControlReport,
    occurrence: &OccurrenceReport,
) -> Observation {
    let performed = occurrence.performed_at.map(|at| at.to_string());
    let mut props = properties([
        ("control", control.name.as_str().into()),
        ("occurrence", occurrence.period.as_str().into()),
        ("phase", occurrence.phase.as_str().into()),
        ("opens", occurrence.opens.to_string().into()),
        ("due", occurrence.due.to_string().into()),
        ("grace-until", occurrence.grace_until.to_string().into()),
        ("performed-at", performed.unwrap_or_default().into()),
    ]);
    let named = |name, values: &[String]| -> Vec<Property> {
        values.iter().filter_map(|value| super::texts::property(name, value)).collect()
    };
    props.extend(named("attested-by", &occurrence.attested_by));
    props.extend(named("artifact-digest", &occurrence.artifacts));
    let mut relevant =
        vec![context.entry_links.evidence(occurrence.entry, occurrence.phase.as_str())];
    relevant.extend(occurrence.records.iter().map(|one| record_evidence(context, one)));
    Observation {
        uuid: occurrence_id(context, &control.name, &occurrence.period),
        title: title(&format!("{}: {}", control.title, occurrence.period)),
        description: plain(&format!(
            "The occurrence {}, due {}, is {}: {}",
            occurrence.period,
            occurrence.due,
            occurrence.phase,
            occurrence.phase.meaning(),
        )),
        props,
        methods: [Method::Examine],
        types: Vec::new(),
        origins: context.origin(),
        subjects: context.subject(),
        relevant_evidence: relevant,
        collected: occurrence.performed_at.unwrap_or(occurrence.due),
    }
}

/// A record of what somebody attested: what it says, and what the API server and the operator say of
/// it.
fn record_evidence(context: &OscalContext<'_>, record: &AttestationReport) -> OscalEvidence {
    let mut evidence = context.entry_links.evidence(
        record.entry,
        &plain(&format!(
            "{} by {}, performed {}, recorded {}: {}",
            record.outcome,
            record.attested_by,
            record.performed_at,
            record.recorded_at,
            record.summary
        )),
    );
    let flag = |is: bool| if is { "true" } else { "" };
    evidence.props.extend(properties([
        ("record", record.name.as_str().into()),
        ("outcome", record.outcome.as_str().into()),
        ("counts", record.counts.to_string().into()),
        ("attested-by", record.attested_by.as_str().into()),
        ("recorded-by", record.recorded_by.clone().unwrap_or_default().into()),
        ("on-behalf", flag(record.on_behalf).into()),
        ("performed-at", record.performed_at.to_string().into()),
        ("recorded-at", record.recorded_at.to_string().into()),
        ("seen-at", record.seen_at.map(|at| at.to_string()).unwrap_or_default().into()),
        ("backdated", flag(record.backdated).into()),
        ("late", flag(record.late).into()),
        ("author-bound", record.author_bound.map(|one| one.to_string()).unwrap_or_default().into()),
        ("spec-digest", record.spec_digest.as_str().into()),
    ]));
    for artifact in &record.artifacts {
        evidence.props.extend(properties([(
            "artifact",
            format!("{} {}", artifact.uri, artifact.digest).into(),
        )]));
    }
    evidence
}

fn of_gap(context: &OscalContext<'_>, number: usize, gap: &GapReport) -> Observation {
    let which = if gap.everywhere { "all controls".to_owned() } else { gap.controls.join(", ") };
    let entries =
        gap.entries.iter().map(|entry| context.entry_links.evidence(*entry, "it says so"));
    Observation {
        uuid: gap_id(context, number),
        title: title(&format!("Not observed: {which}")),
        description: plain(&format!(
            "Nobody looked from {}: {}",
            span(gap.from, gap.to),
            gap.reason
        )),
        props: properties([
            ("cause", gap.cause.as_str().into()),
            ("gap-from", gap.from.to_string().into()),
            ("gap-to", gap.to.to_string().into()),
        ]),
        methods: [Method::Unknown],
        types: Vec::new(),
        origins: context.origin(),
        subjects: context.subject(),
        relevant_evidence: entries.collect(),
        collected: gap.to,
    }
}
