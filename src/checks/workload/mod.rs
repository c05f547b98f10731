//! `workload`: how workloads are confined, and where their images come from.

mod image;
pub(crate) mod population;
mod rules;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod wording;

use std::borrow::Cow;

use self::{image::RegistryPattern, population::Subject};
use super::{BuildError, Built, Check, Context, Finding, Item, Judgement, Read, reference};
use crate::{
    api::{
        Selector,
        test_spec::{Requirement, WorkloadTest},
    },
    inventory::{
        Change, Facts, Inventory,
        workload::{Controller, PodFacts, WorkloadFacts},
    },
};

/// The rule of an image from elsewhere.
const REGISTRIES: &str = "Registries";

/// A `workload` test, compiled.
#[derive(Debug)]
struct WorkloadCheck {
    require: Vec<Requirement>,
    registries: Vec<RegistryPattern>,
    selector: Option<Selector>,
}

/// Compiles.
pub fn build(test: &WorkloadTest) -> Result<Built, BuildError> {
    let WorkloadTest { require, registries, selector } = test;
    let selector =
        selector.as_ref().map(Selector::compile).transpose().map_err(|error| {
            BuildError::Invalid(format!("spec.test.workload.selector: {error}"))
        })?;
    let mut require = require.clone();
    require.sort_unstable();
    require.dedup();
    let check = WorkloadCheck {
        require,
        registries: registries.iter().map(|glob| RegistryPattern::new(glob.as_str())).collect(),
        selector: selector.filter(|selector| !selector.is_empty()),
    };
    Ok(check.into())
}

impl Check for WorkloadCheck {
    fn reads(&self) -> Vec<Read> {
        let mut reads = population::reads();
        if self.reads_accounts() {
            reads.push(Read::required("", "ServiceAccount"));
        }
        reads
    }

    fn items(&self, context: &Context<'_>, visit: &mut dyn FnMut(Item)) {
        population::items(context.inventory, visit);
    }

    fn affected(&self, context: &Context<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        population::affected(context.inventory, change, visit);
        if self.reads_accounts() {
            visit_accounts_workloads(context.inventory, change, visit);
        }
    }

    fn judge(&self, context: &Context<'_>, item: Item) -> Option<Judgement> {
        let Item::Object(slot) = item else {
            return None;
        };
        let inventory = context.inventory;
        let object = inventory.get(slot)?;
        let (facts, top) = match population::subject(inventory, object)? {
            Subject::Workload { facts, top } => (facts, top),
            Subject::Malformed(error) => return population::malformed(inventory, slot, error),
        };
        match self.selects(top) {
            Some(true) => {}
            Some(false) => return None,
            None => {
                let message = "its controller is not known, nor are the labels to select it by: \
                               add the controller's manifest";
                return population::undecided(inventory, slot, message.to_owned());
            }
        }
        let resource = reference(inventory, slot)?;
        let finding = |(rule, message): (&'static str, String)| Finding {
            rule: Cow::Borrowed(rule),
            severity: None,
            resource: resource.clone(),
            subject: None,
            message,
        };
        let problems = self.problems(inventory, &object.namespace, &facts.pod);
        Some(Judgement { failing: problems.map(finding).collect(), ..Judgement::default() })
    }
}

impl WorkloadCheck {
    fn reads_accounts(&self) -> bool {
        self.require.contains(&Requirement::NoTokenAutomount)
    }

    /// Whether the selector takes a workload; None when its labels are not known, since they are
    /// those of a controller that is not known.
    fn selects(&self, top: &WorkloadFacts) -> Option<bool> {
        let Some(selector) = &self.selector else {
            return Some(true);
        };
        if top.controller.as_ref().is_some_and(Controller::has_template) {
            return None;
        }
        Some(selector.matches(|key| top.labels.get(key)))
    }

    /// Rule and message of everything that is wrong with a pod.
    fn problems<'a>(
        &'a self,
        inventory: &'a Inventory,
        namespace: &'a str,
        pod: &'a PodFacts,
    ) -> impl Iterator<Item = (&'static str, String)> + use<'a> {
        let required = self.require.iter().filter_map(move |requirement| {
            let message = match requirement {
                Requirement::NoTokenAutomount => rules::no_token_automount(pod, |account| {
                    account_automount(inventory, namespace, account)
                }),
                other => rules::judge(*other, pod),
            };
            Some((requirement.as_str(), message?))
        });
        let registries = rules::registries(pod, &self.registries);
        required.chain(registries.map(|message| (REGISTRIES, message)))
    }
}

fn account_automount(inventory: &Inventory, namespace: &str, name: &str) -> Option<bool> {
    match &inventory.lookup("", "ServiceAccount", namespace, name)?.facts {
        Facts::ServiceAccount(account) => account.automount,
        _ => None,
    }
}

/// Visits what runs as the service account that changed.
fn visit_accounts_workloads(inventory: &Inventory, change: &Change, visit: &mut dyn FnMut(Item)) {
    let Change::Object { slot, before } = change else {
        return;
    };
    for object in before.iter().chain(inventory.get(*slot)) {
        if matches!(object.facts, Facts::ServiceAccount(_) | Facts::Malformed(_)) {
            for slot in inventory.owners.running_as(&object.namespace, &object.name) {
                visit(Item::Object(*slot));
            }
        }
    }
}
