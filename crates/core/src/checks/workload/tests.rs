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
    let set = "container app: set securityContext.runAsNonRoot: true, or runAsUser to a user other than 0";
    let other = "container app: set securityContext.runAsUser to a user other than 0";
    fails(rule, &secured(json!({}), json!({})), set);
    passes(rule, &secured(json!({}), json!({"runAsNonRoot": true})));
    passes(rule, &secured(json!({"runAsNonRoot": true}), json!({"runAsNonRoot": false})));
    fails(rule, &secured(json!({"runAsNonRoot": false}), json!({"runAsNonRoot": true})), set);
    // Who is not 0 is not root, whatever else is said.
    passes(rule, &secured(json!({}), json!({"runAsUser": 1000})));
    passes(rule, &secured(json!({"runAsUser": 1000}), json!({})));
    passes(rule, &secured(json!({"runAsUser": 1000}), json!({"runAsNonRoot": false})));
    passes(rule, &secured(json!({"runAsUser": 1000}), json!({"runAsUser": 0})));
    fails(rule, &secured(json!({}), json!({"runAsUser": 0})), other);
    fails(rule, &secured(json!({"runAsUser": 0}), json!({"runAsUser": 1000})), other);
    fails(
        rule,
        &secured(json!({"runAsUser": 0}), json!({"runAsNonRoot": true, "runAsUser": 1000})),
        other,
    );
    // A group is no user, and a user namespace makes root another, not none.
    fails(rule, &secured(json!({"runAsGroup": 1000}), json!({"fsGroup": 1000})), set);
    fails(rule, &json!({"hostUsers": false, "containers": [{"name": "app"}]}), set);
}

#[test]
fn windows_has_names_of_users() {
    let spec = |container: Value, of_pod: Value| {
        let mut spec = secured(container, of_pod);
        spec["os"] = json!({"name": "windows"});
        spec
    };
    let user = |name: &str| json!({"windowsOptions": {"runAsUserName": name}});
    let rule = R::RunAsNonRoot;
    passes(rule, &spec(json!({}), json!({"runAsNonRoot": true})));
    passes(rule, &spec(user("ContainerUser"), user("ContainerAdministrator")));
    assert!(verdict(rule, &spec(json!({}), json!({}))).is_some());
    assert!(verdict(rule, &spec(json!({}), user("containeradministrator"))).is_some());
    let both = json!({"runAsNonRoot": true, "windowsOptions": {"runAsUserName": "ContainerAdministrator"}});
    assert!(verdict(rule, &spec(both, json!({}))).is_some());
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
    // As container runtimes read names; the Pod Security Standards are stricter.
    for name in ["NET_BIND_SERVICE", "net_bind_service", "CAP_NET_BIND_SERVICE"] {
        passes(R::DropAllCapabilities, &added(name));
    }
    passes(R::DropAllCapabilities, &one(json!({"capabilities": {"drop": ["all"]}})));
    fails(R::DropAllCapabilities, &one(json!({"capabilities": {"drop": ["CAP_ALL"]}})), drop);
    fails(
        R::DropAllCapabilities,
        &one(json!({"privileged": true, "capabilities": {"drop": ["ALL"]}})),
        "container app: remove securityContext.privileged, which grants every capability",
    );
    assert!(verdict(R::DropAllCapabilities, &added("SYS_ADMIN")).is_some());
}

#[test]
fn seccomp_is_inherited_and_overridden() {
    let profile = |kind: &str| json!({"seccompProfile": {"type": kind}});
    let set = "container app: set securityContext.seccompProfile.type: RuntimeDefault";
    fails(R::SeccompRuntimeDefault, &secured(json!({}), json!({})), set);
    passes(R::SeccompRuntimeDefault, &secured(json!({}), profile("RuntimeDefault")));
    passes(R::SeccompRuntimeDefault, &secured(profile("RuntimeDefault"), profile("Localhost")));
    fails(
        R::SeccompRuntimeDefault,
        &secured(profile("Localhost"), profile("RuntimeDefault")),
        "container app: set securityContext.seccompProfile.type: RuntimeDefault instead of Localhost, whose profile is a file of the node",
    );
    fails(
        R::SeccompRuntimeDefault,
        &secured(json!({"privileged": true}), profile("RuntimeDefault")),
        "container app: remove securityContext.privileged, which lifts the filter",
    );
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
    let job = |template: &Value| json!({"metadata": {"name": "a"}, "spec": {"template": template}});
    world.apply("batch", "Job", &job(&template));
    assert_eq!(world.message(check(&[R::Probes], &[], None).as_ref(), "Job", "a"), None);
    world.apply("batch", "Job", &job(&json!({"spec": {"containers": app}})));
    assert_eq!(world.message(check(&[R::Probes], &[], None).as_ref(), "Job", "a"), None);
    let sidecar = json!([{"name": "proxy", "restartPolicy": "Always"}, {"name": "setup"}]);
    let ready = json!([{"name": "app", "readinessProbe": {"grpc": {"port": 1}}}]);
    passes(R::Probes, &json!({"initContainers": sidecar, "containers": ready}));
}

#[test]
fn images() {
    let one = |image: &str| json!({"containers": [{"name": "app", "image": image}]});
    let hex = "b0ad43f7ee5edbc0effbc14645ae7055e21bc1973aee5150745632a24a752661";
    passes(R::ImageDigest, &one(&format!("r.test/app@sha256:{hex}")));
    passes(R::ImageDigest, &one(&format!("r.test/app@sha512:{hex}{hex}")));
    for image in ["r.test/app@sha256:00ff".to_owned(), format!("r.test/App@sha256:{hex}")] {
        fails(
            R::ImageDigest,
            &one(&image),
            &format!(
                "container app ({image}): write a reference that container runtimes accept: lower-case names, a tag, a digest of 64 lower-case hexadecimal digits after @sha256:"
            ),
        );
    }
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
        "container app (nginx:1): use an image from a registry that the control lists"
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
fn a_projected_token_is_one_too() {
    let rule = R::NoTokenAutomount;
    let spec = |automount: Value, name: &str, token: Value| {
        json!({
            "automountServiceAccountToken": automount,
            "containers": [{"name": "app"}],
            "volumes": [{"name": name, "projected": {"sources": [
                {"configMap": {"name": "a"}}, {"serviceAccountToken": token},
            ]}}],
        })
    };
    let remove = "volume api: remove the projected serviceAccountToken, or give it the audience of another service";
    fails(rule, &spec(json!(false), "api", json!({"path": "token"})), remove);
    for audience in
        ["https://kubernetes.default.svc", "https://oidc.eks.eu-west-1.amazonaws.com/id/A"]
    {
        let token = json!({"path": "token", "audience": audience});
        fails(rule, &spec(json!(false), "api", token), remove);
    }
    let elsewhere = json!({"path": "token", "audience": "sts.amazonaws.com"});
    passes(rule, &spec(json!(false), "api", elsewhere));
    // The API server adds none to a pod that says no, so this one is somebody's own.
    let own = "kube-api-access-x2x4f";
    assert!(verdict(rule, &spec(json!(false), own, json!({"path": "token"}))).is_some());

    // What the API server adds to a pod is not in its template, and no finding of its own.
    let mut world = World::default();
    world.apply("", "Pod", &pod("a", &spec(json!(null), own, json!({"path": "token"}))));
    let set = "set automountServiceAccountToken: false on the pod or on service account default";
    assert_eq!(world.message(check(&[rule], &[], None).as_ref(), "Pod", "a").unwrap(), set);
    let template = spec(json!(null), own, json!({"path": "token"}));
    world.apply("apps", "Deployment", &world::workload("d", None, &template));
    let message = world.message(check(&[rule], &[], None).as_ref(), "Deployment", "d");
    assert!(message.unwrap().contains("; volume kube-api-access-x2x4f: remove"));
}

#[test]
fn an_account_that_is_not_among_manifests_leaves_the_token_unknown() {
    let rule = check(&[R::NoTokenAutomount], &[], None);
    for (account, automount, expected) in [
        ("web", json!(null), Outcome::Unknown("NoTokenAutomount".into())),
        ("web", json!(false), Outcome::Passing),
        ("web", json!(true), Outcome::Failing(vec!["NoTokenAutomount".into()])),
        ("default", json!(null), Outcome::Failing(vec!["NoTokenAutomount".into()])),
    ] {
        let mut world = World::default();
        world.inventory.source = ObjectSource::Manifests;
        let spec = json!({
            "serviceAccountName": account,
            "automountServiceAccountToken": automount,
            "containers": [{"name": "app"}],
        });
        world.apply("", "Pod", &pod("a", &spec));
        assert_eq!(world.outcome(rule.as_ref(), "Pod", "a"), Some(expected), "{spec}");
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
