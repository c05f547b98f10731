use serde_json::{Value, json};

use super::*;
use crate::api::test_spec::Requirement as R;

mod population;
pub(crate) mod world;

use world::{Outcome, World, pod};

fn check(require: &[R], registries: &[&str], selector: Option<Value>) -> Box<dyn Check> {
    let test = WorkloadTest {
        require: require.to_vec(),
        registries: registries.iter().map(|glob| (*glob).into()).collect(),
        selector: selector.map(|selector| serde_json::from_value(selector).unwrap()),
    };
    build(&test).unwrap().check
}

/// The message of a requirement on a pod of this spec; nothing when it passes.
fn verdict(requirement: R, spec: &Value) -> Option<String> {
    let mut world = World::default();
    world.apply("", "Pod", &pod("a", spec));
    world.message(check(&[requirement], &[], None).as_ref(), "Pod", "a")
}

fn passes(requirement: R, spec: &Value) {
    assert_eq!(verdict(requirement, spec), None, "{requirement} {spec}");
}

fn fails(requirement: R, spec: &Value, expected: &str) {
    assert_eq!(verdict(requirement, spec).as_deref(), Some(expected), "{requirement} {spec}");
}

/// A pod of one container `app` with this security context, under the pod's own.
fn secured(container: Value, of_pod: Value) -> Value {
    json!({"securityContext": of_pod, "containers": [{"name": "app", "securityContext": container}]})
}

#[test]
fn run_as_non_root_is_inherited_and_overridden() {
    let rule = R::RunAsNonRoot;
    let set = "container app: set securityContext.runAsNonRoot: true";
    fails(rule, &secured(json!({}), json!({})), set);
    passes(rule, &secured(json!({}), json!({"runAsNonRoot": true})));
    passes(rule, &secured(json!({"runAsNonRoot": true}), json!({"runAsNonRoot": false})));
    fails(rule, &secured(json!({"runAsNonRoot": false}), json!({"runAsNonRoot": true})), set);
    passes(
        rule,
        &secured(json!({"runAsUser": 1000}), json!({"runAsNonRoot": true, "runAsUser": 0})),
    );
    fails(
        rule,
        &secured(json!({"runAsUser": 0}), json!({"runAsNonRoot": true, "runAsUser": 1000})),
        "container app: set securityContext.runAsUser to another user than 0",
    );
}

#[test]
fn every_container_counts() {
    let spec = json!({
        "initContainers": [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "app", "securityContext": {"readOnlyRootFilesystem": true}}],
        "ephemeralContainers": [{"name": "debug"}],
    });
    fails(
        R::ReadOnlyRootFilesystem,
        &spec,
        "containers setup, proxy, debug: set securityContext.readOnlyRootFilesystem: true",
    );
}

#[test]
fn confinement_of_containers() {
    let one = |context| secured(context, json!({}));
    passes(R::NoPrivileged, &one(json!({"privileged": false})));
    fails(
        R::NoPrivileged,
        &one(json!({"privileged": true})),
        "container app: remove securityContext.privileged",
    );
    let escalation = "container app: set securityContext.allowPrivilegeEscalation: false";
    fails(R::NoPrivilegeEscalation, &one(json!({})), escalation);
    fails(R::NoPrivilegeEscalation, &one(json!({"allowPrivilegeEscalation": true})), escalation);
    passes(R::NoPrivilegeEscalation, &one(json!({"allowPrivilegeEscalation": false})));
    passes(R::ReadOnlyRootFilesystem, &one(json!({"readOnlyRootFilesystem": true})));
    let drop = "container app: set securityContext.capabilities.drop: [\"ALL\"]";
    fails(R::DropAllCapabilities, &one(json!({})), drop);
    fails(R::DropAllCapabilities, &one(json!({"capabilities": {"drop": ["NET_RAW"]}})), drop);
    let added = |name| one(json!({"capabilities": {"drop": ["ALL"], "add": [name]}}));
    passes(R::DropAllCapabilities, &added("NET_BIND_SERVICE"));
    assert!(verdict(R::DropAllCapabilities, &added("SYS_ADMIN")).is_some());
}

#[test]
fn seccomp_is_inherited_and_overridden() {
    let profile = |kind: &str| json!({"seccompProfile": {"type": kind}});
    let set = "container app: set securityContext.seccompProfile.type: RuntimeDefault";
    fails(R::SeccompRuntimeDefault, &secured(json!({}), json!({})), set);
    passes(R::SeccompRuntimeDefault, &secured(json!({}), profile("RuntimeDefault")));
    passes(R::SeccompRuntimeDefault, &secured(profile("Localhost"), profile("Unconfined")));
    fails(
        R::SeccompRuntimeDefault,
        &secured(profile("Unconfined"), profile("RuntimeDefault")),
        set,
    );
}

#[test]
fn windows_is_exempt_from_what_only_linux_has() {
    let spec = json!({"os": {"name": "windows"}, "containers": [{"name": "app"}]});
    for rule in [
        R::NoPrivilegeEscalation,
        R::ReadOnlyRootFilesystem,
        R::DropAllCapabilities,
        R::SeccompRuntimeDefault,
    ] {
        passes(rule, &spec);
    }
    assert!(verdict(R::RunAsNonRoot, &spec).is_some());
    let process = json!({
        "os": {"name": "windows"},
        "securityContext": {"windowsOptions": {"hostProcess": true}},
        "containers": [{"name": "app"}],
    });
    assert!(verdict(R::NoHostAccess, &process).is_some());
}

#[test]
fn host_access_names_every_way_at_once() {
    passes(R::NoHostAccess, &json!({"hostNetwork": false, "containers": [{"name": "app"}]}));
    let spec = json!({
        "hostPID": true,
        "hostIPC": true,
        "volumes": [{"name": "data", "hostPath": {"path": "/"}}, {"name": "tmp", "emptyDir": {}}],
        "containers": [{"name": "app", "ports": [{"containerPort": 80, "hostPort": 80}]}],
    });
    fails(
        R::NoHostAccess,
        &spec,
        "remove hostPID, hostIPC from the pod; volume data: replace hostPath; container app: remove hostPort",
    );
    let network = json!({
        "hostNetwork": true,
        "containers": [{"name": "app", "ports": [{"containerPort": 80}]}],
    });
    fails(R::NoHostAccess, &network, "remove hostNetwork from the pod");
}

#[test]
fn resources_of_containers_and_of_the_pod() {
    let one = |resources: Value| json!({"containers": [{"name": "app", "resources": resources}]});
    fails(
        R::ResourceLimits,
        &one(json!({})),
        "container app: set resources.limits.cpu and resources.limits.memory",
    );
    fails(
        R::ResourceLimits,
        &one(json!({"limits": {"memory": "1Gi"}})),
        "container app: set resources.limits.cpu",
    );
    let limits = json!({"limits": {"cpu": 1, "memory": "1Gi"}});
    passes(R::ResourceLimits, &one(limits.clone()));
    // What has a limit has a request.
    passes(R::ResourceRequests, &one(limits.clone()));
    assert!(
        verdict(R::ResourceLimits, &one(json!({"limits": {"cpu": "0", "memory": 1}}))).is_some()
    );
    passes(
        R::ResourceLimits,
        &json!({"resources": limits, "containers": [{"name": "app"}, {"name": "b"}],
            "ephemeralContainers": [{"name": "debug"}]}),
    );
}

#[test]
fn probes_are_asked_of_what_serves() {
    let app = json!([{"name": "app"}]);
    fails(R::Probes, &json!({"containers": app}), "container app: set readinessProbe");
    passes(R::Probes, &json!({"containers": [{"name": "app", "readinessProbe": {"exec": {}}}]}));
    passes(R::Probes, &json!({"restartPolicy": "Never", "containers": app}));
    assert!(
        verdict(R::Probes, &json!({"containers": [{"name": "app", "livenessProbe": {}}]}))
            .is_some()
    );
    let mut world = World::default();
    let template = json!({"spec": {"restartPolicy": "OnFailure", "containers": app}});
    world.apply(
        "batch",
        "Job",
        &json!({"metadata": {"name": "a"}, "spec": {"template": template}}),
    );
    assert_eq!(world.message(check(&[R::Probes], &[], None).as_ref(), "Job", "a"), None);
}

#[test]
fn images() {
    let one = |image: &str| json!({"containers": [{"name": "app", "image": image}]});
    passes(R::ImageDigest, &one("r.test/app@sha256:00ff"));
    fails(
        R::ImageDigest,
        &one("nginx:1.27"),
        "container app (nginx:1.27): name the image by digest, such as app:1.2@sha256:...",
    );
    fails(R::NoLatestTag, &one("nginx"), "container app (nginx): name a version instead of latest");
    assert!(verdict(R::ImageDigest, &json!({"containers": [{"name": "app"}]})).is_some());

    let mut world = World::default();
    world.apply("", "Pod", &pod("ours", &one("registry.acme.test/team/app:1")));
    world.apply("", "Pod", &pod("theirs", &one("nginx:1")));
    let check = check(&[], &["registry.acme.test/*"], None);
    assert_eq!(world.message(check.as_ref(), "Pod", "ours"), None);
    assert_eq!(
        world.message(check.as_ref(), "Pod", "theirs").unwrap(),
        "container app (nginx:1): use an image of a registry that the control lists"
    );
}

#[test]
fn service_accounts() {
    let spec = json!({"containers": [{"name": "app"}]});
    assert!(verdict(R::NoDefaultServiceAccount, &spec).is_some());
    passes(
        R::NoDefaultServiceAccount,
        &json!({"serviceAccountName": "web", "containers": [{"name": "app"}]}),
    );
    let mirror = json!({
        "metadata": {"name": "etcd", "annotations": {"kubernetes.io/config.mirror": "0"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n", "controller": true}]},
        "spec": spec,
    });
    let mut world = World::default();
    world.apply("", "Pod", &mirror);
    let both = check(&[R::NoDefaultServiceAccount, R::NoTokenAutomount], &[], None);
    assert_eq!(world.outcomes(both.as_ref()).len(), 1);
    assert_eq!(world.message(both.as_ref(), "Pod", "etcd"), None);
}

#[test]
fn the_pods_word_on_its_token_wins_and_the_accounts_counts_else() {
    let rule = check(&[R::NoTokenAutomount], &[], None);
    let account = |automount: Value| json!({"metadata": {"name": "default"}, "automountServiceAccountToken": automount});
    let spec = |automount: Value| json!({"automountServiceAccountToken": automount, "containers": [{"name": "app"}]});
    for (of_pod, of_account, passes) in [
        (json!(null), None, false),
        (json!(null), Some(json!(null)), false),
        (json!(null), Some(json!(false)), true),
        (json!(true), Some(json!(false)), false),
        (json!(false), Some(json!(true)), true),
        (json!(false), None, true),
    ] {
        let mut world = World::default();
        world.apply("", "Pod", &pod("a", &spec(of_pod.clone())));
        world.follow(rule.as_ref());
        if let Some(automount) = &of_account {
            world.apply("", "ServiceAccount", &account(automount.clone()));
        }
        let message = world.message(rule.as_ref(), "Pod", "a");
        assert_eq!(message.is_none(), passes, "{of_pod} {of_account:?}");
        world.assert_followed(rule.as_ref());
    }
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let mut world = World::default();
    world.apply("apps", "Deployment", &json!({"metadata": {"name": "a"}, "spec": {"template": 7}}));
    let check = check(&[R::NoPrivileged], &[], None);
    let outcome = world.outcome(check.as_ref(), "Deployment", "a");
    assert_eq!(outcome, Some(Outcome::Unknown("Undecided".into())));
}

#[test]
fn a_finding_for_each_rule_with_bounded_words() {
    let names: Vec<Value> =
        (0..500).map(|n| json!({"name": format!("{n}{}", "x".repeat(900))})).collect();
    let mut world = World::default();
    world.apply("", "Pod", &pod("a", &json!({"containers": names})));
    let check = check(R::ALL, &["r.test"], None);
    let judgement = world.judge(check.as_ref(), "Pod", "a").unwrap();
    let rules: std::collections::BTreeSet<_> =
        judgement.failing.iter().map(|finding| finding.rule.clone()).collect();
    assert_eq!(rules.len(), judgement.failing.len());
    assert!(rules.contains("Registries"));
    for finding in judgement.failing {
        assert!(finding.message.len() < 1200, "{}", finding.message.len());
    }
}
