use serde_json::{Value, json};

use super::*;
use crate::checks::workload::tests::world::{Outcome, World, pod, workload};
use crate::inventory::KubernetesVersion;

fn check(minimum: PodSecurityLevel) -> Box<dyn Check> {
    build(&PodSecurityTest { minimum }).unwrap().check
}

fn outcome(minimum: PodSecurityLevel, spec: &Value) -> Vec<String> {
    let mut world = World::default();
    world.apply("", "Pod", &pod("a", spec));
    match world.outcome(check(minimum).as_ref(), "Pod", "a") {
        Some(Outcome::Passing) => Vec::new(),
        Some(Outcome::Failing(rules)) => rules,
        other => panic!("{other:?}"),
    }
}

fn namespace(labels: Value) -> Value {
    json!({"metadata": {"name": "prod", "labels": labels}})
}

/// A pod that the restricted level admits.
fn hardened() -> Value {
    json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {}}],
        "containers": [{
            "name": "app",
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            },
        }],
    })
}

#[test]
fn a_hardened_pod_passes_and_a_plain_one_only_baseline() {
    assert!(outcome(PodSecurityLevel::Restricted, &hardened()).is_empty());
    let plain = json!({"containers": [{"name": "app"}]});
    assert!(outcome(PodSecurityLevel::Baseline, &plain).is_empty());
    assert_eq!(
        outcome(PodSecurityLevel::Restricted, &plain),
        ["PrivilegeEscalation", "RunAsNonRoot", "Seccomp", "Capabilities"]
    );
}

#[test]
fn each_control_catches_its_field() {
    use PodSecurityLevel::{Baseline, Restricted};
    let context = |value: Value| ("/containers/0/securityContext", value);
    let of_pod = |value: Value| ("/securityContext", value);
    for (level, (path, value), rule) in [
        (Baseline, ("/hostNetwork", json!(true)), "HostNamespaces"),
        (Baseline, ("/hostPID", json!(true)), "HostNamespaces"),
        (Baseline, ("/hostIPC", json!(true)), "HostNamespaces"),
        (Baseline, context(json!({"privileged": true})), "PrivilegedContainers"),
        (Baseline, context(json!({"capabilities": {"add": ["NET_RAW"]}})), "Capabilities"),
        (Baseline, ("/volumes", json!([{"name": "v", "hostPath": {}}])), "HostPathVolumes"),
        (Baseline, ("/containers/0/ports", json!([{"hostPort": 1}])), "HostPorts"),
        (
            Baseline,
            ("/containers/0/readinessProbe", json!({"tcpSocket": {"host": "10.0.0.1"}})),
            "HostProbesAndLifecycle",
        ),
        (
            Baseline,
            ("/containers/0/lifecycle", json!({"preStop": {"httpGet": {"host": "a.test"}}})),
            "HostProbesAndLifecycle",
        ),
        (Baseline, context(json!({"appArmorProfile": {"type": "Unconfined"}})), "AppArmor"),
        (Baseline, context(json!({"seLinuxOptions": {"type": "spc_t"}})), "SELinux"),
        (Baseline, of_pod(json!({"seLinuxOptions": {"role": "r"}})), "SELinux"),
        (Baseline, context(json!({"procMount": "Unmasked"})), "ProcMount"),
        (Baseline, of_pod(json!({"seccompProfile": {"type": "Unconfined"}})), "Seccomp"),
        (Baseline, of_pod(json!({"sysctls": [{"name": "kernel.msgmax"}]})), "Sysctls"),
        (Baseline, context(json!({"windowsOptions": {"hostProcess": true}})), "HostProcess"),
        (Restricted, ("/volumes", json!([{"name": "v", "nfs": {}}])), "VolumeTypes"),
        (Restricted, of_pod(json!({"runAsUser": 0})), "RunAsUser"),
        (Restricted, of_pod(json!({"runAsNonRoot": false})), "RunAsNonRoot"),
    ] {
        let mut spec = hardened();
        let (parent, field) = path.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[field] = value;
        let rules = outcome(level, &spec);
        assert!(rules.contains(&rule.to_owned()), "{path} {rules:?}");
        if level == Restricted {
            assert!(!outcome(Baseline, &spec).contains(&rule.to_owned()), "{rule}");
        }
    }
}

#[test]
fn a_user_namespace_relaxes_what_it_makes_harmless() {
    let mut spec = hardened();
    spec["hostUsers"] = false.into();
    spec["securityContext"] = json!({"runAsUser": 0, "seccompProfile": {"type": "Localhost"}});
    assert!(outcome(PodSecurityLevel::Restricted, &spec).is_empty());
    spec["containers"][0]["securityContext"]["procMount"] = "Unmasked".into();
    assert!(outcome(PodSecurityLevel::Baseline, &spec).is_empty());
    assert_eq!(outcome(PodSecurityLevel::Restricted, &spec), ["ProcMount"]);
}

#[test]
fn windows_is_exempt_from_what_only_linux_has() {
    let spec = json!({
        "os": {"name": "windows"},
        "securityContext": {"runAsNonRoot": true},
        "containers": [{"name": "app"}],
    });
    assert!(outcome(PodSecurityLevel::Restricted, &spec).is_empty());
}

#[test]
fn namespaces_by_their_labels() {
    use PodSecurityLevel::{Baseline, Restricted};
    let label = "pod-security.kubernetes.io/enforce";
    for (labels, minimum, expected) in [
        (json!({label: "restricted"}), Restricted, None),
        (json!({label: "restricted"}), Baseline, None),
        (json!({label: "baseline"}), Baseline, None),
        (
            json!({label: "baseline"}),
            Restricted,
            Some("enforces baseline: set pod-security.kubernetes.io/enforce to restricted"),
        ),
        (json!({label: "privileged"}), Baseline, Some("enforces privileged: set it to baseline")),
        (json!(null), Baseline, Some("has no label pod-security.kubernetes.io/enforce: set it")),
        (json!({label: "Restricted"}), Baseline, Some("which is not a level")),
    ] {
        let mut world = World::default();
        world.apply("", "Namespace", &namespace(labels.clone()));
        let message = world.message(check(minimum).as_ref(), "Namespace", "prod");
        match expected {
            None => assert_eq!(message, None, "{labels}"),
            Some(text) => assert!(message.as_deref().unwrap().contains(text), "{message:?}"),
        }
    }
}

/// The message about a namespace that enforces a level of a version, on an API server of a minor.
fn pinned(level: &str, version: &str, minimum: PodSecurityLevel, server: u32) -> Option<String> {
    let mut world = World::default();
    world.inventory.kubernetes = Some(KubernetesVersion::minor(server));
    let labels = json!({
        "pod-security.kubernetes.io/enforce": level,
        "pod-security.kubernetes.io/enforce-version": version,
    });
    world.apply("", "Namespace", &namespace(labels));
    world.message(check(minimum).as_ref(), "Namespace", "prod")
}

#[test]
fn a_pinned_version_must_enforce_what_is_asked_today() {
    use PodSecurityLevel::{Baseline, Restricted};
    for (level, version, minimum, server, lacks) in [
        ("restricted", "latest", Restricted, 36, None),
        ("restricted", "v1.36", Restricted, 36, None),
        // Newer than the server, or nothing that it can read: the latest.
        ("restricted", "v1.99", Restricted, 36, None),
        ("restricted", "1.0", Restricted, 36, None),
        ("restricted", "v1.00", Restricted, 36, None),
        ("restricted", "v1.99999999999999999999", Restricted, 36, None),
        ("restricted", "v1.25", Restricted, 33, None),
        ("baseline", "v1.0", Baseline, 18, None),
        ("baseline", "v1.0", Baseline, 33, Some("baseline of v1.0, which lacks Seccomp of base")),
        ("baseline", "v1.33", Baseline, 34, Some("lacks HostProbesAndLifecycle of baseline: set")),
        ("restricted", "v1.22", Restricted, 33, Some("lacks RunAsUser of restricted")),
        ("restricted", "v1.22", Baseline, 33, None),
        (
            "restricted",
            "v1.0",
            Restricted,
            36,
            Some(
                "lacks HostProbesAndLifecycle, PrivilegeEscalation, RunAsUser, Seccomp, Capabilities of restricted: set pod-security.kubernetes.io/enforce-version to latest",
            ),
        ),
        (
            "baseline",
            "v1.33",
            Restricted,
            36,
            Some("enforce to restricted, and set pod-security.kubernetes.io/enforce-version to"),
        ),
    ] {
        let message = pinned(level, version, minimum, server);
        let fits = match (&message, lacks) {
            (Some(message), Some(lacks)) => message.contains(lacks),
            (message, lacks) => message.is_none() && lacks.is_none(),
        };
        assert!(fits, "{level} {version} {minimum} {server}: {message:?}");
    }
}

#[test]
fn pods_are_judged_by_the_version_of_the_api_server() {
    let spec = json!({
        "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_notsent_lowat", "value": "1"}]},
        "containers": [{"name": "app"}],
    });
    let check = check(PodSecurityLevel::Baseline);
    let mut world = World::default();
    world.apply("", "Pod", &pod("a", &spec));
    assert_eq!(world.message(check.as_ref(), "Pod", "a"), None, "the newest where none is known");
    for (minor, passes) in [(36, false), (37, true), (41, true)] {
        world.inventory.kubernetes = Some(KubernetesVersion::minor(minor));
        assert_eq!(world.message(check.as_ref(), "Pod", "a").is_none(), passes, "1.{minor}");
    }
    let mut affected = 0;
    world.with_context(|context| {
        check.affected(context, &Change::ApiServer, &mut |_| affected += 1);
    });
    assert_eq!(affected, 1, "another version judges everything anew");
}

#[test]
fn a_change_of_a_label_is_followed() {
    let check = check(PodSecurityLevel::Baseline);
    let mut world = World::default();
    world.apply("", "Namespace", &namespace(json!(null)));
    world.follow(check.as_ref());
    let labels = json!({"pod-security.kubernetes.io/enforce": "baseline"});
    world.apply("", "Namespace", &namespace(labels));
    assert_eq!(world.message(check.as_ref(), "Namespace", "prod"), None);
    world.assert_followed(check.as_ref());
}

#[test]
fn nothing_to_judge_and_nothing_readable() {
    let check = check(PodSecurityLevel::Restricted);
    let mut world = World::default();
    assert!(world.outcomes(check.as_ref()).is_empty());
    world.apply("", "Namespace", &json!({"metadata": {"name": "prod", "labels": {"a": "b"}}}));
    world.apply("apps", "DaemonSet", &workload("agent", None, &json!({"containers": 1})));
    let outcome = world.outcome(check.as_ref(), "DaemonSet", "agent");
    assert_eq!(outcome, Some(Outcome::Unknown("Undecided".into())));
}
