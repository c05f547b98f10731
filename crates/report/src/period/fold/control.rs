//! One control over the period.

use jiff::{SignedDuration, Timestamp};

use super::{
    Window,
    authors::{Lapses, UnboundApprovals},
    conclusion::{Grounds, conclude},
    deviations::{self, DeviationsFold},
    gaps::{self, ControlGap, RecordedGap},
    judged::{Judged, Uids},
    occurrences::OccurrencesFold,
    pattern,
    population::PopulationFold,
    responses::ResponsesFold,
    spec::{LoggedSpec, SpecFold},
    suspensions::{Approval, suspensions},
    timeline::{Gaps, Segment, Timeline, coverage, is_evidence},
};
use crate::period::model::{
    ControlReport, Coverage, Deviation, DeviationRule, ExceptedFinding, Interval, SpecChange,
    Suspension,
};
use comptroller_core::api::State;
use comptroller_evidence::data::{
    AttestationData, ChangeKind, GapCause, Heartbeat, ObjectChange, VerdictData,
};

/// The reason of an observation whose data is not beside the log.
const DATA_MISSING: &str = "DataMissing";

/// One control, as far as the entries go.
#[derive(Clone, Debug)]
pub(super) struct ControlFold {
    window: Window,
    specs: SpecFold,
    /// When it existed; the last time is open while it does.
    existences: Vec<(Timestamp, Option<Timestamp>)>,
    last_at: Timestamp,
    reason: (Option<State>, String),
    timeline: Timeline,
    deviations: DeviationsFold,
    gaps: Vec<RecordedGap>,
    population: PopulationFold,
    changes: Vec<SpecChange>,
    occurrences: OccurrencesFold,
}

/// What a control is reported with.
pub(super) struct Finishing<'a> {
    pub(super) name: &'a str,
    pub(super) window: Window,
    pub(super) everywhere: &'a Gaps,
    /// For when somebody approved that it is suspended.
    pub(super) approvals: &'a [Approval],
    pub(super) responses: &'a ResponsesFold,
    /// Times in which nothing bound records to their authors.
    pub(super) lapses: &'a Lapses,
    pub(super) unbound_approvals: &'a UnboundApprovals,
    pub(super) minimum_observation: u8,
    pub(super) deviation_rule: &'a DeviationRule,
}

impl ControlFold {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            specs: SpecFold::default(),
            existences: Vec::new(),
            last_at: Timestamp::MIN,
            reason: (None, String::new()),
            timeline: Timeline::default(),
            deviations: DeviationsFold::default(),
            gaps: Vec::new(),
            population: PopulationFold::default(),
            changes: Vec::new(),
            occurrences: OccurrencesFold::default(),
        }
    }

    pub(super) fn verdict(&mut self, index: u64, at: Timestamp, data: &VerdictData, uids: &Uids) {
        let Some(at) = self.time_while_declared(at) else { return };
        self.reason = (Some(data.state), data.reason.clone());
        let judged = Judged::verdict(index, at, data);
        self.observe(&judged, uids);
        let rule = self.specs.rule(data.generation);
        self.deviations.verdict(&judged, data, rule, uids, self.window);
    }

    pub(super) fn heartbeat(&mut self, index: u64, at: Timestamp, data: &Heartbeat, uids: &Uids) {
        let Some(at) = self.time_while_declared(at) else { return };
        // A heartbeat has no reason of its own: it is that of the last verdict, if the state is as well.
        if self.reason.0 != Some(data.state) {
            self.reason = (Some(data.state), data.state.as_str().to_owned());
        }
        let judged = Judged::heartbeat(index, at, data);
        self.observe(&judged, uids);
        self.deviations.looked_again(&judged, self.specs.rule(data.generation), self.window);
    }

    /// An entry whose data can't be read: somebody looked, and what they saw is not known.
    pub(super) fn unreadable(&mut self, index: u64, at: Timestamp) {
        let Some(at) = self.time_while_declared(at) else { return };
        self.reason = (Some(State::Unknown), DATA_MISSING.to_owned());
        let judged = Judged {
            index,
            at,
            state: State::Unknown,
            generation: 0,
            population: 0,
            unknown: 0,
            digest: None,
            list: None,
            entered: &[],
            left: &[],
        };
        self.observe(&judged, &Uids::default());
    }

    /// A step of an occurrence. It does not vouch for the control's state.
    pub(super) fn attestation(&mut self, index: u64, at: Timestamp, data: &AttestationData) {
        if let Some(at) = self.time_while_declared(at) {
            self.occurrences.step(index, at, data);
        }
    }

    pub(super) fn gap(&mut self, recorded: RecordedGap) {
        if recorded.touches(self.window) {
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
            self.specs.end(at, self.window);
            self.population.end(at, self.window);
        } else {
            self.note_declared(at);
            self.note_spec(index, at, data);
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

    fn note_spec(&mut self, index: u64, at: Timestamp, data: &ObjectChange) {
        let before = self.vouched_for();
        self.specs.note(index, at, data, self.window);
        let now = self.vouched_for();
        let Some(until) = self.timeline.vouched_until().filter(|until| *until > at) else { return };
        // The operator keeps the new rhythm from the change on, counted from its last entry.
        let observation = earlier(until, before);
        let until = if now > before { later(observation, now) } else { until.min(later(at, now)) };
        self.timeline.vouch_until(until);
    }

    fn vouched_for(&self) -> SignedDuration {
        self.specs
            .newest()
            .map_or_else(|| LoggedSpec::default().vouched_for, |spec| spec.vouched_for)
    }

    fn observe(&mut self, judged: &Judged<'_>, uids: &Uids) {
        let until = later(judged.at, self.vouched_for());
        let reason = self.reason.1.clone();
        let segment = Segment { from: judged.at, to: until, state: judged.state, reason };
        self.timeline.observe(segment, self.window);
        self.population.judged(judged, until, uids, self.window);
    }

    /// The control as the report lists it, and the gaps of it alone; none where it did not exist
    /// in the window.
    pub(super) fn report(
        &self,
        context: &Finishing<'_>,
    ) -> Option<(ControlReport, Vec<ControlGap>)> {
        let Finishing { name, window, .. } = *context;
        let existences: Vec<(Timestamp, Option<Timestamp>)> = self
            .existences
            .iter()
            .filter(|existence| window.touches(existence.0, existence.1))
            .copied()
            .collect();
        existences.last()?;
        let intervals = self.intervals(&existences, context);
        let coverage =
            if window.instant { Coverage::default() } else { coverage(&intervals, window) };
        let default = LoggedSpec::default();
        let spec = self.specs.newest().unwrap_or(&default);
        let population_start = self.population.start(self.window);
        let population_end =
            self.population.last_since(|at| existences.iter().any(|existence| at >= existence.0));
        let mut deviations = self.found(spec, window);
        context.responses.join(name, context.lapses, &mut deviations);
        let population = [&population_start, &population_end].into_iter().flatten();
        let judged = population.map(|one| one.count).max().unwrap_or_default();
        let deviation_pattern = pattern::classify(context.deviation_rule, &mut deviations, judged);
        let excepted_findings = self.deviations.excepted(window);
        let out_of_scope = self.population.out_of_scope(window);
        let suspensions = suspensions(&self.specs, context.approvals, window);
        let wildcards = self.specs.wildcards(window);
        let performance = self.occurrences.performance(spec, window);
        let occurrences = self.occurrences.report(window, context.lapses);
        let unbound = OccurrencesFold::unbound(&occurrences, spec, context.unbound_approvals)
            .or_else(|| unbound_approval(&excepted_findings, &suspensions, context));
        let (conclusion, basis) = conclude(&Grounds {
            intervals: &intervals,
            coverage,
            deviations: &deviations,
            excepted: &excepted_findings,
            out_of_scope: &out_of_scope,
            untold: self.population.untold(),
            suspensions: &suspensions,
            wildcards: &wildcards,
            unbound,
            in_between: self.specs.in_between(window),
            divided: self.specs.divided(window, context.minimum_observation),
            recreated: recreated(&existences, context.approvals),
            performance,
            minimum_observation: context.minimum_observation,
            instant: window.instant,
        });
        let gaps = self.gaps(name, &existences, &intervals, &suspensions, window);
        let report = ControlReport {
            name: name.to_owned(),
            title: if spec.title.is_empty() { name } else { &spec.title }.to_owned(),
            objective: spec.objective.clone(),
            criteria: spec.criteria.clone(),
            owner: spec.owner.clone(),
            severity: spec.severity,
            test: spec.test.clone(),
            spec_digest: self.specs.newest_digest(),
            accepted: spec.accepted.clone(),
            specs: self.specs.report(window),
            wildcards,
            conclusion,
            basis,
            observed_share: share(&intervals, coverage, window),
            performed: performance.map(|_| self.occurrences.was_ever_performed()),
            population_start,
            population_end,
            population_window: self.population.window(),
            changes: self.changes.clone(),
            occurrences,
            intervals,
            coverage,
            deviations,
            deviation_pattern,
            excepted_findings,
            out_of_scope,
            suspensions,
        };
        Some((report, gaps))
    }

    fn intervals(
        &self,
        existences: &[(Timestamp, Option<Timestamp>)],
        context: &Finishing<'_>,
    ) -> Vec<Interval> {
        let window = context.window;
        let gaps = context.everywhere.with(&self.gaps);
        if window.instant {
            let declared = existences.last().map(|existence| existence.0);
            return declared
                .map(|declared_at| self.timeline.at(window.to, declared_at, &gaps))
                .into_iter()
                .collect();
        }
        let fill = |(declared_at, end): &(Timestamp, Option<Timestamp>)| {
            let to = end.map_or(window.to, |end| end.min(window.to));
            self.timeline.fill(*declared_at, window.from, to, &gaps)
        };
        existences.iter().flat_map(fill).collect()
    }

    /// The deviations of the window, those of missed occurrences too, by time.
    fn found(&self, spec: &LoggedSpec, window: Window) -> Vec<Deviation> {
        let mut all = self.deviations.report(window);
        all.extend(self.occurrences.deviations(&all, spec, window));
        self.occurrences.date(&mut all);
        deviations::sort(&mut all);
        all
    }

    fn gaps(
        &self,
        name: &str,
        existences: &[(Timestamp, Option<Timestamp>)],
        intervals: &[Interval],
        suspensions: &[Suspension],
        window: Window,
    ) -> Vec<ControlGap> {
        let recorded = self.gaps.iter().filter_map(|gap| ControlGap::recorded(name, gap, window));
        let suspended = suspensions.iter().map(|one| {
            ControlGap::derived(name, (one.from, one.to), GapCause::Suspended, Some(one.entry))
        });
        let mut own: Vec<ControlGap> = recorded.chain(suspended).collect();
        // After the recorded ones: what an entry explains is already taken out of the intervals.
        own.extend(gaps::unrecorded(name, intervals));
        if !window.instant {
            own.extend(gaps::without_control(name, existences, window));
        }
        own
    }
}

/// A time between two controls of the name for which nobody approved that it is suspended: deleting it
/// is no other way to have that.
fn recreated(
    existences: &[(Timestamp, Option<Timestamp>)],
    approvals: &[Approval],
) -> Option<(Timestamp, Timestamp)> {
    existences.windows(2).find_map(|pair| {
        let [(_, Some(deleted)), (created, _)] = *pair else { return None };
        let is_approved = approvals.iter().any(|one| one.covers(deleted, created));
        (deleted < created && !is_approved).then_some((deleted, created))
    })
}

/// Why an exception that excepted findings or approved a suspension says nothing; None where none does.
fn unbound_approval(
    excepted: &[ExceptedFinding],
    suspensions: &[Suspension],
    context: &Finishing<'_>,
) -> Option<String> {
    let excepting = excepted.iter().map(|one| one.exception.as_str());
    let suspending = suspensions.iter().filter_map(|one| one.exception.as_deref());
    excepting.chain(suspending).find_map(|exception| context.unbound_approvals.why(exception))
}

/// The share of the window with evidence; at an instant, whether there was any.
fn share(intervals: &[Interval], coverage: Coverage, window: Window) -> f64 {
    if !window.instant {
        return coverage.share();
    }
    if intervals.iter().any(is_evidence) { 1.0 } else { 0.0 }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}
