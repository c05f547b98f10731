//! One control over the period.

use jiff::{SignedDuration, Timestamp};

use super::{
    Window,
    deviations::{self, DeviationsFold},
    occurrences::OccurrencesFold,
    spec::LoggedSpec,
    timeline::{Gaps, RecordedGap, Segment, Timeline, coverage, is_evidence, unrecorded_gaps},
};
use crate::period::model::{
    Conclusion, ControlReport, Coverage, GapReport, Interval, ReportedPopulation, SpecChange,
};
use comptroller_core::api::State;
use comptroller_evidence::data::{
    AttestationData, ChangeKind, Heartbeat, ObjectChange, PopulationList, VerdictData,
};

/// The reason of an observation whose data is not beside the log.
const DATA_MISSING: &str = "DataMissing";

/// Below this share of the time a control was not observed enough to say that it held: half.
const SUFFICIENT_PER_MILLE: i64 = 500;

/// One control, as far as the entries go.
#[derive(Clone, Debug)]
pub(super) struct ControlFold {
    window: Window,
    spec: LoggedSpec,
    spec_digest: String,
    /// When it existed; the last time is open while it does.
    existences: Vec<(Timestamp, Option<Timestamp>)>,
    last_at: Timestamp,
    reason: (Option<State>, String),
    timeline: Timeline,
    deviations: DeviationsFold,
    gaps: Vec<RecordedGap>,
    list: Option<PopulationList>,
    before: Option<(ReportedPopulation, Timestamp)>,
    first: Option<ReportedPopulation>,
    last: Option<ReportedPopulation>,
    changes: Vec<SpecChange>,
    occurrences: OccurrencesFold,
}

/// What a verdict and a heartbeat both say.
struct ObservedState<'a> {
    state: State,
    population: u64,
    list: Option<&'a PopulationList>,
}

impl ControlFold {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            spec: LoggedSpec::default(),
            spec_digest: String::new(),
            existences: Vec::new(),
            last_at: Timestamp::MIN,
            reason: (None, String::new()),
            timeline: Timeline::default(),
            deviations: DeviationsFold::default(),
            gaps: Vec::new(),
            list: None,
            before: None,
            first: None,
            last: None,
            changes: Vec::new(),
            occurrences: OccurrencesFold::default(),
        }
    }

    pub(super) fn verdict(&mut self, index: u64, at: Timestamp, data: &VerdictData) {
        let Some(at) = self.time_while_declared(at) else { return };
        self.reason = (Some(data.state), data.reason.clone());
        let list = data.population_list.as_ref();
        self.observe(
            index,
            at,
            &ObservedState { state: data.state, population: data.population, list },
        );
        self.deviations.verdict(index, at, data, self.window);
    }

    pub(super) fn heartbeat(&mut self, index: u64, at: Timestamp, data: &Heartbeat) {
        let Some(at) = self.time_while_declared(at) else { return };
        // A heartbeat has no reason of its own: it is that of the last verdict, if the state is as well.
        if self.reason.0 != Some(data.state) {
            self.reason = (Some(data.state), data.state.as_str().to_owned());
        }
        let list = data.population_list.as_ref();
        self.observe(
            index,
            at,
            &ObservedState { state: data.state, population: data.population, list },
        );
        // Whoever could not judge could not see either that something was resolved.
        if data.state != State::Unknown {
            self.deviations.confirm(index, at, self.window);
        }
    }

    /// An entry whose data can't be read: somebody looked, and what they saw is not known.
    pub(super) fn unreadable(&mut self, index: u64, at: Timestamp) {
        let Some(at) = self.time_while_declared(at) else { return };
        self.reason = (Some(State::Unknown), DATA_MISSING.to_owned());
        self.observe(
            index,
            at,
            &ObservedState { state: State::Unknown, population: 0, list: None },
        );
    }

    /// A step of an occurrence. It does not vouch for the control's state.
    pub(super) fn attestation(&mut self, index: u64, at: Timestamp, data: &AttestationData) {
        if let Some(at) = self.time_while_declared(at) {
            self.occurrences.step(index, at, data);
        }
    }

    pub(super) fn gap(&mut self, recorded: RecordedGap) {
        if self.window.instant || recorded.to > self.window.from {
            self.gaps.push(recorded);
        }
    }

    pub(super) fn changed(&mut self, index: u64, at: Timestamp, data: &ObjectChange) {
        // A control has no phases; what has them is no change of a spec.
        if data.change == ChangeKind::Phase {
            return;
        }
        let at = self.in_order(at);
        if data.change == ChangeKind::Deleted {
            if let Some((_, end @ None)) = self.existences.last_mut() {
                *end = Some(at);
            }
            self.timeline.end(at);
            self.deviations.end(index, at, self.window);
            // What is declared anew in the period did not begin with this.
            self.before = self.before.take().filter(|_| at > self.window.from);
        } else {
            self.note_declared(at);
            self.note_spec(at, data);
        }
        if at >= self.window.from {
            self.changes.push(SpecChange {
                at,
                change: data.change.as_str().to_owned(),
                spec_digest: data.spec_digest.clone(),
                fields: data.fields.clone(),
                entry: index,
            });
        }
    }

    /// A clock may be set back between two leaders; the log's order decides.
    fn in_order(&mut self, at: Timestamp) -> Timestamp {
        self.last_at = self.last_at.max(at);
        self.last_at
    }

    /// The time of an entry that says something of a control that exists. What is written of a
    /// deleted one is late and says nothing.
    fn time_while_declared(&mut self, at: Timestamp) -> Option<Timestamp> {
        let at = self.in_order(at);
        match self.existences.last() {
            None => self.existences.push((at, None)),
            Some((_, Some(_))) => return None,
            Some((_, None)) => {}
        }
        Some(at)
    }

    fn note_declared(&mut self, at: Timestamp) {
        if self.existences.last().is_none_or(|existence| existence.1.is_some()) {
            self.existences.push((at, None));
        }
    }

    fn note_spec(&mut self, at: Timestamp, data: &ObjectChange) {
        if let Some(digest) = &data.spec_digest {
            self.spec_digest.clone_from(digest);
        }
        let Some(spec) = &data.spec else { return };
        let before = self.spec.vouched_for;
        self.spec = LoggedSpec::read(spec);
        let Some(until) = self.timeline.vouched_until().filter(|until| *until > at) else { return };
        // The operator keeps the new rhythm from the change on, counted from its last entry.
        let observation = earlier(until, before);
        let until = if self.spec.vouched_for > before {
            later(observation, self.spec.vouched_for)
        } else {
            until.min(later(at, self.spec.vouched_for))
        };
        self.timeline.vouch_until(until);
    }

    fn observe(&mut self, index: u64, at: Timestamp, observation: &ObservedState<'_>) {
        let until = later(at, self.spec.vouched_for);
        let reason = self.reason.1.clone();
        let segment = Segment { from: at, to: until, state: observation.state, reason };
        self.timeline.observe(segment, self.window);
        if let Some(list) = observation.list {
            self.list = Some(list.clone());
        }
        // Its count is of what could be judged, and would pass for the whole population.
        if observation.state == State::Unknown {
            return;
        }
        let list = self.list.clone();
        let population =
            ReportedPopulation { at, count: observation.population, list, entry: index };
        if at <= self.window.from {
            self.before = Some((population.clone(), until));
        } else if self.first.is_none() {
            self.first = Some(population.clone());
        }
        self.last = Some(population);
    }

    /// The control as the report lists it, and the gaps of it alone; none where it did not exist
    /// in the window.
    pub(super) fn report(
        &self,
        name: &str,
        window: Window,
        everywhere: &Gaps,
    ) -> Option<(ControlReport, Vec<GapReport>)> {
        let existences: Vec<_> = self
            .existences
            .iter()
            .filter(|existence| window.touches(existence.0, existence.1))
            .collect();
        let (declared_at, _) = existences.last()?;
        let gaps = everywhere.with(&self.gaps);
        let intervals = if window.instant {
            vec![self.timeline.at(window.to, *declared_at, &gaps)]
        } else {
            let fill = |(declared_at, end): &(Timestamp, Option<Timestamp>)| {
                let to = end.map_or(window.to, |end| end.min(window.to));
                self.timeline.fill(*declared_at, window.from, to, &gaps)
            };
            existences.iter().flat_map(|existence| fill(existence)).collect()
        };
        let coverage =
            if window.instant { Coverage::default() } else { coverage(&intervals, window) };
        let mut deviations = self.deviations.report(window);
        deviations.extend(self.occurrences.deviations(&deviations, &self.spec, window));
        deviations::sort(&mut deviations);
        let mut own: Vec<GapReport> =
            self.gaps.iter().filter_map(|gap| gap.report(Some(name), window)).collect();
        // After the recorded ones: what an entry explains is already taken out of the intervals.
        own.extend(unrecorded_gaps(name, &intervals));
        let unfinished = self.occurrences.has_unfinished(window);
        let report = ControlReport {
            name: name.to_owned(),
            title: if self.spec.title.is_empty() { name } else { &self.spec.title }.to_owned(),
            objective: self.spec.objective.clone(),
            criteria: self.spec.criteria.clone(),
            owner: self.spec.owner.clone(),
            severity: self.spec.severity,
            test: self.spec.test.clone(),
            spec_digest: self.spec_digest.clone(),
            accepted: self.spec.accepted.clone(),
            conclusion: conclude(&intervals, coverage, !deviations.is_empty(), unfinished),
            population_start: self.population_start(),
            population_end: self
                .last
                .clone()
                .filter(|last| existences.iter().any(|existence| last.at >= existence.0)),
            changes: self.changes.clone(),
            occurrences: self.occurrences.report(window),
            intervals,
            coverage,
            deviations,
        };
        Some((report, own))
    }

    /// What was known when the period began, if it still held then; or the first after it.
    fn population_start(&self) -> Option<ReportedPopulation> {
        let known = self.before.as_ref().filter(|(_, until)| *until > self.window.from);
        known.map(|(population, _)| population.clone()).or_else(|| self.first.clone())
    }
}

/// A deviation is one however little was observed; that a control held is said only on evidence.
fn conclude(
    intervals: &[Interval],
    coverage: Coverage,
    deviated: bool,
    unfinished: bool,
) -> Conclusion {
    let was = |state| intervals.iter().any(|interval| interval.state == Some(state));
    let enough = coverage.per_mille().is_none_or(|share| share >= SUFFICIENT_PER_MILLE);
    // In this order: a failure outweighs any lack of evidence, and that outweighs what held.
    if deviated || was(State::Failing) {
        Conclusion::Deviations
    } else if unfinished || !enough || !intervals.iter().any(is_evidence) {
        Conclusion::Unknown
    } else if was(State::Passing) || was(State::Excepted) {
        Conclusion::Effective
    } else {
        Conclusion::NotApplicable
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
