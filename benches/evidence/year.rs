//! The log of a year of a busy company: 10,000 objects, 60 controls with a heartbeat each hour, and
//! 2,000 changes a day. Of these two dozen change a verdict, some three hundred bring or take an item of
//! the controls of workloads, which are a third of all, and the others change facts alone.

use comptroller_core::api::{ResourceRef, Severity, State};
use comptroller_evidence::{
    data::{
        ChangeKind, EntryFinding, Heartbeat, ObjectChange, OperatorData, OperatorEvent,
        PopulationCause, PopulationChange, PopulationList, VerdictData,
    },
    entry::{ClockReading, Data, Entry, EntrySubject},
    fold,
    inventory::{InventoryData, KindInventory, Reading, StoredList},
    population,
};
use comptroller_vocabulary::canonical;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub const CONTROLS: u64 = 60;
/// Verdicts that change in an hour.
const CHANGES: u64 = 1;
const HOUR: u64 = CONTROLS + CHANGES;
const DAY: u64 = 24 * HOUR;
/// How many entries a year has.
pub const YEAR: u64 = 365 * DAY;
/// What each control judges: 12,000 items in all.
const ITEMS: u64 = 200;
/// The kinds that are read, and what the facts of each take: of 10,000 objects 329 KiB a day, by
/// `tests/inventory_size.rs`.
const KINDS: u64 = 25;
const FACTS: usize = 329 * 1024 / 25;

/// What an operator writes at once, with the lists beside it.
pub struct Written {
    pub entry: Entry,
    pub stored: Vec<Vec<u8>>,
}

/// The entry with this number: the declarations, and then hours of heartbeats and changes, with a
/// restart of the operator every ten thousand entries, and once a day all lists.
pub fn written(index: u64) -> Written {
    let (within, hour) = (index % HOUR, index / HOUR);
    let control = within % CONTROLS;
    let name = format!("control-{control:02}");
    let mut stored = Vec::new();
    let (subject, data) = if index < CONTROLS {
        (EntrySubject::control(&name), declared(&name))
    } else if index.is_multiple_of(10_007) {
        let stopped = (index / 10_007).is_multiple_of(2);
        let event = if stopped { OperatorEvent::Stopped } else { OperatorEvent::Started };
        let data = OperatorData::new(event, "0.1.0".to_owned());
        (EntrySubject::new("Operator", "comptroller-0"), Data::Operator(Box::new(data)))
    } else if index % DAY == DAY - 1 {
        stored = (0..KINDS).map(|kind| bytes(hour * KINDS + kind)).collect();
        let data = Data::Inventory(Box::new(inventory(&stored)));
        (EntrySubject::new("Cluster", "acme"), data)
    } else if within < CONTROLS {
        let list = lists_population(control, hour).then(|| population(control, hour));
        let data = heartbeat(control, hour, list.as_deref());
        stored.extend(list.map(String::into_bytes));
        (EntrySubject::control(&name), data)
    } else {
        // Each control in its turn.
        let control = (hour * CHANGES + within) % CONTROLS;
        (EntrySubject::control(&format!("control-{control:02}")), verdict(control, index))
    };
    let at = time(index);
    let clock = ClockReading { server: Some(at), operator: None };
    Written { entry: Entry { clock, at, epoch: 1 + index / 20_014, subject, data }, stored }
}

pub fn begin() -> Timestamp {
    "2025-11-20T00:00:00Z".parse().unwrap()
}

/// When the entry with this number was written.
pub fn time(index: u64) -> Timestamp {
    let seconds = index / HOUR * 3600 + index % HOUR * 3600 / HOUR;
    begin() + SignedDuration::from_secs(i64::try_from(seconds).unwrap())
}

fn declared(name: &str) -> Data {
    let spec = json!({
        "title": format!("{name} holds"), "criteria": ["CC6.1", "CC6.3"], "owner": "platform",
        "severity": "High", "heartbeat": "1h",
        "test": {"rbac": {"forbid": ["ClusterAdmin", "Escalate"], "allow": [{"kind": "Group", "name": "ops"}]}},
    });
    Data::ControlChanged(Box::new(ObjectChange {
        change: ChangeKind::Created,
        uid: Some(uid(0)),
        generation: Some(1),
        phase: None,
        spec_digest: canonical::digest(&spec).ok(),
        previous_digest: None,
        spec: Some(spec),
        created_at: None,
        author_bound: None,
        fields: Vec::new(),
    }))
}

/// Whether a control judges workloads, which come and go; the others have new items once a week.
fn is_busy(control: u64) -> bool {
    control.is_multiple_of(3)
}

/// Once a day where the population is another, as the operator does.
fn lists_population(control: u64, hour: u64) -> bool {
    hour.is_multiple_of(if is_busy(control) { 24 } else { 24 * 7 })
}

/// Every third hour an item came and another left.
fn heartbeat(control: u64, hour: u64, list: Option<&str>) -> Data {
    let moved = hour > 0 && hour.is_multiple_of(3) && is_busy(control);
    let change = |number: u64| moved.then(|| change(control, number, hour)).into_iter().collect();
    Data::Heartbeat(Box::new(Heartbeat {
        entered: change(first_item(hour) + ITEMS - 1),
        left: change(first_item(hour).saturating_sub(1)),
        population_digest: Some(canonical::sha256(&first_item(hour).to_be_bytes())),
        generation: 1,
        state: if control == 3 { State::Failing } else { State::Passing },
        population: ITEMS,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: canonical::sha256(&control.to_be_bytes()),
        population_list: list.map(|text| PopulationList {
            digest: canonical::sha256(text.as_bytes()),
            count: text.lines().count() as u64,
        }),
    }))
}

/// The oldest item of a population, which is the next to leave.
fn first_item(hour: u64) -> u64 {
    hour / 3
}

fn item(control: u64, number: u64) -> ResourceRef {
    ResourceRef {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        namespace: Some(format!("team-{control:02}")),
        name: format!("web-{number:04}"),
    }
}

fn change(control: u64, number: u64, hour: u64) -> PopulationChange {
    PopulationChange {
        item: item(control, number),
        uid: Some(uid(control * 10_000 + number)),
        at: time(hour * HOUR),
        why: PopulationCause::Object,
        detail: String::new(),
    }
}

fn population(control: u64, hour: u64) -> String {
    let lines = (first_item(hour)..first_item(hour) + ITEMS).map(|number| {
        // Facts of an item change some day.
        let facts = canonical::sha256(&[number.to_be_bytes(), (hour / 24).to_be_bytes()].concat());
        population::line(
            &item(control, number),
            Some(&uid(control * 10_000 + number)),
            Some(&facts),
        )
    });
    lines.map(|line| line + "\n").collect()
}

fn inventory(lists: &[Vec<u8>]) -> InventoryData {
    let stored = |list: &Vec<u8>| StoredList {
        digest: canonical::sha256(list),
        bytes: list.len() as u64,
        unpacked: list.len() as u64 * 9,
    };
    let kind = |(number, list): (usize, &Vec<u8>)| KindInventory {
        api_version: "apps/v1".to_owned(),
        kind: format!("Kind{number}"),
        plural: format!("kind{number}s"),
        namespaced: true,
        reading: Reading::Complete,
        reason: String::new(),
        count: 400,
        resource_version: Some("123456789".to_owned()),
        listed_at: Some(begin()),
        programs: Vec::new(),
        list: Some(stored(list)),
    };
    InventoryData {
        collector: "comptroller-0".to_owned(),
        kubernetes: Some("1.36".to_owned()),
        api_server: json!({}),
        catalog: stored(&lists[0]),
        programs: std::collections::BTreeMap::new(),
        kinds: lists.iter().enumerate().map(kind).collect(),
    }
}

/// A list whose bytes do not compress, as a compressed one is.
fn bytes(seed: u64) -> Vec<u8> {
    let blocks = (0_u64..).flat_map(|block| {
        canonical::sha256(&[seed.to_be_bytes(), block.to_be_bytes()].concat()).into_bytes()
    });
    blocks.take(FACTS).collect()
}

fn uid(number: u64) -> String {
    let hex = canonical::sha256(&number.to_be_bytes());
    let at = |from: usize, to: usize| &hex[7 + from..7 + to];
    format!("{}-{}-{}-{}-{}", at(0, 8), at(8, 12), at(12, 16), at(16, 20), at(20, 32))
}

/// What one verdict finds, the next of the same control finds mended.
fn verdict(control: u64, index: u64) -> Data {
    let (hour, turns) = (index / HOUR, index / HOUR / (CONTROLS / CHANGES));
    let found = vec![finding(control, turns / 2, time(index))];
    let (added, removed) =
        if turns.is_multiple_of(2) { (found, Vec::new()) } else { (Vec::new(), found) };
    Data::Verdict(Box::new(VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: Some(canonical::sha256(&first_item(hour).to_be_bytes())),
        generation: 1,
        state: if added.is_empty() { State::Passing } else { State::Failing },
        reason: if added.is_empty() { "NoFindings" } else { "FindingsOpen" }.to_owned(),
        message: format!("{} of {ITEMS} fail", added.len()),
        since: time(index),
        population: ITEMS,
        failing: added.len() as u64,
        excepted: 0,
        unknown: 0,
        findings: fold::findings_digest(&added),
        population_list: None,
        added,
        removed,
    }))
}

fn finding(control: u64, number: u64, since: Timestamp) -> EntryFinding {
    EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ClusterAdmin".to_owned(),
        resource: item(control, number % ITEMS),
        subject: Some("Group ops".to_owned()),
        message: "holds cluster-admin, and nobody may without a reason".to_owned(),
        severity: Severity::High,
        since,
        exception: None,
    }
}
