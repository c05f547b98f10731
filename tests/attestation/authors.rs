//! Records are bound to who writes them.

use comptroller_core::api::Attestation;
use kube::Api;
use serde_json::{Value, json};

use crate::{
    controlplane::wait,
    people::{ANN, GITOPS, SAM, attempt, attestation, change, cluster, create, exception},
    process::{LIMIT, kubectl},
};

#[tokio::test]
async fn nobody_attests_or_requests_as_another() {
    let bench = cluster().await;
    create(&bench, SAM, attestation("own", SAM, &json!({}))).await.unwrap();
    let on_behalf = json!({"recordedBy": GITOPS});
    create(&bench, GITOPS, attestation("behalf", ANN, &on_behalf)).await.unwrap();
    let stored = Api::<Attestation>::all(bench.client.clone()).get("behalf").await.unwrap();
    assert_eq!(stored.spec.recorded_by.as_deref(), Some(GITOPS));

    for (user, object, wanted) in [
        (
            SAM,
            attestation("x", ANN, &json!({})),
            "spec.attestedBy must be you, sam@corp, and not ann@corp",
        ),
        ("admin", attestation("x", ANN, &json!({})), "spec.attestedBy must be you, admin"),
        // Saying that it is on behalf makes nobody a writer.
        (
            SAM,
            attestation("x", ANN, &json!({"recordedBy": SAM})),
            "must be you, sam@corp, and not ann@corp",
        ),
        (
            GITOPS,
            attestation("x", ANN, &json!({})),
            "must say who wrote it: set spec.recordedBy to system:serviceaccount:argocd",
        ),
        (GITOPS, attestation("x", ANN, &json!({"recordedBy": SAM})), "must say who wrote it"),
        (
            SAM,
            attestation("x", SAM, &json!({"recordedBy": GITOPS})),
            "spec.recordedBy must be you, sam@corp",
        ),
        (SAM, exception("x", ANN), "spec.requestedBy must be you, sam@corp, and not ann@corp"),
        (GITOPS, exception("x", ANN), "must also set spec.recordedBy to its own name"),
    ] {
        let why = attempt(&bench, user, object.clone()).await.expect_err(wanted);
        assert!(why.contains(wanted), "{user} {}: {why}", object["spec"]);
    }
    create(&bench, SAM, exception("own", SAM)).await.unwrap();
    let mut behalf = exception("behalf", ANN);
    behalf["spec"]["recordedBy"] = GITOPS.into();
    create(&bench, GITOPS, behalf).await.unwrap();
    approvals(&bench).await;
    attesters(&bench).await;
    approvers(&bench).await;

    // Without its parameter nothing is let through.
    kubectl(
        &bench.plane,
        &["-n=comptroller-system", "delete", "configmap/comptroller-record-writers"],
    )
    .await;
    wait::until("the parameter is missed", LIMIT, async || {
        attempt(&bench, SAM, attestation("x", SAM, &json!({}))).await.err()
    })
    .await
    .unwrap();
}

/// An exception is approved by another than who requested or recorded it, by the own name.
async fn approvals(bench: &crate::process::Bench) {
    let approve = |user: &str| json!({"approvedBy": user});
    for (user, name, patch, wanted) in [
        (ANN, "own", approve("eve@corp"), "can only be set by the approver, to their own name"),
        (SAM, "own", approve(SAM), "approvedBy must be a different person from requestedBy"),
        (SAM, "own", approve(ANN), "can only be set by the approver"),
        (
            GITOPS,
            "behalf",
            approve(GITOPS),
            "approvedBy must be a different person from recordedBy",
        ),
    ] {
        let why = change(bench, user, name, patch.clone()).await.expect_err(wanted);
        assert!(why.contains(wanted), "{user} {name} {patch}: {why}");
    }
    let mut approved = exception("x", SAM);
    approved["spec"]["approvedBy"] = ANN.into();
    let why = attempt(bench, SAM, approved).await.unwrap_err();
    assert!(why.contains("approved after it is requested"), "{why}");

    change(bench, ANN, "own", approve(ANN)).await.unwrap();
    let why = change(bench, SAM, "own", json!({"approvedBy": Value::Null})).await.unwrap_err();
    assert!(why.contains("approvedBy"), "{why}");
    // What does not touch the approval is nobody's concern here.
    let label = ["label", "ctlex", "own", "team=payments"];
    kubectl(&bench.plane, &label).await;
}

/// Who approves an exception is one of the approvers of each of its controls.
async fn approvers(bench: &crate::process::Bench) {
    bench
        .apply(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: approved}
spec:
  title: Exceptions are approved by a group
  criteria: [CC3.2]
  owner: security
  severity: Low
  approvers: {users: [eve@corp], groups: [security]}
  test:
    attestation: {every: 1y}
",
        )
        .await;
    let mut object = exception("grouped", GITOPS);
    object["spec"]["controls"] = json!(["another", "approved"]);
    create(bench, GITOPS, object).await.unwrap();
    // The policy knows the control after a moment.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let why = change(bench, ANN, "grouped", json!({"approvedBy": ANN})).await.unwrap_err();
    assert!(why.contains("ann@corp is not among the approvers of the control approved"), "{why}");
    // What leaves the approval alone is nobody's concern here.
    kubectl(&bench.plane, &["label", "ctlex", "grouped", "team=payments"]).await;
    change(bench, SAM, "grouped", json!({"approvedBy": SAM})).await.unwrap();
}

/// Membership of a group is checked where it is known.
async fn attesters(bench: &crate::process::Bench) {
    bench
        .apply(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: grouped}
spec:
  title: Attested by a group
  criteria: [CC3.2]
  owner: security
  severity: Low
  test:
    attestation: {every: 1y, attesters: {users: [eve@corp], groups: [security]}}
",
        )
        .await;
    let of = |person: &str| attestation("x", person, &json!({"control": "grouped"}));
    wait::until("the policy knows the control", LIMIT, async || {
        attempt(bench, ANN, of(ANN)).await.err()
    })
    .await
    .map(|why| assert!(why.contains("ann@corp is not among the attesters of the control grouped")))
    .unwrap();
    attempt(bench, SAM, of(SAM)).await.unwrap();
    // The groups of a writer say nothing of whom it writes for.
    let mut behalf = of(SAM);
    behalf["spec"]["recordedBy"] = GITOPS.into();
    attempt(bench, GITOPS, behalf).await.unwrap_err();
    let mut listed = of("eve@corp");
    listed["spec"]["recordedBy"] = GITOPS.into();
    attempt(bench, GITOPS, listed).await.unwrap();
}
