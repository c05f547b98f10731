//! A cluster with people who attest, and a writer who records for them.

use comptroller_core::api::{Attestation, ControlException, DeviationResponse};
use kube::{
    Api, CustomResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT, kubectl},
};

pub const SAM: &str = "sam@corp";
pub const ANN: &str = "ann@corp";
pub const GITOPS: &str = "system:serviceaccount:argocd:argocd-application-controller";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The shipped policies, the roles of people, and a writer in the parameter.
pub async fn cluster() -> Bench {
    let plane = ControlPlane::builder()
        .user(SAM, &["security"])
        .user(ANN, &[])
        .user(GITOPS, &[])
        .start()
        .await
        .unwrap();
    plane.keep_logs_on_panic();
    let bench = Bench::without_operator(plane).await;
    kubectl(&bench.plane, &["create", "namespace", "comptroller-system"]).await;
    for folder in ["config/admission", "config/rbac"] {
        kubectl(&bench.plane, &["apply", "-k", &format!("{ROOT}/{folder}")]).await;
    }
    let writer = json!({"data": {"argocd": GITOPS}}).to_string();
    kubectl(
        &bench.plane,
        &["-n=comptroller-system", "patch", "configmap/comptroller-record-writers", "-p", &writer],
    )
    .await;
    for person in [SAM, ANN, GITOPS] {
        let name = person.replace([':', '@'], "-");
        let user = format!("--user={person}");
        for role in ["comptroller-attester", "comptroller-editor", "comptroller-responder"] {
            let name = format!("{name}-{role}");
            let role = format!("--clusterrole={role}");
            kubectl(&bench.plane, &["create", "clusterrolebinding", &name, &role, &user]).await;
        }
    }
    in_force(&bench).await;
    bench
}

/// Policies hold a moment after they are there, and so does what their parameter says.
async fn in_force(bench: &Bench) {
    wait::until("the policies are in force", LIMIT, async || {
        let forged = attempt(bench, SAM, attestation("forged", ANN, &json!({}))).await;
        let for_other = json!({"recordedBy": GITOPS});
        let written = attempt(bench, GITOPS, attestation("written", ANN, &for_other)).await;
        let exception = attempt(bench, SAM, exception("forged", ANN)).await;
        (forged.is_err_and(|why| why.contains("attestedBy must be you"))
            && written.is_ok()
            && exception.is_err_and(|why| why.contains("requestedBy must be you")))
        .then_some(())
    })
    .await
    .unwrap();
}

pub fn attestation(name: &str, attested_by: &str, more: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "Attestation",
        "metadata": {"name": name},
        "spec": {
            "control": "risks",
            "period": "2026",
            "attestedBy": attested_by,
            "performedAt": jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap(),
            "summary": "Done.",
            "outcome": "Completed",
        },
    });
    for (field, value) in more.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

pub fn exception(name: &str, requested_by: &str) -> Value {
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 100);
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "ControlException",
        "metadata": {"name": name},
        "spec": {
            "controls": ["risks"],
            "resources": [{"kind": "Occurrence", "name": "*"}],
            "reason": "A merger.",
            "requestedBy": requested_by,
            "expires": jiff::Timestamp::from_second(expires.as_second()).unwrap(),
        },
    })
}

fn api(bench: &Bench, user: &str, object: &Value) -> Api<DynamicObject> {
    let resource = match object["kind"].as_str() {
        Some("Attestation") => Attestation::api_resource(),
        Some("DeviationResponse") => DeviationResponse::api_resource(),
        _ => ControlException::api_resource(),
    };
    Api::all_with(bench.plane.client(user), &resource)
}

/// Whether somebody could create the object; why not, if they could not.
pub async fn attempt(bench: &Bench, user: &str, object: Value) -> Result<(), String> {
    send(bench, user, object, true).await
}

/// Creates the object; why not, if it was refused.
pub async fn create(bench: &Bench, user: &str, object: Value) -> Result<(), String> {
    send(bench, user, object, false).await
}

async fn send(bench: &Bench, user: &str, object: Value, dry_run: bool) -> Result<(), String> {
    let params = PostParams { dry_run, ..PostParams::default() };
    let api = api(bench, user, &object);
    let object = serde_json::from_value(object).unwrap();
    match api.create(&params, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{other}"),
    }
}

/// Changes the spec of an exception; why not, if it was refused.
pub async fn change(bench: &Bench, user: &str, name: &str, patch: Value) -> Result<(), String> {
    let api = api(bench, user, &exception(name, user));
    let patch = Patch::Merge(json!({"spec": patch}));
    match api.patch(name, &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("{other}"),
    }
}
