//! What a role gives where it is bound, whoever has it: for the register of grants.

use super::{
    describe::describe_ability,
    risks::{Carried, ROWS},
};
use crate::{
    api::{Risk, Severity},
    inventory::{Symbol, rbac::RoleNode},
};

/// How many words of one kind a sentence has room for.
const SHOWN: usize = 3;

/// The risks that lie in the rights of a role alone, bound in a namespace, or in the cluster when there
/// is none, in the order of their numbers. On an API server of any version: what only some of them give
/// is left to the control that knows it.
pub fn role_risks(role: &RoleNode, namespace: Option<&str>) -> Vec<(Risk, Severity)> {
    let rights = role.reach().at(namespace.is_none());
    let rows = ROWS
        .iter()
        .filter(|row| row.applies(namespace) && row.carried(rights, None) == Some(Carried::Yes));
    let found: Vec<_> = rows.collect();
    let says_more = |risk: Option<Risk>| found.iter().any(|row| Some(row.risk) == risk);
    found
        .iter()
        .filter(|row| row.unless.is_none() || !says_more(row.unless))
        .map(|row| (row.risk, row.severity(namespace, rights)))
        .collect()
}

/// What the holder of a role can do where it is bound, in one sentence that goes on after the holder:
/// the worst of it, or what the rules say where nothing of it is a risk.
pub fn rights_of_role(role: &RoleNode, namespace: Option<&str>) -> String {
    let rights = role.reach().at(namespace.is_none());
    let risks = role_risks(role, namespace);
    // Of several that are as bad the first counts: the table begins with what includes the most.
    let mut worst: Option<(Risk, Severity)> = None;
    for (risk, severity) in &risks {
        if worst.is_none_or(|(_, known)| known < *severity) {
            worst = Some((*risk, *severity));
        }
    }
    let row = worst.and_then(|(risk, _)| ROWS.iter().find(|row| row.risk == risk));
    let place = namespace.map_or(String::new(), |namespace| format!(" in namespace {namespace}"));
    match row {
        Some(row) => describe_ability(row, rights, namespace),
        None => match rules_in_words(role) {
            Some(rules) => format!("can {rules}{place}"),
            None => "can do nothing".to_owned(),
        },
    }
}

/// `get, list pods, services and 2 more`. None of a role without rules.
fn rules_in_words(role: &RoleNode) -> Option<String> {
    let (mut verbs, mut targets) = (Vec::new(), Vec::new());
    for rule in role.rules() {
        add_words(&mut verbs, &rule.verbs);
        add_words(&mut targets, &rule.resources);
        add_words(&mut targets, &rule.urls);
    }
    if verbs.is_empty() || targets.is_empty() {
        return None;
    }
    Some(format!("{} {}", some_of(&verbs), some_of(&targets)))
}

/// Adds the words that are new.
fn add_words<'a>(known: &mut Vec<&'a str>, words: &'a [Symbol]) {
    for word in words {
        if !known.contains(&word.as_str()) {
            known.push(word.as_str());
        }
    }
}

fn some_of(words: &[&str]) -> String {
    let shown = words.get(..SHOWN).unwrap_or(words).join(", ");
    match words.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
