//! That an audit period closes, with the numbers that its status claims from then on.

use serde_json::Value;

use super::drafting::Drafting;
use crate::{
    ObjectKey,
    draft::{AUDIT_PERIOD, changed},
};
use comptroller_evidence::{
    data::{ChangeKind, ObjectChange},
    entry::{Data, EntrySubject},
    fold::LogState,
};

/// The phase of a period that is closed.
const CLOSED: &str = "Closed";

/// An audit period that closes.
#[derive(Clone, Debug, PartialEq)]
pub struct PeriodClosing {
    /// The period.
    pub period: ObjectKey,
    /// What its status claims: the numbers, and the size of the log that they were counted in.
    pub claim: Value,
}

impl PeriodClosing {
    /// What the log says that this period closed with. None while it says nothing, and of another
    /// object of the name.
    pub fn logged<'a>(state: &'a LogState, period: &ObjectKey) -> Option<&'a Value> {
        let known = state.object(AUDIT_PERIOD, &period.name)?;
        let is_another = known.uid.is_some() && period.uid.is_some() && known.uid != period.uid;
        known.claim.as_ref().filter(|_| !is_another)
    }
}

impl Drafting<'_> {
    /// A period closes once, whatever is found of it later; and only one that the log knows.
    pub(super) fn add_closing(&mut self, closing: &PeriodClosing) {
        let PeriodClosing { period, claim } = closing;
        let subject = EntrySubject::new(AUDIT_PERIOD, &period.name);
        let is_declared = self.state.object(AUDIT_PERIOD, &period.name).is_some()
            || self.drafted.entries.iter().any(|(declared, _)| *declared == subject);
        if !is_declared || PeriodClosing::logged(self.state, period).is_some() {
            return;
        }
        let change = ObjectChange {
            change: ChangeKind::Phase,
            uid: period.uid.clone(),
            generation: None,
            phase: Some(CLOSED.to_owned()),
            spec_digest: None,
            previous_digest: None,
            spec: Some(claim.clone()),
            created_at: None,
            author_bound: None,
            fields: Vec::new(),
        };
        let entry: (EntrySubject, Data) = changed(subject, change);
        self.drafted.entries.push(entry);
    }
}
