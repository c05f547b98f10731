//! Suppliers: whose software and services are used. An item is a supplier as one workload uses it, so
//! that a change of the workload touches that alone; how many use it is the number of its items.
//!
//! Known are the registries that images come from. Hosts of webhooks and external names are not read.

use std::collections::BTreeSet;

use super::{DerivedItem, Register, Source, nobody, qualified};
use crate::inventory::{Facts, Inventory, Object};

pub static REGISTER: Register = Register {
    name: "suppliers",
    sources: &[
        Source { group: "apps", kind: "Deployment", items },
        Source { group: "apps", kind: "StatefulSet", items },
        Source { group: "apps", kind: "DaemonSet", items },
        Source { group: "batch", kind: "CronJob", items },
        Source { group: "batch", kind: "Job", items },
        Source { group: "", kind: "Pod", items },
    ],
    reads: &[],
    concerned: nobody,
};

fn items(inventory: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Workload(facts) = &object.facts else { return Vec::new() };
    if facts.controller.is_some() {
        return Vec::new();
    }
    let images = facts.pod.containers.iter().map(|container| container.image.as_str());
    let registries: BTreeSet<&str> = images.map(registry).collect();
    let kind = inventory.kind_state(object.kind).map(|state| state.resource.kind.as_str());
    let used_by = format!("{}/{}", kind.unwrap_or_default(), qualified(object));
    registries
        .into_iter()
        .map(|registry| {
            let mut item = DerivedItem::new(format!("{}/{registry}", qualified(object)));
            item.set("supplier", registry);
            item.set("supplies", "images");
            item.set("usedBy", used_by.as_str());
            item
        })
        .collect()
}

/// The registry of an image, as a container runtime reads its name: the part before the first slash,
/// if it can be a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host == "localhost" || host.contains(['.', ':']) => host,
        _ => "docker.io",
    }
}

#[cfg(test)]
mod tests {
    use super::registry;

    #[test]
    fn the_registry_is_the_one_that_a_runtime_pulls_from() {
        for (image, expected) in [
            ("nginx", "docker.io"),
            ("library/nginx:1", "docker.io"),
            ("ghcr.io/acme/web@sha256:00", "ghcr.io"),
            ("localhost/web", "localhost"),
            ("registry:5000/web", "registry:5000"),
            ("web:1.2", "docker.io"),
        ] {
            assert_eq!(registry(image), expected, "{image}");
        }
    }
}
