//! Notice that the cluster's revisions went back: etcd was restored from an earlier snapshot.
//!
//! Resource versions of one resource grow (KEP-5504). One that is lower than one seen before means
//! that the cluster was restored. A watch from the newest known version would then wait in the future
//! without a word, and a status that was written may be gone. So everything is listed again, and what
//! was written is forgotten.

use tokio::sync::watch;

/// Announces rewinds to everybody who subscribed. Clones share it.
#[derive(Clone, Debug)]
pub struct Rewinds(watch::Sender<u64>);

impl Default for Rewinds {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Rewinds {
    pub fn announce(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Announces a rewind unless another one was announced since the caller knew of `seen`: all
    /// list-watches notice the same rewind, and each announcement makes all of them list.
    pub fn announce_after(&self, seen: u64) {
        self.0.send_if_modified(|count| {
            let new = *count == seen;
            *count += u64::from(new);
            new
        });
    }

    /// A receiver of further announcements; its value is their number.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
