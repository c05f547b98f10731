//! The entries of a log, folded into what pages show of it.

use std::collections::BTreeMap;

use comptroller_evidence::{
    data::{ChangeKind, FieldChange, GapData, ObjectChange, OperatorEvent, PopulationList},
    entry::{Data, Entry, EntryType},
    usage::AUDIT_STREAM,
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

/// About how many bytes all events may take: they are in the memory of the operator. Beyond it each
/// control keeps fewer of them.
const MAX_WEIGHT: usize = 12 << 20;

/// The longest text of an event, in bytes; what is longer is cut, and the entry has the whole of it.
const MAX_TEXT: usize = 1024;

/// The most changed fields of a rule that are kept.
const MAX_FIELDS: usize = 20;

/// What the entries so far come to. Entries come in the order of the log; data beside the log is to be
/// resolved before, else the entry is [`TimelineFact::Unread`].
#[derive(Clone, Debug, Default)]
pub struct LogFold {
    view: LogView,
    /// The controls that an exception is from, by its name: what follows its creation names it alone.
    exceptions: BTreeMap<String, Vec<String>>,
    /// About how many bytes the events take.
    weight: usize,
    /// How often the number of events of each control was halved.
    halvings: u32,
}

impl LogFold {
    /// A fold that begins with an entry other than the first.
    pub fn from_entry(first: u64) -> Self {
        let view = LogView { controls_from: first, size: first, ..LogView::default() };
        Self { view, ..Self::default() }
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
                    reason: cut(&data.reason),
                    message: cut(&data.message),
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
                let fields = data.fields.iter().take(MAX_FIELDS).map(short_field).collect();
                let change = data.change;
                self.note(index, entry, name, TimelineFact::Rule { change, fields, by: None });
            }
            Data::Exception(data) => self.exception(index, entry, data),
            Data::Attestation(data) => {
                let fact = TimelineFact::Occurrence {
                    period: data.occurrence.period.clone(),
                    phase: data.phase,
                    record: data.record.as_ref().map(|record| record.name.clone()),
                    message: cut(&data.message),
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
        let event = TimelineEvent { at: entry.at, entry: index, fact };
        self.weight += weight(&event);
        self.history(control).events.push_back(event);
        self.keep_within(control);
    }

    /// Drops the oldest events of a control, and of all if they take too much memory.
    fn keep_within(&mut self, control: &str) {
        let most = self.most();
        self.weight -= trim(self.history(control), most);
        while self.weight > MAX_WEIGHT && self.most() > 1 {
            self.halvings += 1;
            let most = self.most();
            let freed: usize = self.view.controls.values_mut().map(|one| trim(one, most)).sum();
            self.weight -= freed;
        }
        // With one event each, the control goes of which nothing was recorded for the longest time.
        while self.weight > MAX_WEIGHT {
            let newest = |one: &ControlHistory| one.events.back().map(|event| event.entry);
            let oldest = self.view.controls.iter().min_by_key(|(_, one)| newest(one));
            let Some(name) = oldest.map(|(name, _)| name.clone()) else { return };
            if let Some(mut history) = self.view.controls.remove(&name) {
                self.weight -= trim(&mut history, 0);
            }
        }
    }

    /// How many events of each control are kept.
    fn most(&self) -> usize {
        MAX_EVENTS.checked_shr(self.halvings).unwrap_or_default().max(1)
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
        let controls = data.spec.as_ref().and_then(|spec| spec.get("controls")?.as_array());
        if let Some(controls) = controls {
            let names = controls.iter().filter_map(Value::as_str).map(str::to_owned).collect();
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
        // Controls were judged while the audit stream was silent.
        if entry.subject.kind == AUDIT_STREAM {
            return;
        }
        let GapData { from, to, cause, .. } = *gap;
        let reason = cut(&gap.reason);
        if entry.subject.kind == "Control" {
            let fact = TimelineFact::Gap { to, cause, reason };
            let event = TimelineEvent { at: from, entry: index, fact };
            self.weight += weight(&event);
            let history = self.history(&entry.subject.name);
            // It is written after it is over: what was recorded meanwhile stands after its begin.
            let place = history.events.partition_point(|event| event.at <= from);
            history.events.insert(place, event);
            self.keep_within(&entry.subject.name);
            return;
        }
        self.view.gaps.push(LogGap { from, to, cause, reason, entry: index });
        self.view.earlier_gaps += keep_newest(&mut self.view.gaps, MAX_GAPS);
    }

    fn history(&mut self, control: &str) -> &mut ControlHistory {
        self.view.controls.entry(control.to_owned()).or_default()
    }
}

/// Drops the oldest events above `most`; says what they weighed.
fn trim(history: &mut ControlHistory, most: usize) -> usize {
    let over = history.events.len().saturating_sub(most);
    history.earlier += u64::try_from(over).unwrap_or(u64::MAX);
    history.events.drain(..over).map(|event| weight(&event)).sum()
}

/// About how many bytes an event takes.
fn weight(event: &TimelineEvent) -> usize {
    let texts = match &event.fact {
        TimelineFact::State { reason, message, .. } => reason.len() + message.len(),
        TimelineFact::Gap { reason, .. } => reason.len(),
        TimelineFact::Rule { fields, .. } => fields.iter().map(field_weight).sum(),
        TimelineFact::Exception { name, .. } | TimelineFact::Response { name } => name.len(),
        TimelineFact::Occurrence { period, record, message, .. } => {
            period.len() + record.as_ref().map_or(0, String::len) + message.len()
        }
        TimelineFact::Unread => 0,
    };
    size_of::<TimelineEvent>() + texts
}

fn field_weight(field: &FieldChange) -> usize {
    // A tree of values takes several times as much as its text.
    let values = field.from.iter().chain(&field.to).map(|value| 4 * value.to_string().len());
    size_of::<FieldChange>() + field.path.len() + values.sum::<usize>()
}

fn short_field(field: &FieldChange) -> FieldChange {
    FieldChange {
        path: cut(&field.path),
        from: field.from.as_ref().map(short_value),
        to: field.to.as_ref().map(short_value),
    }
}

/// A value, or the beginning of its text where that is long.
fn short_value(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= MAX_TEXT { value.clone() } else { Value::String(cut(&text)) }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    format!("{}…", &text[..end])
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
        let stream = EntrySubject::new(AUDIT_STREAM, "c");
        let gap = GapData::between(at(12), at(18), GapCause::AuditStreamInterrupted, String::new());
        fold.apply(4, &entry(23, stream, Data::Gap(gap)));
        assert_eq!(fold.view().gaps.len(), 1);
        for index in 5..2_000 {
            fold.apply(index, &entry(30, control(), verdict(State::Passing)));
        }
        let history = &fold.view().controls["a"];
        assert_eq!((history.events.len(), history.earlier), (MAX_EVENTS, 1_998 - 500));
        assert_eq!(history.population.as_ref().unwrap().entry, 1_999);
        assert_eq!(fold.view().size, 2_000);
    }

    #[test]
    fn an_entry_that_is_in_is_skipped() {
        let mut fold = LogFold::from_entry(5);
        fold.apply(4, &entry(1, EntrySubject::control("a"), verdict(State::Passing)));
        assert!(fold.view().controls.is_empty());
    }

    #[test]
    fn memory_is_bounded_however_many_controls_flap_and_whatever_they_say() {
        let mut fold = LogFold::default();
        let long = "é".repeat(2_000);
        for index in 0..40_000_u64 {
            let Data::Verdict(mut data) = verdict(State::Failing) else { return };
            data.message.clone_from(&long);
            let subject = EntrySubject::control(&format!("c{}", index % 13_000));
            fold.apply(index, &entry(30, subject, Data::Verdict(data)));
            assert!(fold.weight <= MAX_WEIGHT, "{index}: {}", fold.weight);
        }
        let events = fold.view().controls.values().flat_map(|one| &one.events);
        assert_eq!(events.map(weight).sum::<usize>(), fold.weight);
        let newest = &fold.view().controls[&format!("c{}", 39_999 % 13_000)];
        assert_eq!(newest.events.back().unwrap().entry, 39_999);
    }
}
