//! Notes for the reader of the findings: assumptions, and settings that had no effect.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::controls::ControlSet;
use comptroller_core::{
    api::{ControlSpec, ExceptionPhase, State, control::NAME_LABEL},
    checks::{self, CheckContext, limit_counts::LimitCounts, scope::ScopeFilter},
    engine::{Engine, judge_in_scope},
    inventory::Inventory,
    nearest::{did_you_mean, nearest},
};

/// How many names a note lists.
const LISTED: usize = 5;

/// The notes on a scan of manifests.
pub(super) fn notes(engine: &Engine, rules: &ControlSet, now: Timestamp) -> Vec<String> {
    let mut notes: Vec<String> = assumed_in_scope(engine).into_iter().collect();
    notes.extend(selecting_nothing(engine, now));
    notes.extend(left_to_cluster(rules));
    for name in rules.exceptions.keys() {
        notes.extend(unused_exception(engine, rules, name, now));
    }
    notes
}

/// A note that namespaces count as in scope because no manifest has their labels; None if there are none.
fn assumed_in_scope(engine: &Engine) -> Option<String> {
    let selecting = engine.controls().filter(|(_, spec)| selects_by_label(spec)).count();
    let namespaces = undescribed(engine.inventory());
    if selecting == 0 || namespaces.is_empty() {
        return None;
    }
    let more = namespaces.len().saturating_sub(LISTED);
    let listed: Vec<&str> = namespaces.into_iter().take(LISTED).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let controls = match selecting {
        1 => "1 control that selects".to_owned(),
        many => format!("{many} controls that select"),
    };
    Some(format!(
        "No manifest has the labels of namespace {}{rest}, so {controls} namespaces by label count it as in scope: add its manifest, or give --namespace and --namespace-labels.",
        listed.join(", ")
    ))
}

fn selects_by_label(spec: &ControlSpec) -> bool {
    let selector = spec.scope.as_ref().and_then(|scope| scope.namespaces.as_ref());
    selector.is_some_and(|selector| {
        // A selector by name needs no manifest of the namespace: its name is in each object.
        let labels = selector.match_labels.iter().flatten().map(|(key, _)| key);
        let expressions = selector.match_expressions.iter().flatten().map(|one| &one.key);
        labels.chain(expressions).any(|key| key != NAME_LABEL)
    })
}

fn undescribed(inventory: &Inventory) -> BTreeSet<&str> {
    inventory
        .iter()
        .map(|(_, object)| &*object.namespace)
        // Cluster-wide objects are in no namespace.
        .filter(|namespace| !namespace.is_empty() && inventory.namespace(namespace).is_none())
        .collect()
}

fn left_to_cluster(rules: &ControlSet) -> Option<String> {
    let count = rules.left_to_cluster.len();
    (count > 0).then(|| {
        format!(
            "{count} controls that need a cluster were left out: `comptroller scan --cluster` evaluates them."
        )
    })
}

/// A note about controls that have nothing to judge only because their selectors match nothing, perhaps by
/// mistake; None if there are none.
fn selecting_nothing(engine: &Engine, now: Timestamp) -> Option<String> {
    let idle: Vec<&str> = engine
        .controls()
        .filter(|(name, spec)| {
            let nothing =
                engine.verdict(name).is_some_and(|verdict| verdict.state == State::NotApplicable);
            // Nothing to judge is no mistake if the manifests have no object of the kind either.
            let wider = without_selectors(spec);
            nothing && wider != **spec && judges_something(engine.inventory(), &wider, now)
        })
        .map(|(name, _)| name)
        .collect();
    if idle.is_empty() {
        return None;
    }
    let more = idle.len().saturating_sub(LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let listed: Vec<&str> = idle.into_iter().take(LISTED).collect();
    Some(format!(
        "The selectors of control {}{rest} match nothing among the manifests, so nothing was judged: check spec.scope.namespaces and the selector of the test.",
        listed.join(", ")
    ))
}

fn without_selectors(spec: &ControlSpec) -> ControlSpec {
    let mut spec = spec.clone();
    if let Some(scope) = &mut spec.scope {
        scope.namespaces = None;
    }
    if let Some(test) = &mut spec.test.backup {
        test.selector = None;
    }
    if let Some(test) = &mut spec.test.workload {
        test.selector = None;
    }
    spec
}

fn judges_something(inventory: &Inventory, spec: &ControlSpec, now: Timestamp) -> bool {
    let (Ok(built), Ok(scope)) =
        (checks::build(&spec.test), ScopeFilter::compile(spec.scope.as_ref()))
    else {
        return false;
    };
    let check = built.check.as_ref();
    let context = CheckContext { inventory, scope: &scope, now, occurrences: &[] };
    let mut found = false;
    check.items(&context, &mut |item| {
        found = found || judge_in_scope(check, &context, item, &LimitCounts::default()).is_some();
    });
    found
}

/// Why an exception had no effect; None if it had, or if none of its controls was evaluated.
fn unused_exception(
    engine: &Engine,
    rules: &ControlSet,
    name: &str,
    now: Timestamp,
) -> Option<String> {
    let (spec, place) = rules.exceptions.get(name)?;
    let at = format!("ControlException {name} ({}:{})", place.file, place.at.line);
    if let Some(typo) = spec.controls.iter().find(|control| !rules.known.contains(*control)) {
        let hint = did_you_mean(&nearest(typo, rules.known.iter().map(String::as_str)));
        return Some(format!("{at} names control {typo}, which does not exist{hint}"));
    }
    // With --control or --severity, an exception for the others has no effect by intention.
    if !spec.controls.iter().any(|control| rules.controls.contains_key(control)) {
        return None;
    }
    let standing = engine.exception(name, now)?;
    (standing.phase != ExceptionPhase::Active)
        .then(|| format!("{at} allows nothing: {}", standing.message))
}
