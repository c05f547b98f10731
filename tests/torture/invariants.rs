//! What must be so after every campaign, whatever was done.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use comptroller_core::api::{ControlStatus, State};
use comptroller_evidence::entry::Data;
use jiff::Timestamp;

use crate::{faults::Traffic, history::Seen, record::Record, scrape::Scrape};

/// Requests a second, over any such window: fifteen that list and watch, and beside them what discovery,
/// the Lease and statuses take.
const RATE: f64 = 22.0;
const RATE_WINDOW: Duration = Duration::from_secs(5);

/// How many lines at WARN and worse one trouble may leave.
const LINES: usize = 60;

/// Something that must not be, in a class that can be counted.
#[derive(Clone, Debug)]
pub struct Finding {
    pub class: &'static str,
    pub text: String,
}

impl Finding {
    pub fn new(class: &'static str, text: impl Into<String>) -> Self {
        Self { class, text: text.into() }
    }
}

/// A time in which a control must not pass: a violation is there, and could be known.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: (Instant, Timestamp),
    pub to: (Instant, Timestamp),
    /// Whether statuses could not be written, so that only the log counts.
    pub unwritable: bool,
}

impl Window {
    /// Who recovers sooner than asked leaves nothing to look at.
    fn shows_in_status(&self) -> bool {
        !self.unwritable && self.from.0 < self.to.0
    }
}

/// All that is left of a campaign.
pub struct Remains {
    pub histories: BTreeMap<String, Vec<Seen>>,
    pub record: Result<Record, String>,
    pub metrics: Option<String>,
    /// What the operator said.
    pub said: String,
    pub traffic: Traffic,
    pub first_verdict: Instant,
    pub windows: Vec<Window>,
    /// How many gaps the log may have of each subject.
    pub gaps: usize,
    /// How often the operator was started.
    pub starts: usize,
    /// What the log says of each control one after the other in a run without faults. Unknown may
    /// come in between.
    pub course: Option<&'static [State]>,
}

impl Remains {
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (control, history) in &self.histories {
            self.false_passes(control, history, &mut findings);
            transitions(control, history, &mut findings);
            let last = history.last().and_then(|seen| seen.status.as_ref());
            match last {
                None => findings.push(Finding::new("liveness", format!("{control} has no status"))),
                Some(status) => {
                    self.cited(control, status, &mut findings);
                    self.measured(control, status, &mut findings);
                }
            }
        }
        self.log(&mut findings);
        self.traffic(&mut findings);
        self.words(&mut findings);
        findings
    }

    fn false_passes(&self, control: &str, history: &[Seen], findings: &mut Vec<Finding>) {
        for window in self.windows.iter().filter(|window| window.shows_in_status()) {
            let before = history.iter().rfind(|seen| seen.at <= window.from.0);
            let within =
                history.iter().filter(|seen| seen.at > window.from.0 && seen.at < window.to.0);
            for seen in before.into_iter().chain(within) {
                if seen.state() == Some(State::Passing) {
                    let late = seen.at.saturating_duration_since(window.from.0);
                    let text = format!(
                        "{control} passes from {} on, {late:?} after it had to be known (window {} to {})",
                        seen.time, window.from.1, window.to.1
                    );
                    findings.push(Finding::new("false pass", text));
                }
            }
        }
        let Ok(record) = &self.record else { return };
        for window in &self.windows {
            for (index, entry, state) in record.states(control) {
                // Entries have whole seconds: those of the first and last may be from outside.
                let second = entry.at.as_second();
                let within = second > window.from.1.as_second() && second < window.to.1.as_second();
                if within && state == State::Passing {
                    let kind = entry.data.entry_type();
                    let text = format!(
                        "entry {index} of {}, a {kind} of {control}, says Passing (window {} to {})",
                        entry.at, window.from.1, window.to.1
                    );
                    findings.push(Finding::new("false heartbeat", text));
                }
            }
        }
    }

    /// What a status claims is in the log, in the same words.
    fn cited(&self, control: &str, status: &ControlStatus, findings: &mut Vec<Finding>) {
        let Ok(record) = &self.record else { return };
        let mut wrong = |text: String| {
            findings.push(Finding::new("log and status", format!("{control}: {text}")));
        };
        let Some(reference) = status.evidence else {
            return wrong(format!("the status ({}) cites nothing", status.state));
        };
        let index = usize::try_from(reference.index).unwrap_or(usize::MAX);
        let Some(entry) = record.entries.get(index) else {
            let size = record.entries.len();
            return wrong(format!("the status cites entry {index} of {size}"));
        };
        if entry.subject.name != control {
            return wrong(format!("the status cites entry {index} of {}", entry.subject.name));
        }
        let said = match &entry.data {
            Data::Verdict(verdict) => Some((verdict.state, Some(verdict.since))),
            Data::Heartbeat(heartbeat) => Some((heartbeat.state, None)),
            _ => None,
        };
        let Some((state, since)) = said else {
            return wrong(format!("the status cites entry {index}, a {}", entry.data.entry_type()));
        };
        if state != status.state {
            wrong(format!("the status is {} and entry {index} says {state}", status.state));
        }
        let claimed = status.since.as_ref().map(|since| since.0);
        if let Some(since) = since
            && Some(since) != claimed
        {
            wrong(format!("since {claimed:?} in the status, {since} in entry {index}"));
        }
        // The newest verdict is what holds.
        let newest = record.entries.iter().rev().find_map(|entry| match &entry.data {
            Data::Verdict(verdict) if entry.subject.name == control => Some(verdict),
            _ => None,
        });
        if let Some(newest) = newest
            && (newest.state != status.state || Some(newest.since) != claimed)
        {
            wrong(format!(
                "the newest verdict is {} since {}, the status {} since {claimed:?}",
                newest.state, newest.since, status.state
            ));
        }
    }

    fn measured(&self, control: &str, status: &ControlStatus, findings: &mut Vec<Finding>) {
        let Some(metrics) = &self.metrics else { return };
        let scrape = Scrape(metrics);
        let state = scrape.state(control);
        if state != Some(status.state) {
            let text = format!("{control}: {state:?} in the metrics, {} in status", status.state);
            findings.push(Finding::new("metrics and status", text));
        }
        let since = status.since.as_ref().map(|since| since.0.as_second());
        #[expect(clippy::cast_possible_truncation, reason = "a time in seconds")]
        let measured = scrape.since(control).map(|since| since as i64);
        if since != measured {
            let text = format!("{control}: since {measured:?} in the metrics, {since:?} in status");
            findings.push(Finding::new("metrics and status", text));
        }
    }

    fn log(&self, findings: &mut Vec<Finding>) {
        let record = match &self.record {
            Ok(record) => record,
            Err(error) => return findings.push(Finding::new("log", error)),
        };
        findings
            .extend(record.doubles().into_iter().map(|text| Finding::new("double entry", text)));
        for (subject, gaps) in record.gaps() {
            // What people write into other controls may be beyond evaluation, again and again.
            let ours = subject.kind == "Cluster" || self.histories.contains_key(&subject.name);
            if ours && gaps.len() > self.gaps {
                let count = gaps.len();
                let name = &subject.name;
                let text = format!("{count} of {name} instead of {}: {gaps:?}", self.gaps);
                findings.push(Finding::new("gaps", text));
            }
        }
        for control in self.histories.keys() {
            let mut course: Vec<State> = record
                .states(control)
                .map(|(_, _, state)| state)
                .filter(|&state| state != State::Unknown)
                .collect();
            course.dedup();
            if self.course.is_some_and(|expected| expected != course) {
                let text = format!("{control} was {course:?}, without faults {:?}", self.course);
                findings.push(Finding::new("course", text));
            }
        }
        if record.starts() > self.starts {
            let text = format!("{} starts in the log, {} in fact", record.starts(), self.starts);
            findings.push(Finding::new("double entry", text));
        }
    }

    fn traffic(&self, findings: &mut Vec<Finding>) {
        let rate = self.traffic.busiest(RATE_WINDOW, self.first_verdict);
        if rate > RATE {
            let mut summary = self.traffic.summary(self.first_verdict);
            summary.truncate(6);
            let text = format!("{rate} requests a second: {summary:?}");
            findings.push(Finding::new("request rate", text));
        }
    }

    fn words(&self, findings: &mut Vec<Finding>) {
        for line in self.said.lines().filter(|line| line.contains("panicked")) {
            findings.push(Finding::new("panic", line));
        }
        let loud =
            |line: &&str| line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#);
        let lines: Vec<&str> = self.said.lines().filter(loud).collect();
        if lines.len() > LINES {
            let sample: Vec<&&str> = lines.iter().rev().take(3).collect();
            let text = format!("{} lines of trouble, such as {sample:?}", lines.len());
            findings.push(Finding::new("log lines", text));
        }
    }
}

/// Generations that were observed never fall, and a condition has its time from its last change.
fn transitions(control: &str, history: &[Seen], findings: &mut Vec<Finding>) {
    let statuses: Vec<&ControlStatus> =
        history.iter().filter_map(|seen| seen.status.as_ref()).collect();
    for pair in statuses.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if after.observed_generation < before.observed_generation {
            let (from, to) = (before.observed_generation, after.observed_generation);
            let text = format!("{control}: observedGeneration fell from {from} to {to}");
            findings.push(Finding::new("generation", text));
        }
        for now in &after.conditions {
            let Some(then) = before.conditions.iter().find(|it| it.type_ == now.type_) else {
                continue;
            };
            let same_status = now.status == then.status;
            let same_time = now.last_transition_time == then.last_transition_time;
            // Two changes within a second have one time.
            if same_status && !same_time {
                let text = format!(
                    "{control}: {} is {} still, and its time moved from {:?} to {:?}",
                    now.type_, now.status, then.last_transition_time, now.last_transition_time
                );
                findings.push(Finding::new("transition time", text));
            }
        }
    }
    for seen in history {
        let observed = seen.status.as_ref().map_or(0, |status| status.observed_generation);
        if observed > seen.generation {
            let text = format!("{control}: generation {observed} observed of {}", seen.generation);
            findings.push(Finding::new("generation", text));
        }
    }
}
