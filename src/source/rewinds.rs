//! Revisions that went back: etcd was restored to an earlier snapshot.
//!
//! Resource versions of one resource grow (KEP-5504). One that is lower than one seen before means
//! that the cluster is an earlier one: a watch from the newest known version would wait in the
//! future, silent, and a status that was written is no longer there. So all lists are read anew, and
//! what was written is forgotten.

use tokio::sync::watch;

/// Who notices a rewind tells everybody. Clones share it.
#[derive(Clone, Debug)]
pub struct Rewinds(watch::Sender<u64>);

impl Default for Rewinds {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Rewinds {
    /// A rewind was noticed.
    pub fn note(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// The same, unless one was noticed since `seen` of them were known: it is this one.
    pub fn note_after(&self, seen: u64) {
        self.0.send_if_modified(|count| {
            let new = *count == seen;
            *count += u64::from(new);
            new
        });
    }

    /// To be told of the next; the value counts them.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
