//! The pack on clusters as they come, on a real API server: with the profiles of what runs there and
//! the policies that come with the operator, at most two controls fail, and what is not served is nothing
//! to judge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod controlplane;

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use controlplane::ControlPlane;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The states of the pack with these profiles, as `pack | scan --cluster --controls -` tells them.
fn states(plane: &ControlPlane, user: &str, profiles: &str) -> BTreeMap<String, (String, String)> {
    let comptroller = || Command::new(env!("CARGO_BIN_EXE_comptroller"));
    let pack = comptroller().args(["pack", "--for", profiles]).output().unwrap();
    assert!(pack.status.success(), "{}", String::from_utf8_lossy(&pack.stderr));
    let mut scan = comptroller()
        .args(["scan", "--cluster", "--controls", "-", "-o", "json", "--kubeconfig"])
        .arg(plane.kubeconfig(user))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    scan.stdin.take().unwrap().write_all(&pack.stdout).unwrap();
    let output = scan.wait_with_output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(result["errors"], Value::Array(Vec::new()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let controls = result["controls"].as_array().unwrap().iter();
    controls
        .map(|control| {
            let state = (text(&control["state"]), text(&control["reason"]));
            (text(&control["name"]), state)
        })
        .collect()
}

fn of_state<'a>(states: &'a BTreeMap<String, (String, String)>, wanted: &str) -> Vec<&'a str> {
    states.iter().filter(|(_, (state, _))| state == wanted).map(|(name, _)| name.as_str()).collect()
}

async fn apply(plane: &ControlPlane, path: &str) {
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "-f", &format!("{ROOT}/{path}")];
    let output = plane.kubectl("admin", &arguments).await.unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What config/default installs beside the operator, as far as the pack judges it.
async fn install_policies(plane: &ControlPlane) {
    apply(plane, "config/manager/namespace.yaml").await;
    let arguments = ["apply", "--server-side", "-k", &format!("{ROOT}/config/admission")];
    let output = plane.kubectl("admin", &arguments).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// True, and for the owner to mend: the namespace `default` enforces nothing.
const TRUE: [&str; 1] = ["pod-security-baseline"];
/// What fails as well for as long as the operator's policies are not installed.
const UNGUARDED: &str = "evidence-is-guarded";
/// What this API server shows nothing of, who works here before anybody has imported it, and what an account
/// or a provisioner may do by itself.
const UNSEEN: [&str; 3] = ["secrets-encrypted-at-rest", "users-are-known", "volumes-are-encrypted"];

#[tokio::test]
async fn at_most_two_controls_fail_on_a_stock_cluster() {
    for distribution in ["aks", "eks", "gke", "k3s", "kubeadm", "rke2"] {
        let plane = ControlPlane::builder().start().await.unwrap();
        apply(&plane, &format!("tests/fixtures/stock/{distribution}.yaml")).await;
        let before = states(&plane, "admin", distribution);
        assert_eq!(of_state(&before, "Failing"), [UNGUARDED, TRUE[0]], "{distribution}");
        install_policies(&plane).await;
        let states = states(&plane, "admin", distribution);
        assert_eq!(states[UNGUARDED].0, "Passing", "{distribution}: {states:#?}");
        assert_eq!(of_state(&states, "Failing"), TRUE, "{distribution}: {states:#?}");
        let unknown = of_state(&states, "Unknown");
        assert!(unknown.iter().all(|name| UNSEEN.contains(name)), "{unknown:?}");
    }
}

#[tokio::test]
async fn every_add_on_at_once_fails_in_what_the_company_can_mend() {
    let plane = ControlPlane::builder().start().await.unwrap();
    apply(&plane, "tests/fixtures/stock/kubeadm.yaml").await;
    apply(&plane, "tests/fixtures/stock/addons").await;
    install_policies(&plane).await;
    let mut profiles = vec!["kubeadm".to_owned()];
    for entry in std::fs::read_dir(format!("{ROOT}/tests/fixtures/stock/addons")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        profiles.push(name.trim_end_matches(".yaml").to_owned());
    }
    let states = states(&plane, "admin", &profiles.join(","));
    let expected = [
        "images-are-pinned-and-known",
        "namespaces-are-described",
        "pod-security-baseline",
        // Longhorn's class encrypts only when it is told to.
        "volumes-are-encrypted",
        "workloads-are-operable",
    ];
    assert_eq!(of_state(&states, "Failing"), expected, "{states:#?}");
}

/// An aggregated API without anybody behind it.
const UNREACHABLE: &str = "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.gateway.networking.k8s.io}
spec:
  group: gateway.networking.k8s.io
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 15
  insecureSkipTLSVerify: true
  service: {namespace: default, name: nobody}
";

#[tokio::test]
async fn what_is_not_served_is_nothing_to_judge_and_what_cannot_be_read_is_unknown() {
    const ABSENT: [&str; 2] = ["certificates-do-not-expire", "gateways-have-tls"];
    let plane = ControlPlane::builder().start().await.unwrap();
    let served = states(&plane, "admin", "kubeadm");
    for control in ABSENT {
        assert_eq!(served[control], ("NotApplicable".into(), "NoPopulation".into()), "{control}");
    }
    // A group that does not answer may hold anything.
    let input = ["apply", "--server-side", "-f", "-"];
    let output = plane.kubectl_with_input("admin", &input, UNREACHABLE).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let unreachable = states(&plane, "admin", "kubeadm");
    assert_eq!(unreachable["gateways-have-tls"].0, "Unknown", "{unreachable:#?}");
    assert_eq!(unreachable["certificates-do-not-expire"].0, "NotApplicable");
    let delete = ["delete", "apiservice", "v1.gateway.networking.k8s.io"];
    assert!(plane.kubectl("admin", &delete).await.unwrap().status.success());
    // Nor does it pass where the kind is served and may not be read.
    let crd = format!("{ROOT}/config/samples/crds/cert-manager.yaml");
    let install = ["apply", "--server-side", "-f", &crd];
    assert!(plane.kubectl("admin", &install).await.unwrap().status.success());
    plane.until_served(&["certificates.cert-manager.io"]).await.unwrap();
    let forbidden = states(&plane, "developer", "kubeadm");
    assert_eq!(forbidden["certificates-do-not-expire"], ("Unknown".into(), "Forbidden".into()));
}
