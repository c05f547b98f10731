//! What the observations came to for each criterion, and what is open.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    OscalContext, criterion_id,
    model::{
        OscalFinding, OscalRemediation, OscalRisk, OscalTarget, RelatedObservation, RelatedRisk,
        TargetStatus,
    },
    observations,
    texts::{plain, properties, title},
};
use crate::period::model::{
    Conclusion, ControlReport, CriterionReport, Deviation, ResponseReport, Span,
};

/// A finding for each criterion, and a risk for each open deviation.
pub(super) fn all(context: &OscalContext<'_>) -> (Vec<OscalFinding>, Vec<OscalRisk>) {
    let mut risks = Vec::new();
    let mut by_control: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for control in &context.report.controls {
        for (number, deviation) in control.deviations.iter().enumerate() {
            // A risk is what is still to be dealt with; one that ended is an observation alone.
            if deviation.is_open() {
                let risk = risk(context, control, number, deviation);
                by_control.entry(&control.name).or_default().push(risk.uuid);
                risks.push(risk);
            }
        }
    }
    let criteria = context.report.criteria.iter();
    (criteria.map(|criterion| finding(context, criterion, &by_control)).collect(), risks)
}

fn risk(
    context: &OscalContext<'_>,
    control: &ControlReport,
    number: usize,
    deviation: &Deviation,
) -> OscalRisk {
    let observation = observations::deviation_id(context, &control.name, number);
    OscalRisk {
        uuid: context.ids.id_of(&["risk", &control.name, &number.to_string()]),
        title: title(&format!("{}: {}", control.title, deviation.rule)),
        description: observations::sentence(deviation),
        statement: plain(&format!(
            "The control {} does not hold for this resource: {}",
            control.name, control.title
        )),
        props: properties([
            ("control", control.name.as_str().into()),
            ("severity", deviation.severity.as_str().into()),
            ("since", deviation.from.to_string().into()),
        ]),
        status: "open",
        remediations: deviation
            .response
            .iter()
            .map(|response| remediation(context, control, number, response))
            .collect(),
        related_observations: vec![RelatedObservation { observation_uuid: observation }],
    }
}

fn remediation(
    context: &OscalContext<'_>,
    control: &ControlReport,
    number: usize,
    response: &ResponseReport,
) -> OscalRemediation {
    let bound = response.author_bound.map(|one| one.to_string()).unwrap_or_default();
    OscalRemediation {
        uuid: context.ids.id_of(&["remediation", &control.name, &number.to_string()]),
        lifecycle: "planned",
        title: title(&format!("Response of management: {}", response.name)),
        description: plain(&format!("Cause: {} Response: {}", response.cause, response.response)),
        props: properties([
            ("owner", response.owner.as_str().into()),
            ("responded-by", response.responded_by.as_str().into()),
            ("responded-at", response.at.to_string().into()),
            ("action-by", response.corrective_action_by.clone().unwrap_or_default().into()),
            ("author-bound", bound.into()),
            ("entry", response.entry.to_string().into()),
        ]),
    }
}

fn finding(
    context: &OscalContext<'_>,
    criterion: &CriterionReport,
    risks: &BTreeMap<&str, Vec<Uuid>>,
) -> OscalFinding {
    let serving: Vec<&ControlReport> = context
        .report
        .controls
        .iter()
        .filter(|control| criterion.controls.contains(&control.name))
        .collect();
    // A gap of the whole cluster is one of every control.
    let mut seen = BTreeSet::new();
    let observed = serving
        .iter()
        .flat_map(|control| observations::ids_of(context, control))
        .filter(|id| seen.insert(*id));
    let related_observations =
        observed.map(|observation_uuid| RelatedObservation { observation_uuid }).collect();
    let open =
        serving.iter().filter_map(|control| risks.get(control.name.as_str())).flatten().copied();
    let names: Vec<&str> = criterion.controls.iter().map(String::as_str).collect();
    let by =
        if names.is_empty() { String::new() } else { format!("Served by {}. ", names.join(", ")) };
    OscalFinding {
        uuid: context.ids.id_of(&["finding", &criterion.id]),
        title: title(&format!("{} {}", criterion.id, criterion.title)),
        description: plain(&format!("{by}{}", criterion.basis)),
        props: properties([
            ("category", criterion.category.as_str().into()),
            ("conclusion", criterion.conclusion.as_str().into()),
            ("mapping-changed", criterion.mapping_changed.to_string().into()),
        ]),
        target: OscalTarget {
            kind: "objective-id",
            id: criterion_id(&criterion.id),
            status: status(context.report.period.span, criterion),
        },
        related_observations,
        related_risks: open.map(|risk_uuid| RelatedRisk { risk_uuid }).collect(),
    }
}

/// OSCAL knows two states. What is not known, or that nothing serves, is not satisfied, and the
/// reason tells it from a failure.
fn status(span: Span, criterion: &CriterionReport) -> TargetStatus {
    let (state, reason, remarks) = match criterion.conclusion {
        Conclusion::NoDeviationObserved if matches!(span, Span::TypeI { .. }) => (
            "satisfied",
            "pass",
            "The controls that serve the criterion were implemented as of the date; this is not an opinion.",
        ),
        Conclusion::NoDeviationObserved => (
            "satisfied",
            "pass",
            "No deviation was observed of the controls that serve the criterion; this is not an opinion.",
        ),
        Conclusion::DeviationObserved => {
            ("not-satisfied", "fail", "A control that serves the criterion deviated.")
        }
        Conclusion::AcceptedRisk => (
            "not-satisfied",
            "other",
            "Without accepted exceptions, a control that serves the criterion would have deviated.",
        ),
        Conclusion::NotDue => {
            ("not-satisfied", "other", "Nothing that serves the criterion was due.")
        }
        Conclusion::NotDeterminable if !criterion.is_covered() => {
            ("not-satisfied", "other", "No control serves the criterion.")
        }
        Conclusion::NotDeterminable => (
            "not-satisfied",
            "other",
            "Not enough was observed, or attested by people, to conclude; unknown is never a pass.",
        ),
    };
    TargetStatus { state, reason, remarks }
}
