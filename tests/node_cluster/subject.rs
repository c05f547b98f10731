//! A control and a namespace that it judges, which a test can make fail and pass.

use comptroller_core::api::{Control, ControlStatus, State};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{controlplane::wait, node::Node, release::LIMIT};

/// What a test changes and waits for.
pub struct Subject {
    name: &'static str,
    controls: Api<Control>,
    namespaces: Api<Namespace>,
}

impl Subject {
    /// A namespace of this name that passes a control of this name.
    pub async fn create(node: &Node, name: &'static str) -> Self {
        let client = node.client();
        let subject =
            Self { name, controls: Api::all(client.clone()), namespaces: Api::all(client) };
        subject.mend().await;
        let control = json!({
            "apiVersion": "comptroller.dev/v1alpha1",
            "kind": "Control",
            "metadata": { "name": name },
            "spec": {
                "title": "The namespace names its ticket",
                "criteria": ["CC6.1"],
                "owner": "platform",
                "severity": "Low",
                "test": { "cel": {
                    "resources": [
                        { "apiGroups": [""], "apiVersions": ["v1"], "resources": ["namespaces"] },
                    ],
                    "matchConditions": [
                        { "name": "ours", "expression": format!("object.metadata.name == '{name}'") },
                    ],
                    "validations": [{
                        "expression": "'ticket' in object.metadata.labels",
                        "message": "name the ticket",
                    }],
                } },
            },
        });
        let params = PatchParams::apply("test").force();
        subject.controls.patch(name, &params, &Patch::Apply(&control)).await.unwrap();
        subject.until(State::Passing).await;
        subject
    }

    /// Makes the control fail.
    pub async fn violate(&self) {
        self.label(json!({})).await;
    }

    /// Makes the control pass.
    pub async fn mend(&self) {
        self.label(json!({ "ticket": "4711" })).await;
    }

    async fn label(&self, mut labels: Value) {
        // What the pack wants of every namespace: this one must not be what it complains of.
        labels["env"] = json!("dev");
        labels["owner"] = json!("platform");
        labels["data"] = json!("internal");
        labels["pod-security.kubernetes.io/enforce"] = json!("restricted");
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": self.name, "labels": labels },
        });
        let params = PatchParams::apply("test").force();
        self.namespaces.patch(self.name, &params, &Patch::Apply(&namespace)).await.unwrap();
    }

    /// The status once it says so, with evidence.
    pub async fn until(&self, state: State) -> ControlStatus {
        let mut last = None;
        let found =
            wait::until(&format!("{} is {}", self.name, state.as_str()), LIMIT, async || {
                last = self.controls.get(self.name).await.ok().and_then(|control| control.status);
                last.clone().filter(|status| status.state == state && status.evidence.is_some())
            })
            .await;
        found.unwrap_or_else(|error| panic!("{error}; last status: {last:#?}"))
    }
}
