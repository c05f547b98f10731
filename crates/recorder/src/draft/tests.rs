//! What is written, given what the log holds: once, and all of it.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ObjectKey;
use comptroller_core::{
    api::{ResourceRef, Severity},
    checks,
    engine::JudgedItem,
};
use comptroller_evidence::entry::Entry;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn pseudonym(name: &str) -> String {
    format!("person:{}", name.len())
}

fn wrong(names: &[(&str, Option<&str>)]) -> Vec<ObservedFinding> {
    let observed = |(name, exception): &(&str, Option<&str>)| ObservedFinding {
        finding: checks::Finding {
            rule: "NoTls".into(),
            severity: None,
            resource: ResourceRef {
                api_version: "networking.k8s.io/v1".to_owned(),
                kind: "Ingress".to_owned(),
                namespace: Some("a".to_owned()),
                name: (*name).to_owned(),
            },
            subject: None,
            message: "no TLS".to_owned(),
        },
        severity: Severity::High,
        since: at(5),
        exception: exception.map(str::to_owned),
    };
    names.iter().map(observed).collect()
}

fn verdict(state: State, reason: Reason, since: i64) -> Verdict {
    Verdict { state, population: 3, ..Verdict::blocked(1, reason, "why".to_owned(), at(since)) }
}

enum Draft {
    Verdict(Box<VerdictDraft>),
    Heartbeat(HeartbeatDraft),
    Object(ObjectDraft),
    Gone(EntrySubject),
}

impl Draft {
    fn resolve(self, state: &LogState, now: Timestamp) -> Option<DraftedEntries> {
        let known = state.control("tls").and_then(|control| control.verdict.as_ref());
        let entries = |entries| Some(DraftedEntries { entries, ..DraftedEntries::default() });
        match self {
            Self::Verdict(draft) => Some(draft.resolve(known, now)),
            Self::Heartbeat(draft) => draft.resolve(known),
            Self::Object(draft) => entries(draft.resolve(state)),
            Self::Gone(subject) => entries(deletion(state, &subject).into_iter().collect()),
        }
    }
}

/// A list of people that is due.
fn people(names: &[&str]) -> PopulationObservation {
    let item = |name: &&str| JudgedItem {
        resource: ResourceRef {
            api_version: "v1".to_owned(),
            kind: "User".to_owned(),
            namespace: None,
            name: (*name).to_owned(),
        },
        uid: None,
        facts: None,
    };
    PopulationObservation {
        items: (!names.is_empty()).then(|| names.iter().map(item).collect()),
        list_due: true,
        ..PopulationObservation::default()
    }
}

fn key() -> ObjectKey {
    ObjectKey { name: "tls".to_owned(), uid: None }
}

fn draft(verdict: &Verdict, wrong: &[ObservedFinding], population: &[&str]) -> Draft {
    let observed = VerdictObservation {
        control: key(),
        verdict: Arc::new(verdict.clone()),
        findings: wrong.to_vec(),
        lapsed: Vec::new(),
        gone: Vec::new(),
        population: people(population),
    };
    Draft::Verdict(Box::new(VerdictDraft::new(&observed, &Pseudonymizer::new(&pseudonym))))
}

/// Resolves and writes, as the task does.
fn write(state: &mut LogState, draft: Draft, now: Timestamp) -> Vec<Data> {
    let resolved = draft.resolve(state, now).unwrap();
    for (subject, data) in &resolved.entries {
        let entry = Entry {
            clock: comptroller_evidence::entry::ClockReading::default(),
            at: now,
            epoch: 1,
            subject: subject.clone(),
            data: data.clone(),
        };
        state.apply(state.size(), &entry);
    }
    resolved.entries.into_iter().map(|(_, data)| data).collect()
}

fn made(uid: Option<&str>, recreated: bool) -> Draft {
    let Draft::Object(draft) = object(1, "High") else { unreachable!() };
    Draft::Object(ObjectDraft { uid: uid.map(str::to_owned), recreated, ..draft })
}

fn object(generation: i64, severity: &str) -> Draft {
    Draft::Object(ObjectDraft {
        subject: EntrySubject::control("tls"),
        generation,
        spec: Some(json!({"severity": severity, "heartbeat": "10m"})),
        phase: None,
        uid: None,
        recreated: false,
        created_at: None,
        written: None,
        authors: GuardHistory::default(),
    })
}

fn heartbeat(verdict: &Verdict, population: PopulationObservation) -> HeartbeatDraft {
    let observed =
        HeartbeatObservation { control: key(), verdict: Arc::new(verdict.clone()), population };
    HeartbeatDraft::new(&observed, &Pseudonymizer::new(&pseudonym))
}

fn declared() -> LogState {
    let mut state = LogState::default();
    write(&mut state, object(1, "High"), at(0));
    state
}

#[test]
fn a_verdict_is_written_once_and_says_what_changed() {
    let mut state = declared();
    let failing = verdict(State::Failing, Reason::FindingsOpen, 5);
    let first = write(&mut state, draft(&failing, &wrong(&[("x", None), ("y", None)]), &[]), at(9));
    let [Data::Verdict(data)] = &first[..] else { panic!("{first:?}") };
    assert_eq!((data.added.len(), data.removed.len(), data.since), (2, 0, at(5)));

    // In another order, after a restart that knows another time: the same.
    let again = Verdict { since: at(50), ..failing.clone() };
    let same = draft(&again, &wrong(&[("y", None), ("x", None)]), &[]);
    let resolved = same.resolve(&state, at(60)).unwrap();
    assert!(resolved.entries.is_empty());

    // One is excepted, one is gone, one is new; since when it fails is what the log says.
    let changed = draft(&again, &wrong(&[("y", Some("e")), ("z", None)]), &[]);
    let second = write(&mut state, changed, at(60));
    let [Data::Verdict(data)] = &second[..] else { panic!("{second:?}") };
    let names = |findings: &[EntryFinding]| {
        findings.iter().map(|finding| finding.resource.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&data.added), names(&data.removed)),
        (vec!["y".into(), "z".into()], vec!["x".into()])
    );
    assert_eq!(data.since, at(5));
}

#[test]
fn a_gap_never_ends_before_it_begins() {
    let back =
        GapData::between(at(60), at(0), GapCause::NotObserved, "the clock was set back".to_owned());
    assert_eq!((back.from, back.to), (at(60), at(60)));
}

#[test]
fn a_deletion_is_written_once_and_ends_the_verdict() {
    let mut state = declared();
    let passing = verdict(State::Passing, Reason::NoFindings, 5);
    write(&mut state, draft(&passing, &[], &[]), at(9));
    assert_eq!(write(&mut state, Draft::Gone(EntrySubject::control("tls")), at(10)).len(), 1);
    assert!(state.control("tls").is_none());
    assert!(write(&mut state, Draft::Gone(EntrySubject::control("tls")), at(12)).is_empty());
}

#[test]
fn that_nobody_could_look_is_a_gap_once_somebody_can() {
    let mut state = declared();
    let blind = verdict(State::Unknown, Reason::Forbidden, 5);
    write(&mut state, draft(&blind, &[], &[]), at(6));
    let passing = verdict(State::Passing, Reason::NoFindings, 100);
    let written = write(&mut state, draft(&passing, &[], &[]), at(100));
    let [Data::Gap(gap), Data::Verdict(_)] = &written[..] else { panic!("{written:?}") };
    assert_eq!((gap.from, gap.to), (at(5), at(100)));
    // That some items are not known is no such time.
    let unknown = verdict(State::Unknown, Reason::ItemsUnknown, 200);
    write(&mut state, draft(&unknown, &[], &[]), at(200));
    assert_eq!(write(&mut state, draft(&passing, &[], &[]), at(300)).len(), 1);
}

#[test]
fn a_population_is_listed_once_while_it_stays_the_same() {
    let mut state = declared();
    let passing = verdict(State::Passing, Reason::NoFindings, 5);
    let resolved =
        draft(&passing, &[], &["jane", "al", "ann", "a\tb"]).resolve(&state, at(9)).unwrap();
    let text = &resolved.stored[0];
    assert!(!text.contains("jane") && text.contains("person:4"), "{text}");
    assert_eq!(text.lines().count(), 3);
    assert!(text.lines().all(|line| line.split('\t').count() == 6), "{text}");
    write(&mut state, draft(&passing, &[], &["jane"]), at(9));
    let beat = |name: &str| Draft::Heartbeat(heartbeat(&passing, people(&[name])));
    let same = beat("jane").resolve(&state, at(4000)).unwrap();
    let [(_, Data::Heartbeat(data))] = &same.entries[..] else { panic!("{:?}", same.entries) };
    assert!(data.population_list.is_none() && same.stored.is_empty());
    assert!(data.findings.starts_with("sha256:"));
    let other = beat("albert").resolve(&state, at(4000)).unwrap();
    assert_eq!(other.stored.len(), 1);
    // Of another verdict than the log holds there is no heartbeat.
    let failing = verdict(State::Failing, Reason::FindingsOpen, 5);
    let beat = Draft::Heartbeat(heartbeat(&failing, people(&[])));
    assert!(beat.resolve(&state, at(4000)).is_none());
}

#[test]
fn objects_are_recorded_with_what_changed() {
    let mut state = declared();
    assert!(write(&mut state, object(1, "High"), at(1)).is_empty());
    // A label does not change the spec, a severity does.
    assert!(write(&mut state, object(2, "High"), at(2)).is_empty());
    let updated = write(&mut state, object(3, "Low"), at(3));
    let [Data::ControlChanged(change)] = &updated[..] else { panic!("{updated:?}") };
    assert_eq!(change.change, ChangeKind::Updated);
    assert_eq!(change.fields.len(), 1);
    let Draft::Object(draft) = object(1, "Low") else { unreachable!() };
    let recreated = Draft::Object(ObjectDraft { recreated: true, ..draft });
    let kinds: Vec<EntryType> =
        write(&mut state, recreated, at(4)).iter().map(Data::entry_type).collect();
    assert_eq!(kinds, [EntryType::ControlChanged, EntryType::ControlChanged]);

    let exception = |phase: Option<&str>| {
        Draft::Object(ObjectDraft {
            subject: EntrySubject::new("ControlException", "e"),
            generation: 1,
            spec: Some(json!({"reason": "r"})),
            phase: phase.map(str::to_owned),
            uid: None,
            recreated: false,
            created_at: None,
            written: None,
            authors: GuardHistory::default(),
        })
    };
    let mut phases = Vec::new();
    for (seconds, phase) in
        [(5, None), (6, Some("Active")), (7, None), (8, Some("Active")), (9, Some("Expired"))]
    {
        for data in write(&mut state, exception(phase), at(seconds)) {
            let Data::Exception(change) = data else { panic!("{data:?}") };
            phases.push((change.change, change.phase));
        }
    }
    assert_eq!(
        phases,
        [
            (ChangeKind::Created, None),
            (ChangeKind::Phase, Some("Active".to_owned())),
            (ChangeKind::Phase, Some("Expired".to_owned())),
        ]
    );
}

#[test]
fn another_uid_is_another_object() {
    use ChangeKind::{Created, Deleted};
    for (known, uid, recreated, expected) in [
        (Some("1"), Some("1"), false, &[][..]),
        (Some("1"), Some("2"), false, &[Deleted, Created]),
        // The log decides where it can tell.
        (Some("1"), Some("1"), true, &[]),
        (None, Some("2"), false, &[]),
        (None, Some("2"), true, &[Deleted, Created]),
        (Some("1"), None, false, &[]),
    ] {
        let mut state = LogState::default();
        write(&mut state, made(known, false), at(0));
        let failing = verdict(State::Failing, Reason::FindingsOpen, 5);
        write(&mut state, draft(&failing, &wrong(&[("x", None)]), &[]), at(9));
        let kinds: Vec<ChangeKind> = write(&mut state, made(uid, recreated), at(10))
            .iter()
            .map(|data| match data {
                Data::ControlChanged(change) => change.change,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds, expected, "{known:?} {uid:?} {recreated}");
        let verdict = state.control("tls").and_then(|control| control.verdict.as_ref());
        assert_eq!(verdict.is_some(), expected.is_empty(), "what was found of it is gone with it");
        let after = state.object("Control", "tls").unwrap().uid.as_deref();
        assert_eq!(after, if expected.is_empty() { known } else { uid });
    }
}

#[test]
fn nothing_began_before_the_log_says_that_it_was_not_so() {
    let mut state = declared();
    let passing = verdict(State::Passing, Reason::NoFindings, 5);
    write(&mut state, draft(&passing, &[], &[]), at(9));
    // A status of before, that was never brought in line, remembers an earlier time.
    let failing = verdict(State::Failing, Reason::FindingsOpen, 2);
    let written = write(&mut state, draft(&failing, &wrong(&[("x", None)]), &[]), at(30));
    let [Data::Verdict(data)] = &written[..] else { panic!("{written:?}") };
    assert_eq!((data.since, data.added[0].since), (at(9), at(9)));
    // Nobody could look: what is found again was there all along.
    let blind = verdict(State::Unknown, Reason::Forbidden, 40);
    write(&mut state, draft(&blind, &[], &[]), at(40));
    let written = write(&mut state, draft(&failing, &wrong(&[("x", None)]), &[]), at(50));
    let [Data::Gap(_), Data::Verdict(data)] = &written[..] else { panic!("{written:?}") };
    assert_eq!((data.since, data.added[0].since), (at(40), at(5)));
}

proptest! {
    /// Whatever verdicts come, in whatever order: the fold of what was written is the last one, and
    /// to write that again writes nothing.
    #[test]
    fn the_fold_of_what_is_written_is_what_was_to_be_recorded(
        sets in prop::collection::vec(
            prop::collection::btree_map("[a-d]", prop::option::of("[ef]"), 0..4),
            1..8,
        )
    ) {
        let mut state = declared();
        for (turn, set) in (0..).zip(&sets) {
            let names: Vec<(&str, Option<&str>)> =
                set.iter().map(|(name, exception)| (name.as_str(), exception.as_deref())).collect();
            let (kind, reason) = if names.is_empty() {
                (State::Passing, Reason::NoFindings)
            } else {
                (State::Failing, Reason::FindingsOpen)
            };
            let verdict = verdict(kind, reason, turn);
            let found = wrong(&names);
            write(&mut state, draft(&verdict, &found, &[]), at(turn));
            let known = state.control("tls").unwrap().verdict.as_ref().unwrap();
            let open: Vec<EntryFinding> = known.open_findings().collect();
            prop_assert_eq!(findings_digest(&open), known.findings_digest.clone());
            prop_assert_eq!(open.len(), names.len());
            prop_assert!(draft(&verdict, &found, &[]).resolve(&state, at(turn)).unwrap().entries.is_empty());
        }
    }
}

mod passages {
    use super::*;
    use comptroller_core::engine::lapsed::{FindingChanges, LapseCounter, LapsedVerdicts};

    fn counted(state: State, reason: Reason, since: i64, failing: usize) -> Arc<Verdict> {
        Arc::new(Verdict { failing, ..verdict(state, reason, since) })
    }

    #[test]
    fn a_violation_of_a_moment_is_found_and_gone() {
        let mut state = declared();
        let passing = counted(State::Passing, Reason::NoFindings, 5, 0);
        write(&mut state, draft(&passing, &[], &[]), at(5));
        let (mut passages, mut keeping) = (LapsedVerdicts::default(), LapseCounter::default());
        keeping.on = true;
        passages.note(FindingChanges::default(), &passing, at(5), &mut keeping);
        passages.tell(at(5), &mut keeping);
        passages.recorded(passages.last());

        let failing = counted(State::Failing, Reason::FindingsOpen, 20, 1);
        passages.note(FindingChanges::default(), &failing, at(20), &mut keeping);
        let again = counted(State::Passing, Reason::NoFindings, 21, 0);
        passages.note(FindingChanges::default(), &again, at(21), &mut keeping);
        let mut told = passages.tell(at(21), &mut keeping).over;
        told[0].found = wrong(&[("x", None)]);

        let pseudonymizer = Pseudonymizer::new(&pseudonym);
        let passed: Vec<PassedDraft> = told
            .iter()
            .map(|passed| PassedDraft::new(passed, Endings::new(), &pseudonymizer))
            .collect();
        let Draft::Verdict(last) = draft(&again, &[], &[]) else { unreachable!() };
        let draft = Draft::Verdict(Box::new(VerdictDraft { passed, ..*last }));
        let written = write(&mut state, draft, at(22));
        let [Data::Verdict(found), Data::Verdict(gone)] = &written[..] else {
            panic!("{written:?}")
        };
        assert_eq!((found.state, found.since), (State::Failing, at(20)));
        assert_eq!((found.added.len(), found.removed.len()), (1, 0));
        assert_eq!((gone.state, gone.since), (State::Passing, at(21)));
        assert_eq!((gone.added.len(), gone.removed.len()), (0, 1));
        assert_eq!(gone.removed[0].since, found.added[0].since);
        assert_eq!(gone.findings, findings_digest(&[]));
    }
}
