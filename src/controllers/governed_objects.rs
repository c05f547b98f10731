//! The objects that the operator is governed by, on their way to the log: each kind enters the same
//! way, and its changes and deletions are recorded before any status follows from them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;

use super::kinds::key_of;
use comptroller_evidence::{entry::EntrySubject, fold::LogState};
use comptroller_recorder::{
    Evidence, ObjectKey, ObjectObservation, ObjectRecord, Recorded, WrittenWithin,
};

/// Every object of every governed kind.
#[derive(Debug, Default)]
pub struct GovernedObjects {
    kinds: BTreeMap<&'static str, GovernedKind>,
    /// Whether an object may have gone since the log was compared last. Deletions may pass while
    /// nobody watches, so names are compared rather than events believed.
    may_lack: bool,
}

#[derive(Debug, Default)]
struct GovernedKind {
    /// Whether all of its objects are known. Before, everything would seem to be gone.
    listed: bool,
    objects: BTreeMap<String, GovernedObject>,
}

#[derive(Debug)]
struct GovernedObject {
    record: ObjectRecord,
    /// The spec as JSON, which is smaller than a tree. None when it can't be read.
    spec: Option<Box<str>>,
    /// Whether another object of this name went since this one was recorded last.
    recreated: bool,
    /// When the API server created it. None for kinds where nobody asks.
    created_at: Option<Timestamp>,
    /// When the spec was written, for kinds whose author is bound.
    written: Option<WrittenWithin>,
    /// As the log has it. None when it may have something else.
    recorded: Option<Recorded<ObjectRecord>>,
}

impl GovernedObjects {
    /// Takes in an object as it is now. None as the spec: it can't be read. True when it is another
    /// than the one that had its name.
    pub fn put(
        &mut self,
        kind: &'static str,
        key: ObjectKey,
        generation: i64,
        spec: Option<Box<str>>,
    ) -> bool {
        let objects = &mut self.kinds.entry(kind).or_default().objects;
        let known = objects.remove(&key.name);
        let is_another = known.as_ref().is_some_and(|known| known.record.key != key);
        let name = key.name.clone();
        let entry = match known.filter(|_| !is_another) {
            // A change of metadata or status, our own writes among them, is no change of the spec.
            Some(known) if known.record.generation == generation && known.spec == spec => known,
            Some(known) => {
                let record = ObjectRecord { generation, ..known.record };
                GovernedObject { record, spec, recorded: None, ..known }
            }
            None => GovernedObject {
                record: ObjectRecord { kind, key, generation, phase: None },
                spec,
                recreated: is_another,
                created_at: None,
                written: None,
                recorded: None,
            },
        };
        objects.insert(name, entry);
        is_another
    }

    /// Takes in an object whose author is bound, as [`put`](Self::put) does, with when its spec was
    /// written. `since` is when it was certainly not written yet, unless it is new.
    pub fn put_authored(
        &mut self,
        kind: &'static str,
        metadata: &ObjectMeta,
        spec: Option<Box<str>>,
        since: Timestamp,
        now: Timestamp,
    ) -> bool {
        let key = key_of(metadata);
        let name = key.name.clone();
        let generation = metadata.generation.unwrap_or_default();
        let known = self.entry(kind, &name).filter(|known| known.record.key == key);
        let is_known = known.is_some();
        let is_same =
            known.is_some_and(|known| known.record.generation == generation && known.spec == spec);
        let is_another = self.put(kind, key, generation, spec);
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let entry = self.kinds.get_mut(kind).and_then(|kind| kind.objects.get_mut(&name));
        if let Some(entry) = entry.filter(|_| !is_same) {
            entry.created_at = created;
            entry.written = match created {
                _ if is_known => Some(WrittenWithin { from: since, to: now, seen: true }),
                // A time of the API server has whole seconds.
                Some(at) if generation <= 1 => {
                    let to = at + SignedDuration::from_secs(1);
                    Some(WrittenWithin { from: at, to, seen: true })
                }
                Some(at) => Some(WrittenWithin { from: at, to: now, seen: false }),
                None => None,
            };
        }
        is_another
    }

    /// Objects of a kind are compared with the log again: who wrote them may turn out not to be bound.
    pub fn compare_kind_again(&mut self, kind: &'static str) {
        for entry in self.kinds.get_mut(kind).into_iter().flat_map(|kind| kind.objects.values_mut())
        {
            entry.recorded = None;
        }
    }

    /// Takes in the phase of an object.
    pub fn set_phase(&mut self, kind: &'static str, name: &str, phase: &str) {
        let entry = self.kinds.get_mut(kind).and_then(|kind| kind.objects.get_mut(name));
        let Some(entry) = entry.filter(|entry| entry.record.phase.as_deref() != Some(phase)) else {
            return;
        };
        entry.record.phase = Some(phase.to_owned());
        entry.recorded = None;
    }

    /// An object is gone.
    pub fn remove(&mut self, kind: &'static str, name: &str) {
        self.may_lack = true;
        if let Some(kind) = self.kinds.get_mut(kind) {
            kind.objects.remove(name);
        }
    }

    /// A list of a kind is complete: what it does not name is gone. Says what that is.
    pub fn listed(&mut self, kind: &'static str, names: &BTreeSet<String>) -> Vec<String> {
        self.may_lack = true;
        let kind = self.kinds.entry(kind).or_default();
        kind.listed = true;
        let gone: Vec<String> =
            kind.objects.keys().filter(|name| !names.contains(*name)).cloned().collect();
        kind.objects.retain(|name, _| names.contains(name));
        gone
    }

    /// The key of an object. None when there is none of this name.
    pub fn key(&self, kind: &str, name: &str) -> Option<&ObjectKey> {
        Some(&self.entry(kind, name)?.record.key)
    }

    /// An object as the log has it. None when that is still to be recorded.
    pub fn recorded(&self, kind: &str, name: &str) -> Option<&Recorded<ObjectRecord>> {
        self.entry(kind, name)?.recorded.as_ref()
    }

    /// The log may say something else than this process believes: all is compared with it again.
    pub fn compare_again(&mut self) {
        self.may_lack = true;
        for entry in self.kinds.values_mut().flat_map(|kind| kind.objects.values_mut()) {
            entry.recorded = None;
        }
    }

    /// The log does not have an object that it was believed to have.
    pub fn not_recorded(&mut self, kind: &'static str, name: &str) {
        let entry = self.kinds.get_mut(kind).and_then(|kind| kind.objects.get_mut(name));
        if let Some(entry) = entry {
            entry.recorded = None;
        }
    }

    /// Objects that the log may not have as they are.
    pub fn unrecorded(&self) -> Vec<ObjectObservation> {
        let entries = self.kinds.values().flat_map(|kind| kind.objects.values());
        let unrecorded = entries.filter(|entry| entry.recorded.is_none());
        unrecorded
            .map(|entry| ObjectObservation {
                record: entry.record.clone(),
                spec: entry.spec.as_ref().and_then(|text| serde_json::from_str(text).ok()),
                recreated: entry.recreated,
                created_at: entry.created_at,
                written: entry.written,
            })
            .collect()
    }

    /// What the log has and the cluster has not, to be recorded: it is told once, until something
    /// goes again or the log is compared again.
    pub fn take_deleted(&mut self, evidence: &Evidence) -> Vec<EntrySubject> {
        if !std::mem::take(&mut self.may_lack) {
            return Vec::new();
        }
        let of_kind =
            |state: &LogState, kind: &'static str, present: &GovernedKind| -> Vec<EntrySubject> {
                let known = state.objects_of(kind).map(|(name, _)| name);
                let gone = known.filter(|name| !present.objects.contains_key(*name));
                gone.map(|name| EntrySubject::new(kind, name)).collect()
            };
        let listed = self.kinds.iter().filter(|(_, kind)| kind.listed);
        evidence
            .read(|state| listed.flat_map(|(name, kind)| of_kind(state, name, kind)).collect())
            .unwrap_or_default()
    }

    /// The log has an object as it was when it was handed over. False when it has changed since, so
    /// that it is to be recorded again.
    pub fn note_recorded(&mut self, recorded: Recorded<ObjectRecord>) -> bool {
        let ObjectRecord { kind, key, .. } = recorded.value();
        let entry = self.kinds.get_mut(kind).and_then(|kind| kind.objects.get_mut(&key.name));
        let Some(entry) = entry.filter(|entry| entry.record == *recorded.value()) else {
            return false;
        };
        entry.recreated = false;
        entry.recorded = Some(recorded);
        true
    }

    fn entry(&self, kind: &str, name: &str) -> Option<&GovernedObject> {
        self.kinds.get(kind)?.objects.get(name)
    }
}
