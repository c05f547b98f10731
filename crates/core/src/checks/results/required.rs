//! What must have a result: workloads, or namespaces.

use jiff::Timestamp;

use super::BuildError;
use crate::{
    api::{
        Selector,
        test_spec::{RequiredResults, RequiredSubject},
    },
    checks::{
        Dependency, Item, Judgement, visit_kinds,
        workload::population::{self, JudgedObject, runs},
    },
    inventory::{
        Change, Facts, Inventory, KindId, Object, Slot, Symbol,
        reports::{ReportedId, ReportedResource},
        workload::{self, WorkloadFacts},
    },
};

/// What must have a result, compiled.
#[derive(Debug)]
pub(super) struct Required {
    of: RequiredSubject,
    selector: Selector,
}

/// One of them.
pub(super) struct RequiredObject {
    pub name: Symbol,
    pub is_namespace: bool,
    pub created: Option<Timestamp>,
}

impl Required {
    pub fn compile(spec: &RequiredResults) -> Result<Self, BuildError> {
        let selector = spec.selector.as_ref().map(Selector::compile).transpose();
        let selector = selector.map_err(|error| {
            BuildError::Invalid(format!("spec.test.results.require.selector: {error}"))
        })?;
        Ok(Self { of: spec.of, selector: selector.unwrap_or_default() })
    }

    pub fn reads(&self) -> Vec<Dependency> {
        match self.of {
            RequiredSubject::Workloads => population::reads(),
            RequiredSubject::Namespaces => vec![Dependency::required("", "Namespace")],
        }
    }

    pub fn items(&self, inventory: &Inventory, visit: &mut dyn FnMut(Item)) {
        match self.of {
            RequiredSubject::Workloads => population::items(inventory, visit),
            RequiredSubject::Namespaces => visit_kinds(inventory, &[("", "Namespace")], visit),
        }
    }

    /// The judgement of a workload that can't be read. None of any other object.
    pub fn malformed(&self, inventory: &Inventory, slot: Slot) -> Option<Judgement> {
        if self.of == RequiredSubject::Namespaces {
            return None;
        }
        match population::judged_object(inventory, inventory.get(slot)?)? {
            JudgedObject::Malformed(error) => population::malformed(inventory, slot, error),
            JudgedObject::Workload { .. } => None,
        }
    }

    /// An object that must have a result. None for one that need not.
    pub fn subject(&self, inventory: &Inventory, slot: Slot) -> Option<RequiredObject> {
        let object = inventory.get(slot)?;
        let (labels, created) = match (self.of, &object.facts) {
            (RequiredSubject::Workloads, Facts::Workload(facts)) => {
                let is_top = workload::controllers(inventory, &object.namespace, facts).is_empty();
                (is_top && runs(facts)).then_some((&facts.labels, facts.created))?
            }
            (RequiredSubject::Namespaces, Facts::Namespace(facts)) => {
                (&facts.labels, facts.created)
            }
            _ => return None,
        };
        self.selector.matches(|key| labels.get(key)).then(|| RequiredObject {
            name: object.name.clone(),
            is_namespace: self.of == RequiredSubject::Namespaces,
            created,
        })
    }

    /// Under which names reports may speak of it, with the uid of each: its own, and those of what runs
    /// for it.
    pub fn reported<'a>(
        &self,
        inventory: &'a Inventory,
        slot: Slot,
    ) -> Vec<(ReportedId, Option<&'a str>)> {
        let mut slots = vec![slot];
        if self.of == RequiredSubject::Workloads
            && let Some(object) = inventory.get(slot)
        {
            inventory.owners.visit_controlled(inventory, object, &mut |below| {
                // An earlier revision, scaled to zero, is history.
                let counts = workload_of(inventory, below).is_some_and(runs);
                if counts {
                    slots.push(below);
                }
            });
        }
        let find = |slot: Slot| {
            let object = inventory.get(slot)?;
            let id = inventory.reports.find(&resource_of(inventory, object)?)?;
            Some((id, object.uid.as_deref()))
        };
        let mut found: Vec<_> = slots.into_iter().filter_map(find).collect();
        found.sort_by_key(|(id, _)| inventory.reports.resource(*id));
        found
    }

    /// Whether a resource is not judged by itself: what it belongs to is judged, or it is gone.
    pub fn takes(&self, inventory: &Inventory, resource: &ReportedResource) -> bool {
        match self.of {
            RequiredSubject::Namespaces => {
                resource.is_namespace()
                    && namespace(inventory, resource)
                        .is_some_and(|slot| self.subject(inventory, slot).is_some())
            }
            RequiredSubject::Workloads => {
                let Some(kind) = workload_kind(inventory, resource) else { return false };
                match inventory.find(kind, &resource.namespace, &resource.name) {
                    // All of its kind are known, and it is none of them.
                    None => true,
                    Some(slot) => {
                        top(inventory, slot)
                            .is_some_and(|top| self.subject(inventory, top).is_some())
                            || workload_of(inventory, slot).is_some_and(|facts| !runs(facts))
                    }
                }
            }
        }
    }

    /// Visits what must have a result, and is concerned by one about this resource.
    pub fn concerned(
        &self,
        inventory: &Inventory,
        resource: &ReportedResource,
        visit: &mut dyn FnMut(Item),
    ) {
        let slot = match self.of {
            RequiredSubject::Namespaces => namespace(inventory, resource),
            RequiredSubject::Workloads => workload_kind(inventory, resource)
                .and_then(|kind| inventory.find(kind, &resource.namespace, &resource.name))
                .and_then(|slot| top(inventory, slot)),
        };
        if let Some(slot) = slot {
            visit(Item::Object(slot));
        }
    }

    /// Visits what a change of an object that must have a result, or belongs to one, can affect.
    pub fn affected(&self, inventory: &Inventory, change: &Change, visit: &mut dyn FnMut(Item)) {
        let Change::Object { slot, before } = change else { return };
        let mut reported = |object: &Object| {
            let id = resource_of(inventory, object).and_then(|of| inventory.reports.find(&of));
            if let Some(id) = id {
                visit(Item::Reported(id));
            }
        };
        let sides = || before.iter().chain(inventory.get(*slot));
        match self.of {
            RequiredSubject::Namespaces => {
                let is_namespace = |object: &Object| matches!(object.facts, Facts::Namespace(_));
                if sides().any(is_namespace) {
                    sides().for_each(&mut reported);
                    visit(Item::Object(*slot));
                }
            }
            RequiredSubject::Workloads => {
                let mut tops = Vec::new();
                for object in sides() {
                    let Facts::Workload(facts) = &object.facts else { continue };
                    reported(object);
                    inventory.owners.visit_controlled(inventory, object, &mut |below| {
                        inventory.get(below).into_iter().for_each(&mut reported);
                    });
                    tops.extend(top_of(inventory, &object.namespace, facts));
                }
                for slot in tops {
                    visit(Item::Object(slot));
                }
                population::affected(inventory, change, visit);
            }
        }
    }
}

fn workload_of(inventory: &Inventory, slot: Slot) -> Option<&WorkloadFacts> {
    match &inventory.get(slot)?.facts {
        Facts::Workload(facts) => Some(facts),
        _ => None,
    }
}

/// The topmost known controller of a workload, or itself.
fn top(inventory: &Inventory, slot: Slot) -> Option<Slot> {
    let object = inventory.get(slot)?;
    let facts = workload_of(inventory, slot)?;
    Some(top_of(inventory, &object.namespace, facts).unwrap_or(slot))
}

/// The topmost known controller of a workload. None if none is known.
fn top_of(inventory: &Inventory, namespace: &str, facts: &WorkloadFacts) -> Option<Slot> {
    let (top, _) = workload::controllers(inventory, namespace, facts).pop()?;
    inventory.find(top.kind, &top.namespace, &top.name)
}

/// The kind of a workload, in the version in which it is read: in another one a report speaks of
/// something that is not found under its name.
fn workload_kind(inventory: &Inventory, resource: &ReportedResource) -> Option<KindId> {
    let is_workload =
        workload::kinds().any(|(group, kind)| resource.group() == group && *resource.kind == *kind);
    let kind = inventory.find_kind(resource.group(), &resource.kind).filter(|_| is_workload)?;
    let version = inventory.kind_state(kind)?.resource.api_version();
    (*version == *resource.api_version).then_some(kind)
}

fn namespace(inventory: &Inventory, resource: &ReportedResource) -> Option<Slot> {
    let kind = inventory.find_kind("", "Namespace")?;
    inventory.find(kind, "", resource.place())
}

fn resource_of(inventory: &Inventory, object: &Object) -> Option<ReportedResource> {
    let resource = &inventory.kind_state(object.kind)?.resource;
    Some(ReportedResource {
        api_version: resource.api_version().as_str().into(),
        kind: resource.kind.as_str().into(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    })
}
