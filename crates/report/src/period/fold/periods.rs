//! What became of audit periods: who may choose the period chooses what is in the report.

use jiff::Timestamp;
use serde_json::Value;

use super::Window;
use crate::period::model::PeriodChange;
use comptroller_evidence::data::{ChangeKind, ObjectChange};

/// Every change of an audit period, by time.
#[derive(Clone, Debug, Default)]
pub(super) struct PeriodsFold(Vec<Noted>);

#[derive(Clone, Debug)]
struct Noted {
    change: PeriodChange,
    /// What it is about, as declared; None where that can't be read.
    span: Option<(Timestamp, Timestamp)>,
}

impl PeriodsFold {
    pub(super) fn change(&mut self, entry: u64, at: Timestamp, name: &str, data: &ObjectChange) {
        let declared = data.spec.as_ref().filter(|_| data.change != ChangeKind::Phase);
        let before = self.0.iter().rev().find(|one| one.change.name == name);
        let span = declared.and_then(span).or_else(|| before.and_then(|one| one.span));
        let what = match data.change {
            ChangeKind::Created if before.is_some() => {
                format!("declared again: {}", declared.map(terms).unwrap_or_default())
            }
            ChangeKind::Created => format!("declared: {}", declared.map(terms).unwrap_or_default()),
            ChangeKind::Updated => {
                let paths: Vec<&str> =
                    data.fields.iter().map(|field| field.path.as_str()).collect();
                format!("edited: {}", paths.join(", "))
            }
            ChangeKind::Deleted => "deleted".to_owned(),
            ChangeKind::Phase => "closed".to_owned(),
        };
        let kind = data.change.as_str().to_owned();
        let change = PeriodChange { at, name: name.to_owned(), change: kind, what, entry };
        self.0.push(Noted { change, span });
    }

    /// Those of the report's own period, and of every other that has a part of its time.
    pub(super) fn report(&self, name: &str, window: Window) -> Vec<PeriodChange> {
        let is_of_it = |one: &&Noted| {
            let overlaps = |(from, to)| from <= window.to && window.from <= to;
            one.change.name == name || one.span.is_some_and(overlaps)
        };
        self.0.iter().filter(is_of_it).map(|one| one.change.clone()).collect()
    }
}

fn span(spec: &Value) -> Option<(Timestamp, Timestamp)> {
    let time = |field: &str| spec.get(field)?.as_str()?.parse::<Timestamp>().ok();
    time("from").zip(time("to")).or_else(|| time("asOf").map(|at| (at, at)))
}

/// What is reported, and from how much, such as `TypeII from 2026-07-01T00:00:00Z to 2026-10-01T00:00:00Z,
/// concluded upon from 95 % on`.
fn terms(spec: &Value) -> String {
    let text = |field: &str| spec.get(field).and_then(Value::as_str).unwrap_or_default();
    let span = match text("asOf") {
        "" => format!("from {} to {}", text("from"), text("to")),
        as_of => format!("as of {as_of}"),
    };
    let minimum = spec.get("minimumObservation").and_then(Value::as_u64);
    let minimum = minimum.unwrap_or(super::DEFAULT_MINIMUM_OBSERVATION.into());
    format!("{} {span}, concluded upon from {minimum} % on", text("type"))
}
