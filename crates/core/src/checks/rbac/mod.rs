//! `rbac`: who may do what, judged on effective subjects.
//!
//! The item is a subject of the graph of rights; what it holds is the union over its bindings and
//! over the groups that its kind belongs to. Every finding says by which path.

mod affected;
mod contextual_risks;
mod describe;
mod evaluate;
mod grants;
mod known;
mod listed;
mod missing_manifests;
mod named_rights;
mod named_targets;
mod prefilter;
mod risk_table;
mod risks;
mod role_rights;
mod strength;
mod subject_limits;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

pub use self::role_rights::{rights_of_role, role_risks};
use self::{
    contextual_risks::visit_contextual_risks,
    describe::{LISTED, bounded, finding},
    evaluate::{
        Certainty, Hit, HitKind, HitVisitor, ReportedBindings, RiskQuery, admin_bindings,
        visit_risks,
    },
    grants::SubjectGrants,
    named_rights::visit_named_rights,
    prefilter::Prefilter,
    risks::ROWS,
};
use super::{
    BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement, LimitMembership,
    reference,
};
use crate::{
    api::{
        Risk, Severity,
        test_spec::{AccessRule, AllowedSubject, RbacTest, SubjectKind, SubjectRequirement},
    },
    checks::{limit_counts::LimitCounts, scope::Admission},
    inventory::{
        Change, Facts, Inventory, ObjectSource, Slot, Symbol,
        rbac::{Subject, SubjectId, SubjectNode},
        workload,
    },
};

const GROUP: &str = "rbac.authorization.k8s.io";
const KINDS: &[(&str, &str)] = &[
    (GROUP, "ClusterRole"),
    (GROUP, "ClusterRoleBinding"),
    (GROUP, "Role"),
    (GROUP, "RoleBinding"),
];
const ACCOUNTS: (&str, &str) = ("", "ServiceAccount");

/// How many subjects hold what the control asks about, against `maxSubjects`.
const SUBJECT_COUNT: Item = Item::Cluster(0);
/// How many subjects hold rights in each namespace.
const SUBJECTS_PER_NAMESPACE: Item = Item::Cluster(1);

/// Compiles an `rbac` test.
pub fn build(test: &RbacTest) -> Result<Built, BuildError> {
    // A test that checks nothing would pass for every subject, and look like a control that works.
    if test.forbid.is_empty() && test.rules.is_empty() && test.subjects.is_none() {
        return Err(BuildError::Invalid(
            "spec.test.rbac checks nothing: name the risks to forbid, the rights to restrict, or who subjects must be"
                .to_owned(),
        ));
    }
    let max_subjects = match test.max_subjects.map(usize::try_from) {
        None => None,
        Some(Ok(max)) => Some(max),
        Some(Err(_)) => {
            return Err(BuildError::Invalid(
                "spec.test.rbac.maxSubjects is below zero: write 1 or more".to_owned(),
            ));
        }
    };
    let allow = test.allow.iter().map(Allowed::new).collect();
    let check = RbacCheck {
        forbid: test.forbid.clone(),
        rules: test.rules.clone(),
        allow,
        max_subjects,
        subjects: test.subjects,
        prefilter: Prefilter::of(test),
    };
    Ok(check.into())
}

/// An `rbac` test, compiled.
#[derive(Debug)]
struct RbacCheck {
    forbid: Vec<Risk>,
    rules: Vec<AccessRule>,
    allow: Vec<Allowed>,
    max_subjects: Option<usize>,
    subjects: Option<SubjectRequirement>,
    prefilter: Prefilter,
}

/// Subjects that may hold what others must not, compiled.
#[derive(Debug)]
struct Allowed {
    kind: SubjectKind,
    name: wildmatch::WildMatch,
    namespace: Option<wildmatch::WildMatch>,
}

impl Allowed {
    fn new(subject: &AllowedSubject) -> Self {
        Self {
            kind: subject.kind,
            name: subject.name.matcher(),
            namespace: subject.namespace.as_ref().map(crate::api::Glob::matcher),
        }
    }

    fn covers(&self, subject: &Subject) -> bool {
        let namespace = match (&self.namespace, subject.namespace()) {
            (None, _) => true,
            (Some(glob), Some(namespace)) => glob.matches(namespace),
            (Some(_), None) => false,
        };
        namespace && self.kind.as_str() == subject.kind() && self.name.matches(subject.name())
    }
}

impl RbacCheck {
    fn forbids(&self, risk: Risk) -> bool {
        self.forbid.contains(&risk)
    }

    fn allows(&self, subject: &Subject) -> bool {
        self.allow.iter().any(|allowed| allowed.covers(subject))
    }

    /// Visits everything that the control asks about and the subject holds.
    fn visit_hits<'a>(
        &'a self,
        context: &CheckContext<'a>,
        grants: &SubjectGrants<'a>,
        visit: &mut HitVisitor<'_, 'a>,
    ) -> ControlFlow<()> {
        let query = RiskQuery {
            forbid: &self.forbid,
            defers_cluster_admin: self.cluster_admin_control(context).is_some(),
        };
        let reported = match visit_risks(grants, query, visit) {
            ControlFlow::Continue(reported) => reported,
            ControlFlow::Break(()) => return ControlFlow::Break(()),
        };
        // From the strongest statement to the weakest: what an earlier one reported is left out of the
        // later ones.
        visit_named_rights(context, grants, query, &reported, visit)?;
        visit_contextual_risks(context, grants, &self.forbid, visit)?;
        let left = if query.defers_cluster_admin {
            admin_bindings(grants)
        } else {
            ReportedBindings::default()
        };
        for grant in grants.added().filter(|grant| !left.contains(&grant.source.binding)) {
            for access in &self.rules {
                // The names may borrow from the grant of this loop, which the hit outlives.
                let Some((verb, resource)) = listed::matched_right(access, grant) else {
                    continue;
                };
                let kind = HitKind::Listed(verb.to_owned(), resource.to_owned());
                visit(Hit {
                    kind,
                    namespace: grant.namespace(),
                    by: vec![*grant],
                    uncertainty: None,
                })?;
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// The control that says who holds cluster-admin, to which this one leaves it; None when there is
    /// no such control. A limit counts everybody all the same.
    fn cluster_admin_control<'a>(&self, context: &CheckContext<'a>) -> Option<&'a str> {
        context.scope.cluster_admin.as_deref().filter(|_| self.max_subjects.is_none())
    }

    fn judge_subject(&self, context: &CheckContext<'_>, id: SubjectId) -> Option<Judgement> {
        let node = context.inventory.rights.subject(id)?;
        let holds = SubjectGrants::holds_added(context, node);
        if !holds && !self.asks_about_account(context, node) {
            return None;
        }
        let asks_who = holds && self.asks_who_it_is(&node.subject);
        if !asks_who && !self.asks_about_rights() {
            return None;
        }
        let mut judgement = self.judge_rights(context, node, holds);
        if asks_who {
            self.judge_identity(context, node, &mut judgement);
        }
        Some(judgement)
    }

    /// Whether the control asks what subjects hold, and not only who they are.
    fn asks_about_rights(&self) -> bool {
        !self.forbid.is_empty() || !self.rules.is_empty()
    }

    /// Judges what a subject holds.
    fn judge_rights(
        &self,
        context: &CheckContext<'_>,
        node: &SubjectNode,
        holds: bool,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        if !self.asks_about_rights() {
            return judgement;
        }
        let may_match = self.prefilter.may_match(context, node);
        // In manifests a role may be missing, so that its rights do not show yet.
        if !may_match && context.inventory.source == ObjectSource::Cluster {
            return judgement;
        }
        let grants = SubjectGrants::new(context, node);
        let missing_manifests = self.missing_manifests(context, &grants);
        if !may_match && missing_manifests.is_empty() {
            return judgement;
        }
        // Against a limit, a subject only counts: the finding is about the number, of the whole cluster.
        if self.max_subjects.is_some() {
            judgement.limit_membership =
                if holds { self.limit_membership(context, &grants) } else { LimitMembership::No };
            if judgement.limit_membership == LimitMembership::No && !missing_manifests.is_empty() {
                judgement.limit_membership = LimitMembership::Possibly;
            }
            return judgement;
        }
        // Still of the population: a subject that is allowed was looked at, and passes.
        if self.allows(&node.subject) {
            return judgement;
        }
        judgement.unknown = missing_manifests;
        judgement.deferred =
            self.cluster_admin_control(context).is_some() && !admin_bindings(&grants).is_empty();
        // Every hit is wanted, so the visitor never breaks and the result says nothing.
        let _ = self.visit_hits(context, &grants, &mut |hit| {
            let certainty = hit.certainty();
            if let Some(finding) = finding(context, &grants, hit) {
                add(&mut judgement, finding, certainty);
            }
            ControlFlow::Continue(())
        });
        judgement
    }

    /// Whether an account is judged though no binding names it: an identity in a cloud is a right that
    /// no binding gives.
    fn asks_about_account(&self, context: &CheckContext<'_>, node: &SubjectNode) -> bool {
        let slot = node.account.filter(|_| self.forbids(Risk::CloudIdentity));
        let namespace = node.subject.namespace().map_or("", Symbol::as_str);
        let facts = slot.and_then(|slot| context.inventory.get(slot)).map(|object| &object.facts);
        matches!(facts, Some(Facts::ServiceAccount(facts)) if !facts.cloud.is_empty())
            && context.scope.admits(context.inventory, namespace) != Admission::Out
    }
}

/// Adds a finding, once for each risk and binding: what is certain replaces what is not. Each right
/// that a control lists is a finding of its own.
fn add(judgement: &mut Judgement, finding: Finding, certainty: Certainty) {
    let same = |known: &Finding| {
        finding.rule != LISTED && known.rule == finding.rule && known.resource == finding.resource
    };
    if judgement.failing.iter().any(same) {
        return;
    }
    if certainty == Certainty::Certain {
        judgement.unknown.retain(|known| !same(known));
        judgement.failing.push(finding);
    } else if !judgement.unknown.iter().any(same) {
        judgement.unknown.push(finding);
    }
}

impl Check for RbacCheck {
    fn reads(&self) -> Vec<Dependency> {
        let mut kinds = self.kinds();
        if self.forbids(Risk::WeakPodStrongAccount) {
            kinds.extend(workload::kinds());
        }
        if self.forbids(Risk::Exhaust) {
            kinds.extend([("", "ResourceQuota"), ("", "Namespace")]);
        }
        let kinds = kinds.into_iter().map(|(group, kind)| Dependency::required(group, kind));
        let types = self.rules.iter().enumerate().map(|(position, rule)| Dependency::Types {
            at: format!("spec.test.rbac.rules[{position}]"),
            groups: rule.api_groups.clone(),
            resources: rule.resources.clone(),
        });
        kinds.chain(types).collect()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        for (id, _) in context.inventory.rights.subjects() {
            visit(Item::Subject(id));
        }
        self.visit_cluster_items(visit);
        // An object that can't be read is in no graph, and would otherwise go unnoticed.
        for (group, kind) in self.kinds() {
            for (slot, object) in context.inventory.objects_of(group, kind) {
                if matches!(object.facts, Facts::Malformed(_)) {
                    visit(Item::Object(slot));
                }
            }
        }
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        self.visit_affected(context, change, visit);
    }

    fn is_cluster_admin_control(&self) -> bool {
        let admin = [Risk::ClusterAdmin, Risk::NamespaceAdmin, Risk::SystemMasters];
        self.forbids(Risk::ClusterAdmin)
            && self.forbid.iter().all(|risk| admin.contains(risk))
            && self.rules.is_empty()
            && self.max_subjects.is_none()
            && self.subjects.is_none()
    }

    fn defers_cluster_admin(&self) -> bool {
        let implied = !self.rules.is_empty() || ROWS.iter().any(|row| self.forbids(row.risk));
        implied && self.max_subjects.is_none() && !self.is_cluster_admin_control()
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        match item {
            Item::Subject(id) => self.judge_subject(context, id),
            Item::Object(slot) => self.judge_malformed(context.inventory, slot),
            SUBJECTS_PER_NAMESPACE => self.judge_subjects_per_namespace(context),
            Item::Reported(_) | Item::Cluster(_) => None,
        }
    }

    fn judge_cluster(
        &self,
        context: &CheckContext<'_>,
        part: u32,
        limit_counts: &LimitCounts,
    ) -> Option<Judgement> {
        match Item::Cluster(part) {
            SUBJECT_COUNT => self.judge_subject_count(context, limit_counts),
            item => self.judge(context, item),
        }
    }
}

impl RbacCheck {
    fn visit_cluster_items(&self, visit: &mut dyn FnMut(Item)) {
        if self.max_subjects.is_some() {
            visit(SUBJECT_COUNT);
        } else if self.forbids(Risk::Sprawl) {
            visit(SUBJECTS_PER_NAMESPACE);
        }
    }

    /// The kinds whose objects grant rights, hold them, or say who holds them.
    fn kinds(&self) -> Vec<(&'static str, &'static str)> {
        let about_accounts = [
            Risk::DefaultServiceAccount,
            Risk::WeakPodStrongAccount,
            Risk::Dangling,
            Risk::CloudIdentity,
            Risk::Impersonate,
            Risk::ConstrainedImpersonate,
            Risk::MintTokens,
        ];
        let accounts = about_accounts.into_iter().any(|risk| self.forbids(risk));
        let people = self.asks_who_they_are().then_some(known::PEOPLE);
        KINDS.iter().copied().chain(accounts.then_some(ACCOUNTS)).chain(people).collect()
    }

    /// The judgement of an object that can't be read, which might grant anything. None for any other.
    fn judge_malformed(&self, inventory: &Inventory, slot: Slot) -> Option<Judgement> {
        let object = inventory.get(slot)?;
        let Facts::Malformed(error) = &object.facts else {
            return None;
        };
        let kind = &inventory.kind_state(object.kind)?.resource;
        if !self.kinds().contains(&(kind.group.as_str(), kind.kind.as_str())) {
            return None;
        }
        let finding = Finding {
            rule: "Malformed".into(),
            severity: None::<Severity>,
            resource: reference(inventory, slot)?,
            subject: None,
            message: bounded(format!("the object can't be read: {error}")),
        };
        Some(Judgement { unknown: vec![finding], ..Judgement::default() })
    }
}
