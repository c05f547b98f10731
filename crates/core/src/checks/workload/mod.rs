//! `workload`: how workloads are confined, and where their images come from.

pub(crate) mod describe;
mod image;
pub(crate) mod population;
mod rules;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

pub use self::image::ImageRef;
use self::{image::ImageSourcePattern, population::JudgedObject};
use super::{
    BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement, reference,
};
use crate::{
    api::{
        Selector,
        test_spec::{Requirement, WorkloadTest},
    },
    inventory::{
        Change, Facts, Inventory, ObjectSource,
        workload::{ControllerRef, PodFacts, WorkloadFacts},
    },
};

/// The rule about tokens, which pod and service account decide together.
const TOKEN: &str = Requirement::NoTokenAutomount.as_str();

/// The rule about images from registries that the control does not list.
const REGISTRIES: &str = "Registries";

/// A `workload` test, compiled.
#[derive(Debug)]
struct WorkloadCheck {
    require: Vec<Requirement>,
    registries: Vec<ImageSourcePattern>,
    selector: Option<Selector>,
}

/// Compiles a `workload` test.
pub fn build(test: &WorkloadTest) -> Result<Built, BuildError> {
    let WorkloadTest { require, registries, selector } = test;
    let selector =
        selector.as_ref().map(Selector::compile).transpose().map_err(|error| {
            BuildError::Invalid(format!("spec.test.workload.selector: {error}"))
        })?;
    // A requirement that is listed twice must not make two findings.
    let mut require = require.clone();
    require.sort_unstable();
    require.dedup();
    let check = WorkloadCheck {
        require,
        registries: registries.iter().map(|glob| ImageSourcePattern::new(glob.as_str())).collect(),
        selector: selector.filter(|selector| !selector.is_empty()),
    };
    Ok(check.into())
}

impl Check for WorkloadCheck {
    fn reads(&self) -> Vec<Dependency> {
        let mut reads = population::reads();
        if self.reads_accounts() {
            reads.push(Dependency::required("", "ServiceAccount"));
        }
        reads
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        population::items(context.inventory, visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        population::affected(context.inventory, change, visit);
        if self.reads_accounts() {
            visit_accounts_workloads(context.inventory, change, visit);
        }
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Object(slot) = item else {
            return None;
        };
        let inventory = context.inventory;
        let object = inventory.get(slot)?;
        let (facts, top) = match population::judged_object(inventory, object)? {
            JudgedObject::Workload { facts, top } => (facts, top),
            JudgedObject::Malformed(error) => return population::malformed(inventory, slot, error),
        };
        // Labels of the controller, not of the pod: a selector must not miss a pod that a webhook relabelled.
        match self.selects(top) {
            Some(true) => {}
            Some(false) => return None,
            None => {
                let message = "its controller is not known, and so neither are the labels to select it by: \
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
        let pod = &facts.pod;
        let token = self.token(inventory, &object.namespace, pod);
        let (mut failing, unknown) = match token {
            TokenMount::Withheld => (Vec::new(), Vec::new()),
            TokenMount::Given(message) => (vec![finding((TOKEN, message))], Vec::new()),
            TokenMount::Unknown(message) => (Vec::new(), vec![finding((TOKEN, message))]),
        };
        failing.extend(self.problems(pod).map(finding));
        Some(Judgement { failing, unknown, ..Judgement::default() })
    }
}

/// Whether a pod is given a token of its service account, as far as the control asks.
enum TokenMount {
    Withheld,
    /// It is given one, and what to change.
    Given(String),
    /// It is not known, and what to do.
    Unknown(String),
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
        // The topmost controller that is known has one above it that is not: its labels decide.
        if top.controller.as_ref().is_some_and(ControllerRef::has_template) {
            return None;
        }
        Some(selector.matches(|key| top.labels.get(key)))
    }

    /// The rule and the message of everything that is wrong with the pod alone.
    fn problems<'a>(
        &'a self,
        pod: &'a PodFacts,
    ) -> impl Iterator<Item = (&'static str, String)> + use<'a> {
        let required = self.require.iter().filter_map(move |requirement| {
            Some((requirement.as_str(), rules::judge(*requirement, pod)?))
        });
        let registries = rules::registries(pod, &self.registries);
        required.chain(registries.map(|message| (REGISTRIES, message)))
    }

    /// What the pod and its service account decide about the token.
    fn token(&self, inventory: &Inventory, namespace: &str, pod: &PodFacts) -> TokenMount {
        let Some(account) = pod.service_account.as_ref().filter(|_| self.reads_accounts()) else {
            return TokenMount::Withheld;
        };
        let automounts = account_automounts(inventory, namespace, account);
        // Every namespace has its default account, which decides nothing unless somebody changed it; a pod
        // that decides itself does not need the account either.
        let elsewhere = inventory.source == ObjectSource::Manifests
            && automounts.is_none()
            && **account != *"default"
            && pod.automount.is_none()
            && pod.token_volumes.is_empty();
        if elsewhere {
            return TokenMount::Unknown(format!(
                "service account {}, which decides on the token, is not among the manifests: add it, or set automountServiceAccountToken: false on the pod",
                describe::short(account)
            ));
        }
        rules::no_token(pod, automounts).map_or(TokenMount::Withheld, TokenMount::Given)
    }
}

/// Whether a service account has its tokens mounted; None when the account is not known.
fn account_automounts(inventory: &Inventory, namespace: &str, name: &str) -> Option<bool> {
    match &inventory.lookup("", "ServiceAccount", namespace, name)?.facts {
        Facts::ServiceAccount(account) => Some(account.automount.unwrap_or(true)),
        _ => None,
    }
}

/// Visits what runs as the service account that changed.
fn visit_accounts_workloads(inventory: &Inventory, change: &Change, visit: &mut dyn FnMut(Item)) {
    let Change::Object { slot, before } = change else {
        return;
    };
    for object in before.iter().chain(inventory.get(*slot)) {
        // A malformed one may be an account that could be read before.
        if matches!(object.facts, Facts::ServiceAccount(_) | Facts::Malformed(_)) {
            for slot in inventory.owners.running_as(&object.namespace, &object.name) {
                visit(Item::Object(*slot));
            }
        }
    }
}
