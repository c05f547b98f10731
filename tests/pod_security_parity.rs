//! The `podSecurity` check and the API server's own admission agree, control by control, at every
//! version that a namespace can pin; so do the check and the published module of a newer version. And
//! the facts of a template are those of the pod that the API server makes of it.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

mod controlplane;
mod pod_cases;
mod published;

use std::{collections::BTreeSet, sync::Arc};

use comptroller_core::{
    api::test_spec::PodSecurityLevel,
    checks::pod_security::{NEWEST, violations},
    inventory::{Facts, Interner, KubernetesVersion, Projector, ResourceType, workload::PodFacts},
};
use controlplane::ControlPlane;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Client, Error,
    api::{Api, ApiResource, DynamicObject, PostParams},
};
use pod_cases::{hardened, mutate, mutations, plain, repair};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};

/// How many random pods are tried, with each level.
const PODS: usize = 600;
const SEED: u64 = 2_579;

/// What the API server calls the reason of a refusal, and our name of the control.
const REASONS: &[(&str, &str)] = &[
    ("host namespaces", "HostNamespaces"),
    ("privileged", "PrivilegedContainers"),
    ("non-default capabilities", "Capabilities"),
    ("unrestricted capabilities", "Capabilities"),
    ("hostPath volumes", "HostPathVolumes"),
    ("restricted volume types", "VolumeTypes"),
    ("hostPort", "HostPorts"),
    ("probe or lifecycle host", "HostProbesAndLifecycle"),
    ("forbidden AppArmor profile", "AppArmor"),
    ("forbidden AppArmor profiles", "AppArmor"),
    ("seLinuxOptions", "SELinux"),
    ("procMount", "ProcMount"),
    ("seccompProfile", "Seccomp"),
    ("forbidden sysctls", "Sysctls"),
    ("hostProcess", "HostProcess"),
    ("allowPrivilegeEscalation != false", "PrivilegeEscalation"),
    ("runAsNonRoot != true", "RunAsNonRoot"),
    ("runAsUser=0", "RunAsUser"),
];

/// The version of the API server that the tests run.
const SERVER: u32 = 36;

/// The namespace that pins a version of a level.
fn pinned(level: PodSecurityLevel, minor: u32) -> String {
    format!("{level}-1-{minor}")
}

/// What the API server said of a pod.
enum Answer {
    Admitted(Value),
    Refused(BTreeSet<&'static str>),
    /// Not a valid pod at all, so admission was not asked.
    Invalid,
}

const LEVELS: [PodSecurityLevel; 2] = [PodSecurityLevel::Baseline, PodSecurityLevel::Restricted];

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// Creates a namespace. No controller manager runs that would make its default account, and pods are
/// refused without it.
async fn namespace(client: &Client, name: &str, labels: &Value) {
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": "default"}})).unwrap();
    Api::namespaced(client.clone(), name).create(&PostParams::default(), &account).await.unwrap();
}

struct Server {
    client: Client,
}

impl Server {
    async fn prepare(plane: &ControlPlane) -> Self {
        let client = plane.admin_client();
        for level in ["baseline", "restricted", "privileged"] {
            namespace(&client, level, &json!({ENFORCE: level})).await;
        }
        for level in LEVELS {
            for minor in 0..=SERVER {
                let version = format!("v1.{minor}");
                let labels =
                    json!({ENFORCE: level, "pod-security.kubernetes.io/enforce-version": version});
                namespace(&client, &pinned(level, minor), &labels).await;
            }
        }
        Self { client }
    }

    async fn ask(&self, namespace: &str, pod: &Value) -> Answer {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        let pods: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let pod: DynamicObject = serde_json::from_value(pod.clone()).unwrap();
        match pods.create(&dry_run, &pod).await {
            Ok(pod) => Answer::Admitted(serde_json::to_value(pod).unwrap()),
            Err(Error::Api(status)) if status.code == 403 => {
                let reasons = REASONS.iter().filter(|(reason, _)| {
                    [": ", ", "]
                        .iter()
                        .any(|before| status.message.contains(&format!("{before}{reason} (")))
                });
                let reasons: BTreeSet<_> = reasons.map(|(_, rule)| *rule).collect();
                assert!(!reasons.is_empty(), "no known reason: {}", status.message);
                Answer::Refused(reasons)
            }
            Err(Error::Api(status)) if matches!(status.code, 400 | 422) => Answer::Invalid,
            Err(error) => panic!("{error}"),
        }
    }
}

fn facts(group: &str, kind: &str, object: &Value) -> Arc<PodFacts> {
    let resource = ResourceType {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: String::new(),
        namespaced: true,
    };
    let projector = Projector::new(resource, Vec::new(), Arc::new(Interner::default()));
    match projector.project(object).unwrap().facts {
        Facts::Workload(facts) => facts.pod,
        other => panic!("{other:?}"),
    }
}

/// What was seen of a pod at both levels: the controls it violates, nothing when it was admitted.
type Seen = [BTreeSet<&'static str>; 2];

fn ours(level: PodSecurityLevel, minor: u32, facts: &PodFacts) -> BTreeSet<&'static str> {
    let version = KubernetesVersion::minor(minor);
    violations(level, version, facts).map(|(rule, _)| rule).collect()
}

/// Asks for one pod at both levels, by the rules of the server and by those of an earlier version.
/// None when it is not valid.
async fn compare(server: &Server, pod: &Value, earlier: u32) -> Option<Seen> {
    let facts_of_pod = facts("", "Pod", pod);
    let mut seen = Seen::default();
    for (seen, level) in seen.iter_mut().zip(LEVELS) {
        for (namespace, minor) in
            [(pinned(level, earlier), earlier), (level.as_str().to_owned(), SERVER)]
        {
            let theirs = match server.ask(&namespace, pod).await {
                Answer::Admitted(_) => BTreeSet::new(),
                Answer::Refused(reasons) => reasons,
                Answer::Invalid => return None,
            };
            assert_eq!(ours(level, minor, &facts_of_pod), theirs, "{namespace}: {pod:#}");
            *seen = theirs;
        }
    }
    Some(seen)
}

/// How many pods were valid, how often each control was violated, and how many pods were admitted.
#[derive(Debug, Default)]
struct Tally {
    valid: usize,
    admitted: [usize; 2],
    violated: BTreeSet<&'static str>,
}

impl Tally {
    fn add(&mut self, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        self.valid += 1;
        for (admitted, violated) in self.admitted.iter_mut().zip(seen) {
            *admitted += usize::from(violated.is_empty());
            self.violated.extend(violated);
        }
    }
}

/// The facts of a template are those of the pod that the API server makes of it, which is given back.
async fn compare_facts(server: &Server, pod: &Value) -> Option<Value> {
    let Answer::Admitted(made) = server.ask("privileged", pod).await else {
        return None;
    };
    let template = json!({"metadata": {"name": "a"}, "spec": {"template": pod}});
    assert_eq!(facts("apps", "Deployment", &template), facts("", "Pod", &made), "{pod:#}");
    Some(made)
}

/// The published module and the check agree on pods as the API server makes them, at every version.
fn compare_with_module(pods: &[Value]) {
    let mut by_version = [const { BTreeSet::new() }; 2];
    for (pod, said) in pods.iter().zip(published::ask("pods", pods)) {
        let facts = facts("", "Pod", pod);
        for (met, level) in by_version.iter_mut().zip(LEVELS) {
            let versions = said[level.as_str()].as_array().unwrap();
            assert_eq!(versions.len(), NEWEST.minor as usize + 1, "the newest version");
            for (minor, reasons) in (0..).zip(versions) {
                let reason = |reason: &Value| REASONS.iter().find(|(known, _)| *reason == *known);
                let theirs: BTreeSet<_> = reasons
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|it| reason(it).unwrap().1)
                    .collect();
                assert_eq!(ours(level, minor, &facts), theirs, "{level} 1.{minor}: {pod:#}");
                met.insert((minor, theirs));
            }
        }
    }
    // Versions differ in what they refuse, or their comparison means little.
    assert!(by_version.iter().all(|met| met.len() > 100), "{by_version:?}");
}

#[tokio::test]
async fn admission_and_check_agree() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let server = Server::prepare(&plane).await;
    let mutations = mutations();
    let mut rng = SmallRng::seed_from_u64(SEED);
    let (mut single, mut random) = (Tally::default(), Tally::default());
    let mut made = Vec::new();
    for base in [plain(), hardened()] {
        assert!(compare(&server, &base, 0).await.is_some(), "a base must be valid");
        compare_facts(&server, &base).await;
        for mutation in &mutations {
            let mut pod = base.clone();
            mutate(&mut pod, mutation);
            repair(&mut pod, &mut rng);
            single.add(compare(&server, &pod, rng.random_range(0..=SERVER)).await);
            made.extend(compare_facts(&server, &pod).await);
        }
    }
    for _ in 0..PODS {
        let mut pod = if rng.random_bool(0.8) { hardened() } else { plain() };
        for _ in 0..rng.random_range(1..7) {
            mutate(&mut pod, mutations.choose(&mut rng).unwrap());
        }
        repair(&mut pod, &mut rng);
        random.add(compare(&server, &pod, rng.random_range(0..=SERVER)).await);
        made.extend(compare_facts(&server, &pod).await);
    }
    compare_with_module(&made);
    // The comparison means little unless both answers are frequent and every control was met.
    assert!(single.valid * 10 > mutations.len() * 2 * 9, "{single:?} of {}", mutations.len() * 2);
    assert!(random.valid * 10 > PODS * 8, "{random:?}");
    for admitted in random.admitted {
        assert!(admitted * 10 > random.valid && admitted * 10 < random.valid * 9, "{random:?}");
    }
    let linux = REASONS.iter().map(|(_, rule)| *rule).filter(|rule| *rule != "HostProcess");
    assert_eq!(single.violated, linux.collect());
}

#[tokio::test]
async fn admission_and_check_agree_on_windows() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let server = Server::prepare(&plane).await;
    let windows = |spec: Value| {
        let mut pod = plain();
        pod["spec"]["os"] = json!({"name": "windows"});
        for (field, value) in spec.as_object().unwrap() {
            pod["spec"][field] = value.clone();
        }
        pod
    };
    let process = json!({"runAsNonRoot": true, "windowsOptions": {"hostProcess": true, "runAsUserName": "a"}});
    let (mut tally, mut made) = (Tally::default(), Vec::new());
    for spec in [
        json!({}),
        json!({"securityContext": {"runAsNonRoot": true}}),
        json!({"securityContext": {"runAsNonRoot": true}, "volumes": [{"name": "v", "hostPath": {"path": "C:\\"}}]}),
        json!({"securityContext": process, "hostNetwork": true}),
    ] {
        let pod = windows(spec);
        for minor in 0..=SERVER {
            tally.add(compare(&server, &pod, minor).await);
        }
        made.extend(compare_facts(&server, &pod).await);
    }
    compare_with_module(&made);
    assert_eq!(tally.valid, 4 * (SERVER as usize + 1), "{tally:?}");
    assert!(tally.violated.contains("HostProcess"), "{tally:?}");
}
