//! From a spec and a cluster to judgements, through the inventory.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Check, CheckContext, Item, Judgement, ObjectSource, build};
use crate::{
    checks::{BuildError, Built, scope::ScopeFilter},
    inventory::{Inventory, Program, ProgramId, Projector, ResourceType},
};

const NOW: &str = "2026-11-21T12:00:00Z";

struct World {
    inventory: Inventory,
    check: Box<dyn Check>,
    program: (ProgramId, Arc<Program>),
    scope: ScopeFilter,
    now: Timestamp,
}

fn test(spec: Value) -> Value {
    let mut test = json!({"resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["daemonsets"]}]});
    test.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    test
}

impl World {
    fn new(spec: Value) -> Self {
        let Built { check, program } = build(&serde_json::from_value(test(spec)).unwrap()).unwrap();
        let mut world = Self {
            inventory: Inventory::default(),
            check,
            program: program.unwrap(),
            scope: ScopeFilter::default(),
            now: NOW.parse().unwrap(),
        };
        world.list("apps", "DaemonSet", &[]);
        world.list("", "Namespace", &[]);
        world
    }

    fn projector(&self, group: &str, kind: &str) -> Projector {
        let resource = ResourceType {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: kind != "Namespace",
        };
        let programs = if kind == "Namespace" { Vec::new() } else { vec![self.program.clone()] };
        Projector::new(resource, programs, Arc::default())
    }

    fn list(&mut self, group: &str, kind: &str, objects: &[Value]) {
        let projector = self.projector(group, kind);
        let id = self.inventory.kind(projector.resource());
        self.inventory.begin(id);
        for object in objects {
            self.inventory.stage(id, projector.project(object).unwrap());
        }
        self.inventory.commit(id, projector.program_ids());
    }

    fn context(&self) -> CheckContext<'_> {
        CheckContext {
            inventory: &self.inventory,
            scope: &self.scope,
            now: self.now,
            occurrences: &[],
        }
    }

    /// What is said of the cluster, or of a namespace.
    fn judge(&self, namespace: &str) -> Judgement {
        let item = match namespace {
            "" => Item::Cluster(0),
            name => {
                let kind = self.inventory.find_kind("", "Namespace").unwrap();
                Item::Object(self.inventory.find(kind, "", name).unwrap())
            }
        };
        self.check.judge(&self.context(), item).expect("an item")
    }

    fn said(&self, namespace: &str) -> Vec<String> {
        let Judgement { failing, unknown, .. } = self.judge(namespace);
        let named = |mark: &str, finding: &crate::checks::Finding| {
            let crate::api::ResourceRef { kind, namespace, name, .. } = &finding.resource;
            let place = namespace.as_ref().map_or_else(String::new, |place| format!("{place}/"));
            format!("{mark}{} {kind} {place}{name} {}", finding.rule, finding.message)
        };
        let failing = failing.iter().map(|finding| named("", finding));
        failing.chain(unknown.iter().map(|finding| named("? ", finding))).collect()
    }
}

fn daemon_set(namespace: &str, name: &str, ready: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "logs"}, "creationTimestamp": "2026-11-21T00:00:00Z"},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
        "status": {"desiredNumberScheduled": 3, "numberReady": ready},
    })
}

fn space(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

#[test]
fn a_cluster_has_what_it_must_have() {
    let mut world = World::new(json!({"names": ["fluent-*"]}));
    let missing =
        "Missing Cluster cluster has none of the daemonsets named fluent-* that must be there";
    assert_eq!(world.said(""), [missing]);
    world.list("apps", "DaemonSet", &[daemon_set("logging", "vector", 3)]);
    assert_eq!(world.said(""), [missing]);
    world.list("apps", "DaemonSet", &[daemon_set("logging", "fluent-bit", 3)]);
    assert_eq!(world.said(""), [""; 0]);
    // There and not healthy: one finding, about the thing itself.
    world.list(
        "apps",
        "DaemonSet",
        &[daemon_set("logging", "fluent-bit", 1), daemon_set("logging", "fluent-edge", 3)],
    );
    assert_eq!(world.said(""), ["Unhealthy DaemonSet logging/fluent-bit is ready on 1 of 3 nodes"]);
}

#[test]
fn each_namespace_has_what_it_must_have() {
    let mut world = World::new(json!({"per": "Namespace", "min": 2}));
    world.list("", "Namespace", &[space("a"), space("b"), space("c")]);
    world.list(
        "apps",
        "DaemonSet",
        &[daemon_set("a", "x", 3), daemon_set("a", "y", 3), daemon_set("b", "x", 3)],
    );
    assert_eq!(world.said("a"), [""; 0]);
    assert_eq!(
        world.said("b"),
        ["Missing Namespace b has 1 of the 2 daemonsets that must be there"]
    );
    assert_eq!(
        world.said("c"),
        ["Missing Namespace c has 0 of the 2 daemonsets that must be there"]
    );
}

#[test]
fn where_only_enough_must_be_healthy_the_others_do_not_count() {
    let mut world = World::new(json!({"unhealthy": "Ignore", "min": 2}));
    let sets = [daemon_set("a", "x", 3), daemon_set("a", "y", 0), daemon_set("a", "z", 3)];
    world.list("apps", "DaemonSet", &sets);
    assert_eq!(world.said(""), [""; 0]);
    world.list("apps", "DaemonSet", &sets[..2]);
    assert_eq!(
        world.said(""),
        [
            "Missing Cluster cluster has 1 of the 2 daemonsets that must be there; not counted: DaemonSet a/y is ready on 0 of 3 nodes"
        ]
    );
}

#[test]
fn what_is_too_old_or_of_tomorrow_does_not_pass() {
    let mut world = World::new(json!({"maxAge": "24h"}));
    world.list("apps", "DaemonSet", &[daemon_set("a", "x", 3)]);
    let judgement = world.judge("");
    assert!(judgement.failing.is_empty() && judgement.unknown.is_empty());
    assert_eq!(judgement.valid_until.unwrap().to_string(), "2026-11-22T00:00:00Z");
    world.now = judgement.valid_until.unwrap();
    assert_eq!(
        world.said(""),
        [
            "TooOld DaemonSet a/x is of 2026-11-21T00:00:00Z, which is more than 1d ago: see why nothing renewed it"
        ]
    );
    world.now = "2026-11-20T00:00:00Z".parse().unwrap();
    let said = world.said("");
    assert!(
        said[0].starts_with(
            "? Undecided DaemonSet a/x is of 2026-11-21T00:00:00Z, which is in the future"
        ),
        "{said:?}"
    );
    assert_eq!(world.judge("").valid_until.unwrap().to_string(), "2026-11-20T23:50:00Z");
}

#[test]
fn an_expression_says_what_healthy_is() {
    let mut world = World::new(json!({"healthy": "object.status.numberReady >= 2"}));
    world.list("apps", "DaemonSet", &[daemon_set("a", "x", 2)]);
    assert_eq!(world.said(""), [""; 0]);
    world.list("apps", "DaemonSet", &[daemon_set("a", "x", 1)]);
    assert_eq!(
        world.said(""),
        ["Unhealthy DaemonSet a/x spec.test.presence.healthy is false of it"]
    );
    let mut without = daemon_set("a", "x", 1);
    without["status"] = json!({});
    world.list("apps", "DaemonSet", &[without]);
    let said = world.said("");
    assert!(
        said[0].starts_with("? Undecided DaemonSet a/x spec.test.presence.healthy failed"),
        "{said:?}"
    );
    for (expression, error) in
        [("object.(", "spec.test.presence.healthy: "), ("1 + 1", "spec.test.presence.healthy: ")]
    {
        let refused = build(&serde_json::from_value(test(json!({"healthy": expression}))).unwrap());
        let Err(BuildError::Invalid(text)) = refused else { panic!("{expression}") };
        assert!(text.starts_with(error), "{text}");
    }
}

#[test]
fn scopes_and_many_and_manifests() {
    let mut world = World::new(json!({}));
    let scope = json!({"excludeNamespaces": ["kube-system"], "exclude": [{"kind": "DaemonSet", "namespace": "a", "name": "x", "reason": "theirs"}]});
    world.scope = ScopeFilter::compile(Some(&serde_json::from_value(scope).unwrap())).unwrap();
    world.list(
        "apps",
        "DaemonSet",
        &[daemon_set("kube-system", "kube-proxy", 3), daemon_set("a", "x", 0)],
    );
    assert!(world.said("")[0].starts_with("Missing"), "{:?}", world.said(""));

    let mut world = World::new(json!({}));
    let many: Vec<Value> = (0..200).map(|n| daemon_set("a", &format!("x{n:03}"), 0)).collect();
    world.list("apps", "DaemonSet", &many);
    let said = world.said("");
    assert_eq!(
        (said.len(), said[50].as_str()),
        (51, "Unhealthy Cluster cluster has 150 more of which the same is true")
    );

    world.inventory.source = ObjectSource::Manifests;
    assert!(world.said("")[0].starts_with("? Undecided Cluster cluster only the cluster shows"));
    assert!(!world.check.judges_manifests());
}

#[test]
fn a_change_affects_the_place_that_it_is_in() {
    let mut world = World::new(json!({"per": "Namespace"}));
    world.list("", "Namespace", &[space("a"), space("b")]);
    let projector = world.projector("apps", "DaemonSet");
    let kind = world.inventory.kind(projector.resource());
    let change = world.inventory.apply(kind, projector.project(&daemon_set("b", "x", 3)).unwrap());
    let mut affected = Vec::new();
    world.check.affected(&world.context(), &change.unwrap(), &mut |item| affected.push(item));
    let kind = world.inventory.find_kind("", "Namespace").unwrap();
    assert_eq!(affected, [Item::Object(world.inventory.find(kind, "", "b").unwrap())]);
}
