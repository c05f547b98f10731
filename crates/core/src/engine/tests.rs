//! The engine's promise: verdicts depend on what is known, not on the order in which it came.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{ControlExceptionSpec, State},
    inventory::{
        Availability, Interner, Projector, ResourceType, ServedResource, facts, guards, reports,
    },
};

const START: &str = "2026-11-21T12:00:00Z";

fn start() -> Timestamp {
    START.parse().unwrap()
}

/// The kinds of the tests, as a cluster with every CRD serves them.
fn catalog() -> Catalog {
    let row = |group: &str, version: &str, kind: &str, plural: &str, namespaced| ServedResource {
        resource: ResourceType {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced,
        },
        versions: vec![version.into()],
    };
    let projected = facts::projections().map(|projection| {
        let cluster_scoped = [
            "Namespace",
            "PersistentVolume",
            "StorageClass",
            "ClusterRole",
            "ClusterRoleBinding",
            "VolumeSnapshotContent",
            guards::POLICY,
            guards::BINDING,
        ];
        let plural = format!("{}s", projection.kind.to_lowercase());
        let namespaced = !cluster_scoped.contains(&projection.kind);
        row(projection.group, projection.versions[0], projection.kind, &plural, namespaced)
    });
    let reports = reports::KINDS.iter().flat_map(|api| {
        let version = api.versions[0];
        api.kinds.iter().map(move |(kind, plural)| {
            row(api.group, version, kind, plural, !kind.starts_with("Cluster"))
        })
    });
    let others = [row("", "v1", "ConfigMap", "configmaps", true)];
    Catalog::new(projected.chain(reports).chain(others).collect())
}

fn spec(test: Value) -> Arc<ControlSpec> {
    Arc::new(
        serde_json::from_value(json!({
            "title": "t", "criteria": ["CC6.1"], "owner": "o", "severity": "High", "test": test,
        }))
        .unwrap(),
    )
}

fn scoped(test: Value) -> Arc<ControlSpec> {
    let mut spec = (*spec(test)).clone();
    spec.scope = serde_json::from_value(json!({
        "namespaces": {"matchLabels": {"env": "prod"}}, "excludeNamespaces": ["kube-system"],
    }))
    .unwrap();
    Arc::new(spec)
}

fn limited(forbid: &[&str]) -> Value {
    json!({"rbac": {"forbid": forbid, "maxSubjects": 2}})
}

/// One control for every test and shape of check.
fn controls() -> Vec<(&'static str, Arc<ControlSpec>)> {
    vec![
        ("workload", spec(json!({"workload": {"require": ["NoPrivileged"]}}))),
        ("workload-in-scope", scoped(json!({"workload": {"require": ["NoPrivileged"]}}))),
        ("pod-security", scoped(json!({"podSecurity": {"minimum": "baseline"}}))),
        ("guards", spec(json!({"guards": {}}))),
        ("ingress", spec(json!({"encryption": {"ingress": {"minValidity": "30d"}}}))),
        ("certificates", spec(json!({"encryption": {"certificates": {"minValidity": "30d"}}}))),
        ("backup", spec(json!({"backup": {"of": "PersistentVolumeClaims", "maxAge": "24h"}}))),
        ("rbac", spec(json!({"rbac": {"forbid": ["ClusterAdmin", "ReadSecrets", "Dangling"]}}))),
        ("rbac-admins", spec(json!({"rbac": {"forbid": ["ClusterAdmin", "SystemMasters"]}}))),
        (
            "rbac-named",
            spec(json!({"rbac": {"forbid": ["Impersonate", "MintTokens", "Bind", "Escalate"]}})),
        ),
        ("rbac-exec", spec(json!({"rbac": {"forbid": ["Exec", "PortForward"]}}))),
        ("rbac-together", spec(json!({"rbac": {"forbid": ["ApproveCertificates", "Everyone"]}}))),
        ("rbac-limited", spec(limited(&["ClusterAdmin", "ReadSecrets", "ApproveCertificates"]))),
        ("rbac-dangling-limited", spec(limited(&["Dangling", "CloudIdentity"]))),
        ("rbac-in-scope", scoped(json!({"rbac": {"forbid": ["ReadSecrets"], "maxSubjects": 1}}))),
        (
            "cel",
            scoped(json!({"cel": {
                "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
                "validations": [{"expression": "object.data.colour == 'blue'"}],
            }})),
        ),
        (
            "presence",
            scoped(json!({"presence": {
                "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
                "names": ["x", "y"], "healthy": "object.data.colour == 'blue'",
            }})),
        ),
        (
            "presence-of-runs",
            spec(json!({"presence": {
                "resources": [{"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["cronjobs"]}],
                "per": "Namespace", "maxAge": "48h", "unhealthy": "Ignore",
            }})),
        ),
        ("results", scoped(json!({"results": {"reports": ["PolicyReport"], "maxAge": "48h"}}))),
        (
            "results-of-workloads",
            spec(json!({"results": {
                "reports": ["PolicyReport"], "sources": ["kyverno"], "policies": ["p*"],
                "maxAge": "36h", "require": {"of": "Workloads"},
            }})),
        ),
        (
            "results-of-namespaces",
            scoped(json!({"results": {
                "reports": ["PolicyReport"], "minSeverity": "High", "maxAge": "36h",
                "require": {"of": "Namespaces", "selector": {"matchLabels": {"env": "prod"}}},
            }})),
        ),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Put(Value),
    Remove(Value),
    Relist(&'static str),
    Pass(i64),
    Except { resource: &'static str, hours: i64 },
    Admit,
    Edit(usize),
    Upgrade(Option<u32>),
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "kube-system"])
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["x", "y", "z"])
}

fn template(privileged: bool) -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": privileged}}]}})
}

fn object() -> impl Strategy<Value = Value> {
    let workload = (namespace(), name(), any::<bool>()).prop_map(|(namespace, name, privileged)| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"namespace": namespace, "name": name},
            "spec": {"template": template(privileged)}})
    });
    let pod = (namespace(), name(), any::<bool>(), any::<bool>()).prop_map(|(namespace, name, privileged, owned)| {
        let mut pod = template(privileged);
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"] = json!({"namespace": namespace, "name": name});
        if owned {
            pod["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "controller": true}]);
        }
        pod
    });
    let space = (namespace(), any::<bool>(), any::<bool>()).prop_map(|(name, prod, enforced)| {
        let mut labels = json!({});
        if prod {
            labels["env"] = json!("prod");
        }
        if enforced {
            labels["pod-security.kubernetes.io/enforce"] = json!("baseline");
        }
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    });
    let ingress = (namespace(), name(), any::<bool>()).prop_map(|(namespace, name, tls)| {
        let tls = if tls { json!([{"hosts": ["h.example.com"], "secretName": name}]) } else { json!([]) };
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"namespace": namespace, "name": name},
            "spec": {"rules": [{"host": "h.example.com"}], "tls": tls}})
    });
    let certificate = (namespace(), name(), 0..120_i64).prop_map(|(namespace, name, days)| {
        let end = start() + SignedDuration::from_hours(24 * days);
        json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"namespace": namespace, "name": name},
            "spec": {"secretName": name, "dnsNames": ["h.example.com"]},
            "status": {"notAfter": end.to_string(), "conditions": [{"type": "Ready", "status": "True"}]}})
    });
    let claim = (namespace(), name()).prop_map(|(namespace, name)| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": namespace, "name": name},
            "spec": {"volumeName": format!("pv-{name}")}, "status": {"phase": "Bound"}})
    });
    let cron = (namespace(), name(), 0..60_i64).prop_map(|(namespace, name, hours)| {
        let last = start() - SignedDuration::from_hours(hours);
        json!({"apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"namespace": namespace, "name": name, "labels": {"comptroller.dev/backs-up": name}},
            "spec": {"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": template(false)}}},
            "status": {"lastSuccessfulTime": last.to_string()}})
    });
    let map = (namespace(), name(), any::<Option<bool>>()).prop_map(|(namespace, name, blue)| {
        let data = match blue {
            Some(true) => json!({"colour": "blue"}),
            Some(false) => json!({"colour": "red"}),
            None => json!({}),
        };
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}, "data": data})
    });
    prop_oneof![
        9 => prop_oneof![workload, pod, space, ingress, certificate, claim, cron, map],
        4 => access(),
        3 => report(),
        1 => guard(),
    ]
}

/// What engines say of workloads and namespaces, in both API groups.
fn report() -> impl Strategy<Value = Value> {
    let result = (
        prop::sample::select(vec!["pass", "pass", "fail", "error", "skip", "warn"]),
        prop::sample::select(vec!["p1", "p2", "q"]),
        prop::sample::select(vec!["high", "low"]),
        0..60_i64,
        prop::sample::select(vec!["kyverno", "kyverno", "other"]),
    );
    let result = result.prop_map(|(result, policy, severity, hours, source)| {
        let at = start() - SignedDuration::from_hours(hours);
        json!({"source": source, "policy": policy, "rule": "r", "result": result, "severity": severity,
            "timestamp": {"seconds": at.as_second(), "nanos": 0}})
    });
    let about = prop::sample::select(vec![
        ("apps/v1", "ReplicaSet"),
        ("v1", "Pod"),
        ("v1", "Namespace"),
        ("example.com/v1", "Widget"),
    ]);
    let parts = (namespace(), name(), name(), any::<bool>(), about);
    let more = (prop::collection::vec(result, 0..3), 0..6_i64);
    (parts, more).prop_map(|((namespace, name, of, open, (version, kind)), (results, summary))| {
        let (group, report) =
            if open { ("openreports.io/v1alpha1", "Report") } else { ("wgpolicyk8s.io/v1alpha2", "PolicyReport") };
        let mut report = json!({"apiVersion": group, "kind": report, "metadata": {"namespace": namespace, "name": name},
            "scope": {"apiVersion": version, "kind": kind, "namespace": namespace, "name": of}, "results": results});
        if kind == "Namespace" {
            report["scope"]["name"] = json!(namespace);
        }
        if summary == 0 {
            report["summary"] = json!({"fail": 9});
        }
        report
    })
}

/// A policy or a binding of ours, as shipped or weaker, or somebody else's.
fn guard() -> impl Strategy<Value = Value> {
    (prop::sample::select(guards::shipped()), any::<bool>(), any::<bool>()).prop_map(
        |(shipped, ours, weaker)| {
            let mut spec = shipped.spec.clone();
            if weaker {
                spec["validationActions"] = json!(["Warn"]);
            }
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": shipped.kind,
                "metadata": {"name": if ours { shipped.name.as_str() } else { "other" }}, "spec": spec})
        },
    )
}

/// Roles, bindings and accounts: one of the roles can't be read, and two give a right only together.
fn access() -> impl Strategy<Value = Value> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let rule = |group: &str, resource: &str, verb: &str| json!([{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]);
    let named = |group: &str, resource: &str, verb: &str, names: &[&str]| {
        let mut rules = rule(group, resource, verb);
        rules[0]["resourceNames"] = json!(names);
        rules
    };
    let rules = vec![
        json!([]),
        json!("everything"),
        rule("*", "*", "*"),
        rule("", "secrets", "get"),
        rule("certificates.k8s.io", "certificatesigningrequests/approval", "update"),
        rule("certificates.k8s.io", "signers", "approve"),
        rule("", "pods/exec", "get"),
        named("", "users", "impersonate", &["user-x", "user-y"]),
        named("", "serviceaccounts/token", "create", &["x", "z"]),
        named("", "serviceaccounts", "impersonate", &["y"]),
        json!([
            {"apiGroups": [RBAC], "resources": ["clusterroles"], "verbs": ["bind", "escalate", "patch"], "resourceNames": ["x", "z"]},
            {"apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": ["create"]},
        ]),
    ];
    let cluster_roles = (name(), prop::sample::select(rules)).prop_map(|(name, rules)| {
        json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    });
    let group =
        prop::sample::select(vec!["devs", "system:authenticated", "system:serviceaccounts:a"]);
    let binding = (name(), name(), namespace(), any::<bool>(), group);
    let binding = binding.prop_map(|(name, role, namespace, wide, group)| {
        let mut binding = json!({"apiVersion": format!("{RBAC}/v1"),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [
            {"apiGroup": RBAC, "kind": "User", "name": format!("user-{name}")},
            {"kind": "ServiceAccount", "namespace": namespace, "name": name},
            {"apiGroup": RBAC, "kind": "Group", "name": group},
        ]});
        (binding["kind"], binding["metadata"]) = if wide {
            (json!("ClusterRoleBinding"), json!({"name": name}))
        } else {
            (json!("RoleBinding"), json!({"name": name, "namespace": namespace}))
        };
        binding
    });
    let account = (namespace(), name(), 0..3).prop_map(|(namespace, name, shape)| {
        let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}});
        match shape {
            0 => account["metadata"]["annotations"] = json!({"eks.amazonaws.com/role-arn": "arn"}),
            1 => account["automountServiceAccountToken"] = json!("perhaps"),
            _ => {}
        }
        account
    });
    prop_oneof![2 => cluster_roles, 3 => binding, 1 => account]
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = vec![
        "Namespace",
        "ReplicaSet",
        "Pod",
        "Ingress",
        "Certificate",
        "PersistentVolumeClaim",
        "CronJob",
        "ClusterRole",
        "ClusterRoleBinding",
        "RoleBinding",
        "ServiceAccount",
        "ConfigMap",
        "Report",
        "PolicyReport",
        "ValidatingAdmissionPolicyBinding",
    ];
    prop_oneof![
        8 => object().prop_map(Step::Put),
        3 => object().prop_map(Step::Remove),
        1 => prop::sample::select(kinds).prop_map(Step::Relist),
        2 => (1..40_i64).prop_map(Step::Pass),
        1 => (name(), 1..400_i64).prop_map(|(resource, hours)| Step::Except { resource, hours }),
        1 => Just(Step::Admit),
        2 => (0..controls().len()).prop_map(Step::Edit),
        1 => prop::sample::select(vec![None, Some(34), Some(36)]).prop_map(Step::Upgrade),
    ]
}

type Key = (String, String, String);

fn key(object: &Value) -> Key {
    let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

/// How the kinds that the controls read are projected; what is watched never depends on a step.
static PROJECTORS: LazyLock<Vec<Projector>> = LazyLock::new(|| {
    let mut engine = Engine::default();
    engine.set_catalog(catalog(), start());
    for (name, spec) in controls() {
        engine.upsert_control(name, 1, spec, Remembered::default());
    }
    let interner = Arc::new(Interner::default());
    let wanted = engine.watch_set().kinds.into_iter();
    wanted
        .map(|(resource, programs)| Projector::new(resource, programs, Arc::clone(&interner)))
        .collect()
});

fn projector(kind: &str) -> &'static Projector {
    PROJECTORS.iter().find(|known| known.resource().kind == kind).expect("a kind that is read")
}

/// A cluster, and an engine that follows it as the operator does.
struct World {
    engine: Engine,
    objects: BTreeMap<Key, Value>,
    exceptions: BTreeMap<String, ControlExceptionSpec>,
    suspended: Vec<bool>,
    kubernetes: Option<u32>,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            engine: Engine::default(),
            objects: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            suspended: vec![false; controls().len()],
            kubernetes: None,
            now: start(),
        };
        world.engine = world.fresh();
        world
    }

    /// An engine that sees everything for the first time.
    fn fresh(&self) -> Engine {
        let mut engine = Engine::default();
        engine.set_catalog(self.catalog(), self.now);
        for (at, (name, spec)) in controls().into_iter().enumerate() {
            engine.upsert_control(name, 1, self.edited(at, &spec), Remembered::default());
        }
        for (name, spec) in &self.exceptions {
            engine.upsert_exception(name, spec, None);
        }
        for projector in PROJECTORS.iter() {
            self.list(&mut engine, projector);
        }
        engine.evaluate(self.now);
        engine
    }

    fn catalog(&self) -> Catalog {
        let mut catalog = catalog();
        catalog.kubernetes = self.kubernetes.map(crate::inventory::KubernetesVersion::minor);
        catalog
    }

    fn edited(&self, at: usize, spec: &ControlSpec) -> Arc<ControlSpec> {
        Arc::new(ControlSpec { suspend: self.suspended[at], ..spec.clone() })
    }

    fn list(&self, engine: &mut Engine, projector: &Projector) {
        let kind = engine.kind(projector.resource());
        engine.begin(kind);
        for ((of, ..), object) in &self.objects {
            if *of == projector.resource().kind {
                engine.stage(kind, projector.project(object).unwrap());
            }
        }
        engine.commit(kind, projector.program_ids(), self.now);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Put(object) => {
                let projector = projector(&key(object).0);
                self.objects.insert(key(object), object.clone());
                let kind = self.engine.kind(projector.resource());
                self.engine.apply(kind, projector.project(object).unwrap(), self.now);
            }
            Step::Remove(object) => {
                let (of, namespace, name) = key(object);
                let kind = self.engine.kind(projector(&of).resource());
                self.engine.remove(kind, &namespace, &name, self.now);
                self.objects.remove(&(of, namespace, name));
            }
            Step::Relist(of) => {
                let mut engine = std::mem::take(&mut self.engine);
                self.list(&mut engine, projector(of));
                self.engine = engine;
            }
            Step::Pass(hours) => self.now += SignedDuration::from_hours(*hours),
            Step::Except { resource, hours } => self.except(resource, *hours),
            Step::Admit => {
                if let Some((name, _)) = self.exceptions.pop_first() {
                    self.engine.remove_exception(&name);
                }
            }
            Step::Upgrade(minor) => {
                self.kubernetes = *minor;
                self.engine.set_catalog(self.catalog(), self.now);
            }
            Step::Edit(at) => {
                self.suspended[*at] = !self.suspended[*at];
                let (name, spec) = controls().swap_remove(*at);
                self.engine.upsert_control(name, 1, self.edited(*at, &spec), Remembered::default());
            }
        }
        self.engine.evaluate(self.now);
    }

    fn except(&mut self, resource: &str, hours: i64) {
        let spec: ControlExceptionSpec = serde_json::from_value(json!({
            "controls": ["workload", "ingress", "backup", "rbac", "rbac-admins"],
            "resources": [
                {"kind": "ReplicaSet", "name": resource},
                {"kind": "Ingress", "name": resource},
                {"kind": "PersistentVolumeClaim", "name": resource},
                {"kind": "ClusterRoleBinding", "name": "*"},
            ],
            "reason": "r", "requestedBy": "jane", "approvedBy": "sam",
            "expires": self.now + SignedDuration::from_hours(hours),
        }))
        .unwrap();
        self.engine.upsert_exception(resource, &spec, None);
        self.exceptions.insert(resource.to_owned(), spec);
    }
}

/// What a verdict says, but for when each thing was first found.
fn essence(engine: &Engine, now: Timestamp) -> Vec<String> {
    let exceptions =
        engine.exception_names().map(|name| format!("{name}: {:?}", engine.exception(name, now)));
    controls()
        .iter()
        .map(|(name, _)| {
            let verdict = engine.verdict(name).expect("a verdict");
            let mut findings: Vec<String> = (engine.findings(name, now).iter())
                .chain(&engine.excepted(name, now))
                .chain(&engine.undecided(name, now))
                .map(|observed| format!("{:?} {:?}", observed.finding, observed.exception))
                .collect();
            findings.sort();
            format!(
                "{name}: {:?} ({}) {} of {} fail, {} excepted, {} unknown, {} open, digest {:x}: {findings:#?}",
                verdict.state,
                // Which of those that can't be judged is named first is told by history.
                verdict.message.rsplit_once("; ").map_or("", |(_, deferred)| deferred),
                verdict.failing,
                verdict.population,
                verdict.excepted,
                verdict.unknown,
                verdict.open_findings,
                verdict.digest,
            )
        })
        .chain(exceptions)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn incremental_verdicts_equal_fresh_ones(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        let fresh = world.fresh();
        prop_assert_eq!(essence(&world.engine, world.now), essence(&fresh, world.now));
    }
}

#[test]
fn time_alone_turns_a_verdict_at_the_moment_it_said() {
    let mut world = World::new();
    world.take(&Step::Put(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"namespace": "a", "name": "x"}, "spec": {"secretName": "x"},
        "status": {"notAfter": "2027-01-20T12:00:00Z", "conditions": [{"type": "Ready", "status": "True"}]}})));
    assert_eq!(world.engine.verdict("certificates").unwrap().state, State::Passing);
    let wake = world.engine.next_wake().expect("a deadline");
    let ends: Timestamp = "2026-12-21T12:00:00Z".parse().unwrap();
    assert_eq!(wake.as_second(), ends.as_second(), "30 days before the certificate ends");
    world.engine.evaluate(ends);
    assert_eq!(world.engine.verdict("certificates").unwrap().state, State::Passing);
    let evaluated = world.engine.evaluate(wake);
    assert_eq!(evaluated.controls, ["certificates"]);
    let verdict = world.engine.verdict("certificates").unwrap();
    // Statuses and the log keep whole seconds.
    assert_eq!((verdict.state, verdict.since), (State::Failing, ends));
}

#[test]
fn a_list_that_is_cut_yields_nothing() {
    let mut world = World::new();
    let bad = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"namespace": "a", "name": "x"},
        "spec": {"template": template(true)}});
    let projected = projector("ReplicaSet").project(&bad).unwrap();
    let kind = world.engine.kind(projector("ReplicaSet").resource());
    let before = essence(&world.engine, world.now);
    world.engine.begin(kind);
    world.engine.stage(kind, projected);
    world.engine.evaluate(world.now);
    assert_eq!(essence(&world.engine, world.now), before);
    world.engine.begin(kind);
    world.engine.commit(kind, Vec::new(), world.now);
    world.engine.evaluate(world.now);
    assert_eq!(essence(&world.engine, world.now), before);
}

#[test]
fn an_unreadable_kind_is_unknown_with_its_reason() {
    let mut world = World::new();
    let kind = world.engine.kind(projector("Ingress").resource());
    for (availability, reason) in [
        (Availability::Forbidden("no".into()), Reason::Forbidden),
        (Availability::Stale { since: start(), error: "gone".into() }, Reason::WatchStale),
        (
            Availability::Untaken { object: "shop/web".into(), error: "too large".into() },
            Reason::ItemsUnknown,
        ),
        (Availability::NotServed, Reason::KindNotServed),
    ] {
        world.engine.set_availability(kind, availability, world.now);
        world.engine.evaluate(world.now);
        let verdict = world.engine.verdict("ingress").unwrap();
        assert_eq!((verdict.state, verdict.reason), (State::Unknown, reason));
        assert!(verdict.findings.is_empty() && verdict.population == 0);
    }
    world.take(&Step::Relist("Ingress"));
    assert_eq!(world.engine.verdict("ingress").unwrap().state, State::NotApplicable);
}

#[test]
fn a_blind_engine_withdraws_every_verdict_and_judges_all_anew_when_it_sees() {
    let mut world = World::new();
    world.take(&Step::Put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a", "name": "x"}, "spec": {"rules": [{"host": "h"}]}})));
    let before = essence(&world.engine, world.now);
    world.engine.withhold_all(Some("nothing was heard of Controls".to_owned()));
    let evaluated = world.engine.evaluate(world.now);
    assert_eq!(evaluated.controls.len(), controls().len());
    for (name, _) in controls() {
        let verdict = world.engine.verdict(name).unwrap();
        assert_eq!((verdict.state, verdict.reason), (State::Unknown, Reason::WatchStale), "{name}");
    }
    assert_eq!(world.engine.evaluate(world.now), EvaluationChanges::default(), "said once");
    world.engine.withhold_all(None);
    world.engine.evaluate(world.now);
    assert_eq!(essence(&world.engine, world.now), before);
}

#[test]
fn since_survives_a_restart_and_an_edit() {
    let mut world = World::new();
    world.take(&Step::Put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a", "name": "x"}, "spec": {"rules": [{"host": "h"}]}})));
    let verdict = world.engine.verdict("ingress").unwrap().clone();
    let remembered = Remembered {
        state: Some((verdict.state, verdict.since)),
        findings: Some(since_of(&verdict.findings)),
        ..Remembered::default()
    };
    world.now += SignedDuration::from_hours(5);
    let mut restarted = Engine::default();
    restarted.set_catalog(catalog(), world.now);
    let control = |severity: &str| {
        let mut spec = (*spec(json!({"encryption": {"ingress": {"minValidity": "30d"}}}))).clone();
        spec.severity = serde_json::from_value(json!(severity)).unwrap();
        Arc::new(spec)
    };
    restarted.upsert_control("ingress", 1, control("High"), remembered);
    for projector in PROJECTORS.iter() {
        world.list(&mut restarted, projector);
    }
    restarted.evaluate(world.now);
    let again = restarted.verdict("ingress").unwrap().clone();
    assert_eq!(again.since, verdict.since);
    assert_eq!(again.findings, verdict.findings);
    restarted.upsert_control("ingress", 2, control("Critical"), Remembered::default());
    restarted.evaluate(world.now);
    let edited = restarted.verdict("ingress").unwrap();
    assert_eq!((edited.generation, edited.since), (2, verdict.since));
    assert_eq!(edited.findings[0].since, verdict.findings[0].since);
}

fn since_of(findings: &[ObservedFinding]) -> Arc<dyn Recollection> {
    let since: rustc_hash::FxHashMap<_, _> = findings
        .iter()
        .map(|observed| (memory::FindingHash::of_finding(&observed.finding), observed.since))
        .collect();
    Arc::new(since)
}

#[test]
fn who_takes_over_adopts_the_times_of_what_is_still_so_and_no_others() {
    let mut world = World::new();
    world.take(&Step::Put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a", "name": "x"}, "spec": {"rules": [{"host": "h"}]}})));
    let own = world.engine.verdict("ingress").unwrap().clone();
    let earlier = own.since - SignedDuration::from_secs(90);
    let mut known = own.findings.clone();
    for observed in &mut known {
        observed.since = earlier;
    }
    let take_over = |engine: &mut Engine, state| {
        let findings = Some(since_of(&known));
        engine.take_over(
            "ingress",
            Remembered { state: Some((state, earlier)), findings, ..Remembered::default() },
        );
    };
    take_over(&mut world.engine, State::Passing);
    assert_eq!(world.engine.evaluate(world.now).controls, ["ingress"]);
    let other = world.engine.verdict("ingress").unwrap().clone();
    assert_eq!((other.since, other.findings[0].since), (own.since, earlier));

    take_over(&mut world.engine, State::Failing);
    world.engine.evaluate(world.now);
    let after = world.engine.verdict("ingress").unwrap().clone();
    assert_eq!((after.since, after.findings[0].since), (earlier, earlier));
    assert_eq!(world.engine.wrong("ingress", world.now), after.findings);
    let population = world.engine.population("ingress");
    assert_eq!((population[0].resource.name.as_str(), population.len()), ("x", after.population));

    // What goes and comes back is new.
    world.now += SignedDuration::from_hours(1);
    world.take(&Step::Remove(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a", "name": "x"}})));
    world.take(&Step::Put(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a", "name": "x"}, "spec": {"rules": [{"host": "h"}]}})));
    assert!(world.engine.verdict("ingress").unwrap().findings[0].since > earlier);
}

#[test]
fn a_blocked_control_does_not_ask_to_be_woken_for_what_was_due() {
    let mut world = World::new();
    world.take(&Step::Put(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"namespace": "a", "name": "x"}, "spec": {"secretName": "x"},
        "status": {"notAfter": "2027-01-20T12:00:00Z", "conditions": [{"type": "Ready", "status": "True"}]}})));
    let kind = world.engine.kind(projector("Certificate").resource());
    world.engine.set_availability(kind, Availability::Forbidden("no".into()), world.now);
    let late = world.now + SignedDuration::from_hours(24 * 90);
    world.engine.evaluate(late);
    assert_eq!(world.engine.verdict("certificates").unwrap().reason, Reason::Forbidden);
    assert_eq!(world.engine.next_wake(), None);
}

#[test]
fn a_kind_is_read_in_one_version_and_expressions_must_be_written_for_it() {
    let served = ServedResource {
        resource: ResourceType {
            group: "example.com".into(),
            version: "v2".into(),
            kind: "Widget".into(),
            plural: "widgets".into(),
            namespaced: true,
        },
        versions: vec!["v2".into(), "v1".into()],
    };
    let control = |version: &str| {
        spec(json!({"cel": {
            "resources": [{"apiGroups": ["example.com"], "apiVersions": [version], "resources": ["widgets"]}],
            "validations": [{"expression": format!("object.spec.blue == true && '{version}' != ''")}],
        }}))
    };
    let mut engine = Engine::default();
    engine.set_catalog(Catalog::new(vec![served]), start());
    engine.upsert_control("first", 1, control("v1"), Remembered::default());
    engine.upsert_control("second", 1, control("v2"), Remembered::default());
    let wanted = engine.watch_set().kinds;
    let (resource, programs) = wanted.into_iter().next().expect("one kind");
    assert_eq!((resource.version.as_str(), programs.len()), ("v1", 2));
    let kind = engine.kind(&resource);
    engine.begin(kind);
    engine.commit(kind, programs.into_iter().map(|(id, _)| id).collect(), start());
    engine.evaluate(start());
    assert_eq!(engine.verdict("first").unwrap().state, State::NotApplicable);
    let second = engine.verdict("second").unwrap();
    assert_eq!((second.state, second.reason), (State::Unknown, Reason::UnsupportedExpression));
    assert!(second.message.contains("read as v1"), "{}", second.message);
}

/// A control that leaves out, in an engine that holds these objects.
fn left_out(exclude: &Value, test: Value, objects: &[Value]) -> Engine {
    let mut spec = (*spec(test)).clone();
    spec.scope = serde_json::from_value(json!({"exclude": exclude})).unwrap();
    let mut engine = Engine::default();
    engine.set_catalog(catalog(), start());
    engine.upsert_control("c", 1, Arc::new(spec), Remembered::default());
    let interner = Arc::new(Interner::default());
    for (resource, programs) in engine.watch_set().kinds {
        let kind = engine.kind(&resource);
        let projector = Projector::new(resource.clone(), programs, Arc::clone(&interner));
        engine.begin(kind);
        for object in objects.iter().filter(|object| object["kind"] == *resource.kind) {
            engine.stage(kind, projector.project(object).unwrap());
        }
        engine.commit(kind, projector.program_ids(), start());
    }
    engine.evaluate(start());
    engine
}

#[test]
fn what_is_left_out_is_not_judged_and_what_is_alike_is() {
    let pod = |namespace: &str, name: &str| {
        let mut pod = template(true);
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"] = json!({"namespace": namespace, "name": name});
        pod
    };
    let set = |namespace: &str, name: &str| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"namespace": namespace, "name": name}, "spec": {"template": template(true)}})
    };
    let namespace =
        |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let objects = [
        namespace("a"),
        namespace("b"),
        pod("a", "agent"),
        pod("b", "agent"),
        pod("b", "agents"),
        set("b", "agent"),
    ];
    let test = || json!({"podSecurity": {"minimum": "baseline"}});
    for (exclude, found) in [
        (json!([]), vec!["a", "agent", "agent", "agents", "agent", "b"]),
        (json!([{"namespace": "a", "reason": "r"}]), vec!["agent", "agents", "agent", "b"]),
        (
            json!([{"kind": "Pod", "namespace": "b", "name": "agent", "reason": "r"}]),
            vec!["a", "agent", "agents", "agent", "b"],
        ),
        // The namespace by itself, and not what is in it.
        (
            json!([{"kind": "Namespace", "name": "b", "reason": "r"}]),
            vec!["a", "agent", "agent", "agents", "agent"],
        ),
        // Without its namespace it names an object of the cluster, of which there is none.
        (
            json!([{"kind": "Pod", "name": "agent", "reason": "r"}]),
            vec!["a", "agent", "agent", "agents", "agent", "b"],
        ),
    ] {
        let engine = left_out(&exclude, test(), &objects);
        let verdict = engine.verdict("c").unwrap();
        let mut names: Vec<&str> =
            verdict.findings.iter().map(|found| &*found.finding.resource.name).collect();
        let mut found = found;
        names.sort_unstable();
        found.sort_unstable();
        assert_eq!(names, found, "{exclude}");
    }
}

/// Who leaves out a namespace of the vendor still asks who may do what in it.
#[test]
fn rights_in_what_is_left_out_count() {
    let objects = [
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"namespace": "kube-system", "name": "r"},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"namespace": "kube-system", "name": "b"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]}),
    ];
    let exclude = json!([{"namespace": "kube-system", "reason": "r"}]);
    let engine = left_out(&exclude, json!({"rbac": {"forbid": ["ReadSecrets"]}}), &objects);
    assert_eq!(engine.verdict("c").unwrap().failing, 1);
}

/// Only a whole group that is absent is nothing to judge: a name that is written wrongly is not.
#[test]
fn what_is_not_served_is_nothing_to_judge_for_who_says_so() {
    let widgets = |group: &str, plural: &str, when_served: bool| {
        json!({"cel": {
            "resources": [{"apiGroups": [group], "apiVersions": ["*"], "resources": [plural],
                "whenServed": when_served}],
            "validations": [{"expression": "true"}],
        }})
    };
    let mut unreachable = catalog();
    unreachable.unreachable_groups.push("example.com".into());
    for (catalog, test, state) in [
        (catalog(), widgets("example.com", "widgets", true), State::NotApplicable),
        (catalog(), widgets("example.com", "widgets", false), State::Unknown),
        (unreachable, widgets("example.com", "widgets", true), State::Unknown),
        (catalog(), widgets("apps", "deployment", true), State::Unknown),
        (
            Catalog::default(),
            json!({"encryption": {"gateways": {"whenServed": true}}}),
            State::NotApplicable,
        ),
        (Catalog::default(), json!({"encryption": {"gateways": {}}}), State::Unknown),
        (
            Catalog::default(),
            json!({"encryption": {"certificates": {"whenServed": true}}}),
            State::NotApplicable,
        ),
        (Catalog::default(), json!({"encryption": {"certificates": {}}}), State::Unknown),
    ] {
        let mut engine = Engine::default();
        engine.set_catalog(catalog, start());
        engine.upsert_control("c", 1, spec(test.clone()), Remembered::default());
        engine.evaluate(start());
        assert_eq!(engine.verdict("c").unwrap().state, state, "{test}");
    }
}

/// One cause is one finding, as long as the control that tells it does so.
#[test]
fn what_cluster_admin_implies_is_left_to_the_control_about_it() {
    let rbac = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": "x"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let binding = |name: &str| {
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "x"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": format!("user-{name}")}]})
    };
    let mut world = World::new();
    let edit = |world: &mut World, name: &str| {
        let at = controls().iter().position(|(known, _)| *known == name).unwrap();
        world.take(&Step::Edit(at));
    };
    let stands = |world: &World, name: &str| {
        let verdict = world.engine.verdict(name).unwrap();
        (verdict.state, verdict.message.clone())
    };
    world.take(&Step::Put(role));
    world.take(&Step::Put(binding("y")));
    assert_eq!(
        stands(&world, "rbac"),
        (State::Passing, "all 1 pass; 1 subject holds cluster-admin: see rbac-admins".to_owned())
    );
    assert_eq!(stands(&world, "rbac-admins").0, State::Failing);
    world.take(&Step::Put(binding("z")));
    assert!(stands(&world, "rbac").1.ends_with("; 2 subjects hold cluster-admin: see rbac-admins"));
    // A limit counts everybody.
    assert_eq!(stands(&world, "rbac-limited").1, "all 3 pass");
    // An exception there is that control's decision, and visible there.
    world.take(&Step::Except { resource: "y", hours: 3 });
    assert_eq!(stands(&world, "rbac-admins").0, State::Excepted);
    assert_eq!(stands(&world, "rbac").0, State::Passing);
    world.take(&Step::Admit);
    for back in [false, true] {
        edit(&mut world, "rbac-admins");
        let expected = if back { State::Passing } else { State::Failing };
        assert_eq!(stands(&world, "rbac").0, expected);
    }
    world.engine.remove_control("rbac-admins");
    world.engine.evaluate(world.now);
    assert_eq!(stands(&world, "rbac").0, State::Failing);
    assert_eq!(world.engine.findings("rbac", world.now).len(), 2);
}

#[test]
fn a_rule_that_names_what_is_not_served_is_unknown() {
    let reason = |groups: Value, resources: Value| {
        let mut engine = Engine::default();
        engine.set_catalog(catalog(), start());
        let rule = json!({"apiGroups": groups, "resources": resources, "verbs": ["get"]});
        engine.upsert_control(
            "c",
            1,
            spec(json!({"rbac": {"rules": [rule]}})),
            Remembered::default(),
        );
        for (group, kind) in [
            ("ClusterRole", "clusterroles"),
            ("Role", "roles"),
            ("ClusterRoleBinding", "clusterrolebindings"),
            ("RoleBinding", "rolebindings"),
        ]
        .map(|(kind, _)| ("rbac.authorization.k8s.io", kind))
        {
            let resource = engine.catalog().find_kind(group, kind).unwrap().resource.clone();
            let kind = engine.kind(&resource);
            engine.begin(kind);
            engine.commit(kind, Vec::new(), start());
        }
        engine.evaluate(start());
        let verdict = engine.verdict("c").unwrap();
        (verdict.state, verdict.message.clone())
    };
    for (groups, resources, said) in [
        (
            json!([""]),
            json!(["secret"]),
            "spec.test.rbac.rules[0].resources: the cluster serves no \"secret\" in these API groups; write secrets",
        ),
        (
            json!(["apps"]),
            json!(["pods"]),
            "spec.test.rbac.rules[0].resources: \"pods\" is not in these API groups; write \"\" in apiGroups",
        ),
        (
            json!([""]),
            json!(["pods/logs"]),
            "spec.test.rbac.rules[0].resources: \"pods\" has no subresource \"logs\"; write log after the slash",
        ),
        (
            json!(["example.org"]),
            json!(["widgets"]),
            "spec.test.rbac.rules[0].apiGroups: the cluster serves no API group \"example.org\"; install its CRDs, or correct the name",
        ),
    ] {
        assert_eq!(reason(groups, resources), (State::Unknown, said.to_owned()));
    }
    for (groups, resources) in [
        (json!([""]), json!(["pods/exec", "secrets", "nodes/proxy", "users"])),
        (json!(["*"]), json!(["*", "*/status", "deployments/scale"])),
        (json!(["certificates.k8s.io"]), json!(["signers"])),
    ] {
        assert_eq!(reason(groups, resources).0, State::NotApplicable);
    }
}
