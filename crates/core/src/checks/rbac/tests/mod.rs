//! Every risk with a subject that carries it and one that does not; then unions, scope, allow,
//! maxSubjects, the baseline, and what a change affects.

mod contextual_risks;
mod known;
mod missing_manifests;
mod named_rights;
mod rights;
mod spec;
mod unions;

use serde_json::{Value, json};

use super::*;
use crate::{
    checks::scope::ScopeFilter, engine::judging::judge_in_scope, inventory::rbac::testing::*,
};

const RBAC: &str = "rbac.authorization.k8s.io";

fn check(test: Value) -> Box<dyn Check> {
    let test: RbacTest = serde_json::from_value(test).unwrap();
    build(&test).unwrap().check
}

fn forbid(risks: &[Risk]) -> Box<dyn Check> {
    check(json!({"forbid": risks}))
}

fn scope(yaml: Value) -> ScopeFilter {
    ScopeFilter::compile(Some(&serde_json::from_value(yaml).unwrap())).unwrap()
}

fn judge_all(check: &dyn Check, world: &World, scope: &ScopeFilter) -> Vec<(Item, Judgement)> {
    let context = CheckContext {
        inventory: &world.inventory,
        scope,
        now: jiff::Timestamp::UNIX_EPOCH,
        occurrences: &[],
    };
    let mut items = Vec::new();
    check.items(&context, &mut |item| items.push(item));
    let mut limit_counts = LimitCounts::default();
    let mut judged = Vec::new();
    for item in items {
        let judgement = judge_in_scope(check, &context, item, &limit_counts);
        limit_counts
            .note(item, judgement.as_ref().map(|found| found.limit_membership).unwrap_or_default());
        judged.extend(judgement.map(|found| (item, found)));
    }
    judged
}

/// What fails of everything that the check judges in a world, sorted.
fn failing(check: &dyn Check, world: &World) -> Vec<Finding> {
    let judged = judge_all(check, world, &ScopeFilter::default());
    let mut found: Vec<Finding> =
        judged.into_iter().flat_map(|(_, judgement)| judgement.failing).collect();
    found.sort_by(|a, b| {
        (&a.rule, &a.subject, &a.resource).cmp(&(&b.rule, &b.subject, &b.resource))
    });
    found
}

/// A line for each finding: its rule, resource and subject, as `Rule: resource: subject`.
fn said(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let namespace = finding.resource.namespace.as_ref();
        let place = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        let subject = finding.subject.as_deref().unwrap_or("-");
        format!("{}: {place}{}: {subject}", finding.rule, finding.resource.name)
    };
    findings.iter().map(line).collect()
}

/// A role bound to jane in the whole cluster (`*`) or in a namespace.
fn jane(place: &str, rules: &[&str]) -> World {
    let binding = match place {
        "*" => bind("b", "r", &["User/jane"]),
        namespace => bind_in(namespace, "b", "ClusterRole/r", &["User/jane"]),
    };
    World::of([cluster_role("r", rules), binding])
}

fn deployment(pod: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "prod"},
        "spec": {"template": {"spec": pod}},
    })
}
