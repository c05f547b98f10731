//! What is kept of witnesses beside the log.
//!
//! `cosigned/<day>` is the newest checkpoint that was cosigned on that day (UTC), with its
//! cosignatures; `cosigned/policy` the policy that the operator was given, as a convenience; and
//! `contradicted/<digest>` a checkpoint of this log that was found elsewhere and that the log did not
//! continue. Readers check all of them; who deletes some only has less that vouches for the log.

use bytes::Bytes;
use jiff::tz::TimeZone;

use super::{
    cosignature::Cosignature,
    policy::{Policy, PolicyError},
};
use crate::store::{Store, StoreError, StoredObject};
use comptroller_vocabulary::canonical;

/// The folder of cosigned checkpoints, and the policy in it.
pub(crate) const COSIGNED: &str = "cosigned";
const POLICY: &str = "cosigned/policy";

/// The folder of checkpoints that the log does not continue.
pub(crate) const CONTRADICTED: &str = "contradicted";

/// How often a write is tried while another writer is faster.
const TRIES: usize = 3;

/// Keeps a cosigned checkpoint as that of its day, unless a better one is there: one with a quorum is
/// better than one without, and then the one that covers more. Without a cosignature nothing is kept.
pub async fn keep(store: &dyn Store, policy: &Policy, note: &[u8]) -> Result<(), StoreError> {
    let cosignatures = policy.cosignatures(note);
    let Some(day) = cosignatures.iter().map(day_of).max() else { return Ok(()) };
    let path = format!("{COSIGNED}/{day}");
    let rank = |note: &[u8], cosignatures: &[Cosignature]| {
        (policy.is_met(cosignatures), size_of(note), cosignatures.len())
    };
    let new = rank(note, &cosignatures);
    put(store, &path, note, |there| rank(there, &policy.cosignatures(there)) < new).await
}

/// Keeps the policy that cosignatures are collected by.
pub async fn keep_policy(store: &dyn Store, policy: &Policy) -> Result<(), StoreError> {
    put(store, POLICY, policy.text(), |_| true).await
}

/// Keeps a checkpoint that the log does not continue, for whoever reads the log later.
pub async fn keep_contradiction(store: &dyn Store, checkpoint: &[u8]) -> Result<(), StoreError> {
    let digest = canonical::sha256(checkpoint);
    let name = digest.strip_prefix("sha256:").unwrap_or(&digest);
    let path = format!("{CONTRADICTED}/{}", name.get(..16).unwrap_or(name));
    put(store, &path, checkpoint, |_| false).await
}

/// The newest day's cosigned checkpoint. None: nothing was ever cosigned.
pub async fn newest(store: &dyn Store) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(path) = days_kept(store).await?.pop() else { return Ok(None) };
    Ok(store.get(&path).await?.map(|object| object.bytes.to_vec()))
}

/// The paths of the days that have a cosigned checkpoint, in order.
pub(super) async fn days_kept(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    let mut paths = store.list(COSIGNED).await?;
    paths.retain(|path| path != POLICY);
    paths.sort_unstable();
    Ok(paths)
}

/// The policy beside the log. None: there is none.
pub(super) async fn policy_beside(
    store: &dyn Store,
) -> Result<Option<Result<Policy, PolicyError>>, StoreError> {
    Ok(store.get(POLICY).await?.map(|object| Policy::parse(&object.bytes)))
}

/// The day of a cosignature, in UTC.
pub(super) fn day_of(cosignature: &Cosignature) -> String {
    cosignature.at.to_zoned(TimeZone::UTC).date().to_string()
}

/// Writes an object, or replaces the one that is there if it may be.
async fn put(
    store: &dyn Store,
    path: &str,
    bytes: &[u8],
    replaces: impl Fn(&[u8]) -> bool,
) -> Result<(), StoreError> {
    let bytes = Bytes::copy_from_slice(bytes);
    for _ in 0..TRIES {
        let written = match store.get(path).await? {
            Some(StoredObject { bytes: there, .. }) if there == bytes || !replaces(&there) => {
                return Ok(());
            }
            Some(StoredObject { version, .. }) => {
                store.replace(path, bytes.clone(), &version).await.map(drop)
            }
            None => store.put_new(path, bytes.clone()).await,
        };
        match written {
            Err(StoreError::Conflict { .. }) => {}
            other => return other,
        }
    }
    // Others write the same object all the time, so that something newer is there.
    Ok(())
}

/// How many entries a checkpoint covers, which is its second line.
fn size_of(note: &[u8]) -> Option<u64> {
    String::from_utf8_lossy(note).lines().nth(1)?.parse().ok()
}
