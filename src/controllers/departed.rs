//! Deletions for the log: what it says is there, and the cluster no longer has.
//!
//! A deletion may pass while nobody watches, so names are compared rather than events believed.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc, time::Duration};

use futures::future::join_all;
use kube::{Resource, ResourceExt, runtime::reflector::Store};
use tokio::sync::Notify;

use comptroller_evidence::{entry::EntrySubject, fold::LogState};
use comptroller_recorder::{Evidence, Writing};

/// How often to compare without a reason to: a reconcile under way may have recorded an object
/// that had just been deleted.
const AT_REST: Duration = Duration::from_mins(1);

/// Records the deletions of a kind. `changed` is notified when an object went or a list is complete.
pub async fn follow<K>(
    evidence: Evidence,
    kind: &'static str,
    store: Store<K>,
    changed: Arc<Notify>,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
{
    if !evidence.has_log() {
        // Whoever waits for this task would take its end for a failure.
        return std::future::pending().await;
    }
    // The first notice is of the first list; before it everything would seem to be gone.
    changed.notified().await;
    let mut writing = evidence.subscribe();
    loop {
        if matches!(evidence.writing(), Writing::Open(_)) {
            let present = store.state().iter().map(|object| object.name_any()).collect();
            let gone = evidence.read(|state| departed(state, kind, &present)).unwrap_or_default();
            let records = gone.into_iter().map(|subject| evidence.record_gone(subject));
            for failed in join_all(records).await.into_iter().filter_map(Result::err) {
                tracing::warn!(kind, error = %failed, "a deletion could not be recorded and is retried");
            }
        }
        tokio::select! {
            () = changed.notified() => {}
            changed = writing.changed() => {
                if changed.is_err() {
                    return std::future::pending().await;
                }
            }
            () = tokio::time::sleep(AT_REST) => {}
        }
    }
}

/// The objects of a kind that the log has and the cluster has not.
fn departed(state: &LogState, kind: &str, present: &BTreeSet<String>) -> Vec<EntrySubject> {
    state
        .objects_of(kind)
        .filter(|(name, _)| !present.contains(*name))
        .map(|(name, _)| EntrySubject::new(kind, name))
        .collect()
}
