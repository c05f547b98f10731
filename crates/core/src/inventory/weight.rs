//! What facts weigh: somebody who fills a cluster with the largest objects that an API server takes must
//! not fill the memory of the operator. What is too much becomes [`Facts::Malformed`], which is unknown
//! and never a pass.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use super::{
    Facts, ProgramResult, ResourceType, Symbol, facts::Labels, rbac::Subject,
    workload::WorkloadFacts,
};

/// The most that the facts of one object may weigh, in bytes.
pub const LIMIT_OF_ONE: usize = 4 * 1024 * 1024;

/// What an element of a list costs in facts, in indexes and in the memory of the engine, beside its text.
/// Measured, and rounded up.
const SUBJECT: usize = 448;
const CONTAINER: usize = 400;
const RULE: usize = 128;
const WORD: usize = 32;
/// A pod that others share and that is no larger than this weighs nothing, because replicas are many. A
/// larger one does, since one that shares it may outlive the one that was weighed.
const REPLICA: usize = 4096;

/// The most that the facts of all objects together may weigh, in bytes: it grows with their number, so
/// that a large cluster of ordinary objects is never refused.
pub const fn limit_of_all(objects: usize) -> usize {
    const BASE: usize = 16 * 1024 * 1024;
    /// Three times what the facts of most objects weigh.
    const EACH: usize = 1024;
    BASE + objects * EACH
}

/// Why an object is refused for its own size, and what to do about it.
pub fn too_large(weight: usize) -> String {
    format!(
        "it is too large to be judged: what is read of it takes {} KiB of at most {} KiB; split it",
        weight / 1024,
        LIMIT_OF_ONE / 1024
    )
}

/// Refuses what is kept of an object because all objects together weigh too much.
pub fn refuse(
    facts: &mut Facts,
    results: &mut [ProgramResult],
    resource: &ResourceType,
    name: (&str, &str),
) {
    for result in results {
        result.refuse(ALTOGETHER, resource, name);
    }
    *facts = Facts::Malformed(ALTOGETHER.into());
}

const ALTOGETHER: &str = "there are too many objects as large as this one to judge them all: split or delete the largest of the cluster";

/// Whether an object was refused because all objects together weigh too much.
pub fn is_refused(facts: &Facts) -> bool {
    matches!(facts, Facts::Malformed(text) if **text == *ALTOGETHER)
}

/// What facts weigh, in bytes: their lists and texts.
pub fn weigh(facts: &Facts) -> usize {
    match facts {
        Facts::Exists | Facts::Malformed(_) | Facts::Quota | Facts::Guard(_) => 0,
        Facts::Namespace(facts) => of_labels(&facts.labels),
        Facts::Workload(facts) => of_workload(facts),
        Facts::Role(facts) => {
            let rules = facts.rules.iter().map(|rule| {
                let words = [&rule.verbs, &rule.groups, &rule.resources, &rule.names, &rule.urls];
                RULE + words.into_iter().flatten().map(of_word).sum::<usize>()
            });
            rules.sum::<usize>() + of_labels(&facts.labels)
        }
        Facts::Binding(facts) => facts.subjects.iter().map(of_subject).sum(),
        Facts::ServiceAccount(facts) => of_text(facts),
        Facts::Claim(facts) => of_text(facts),
        Facts::Volume(facts) => of_text(facts),
        Facts::StorageClass(facts) => of_text(facts),
        Facts::Network(facts) => of_text(facts),
        Facts::Backup(facts) => of_text(facts),
        Facts::Attestation(facts) => of_text(facts),
        Facts::Person(facts) => of_text(facts),
    }
}

fn of_workload(facts: &WorkloadFacts) -> usize {
    // One reference is held by these facts and one by the pool.
    let shared = Arc::strong_count(&facts.pod) > 2;
    let listed = facts.pod.sysctls.iter().chain(&facts.pod.token_volumes).map(of_word);
    let volumes = facts.pod.volumes.iter().map(|volume| WORD + of_word(&volume.name));
    let containers = facts.pod.containers.iter().map(|container| {
        let handlers = container.handler_hosts.iter().map(of_word).sum::<usize>();
        CONTAINER + container.image.len() + handlers + 8 * container.host_ports.len()
    });
    let whole = listed.chain(volumes).chain(containers).sum::<usize>();
    // A pod that is shared is counted with the one that brought it.
    let pod = if shared && whole <= REPLICA { 0 } else { whole };
    let flags = facts.api_server_flags.iter().flatten().map(of_word).sum::<usize>();
    let cron = facts.cron.as_ref().map_or(0, of_text);
    pod + flags + cron + of_labels(&facts.labels)
}

fn of_subject(subject: &Subject) -> usize {
    SUBJECT + subject.name().len()
}

fn of_word(word: &Symbol) -> usize {
    WORD + word.len()
}

fn of_labels(labels: &Labels) -> usize {
    labels.iter().map(|(key, value)| of_word(key) + of_word(value)).sum()
}

/// The length of the debug text of facts, which is about their size in memory.
fn of_text(facts: &impl fmt::Debug) -> usize {
    struct Length(usize);
    impl fmt::Write for Length {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut length = Length(0);
    // Counting can't fail.
    let _ = write!(length, "{facts:?}");
    length.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::inventory::{
        Catalog, Inventory, KindId, ProjectedObject, Projector, rbac::MAX_SUBJECTS,
    };

    /// One kind, and what its objects become.
    struct World {
        inventory: Inventory,
        kind: KindId,
        projector: Projector,
    }

    impl World {
        fn of(group: &str, kind: &str) -> Self {
            let resource = Catalog::builtin().find_kind(group, kind).unwrap().resource.clone();
            let projector = Projector::new(resource.clone(), Vec::new(), Arc::default());
            let mut inventory = Inventory::default();
            let kind = inventory.kind(&resource);
            Self { inventory, kind, projector }
        }

        fn bindings() -> Self {
            Self::of("rbac.authorization.k8s.io", "ClusterRoleBinding")
        }

        fn project(&self, object: &Value) -> ProjectedObject {
            self.projector.project(object).unwrap()
        }

        fn weight(&self) -> usize {
            let weight = self.inventory.kind_state(self.kind).unwrap().weight;
            assert_eq!(weight, self.inventory.weights.values().sum::<usize>());
            weight
        }

        fn refused(&self) -> usize {
            let objects = self.inventory.iter();
            let refused = objects.filter(|(_, object)| is_refused(&object.facts)).count();
            assert_eq!(refused, self.inventory.refused.len());
            refused
        }
    }

    fn binding(number: usize, subjects: usize) -> Value {
        let subject = |n: usize| json!({"kind": "User", "name": format!("user-{number}-{n}")});
        json!({
            "metadata": { "name": format!("b{number}") },
            "roleRef": { "kind": "ClusterRole", "name": "view" },
            "subjects": (0..subjects).map(subject).collect::<Vec<_>>(),
        })
    }

    fn why(facts: &Facts) -> &str {
        match facts {
            Facts::Malformed(text) => text,
            _ => "",
        }
    }

    #[test]
    fn what_one_object_may_be_is_bounded_and_said() {
        let world = World::bindings();
        let fits = world.project(&binding(1, MAX_SUBJECTS)).facts;
        assert!(matches!(fits, Facts::Binding(_)));
        let many = world.project(&binding(1, MAX_SUBJECTS + 1)).facts;
        assert!(why(&many).contains("5001 subjects"), "{many:?}");

        let mut long = binding(1, 1);
        long["subjects"][0]["name"] = "x".repeat(1_000_000).into();
        let long = world.project(&long).facts;
        assert!(why(&long).starts_with("subjects[0].name has 1000000 bytes"), "{long:?}");
        long_error_is_short(&world);

        let pods = World::of("apps", "Deployment");
        let deployment = |containers: &Value| {
            json!({
                "metadata": { "name": "d" },
                "spec": { "template": { "spec": { "containers": containers } } },
            })
        };
        let image = deployment(&json!([{ "name": "c", "image": "x".repeat(100_000) }]));
        let image = pods.project(&image).facts;
        assert!(why(&image).contains("image has 100000 bytes"), "{image:?}");
        let many: Vec<Value> =
            (0..12_000).map(|n| json!({ "name": format!("c{n}"), "image": "a:1" })).collect();
        let many = pods.project(&deployment(&json!(many))).facts;
        assert!(why(&many).contains("too large to be judged"), "{many:?}");
    }

    fn long_error_is_short(world: &World) {
        let mut odd = binding(1, 1);
        odd["roleRef"]["kind"] = "x".repeat(1_000_000).into();
        assert!(why(&world.project(&odd).facts).len() < 1_100);
    }

    #[test]
    fn all_objects_together_are_bounded_and_what_left_makes_room() {
        let mut world = World::bindings();
        for number in 0..40 {
            let object = world.project(&binding(number, 2_000));
            world.inventory.apply(world.kind, object);
            assert!(world.weight() <= limit_of_all(40));
        }
        let refused = world.refused();
        assert!((10..30).contains(&refused), "{refused}");
        assert_eq!(world.inventory.len(), 40);
        // The same again changes nothing.
        let again = world.project(&binding(39, 2_000));
        assert!(world.inventory.apply(world.kind, again).is_none());
        assert!(world.inventory.fits_again().is_empty());

        for number in 0..25 {
            world.inventory.remove(world.kind, "", &format!("b{number}"));
        }
        assert!(world.inventory.fits_again().contains(&world.kind));
        for number in 25..40 {
            let object = world.project(&binding(number, 2_000));
            world.inventory.apply(world.kind, object);
        }
        assert_eq!(world.refused(), 0);
        for number in 25..40 {
            world.inventory.remove(world.kind, "", &format!("b{number}"));
        }
        assert_eq!(world.weight(), 0);
    }

    #[test]
    fn a_list_is_bounded_too_and_does_not_count_what_it_replaces() {
        let mut world = World::bindings();
        for _ in 0..2 {
            world.inventory.begin(world.kind);
            for number in 0..15 {
                let object = world.project(&binding(number, 2_000));
                world.inventory.stage(world.kind, object);
            }
            world.inventory.commit(world.kind, Vec::new());
            assert_eq!(world.refused(), 0);
        }
        world.inventory.begin(world.kind);
        for number in 0..60 {
            let object = world.project(&binding(number, 2_000));
            world.inventory.stage(world.kind, object);
            let staged = world.inventory.kind_state(world.kind).unwrap().staged_weight;
            assert!(staged <= limit_of_all(60));
        }
        world.inventory.commit(world.kind, Vec::new());
        assert!(world.refused() > 20);
        assert!(world.weight() <= limit_of_all(60));
    }

    #[test]
    fn a_change_weighs_what_it_is() {
        let mut world = World::bindings();
        let weights: Vec<usize> = [1_000, 1_001, 1_000]
            .into_iter()
            .map(|subjects| {
                let object = world.project(&binding(1, subjects));
                world.inventory.apply(world.kind, object);
                world.weight()
            })
            .collect();
        assert!(weights[0] > SUBJECT * 1_000);
        assert_eq!(weights, [weights[0], weights[1], weights[0]]);
        assert!(weights[1] > weights[0]);
    }

    #[test]
    fn replicas_weigh_nothing_unless_they_are_large() {
        let world = World::of("", "Pod");
        let pod = |name: &str, containers: usize| {
            let container = |n: usize| json!({ "name": format!("c{n}"), "image": "a:1" });
            json!({
                "metadata": { "name": name },
                "spec": { "containers": (0..containers).map(container).collect::<Vec<_>>() },
            })
        };
        let weigh = |containers| {
            let first = world.project(&pod("a", containers));
            let second = world.project(&pod("b", containers));
            (weigh(&first.facts), weigh(&second.facts))
        };
        assert_eq!(weigh(3), (0, 0));
        let (first, second) = weigh(100);
        assert!(first > 100 * CONTAINER && first == second);
    }
}
