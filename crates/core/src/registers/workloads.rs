//! Workloads: what runs, or will when its time comes, with the images that it runs.

use super::{DerivedItem, Register, Source, nobody};
use crate::inventory::{Facts, Inventory, Object};
use comptroller_vocabulary::canonical;

pub static REGISTER: Register = Register {
    name: "workloads",
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

/// An object that another one controls is that one's, and says nothing of its own.
fn items(_: &Inventory, object: &Object) -> Vec<DerivedItem> {
    let Facts::Workload(facts) = &object.facts else { return Vec::new() };
    if facts.controller.is_some() {
        return Vec::new();
    }
    let mut item = DerivedItem::of(object);
    item.texts("images", facts.pod.containers.iter().map(|container| container.image.to_string()));
    item.text("serviceAccount", facts.pod.service_account.as_ref());
    // Of the pod template as far as it is read.
    item.text("templateDigest", canonical::digest(&facts.pod).ok());
    item.text("createdAt", facts.created);
    vec![item]
}
