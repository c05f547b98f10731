//! The log folded over a period: entries in, one report out. Pure.
//!
//! An entry vouches for its control until the next one, but at most one and a half heartbeats; what
//! nobody vouched for is a gap, and so is what an entry says was not observed. Entries from the end
//! of the period on are passed over, so that the report of a period that is over never changes.

mod control;
pub(super) mod criteria;
mod deviations;
mod exceptions;
mod occurrences;
mod spec;
mod timeline;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use self::{
    control::ControlFold,
    exceptions::ExceptionFold,
    timeline::{Gaps, RecordedGap},
};
use super::model::{
    Conclusion, ControlReport, Coverage, GapReport, PeriodReport, PeriodSummary, Provenance,
    ReportPeriod, Span,
};
use comptroller_core::api::criteria::Category;
use comptroller_evidence::{
    data::{GapData, OperatorData, OperatorEvent},
    entry::{Data, Entry, EntrySubject, EntryType},
};

/// A report in the making.
#[derive(Clone, Debug)]
pub struct PeriodFold {
    window: Window,
    categories: Vec<Category>,
    controls: BTreeMap<String, ControlFold>,
    exceptions: BTreeMap<String, ExceptionFold>,
    gaps: Vec<RecordedGap>,
    stopped: Option<(Timestamp, u64)>,
}

/// The span in one form: of Type I, both ends are its time, and the time itself is in.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Timestamp,
    to: Timestamp,
    instant: bool,
}

impl Window {
    fn new(span: Span) -> Self {
        match span {
            Span::TypeI { as_of } => Self { from: as_of, to: as_of, instant: true },
            Span::TypeII { from, to } => Self { from, to: to.max(from), instant: false },
        }
    }

    /// Whether a time is after the last that the report looks at.
    fn is_over(self, at: Timestamp) -> bool {
        if self.instant { at > self.to } else { at >= self.to }
    }

    /// Whether a time from then until then has a part in it.
    fn touches(self, from: Timestamp, until: Option<Timestamp>) -> bool {
        !self.is_over(from) && until.is_none_or(|until| until > self.from)
    }

    /// The window of a report that is made before the period is over: nobody can have looked at
    /// what is yet to come.
    fn until(self, now: Timestamp) -> Self {
        if self.instant { self } else { Self { to: self.to.min(now).max(self.from), ..self } }
    }
}

impl PeriodFold {
    /// A report over a span of time, with the criteria of these categories; those of Security are
    /// in every report.
    pub fn new(span: Span, categories: &[Category]) -> Self {
        Self {
            window: Window::new(span),
            categories: categories.to_vec(),
            controls: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            gaps: Vec::new(),
            stopped: None,
        }
    }

    /// Takes in an entry. They come in the order of the log, from its first one on, each once, with
    /// what is stored beside the log resolved; of a verdict that is not, nothing can be said.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        // Not only skipped for speed: a report of a period that is over must not change with the log.
        if self.window.is_over(entry.at) {
            return;
        }
        let Entry { at, subject, .. } = entry;
        if matches!(entry.data, Data::Verdict(_) | Data::Heartbeat(_)) {
            // Who writes these is running, whatever became of the entry that says so.
            self.resumed(*at);
        }
        match &entry.data {
            Data::Verdict(data) => self.control(subject).verdict(index, *at, data),
            Data::Heartbeat(data) => self.control(subject).heartbeat(index, *at, data),
            Data::Stored(EntryType::Verdict | EntryType::Heartbeat, _) => {
                self.control(subject).unreadable(index, *at);
            }
            Data::Attestation(data) => self.control(subject).attestation(index, *at, data),
            Data::ControlChanged(data) if subject.kind == "Control" => {
                self.control(subject).changed(index, *at, data);
            }
            Data::Exception(data) => {
                let window = self.window;
                self.exceptions
                    .entry(subject.name.clone())
                    .or_insert_with(|| ExceptionFold::new(window))
                    .change(index, *at, data);
            }
            Data::Operator(data) => self.operator(index, *at, data),
            Data::Gap(data) => self.gap(index, subject, data),
            Data::ControlChanged(_) | Data::Object(..) | Data::Stored(..) | Data::Other(..) => {}
        }
    }

    fn control(&mut self, subject: &EntrySubject) -> &mut ControlFold {
        let window = self.window;
        self.controls.entry(subject.name.clone()).or_insert_with(|| ControlFold::new(window))
    }

    fn operator(&mut self, index: u64, at: Timestamp, data: &OperatorData) {
        match data.event {
            // The first of several: nobody ran since then.
            OperatorEvent::Stopped => self.stopped = self.stopped.or(Some((at, index))),
            OperatorEvent::Started => self.resumed(at),
            OperatorEvent::ClockDiffers
            | OperatorEvent::ClockAgrees
            | OperatorEvent::KeyRotated
            | OperatorEvent::LogDiscontinued => {}
        }
    }

    fn resumed(&mut self, at: Timestamp) {
        if let Some((from, entry)) = self.stopped.take() {
            self.record(RecordedGap::stop(from, at, entry));
        }
    }

    fn gap(&mut self, index: u64, subject: &EntrySubject, data: &GapData) {
        let recorded = RecordedGap::gap(index, data);
        if subject.kind == "Control" {
            self.control(subject).gap(recorded);
        } else {
            self.record(recorded);
        }
    }

    fn record(&mut self, recorded: RecordedGap) {
        if self.window.instant || recorded.to > self.window.from {
            self.gaps.push(recorded);
        }
    }

    /// What the entries so far say. More may follow, and then it is called again. Of a period that
    /// is not over when the report is made (`provenance.run_at`), the report ends there.
    pub fn finish(&self, period: ReportPeriod, provenance: Provenance) -> PeriodReport {
        let window = self.window.until(provenance.run_at);
        let mut recorded = self.gaps.clone();
        // Nobody has started again as far as the log goes; the window ends the gap.
        if let Some((from, entry)) = self.stopped {
            recorded.push(RecordedGap::stop(from, Timestamp::MAX, entry));
        }
        let mut gaps: Vec<GapReport> =
            recorded.iter().filter_map(|gap| gap.report(None, window)).collect();
        let everywhere = Gaps::new(&recorded);
        let mut controls = Vec::new();
        for (name, control) in &self.controls {
            if let Some((report, own)) = control.report(name, window, &everywhere) {
                controls.push(report);
                gaps.extend(own);
            }
        }
        // Every key that two gaps may share comes after the time, so that the report is the same bytes.
        gaps.sort_by(|a, b| {
            (a.from, &a.control, a.to, a.entry).cmp(&(b.from, &b.control, b.to, b.entry))
        });
        PeriodReport {
            summary: summary(&controls),
            criteria: criteria::standings(&self.categories, &controls),
            exceptions: self
                .exceptions
                .iter()
                .filter_map(|(name, exception)| exception.report(name, window))
                .collect(),
            period,
            provenance,
            controls,
            gaps,
        }
    }
}

fn summary(controls: &[ControlReport]) -> PeriodSummary {
    let concluded =
        |conclusion| controls.iter().filter(|control| control.conclusion == conclusion).count();
    let deviations = || controls.iter().flat_map(|control| &control.deviations);
    PeriodSummary {
        controls: controls.len(),
        effective: concluded(Conclusion::Effective),
        with_deviations: concluded(Conclusion::Deviations),
        unknown: concluded(Conclusion::Unknown),
        deviations: deviations().count(),
        open_deviations: deviations().filter(|deviation| deviation.until.is_none()).count(),
        coverage: controls.iter().fold(Coverage::default(), |sum, control| Coverage {
            observed_seconds: sum.observed_seconds + control.coverage.observed_seconds,
            expected_seconds: sum.expected_seconds + control.coverage.expected_seconds,
        }),
    }
}
