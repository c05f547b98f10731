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
    api::{ControlSpec, ControlStatus, Occurrence, State, time::whole_seconds},
    engine::Verdict,
};
use comptroller_recorder::Recorded;

/// The families `comptroller_control_*`, `comptroller_exception_*` and `comptroller_attestation_*`.
#[derive(Clone)]
pub(super) struct ControlCollector(Arc<Inner>);

struct Inner {
    standing: Mutex<CollectedState>,
    state: GaugeVec,
    info: GaugeVec,
    criterion: GaugeVec,
    findings: GaugeVec,
    population: GaugeVec,
    since: GaugeVec,
    evaluated: GaugeVec,
    expiry: GaugeVec,
    due: GaugeVec,
}

#[derive(Default)]
struct CollectedState {
    controls: BTreeMap<String, ControlSeries>,
    exceptions: BTreeMap<String, Timestamp>,
}

struct ControlSeries {
    severity: &'static str,
    owner: String,
    test: &'static str,
    criteria: Vec<String>,
    state: State,
    numbers: Option<ControlNumbers>,
    evaluated: Option<Timestamp>,
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
            standing: Mutex::default(),
            state: GaugeVec::new(
                Opts::new(
                    "comptroller_control_state",
                    "1 for the state the control is in, 0 for the others. Alert on Failing, and on Unknown for longer than 15 minutes.",
                ),
                &["control", "state"],
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
        self.update(name, spec, |_| (verdict.state, Some(numbers)));
    }

    pub fn observe_unrecorded_control(
        &self,
        name: &str,
        spec: &ControlSpec,
        status: &ControlStatus,
        open: Option<OpenCounts>,
    ) {
        self.update(name, spec, |(_, known)| {
            let since = status.since.as_ref().map(|since| since.0);
            let since = since.or_else(|| known.as_ref()?.since);
            let due = known.and_then(|known| known.due);
            let numbers = open.map(|OpenCounts { findings, population }| ControlNumbers {
                findings,
                population,
                since,
                due,
            });
            (status.state, numbers)
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
        stands: impl FnOnce((State, Option<ControlNumbers>)) -> (State, Option<ControlNumbers>),
    ) {
        let mut standing = self.0.lock();
        let known = standing.controls.remove(name);
        let evaluated = known.as_ref().and_then(|known| known.evaluated);
        let stood = known.map_or((State::Unknown, None), |known| (known.state, known.numbers));
        let (state, numbers) = stands(stood);
        standing.controls.insert(
            name.to_owned(),
            ControlSeries {
                severity: spec.severity.as_str(),
                owner: label(&spec.owner),
                // An object that passed no API server may have no single test.
                test: spec.test.kind().map_or("invalid", comptroller_core::api::TestKind::as_str),
                criteria: spec.criteria.iter().map(|criterion| label(criterion.as_str())).collect(),
                state,
                numbers,
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

    pub fn observe_exception(&self, name: &str, expires: Timestamp) {
        self.0.lock().exceptions.insert(name.to_owned(), expires);
    }

    pub fn forget_exception(&self, name: &str) {
        self.0.lock().exceptions.remove(name);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, CollectedState> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn families(&self) -> [&GaugeVec; 9] {
        let Self {
            standing: _,
            state,
            info,
            criterion,
            findings,
            population,
            since,
            evaluated,
            expiry,
            due,
        } = self;
        [state, info, criterion, findings, population, since, evaluated, expiry, due]
    }

    fn fill(&self, name: &str, control: &ControlSeries) {
        let name = label(name);
        let name = name.as_str();
        for &state in State::ALL {
            let is = f64::from(u8::from(state == control.state));
            self.state.with_label_values(&[name, state.as_str()]).set(is);
        }
        self.info
            .with_label_values(&[name, control.severity, &control.owner, control.test])
            .set(1.0);
        for criterion in &control.criteria {
            self.criterion.with_label_values(&[name, criterion]).set(1.0);
        }
        if let Some(ControlNumbers { findings, population, since, due }) = &control.numbers {
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
        let standing = self.0.lock();
        for family in self.0.families() {
            family.reset();
        }
        for (name, control) in &standing.controls {
            self.0.fill(name, control);
        }
        for (name, expires) in &standing.exceptions {
            self.0.expiry.with_label_values(&[&*label(name)]).set(seconds(*expires));
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
