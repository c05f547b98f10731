//! What a batch comes to: its entries, one observation after another.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Drafted, HeartbeatObservation, LearnedOfControl, ObjectObservation, ObjectRecord,
    VerdictObservation, blindness, occurrences::OccurrenceCourse,
};
use crate::{
    AuthorGuards, GuardHistory,
    draft::{self, DraftedEntries, HeartbeatDraft, ObjectDraft, VerdictDraft},
    lapsed,
};
use comptroller_core::engine::ObservedNamespace;
use comptroller_evidence::{
    data::{ChangeKind, GapCause, GapData},
    entry::{Data, EntrySubject},
    fold::{LogState, VerdictState},
    privacy::{KnownPeople, Pseudonymizer},
};

/// The kind of a control, as the subject of an entry.
const CONTROL: &str = "Control";

/// The entries of a batch so far, with what they will change of the controls, before the log has
/// them.
pub(super) struct Drafting<'a> {
    pub(super) state: &'a LogState,
    pseudonym: &'a dyn Fn(&str) -> String,
    pseudonymizer: Pseudonymizer<'a>,
    /// Times in which nothing could be judged of any control, with a gap of their own.
    outages: Vec<GapData>,
    now: Timestamp,
    /// Controls that are deleted.
    absent: BTreeSet<&'a str>,
    /// Controls that are declared.
    declared: BTreeSet<&'a str>,
    /// Controls whose log begins again: what was found of another object of the name is none of
    /// theirs.
    begins_again: BTreeSet<&'a str>,
    /// When the policies that bind records to their authors were in force. None: not known.
    pub(super) authors: Option<&'a AuthorGuards>,
    pub(super) drafted: Drafted,
}

impl<'a> Drafting<'a> {
    /// Nothing is drafted yet.
    pub(super) fn new(
        state: &'a LogState,
        pseudonym: &'a dyn Fn(&str) -> String,
        known: &'a KnownPeople,
        outages: Vec<GapData>,
        now: Timestamp,
    ) -> Self {
        Self {
            state,
            pseudonym,
            pseudonymizer: Pseudonymizer::new(pseudonym).knowing(known),
            outages,
            now,
            absent: BTreeSet::new(),
            declared: BTreeSet::new(),
            begins_again: BTreeSet::new(),
            authors: None,
            drafted: Drafted::default(),
        }
    }

    pub(super) fn add_deletion(&mut self, subject: &'a EntrySubject) {
        if subject.kind == CONTROL {
            self.end_blindness(&subject.name);
        }
        self.drafted.entries.extend(draft::deletion(self.state, subject));
        if subject.kind == CONTROL {
            self.absent.insert(&subject.name);
            self.begins_again.insert(&subject.name);
            self.drafted.learned.deleted.push(subject.name.clone());
        }
    }

    pub(super) fn add_object(&mut self, object: &'a ObjectObservation) {
        let ObjectRecord { kind, key, generation, phase } = &object.record;
        let draft = ObjectDraft {
            subject: EntrySubject::new(kind, &key.name),
            generation: *generation,
            spec: object.spec.as_ref().map(|spec| self.spec(kind, spec)),
            phase: phase.clone(),
            uid: key.uid.clone(),
            recreated: object.recreated,
            created_at: object.created_at,
            written: object.written,
            authors: self.guard_of(kind),
        };
        let entries = draft.resolve(self.state);
        if *kind == CONTROL {
            self.declared.insert(&key.name);
            if entries.iter().any(|(_, data)| is_deletion(data)) {
                self.end_blindness(&key.name);
                self.begins_again.insert(&key.name);
            }
            // A control that is declared again was not there for a time.
            if let Some(since) = self.state.absent_since(&key.name).filter(|_| !entries.is_empty())
            {
                let reason = "there was no control of this name".to_owned();
                let gap = GapData::between(since, self.now, GapCause::NoControl, reason);
                self.drafted.entries.push((EntrySubject::control(&key.name), Data::Gap(gap)));
            }
        }
        self.drafted.entries.extend(entries);
    }

    /// The spec of an object without people.
    fn spec(&self, kind: &str, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if draft::GUARDS.contains(&kind) {
            // Names of users alone, and subjects as findings write them.
            for (list, of_users) in [("writers", true), ("who", false), ("passed", false)] {
                for name in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    let Some(text) = name.as_str() else { continue };
                    *name = if of_users {
                        self.pseudonymizer.user(text).into()
                    } else {
                        self.pseudonymizer.subject(text).into()
                    };
                }
            }
            return spec;
        }
        self.pseudonymizer.spec(&spec)
    }

    /// The policies that bind the author of an object of this kind.
    fn guard_of(&self, kind: &str) -> GuardHistory {
        let authors = self.authors;
        match kind {
            draft::EXCEPTION => authors.map(|authors| authors.exceptions.clone()),
            draft::RESPONSE => authors.map(|authors| authors.responses.clone()),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// What changed of the labels of namespaces, by which scopes select.
    pub(super) fn add_namespaces(&mut self, namespaces: &[ObservedNamespace]) {
        for ObservedNamespace { name, uid, labels } in namespaces {
            let spec = self.pseudonymizer.spec(&json!({ "labels": labels }));
            let draft = ObjectDraft {
                subject: EntrySubject::new(draft::NAMESPACE, name),
                generation: 0,
                spec: Some(spec),
                phase: None,
                uid: uid.clone(),
                recreated: false,
                created_at: None,
                written: None,
                authors: GuardHistory::default(),
            };
            self.drafted.entries.extend(draft.resolve(self.state));
        }
        let present: BTreeSet<&str> = namespaces.iter().map(|one| one.name.as_str()).collect();
        for (name, _) in self.state.objects_of(draft::NAMESPACE) {
            if !present.contains(name) {
                let subject = EntrySubject::new(draft::NAMESPACE, name);
                self.drafted.entries.extend(draft::deletion(self.state, &subject));
            }
        }
    }

    pub(super) fn add_verdict(
        &mut self,
        observed: &'a VerdictObservation,
        remembered: Option<&LearnedOfControl>,
        blind_since: Option<Timestamp>,
    ) {
        let name = observed.control.name.as_str();
        let in_log = self.state.object(CONTROL, name).is_some() && !self.absent.contains(name);
        // No verdict follows the deletion of its control.
        if !in_log && !self.declared.contains(name) {
            return;
        }
        self.add_occurrences(observed);
        let known = self.known_verdict(name);
        let people = remembered.map(|remembered| &remembered.people);
        let mut draft = VerdictDraft::new(observed, &self.pseudonymizer);
        (draft.passed, draft.endings) =
            lapsed::drafts(observed, known, people, &self.pseudonymizer);
        draft.blocked = remembered
            .map(|remembered| remembered.message.clone())
            .filter(|message| !message.is_empty());
        let learned = LearnedOfControl {
            message: draft.data.message.clone(),
            people: lapsed::people(&observed.findings, &self.pseudonymizer),
        };
        let mut drafted = draft.resolve(known, self.now);
        blindness::settle(&mut drafted.entries, blind_since, &self.outages);
        self.add(drafted);
        self.drafted.learned.controls.push((observed.control.clone(), learned));
    }

    /// A control is gone: in which time it was not judged is told by then.
    fn end_blindness(&mut self, name: &str) {
        let Some(known) = self.known_verdict(name) else { return };
        let gap = draft::blind(known, "", None, self.now);
        let mut entries = gap.map(|gap| (EntrySubject::control(name), gap)).into_iter().collect();
        blindness::settle(&mut entries, None, &self.outages);
        self.drafted.entries.extend(entries);
    }

    /// An occurrence outlives its control: who deletes and declares it again does not lose what was
    /// missed.
    fn add_occurrences(&mut self, observed: &VerdictObservation) {
        let name = observed.control.name.as_str();
        let subject = EntrySubject::control(name);
        let mut course = OccurrenceCourse::new(self.state.control(name), self.now);
        course.authors = self.authors.map(|authors| &authors.attestations);
        let lapsed = observed.lapsed.iter().map(|lapsed| &lapsed.verdict);
        for verdict in lapsed.chain([&observed.verdict]) {
            let steps = course.steps(verdict, &self.pseudonym);
            self.drafted.entries.extend(steps.into_iter().map(|data| (subject.clone(), data)));
        }
    }

    pub(super) fn add_heartbeat(&mut self, observed: &HeartbeatObservation) {
        let known = self.known_verdict(&observed.control.name);
        if let Some(resolved) = HeartbeatDraft::new(observed, &self.pseudonymizer).resolve(known) {
            self.add(resolved);
        }
    }

    /// The verdict that the log has of this very control.
    fn known_verdict(&self, control: &str) -> Option<&'a VerdictState> {
        self.state.verdict(control).filter(|_| !self.begins_again.contains(control))
    }

    fn add(&mut self, drafted: DraftedEntries) {
        self.drafted.entries.extend(drafted.entries);
        self.drafted.stored.extend(drafted.stored.into_iter().map(Bytes::from));
    }
}

fn is_deletion(data: &Data) -> bool {
    matches!(data, Data::ControlChanged(change) if change.change == ChangeKind::Deleted)
}
