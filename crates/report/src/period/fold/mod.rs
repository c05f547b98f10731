//! The log folded over a period: entries in, one report out. Pure.
//!
//! An entry vouches for its control until the next one, but at most one and a half heartbeats; what
//! nobody vouched for is a gap, and so is what an entry says was not observed. A gap belongs to the
//! time that it is about: one that is written after the end of the period still counts, until it is
//! known what happened up to the end. From then on the report of the period never changes, but for
//! management's responses, which come when they come.

mod authors;
mod conclusion;
mod control;
pub(super) mod criteria;
mod deviations;
mod done;
mod exceptions;
mod gaps;
mod guards;
mod judged;
mod lists;
mod log;
mod occurrences;
mod pattern;
mod periods;
mod population;
mod registers;
mod responses;
mod spec;
mod suspensions;
mod timeline;
mod window;

#[cfg(test)]
mod cheats;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod records;
#[cfg(test)]
mod tests;

pub use self::done::what_was_done;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use self::{
    authors::{Lapses, UnboundApprovals},
    control::ControlFold,
    exceptions::ExceptionFold,
    gaps::RecordedGap,
    guards::GuardsFold,
    judged::Uids,
    log::LogFold,
    periods::PeriodsFold,
    registers::RegistersFold,
    responses::ResponsesFold,
    timeline::Gaps,
    window::Window,
};
use super::model::{
    Conclusion, ControlReport, Coverage, DEVIATION_RULE, DeviationRule, ListReport, PeriodReport,
    PeriodSummary, Provenance, ReportPeriod, ReportedSystem, Span,
};
use comptroller_core::api::criteria::Category;
use comptroller_evidence::{
    data::{ChangeKind, GapCause, GapData, ObjectChange, OperatorData, OperatorEvent},
    entry::{Data, Entry, EntrySubject, EntryType},
    usage::AUDIT_STREAM,
};

/// The share of the period, in percent, that must be observed before anything is concluded, where
/// the `AuditPeriod` does not say.
pub const DEFAULT_MINIMUM_OBSERVATION: u8 = 95;

/// How long after its end a period waits for entries about the time before it.
pub const CLOSING_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// How long entries about the time before the end are taken once somebody looked after it: who starts again
/// appends at once what became of the time when nobody looked, and not all of it in one piece.
pub(super) const SETTLES: SignedDuration = SignedDuration::from_secs(15);

/// A report in the making.
#[derive(Clone, Debug)]
pub struct PeriodFold {
    window: Window,
    categories: Vec<Category>,
    minimum_observation: u8,
    deviation_rule: DeviationRule,
    controls: BTreeMap<String, ControlFold>,
    /// By name, those of one name by time.
    exceptions: BTreeMap<String, Vec<ExceptionFold>>,
    responses: ResponsesFold,
    guards: GuardsFold,
    log: LogFold,
    /// Where the newest facts come from.
    lists: Vec<ListReport>,
    systems: BTreeMap<String, ReportedSystem>,
    periods: PeriodsFold,
    registers: RegistersFold,
    uids: Uids,
    gaps: Vec<RecordedGap>,
    stopped: Option<(Timestamp, u64)>,
    clock_differs: Option<(Timestamp, u64)>,
    /// Whether an entry so far has the API server's time: then those without it prove nothing of when
    /// they were written.
    has_server_time: bool,
    /// From when on nothing that follows changes the report: what happened up to the end is known.
    closes_at: Option<Timestamp>,
}

impl PeriodFold {
    /// A report over a span of time, with the criteria of these categories; those of Security are
    /// in every report.
    pub fn new(span: Span, categories: &[Category]) -> Self {
        let window = Window::new(span);
        Self {
            window,
            categories: categories.to_vec(),
            minimum_observation: DEFAULT_MINIMUM_OBSERVATION,
            deviation_rule: DEVIATION_RULE,
            controls: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            responses: ResponsesFold::default(),
            guards: GuardsFold::default(),
            log: LogFold::default(),
            lists: Vec::new(),
            systems: BTreeMap::new(),
            periods: PeriodsFold::default(),
            registers: RegistersFold::new(window),
            uids: Uids::default(),
            gaps: Vec::new(),
            stopped: None,
            clock_differs: None,
            has_server_time: false,
            closes_at: None,
        }
    }

    /// The same with another share of the period, in percent, below which nothing is concluded.
    #[must_use]
    pub fn with_minimum_observation(mut self, percent: u8) -> Self {
        self.minimum_observation = percent.min(100);
        self
    }

    /// The same with another rule by which deviations are told apart.
    #[must_use]
    pub fn with_deviation_rule(mut self, rule: DeviationRule) -> Self {
        self.deviation_rule = rule;
        self
    }

    /// The same with every item of the registers, which takes as much memory as they have items. Its digest
    /// is the same: that covers what vouches for the items.
    #[must_use]
    pub fn with_register_items(mut self) -> Self {
        self.registers = RegistersFold::item_by_item(self.window);
        self
    }

    /// When the period may close, by the API server's time where the log has it: somebody looked after its
    /// end, and had time to write about the time before. None while the log does not say so.
    pub fn closes_at(&self) -> Option<Timestamp> {
        self.closes_at
    }

    /// Takes in an entry. They come in the order of the log, from its first one on, each once, with
    /// what is stored beside the log resolved; of a verdict that is not, nothing can be said.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        self.log.entry(index, entry, self.window);
        self.has_server_time |= entry.clock.server.is_some();
        let Entry { at, subject, .. } = entry;
        if let Data::Object(EntryType::Response, change) = &entry.data {
            self.responses.change(index, *at, subject, change);
            return;
        }
        if let Data::Object(EntryType::AuditPeriod, change) = &entry.data {
            self.audit_period(index, *at, subject, change);
            return;
        }
        if self.closes_at.is_some_and(|closed| *at >= closed) {
            return;
        }
        self.registers.apply(index, entry);
        if self.window.is_over(*at) {
            self.after_the_end(index, entry);
            return;
        }
        if matches!(entry.data, Data::Verdict(_) | Data::Heartbeat(_)) {
            // Who writes these is running, whatever became of the entry that says so.
            self.resumed(*at);
        }
        match &entry.data {
            Data::Verdict(data) => {
                self.uids.note(&data.entered, &data.left);
                let control = control_of(&mut self.controls, self.window, subject);
                control.verdict(index, *at, data, &self.uids);
                self.uids.forget(&data.left);
            }
            Data::Heartbeat(data) => {
                self.uids.note(&data.entered, &data.left);
                let control = control_of(&mut self.controls, self.window, subject);
                control.heartbeat(index, *at, data, &self.uids);
                self.uids.forget(&data.left);
            }
            Data::Stored(EntryType::Verdict | EntryType::Heartbeat, _) => {
                self.control(subject).unreadable(index, *at);
            }
            Data::Attestation(data) => self.control(subject).attestation(index, *at, data),
            Data::ControlChanged(data) if subject.kind == "Control" => {
                self.control(subject).changed(index, *at, data);
            }
            Data::Exception(data) => {
                let of_the_name = self.exceptions.entry(subject.name.clone()).or_default();
                let is_new = of_the_name.last().is_none_or(|last| last.is_followed_by(data));
                if is_new {
                    of_the_name.push(ExceptionFold::new(self.window, *at));
                }
                if let Some(exception) = of_the_name.last_mut() {
                    exception.change(index, *at, data);
                }
            }
            Data::Operator(data) => self.operator(index, *at, data),
            Data::Gap(data) => self.gap(index, subject, data),
            Data::Inventory(data) => self.lists = lists::lists_of(index, data),
            Data::Object(EntryType::Guard, data) => {
                self.guards.change(index, *at, subject, data, self.window);
            }
            Data::ControlChanged(_)
            | Data::Object(..)
            | Data::Usage(_)
            | Data::Register(_)
            | Data::Stored(..)
            | Data::Other(..) => {}
        }
    }

    /// What is written after the end counts only as far as it is about the time before.
    fn after_the_end(&mut self, index: u64, entry: &Entry) {
        match &entry.data {
            Data::Gap(data) => self.gap(index, &entry.subject, data),
            Data::Operator(data) => match data.event {
                OperatorEvent::Started => self.resumed(entry.at),
                OperatorEvent::ClockAgrees => self.clocks_agree(entry.at),
                _ => {}
            },
            // Who judges again has said why nobody did, if that was so.
            Data::Verdict(_) | Data::Heartbeat(_) => self.looked(entry),
            // Without a control nobody ever looks.
            _ if self.controls.is_empty() => self.looked(entry),
            _ => {}
        }
    }

    /// Somebody looked after the end. A clock that is ahead must not close a period early.
    fn looked(&mut self, entry: &Entry) {
        let time = if self.has_server_time { entry.clock.server } else { Some(entry.at) };
        let late = time.filter(|time| time.duration_since(self.window.to) >= CLOSING_GRACE);
        if let Some(closes) = late.and_then(|time| time.checked_add(SETTLES).ok()) {
            self.closes_at.get_or_insert(closes);
        }
    }

    /// The description of the system comes when the company writes it, as late as when the report is
    /// made; the newest counts. A change of phase says nothing of it.
    fn audit_period(
        &mut self,
        index: u64,
        at: Timestamp,
        subject: &EntrySubject,
        change: &ObjectChange,
    ) {
        self.periods.change(index, at, &subject.name, change);
        if let (ChangeKind::Created | ChangeKind::Updated, Some(spec)) =
            (change.change, &change.spec)
            && let Some(system) = ReportedSystem::read(spec, at, index)
        {
            self.systems.insert(subject.name.clone(), system);
        }
    }

    fn control(&mut self, subject: &EntrySubject) -> &mut ControlFold {
        control_of(&mut self.controls, self.window, subject)
    }

    fn operator(&mut self, index: u64, at: Timestamp, data: &OperatorData) {
        match data.event {
            // The first of several: nobody ran since then.
            OperatorEvent::Stopped => self.stopped = self.stopped.or(Some((at, index))),
            OperatorEvent::Started => {
                self.resumed(at);
                // A process that starts compares the clocks itself.
                self.clocks_agree(at);
            }
            OperatorEvent::ClockDiffers => {
                self.clock_differs = self.clock_differs.or(Some((at, index)));
            }
            OperatorEvent::ClockAgrees => self.clocks_agree(at),
            OperatorEvent::KeyRotated | OperatorEvent::LogDiscontinued => {}
        }
    }

    fn resumed(&mut self, at: Timestamp) {
        if let Some((from, entry)) = self.stopped.take() {
            self.record(RecordedGap::of(from, at, GapCause::Stopped, entry));
        }
    }

    fn clocks_agree(&mut self, at: Timestamp) {
        if let Some((from, entry)) = self.clock_differs.take() {
            self.record(RecordedGap::of(from, at, GapCause::ClockDiffers, entry));
        }
    }

    fn gap(&mut self, index: u64, subject: &EntrySubject, data: &GapData) {
        // Controls were judged while the audit stream was silent.
        if subject.kind == AUDIT_STREAM {
            return;
        }
        let recorded = RecordedGap::written(index, data);
        if subject.kind == "Control" {
            self.control(subject).gap(recorded);
        } else {
            self.record(recorded);
        }
    }

    fn record(&mut self, recorded: RecordedGap) {
        if recorded.touches(self.window) {
            self.gaps.push(recorded);
        }
    }

    /// What the entries so far say. More may follow, and then it is called again. Of a period that
    /// is not over when the report is made (`provenance.run_at`), the report ends there.
    pub fn finish(&self, period: ReportPeriod, mut provenance: Provenance) -> PeriodReport {
        let window = self.window.until(provenance.run_at);
        let mut recorded = self.gaps.clone();
        // Nobody has started again as far as the log goes; the window ends the gap.
        for (open, cause) in
            [(self.stopped, GapCause::Stopped), (self.clock_differs, GapCause::ClockDiffers)]
        {
            recorded.extend(
                open.map(|(from, entry)| RecordedGap::of(from, Timestamp::MAX, cause, entry)),
            );
        }
        let everywhere = Gaps::new(&recorded);
        let exceptions: Vec<(&str, &ExceptionFold)> = self
            .exceptions
            .iter()
            .flat_map(|(name, all)| all.iter().map(|one| (name.as_str(), one)))
            .collect();
        let lapses = Lapses::new(self.guards.lapses(), &recorded);
        let unbound_approvals = UnboundApprovals::of(&exceptions, &lapses);
        let mut controls = Vec::new();
        let mut own = Vec::new();
        for (name, control) in &self.controls {
            let suspended = suspensions::approvals(name, &exceptions, &lapses);
            let context = control::Finishing {
                name,
                window,
                everywhere: &everywhere,
                approvals: &suspended,
                responses: &self.responses,
                lapses: &lapses,
                unbound_approvals: &unbound_approvals,
                minimum_observation: self.minimum_observation,
                deviation_rule: &self.deviation_rule,
            };
            if let Some((report, gaps)) = control.report(&context) {
                controls.push(report);
                own.extend(gaps);
            }
        }
        let exceptions = exceptions
            .into_iter()
            .filter_map(|(name, exception)| exception.report(name, window, &controls, &lapses))
            .collect();
        provenance.operators = self.log.operators(window);
        provenance.lists.clone_from(&self.lists);
        PeriodReport {
            system_description: self.systems.get(&period.name).cloned().unwrap_or_default(),
            log: self.log.report(window, &provenance),
            summary: summary(&controls, self.minimum_observation),
            deviation_rule: self.deviation_rule,
            criteria: criteria::criteria(
                &self.categories,
                &controls,
                (window.from, window.to),
                self.minimum_observation,
            ),
            exceptions,
            gaps: gaps::merged(&recorded, own, &controls, window),
            identity: self.guards.report(window),
            registers: self.registers.report(window),
            period_changes: self.periods.report(&period.name, window),
            period,
            provenance,
            controls,
        }
    }
}

fn control_of<'a>(
    controls: &'a mut BTreeMap<String, ControlFold>,
    window: Window,
    subject: &EntrySubject,
) -> &'a mut ControlFold {
    controls.entry(subject.name.clone()).or_insert_with(|| ControlFold::new(window))
}

/// The whole in a few numbers.
pub(super) fn summary(controls: &[ControlReport], minimum_observation: u8) -> PeriodSummary {
    let concluded =
        |conclusion| controls.iter().filter(|control| control.conclusion == conclusion).count();
    let deviations = || controls.iter().flat_map(|control| &control.deviations);
    let observed = controls.iter().filter(|control| !control.is_attested());
    PeriodSummary {
        controls: controls.len(),
        no_deviation_observed: concluded(Conclusion::NoDeviationObserved),
        deviation_observed: concluded(Conclusion::DeviationObserved),
        not_determinable: concluded(Conclusion::NotDeterminable),
        not_due: concluded(Conclusion::NotDue),
        accepted_risk: concluded(Conclusion::AcceptedRisk),
        deviations: deviations().count(),
        open_deviations: deviations().filter(|deviation| deviation.is_open()).count(),
        coverage: observed.fold(Coverage::default(), |sum, control| Coverage {
            observed_seconds: sum.observed_seconds + control.coverage.observed_seconds,
            expected_seconds: sum.expected_seconds + control.coverage.expected_seconds,
        }),
        minimum_observation,
    }
}
