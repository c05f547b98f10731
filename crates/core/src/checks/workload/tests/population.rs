//! Who is judged, and what a change affects.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{
    R, check,
    world::{self, Outcome, World, pod, workload},
};

#[test]
fn a_selector_takes_workloads_by_the_labels_of_the_topmost_controller() {
    let check = check(&[R::NoPrivileged], &[], Some(json!({"matchLabels": {"tier": "web"}})));
    let mut world = World::default();
    let spec = json!({"containers": [{"name": "app"}]});
    let mut labelled = workload("web", None, &spec);
    labelled["metadata"]["labels"] = json!({"tier": "web"});
    world.apply("apps", "Deployment", &labelled);
    world.apply("apps", "Deployment", &workload("other", None, &spec));
    let mut changed = pod("web-1", &json!({"hostPID": true, "containers": [{"name": "app"}]}));
    changed["metadata"]["ownerReferences"] = world::owner("Deployment", "web");
    world.apply("", "Pod", &changed);
    let names: Vec<String> =
        world.outcomes(check.as_ref()).into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(names, ["web", "web-1"]);

    let mut orphan = pod("orphan", &spec);
    orphan["metadata"]["ownerReferences"] = world::owner("Deployment", "gone");
    world.apply("", "Pod", &orphan);
    let outcome = world.outcome(check.as_ref(), "Pod", "orphan");
    assert_eq!(outcome, Some(Outcome::Unknown("Undecided".into())));
}

#[test]
fn a_workload_is_judged_once_and_pods_only_where_they_differ() {
    let check = check(&[R::NoPrivileged], &[], None);
    let plain = json!({"containers": [{"name": "app"}]});
    let changed = json!({"containers": [{"name": "app"}, {"name": "injected"}]});
    let mut world = World::default();
    world.follow(check.as_ref());
    let judged = |world: &World| -> Vec<String> {
        world.assert_followed(check.as_ref());
        world.outcomes(check.as_ref()).into_iter().map(|(_, name, _)| name).collect()
    };
    let owned = |name: &str, owner: Option<(&str, &str)>, spec: &Value| {
        let mut pod = pod(name, spec);
        if let Some((kind, name)) = owner {
            pod["metadata"]["ownerReferences"] = world::owner(kind, name);
        }
        pod
    };
    world.apply("", "Pod", &owned("same", Some(("ReplicaSet", "web-1")), &plain));
    assert_eq!(judged(&world), ["same"], "its controller is not known");
    world.apply("apps", "ReplicaSet", &workload("web-1", Some(("Deployment", "web")), &plain));
    assert_eq!(judged(&world), ["web-1"]);
    world.apply("apps", "Deployment", &workload("web", None, &plain));
    assert_eq!(judged(&world), ["web"]);
    world.apply("", "Pod", &owned("injected", Some(("ReplicaSet", "web-1")), &changed));
    assert_eq!(judged(&world), ["injected", "web"]);
    // A rollout: the old revision still runs, and says what its pods are.
    world.apply(
        "apps",
        "Deployment",
        &workload("web", None, &json!({"hostPID": true, "containers": [{"name": "app"}]})),
    );
    assert_eq!(judged(&world), ["injected", "web", "web-1"]);
    // Scaled down: history, and the pod that is left is judged by itself until it is gone.
    let mut idle = workload("web-1", Some(("Deployment", "web")), &plain);
    idle["spec"]["replicas"] = 0.into();
    world.apply("apps", "ReplicaSet", &idle);
    assert_eq!(judged(&world), ["injected", "same", "web"]);
    let mut ended = owned("same", Some(("ReplicaSet", "web-1")), &plain);
    ended["status"] = json!({"phase": "Succeeded"});
    world.apply("", "Pod", &ended);
    assert_eq!(judged(&world), ["injected", "web"]);
    world.remove("apps", "Deployment", "web");
    assert_eq!(judged(&world), ["injected"]);
}

#[test]
fn jobs_of_a_cron_job_are_judged_at_the_cron_job() {
    let check = check(&[R::NoPrivileged], &[], None);
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "app"}]});
    let mut world = World::default();
    let cron = json!({"metadata": {"name": "backup"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}});
    world.apply("batch", "CronJob", &cron);
    let mut job = workload("backup-1", None, &spec);
    job["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "controller": true}]);
    world.apply("batch", "Job", &job);
    let mut bare = workload("once", None, &spec);
    world.apply("batch", "Job", &bare);
    let judged = |world: &World| -> Vec<String> {
        world.outcomes(check.as_ref()).into_iter().map(|(_, name, _)| name).collect()
    };
    assert_eq!(judged(&world), ["backup", "once"]);
    bare["status"] = json!({"conditions": [{"type": "Failed", "status": "True"}]});
    world.apply("batch", "Job", &bare);
    assert_eq!(judged(&world), ["backup"]);
}

proptest! {
    /// Judging only what `affected` names gives what judging everything gives.
    #[test]
    fn affected_misses_nothing(
        steps in vec((select(vec!["Deployment", "ReplicaSet", "Pod"]), 0..4_u8, 0..4_u8, 0..5_u8), 1..40),
    ) {
        let check = check(&[R::NoPrivileged], &[], None);
        let mut world = World::default();
        world.follow(check.as_ref());
        for (kind, name, owner, shape) in steps {
            let name = format!("n-{name}");
            let group = if kind == "Pod" { "" } else { "apps" };
            if shape == 0 {
                world.remove(group, kind, &name);
                continue;
            }
            let privileged = json!({"privileged": shape % 2 == 0});
            let spec = json!({"containers": [{"name": "app", "securityContext": privileged}]});
            let mut object = if kind == "Pod" { pod(&name, &spec) } else { workload(&name, None, &spec) };
            let above = if kind == "Pod" { "ReplicaSet" } else { "Deployment" };
            if kind != "Deployment" && owner > 0 {
                object["metadata"]["ownerReferences"] = world::owner(above, &format!("n-{owner}"));
            }
            if kind != "Pod" {
                object["spec"]["replicas"] = u8::from(shape < 3).into();
            }
            world.apply(group, kind, &object);
        }
        world.assert_followed(check.as_ref());
    }
}
