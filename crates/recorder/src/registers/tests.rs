use serde_json::json;

use super::*;
use comptroller_core::registers::{ItemKey, PassedItem};
use comptroller_evidence::{
    entry::{ClockReading, Entry},
    fold::registers::Registers,
};

const REGISTER: &str = "grants";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn pseudonym(name: &str) -> String {
    format!("person:{}", name.len())
}

fn grant(subject: &str, role: &str) -> DerivedItem {
    let fields = [("binding", "RoleBinding/prod/b"), ("role", role), ("subject", subject)];
    DerivedItem {
        key: ItemKey::Fields(&["binding", "subject"]),
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
    }
}

/// A log of one register, and who observes it.
struct Log {
    state: LogState,
    registers: Registers,
    memory: RegisterMemory,
    availability: Option<Availability>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            state: LogState::default(),
            registers: Registers::default(),
            memory: RegisterMemory::default(),
            availability: Some(Availability::Complete),
        }
    }
}

impl Log {
    fn observe(&mut self, minute: i64, changes: Option<RegisterChanges>) -> Vec<RegisterData> {
        self.observe_with(minute, changes, None)
    }

    fn observe_with(
        &mut self,
        minute: i64,
        changes: Option<RegisterChanges>,
        whole: Option<Vec<(&'static str, DerivedItem)>>,
    ) -> Vec<RegisterData> {
        let resource = ResourceType {
            group: "rbac.authorization.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "RoleBinding".to_owned(),
            plural: "rolebindings".to_owned(),
            namespaced: true,
        };
        let list = ListObservation {
            resource,
            availability: self.availability.clone(),
            origin: Some(ListOrigin { version: "17".to_owned(), at: at(0) }),
            count: 1,
        };
        let observed = RegisterObservation {
            register: REGISTER,
            lists: vec![list],
            changes,
            unknown_since: None,
            whole,
        };
        let pseudonymizer = Pseudonymizer::new(&pseudonym);
        let draft = RegisterDraft {
            observed: &observed,
            state: &self.state,
            memory: &self.memory,
            pseudonymizer: &pseudonymizer,
            collector: "comptroller-0",
            now: at(minute),
        };
        let (entries, learned) = draft.resolve();
        self.memory.learn(learned);
        let mut written = Vec::new();
        for (subject, data) in entries {
            let entry =
                Entry { at: at(minute), clock: ClockReading::default(), epoch: 1, subject, data };
            // As a log reads it back.
            let entry = Entry::parse(entry.to_text().unwrap().as_bytes()).unwrap();
            let index = self.state.size();
            self.state.apply(index, &entry);
            self.registers.apply(index, &entry);
            let Data::Register(data) = entry.data else { panic!("no register") };
            written.push(*data);
        }
        let faults = self.registers.get(REGISTER).map(|it| it.faults().to_vec());
        assert_eq!(faults.unwrap_or_default(), []);
        written
    }
}

fn changes(present: &[(DerivedItem, Option<i64>)]) -> RegisterChanges {
    RegisterChanges {
        register: REGISTER,
        passed: Vec::new(),
        present: present
            .iter()
            .map(|(item, seen)| ("RoleBinding", item.clone(), seen.map(at)))
            .collect(),
        begins: false,
        ends: false,
        more: false,
    }
}

fn sweep(items: &[DerivedItem]) -> RegisterChanges {
    let items: Vec<_> = items.iter().map(|item| (item.clone(), None)).collect();
    RegisterChanges { begins: true, ends: true, ..changes(&items) }
}

fn passed(item: DerivedItem, came: Option<i64>, went: Option<i64>) -> PassedItem {
    PassedItem { kind: "RoleBinding", item, came: came.map(at), went: went.map(at) }
}

#[test]
fn the_first_list_may_take_several_entries_and_names_nobody() {
    let mut log = Log::default();
    let first = RegisterChanges {
        begins: true,
        more: true,
        ..changes(&[(grant("User jane", "edit"), None)])
    };
    let last = RegisterChanges { ends: true, ..changes(&[(grant("Group ops", "edit"), None)]) };
    let [one] = log.observe(0, Some(first)).try_into().unwrap();
    assert_eq!((one.cause, one.more, one.total), (RegisterCause::Start, true, 1));
    assert_eq!(one.list[0].fields["subject"], "User person:4");
    assert_eq!(one.lists[0].resource, "rolebindings.rbac.authorization.k8s.io");
    assert_eq!(one.lists[0].resource_version.as_deref(), Some("17"));
    assert_eq!(one.collector.as_deref(), Some("comptroller-0"));
    let [two] = log.observe(0, Some(last)).try_into().unwrap();
    assert_eq!((two.more, two.total, two.lists.len()), (false, 2, 0));
}

#[test]
fn the_same_observation_twice_writes_nothing_twice() {
    let mut log = Log::default();
    let jane = grant("User jane", "edit");
    assert_eq!(log.observe(0, Some(sweep(std::slice::from_ref(&jane)))).len(), 1);
    assert_eq!(
        log.observe(1, Some(sweep(std::slice::from_ref(&jane)))),
        [],
        "a restart with nothing new"
    );
    assert_eq!(log.observe(2, Some(changes(&[(jane.clone(), Some(2))]))), []);
    let view = grant("User jane", "view");
    let [changed] = log.observe(3, Some(changes(&[(view.clone(), Some(3))]))).try_into().unwrap();
    assert_eq!((changed.changed.len(), changed.between, changed.total), (1, None, 1));
    assert_eq!(log.observe(4, Some(changes(&[(view, Some(3))]))), []);
}

#[test]
fn what_came_and_went_before_it_was_recorded_is_told_with_both_times() {
    let mut log = Log::default();
    log.observe(0, Some(sweep(&[])));
    let jane = grant("User jane", "admin");
    let mut moved = changes(&[]);
    moved.passed = vec![passed(jane, Some(3), Some(5))];
    let [data] = log.observe(6, Some(moved)).try_into().unwrap();
    assert_eq!((data.added[0].seen, data.removed[0].seen), (Some(at(3)), Some(at(5))));
    assert_eq!(data.total, 0);
    let grants = log.registers.get(REGISTER).unwrap();
    let within: Vec<_> = grants.within(at(4), at(4)).collect();
    assert_eq!(within.len(), 1);
    assert_eq!(within[0].fields["subject"], "User person:4");
}

#[test]
fn a_restart_says_between_which_times_it_happened() {
    let mut log = Log::default();
    let (jane, ops) = (grant("User jane", "edit"), grant("Group ops", "edit"));
    log.observe(0, Some(sweep(&[jane])));
    let [data] = log.observe(30, Some(sweep(std::slice::from_ref(&ops)))).try_into().unwrap();
    assert_eq!((data.added.len(), data.removed.len(), data.total), (1, 1, 1));
    assert_eq!(data.between, Some(Between { from: at(0), to: at(30) }));
    // What is seen while the comparison is under way is told by itself.
    let seen = grant("Group late", "edit");
    let mut moved = sweep(&[]);
    moved.present = vec![("RoleBinding", seen, Some(at(40)))];
    let written = log.observe(40, Some(moved));
    let [found, seen] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!((found.removed.len(), found.between.is_some()), (1, true));
    assert_eq!((seen.added.len(), seen.between), (1, None));
}

#[test]
fn what_can_not_be_read_is_not_gone_and_is_said_once() {
    let mut log = Log::default();
    let jane = grant("User jane", "edit");
    log.observe(0, Some(sweep(std::slice::from_ref(&jane))));
    log.availability = None;
    let [data] = log.observe(5, Some(sweep(&[]))).try_into().unwrap();
    assert_eq!((data.cause, data.total), (RegisterCause::Reading, 1));
    assert_eq!(data.lists[0].reading, Reading::NotRead);
    assert_eq!(log.observe(6, None), [], "it is said once");
    log.availability = Some(Availability::Complete);
    let [data] = log.observe(9, Some(sweep(&[]))).try_into().unwrap();
    assert_eq!((data.removed.len(), data.lists[0].reading), (1, Reading::Complete));
    assert!(!log.registers.gaps(REGISTER, at(6), at(7)).is_empty());
}

#[test]
fn a_day_after_a_change_has_the_whole_list() {
    let mut log = Log::default();
    let jane = grant("User jane", "edit");
    log.observe(0, Some(sweep(&[])));
    log.observe(1, Some(changes(&[(jane.clone(), Some(1))])));
    let day = 24 * 60;
    let [data] = log.observe_with(day, None, Some(vec![("RoleBinding", jane)])).try_into().unwrap();
    assert_eq!((data.cause, data.list.len(), data.total), (RegisterCause::Day, 1, 1));
    assert_eq!(data.lists.len(), 1, "with what vouches for it");
    assert!(!log.state.register(REGISTER).unwrap().changed_since);
}

#[test]
fn a_kind_that_is_read_from_now_on_brings_a_list_along_in_parts() {
    let mut log = Log { availability: None, ..Log::default() };
    log.observe(0, Some(sweep(&[])));
    log.availability = Some(Availability::Complete);
    let (jane, ops) = (grant("User jane", "edit"), grant("Group ops", "edit"));
    let first = RegisterChanges { begins: true, more: true, ..changes(&[(jane, None)]) };
    let last = RegisterChanges { ends: true, ..changes(&[(ops, None)]) };
    let [one] = log.observe(5, Some(first)).try_into().unwrap();
    assert_eq!((one.cause, one.list.len(), one.lists.len()), (RegisterCause::Reading, 1, 0));
    let [two] = log.observe(6, Some(last)).try_into().unwrap();
    assert_eq!((two.cause, two.list.len(), two.lists.len()), (RegisterCause::Reading, 1, 1));
    let grants = log.registers.get(REGISTER).unwrap();
    assert!(grants.at(at(7)).all(|item| item.came.in_first_list));
    assert_eq!(grants.at(at(7)).count(), 2);
}
