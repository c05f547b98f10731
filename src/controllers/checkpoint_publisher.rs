//! Publishes what vouches for the log where who can rewrite the log may not reach: in a `ConfigMap`.
//!
//! What is there is the only witness of a log that was deleted and begun anew, so it is replaced
//! only by a checkpoint that continues it.

use std::{collections::BTreeMap, time::Duration};

use futures::FutureExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{body, cosigning::Cosigned};
use comptroller_evidence::{key::VerifierKey, log::LogReader, store, verify};
use comptroller_recorder::{Evidence, Published, SignedCheckpoint};

/// The name of the `ConfigMap`, in the operator's namespace.
pub const CONFIG_MAP: &str = "comptroller-evidence";

/// The field of the newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// The field manager under which the `ConfigMap` is applied.
const MANAGER: &str = "comptroller/evidence";

/// The fields beside it.
const ORIGIN: &str = "origin";
const VERIFIER_KEY: &str = "verifier-key";

/// How often at most. A checkpoint that is a minute old still shows that a log was rolled back.
const EVERY: Duration = Duration::from_mins(1);

/// Many entries come at once, as after a start: one write has them all.
const GATHER: Duration = Duration::from_secs(10);

/// How soon it is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// How long one attempt may take, with reading the log.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The last call of a process that ends, of which nobody waits for long.
const LAST: Duration = Duration::from_secs(3);

/// Why a checkpoint is not published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("{0}: the ConfigMap must exist, and the operator needs patch on it")]
    Api(#[from] kube::Error),
    #[error("no answer in time")]
    Late,
    #[error(
        "the log does not continue the checkpoint that is published there ({0}): if it was deleted, cut or replaced, keep that checkpoint as a proof of it; to publish this log, remove {CHECKPOINT} from the data of the ConfigMap"
    )]
    Discontinued(String),
}

/// Publishes the newest checkpoint whenever it changed, for as long as the operator runs.
///
/// What witnesses cosigned is published with their cosignatures: who verifies the plain checkpoint
/// passes over them.
pub async fn publish(
    client: Client,
    namespace: String,
    evidence: Evidence,
    mut cosigned: Cosigned,
) {
    let Some(mut checkpoint) = evidence.checkpoint() else {
        // Whoever waits for this task would take its end for a failure.
        return std::future::pending().await;
    };
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let location = evidence.location().unwrap_or_default().to_owned();
    let mut failing = false;
    let mut published: Option<String> = None;
    loop {
        tokio::select! {
            changed = checkpoint.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
            // Without witnesses the sender is gone, and there is nothing to wait for.
            Ok(()) = cosigned.changed() => {}
        }
        tokio::time::sleep(GATHER).await;
        loop {
            let newest = checkpoint.borrow_and_update().clone();
            let Some(newest) = newest else { break };
            let newest = with_cosignatures(newest, cosigned.borrow_and_update().as_deref());
            let replaced = replace(&api, &location, published.as_deref(), &newest);
            let error = tokio::time::timeout(TIMEOUT, replaced)
                .await
                .unwrap_or(Err(PublishError::Late))
                .err();
            if error.is_none() {
                published = Some(newest.text);
            }
            // Logged when it begins to fail, not each time.
            let was_failing = std::mem::replace(&mut failing, error.is_some());
            if let Some(error) = error.as_ref().filter(|_| !was_failing) {
                tracing::warn!(
                    %error,
                    "the checkpoint can't be published in the ConfigMap {namespace}/{CONFIG_MAP}"
                );
            }
            if error.is_none() {
                tokio::time::sleep(EVERY).await;
                break;
            }
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// A checkpoint with its cosignatures, if it is what was cosigned last.
fn with_cosignatures(newest: SignedCheckpoint, cosigned: Option<&str>) -> SignedCheckpoint {
    match cosigned {
        Some(note) if note.starts_with(&newest.text) => {
            SignedCheckpoint { text: note.to_owned(), ..newest }
        }
        _ => newest,
    }
}

/// Publishes the last checkpoint of a process that ends: from then on the log does not grow, and a
/// copy that lacks its last entries is known as one.
pub async fn publish_last(client: Client, namespace: &str, evidence: &Evidence) {
    let newest = evidence.checkpoint().and_then(|checkpoint| checkpoint.borrow().clone());
    let Some(newest) = newest else { return };
    let api: Api<ConfigMap> = Api::namespaced(client, namespace);
    let location = evidence.location().unwrap_or_default();
    let replaced = replace(&api, location, None, &newest);
    let replaced = tokio::time::timeout(LAST, replaced).await;
    if let Err(error) = replaced.unwrap_or(Err(PublishError::Late)) {
        tracing::warn!(
            %error,
            "the last checkpoint can't be published in the ConfigMap {namespace}/{CONFIG_MAP}"
        );
    }
}

/// Replaces what is published, unless it is another's and says that something is lost.
async fn replace(
    api: &Api<ConfigMap>,
    location: &str,
    published: Option<&str>,
    newest: &SignedCheckpoint,
) -> Result<(), PublishError> {
    match read(api).await? {
        Published::Checkpoint(there) if there == *newest => return Ok(()),
        Published::Checkpoint(there) if Some(there.text.as_str()) != published => {
            let size = continues(location, newest, &there.text).await?;
            // Another leader has published a longer one meanwhile.
            if size_of(&newest.text) < Some(size) {
                return Ok(());
            }
        }
        _ => {}
    }
    Ok(write(api, newest).await?)
}

/// What is published. A patch that changes nothing reads, and needs no further right.
pub(super) async fn read(api: &Api<ConfigMap>) -> kube::Result<Published> {
    let nothing = Patch::Merge(json!({}));
    match api.patch(CONFIG_MAP, &PatchParams::default(), &nothing).await {
        Ok(there) => Ok(parse(there.data.unwrap_or_default())),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Published::Nothing),
        Err(error) => Err(error),
    }
}

/// Without a checkpoint, any other word of a log says that it was taken out.
fn parse(mut data: BTreeMap<String, String>) -> Published {
    let known = [ORIGIN, VERIFIER_KEY, CHECKPOINT];
    if !known.iter().any(|field| data.contains_key(*field)) {
        return Published::Nothing;
    }
    let mut take = |field: &str| data.remove(field).unwrap_or_default();
    let (origin, verifier_key, checkpoint) = (take(ORIGIN), take(VERIFIER_KEY), take(CHECKPOINT));
    if checkpoint.trim().is_empty() {
        return Published::Withdrawn;
    }
    Published::Checkpoint(SignedCheckpoint {
        origin: origin.trim().to_owned(),
        verifier_key: verifier_key.trim().to_owned(),
        text: checkpoint,
    })
}

/// How many entries a checkpoint covers, which is its second line.
fn size_of(checkpoint: &str) -> Option<u64> {
    checkpoint.lines().nth(1)?.parse().ok()
}

/// Checks that the log continues a checkpoint; says how many entries that covers.
async fn continues(
    location: &str,
    newest: &SignedCheckpoint,
    there: &str,
) -> Result<u64, PublishError> {
    let check = async {
        let key = VerifierKey::parse(&newest.verifier_key).map_err(|error| error.to_string())?;
        let store = store::open(location).map_err(|error| error.to_string())?;
        let log = LogReader::open(store, Some(key)).boxed().await;
        let log = log.map_err(|error| error.to_string())?;
        let continued = verify::continues(&log, there.as_bytes()).boxed().await;
        continued.map_err(|error| error.to_string())
    };
    check.await.map_err(PublishError::Discontinued)
}

async fn write(api: &Api<ConfigMap>, checkpoint: &SignedCheckpoint) -> kube::Result<()> {
    let SignedCheckpoint { origin, verifier_key, text } = checkpoint;
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {ORIGIN: origin, VERIFIER_KEY: verifier_key, CHECKPOINT: text},
    });
    body::apply(api, CONFIG_MAP, MANAGER, &object).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use comptroller_evidence::{key::SigningKey, log::LogWriter};

    const ORIGIN_FIELD: &str = super::ORIGIN;
    const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

    async fn log(folder: &Path, entries: usize) -> (String, SignedCheckpoint) {
        let location = folder.to_str().unwrap().to_owned();
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let store = store::open(&location).unwrap();
        let mut log = LogWriter::open(store, key, ORIGIN).await.unwrap();
        log.append(&vec![location.clone().into_bytes(); entries]).await.unwrap();
        let checkpoint = SignedCheckpoint {
            origin: ORIGIN.to_owned(),
            verifier_key: log.verifier_key(),
            text: log.checkpoint().to_owned(),
        };
        (location, checkpoint)
    }

    #[test]
    fn what_is_published_is_read_and_what_was_taken_out_is_told_from_what_never_was() {
        let parsed = |fields: &[(&str, &str)]| {
            let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            parse(fields.iter().map(own).collect())
        };
        let (origin, key) = ((ORIGIN_FIELD, ORIGIN), (VERIFIER_KEY, "k"));
        assert_eq!(parsed(&[]), Published::Nothing);
        assert_eq!(parsed(&[("note", "of somebody")]), Published::Nothing);
        assert_eq!(parsed(&[origin, key]), Published::Withdrawn);
        for empty in ["", " \n"] {
            assert_eq!(parsed(&[(CHECKPOINT, empty)]), Published::Withdrawn);
            assert_eq!(parsed(&[origin, key, (CHECKPOINT, empty)]), Published::Withdrawn);
        }
        let Published::Checkpoint(checkpoint) = parsed(&[origin, key, (CHECKPOINT, "text\n")])
        else {
            panic!("it is there")
        };
        assert_eq!((checkpoint.origin.as_str(), checkpoint.text.as_str()), (ORIGIN, "text\n"));
        // Without its key it is still what the log must continue.
        assert!(matches!(parsed(&[(CHECKPOINT, "text")]), Published::Checkpoint(_)));
    }

    #[tokio::test]
    async fn only_a_checkpoint_that_continues_what_is_published_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, old) = log(&folder.path().join("log"), 3).await;
        let (_, grown) = log(&folder.path().join("log"), 4).await;
        assert_eq!(continues(&first, &grown, &old.text).await.unwrap(), 3);
        assert_eq!(size_of(&grown.text), Some(4));
        // The same key, and the log begun anew: shorter, and then longer.
        for entries in [1, 9] {
            let anew = folder.path().join(format!("anew-{entries}"));
            let (second, new) = log(&anew, entries).await;
            let error = continues(&second, &new, &old.text).await.unwrap_err();
            assert!(matches!(error, PublishError::Discontinued(_)), "{error}");
        }
    }
}
