//! How controls and exceptions stand, as metrics.
//!
//! They are kept as data and turned into series by a scrape. A scrape so never sees a control in
//! two states, and a label set that no longer applies is gone without being removed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use prometheus::{
    GaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::label;
use crate::controllers::verdict_board::OpenCounts;
use comptroller_core::{
    api::{
        ControlExceptionSpec, ControlSpec, ControlStatus, Occurrence, State, time::whole_seconds,
    },
    engine::Verdict,
};
use comptroller_recorder::Recorded;

/// The families `comptroller_control_*`, `comptroller_exception_*` and `comptroller_attestation_*`.
#[derive(Clone)]
pub(super) struct ControlCollector(Arc<Inner>);

struct Inner {
    collected: Mutex<CollectedState>,
    state: GaugeVec,
    reason: GaugeVec,
    info: GaugeVec,
    criterion: GaugeVec,
    findings: GaugeVec,
    population: GaugeVec,
    since: GaugeVec,
    evaluated: GaugeVec,
    expiry: GaugeVec,
    excepts: GaugeVec,
    due: GaugeVec,
}

#[derive(Default)]
struct CollectedState {
    controls: BTreeMap<String, ControlSeries>,
    exceptions: BTreeMap<String, ExceptionSeries>,
}

struct ExceptionSeries {
    expires: Timestamp,
    /// The controls that it names, whether they exist or not.
    controls: Vec<String>,
}

struct ControlSeries {
    severity: &'static str,
    owner: String,
    test: &'static str,
    criteria: Vec<String>,
    standing: ControlStanding,
    evaluated: Option<Timestamp>,
}

/// How a control stands.
struct ControlStanding {
    state: State,
    /// Why it is in that state, as its status says it.
    reason: String,
    /// None for a control that was never judged.
    numbers: Option<ControlNumbers>,
}

/// The reason of a control that has no verdict yet, in its status and here.
const EVALUATING: &str = "Evaluating";

impl Default for ControlStanding {
    fn default() -> Self {
        Self { state: State::Unknown, reason: EVALUATING.to_owned(), numbers: None }
    }
}

struct ControlNumbers {
    findings: usize,
    population: usize,
    /// When it entered its state. None for a control of which nothing was ever recorded.
    since: Option<Timestamp>,
    due: Option<Timestamp>,
}

impl ControlCollector {
    pub fn new() -> Result<Self, prometheus::Error> {
        Ok(Self(Arc::new(Inner {
            collected: Mutex::default(),
            state: GaugeVec::new(
                Opts::new(
                    "comptroller_control_state",
                    "1 for the state the control is in, 0 for the others. Alert on Failing, and on Unknown for longer than 15 minutes.",
                ),
                &["control", "state"],
            )?,
            reason: GaugeVec::new(
                Opts::new(
                    "comptroller_control_reason",
                    "Why the control is in its state, as one word; always 1, and one series for each control. A control whose reason is Suspended is Unknown because somebody wants it so: no alert.",
                ),
                &["control", "reason"],
            )?,
            info: GaugeVec::new(
                Opts::new(
                    "comptroller_control_info",
                    "What the control is; always 1. Join it on control to route alerts by severity and owner.",
                ),
                &["control", "severity", "owner", "test"],
            )?,
            criterion: GaugeVec::new(
                Opts::new(
                    "comptroller_control_criterion",
                    "1 for every criterion that the control serves. Join it on control to sum up by criterion.",
                ),
                &["control", "criterion"],
            )?,
            findings: GaugeVec::new(
                Opts::new(
                    "comptroller_control_findings",
                    "How many findings of the control are open, without those excepted. Alert on control_state; this says how bad it is.",
                ),
                &["control"],
            )?,
            population: GaugeVec::new(
                Opts::new(
                    "comptroller_control_population",
                    "How many items the control judged. Alert when it drops to 0: a control over nothing proves nothing.",
                ),
                &["control"],
            )?,
            since: GaugeVec::new(
                Opts::new(
                    "comptroller_control_since_timestamp_seconds",
                    "When the control entered its state. Alert when a control has been Failing for longer than its owner is given.",
                ),
                &["control"],
            )?,
            evaluated: GaugeVec::new(
                Opts::new(
                    "comptroller_control_last_evaluation_timestamp_seconds",
                    "Until when the verdict is known to hold: the last word of the input that was heard of least recently. Alert when it is older than 5 minutes: nobody is looking.",
                ),
                &["control"],
            )?,
            expiry: GaugeVec::new(
                Opts::new(
                    "comptroller_exception_expiry_timestamp_seconds",
                    "When the exception ends. Alert a week ahead: what it allows fails from then on.",
                ),
                &["exception"],
            )?,
            excepts: GaugeVec::new(
                Opts::new(
                    "comptroller_exception_control",
                    "1 for every control that the exception names. Join it on control to route alerts about exceptions by owner.",
                ),
                &["exception", "control"],
            )?,
            due: GaugeVec::new(
                Opts::new(
                    "comptroller_attestation_due_timestamp_seconds",
                    "When the open occurrence of a human control is due, else the next one. Alert a week ahead of a date that does not move.",
                ),
                &["control"],
            )?,
        })))
    }

    pub fn observe_control(&self, name: &str, spec: &ControlSpec, recorded: &Recorded<Verdict>) {
        let verdict = recorded.value();
        let numbers = ControlNumbers {
            findings: verdict.open_findings,
            population: verdict.population,
            since: Some(verdict.since),
            due: next_due(&verdict.occurrences),
        };
        self.update(name, spec, |_| ControlStanding {
            state: verdict.state,
            reason: verdict.reason.as_str().to_owned(),
            numbers: Some(numbers),
        });
    }

    pub fn observe_unrecorded_control(
        &self,
        name: &str,
        spec: &ControlSpec,
        status: &ControlStatus,
        open: Option<OpenCounts>,
    ) {
        self.update(name, spec, |ControlStanding { numbers: known, .. }| {
            let since = status.since.as_ref().map(|since| since.0);
            let since = since.or_else(|| known.as_ref()?.since);
            let due = known.and_then(|known| known.due);
            let numbers = open.map(|OpenCounts { findings, population }| ControlNumbers {
                findings,
                population,
                since,
                due,
            });
            // A status that was never written has no reason yet.
            let reason = Some(status.reason.as_str()).filter(|reason| !reason.is_empty());
            ControlStanding {
                state: status.state,
                reason: label(reason.unwrap_or(EVALUATING)),
                numbers,
            }
        });
    }

    pub fn declare_control(&self, name: &str, spec: &ControlSpec) {
        self.update(name, spec, |known| known);
    }

    /// Says what a control is, and how it stands given how it stood.
    fn update(
        &self,
        name: &str,
        spec: &ControlSpec,
        stands: impl FnOnce(ControlStanding) -> ControlStanding,
    ) {
        let mut collected = self.0.lock();
        let known = collected.controls.remove(name);
        let evaluated = known.as_ref().and_then(|known| known.evaluated);
        let standing = stands(known.map(|known| known.standing).unwrap_or_default());
        collected.controls.insert(
            name.to_owned(),
            ControlSeries {
                severity: spec.severity.as_str(),
                owner: label(&spec.owner),
                // An object that passed no API server may have no single test.
                test: spec.test.kind().map_or("invalid", comptroller_core::api::TestKind::as_str),
                criteria: spec.criteria.iter().map(|criterion| label(criterion.as_str())).collect(),
                standing,
                evaluated,
            },
        );
    }

    pub fn control_evaluated(&self, name: &str, at: Timestamp) {
        if let Some(control) = self.0.lock().controls.get_mut(name) {
            control.evaluated = Some(at);
        }
    }

    pub fn forget_control(&self, name: &str) {
        self.0.lock().controls.remove(name);
    }

    pub fn observe_exception(&self, name: &str, spec: &ControlExceptionSpec) {
        let controls = spec.controls.iter().map(|control| label(control)).collect();
        let series = ExceptionSeries { expires: spec.expires.0, controls };
        self.0.lock().exceptions.insert(name.to_owned(), series);
    }

    pub fn forget_exception(&self, name: &str) {
        self.0.lock().exceptions.remove(name);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, CollectedState> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn families(&self) -> [&GaugeVec; 11] {
        let Self {
            collected: _,
            state,
            reason,
            info,
            criterion,
            findings,
            population,
            since,
            evaluated,
            expiry,
            excepts,
            due,
        } = self;
        [
            state, reason, info, criterion, findings, population, since, evaluated, expiry,
            excepts, due,
        ]
    }

    fn fill(&self, name: &str, control: &ControlSeries) {
        let name = label(name);
        let name = name.as_str();
        for &state in State::ALL {
            let is = f64::from(u8::from(state == control.standing.state));
            self.state.with_label_values(&[name, state.as_str()]).set(is);
        }
        self.reason.with_label_values(&[name, &control.standing.reason]).set(1.0);
        self.info
            .with_label_values(&[name, control.severity, &control.owner, control.test])
            .set(1.0);
        for criterion in &control.criteria {
            self.criterion.with_label_values(&[name, criterion]).set(1.0);
        }
        if let Some(ControlNumbers { findings, population, since, due }) = &control.standing.numbers
        {
            self.findings.with_label_values(&[name]).set(count(*findings));
            self.population.with_label_values(&[name]).set(count(*population));
            if let Some(since) = since {
                self.since.with_label_values(&[name]).set(seconds(whole_seconds(*since).0));
            }
            if let Some(due) = due {
                self.due.with_label_values(&[name]).set(seconds(*due));
            }
        }
        if let Some(evaluated) = control.evaluated {
            self.evaluated.with_label_values(&[name]).set(seconds(evaluated));
        }
    }
}

impl Collector for ControlCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.0.families().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held to the end, so that two scrapes at once don't fill the families together.
        let collected = self.0.lock();
        for family in self.0.families() {
            family.reset();
        }
        for (name, control) in &collected.controls {
            self.0.fill(name, control);
        }
        for (name, exception) in &collected.exceptions {
            let name = label(name);
            self.0.expiry.with_label_values(&[&*name]).set(seconds(exception.expires));
            for control in &exception.controls {
                self.0.excepts.with_label_values(&[&*name, control]).set(1.0);
            }
        }
        self.0.families().into_iter().flat_map(Collector::collect).collect()
    }
}

/// The first due date that somebody can still keep.
fn next_due(occurrences: &[Occurrence]) -> Option<Timestamp> {
    let open = occurrences.iter().filter(|occurrence| !occurrence.phase.is_closed());
    open.map(|occurrence| occurrence.due.0).min()
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn count(items: usize) -> f64 {
    items as f64
}
