//! `podSecurity`: the Pod Security level that namespaces enforce, and what runs in them.
//!
//! A label only guards the door: it says nothing of pods that were there before it, and an
//! exemption of the API server's configuration is not visible. So both are judged, the namespaces
//! and what actually runs.

mod baseline;
pub(super) mod levels;
mod namespace;
mod restricted;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::levels::{NEWEST, violations};
use super::{
    BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement, reference,
    visit_kinds,
    workload::population::{self, JudgedObject},
};
use crate::{
    api::test_spec::{PodSecurityLevel, PodSecurityTest},
    inventory::{Change, Facts, Inventory, Object, Slot},
};

/// A `podSecurity` test, compiled.
#[derive(Debug)]
struct PodSecurityCheck {
    minimum: PodSecurityLevel,
}

/// Compiles a `podSecurity` test. Never fails: the schema admits nothing that could be wrong.
pub fn build(test: &PodSecurityTest) -> Result<Built, BuildError> {
    Ok(PodSecurityCheck { minimum: test.minimum }.into())
}

impl Check for PodSecurityCheck {
    fn reads(&self) -> Vec<Dependency> {
        let mut reads = population::reads();
        reads.push(Dependency::required("", "Namespace"));
        reads
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        visit_kinds(context.inventory, &[("", "Namespace")], visit);
        population::items(context.inventory, visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        // The version of the API server decides which rules there are, for every pod.
        if matches!(change, Change::ApiServer) {
            return self.items(context, visit);
        }
        population::affected(context.inventory, change, visit);
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Object(slot) = item else {
            return None;
        };
        let inventory = context.inventory;
        let object = inventory.get(slot)?;
        // Pods and labels are judged by the same rules, or a namespace could pass for what its pods fail.
        let version = levels::judged_by(inventory.kubernetes);
        let failing = match &object.facts {
            Facts::Namespace(facts) => namespace::judge(facts, self.minimum, version)
                .map(|message| ("EnforceTooLow", message))
                .into_iter()
                .collect(),
            Facts::Malformed(error) if is_namespace(inventory, object) => {
                return population::malformed(inventory, slot, error);
            }
            _ => match population::judged_object(inventory, object)? {
                JudgedObject::Workload { facts, .. } => {
                    violations(self.minimum, version, &facts.pod).collect()
                }
                JudgedObject::Malformed(error) => {
                    return population::malformed(inventory, slot, error);
                }
            },
        };
        findings(inventory, slot, failing)
    }
}

/// One finding for each rule that is violated; None when the object has gone.
fn findings(
    inventory: &Inventory,
    slot: Slot,
    failing: Vec<(&'static str, String)>,
) -> Option<Judgement> {
    let resource = reference(inventory, slot)?;
    let finding = |(rule, message)| Finding {
        rule: Cow::Borrowed(rule),
        severity: None,
        resource: resource.clone(),
        subject: None,
        message,
    };
    let failing = failing.into_iter().map(finding).collect();
    Some(Judgement { failing, ..Judgement::default() })
}

fn is_namespace(inventory: &Inventory, object: &Object) -> bool {
    inventory
        .kind_state(object.kind)
        .is_some_and(|state| state.resource.group.is_empty() && state.resource.kind == "Namespace")
}
