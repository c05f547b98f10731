//! The timelines that pages show, folded from the log. Pure, and bounded however long the log is.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use comptroller_evidence::{
    data::{
        AttestationData, FieldChange, GapData, ObjectChange, OperatorData, OperatorEvent,
        PopulationList, VerdictData,
    },
    entry::{Data, Entry, EntryType},
};
use comptroller_pages::{ControlHistory, LogGap, LogOperator, TimelineEvent, TimelineFact};

/// How many events of a control are kept, the newest, while all of them fit.
const EVENTS: usize = 200;

/// How many gaps of the whole cluster are kept, the newest.
const GAPS: usize = 200;

/// How many operators are kept, the newest.
const OPERATORS: usize = 50;

/// About how many bytes all events may take. Beyond it each control keeps fewer.
const WEIGHT: usize = 12 << 20;

/// The longest text of an event, in bytes. What is longer is cut: the entry has the whole of it.
const TEXT: usize = 1024;

/// How many changed fields of a rule are shown.
const FIELDS: usize = 20;

/// How many exceptions and responses are remembered by what they are about.
const OBJECTS: usize = 10_000;

/// What the entries of a log come to, for pages.
#[derive(Debug)]
pub struct HistoryFold {
    size: u64,
    last_at: Option<Timestamp>,
    controls: BTreeMap<String, Tracked>,
    operators: VecDeque<LogOperator>,
    gaps: VecDeque<LogGap>,
    earlier_gaps: u64,
    /// Which controls an exception is from: entries of its phases do not say so again.
    exceptions: HashMap<String, Vec<String>>,
    /// Which control a response is about.
    responses: HashMap<String, String>,
    weight: usize,
    /// How many events of each control are kept.
    kept: usize,
    limit: usize,
}

/// What is kept of one control.
#[derive(Debug, Default)]
struct Tracked {
    events: VecDeque<(TimelineEvent, usize)>,
    earlier: u64,
    last_at: Option<Timestamp>,
    list: Option<NamedList>,
}

/// The newest list of a population, and where it is named.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedList {
    pub at: Timestamp,
    pub entry: u64,
    pub list: PopulationList,
}

impl Default for HistoryFold {
    fn default() -> Self {
        Self::with_limit(WEIGHT)
    }
}

impl HistoryFold {
    fn with_limit(limit: usize) -> Self {
        Self {
            size: 0,
            last_at: None,
            controls: BTreeMap::new(),
            operators: VecDeque::new(),
            gaps: VecDeque::new(),
            earlier_gaps: 0,
            exceptions: HashMap::new(),
            responses: HashMap::new(),
            weight: 0,
            kept: EVENTS,
            limit,
        }
    }

    /// Takes in the entry with this number. Entries come in the order of the log.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        if index < self.size {
            return;
        }
        self.size = index.saturating_add(1);
        self.last_at = self.last_at.max(Some(entry.at));
        let name = entry.subject.name.as_str();
        match &entry.data {
            Data::Verdict(data) => {
                self.seen(name, index, entry.at, data.population_list.as_ref());
                self.push(name, event(entry.at, index, verdict(data)));
            }
            Data::Heartbeat(data) => {
                self.seen(name, index, entry.at, data.population_list.as_ref());
            }
            Data::ControlChanged(data) => self.push(name, event(entry.at, index, rule(data))),
            Data::Attestation(data) => self.push(name, event(entry.at, index, occurrence(data))),
            Data::Exception(data) => self.exception(index, entry, data),
            Data::Object(EntryType::Response, data) => self.response(index, entry, data),
            Data::Operator(data) => self.operator(index, entry, data),
            Data::Gap(data) => self.gap(index, entry, data),
            Data::Object(..) | Data::Inventory(_) | Data::Stored(..) | Data::Other(..) => {}
        }
    }

    /// How many entries were taken in: the number of the next one.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// When the newest entry was written. None if there is none.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// The operators that wrote the log, oldest first.
    pub fn operators(&self) -> Vec<LogOperator> {
        self.operators.iter().cloned().collect()
    }

    /// The newest gaps of the whole cluster, oldest first, and how many came before.
    pub fn gaps(&self) -> (Vec<LogGap>, u64) {
        (self.gaps.iter().cloned().collect(), self.earlier_gaps)
    }

    /// What was recorded of every control, without their populations.
    pub fn controls(&self) -> BTreeMap<String, ControlHistory> {
        self.controls.iter().map(|(name, tracked)| (name.clone(), tracked.history())).collect()
    }

    /// What was recorded of one control, without its population. None if there is no entry of it.
    pub fn control(&self, name: &str) -> Option<ControlHistory> {
        self.controls.get(name).map(Tracked::history)
    }

    /// The newest list of what a control judged. None if the log names none.
    pub fn list(&self, control: &str) -> Option<&NamedList> {
        self.controls.get(control)?.list.as_ref()
    }

    fn seen(&mut self, name: &str, index: u64, at: Timestamp, list: Option<&PopulationList>) {
        let tracked = self.controls.entry(name.to_owned()).or_default();
        tracked.last_at = tracked.last_at.max(Some(at));
        if let Some(list) = list {
            tracked.list = Some(NamedList { at, entry: index, list: list.clone() });
        }
    }

    fn push(&mut self, control: &str, event: TimelineEvent) {
        let weight = weight(&event);
        let tracked = self.controls.entry(control.to_owned()).or_default();
        tracked.events.push_back((event, weight));
        self.weight += weight;
        self.weight -= tracked.trim(self.kept);
        while self.weight > self.limit && self.kept > 1 {
            self.kept /= 2;
            let freed: usize = self.controls.values_mut().map(|it| it.trim(self.kept)).sum();
            self.weight -= freed;
        }
        while self.weight > self.limit && !self.controls.is_empty() {
            self.drop_oldest();
        }
    }

    /// Forgets the control of which nothing was recorded for the longest time. With one event each
    /// there is nothing else to forget.
    fn drop_oldest(&mut self) {
        let newest = |tracked: &Tracked| tracked.events.back().map(|(event, _)| event.entry);
        let oldest = self.controls.iter().min_by_key(|(_, tracked)| newest(tracked));
        if let Some(name) = oldest.map(|(name, _)| name.clone())
            && let Some(tracked) = self.controls.remove(&name)
        {
            self.weight -= tracked.events.iter().map(|(_, weight)| weight).sum::<usize>();
        }
    }

    fn exception(&mut self, index: u64, entry: &Entry, data: &ObjectChange) {
        let name = entry.subject.name.as_str();
        if let Some(controls) = data.spec.as_ref().and_then(|spec| spec["controls"].as_array()) {
            let controls = controls.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            make_room(&mut self.exceptions);
            self.exceptions.insert(name.to_owned(), controls);
        }
        for control in self.exceptions.get(name).cloned().unwrap_or_default() {
            let fact = TimelineFact::Exception {
                name: name.to_owned(),
                change: data.change,
                phase: data.phase.clone(),
            };
            self.push(&control, event(entry.at, index, fact));
        }
    }

    fn response(&mut self, index: u64, entry: &Entry, data: &ObjectChange) {
        let name = entry.subject.name.as_str();
        if let Some(control) = data.spec.as_ref().and_then(|spec| spec["control"].as_str()) {
            make_room(&mut self.responses);
            self.responses.insert(name.to_owned(), control.to_owned());
        }
        if let Some(control) = self.responses.get(name).cloned() {
            let fact = TimelineFact::Response { name: name.to_owned() };
            self.push(&control, event(entry.at, index, fact));
        }
    }

    fn operator(&mut self, index: u64, entry: &Entry, data: &OperatorData) {
        if data.event != OperatorEvent::Started {
            return;
        }
        if self.operators.len() >= OPERATORS {
            self.operators.pop_front();
        }
        self.operators.push_back(LogOperator {
            instance: entry.subject.name.clone(),
            version: data.version.clone(),
            image: data.image.clone(),
            from: entry.at,
            entry: index,
        });
    }

    fn gap(&mut self, index: u64, entry: &Entry, data: &GapData) {
        let GapData { from, to, reason, cause } = data;
        let reason = cut(reason);
        if entry.subject.kind == "Control" {
            let fact = TimelineFact::Gap { to: *to, cause: *cause, reason };
            return self.push(&entry.subject.name, event(*from, index, fact));
        }
        if self.gaps.len() >= GAPS {
            self.gaps.pop_front();
            self.earlier_gaps += 1;
        }
        self.gaps.push_back(LogGap {
            from: *from,
            to: *to,
            cause: *cause,
            reason,
            entry: index,
        });
    }
}

impl Tracked {
    /// Drops the oldest events; returns what they weighed.
    fn trim(&mut self, kept: usize) -> usize {
        let more = self.events.len().saturating_sub(kept);
        self.earlier += more as u64;
        self.events.drain(..more).map(|(_, weight)| weight).sum()
    }

    fn history(&self) -> ControlHistory {
        ControlHistory {
            events: self.events.iter().map(|(event, _)| event.clone()).collect(),
            earlier: self.earlier,
            last_at: self.last_at,
            population: None,
        }
    }
}

/// Forgets everything once there is too much of it: of what is written later it is known again.
fn make_room<V>(objects: &mut HashMap<String, V>) {
    if objects.len() >= OBJECTS {
        objects.clear();
    }
}

fn event(at: Timestamp, entry: u64, fact: TimelineFact) -> TimelineEvent {
    TimelineEvent { at, entry, fact }
}

fn verdict(data: &VerdictData) -> TimelineFact {
    TimelineFact::State {
        state: data.state,
        reason: cut(&data.reason),
        message: cut(&data.message),
        population: data.population,
        failing: data.failing,
        excepted: data.excepted,
        unknown: data.unknown,
    }
}

fn rule(data: &ObjectChange) -> TimelineFact {
    TimelineFact::Rule {
        change: data.change,
        fields: data.fields.iter().take(FIELDS).map(short_field).collect(),
        // An API server tells who wrote an object only to its audit log.
        by: None,
    }
}

fn occurrence(data: &AttestationData) -> TimelineFact {
    TimelineFact::Occurrence {
        period: data.occurrence.period.clone(),
        phase: data.phase,
        record: data.record.as_ref().map(|record| record.name.clone()),
        message: cut(&data.message),
    }
}

fn short_field(field: &FieldChange) -> FieldChange {
    FieldChange {
        path: cut(&field.path),
        from: field.from.as_ref().map(short_value),
        to: field.to.as_ref().map(short_value),
    }
}

/// A value, or the beginning of its text if that is long.
fn short_value(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= TEXT { value.clone() } else { Value::String(cut(&text)) }
}

fn cut(text: &str) -> String {
    if text.len() <= TEXT {
        return text.to_owned();
    }
    let end = (0..=TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
    format!("{}…", &text[..end])
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
    };
    size_of::<(TimelineEvent, usize)>() + texts
}

fn field_weight(field: &FieldChange) -> usize {
    let values = field.from.iter().chain(&field.to);
    // A value takes several times as much as its text.
    let values: usize = values.map(|value| 4 * value.to_string().len()).sum();
    size_of::<FieldChange>() + field.path.len() + values
}

#[cfg(test)]
mod tests;
