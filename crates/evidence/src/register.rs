//! Registers: populations that are kept whole over time. What an entry of the type `register` says,
//! and the digest of what is in a register after it. Pure.
//!
//! The subject of the entry is the register (`{"kind":"Register","name":"grants"}`), so that its data
//! need not name it. A register begins with its first list, in as many entries as it takes
//! ([`RegisterCause::Start`]); after it every entry says what came, went and changed. The digest and the
//! total are of all that is in the register after the entry: what is left out, doubled or edited is
//! found by the first entry after it.

mod digests;
mod items;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use comptroller_vocabulary::closed_enum;

pub use self::{
    digests::{DraftedDigests, MEMBER_GROUPS, RegisterDigests, RegisterFault},
    items::{Fields, ItemError, MAX_KEY, RegisterItem},
};
use crate::{entry::EntrySubject, inventory::Reading};

/// The kind of a register, as the subject of an entry.
pub const REGISTER: &str = "Register";

/// The subject of the entries of a register.
pub fn register_subject(name: &str) -> EntrySubject {
    EntrySubject::new(REGISTER, name)
}

/// What came, went and changed in one register.
///
/// A key may have come and gone within one entry: coming and going alternate, so what came more often
/// than it went is there. Of a key that is there afterwards the last item of `changed`, or else of
/// `added`, says what it is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RegisterData {
    /// Why the entry was written.
    pub cause: RegisterCause,
    /// Of [`RegisterCause::Start`], the items of this part of the first list; of
    /// [`RegisterCause::Reading`], those of kinds that were not read before; of [`RegisterCause::Day`],
    /// all items, where they are few enough. Since when they were there is not known from this.
    #[serde(default, with = "items::list", skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<RegisterItem>,
    /// Items that came.
    #[serde(default, with = "items::list", skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<RegisterItem>,
    /// Items that went. Their fields are as they were last, or empty where only the log knows them.
    #[serde(default, with = "items::list", skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<RegisterItem>,
    /// Items that are another than before, as they are now: with all fields, so that an entry is
    /// read by itself.
    #[serde(default, with = "items::list", skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<RegisterItem>,
    /// How many items are in the register after the entry.
    pub total: u64,
    /// The digest of all items after the entry, as [`RegisterDigests::digest`] has it.
    pub digest: String,
    /// Of a first list, whether more of it follows: until then the register is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Of what was found by comparison, when nobody had looked: it happened between the two. None of
    /// what was seen as it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// What the register is derived from, whenever that is another list than the register's entry
    /// before had. Empty: as that entry said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListRead>,
    /// The instance of the operator that read the lists. None where `lists` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collector: Option<String>,
}

closed_enum! {
    /// Why an entry of a register was written.
    pub enum RegisterCause {
        /// The register begins: a part of its first list. What was known of it before counts no more.
        Start = "Start",
        /// Items came, went or changed.
        Change = "Change",
        /// The register on the first look of a day, after a day in which it changed.
        Day = "Day",
        /// Whether all that it is derived from is read changed; with what newly read kinds bring along.
        Reading = "Reading",
    }
}

/// Two times between which something happened.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    /// The last time before it that somebody looked.
    pub from: Timestamp,
    /// The first time after it.
    pub to: Timestamp,
}

/// A list that a register is derived from, with what vouches for it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ListRead {
    /// Such as `rolebindings.rbac.authorization.k8s.io`, the plural and the group; of the core group
    /// the plural alone.
    pub resource: String,
    /// Whether all of its objects were known: [`Reading::Complete`] says that the collector may list
    /// and watch all of them, and did. With any other a register may lack something, and with an entry
    /// that has none that is complete it is not known at all.
    pub reading: Reading,
    /// The resource version of the list, from which on changes were watched. None where no list was
    /// complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When that list was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
    /// How many objects were known when the entry was written.
    pub count: u64,
    /// How many the API server counts itself (`apiserver_resource_objects`), which lags by up to a
    /// minute. None where that was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<u64>,
}

impl ListRead {
    /// Whether it is the same list as another, however many objects it has by now.
    pub fn is_same_list(&self, other: &Self) -> bool {
        self.resource == other.resource
            && self.reading == other.reading
            && self.resource_version == other.resource_version
            && self.listed_at == other.listed_at
    }
}

impl RegisterData {
    /// An entry that says nothing yet of what moved.
    pub fn new(cause: RegisterCause, total: u64, digest: String) -> Self {
        Self {
            cause,
            list: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            total,
            digest,
            more: false,
            between: None,
            lists: Vec::new(),
            collector: None,
        }
    }

    /// How many items the entry has.
    pub fn len(&self) -> usize {
        self.list.len() + self.added.len() + self.removed.len() + self.changed.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all of what the register is derived from was known. None where the entry does not say:
    /// it is as the entry before said.
    pub fn is_read(&self) -> Option<bool> {
        let lists = &self.lists;
        (!lists.is_empty()).then(|| lists.iter().all(ListRead::is_complete))
    }
}

impl ListRead {
    /// Whether nothing is missing: all objects were known, or the cluster has no such kind.
    pub fn is_complete(&self) -> bool {
        matches!(self.reading, Reading::Complete | Reading::NotServed)
    }
}

#[cfg(test)]
mod tests;
