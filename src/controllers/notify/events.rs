//! What receivers are told, as CloudEvents 1.0. Pure: from entries of the evidence log, which has people
//! as pseudonyms only.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use comptroller_core::api::State;
use comptroller_evidence::{
    data::ChangeKind,
    entry::{Data, Entry},
    fold::LogState,
};

/// How long before an exception ends it is said that it will.
const AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An event, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    /// Tells it from every other event of this log: a receiver drops one that it has.
    pub id: String,
    pub time: Timestamp,
    pub body: Value,
}

impl CloudEvent {
    fn new(
        source: &str,
        id: String,
        type_: &str,
        subject: &str,
        time: Timestamp,
        data: &Value,
    ) -> Self {
        let body = json!({
            "specversion": "1.0",
            "id": id,
            "source": source,
            "type": format!("dev.comptroller.{type_}"),
            "subject": subject,
            "time": time.to_string(),
            "datacontenttype": "application/json",
            "data": data,
        });
        Self { id, time, body }
    }
}

/// The states that controls were in, by the entries read so far.
#[derive(Debug, Default)]
pub struct StateReader {
    states: HashMap<String, State>,
    /// The phases of exceptions.
    phases: HashMap<String, String>,
    /// When the entry before those to tell of was written: a control of which nothing was read was in
    /// another state before if it entered this one later.
    since: Option<Timestamp>,
}

impl StateReader {
    /// Reads an entry that was told of before.
    pub fn pass(&mut self, entry: &Entry) {
        self.since = self.since.max(Some(entry.at));
        if let Some(state) = state_of(entry) {
            self.states.insert(entry.subject.name.clone(), state);
        }
        if is_deletion(entry) {
            self.states.remove(&entry.subject.name);
        }
        if let Some(phase) = phase_of(entry) {
            self.phases.insert(entry.subject.name.clone(), phase.to_owned());
        }
    }

    /// What an entry is worth telling. None for most: heartbeats, findings that come and go.
    pub fn tell(&mut self, source: &str, index: u64, entry: &Entry) -> Option<CloudEvent> {
        let event = self.event(source, index, entry);
        let since = self.since;
        self.pass(entry);
        self.since = since;
        event
    }

    fn event(&self, source: &str, index: u64, entry: &Entry) -> Option<CloudEvent> {
        let name = entry.subject.name.as_str();
        let evidence = json!({"index": index, "logSize": index.saturating_add(1)});
        let event = |type_, data: Value| {
            CloudEvent::new(source, index.to_string(), type_, name, entry.at, &data)
        };
        match &entry.data {
            Data::Verdict(verdict) => {
                let previous = self.states.get(name).copied();
                let is_change = match (previous, self.since) {
                    (Some(previous), _) => previous != verdict.state,
                    (None, Some(since)) => verdict.since > since,
                    (None, None) => true,
                };
                is_change.then(|| {
                    event(
                        "control.state",
                        json!({
                            "control": name,
                            "state": verdict.state.as_str(),
                            "previous": previous.map(State::as_str),
                            "reason": verdict.reason,
                            "message": verdict.message,
                            "since": verdict.since.to_string(),
                            "population": verdict.population,
                            "failing": verdict.failing,
                            "excepted": verdict.excepted,
                            "unknown": verdict.unknown,
                            "evidence": evidence,
                        }),
                    )
                })
            }
            Data::Attestation(step) if step.record.is_none() || step.phase.is_closed() => {
                let dates = &step.occurrence;
                Some(event(
                    "obligation.phase",
                    json!({
                        "control": name,
                        "period": dates.period,
                        "phase": step.phase.as_str(),
                        "due": dates.due.to_string(),
                        "graceUntil": dates.grace_until.to_string(),
                        "evidence": evidence,
                    }),
                ))
            }
            // Who approves an exception changes its spec and its phase at once.
            Data::Exception(_) => {
                let phase = phase_of(entry)?;
                let previous = self.phases.get(name).map(String::as_str);
                (previous != Some(phase)).then(|| {
                    let data = json!({
                        "exception": name, "phase": phase, "previous": previous, "evidence": evidence,
                    });
                    event("exception.phase", data)
                })
            }
            Data::ControlChanged(_) if is_deletion(entry) => {
                Some(event("control.deleted", json!({"control": name, "evidence": evidence})))
            }
            _ => None,
        }
    }
}

fn state_of(entry: &Entry) -> Option<State> {
    match &entry.data {
        Data::Verdict(verdict) => Some(verdict.state),
        Data::Heartbeat(heartbeat) => Some(heartbeat.state),
        _ => None,
    }
}

/// The phase of an exception after an entry. None for one that is deleted, and for other entries.
fn phase_of(entry: &Entry) -> Option<&str> {
    let Data::Exception(change) = &entry.data else { return None };
    change.phase.as_deref().filter(|_| change.change != ChangeKind::Deleted)
}

fn is_deletion(entry: &Entry) -> bool {
    matches!(&entry.data, Data::ControlChanged(change) if change.change == ChangeKind::Deleted)
}

/// What time alone made so after `from`, up to `to`: obligations that are overdue, and exceptions that
/// end within a week.
pub fn timed(source: &str, log: &LogState, (from, to): (Timestamp, Timestamp)) -> Vec<CloudEvent> {
    let falls = |at: Timestamp| at > from && at <= to;
    let mut events = Vec::new();
    for (control, state) in log.controls().filter(|(_, state)| state.deleted.is_none()) {
        for one in state.occurrences.iter().filter(|one| !one.phase.is_closed()) {
            let dates = &one.dates;
            if !falls(dates.due) {
                continue;
            }
            let data = json!({
                "control": control,
                "period": dates.period,
                "due": dates.due.to_string(),
                "graceUntil": dates.grace_until.to_string(),
                "evidence": {"index": one.entry, "logSize": one.entry.saturating_add(1)},
            });
            let id = format!("overdue/{control}/{}", dates.period);
            events.push(CloudEvent::new(
                source,
                id,
                "obligation.overdue",
                control,
                dates.due,
                &data,
            ));
        }
    }
    for (name, exception) in log.exceptions() {
        let is_active = exception.phase.as_deref() == Some("Active");
        let expires = exception.spec.as_ref().and_then(|spec| spec["expires"].as_str());
        let expires = expires.and_then(|expires| expires.parse::<Timestamp>().ok());
        let Some(expires) = expires.filter(|_| is_active) else { continue };
        // Of an exception that is shorter than that, it is said as it begins.
        let told = expires.checked_sub(AHEAD).unwrap_or(from).max(exception.phase_since);
        if expires > to && falls(told) {
            let data = json!({
                "exception": name,
                "expires": expires.to_string(),
                "evidence": {"index": exception.entry, "logSize": exception.entry.saturating_add(1)},
            });
            let id = format!("ends/{name}/{expires}");
            events.push(CloudEvent::new(source, id, "exception.ending", name, told, &data));
        }
    }
    events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    events
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use comptroller_evidence::entry::{ClockReading, EntrySubject};

    fn entry(at: &str, kind: &str, name: &str, data: Data) -> Entry {
        Entry {
            at: at.parse().unwrap(),
            clock: ClockReading::default(),
            epoch: 1,
            subject: EntrySubject::new(kind, name),
            data,
        }
    }

    fn verdict(at: &str, name: &str, state: &str, since: &str) -> Entry {
        let data = json!({
            "generation": 1, "state": state, "reason": "R", "message": "m", "since": since,
            "population": 1, "failing": 0, "excepted": 0, "unknown": 0, "findings": "sha256:00",
        });
        entry(at, "Control", name, Data::Verdict(from_value(data).unwrap()))
    }

    #[test]
    fn each_change_of_state_is_told_once() {
        let mut states = StateReader::default();
        // Told before the restart: one control was Failing, of another nothing was read.
        states.pass(&verdict("2026-11-30T10:00:00Z", "a", "Failing", "2026-11-30T10:00:00Z"));
        let mut told = Vec::new();
        for (index, (at, name, state, since)) in [
            // More findings of the same.
            ("2026-11-30T10:01:00Z", "a", "Failing", "2026-11-30T10:00:00Z"),
            ("2026-11-30T10:02:00Z", "a", "Passing", "2026-11-30T10:02:00Z"),
            ("2026-11-30T10:03:00Z", "a", "Passing", "2026-11-30T10:02:00Z"),
            // It is so for longer than what was told, and then it changes.
            ("2026-11-30T10:04:00Z", "old", "Passing", "2026-11-01T00:00:00Z"),
            ("2026-11-30T10:05:00Z", "old", "Unknown", "2026-11-30T10:05:00Z"),
            ("2026-11-30T10:06:00Z", "new", "Failing", "2026-11-30T10:06:00Z"),
        ]
        .into_iter()
        .enumerate()
        {
            let index = u64::try_from(index).unwrap();
            let event = states.tell("origin", index, &verdict(at, name, state, since));
            told.extend(event.map(|event| {
                let data = &event.body["data"];
                format!(
                    "{} {} {} {}",
                    event.id, event.body["subject"], data["previous"], data["state"]
                )
            }));
        }
        let expected = [
            r#"1 "a" "Failing" "Passing""#,
            r#"4 "old" "Passing" "Unknown""#,
            r#"5 "new" null "Failing""#,
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_time_brings_is_told_when_it_comes() {
        let mut log = LogState::default();
        let occurrence = json!({
            "occurrence": {"period": "2026-Q4", "opens": "2026-10-01T00:00:00Z",
                "due": "2026-12-01T00:00:00Z", "graceUntil": "2026-12-15T00:00:00Z",
                "ruleDigest": "sha256:00"},
            "phase": "Open",
        });
        let open = Data::Attestation(from_value(occurrence).unwrap());
        log.apply(0, &entry("2026-10-01T00:00:00Z", "Control", "review", open));
        let exception = json!({
            "change": "Created", "generation": 1, "phase": "Active",
            "spec": {"expires": "2026-12-20T00:00:00Z"},
        });
        let exception = Data::Exception(from_value(exception).unwrap());
        log.apply(1, &entry("2026-10-01T00:00:00Z", "ControlException", "legacy", exception));
        let told = |from: &str, to: &str| -> Vec<String> {
            let span = (from.parse().unwrap(), to.parse().unwrap());
            timed("origin", &log, span).into_iter().map(|event| event.id).collect()
        };
        let overdue = "overdue/review/2026-Q4";
        let ends = "ends/legacy/2026-12-20T00:00:00Z";
        for (from, to, expected) in [
            ("2026-11-01T00:00:00Z", "2026-11-30T23:59:59Z", vec![]),
            ("2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z", vec![overdue]),
            ("2026-12-01T00:00:00Z", "2026-12-12T23:00:00Z", vec![]),
            ("2026-12-12T23:00:00Z", "2026-12-13T00:00:01Z", vec![ends]),
            ("2026-11-30T00:00:00Z", "2026-12-14T00:00:00Z", vec![overdue, ends]),
            // Nobody ran until it was over: its end is an entry of its own.
            ("2026-12-01T00:00:00Z", "2026-12-25T00:00:00Z", vec![]),
        ] {
            assert_eq!(told(from, to), expected, "{from} {to}");
        }
    }
}
