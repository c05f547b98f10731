//! Publishes what vouches for the log where who can rewrite the log may not reach: in a `ConfigMap`.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::evidence::{Anchor, Evidence};

/// The name of the `ConfigMap`, in the operator's namespace.
pub const CONFIG_MAP: &str = "comptroller-evidence";

/// The field manager.
const MANAGER: &str = "comptroller/evidence";

/// How often at most. A checkpoint that is a minute old still shows that a log was rolled back.
const EVERY: Duration = Duration::from_mins(1);

/// One call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes the newest checkpoint whenever it changed, for as long as the operator runs.
pub async fn publish(client: Client, namespace: String, evidence: Evidence) {
    let Some(mut anchor) = evidence.anchor() else {
        // Whoever waits for this task would take its end for a failure.
        return std::future::pending().await;
    };
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let mut failing = false;
    loop {
        if anchor.changed().await.is_err() {
            return std::future::pending().await;
        }
        loop {
            let newest = anchor.borrow_and_update().clone();
            let Some(newest) = newest else { break };
            let written = tokio::time::timeout(TIMEOUT, write(&api, &newest)).await;
            let error = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer within 10 s".to_owned()),
            };
            // Logged when it begins to fail, not each time.
            let was_failing = std::mem::replace(&mut failing, error.is_some());
            if let Some(error) = error.as_ref().filter(|_| !was_failing) {
                tracing::warn!(
                    %error,
                    "the checkpoint can't be published: the ConfigMap {namespace}/{CONFIG_MAP} must exist, and the operator needs patch on it"
                );
            }
            tokio::time::sleep(EVERY).await;
            if error.is_none() {
                break;
            }
        }
    }
}

async fn write(api: &Api<ConfigMap>, anchor: &Anchor) -> kube::Result<()> {
    let Anchor { origin, verifier_key, checkpoint } = anchor;
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {"origin": origin, "verifier-key": verifier_key, "checkpoint": checkpoint},
    });
    let params = PatchParams::apply(MANAGER).force();
    api.patch(CONFIG_MAP, &params, &Patch::Apply(object)).await.map(drop)
}
