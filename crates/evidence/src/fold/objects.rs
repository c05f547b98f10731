//! Objects that the operator is governed by, as the log last saw them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::{ChangeKind, ObjectChange};

/// A control, an exception, an audit period or another governed object that is not deleted.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectState {
    /// Its uid; None where no entry has it.
    pub uid: Option<String>,
    /// Its spec, with people as pseudonyms: what the next change is a diff from.
    pub spec: Option<Value>,
    /// The digest of the spec.
    pub spec_digest: Option<String>,
    /// Its generation; None where no entry has it.
    pub generation: Option<i64>,
    /// Its phase, for kinds that have one.
    pub phase: Option<String>,
    /// When it entered the phase.
    pub phase_since: Timestamp,
    /// What was claimed of it when it entered its last phase, such as the numbers of an audit period
    /// that closed. None where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Value>,
    /// What happened to it last.
    pub change: ChangeKind,
    /// Whether its last change was bound to its author; None where that is not known.
    #[serde(default)]
    pub author_bound: Option<bool>,
    /// When the last change was observed.
    pub at: Timestamp,
    /// The entry that says so.
    pub entry: u64,
}

impl ObjectState {
    pub(super) fn new(index: u64, at: Timestamp, data: &ObjectChange) -> Self {
        Self {
            uid: data.uid.clone(),
            spec: data.spec.clone().filter(|_| data.change != ChangeKind::Phase),
            claim: data.spec.clone().filter(|_| data.change == ChangeKind::Phase),
            spec_digest: data.spec_digest.clone(),
            generation: data.generation,
            phase: data.phase.clone(),
            phase_since: at,
            change: data.change,
            author_bound: data.author_bound,
            at,
            entry: index,
        }
    }

    /// A change says what is new: what it is silent on is as it was. A new digest without its spec
    /// leaves no spec, since the old one would belie it.
    pub(super) fn change(&mut self, index: u64, at: Timestamp, data: &ObjectChange) {
        if data.spec_digest.is_some() && data.spec_digest != self.spec_digest {
            self.spec_digest.clone_from(&data.spec_digest);
            self.spec = None;
        }
        // With another phase there is no other spec, but what is claimed from then on.
        if data.change == ChangeKind::Phase {
            self.claim = data.spec.clone().or(self.claim.take());
        } else if data.spec.is_some() {
            self.spec.clone_from(&data.spec);
        }
        if data.uid.is_some() {
            self.uid.clone_from(&data.uid);
        }
        self.generation = data.generation.or(self.generation);
        if data.phase.is_some() && data.phase != self.phase {
            self.phase.clone_from(&data.phase);
            self.phase_since = at;
        }
        // An entry of a phase says nothing of who wrote the spec, unless that turned out later.
        if data.change != ChangeKind::Phase || data.author_bound.is_some() {
            self.author_bound = data.author_bound;
        }
        self.change = data.change;
        self.at = at;
        self.entry = index;
    }
}
