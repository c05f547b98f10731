//! `guards`: the policies that bind records to their authors are in force.
//!
//! What is missing has no object to be judged, so each policy and binding that is shipped is an item,
//! whether it is there or not.

use std::borrow::Cow;

use super::{BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement};
use crate::{
    api::{ResourceRef, test_spec::GuardsTest},
    inventory::{
        Change, Facts,
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

    fn affected(&self, context: &CheckContext<'_>, _: &Change, visit: &mut dyn FnMut(Item)) {
        self.items(context, visit);
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Cluster(number) = item else { return None };
        let ShippedGuard { kind, name, .. } = shipped().get(usize::try_from(number).ok()?)?;
        let fault = match context.inventory.lookup(ADMISSION, kind, "", name).map(|object| &object.facts) {
            None => Some((
                "GuardMissing",
                "does not exist, so that records may be written in anybody's name: kubectl apply -k config/admission".to_owned(),
            )),
            Some(Facts::Guard(facts)) => {
                facts.fault(kind, &self.namespace).map(|why| ("GuardChanged", why))
            }
            Some(_) => Some(("GuardChanged", "can't be read as a policy".to_owned())),
        };
        let failing = fault.into_iter().map(|(rule, message)| Finding {
            rule: Cow::Borrowed(rule),
            severity: None,
            resource: ResourceRef {
                api_version: format!("{ADMISSION}/v1"),
                kind: kind.clone(),
                namespace: None,
                name: name.clone(),
            },
            subject: None,
            message,
        });
        Some(Judgement { failing: failing.collect(), ..Judgement::default() })
    }

    /// Manifests do not say what is in force.
    fn judges_manifests(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
