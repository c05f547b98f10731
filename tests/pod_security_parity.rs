//! The `podSecurity` check and the API server's own admission agree, control by control; and the
//! facts of a template are those of the pod that the API server makes of it.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

mod controlplane;
mod pod_cases;

use std::{collections::BTreeSet, sync::Arc};

use comptroller::{
    api::test_spec::PodSecurityLevel,
    checks::pod_security::violations,
    inventory::{Facts, Interner, Projector, ResourceType, workload::PodFacts},
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

/// What the API server said of a pod.
enum Answer {
    Admitted(Value),
    Refused(BTreeSet<&'static str>),
    /// Not a valid pod at all, so admission was not asked.
    Invalid,
}

struct Server {
    client: Client,
}

impl Server {
    async fn prepare(plane: &ControlPlane) -> Self {
        let client = plane.admin_client();
        for level in ["baseline", "restricted", "privileged"] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {
                "name": level, "labels": {"pod-security.kubernetes.io/enforce": level},
            }}))
            .unwrap();
            Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
            // No controller manager runs that would make it, and pods are refused without it.
            let account: ServiceAccount =
                serde_json::from_value(json!({"metadata": {"name": "default"}})).unwrap();
            Api::namespaced(client.clone(), level)
                .create(&PostParams::default(), &account)
                .await
                .unwrap();
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

/// Asks for one pod at both levels. None when it is not valid.
async fn compare(server: &Server, pod: &Value) -> Option<Seen> {
    let facts_of_pod = facts("", "Pod", pod);
    let mut seen = Seen::default();
    for (seen, level) in
        seen.iter_mut().zip([PodSecurityLevel::Baseline, PodSecurityLevel::Restricted])
    {
        let ours: BTreeSet<_> = violations(level, &facts_of_pod).map(|(rule, _)| rule).collect();
        let theirs = match server.ask(level.as_str(), pod).await {
            Answer::Admitted(_) => BTreeSet::new(),
            Answer::Refused(reasons) => reasons,
            Answer::Invalid => return None,
        };
        assert_eq!(ours, theirs, "{level}: {pod:#}");
        *seen = theirs;
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

/// The facts of a template are those of the pod that the API server makes of it.
async fn compare_facts(server: &Server, pod: &Value) {
    if let Answer::Admitted(made) = server.ask("privileged", pod).await {
        let template = json!({"metadata": {"name": "a"}, "spec": {"template": pod}});
        assert_eq!(facts("apps", "Deployment", &template), facts("", "Pod", &made), "{pod:#}");
    }
}

#[tokio::test]
async fn admission_and_check_agree() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let server = Server::prepare(&plane).await;
    let mutations = mutations();
    let mut rng = SmallRng::seed_from_u64(SEED);
    let (mut single, mut random) = (Tally::default(), Tally::default());
    for base in [plain(), hardened()] {
        assert!(compare(&server, &base).await.is_some(), "a base must be valid");
        compare_facts(&server, &base).await;
        for mutation in &mutations {
            let mut pod = base.clone();
            mutate(&mut pod, mutation);
            repair(&mut pod, &mut rng);
            single.add(compare(&server, &pod).await);
            compare_facts(&server, &pod).await;
        }
    }
    for _ in 0..PODS {
        let mut pod = if rng.random_bool(0.8) { hardened() } else { plain() };
        for _ in 0..rng.random_range(1..7) {
            mutate(&mut pod, mutations.choose(&mut rng).unwrap());
        }
        repair(&mut pod, &mut rng);
        random.add(compare(&server, &pod).await);
        compare_facts(&server, &pod).await;
    }
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
    let mut tally = Tally::default();
    for spec in [
        json!({}),
        json!({"securityContext": {"runAsNonRoot": true}}),
        json!({"securityContext": {"runAsNonRoot": true}, "volumes": [{"name": "v", "hostPath": {"path": "C:\\"}}]}),
        json!({"securityContext": process, "hostNetwork": true}),
    ] {
        let pod = windows(spec);
        tally.add(compare(&server, &pod).await);
        compare_facts(&server, &pod).await;
    }
    assert_eq!(tally.valid, 4, "{tally:?}");
    assert!(tally.violated.contains("HostProcess"), "{tally:?}");
}
