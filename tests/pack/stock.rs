//! The pack on clusters as they come: a distribution or an add-on by itself, with its profile and
//! without. `tests/stock.rs` does the same on a real API server.

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use comptroller_core::{
    api::{Control, State},
    engine::{ObservedFinding, Verdict},
    inventory::{ApiServer, api_server::Transformations},
};
use serde_json::Value;

use super::{
    controls::control,
    files::{kustomize, manifests, name, objects, objects_of, path},
    fresh::{admission, born},
    world::judge,
};

const STOCK: &str = "tests/fixtures/stock";

/// The controls that `comptroller pack` prints for these profiles.
pub fn pack_for(profiles: &str) -> Vec<Control> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    command.arg("pack");
    if !profiles.is_empty() {
        command.args(["--for", profiles]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    objects("pack", &text).iter().map(|object| control(profiles, object)).collect()
}

fn stock(name: &str) -> Vec<Value> {
    let distributions = manifests(STOCK);
    let file = format!("{name}.yaml");
    let folder =
        if distributions.contains(&file) { STOCK.to_owned() } else { format!("{STOCK}/addons") };
    objects_of(&format!("{folder}/{file}"))
}

/// A cluster on which the policies are installed that come with the operator.
fn judged(fixtures: &[&str], profiles: &str, more: &[Value]) -> BTreeMap<String, Verdict> {
    let mut cluster = born();
    cluster.extend(admission());
    for fixture in fixtures {
        for object in stock(fixture) {
            let same = |known: &Value| {
                known["kind"] == object["kind"]
                    && known["metadata"]["name"] == object["metadata"]["name"]
                    && known["metadata"]["namespace"] == object["metadata"]["namespace"]
            };
            if !cluster.iter().any(same) {
                cluster.push(object);
            }
        }
    }
    cluster.extend_from_slice(more);
    let encrypts_nothing = ApiServer::Observed(Transformations::default());
    judge(pack_for(profiles), &[], &cluster, encrypts_nothing)
}

/// The controls that fail, with how many items of each.
fn failing(verdicts: &BTreeMap<String, Verdict>) -> String {
    let failing = verdicts.iter().filter(|(_, verdict)| verdict.failing > 0);
    let mut text = String::new();
    for (name, verdict) in failing {
        let _ = write!(text, "{name} {}, ", verdict.failing);
    }
    text.trim_end_matches(", ").to_owned()
}

/// The controls of which some item could not be judged.
fn unknown(verdicts: &BTreeMap<String, Verdict>) -> Vec<&str> {
    let unknown = verdicts.iter().filter(|(_, verdict)| verdict.state == State::Unknown);
    unknown.map(|(name, _)| name.as_str()).collect()
}

/// What fails on a cluster of each kind with its profile: the namespace `default` enforces nothing,
/// and the API server of these tests encrypts nothing. Both are true and can be mended.
const DISTRIBUTION: &str = "pod-security-baseline 1, secrets-encrypted-at-rest 1";

#[test]
fn a_stock_cluster_with_its_profile_fails_in_two_things_that_are_true() {
    let names = manifests(STOCK);
    assert_eq!(names.len(), 6);
    for file in names {
        let name = file.trim_end_matches(".yaml");
        let before = judged(&[name], "", &[]);
        let after = judged(&[name], name, &[]);
        assert_eq!(failing(&after), DISTRIBUTION, "{name}: {:#?}", told(&after));
        let fewer = before.values().filter(|verdict| verdict.failing > 0).count();
        assert!(fewer > 2, "{name}: its profile does nothing: {}", failing(&before));
        let honest: &[&str] = match name {
            // The account or the provisioner may encrypt; the cluster can't show it.
            "eks" | "k3s" => &["volumes-are-encrypted"],
            _ => &[],
        };
        assert_eq!(unknown(&after), honest, "{name}");
    }
}

/// What fails on a cluster with one add-on and its profile, beyond what `DISTRIBUTION` names. All of
/// it is true and for the company to mend: the namespace has no labels and enforces nothing, the
/// images are named by tag, the workloads say not what they need.
const ADD_ONS: &[(&str, &str)] = &[
    (
        "argocd",
        "images-are-pinned-and-known 7, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1, workloads-are-operable 7",
    ),
    ("aws-load-balancer-controller", "pod-security-baseline 1, secrets-encrypted-at-rest 1"),
    ("calico", "pod-security-baseline 2, secrets-encrypted-at-rest 1"),
    (
        "cert-manager",
        "images-are-pinned-and-known 3, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1, workloads-are-operable 3",
    ),
    ("cilium", "pod-security-baseline 1, secrets-encrypted-at-rest 1"),
    ("cluster-autoscaler", "pod-security-baseline 1, secrets-encrypted-at-rest 1"),
    (
        "external-dns",
        "images-are-pinned-and-known 1, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1, workloads-are-operable 1",
    ),
    (
        "external-secrets",
        "images-are-pinned-and-known 3, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1, workloads-are-operable 3",
    ),
    ("flannel", "pod-security-baseline 1, secrets-encrypted-at-rest 1"),
    (
        "flux",
        "images-are-pinned-and-known 4, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1",
    ),
    (
        "ingress-nginx",
        "namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1",
    ),
    (
        "istio",
        "images-are-pinned-and-known 2, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1",
    ),
    ("karpenter", "pod-security-baseline 1, secrets-encrypted-at-rest 1"),
    (
        "keda",
        "images-are-pinned-and-known 3, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1",
    ),
    (
        "kube-prometheus-stack",
        "images-are-pinned-and-known 4, namespaces-are-described 1, pod-security-baseline 1, secrets-encrypted-at-rest 1, workloads-are-operable 4",
    ),
    (
        "kyverno",
        "images-are-pinned-and-known 4, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1",
    ),
    ("longhorn", "pod-security-baseline 1, secrets-encrypted-at-rest 1, volumes-are-encrypted 1"),
    ("metrics-server", "pod-security-baseline 1, secrets-encrypted-at-rest 1"),
    (
        "traefik",
        "images-are-pinned-and-known 1, namespaces-are-described 1, pod-security-baseline 2, secrets-encrypted-at-rest 1, workloads-are-operable 1",
    ),
    (
        "velero",
        "images-are-pinned-and-known 2, namespaces-are-described 1, pod-security-baseline 1, secrets-encrypted-at-rest 1, workloads-are-operable 2",
    ),
];

#[test]
fn an_add_on_with_its_profile_fails_in_nothing_that_it_needs() {
    let names: Vec<&str> = ADD_ONS.iter().map(|(name, _)| *name).collect();
    let files = manifests(&format!("{STOCK}/addons"));
    assert_eq!(names, files.iter().map(|file| file.trim_end_matches(".yaml")).collect::<Vec<_>>());
    for (name, expected) in ADD_ONS {
        let after = judged(&[name], name, &[]);
        assert_eq!(failing(&after), *expected, "{name}: {:#?}", told(&after));
    }
}

#[test]
fn add_ons_together_fail_in_no_more_than_one_by_one() {
    let common = [
        "kubeadm",
        "calico",
        "argocd",
        "cert-manager",
        "external-dns",
        "ingress-nginx",
        "kube-prometheus-stack",
        "metrics-server",
        "velero",
        "flux",
    ];
    let after = judged(&common, &common.join(","), &[]);
    assert_eq!(
        failing(&after),
        "images-are-pinned-and-known 21, namespaces-are-described 7, pod-security-baseline 7, \
         secrets-encrypted-at-rest 1, workloads-are-operable 17"
    );
}

/// The findings as lines that name control, rule and resource.
fn told(verdicts: &BTreeMap<String, Verdict>) -> Vec<String> {
    let told = |(name, verdict): (&String, &Verdict)| -> Vec<String> {
        let word = |observed: &ObservedFinding| {
            let finding = &observed.finding;
            let by = finding.subject.as_deref().unwrap_or_default();
            format!("{name}: {} {} {by}: {}", finding.rule, finding.resource.name, finding.message)
        };
        verdict.findings.iter().map(word).collect()
    };
    verdicts.iter().flat_map(told).collect()
}

const ROLE: &str = "apiGroup: rbac.authorization.k8s.io, kind: ClusterRole";

fn administrator(binding: &str, subject: &str) -> String {
    format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: \"{binding}\"}},
          roleRef: {{{ROLE}, name: cluster-admin}}, subjects: [{{{subject}}}]}}"
    )
}

fn account(namespace: &str, name: &str) -> String {
    format!("kind: ServiceAccount, namespace: {namespace}, name: {name}")
}

fn user(name: &str) -> String {
    format!("apiGroup: rbac.authorization.k8s.io, kind: User, name: \"{name}\"")
}

fn privileged(kind: &str, namespace: &str, name: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: {kind}, metadata: {{namespace: {namespace}, name: {name}}}, spec: {{
          selector: {{matchLabels: {{app: x}}}}, template: {{metadata: {{labels: {{app: x}}}}, spec: {{containers: [
          {{name: x, image: x, securityContext: {{privileged: true}}}}]}}}}}}}}"
    )
}

fn balancer(namespace: &str, name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{namespace: {namespace}, name: {name}}}, spec: {{type: LoadBalancer}}}}"
    )
}

fn namespace(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")
}

/// Who looks like what a profile accepts, and the control that must find them: profile, object,
/// control, and the subject or the name in its finding.
fn look_alikes() -> Vec<(&'static str, String, &'static str, &'static str)> {
    const ADMIN: &str = "no-standing-cluster-admin";
    const SECRETS: &str = "secrets-readers-are-known";
    const PODS: &str = "pod-security-baseline";
    const DOORS: &str = "services-stay-inside";
    const GROUPS: &str = "rights-come-through-groups";
    let group = "apiGroup: rbac.authorization.k8s.io, kind: Group, name: \"eks:addon-manager\"";
    let joined = format!("{}}}, {{{}", user("eks:node-manager"), user("jane@corp"));
    let reader = |namespace: &str, subject: &str| {
        format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{namespace: {namespace}, name: odd}},
              roleRef: {{{ROLE}, name: edit}}, subjects: [{{{subject}}}]}}"
        )
    };
    let open = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration,
          metadata: {name: vpc-resource-validating-webhook-2}, webhooks: [{name: a.b.c, failurePolicy: Ignore}]}";
    vec![
        (
            "eks",
            administrator("odd", &user("eks:addon-manager-2")),
            ADMIN,
            "User eks:addon-manager-2",
        ),
        ("eks", administrator("odd", &user("EKS:addon-manager")), ADMIN, "User EKS:addon-manager"),
        ("eks", administrator("odd", group), ADMIN, "Group eks:addon-manager"),
        (
            "eks",
            administrator("odd", &account("kube-system", "eks-addon-manager")),
            ADMIN,
            "ServiceAccount kube-system/eks-addon-manager",
        ),
        // Accepted for what it needs, and not for everything.
        ("eks", administrator("odd", &user("eks:nodewatcher")), ADMIN, "User eks:nodewatcher"),
        ("eks", administrator("odd", &user("eks:jane")), GROUPS, "odd"),
        ("eks", administrator("odd", &joined), GROUPS, "odd"),
        ("eks", open.to_owned(), "guards-fail-closed", "vpc-resource-validating-webhook-2"),
        (
            "gke",
            administrator("odd", &user("system:storageversionmigrator2")),
            ADMIN,
            "User system:storageversionmigrator2",
        ),
        ("gke", namespace("gke-managed-mine"), PODS, "gke-managed-mine"),
        ("gke", namespace("gke-managed-mine"), "namespaces-are-described", "gke-managed-mine"),
        ("aks", administrator("odd", &user("clusteradmin")), ADMIN, "User clusteradmin"),
        (
            "argocd",
            administrator("odd", &account("argocd2", "argocd-application-controller")),
            ADMIN,
            "ServiceAccount argocd2/argocd-application-controller",
        ),
        (
            "argocd",
            administrator("odd", &account("argocd", "argocd-server")),
            ADMIN,
            "ServiceAccount argocd/argocd-server",
        ),
        (
            "flux",
            administrator("odd", &account("flux-system", "odd-controller")),
            ADMIN,
            "ServiceAccount flux-system/odd-controller",
        ),
        (
            "cert-manager",
            reader("default", &account("cert-manager", "cert-manager-odd")),
            SECRETS,
            "ServiceAccount cert-manager/cert-manager-odd",
        ),
        ("kubeadm", reader("kube-system", &user("jane@corp")), SECRETS, "User jane@corp"),
        ("velero", privileged("DaemonSet", "velero", "node-agent-2"), PODS, "node-agent-2"),
        ("velero", privileged("Deployment", "velero", "node-agent"), PODS, "node-agent"),
        ("velero", privileged("DaemonSet", "default", "node-agent"), PODS, "node-agent"),
        (
            "calico",
            privileged("DaemonSet", "calico-system", "calico-node-2"),
            PODS,
            "calico-node-2",
        ),
        (
            "flannel",
            privileged("Deployment", "kube-flannel", "kube-flannel-ds"),
            PODS,
            "kube-flannel-ds",
        ),
        (
            "ingress-nginx",
            balancer("ingress-nginx", "ingress-nginx-controller-2"),
            DOORS,
            "ingress-nginx-controller-2",
        ),
        (
            "ingress-nginx",
            balancer("default", "ingress-nginx-controller"),
            DOORS,
            "ingress-nginx-controller",
        ),
    ]
}

#[test]
fn who_looks_alike_is_found_all_the_same() {
    for (profile, object, control, name) in look_alikes() {
        let verdicts = judged(&[profile], profile, &objects("look-alike", &object));
        let found = verdicts[control].findings.iter().any(|observed| {
            let finding = &observed.finding;
            finding.subject.as_deref() == Some(name) || finding.resource.name == name
        });
        assert!(found, "{profile}: {control} does not find {name}: {:#?}", told(&verdicts));
    }
}

/// The controls that kustomize makes with these components.
fn kustomized(profiles: &[&str]) -> BTreeMap<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().canonicalize().unwrap();
    // kustomize takes no absolute path.
    let up = "../".repeat(place.components().count() - 1);
    let pack = format!("{up}{}", path("config/soc2").display().to_string().trim_start_matches('/'));
    let mut text = format!("resources: [{pack}]\ncomponents:\n");
    for profile in profiles {
        let _ = writeln!(text, "- {pack}/profiles/{profile}");
    }
    std::fs::write(place.join("kustomization.yaml"), text).unwrap();
    by_name(&kustomize(&place))
}

fn by_name(text: &str) -> BTreeMap<String, Value> {
    objects("kustomize", text)
        .into_iter()
        .map(|object| (name(&object).to_owned(), object))
        .collect()
}

#[test]
fn kustomize_and_the_command_make_the_same_controls() {
    let listed = Command::new(env!("CARGO_BIN_EXE_comptroller")).args(["pack", "--list"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let names: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 20, "{listed}");
    let alone = names.iter().map(|name| vec![*name]);
    for profiles in alone.chain([vec!["eks", "argocd", "velero"], vec![]]) {
        let text = comptroller::cli::pack::render(
            &profiles.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(),
        );
        assert_eq!(by_name(&text.unwrap()), kustomized(&profiles), "{profiles:?}");
    }
}

#[test]
fn a_name_that_is_no_profile_gets_the_nearest_one() {
    for (names, told) in
        [("eks,argo", "a similar value exists: 'argocd'"), ("eks,gke", "are both distributions")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["pack", "--for", names])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(told), "{error}");
    }
}
