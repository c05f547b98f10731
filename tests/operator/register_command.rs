//! The register of grants as the operator keeps it, read by whoever has the log: a grant that lives for
//! moments is in it, with its entries, and can be drawn.

use std::{path::Path, process::Command};

use comptroller_evidence::{entry::Data, register::RegisterItem};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    controlplane::{ControlPlane, wait},
    log::entries,
    process::{Bench, LIMIT},
};

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: admins}
spec:
  title: Nobody is an administrator for good
  criteria: [CC6.1]
  owner: platform
  severity: High
  test: {rbac: {forbid: [ClusterAdmin]}}
";

const GRANT: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: for-an-hour}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@acme.example}]
";

fn is_short(item: &RegisterItem) -> bool {
    item.fields.get("binding").and_then(Value::as_str) == Some("ClusterRoleBinding/for-an-hour")
}

/// Waits for an entry of the register that has the grant in a list of its; returns its index.
async fn entry_of(log: &Path, what: &str, went: bool) -> usize {
    wait::until(what, LIMIT, async || {
        entries(log).await.into_iter().enumerate().find_map(|(index, entry)| match entry.data {
            Data::Register(data) if entry.subject.name == "grants" => {
                let items = if went { &data.removed } else { &data.added };
                items.iter().any(is_short).then_some(index)
            }
            _ => None,
        })
    })
    .await
    .unwrap()
}

fn comptroller(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    let output = command.args(arguments).args(["-o", "json"]).output().unwrap();
    let (text, told) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(!text.is_empty(), "{arguments:?}: {told}");
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_lived_for_moments_is_in_the_register_of_the_window_and_can_be_drawn() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let log = bench.plane.dir().join("evidence");
    let location = log.to_str().unwrap().to_owned();
    bench.apply(CONTROL).await;
    let kubeconfig = bench.plane.kubeconfig("admin");
    let start = Timestamp::now();
    bench.start_operator_as(kubeconfig.clone(), &["--evidence", &location]).await;
    wait::until("the register begins", LIMIT, async || {
        entries(&log).await.iter().any(|entry| entry.subject.name == "grants").then_some(())
    })
    .await
    .unwrap();
    bench.apply(GRANT).await;
    let came = entry_of(&log, "the grant in the register", false).await;
    bench.delete(GRANT).await;
    let went = entry_of(&log, "the grant out of the register", true).await;
    bench.stop_operator().await;

    let window =
        [start.to_string(), (Timestamp::now() + std::time::Duration::from_mins(1)).to_string()];
    let of_window = ["--from", &window[0], "--to", &window[1]];
    let register =
        comptroller(&[&["register", "grants", "--evidence", &location], &of_window[..]].concat());
    let items = register["items"].as_array().unwrap();
    let of = |item: &&Value| item["fields"]["binding"] == "ClusterRoleBinding/for-an-hour";
    let short = items.iter().find(of).unwrap_or_else(|| panic!("{register:#}"));
    assert_eq!((&short["came"]["entry"], &short["went"]["entry"]), (&came.into(), &went.into()));
    assert!(!register.to_string().contains("jane@acme.example"), "people are pseudonyms");

    let size = items.len().to_string();
    let start =
        ["evidence", "sample", &location, "--register", "grants", "--size", &size, "--seed", "1"];
    let sample = comptroller(&[&start[..], &of_window[..]].concat());
    let drawn = sample["items"].as_array().unwrap();
    let drawn = drawn.iter().find(of).unwrap_or_else(|| panic!("{sample:#}"));
    assert_eq!((&drawn["came"]["entry"], &drawn["went"]["entry"]), (&came.into(), &went.into()));

    // Of the cluster now it is not there, and everybody else is; people are named, as kubectl names them.
    let kubeconfig = kubeconfig.to_str().unwrap();
    let now = comptroller(&["register", "grants", "--cluster", "--kubeconfig", kubeconfig]);
    let items = now["items"].as_array().unwrap();
    assert!(!items.iter().any(|item| of(&item)) && items.len() > 10, "{now:#}");
}
