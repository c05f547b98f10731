//! The entries of a log, folded into what pages show of it.

use std::collections::BTreeMap;

use comptroller_evidence::{
    data::{ChangeKind, GapData, ObjectChange, OperatorEvent, PopulationList},
    entry::{Data, Entry, EntryType},
};
use serde_json::Value;

use super::log::{
    ControlHistory, ListedPopulation, LogGap, LogOperator, LogView, TimelineEvent, TimelineFact,
};

/// The most events of one control that are kept, the newest. A control that flaps for a week would
/// otherwise fill the memory of whoever serves its page.
pub const MAX_EVENTS: usize = 500;

/// The most gaps of the whole cluster that are kept, the newest.
pub const MAX_GAPS: usize = 500;

/// The most operators that are kept, the newest.
pub const MAX_OPERATORS: usize = 50;

/// The most exceptions and responses of which it is remembered what they are about.
const MAX_OBJECTS: usize = 20_000;

/// What the entries so far come to. Entries come in the order of the log; data beside the log is to be
/// resolved before, else the entry is [`TimelineFact::Unread`].
#[derive(Clone, Debug, Default)]
pub struct LogFold {
    view: LogView,
    /// The controls that an exception is from, by its name: what follows its creation names it alone.
    exceptions: BTreeMap<String, Vec<String>>,
}

impl LogFold {
    /// A fold that begins with an entry other than the first.
    pub fn from_entry(first: u64) -> Self {
        let view = LogView { controls_from: first, size: first, ..LogView::default() };
        Self { view, exceptions: BTreeMap::new() }
    }

    /// What the entries come to. Where the log lies, its proofs and its verification are for whoever reads
    /// the log to add.
    pub fn view(&self) -> &LogView {
        &self.view
    }

    /// Takes in the entry with this number. One that is already in is skipped.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        if index < self.view.size {
            return;
        }
        self.view.size = index.saturating_add(1);
        self.view.last_at = self.view.last_at.max(Some(entry.at));
        let name = &entry.subject.name;
        match &entry.data {
            Data::Verdict(data) => {
                let fact = TimelineFact::State {
                    state: data.state,
                    reason: data.reason.clone(),
                    message: data.message.clone(),
                    population: data.population,
                    failing: data.failing,
                    excepted: data.excepted,
                    unknown: data.unknown,
                };
                self.note(index, entry, name, fact);
                self.judged(index, entry, data.population_list.as_ref());
            }
            Data::Heartbeat(data) => self.judged(index, entry, data.population_list.as_ref()),
            Data::ControlChanged(data) => {
                let (change, fields) = (data.change, data.fields.clone());
                self.note(index, entry, name, TimelineFact::Rule { change, fields, by: None });
            }
            Data::Exception(data) => self.exception(index, entry, data),
            Data::Attestation(data) => {
                let fact = TimelineFact::Occurrence {
                    period: data.occurrence.period.clone(),
                    phase: data.phase,
                    record: data.record.as_ref().map(|record| record.name.clone()),
                    message: data.message.clone(),
                };
                self.note(index, entry, name, fact);
            }
            Data::Gap(data) => self.gap(index, entry, data),
            Data::Operator(data) if data.event == OperatorEvent::Started => {
                self.view.operators.push(LogOperator {
                    instance: name.clone(),
                    version: data.version.clone(),
                    image: data.image.clone(),
                    from: entry.at,
                    entry: index,
                });
                keep_newest(&mut self.view.operators, MAX_OPERATORS);
            }
            Data::Object(EntryType::Response, data) => {
                let control = data.spec.as_ref().and_then(|spec| spec.get("control"));
                if let Some(control) = control.and_then(Value::as_str) {
                    let fact = TimelineFact::Response { name: name.clone() };
                    self.note(index, entry, control, fact);
                }
            }
            Data::Stored(EntryType::Verdict | EntryType::ControlChanged, _) => {
                self.note(index, entry, name, TimelineFact::Unread);
            }
            _ => {}
        }
    }

    fn note(&mut self, index: u64, entry: &Entry, control: &str, fact: TimelineFact) {
        let history = self.history(control);
        history.events.push_back(TimelineEvent { at: entry.at, entry: index, fact });
        if history.events.len() > MAX_EVENTS {
            history.events.pop_front();
            history.earlier += 1;
        }
    }

    fn judged(&mut self, index: u64, entry: &Entry, list: Option<&PopulationList>) {
        let history = self.history(&entry.subject.name);
        history.last_at = Some(entry.at);
        if let Some(PopulationList { digest, count }) = list {
            let (at, digest) = (entry.at, digest.clone());
            history.population = Some(ListedPopulation { at, entry: index, digest, count: *count });
        }
    }

    fn exception(&mut self, index: u64, entry: &Entry, data: &ObjectChange) {
        let name = &entry.subject.name;
        let named = data.spec.as_ref().and_then(|spec| spec.get("controls")?.as_array());
        if let Some(named) = named {
            let names = named.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            self.exceptions.insert(name.clone(), names);
            if self.exceptions.len() > MAX_OBJECTS {
                self.exceptions.pop_first();
            }
        }
        let controls = match data.change {
            ChangeKind::Deleted => self.exceptions.remove(name),
            _ => self.exceptions.get(name).cloned(),
        };
        for control in controls.unwrap_or_default() {
            let (change, phase) = (data.change, data.phase.clone());
            let fact = TimelineFact::Exception { name: name.clone(), change, phase };
            self.note(index, entry, &control, fact);
        }
    }

    fn gap(&mut self, index: u64, entry: &Entry, gap: &GapData) {
        let GapData { from, to, reason, cause } = gap.clone();
        if entry.subject.kind == "Control" {
            let fact = TimelineFact::Gap { to, cause, reason };
            let history = self.history(&entry.subject.name);
            // It is written after it is over: what was recorded meanwhile stands after its begin.
            let place = history.events.partition_point(|event| event.at <= from);
            history.events.insert(place, TimelineEvent { at: from, entry: index, fact });
            if history.events.len() > MAX_EVENTS {
                history.events.pop_front();
                history.earlier += 1;
            }
            return;
        }
        self.view.gaps.push(LogGap { from, to, cause, reason, entry: index });
        self.view.earlier_gaps += keep_newest(&mut self.view.gaps, MAX_GAPS);
    }

    fn history(&mut self, control: &str) -> &mut ControlHistory {
        self.view.controls.entry(control.to_owned()).or_default()
    }
}

/// Drops the oldest above `most`; says how many.
fn keep_newest<T>(list: &mut Vec<T>, most: usize) -> u64 {
    let over = list.len().saturating_sub(most);
    drop(list.drain(..over));
    u64::try_from(over).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use comptroller_core::api::State;
    use comptroller_evidence::{
        data::{GapCause, VerdictData},
        entry::{ClockReading, EntrySubject},
    };
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn entry(second: i64, subject: EntrySubject, data: Data) -> Entry {
        Entry { at: at(second), clock: ClockReading::default(), epoch: 1, subject, data }
    }

    fn verdict(state: State) -> Data {
        Data::Verdict(Box::new(VerdictData {
            generation: 1,
            state,
            reason: "AllPassed".to_owned(),
            message: String::new(),
            since: at(0),
            population: 3,
            failing: 0,
            excepted: 0,
            unknown: 0,
            findings: String::new(),
            population_digest: None,
            population_list: Some(PopulationList { digest: "d".to_owned(), count: 3 }),
            entered: vec![],
            left: vec![],
            added: vec![],
            removed: vec![],
        }))
    }

    fn change(change: &str, spec: &Value) -> Box<ObjectChange> {
        Box::new(serde_json::from_value(json!({"change": change, "spec": spec})).unwrap())
    }

    #[test]
    fn an_exception_is_told_of_each_control_that_it_is_from_to_its_end() {
        let mut fold = LogFold::default();
        let subject = || EntrySubject::new("ControlException", "e");
        let created = change("Created", &json!({"controls": ["a", "b"]}));
        fold.apply(0, &entry(1, subject(), Data::Exception(created)));
        let mut phase = change("Phase", &Value::Null);
        phase.spec = None;
        phase.phase = Some("Active".to_owned());
        fold.apply(1, &entry(2, subject(), Data::Exception(phase)));
        fold.apply(2, &entry(3, subject(), Data::Exception(change("Deleted", &Value::Null))));
        for control in ["a", "b"] {
            let events = &fold.view().controls[control].events;
            assert_eq!(events.iter().map(|one| one.entry).collect::<Vec<_>>(), [0, 1, 2]);
        }
    }

    #[test]
    fn a_gap_stands_where_it_began_and_events_are_bounded() {
        let mut fold = LogFold::default();
        let control = || EntrySubject::control("a");
        fold.apply(0, &entry(10, control(), verdict(State::Passing)));
        fold.apply(1, &entry(20, control(), verdict(State::Failing)));
        let gap = GapData::between(at(12), at(18), GapCause::Paused, "why".to_owned());
        fold.apply(2, &entry(21, control(), Data::Gap(gap.clone())));
        let places: Vec<u64> =
            fold.view().controls["a"].events.iter().map(|event| event.entry).collect();
        assert_eq!(places, [0, 2, 1]);
        fold.apply(3, &entry(22, EntrySubject::new("Cluster", "c"), Data::Gap(gap)));
        assert_eq!(fold.view().gaps.len(), 1);
        for index in 4..2_000 {
            fold.apply(index, &entry(30, control(), verdict(State::Passing)));
        }
        let history = &fold.view().controls["a"];
        assert_eq!((history.events.len(), history.earlier), (MAX_EVENTS, 1_999 - 500));
        assert_eq!(history.population.as_ref().unwrap().entry, 1_999);
        assert_eq!(fold.view().size, 2_000);
    }

    #[test]
    fn an_entry_that_is_in_is_skipped() {
        let mut fold = LogFold::from_entry(5);
        fold.apply(4, &entry(1, EntrySubject::control("a"), verdict(State::Passing)));
        assert!(fold.view().controls.is_empty());
    }
}
