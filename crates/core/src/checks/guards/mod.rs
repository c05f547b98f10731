//! `guards`: the policies that bind records to their authors are in force.
//!
//! What is missing has no object to be judged, so each policy and binding that is shipped is an item,
//! whether it is there or not.

use std::borrow::Cow;

use super::{BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement};
use crate::{
    api::{ResourceRef, test_spec::GuardsTest},
    inventory::{
        Change, Facts, ObjectSource,
        guards::{ADMISSION, BINDING, POLICY, SHIPPED_NAMESPACE, ShippedGuard, shipped},
    },
};

/// A `guards` test, compiled.
#[derive(Debug)]
struct GuardsCheck {
    namespace: String,
}

/// Compiles a `guards` test. Never fails: the schema admits nothing that could be wrong.
pub fn build(test: &GuardsTest) -> Result<Built, BuildError> {
    let namespace = test.namespace.clone().unwrap_or_else(|| SHIPPED_NAMESPACE.to_owned());
    Ok(GuardsCheck { namespace }.into())
}

impl Check for GuardsCheck {
    fn reads(&self) -> Vec<Dependency> {
        [POLICY, BINDING].map(|kind| Dependency::required(ADMISSION, kind)).into()
    }

    fn items(&self, _: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        (0..).zip(shipped()).for_each(|(number, _)| visit(Item::Cluster(number)));
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        let Change::Object { slot, before } = change else { return };
        let sides = [before.as_ref(), context.inventory.get(*slot)];
        for object in sides.into_iter().flatten() {
            // By name alone: a policy and its binding share it, and nothing else is likely to.
            let named = (0..).zip(shipped()).filter(|(_, guard)| *guard.name == *object.name);
            named.for_each(|(number, _)| visit(Item::Cluster(number)));
        }
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Cluster(number) = item else { return None };
        let guard = shipped().get(usize::try_from(number).ok()?)?;
        let inventory = context.inventory;
        let object = inventory.lookup(ADMISSION, &guard.kind, "", &guard.name);
        Some(match object.map(|object| &object.facts) {
            Some(Facts::Guard(facts)) => facts
                .fault(&guard.kind, &self.namespace)
                .map_or_else(Judgement::default, |why| failing("GuardChanged", guard, why)),
            Some(_) => failing("GuardChanged", guard, UNREADABLE.to_owned()),
            // Another repository may hold it.
            None if inventory.source == ObjectSource::Manifests => Judgement {
                unknown: vec![finding("GuardNotShown", guard, NOT_SHOWN.to_owned())],
                ..Judgement::default()
            },
            None => failing("GuardMissing", guard, MISSING.to_owned()),
        })
    }

    /// Only a cluster shows what is in force.
    fn judges_manifests(&self) -> bool {
        false
    }
}

const MISSING: &str = "does not exist, so records can be written in anyone's name: kubectl apply -k config/admission of the operator's version";
const NOT_SHOWN: &str = "is in none of the manifests, and only the cluster shows whether it is in force: scan with --cluster, or leave out what manifests can't answer with --only-manifests";
const UNREADABLE: &str = "has no spec that could be compared with the one that this version of the operator ships: kubectl apply -k config/admission";

fn failing(rule: &'static str, guard: &ShippedGuard, message: String) -> Judgement {
    Judgement { failing: vec![finding(rule, guard, message)], ..Judgement::default() }
}

/// A finding about a policy or a binding, which may not exist.
fn finding(rule: &'static str, guard: &ShippedGuard, message: String) -> Finding {
    Finding {
        rule: Cow::Borrowed(rule),
        severity: None,
        resource: ResourceRef {
            api_version: format!("{ADMISSION}/v1"),
            kind: guard.kind.clone(),
            namespace: None,
            name: guard.name.clone(),
        },
        subject: None,
        message,
    }
}

#[cfg(test)]
mod tests;
