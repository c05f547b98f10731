//! Publishes what vouches for the log where who can rewrite the log may not reach: in a `ConfigMap`.
//!
//! What is there is the only witness of a log that was deleted and begun anew, so it is replaced
//! only by a checkpoint that continues it.

use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::evidence::{Anchor, Evidence, key::VerifierKey, log::LogReader, store, verify};

/// The name of the `ConfigMap`, in the operator's namespace.
pub const CONFIG_MAP: &str = "comptroller-evidence";

/// The field of the newest checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// The field manager.
const MANAGER: &str = "comptroller/evidence";

/// How often at most. A checkpoint that is a minute old still shows that a log was rolled back.
const EVERY: Duration = Duration::from_mins(1);

/// Many entries come at once, as after a start: one write has them all.
const GATHER: Duration = Duration::from_secs(10);

/// One call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a checkpoint is not published.
#[derive(Debug, thiserror::Error)]
enum AnchorError {
    #[error("{0}: the ConfigMap must exist, and the operator needs patch on it")]
    Api(#[from] kube::Error),
    #[error("no answer within 10 s")]
    Late,
    #[error(
        "the log does not continue the checkpoint that is published there ({0}): if it was deleted, cut or replaced, keep that checkpoint as a proof of it; to publish this log, remove {CHECKPOINT} from the data of the ConfigMap"
    )]
    Discontinued(String),
}

/// Publishes the newest checkpoint whenever it changed, for as long as the operator runs.
pub async fn publish(client: Client, namespace: String, evidence: Evidence) {
    let Some(mut anchor) = evidence.anchor() else {
        // Whoever waits for this task would take its end for a failure.
        return std::future::pending().await;
    };
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let location = evidence.location().unwrap_or_default().to_owned();
    let mut failing = false;
    let mut published: Option<String> = None;
    loop {
        if anchor.changed().await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(GATHER).await;
        loop {
            let newest = anchor.borrow_and_update().clone();
            let Some(newest) = newest else { break };
            let replaced = replace(&api, &location, published.as_deref(), &newest);
            let error = tokio::time::timeout(TIMEOUT, replaced)
                .await
                .unwrap_or(Err(AnchorError::Late))
                .err();
            if error.is_none() {
                published = Some(newest.checkpoint);
            }
            // Logged when it begins to fail, not each time.
            let was_failing = std::mem::replace(&mut failing, error.is_some());
            if let Some(error) = error.as_ref().filter(|_| !was_failing) {
                tracing::warn!(
                    %error,
                    "the checkpoint can't be published in the ConfigMap {namespace}/{CONFIG_MAP}"
                );
            }
            tokio::time::sleep(EVERY).await;
            if error.is_none() {
                break;
            }
        }
    }
}

/// Replaces what is published, unless it is another's and says that something is lost.
async fn replace(
    api: &Api<ConfigMap>,
    location: &str,
    published: Option<&str>,
    newest: &Anchor,
) -> Result<(), AnchorError> {
    if let Some(there) = read(api).await?.filter(|there| Some(there.as_str()) != published) {
        continues(location, newest, &there).await?;
    }
    Ok(write(api, newest).await?)
}

/// The checkpoint that is published. A patch that changes nothing reads, and needs no further right.
async fn read(api: &Api<ConfigMap>) -> kube::Result<Option<String>> {
    let nothing = Patch::Merge(json!({}));
    let there = match api.patch(CONFIG_MAP, &PatchParams::default(), &nothing).await {
        Ok(there) => there,
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(there.data.and_then(|mut data| data.remove(CHECKPOINT)))
}

/// Checks that the log continues a checkpoint.
async fn continues(location: &str, newest: &Anchor, there: &str) -> Result<(), AnchorError> {
    let check = async {
        let key = VerifierKey::parse(&newest.verifier_key).map_err(|error| error.to_string())?;
        let store = store::open(location).map_err(|error| error.to_string())?;
        let log = LogReader::open(store, Some(key)).boxed().await;
        let log = log.map_err(|error| error.to_string())?;
        let continued = verify::continues(&log, there.as_bytes()).boxed().await;
        continued.map(drop).map_err(|error| error.to_string())
    };
    check.await.map_err(AnchorError::Discontinued)
}

async fn write(api: &Api<ConfigMap>, anchor: &Anchor) -> kube::Result<()> {
    let Anchor { origin, verifier_key, checkpoint } = anchor;
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {"origin": origin, "verifier-key": verifier_key, CHECKPOINT: checkpoint},
    });
    let params = PatchParams::apply(MANAGER).force();
    api.patch(CONFIG_MAP, &params, &Patch::Apply(object)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::evidence::{key::SigningKey, log::LogWriter};

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

    async fn log(folder: &Path, entries: usize) -> (String, Anchor) {
        let location = folder.to_str().unwrap().to_owned();
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let store = store::open(&location).unwrap();
        let mut log = LogWriter::open(store, key, ORIGIN).await.unwrap();
        log.append(&vec![location.clone().into_bytes(); entries]).await.unwrap();
        let anchor = Anchor {
            origin: ORIGIN.to_owned(),
            verifier_key: log.verifier_key(),
            checkpoint: log.checkpoint().to_owned(),
        };
        (location, anchor)
    }

    #[tokio::test]
    async fn only_a_checkpoint_that_continues_what_is_published_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, old) = log(&folder.path().join("log"), 3).await;
        let (_, grown) = log(&folder.path().join("log"), 4).await;
        continues(&first, &grown, &old.checkpoint).await.unwrap();
        // The same key, and the log begun anew: shorter, and then longer.
        for entries in [1, 9] {
            let anew = folder.path().join(format!("anew-{entries}"));
            let (second, new) = log(&anew, entries).await;
            let error = continues(&second, &new, &old.checkpoint).await.unwrap_err();
            assert!(matches!(error, AnchorError::Discontinued(_)), "{error}");
        }
    }
}
