//! The check of a `cel` test: reads what its program found about each object.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::{
    api::{ResourceRef, test_spec::CelTest},
    checks::{Check, CheckContext, Dependency, Finding, Item, Judgement, Need, reference},
    inventory::{Change, ProgramId, ProgramResult},
};

/// The rule of a validation without a reason.
const INVALID: &str = "Invalid";
/// The rule of findings about objects that the program could not decide.
const UNDECIDED: &str = "ExpressionUndecided";

/// A `cel` test, compiled: which program's results to read, and the rules of its validations.
#[derive(Debug)]
pub struct CelCheck {
    program: ProgramId,
    reads: Vec<Dependency>,
    /// By the position of the validation.
    rules: Vec<Cow<'static, str>>,
    /// Whether some expression names a `status`, which no manifest has.
    names_status: bool,
}

impl CelCheck {
    /// A check that reads the results of a compiled program.
    pub fn new(test: &CelTest, program: ProgramId) -> Self {
        let reads = test.resources.iter().map(|resource| Dependency::Program {
            at: "spec.test.cel.resources",
            groups: resource.api_groups.clone(),
            versions: resource.api_versions.clone(),
            resources: resource.resources.clone(),
            program,
            need: Need::of(resource.when_served),
        });
        let rule =
            |reason: &Option<String>| reason.clone().map_or(Cow::Borrowed(INVALID), Cow::Owned);
        let rules = test.validations.iter().map(|validation| rule(&validation.reason));
        let names_status = expressions(test).any(names_status);
        Self { program, reads: reads.collect(), rules: rules.collect(), names_status }
    }

    fn finding(&self, validation: usize, message: &str, resource: ResourceRef) -> Finding {
        let rule = self.rules.get(validation).cloned().unwrap_or(Cow::Borrowed(INVALID));
        Finding { rule, severity: None, resource, subject: None, message: message.to_owned() }
    }
}

/// The expressions that decide. Those of messages only describe what was decided.
fn expressions(test: &CelTest) -> impl Iterator<Item = &str> {
    let conditions = test.match_conditions.iter().map(|condition| condition.expression.as_str());
    let variables = test.variables.iter().map(|variable| variable.expression.as_str());
    let validations = test.validations.iter().map(|validation| validation.expression.as_str());
    conditions.chain(variables).chain(validations)
}

/// Whether `status` is a word of the expression: a field, or a key in quotes. A comment counts too: a
/// scan then leaves the control out with a note, rather than pass it for want of a status.
fn names_status(expression: &str) -> bool {
    expression.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "status")
}

impl Check for CelCheck {
    fn judges_manifests(&self) -> bool {
        !self.names_status
    }

    fn reads(&self) -> Vec<Dependency> {
        self.reads.clone()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        // By result and not by kind: a program may judge any kind that discovery finds.
        for (slot, _) in context.inventory.iter() {
            if context.inventory.result(self.program, slot).is_some() {
                visit(Item::Object(slot));
            }
        }
    }

    fn affected(&self, _: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        crate::checks::visit_changed(change, visit);
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Object(slot) = item else { return None };
        let resource = reference(context.inventory, slot)?;
        match context.inventory.result(self.program, slot)? {
            ProgramResult::Pass => Some(Judgement::default()),
            ProgramResult::Fail(failures) => {
                let finding = |(validation, message): &(usize, Box<str>)| {
                    self.finding(*validation, message, resource.clone())
                };
                Some(Judgement {
                    failing: failures.iter().map(finding).collect(),
                    ..Judgement::default()
                })
            }
            ProgramResult::Unknown(reason) => {
                let (rule, message) = (Cow::Borrowed(UNDECIDED), reason.to_string());
                let finding = Finding { rule, severity: None, resource, subject: None, message };
                Some(Judgement { unknown: vec![finding], ..Judgement::default() })
            }
            // The last two are of programs of other tests.
            ProgramResult::NotMatched | ProgramResult::Presence(_) | ProgramResult::Results(_) => {
                None
            }
        }
    }
}

/// The digest of all that decides what a program says of an object. The program does not depend
/// on `resources`, so controls that differ only there share its results.
pub fn program_id(test: &CelTest) -> ProgramId {
    let mut digest = Sha256::new();
    let mut add = |text: Option<&str>| {
        // The length in front keeps neighbours apart.
        digest.update(text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        digest.update(text.unwrap_or_default());
    };
    for list in [&test.match_conditions, &test.variables] {
        add(Some(&list.len().to_string()));
        for named in list {
            add(Some(&named.name));
            add(Some(&named.expression));
        }
    }
    // Not the reason: it names the rule of a finding, which the check adds by itself.
    for validation in &test.validations {
        add(Some(&validation.expression));
        add(validation.message.as_deref());
        add(validation.message_expression.as_deref());
    }
    let digest = digest.finalize();
    // 64 bits of it: some hundred programs of one cluster will not collide.
    ProgramId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests;
