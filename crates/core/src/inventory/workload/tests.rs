use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::inventory::{Change, Inventory, Projector, ResourceType, Slot, facts::projection};

pub mod arbitrary;

fn facts(group: &str, kind: &str, object: &Value) -> Result<WorkloadFacts, String> {
    let row = projection(group, kind).expect("a kind with facts");
    match (row.project)(object, &Interner::default()) {
        Ok(Facts::Workload(facts)) => Ok(*facts),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

fn pod(spec: Value) -> Result<WorkloadFacts, String> {
    facts("", "Pod", &json!({"metadata": {"name": "a"}, "spec": spec}))
}

#[test]
fn every_kind_is_read_from_the_place_of_its_template() {
    let containers = json!([{"name": "app", "image": "nginx"}]);
    // A Job has no other.
    let spec = json!({"hostNetwork": true, "restartPolicy": "Never", "containers": containers});
    let template = json!({"spec": spec});
    let bare = pod(spec.clone()).unwrap();
    assert!(bare.pod.host.network);
    for (group, kind) in kinds().filter(|(_, kind)| *kind != "Pod") {
        let spec = match kind {
            "CronJob" => json!({"jobTemplate": {"spec": {"template": template}}}),
            _ => json!({"template": template}),
        };
        let read = facts(group, kind, &json!({"spec": spec})).unwrap();
        assert_eq!(read.pod, bare.pod, "{kind}");
        let error = facts(group, kind, &json!({"spec": null})).unwrap_err();
        assert!(error.contains("template is missing"), "{kind}: {error}");
    }
}

#[test]
fn errors_name_the_field() {
    for (spec, expected) in [
        (json!(null), "spec is missing"),
        (json!([]), "spec is a list: write an object"),
        (json!({}), "spec.containers is missing"),
        (json!({"containers": null}), "spec.containers is missing"),
        (json!({"containers": "app"}), "spec.containers is a string: write a list"),
        (json!({"containers": [7]}), "spec.containers[0] is a number: write an object"),
        (json!({"containers": [{}]}), "spec.containers[0].name is missing"),
        (json!({"initContainers": [{"name": "a"}]}), "spec.containers is missing"),
        (
            json!({"containers": [{"name": "a"}, {"name": "b", "securityContext": {"privileged": "yes"}}]}),
            "spec.containers[1].securityContext.privileged is a string: write true or false",
        ),
        (
            json!({"containers": [{"name": "a", "ports": [{"hostPort": "http"}]}]}),
            "spec.containers[0].ports[0].hostPort is a string: write a whole number",
        ),
        (
            json!({"containers": [{"name": "a", "securityContext": {"capabilities": {"drop": ["ALL", 1]}}}]}),
            "spec.containers[0].securityContext.capabilities.drop[1] is a number",
        ),
        (
            json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": []}}}]}),
            "spec.containers[0].resources.limits.cpu is a list",
        ),
    ] {
        let error = pod(spec.clone()).unwrap_err();
        assert!(error.contains(expected), "{spec}: {error}");
    }
}

#[test]
fn null_is_absent() {
    let nulls = json!({
        "hostNetwork": null, "securityContext": null, "volumes": null, "initContainers": null,
        "serviceAccountName": null, "os": null, "resources": null,
        "containers": [{
            "name": "app", "image": "nginx", "securityContext": null, "resources": {"limits": null},
            "ports": null, "readinessProbe": null, "lifecycle": null,
        }],
    });
    let absent = json!({"containers": [{"name": "app", "image": "nginx"}]});
    assert_eq!(pod(nulls).unwrap().pod, pod(absent).unwrap().pod);
}

#[test]
fn activity_and_controller() {
    let template = json!({"spec": {"containers": [{"name": "app"}]}});
    let idle = json!({"spec": {"replicas": 0, "template": template}});
    assert_eq!(facts("apps", "ReplicaSet", &idle).unwrap().activity, Activity::Idle);
    let done = json!({
        "spec": {"template": template},
        "status": {"conditions": [{"type": "Complete", "status": "True"}]},
    });
    assert_eq!(facts("batch", "Job", &done).unwrap().activity, Activity::Finished);
    let ended = json!({
        "metadata": {"labels": {"a": "b"}, "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": true},
        ]},
        "spec": template["spec"],
        "status": {"phase": "Failed"},
    });
    let ended = facts("", "Pod", &ended).unwrap();
    assert_eq!(ended.activity, Activity::Finished);
    let controller = ended.controller.unwrap();
    assert_eq!(
        (&*controller.group, &*controller.kind, &*controller.name),
        ("apps", "ReplicaSet", "web-1")
    );
    assert_eq!(ended.labels, Labels::default());
}

#[test]
fn labels_stay_where_a_foreign_kind_controls() {
    let object = json!({
        "metadata": {"labels": {"app": "db"}, "ownerReferences": [
            {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "db", "controller": true},
        ]},
        "spec": {"containers": [{"name": "postgres"}]},
    });
    assert_eq!(facts("", "Pod", &object).unwrap().labels.get("app"), Some("db"));
}

#[test]
fn flags_of_the_api_server_only_of_its_static_pod() {
    let pod = |namespace: &str| {
        json!({
            "metadata": {"namespace": namespace, "labels": {"component": "kube-apiserver"}},
            "spec": {"containers": [{
                "name": "kube-apiserver",
                "command": ["kube-apiserver", "--anonymous-auth=false"],
                "args": ["--encryption-provider-config=/etc/e.yaml", "x"],
            }]},
        })
    };
    let flags = facts("", "Pod", &pod("kube-system")).unwrap().api_server_flags.unwrap();
    let flags: Vec<&str> = flags.iter().map(Symbol::as_str).collect();
    assert_eq!(flags, ["--anonymous-auth=false", "--encryption-provider-config=/etc/e.yaml"]);
    assert_eq!(facts("", "Pod", &pod("default")).unwrap().api_server_flags, None);
}

#[test]
fn app_armor_is_found_in_annotation_container_and_pod() {
    let read = |annotation: Option<&str>, container: Option<&str>, of_pod: Option<&str>| {
        let profile =
            |kind: Option<&str>| kind.map(|kind| json!({"appArmorProfile": {"type": kind}}));
        let key = "container.apparmor.security.beta.kubernetes.io/app";
        let object = json!({
            "metadata": {"annotations": annotation.map(|value| json!({key: value}))},
            "spec": {
                "securityContext": profile(of_pod),
                "containers": [{"name": "app", "securityContext": profile(container)}],
            },
        });
        facts("", "Pod", &object).unwrap().pod.containers[0].security.app_armor.clone()
    };
    assert_eq!(read(None, None, None), None);
    assert_eq!(read(None, None, Some("Localhost")), Some(SecurityProfile::Localhost));
    assert_eq!(
        read(None, Some("Unconfined"), Some("Localhost")),
        Some(SecurityProfile::Unconfined)
    );
    assert_eq!(
        read(Some("runtime/default"), None, Some("Localhost")),
        Some(SecurityProfile::RuntimeDefault)
    );
    assert_eq!(
        read(Some("unconfined"), Some("RuntimeDefault"), None),
        Some(SecurityProfile::Unconfined)
    );
    assert_eq!(read(Some("localhost/x"), None, None), Some(SecurityProfile::Localhost));
}

#[test]
fn a_pods_changes_of_status_share_one_shape() {
    let interner = Interner::default();
    let project = |object: &Value| match project_pod(object, &interner).unwrap() {
        Facts::Workload(facts) => facts.pod,
        other => panic!("{other:?}"),
    };
    let spec = json!({"containers": [{"name": "app", "image": "nginx"}]});
    let one = project(&json!({"metadata": {"name": "web-1"}, "spec": spec}));
    let two = project(&json!({
        "metadata": {"name": "web-2"}, "spec": spec, "status": {"podIP": "10.0.0.1"},
    }));
    assert!(Arc::ptr_eq(&one, &two));
}

proptest! {
    #[test]
    fn a_template_and_its_pod_have_equal_facts(template in arbitrary::template()) {
        let of_template = facts("apps", "Deployment", &json!({"spec": {"template": template}}));
        let of_pod = facts("", "Pod", &arbitrary::pod_from(&template));
        prop_assert_eq!(of_template.unwrap().pod, of_pod.unwrap().pod);
    }

    #[test]
    fn garbage_is_an_error_and_no_panic(template in arbitrary::garbage()) {
        let read = facts("apps", "Deployment", &json!({"spec": {"template": template}}));
        if let Ok(read) = read {
            prop_assert!(!read.pod.containers.is_empty());
        }
    }

    #[test]
    fn the_owner_index_is_what_a_rebuild_would_give(steps in prop::collection::vec(arbitrary::step(), 1..60)) {
        let mut inventory = Inventory::default();
        let kinds = [arbitrary::resource("apps", "ReplicaSet"), arbitrary::resource("", "Pod")];
        let projectors = kinds.clone().map(|kind| Projector::new(kind, Vec::new(), Arc::default()));
        for step in steps {
            let at = usize::from(step.pod);
            let id = inventory.kind(&kinds[at]);
            if step.remove {
                inventory.remove(id, "default", &step.name());
            } else {
                inventory.apply(id, projectors[at].project(&step.object()).unwrap());
            }
        }
        let mut expected: Vec<(String, String, Slot)> = inventory
            .iter()
            .filter_map(|(slot, object)| match &object.facts {
                Facts::Workload(facts) => facts.controller.as_ref().map(|owner| {
                    (owner.kind.to_string(), owner.name.to_string(), slot)
                }),
                _ => None,
            })
            .collect();
        let mut found = Vec::new();
        for name in 0..4_u8 {
            let name = format!("w-{name}");
            for slot in inventory.owners.controlled("apps", "ReplicaSet", "default", &name) {
                found.push(("ReplicaSet".to_owned(), name.clone(), *slot));
            }
        }
        expected.sort();
        found.sort();
        prop_assert_eq!(expected, found);
    }
}

#[test]
fn a_circle_of_owners_is_no_chain() {
    let mut inventory = Inventory::default();
    let kind = arbitrary::resource("apps", "ReplicaSet");
    let id = inventory.kind(&kind);
    let projector = Projector::new(kind, Vec::new(), Arc::default());
    let mut slots = Vec::new();
    for (name, owner) in [(0, 1), (1, 2), (2, 0)] {
        let step = arbitrary::Step { pod: false, name, owner: Some(owner), remove: false };
        let change = inventory.apply(id, projector.project(&step.object()).unwrap());
        let Some(Change::Object { slot, .. }) = change else { panic!("no change") };
        slots.push(slot);
    }
    let object = inventory.get(slots[0]).unwrap();
    let Facts::Workload(facts) = &object.facts else { panic!("{object:?}") };
    assert_eq!(controllers(&inventory, "default", facts).len(), 0);
    let mut visits = 0;
    inventory.owners.visit_controlled(&inventory, object, &mut |_| visits += 1);
    assert!(visits <= 8);
}
