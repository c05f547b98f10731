//! Who runs this operator, by what the API server says of its pod and its user, with no right beyond
//! what it has anyway: to list pods, and what everybody may ask of themselves.

use std::{ffi::OsString, time::Duration};

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{ContainerStatus, Pod},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};

use comptroller_recorder::OperatorIdentity;

/// How long asking may take: the log is not open before.
const TIMEOUT: Duration = Duration::from_secs(4);

/// How soon to look again for the image of a pod whose status the kubelet has not written yet.
const AGAIN: Duration = Duration::from_millis(700);

/// The container of the operator, as config/manager names it.
const CONTAINER: &str = "comptroller";

/// What the environment of the process says of it.
#[derive(Clone, Debug, Default)]
pub struct ProcessFacts {
    /// The namespace of the pod.
    pub namespace: String,
    /// The name of the pod. None outside one.
    pub pod: Option<String>,
    /// The node, by the downward API.
    pub node: Option<String>,
    /// The image, where whoever deploys the operator says it.
    pub image: Option<String>,
    /// The command line, without the program.
    pub flags: Vec<String>,
}

impl ProcessFacts {
    /// Of this process, in a namespace.
    pub fn of_this_process(namespace: &str) -> Self {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let text = |argument: OsString| argument.to_string_lossy().into_owned();
        Self {
            namespace: namespace.to_owned(),
            pod: named("POD_NAME"),
            node: named("NODE_NAME"),
            image: named("COMPTROLLER_IMAGE"),
            flags: std::env::args_os().skip(1).map(text).collect(),
        }
    }
}

/// Asks who runs the operator. What is not answered in time is left out.
pub async fn identity(client: Client, facts: ProcessFacts) -> OperatorIdentity {
    let (user, pod) = tokio::join!(
        tokio::time::timeout(TIMEOUT, user(&client)),
        tokio::time::timeout(TIMEOUT, pod(&client, &facts)),
    );
    let pod = pod.ok().flatten();
    let on_node = || pod.as_ref()?.spec.as_ref()?.node_name.clone();
    OperatorIdentity {
        image: pod.as_ref().and_then(image).or(facts.image),
        node: facts.node.or_else(on_node),
        user: user.ok().flatten(),
        flags: facts.flags,
    }
}

/// As whom the API server knows this process. It needs no right of its own.
async fn user(client: &Client) -> Option<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let asked = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let review =
        asked.inspect_err(|error| tracing::debug!(%error, "the user is not known")).ok()?;
    review.status?.user_info?.username
}

/// The pod of this process, once its status names the image, by a list: the operator may not get one.
async fn pod(client: &Client, facts: &ProcessFacts) -> Option<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &facts.namespace);
    let name = facts.pod.as_ref()?;
    let one = ListParams::default().fields(&format!("metadata.name={name}"));
    let mut tries = 3;
    loop {
        let listed = pods.list(&one).await;
        let listed =
            listed.inspect_err(|error| tracing::debug!(%error, "the pod is not known")).ok()?;
        let pod = listed.items.into_iter().next()?;
        tries -= 1;
        if tries == 0 || image(&pod).is_some() {
            return Some(pod);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The image that the kubelet runs, with its digest; None before it says so.
fn image(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let own = statuses.iter().find(|status| status.name == CONTAINER).or_else(|| statuses.first());
    let ContainerStatus { image, image_id, .. } = own?;
    // Runtimes differ in what comes before the digest.
    let (_, digest) = image_id.rsplit_once("sha256:")?;
    let name = image.split_once('@').map_or(image.as_str(), |(name, _)| name);
    Some(format!("{name}@sha256:{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_image_is_named_with_the_digest_that_runs() {
        for (image_name, id, expected) in [
            (
                "ghcr.io/x/comptroller:1",
                "ghcr.io/x/comptroller@sha256:ab",
                Some("ghcr.io/x/comptroller:1@sha256:ab"),
            ),
            ("x@sha256:ab", "docker-pullable://x@sha256:ab", Some("x@sha256:ab")),
            ("x:1", "sha256:cd", Some("x:1@sha256:cd")),
            ("x:1", "", None),
        ] {
            let pod = json!({"status": {"containerStatuses": [
                {"name": "sidecar", "image": "s", "imageID": "sha256:00", "ready": true, "restartCount": 0},
                {"name": "comptroller", "image": image_name, "imageID": id, "ready": true, "restartCount": 0},
            ]}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            assert_eq!(image(&pod).as_deref(), expected);
        }
    }
}
