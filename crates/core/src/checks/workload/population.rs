//! Which objects with a pod template are judged, for every check of workloads.
//!
//! A workload is judged once: where its template is written, at the topmost controller that is
//! known. What lies below is judged by itself only where it differs from all of that, because a
//! webhook changed it on its way, an old revision still runs, or somebody attached a debugger.
//!
//! What no longer runs is not judged: pods that ended, Jobs that are over, revisions scaled to zero.

use crate::{
    checks::{Dependency, Finding, Item, Judgement, reference, visit_kinds},
    inventory::{
        Change, Facts, Inventory, Object, Slot,
        workload::{self, Activity, WorkloadFacts},
    },
};

/// What there is to judge at an object.
pub(crate) enum JudgedObject<'a> {
    /// A workload: itself, and the topmost controller above it, by whose labels it is selected.
    Workload {
        facts: &'a WorkloadFacts,
        /// The facts of the topmost known controller; its own when none is known.
        top: &'a WorkloadFacts,
    },
    /// Its kind is that of a workload, and it can't be read: why.
    Malformed(&'a str),
}

/// What must be known to judge workloads.
pub(crate) fn reads() -> Vec<Dependency> {
    workload::kinds().map(|(group, kind)| Dependency::optional(group, kind)).collect()
}

/// Visits every object with a pod template, and every pod.
pub(crate) fn items(inventory: &Inventory, visit: &mut dyn FnMut(Item)) {
    let kinds: Vec<_> = workload::kinds().collect();
    visit_kinds(inventory, &kinds, visit);
}

/// Visits what a change can affect: the object, and what it controls, since a controller that
/// appears, changes or goes decides whether that is judged by itself.
pub(crate) fn affected(inventory: &Inventory, change: &Change, visit: &mut dyn FnMut(Item)) {
    let Change::Object { slot, before } = change else {
        return;
    };
    visit(Item::Object(*slot));
    // By its old name and its new one: a controller that was deleted leaves pods that are then judged
    // themselves.
    for object in before.iter().chain(inventory.get(*slot)) {
        inventory.owners.visit_controlled(inventory, object, &mut |slot| visit(Item::Object(slot)));
    }
}

/// What to judge at an object; None when it is not of the population.
pub(crate) fn judged_object<'a>(
    inventory: &'a Inventory,
    object: &'a Object,
) -> Option<JudgedObject<'a>> {
    match &object.facts {
        Facts::Malformed(error) if is_workload(inventory, object) => {
            Some(JudgedObject::Malformed(error))
        }
        Facts::Workload(facts) if runs(facts) => {
            let above = workload::controllers(inventory, &object.namespace, facts);
            // What is written above is judged there, for all that it controls.
            let is_judged_above =
                above.iter().any(|(_, above)| runs(above) && above.pod == facts.pod);
            // The list ends with the topmost; a workload of its own is its own top.
            let top = above.last().map_or(facts.as_ref(), |(_, top)| top);
            (!is_judged_above).then_some(JudgedObject::Workload { facts, top })
        }
        _ => None,
    }
}

/// The judgement of an object that can't be read. Its text was written when it was projected and
/// names the field.
pub(crate) fn malformed(inventory: &Inventory, slot: Slot, error: &str) -> Option<Judgement> {
    undecided(inventory, slot, format!("the object can't be read: {error}"))
}

/// The judgement of an object of which nothing can be said, and why.
pub(crate) fn undecided(inventory: &Inventory, slot: Slot, message: String) -> Option<Judgement> {
    let finding = Finding {
        rule: "Undecided".into(),
        severity: None,
        resource: reference(inventory, slot)?,
        subject: None,
        message,
    };
    Some(Judgement { unknown: vec![finding], ..Judgement::default() })
}

/// A workload scaled to zero by its owner still counts; one that a controller scaled to zero is history.
pub(crate) fn runs(facts: &WorkloadFacts) -> bool {
    match facts.activity {
        Activity::Active => true,
        Activity::Idle => facts.controller.is_none(),
        Activity::Finished => false,
    }
}

fn is_workload(inventory: &Inventory, object: &Object) -> bool {
    inventory.kind_state(object.kind).is_some_and(|state| {
        let resource = &state.resource;
        workload::kinds().any(|(group, kind)| resource.group == group && resource.kind == kind)
    })
}
