//! How many subjects there are: against `maxSubjects`, and in each namespace.

use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use super::{RbacCheck, circumstances::MAX_SUBJECTS, holder::Holder, wording::bounded};
use crate::{
    api::{ResourceRef, Risk},
    checks::{Context, Finding, Judgement},
    engine::scope::Admission,
    inventory::{Symbol, rbac::Subject},
};

impl RbacCheck {
    /// More subjects than may; up to as many are no findings at all.
    pub(super) fn judge_count(&self, context: &Context<'_>) -> Option<Judgement> {
        let max = self.max_subjects?;
        let mut certain = Vec::new();
        let mut possible = 0;
        for (_, node) in context.inventory.rights.subjects() {
            let holder = Holder::new(context, node);
            if holder.novel().next().is_none() {
                continue;
            }
            let mut undecided = false;
            let stopped = self.visit_hits(context, &holder, &mut |hit| {
                undecided = true;
                if hit.by.iter().all(|held| held.in_scope) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            match stopped {
                ControlFlow::Break(()) => certain.push(&node.subject),
                ControlFlow::Continue(()) => possible += usize::from(undecided),
            }
        }
        let mut judgement = Judgement::default();
        if certain.len() > max {
            judgement.failing.push(too_many(certain, max));
        } else if certain.len() + possible > max {
            let mut finding = too_many(certain, max);
            finding.message = format!(
                "{possible} more subjects hold it in namespaces whose labels are not known: {}",
                finding.message
            );
            judgement.unknown.push(finding);
        }
        Some(judgement)
    }

    /// Namespaces with more subjects than can be reviewed.
    pub(super) fn judge_crowded(&self, context: &Context<'_>) -> Option<Judgement> {
        if !self.forbids(Risk::Sprawl) || self.max_subjects.is_some() {
            return None;
        }
        let mut crowds: FxHashMap<&Symbol, usize> = FxHashMap::default();
        for (_, node) in context.inventory.rights.subjects() {
            if self.allows(&node.subject) {
                continue;
            }
            let local = node.grants.iter().filter(|grant| !grant.in_cluster() && !grant.baseline);
            let mut namespaces: Vec<&Symbol> = local.map(|grant| &grant.namespace).collect();
            namespaces.sort_unstable();
            namespaces.dedup();
            for namespace in namespaces {
                *crowds.entry(namespace).or_default() += 1;
            }
        }
        let mut judgement = Judgement::default();
        for (namespace, subjects) in crowds {
            if subjects <= MAX_SUBJECTS {
                continue;
            }
            let list = match context.scope.admits(context.inventory, namespace) {
                Admission::In => &mut judgement.failing,
                Admission::Out => continue,
                Admission::Unknown => &mut judgement.unknown,
            };
            list.push(crowded(namespace, subjects));
        }
        Some(judgement)
    }
}

fn crowded(namespace: &Symbol, subjects: usize) -> Finding {
    Finding {
        rule: Risk::Sprawl.as_str().into(),
        severity: Some(Risk::Sprawl.severity()),
        resource: ResourceRef {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: namespace.to_string(),
        },
        subject: None,
        message: format!(
            "{subjects} subjects hold rights of their own in the namespace, more than the {MAX_SUBJECTS} that can be reviewed: bind groups"
        ),
    }
}

fn too_many(mut subjects: Vec<&Subject>, max: usize) -> Finding {
    const SHOWN: usize = 8;
    subjects.sort_unstable();
    let mut named: Vec<String> = subjects.iter().take(SHOWN).map(ToString::to_string).collect();
    if subjects.len() > SHOWN {
        named.push(format!("and {} more", subjects.len() - SHOWN));
    }
    let message =
        format!("{} subjects may, at most {max} are to: {}", subjects.len(), named.join(", "));
    Finding {
        rule: "TooManySubjects".into(),
        severity: None,
        resource: ResourceRef {
            api_version: "v1".to_owned(),
            kind: "Cluster".to_owned(),
            namespace: None,
            name: "cluster".to_owned(),
        },
        subject: None,
        message: bounded(message),
    }
}
