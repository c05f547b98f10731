//! Limits on how many subjects there are: `maxSubjects`, and how many a reviewer can weigh in one
//! namespace.

use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use super::{
    RbacCheck, contextual_risks::MAX_SUBJECTS, describe::bounded, evaluate::Certainty,
    grants::SubjectGrants,
};
use crate::{
    api::{ResourceRef, Risk},
    checks::{
        CheckContext, Finding, Judgement, LimitMembership, limit_counts::LimitCounts,
        scope::Admission,
    },
    inventory::{Symbol, rbac::Subject},
};

impl RbacCheck {
    /// Whether a subject holds what the control limits. A binding in a namespace that may be out of
    /// scope counts as possible.
    pub(super) fn limit_membership<'a>(
        &'a self,
        context: &CheckContext<'a>,
        grants: &SubjectGrants<'a>,
    ) -> LimitMembership {
        let mut membership = LimitMembership::No;
        // The first certain hit settles it; until then an uncertain one is remembered.
        let _ = self.visit_hits(context, grants, &mut |hit| {
            if hit.certainty() == Certainty::Certain {
                membership = LimitMembership::Yes;
                return ControlFlow::Break(());
            }
            membership = LimitMembership::Possibly;
            ControlFlow::Continue(())
        });
        membership
    }

    /// One finding when there are more subjects than the control allows. Up to that many are none at
    /// all: a limit says that some are meant to hold it.
    pub(super) fn judge_subject_count(
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

    /// One finding for each namespace with more subjects than can be reviewed.
    pub(super) fn judge_subjects_per_namespace(
        &self,
        context: &CheckContext<'_>,
    ) -> Option<Judgement> {
        if !self.forbids(Risk::Sprawl) || self.max_subjects.is_some() {
            return None;
        }
        let mut subjects_of: FxHashMap<&Symbol, usize> = FxHashMap::default();
        for (_, node) in context.inventory.rights.subjects() {
            // Whoever is allowed was weighed when the control was written.
            if self.allows(&node.subject) {
                continue;
            }
            // Cluster-wide grants are the same in every namespace, and reported where they are.
            let local = node.grants.iter().filter(|grant| !grant.in_cluster() && !grant.is_default);
            let mut namespaces: Vec<&Symbol> = local.map(|grant| &grant.namespace).collect();
            namespaces.sort_unstable();
            namespaces.dedup();
            for namespace in namespaces {
                *subjects_of.entry(namespace).or_default() += 1;
            }
        }
        let mut judgement = Judgement::default();
        for (namespace, subjects) in subjects_of {
            if subjects <= MAX_SUBJECTS {
                continue;
            }
            let list = match context.scope.admits(context.inventory, namespace) {
                Admission::In => &mut judgement.failing,
                Admission::Out => continue,
                Admission::Unknown => &mut judgement.unknown,
            };
            list.push(too_many_in_namespace(namespace, subjects));
        }
        Some(judgement)
    }
}

fn too_many_in_namespace(namespace: &Symbol, subjects: usize) -> Finding {
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
    // Only the first few are named: sorting all of 20,000 for that would cost more than judging.
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
        "{} subjects hold it, and at most {max} may: {}",
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
