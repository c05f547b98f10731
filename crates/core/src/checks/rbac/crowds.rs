//! How many subjects there are: against `maxSubjects`, and in each namespace.

use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use super::{RbacCheck, circumstances::MAX_SUBJECTS, holder::Holder, wording::bounded};
use crate::{
    api::{ResourceRef, Risk},
    checks::{
        CheckContext, Finding, Judgement, LimitMembership, limit_counts::LimitCounts,
        scope::Admission,
    },
    inventory::{Symbol, rbac::Subject},
};

impl RbacCheck {
    /// Whether a subject holds what the control limits; a binding in a namespace that may be out of
    /// scope can't be told.
    pub(super) fn count<'a>(
        &'a self,
        context: &CheckContext<'a>,
        holder: &Holder<'a>,
    ) -> LimitMembership {
        let mut counted = LimitMembership::No;
        let _ = self.visit_hits(context, holder, &mut |hit| {
            if hit.is_certain() {
                counted = LimitMembership::Yes;
                return ControlFlow::Break(());
            }
            counted = LimitMembership::Possibly;
            ControlFlow::Continue(())
        });
        counted
    }

    /// More subjects than may; up to as many are no findings at all.
    pub(super) fn judge_count(
        &self,
        context: &CheckContext<'_>,
        limit_counts: &LimitCounts,
    ) -> Option<Judgement> {
        let max = self.max_subjects?;
        let mut judgement = Judgement::default();
        if limit_counts.certain() > max {
            judgement.failing.push(too_many(context, limit_counts, max));
        } else if limit_counts.certain() + limit_counts.possible() > max {
            let mut finding = too_many(context, limit_counts, max);
            finding.message = bounded(format!(
                "{} more subjects may hold it, since labels of namespaces or rules of roles are not known: {}",
                limit_counts.possible(),
                finding.message
            ));
            judgement.unknown.push(finding);
        }
        Some(judgement)
    }

    /// Namespaces with more subjects than can be reviewed.
    pub(super) fn judge_crowded(&self, context: &CheckContext<'_>) -> Option<Judgement> {
        if !self.forbids(Risk::Sprawl) || self.max_subjects.is_some() {
            return None;
        }
        let mut crowds: FxHashMap<&Symbol, usize> = FxHashMap::default();
        for (_, node) in context.inventory.rights.subjects() {
            if self.allows(&node.subject) {
                continue;
            }
            let local = node.grants.iter().filter(|grant| !grant.in_cluster() && !grant.is_default);
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

fn too_many(context: &CheckContext<'_>, limit_counts: &LimitCounts, max: usize) -> Finding {
    const SHOWN: usize = 8;
    let rights = &context.inventory.rights;
    let known = limit_counts.certain_subjects().filter_map(|id| Some(&rights.subject(id)?.subject));
    let mut first: Vec<&Subject> = known.collect();
    if first.len() > SHOWN {
        first.select_nth_unstable(SHOWN);
        first.truncate(SHOWN);
    }
    first.sort_unstable();
    let mut named: Vec<String> = first.iter().map(ToString::to_string).collect();
    if limit_counts.certain() > SHOWN {
        named.push(format!("and {} more", limit_counts.certain() - SHOWN));
    }
    let message = format!(
        "{} subjects may, at most {max} are to: {}",
        limit_counts.certain(),
        named.join(", ")
    );
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
