//! `rbac`: who may do what, judged on effective subjects.
//!
//! The item is a subject of the graph of rights; what it holds is the union over its bindings and
//! over the groups that its kind belongs to. Every finding says by which path.

mod asked;
mod circumstances;
mod crowds;
mod evaluate;
mod holder;
mod listed;
mod named;
mod risk_table;
mod risks;
mod strength;
#[cfg(test)]
mod tests;
mod untold;
mod whom;
mod wording;

use std::ops::ControlFlow;

use self::{
    asked::Asked,
    circumstances::visit_circumstances,
    evaluate::{Hit, Told, Visit, Wanted, What, admin_bindings, visit_risks},
    holder::Holder,
    named::visit_leads,
    risks::ROWS,
    wording::{bounded, finding},
};
use super::{
    BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement, LimitMembership,
    reference,
};
use crate::{
    api::{
        Risk, Severity,
        test_spec::{AccessRule, AllowedSubject, RbacTest, SubjectKind},
    },
    checks::{limit_counts::LimitCounts, scope::Admission},
    inventory::{
        Change, Facts, Inventory, Object, ObjectSource, Slot, Symbol,
        rbac::{RoleKey, Subject, SubjectId, SubjectNode},
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
const COUNT: Item = Item::Cluster(0);
/// How many subjects hold rights in each namespace.
const CROWDED: Item = Item::Cluster(1);

/// Compiles an `rbac` test.
pub fn build(test: &RbacTest) -> Result<Built, BuildError> {
    if test.forbid.is_empty() && test.rules.is_empty() {
        return Err(BuildError::Invalid(
            "spec.test.rbac checks nothing: name the risks to forbid, or the rights to restrict"
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
        asked: Asked::of(test),
    };
    Ok(check.into())
}

/// An `rbac` test.
#[derive(Debug)]
pub struct RbacCheck {
    forbid: Vec<Risk>,
    rules: Vec<AccessRule>,
    allow: Vec<Allowed>,
    max_subjects: Option<usize>,
    asked: Asked,
}

/// Subjects that may, in spite of everything.
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

    /// Visits everything the control asks about that the subject holds.
    fn visit_hits<'a>(
        &'a self,
        context: &CheckContext<'a>,
        holder: &Holder<'a>,
        visit: &mut Visit<'_, 'a>,
    ) -> ControlFlow<()> {
        let wanted =
            Wanted { forbid: &self.forbid, leaves_cluster_admin: self.leaves(context).is_some() };
        let told = match visit_risks(holder, wanted, visit) {
            ControlFlow::Continue(told) => told,
            ControlFlow::Break(()) => return ControlFlow::Break(()),
        };
        visit_leads(context, holder, wanted, &told, visit)?;
        visit_circumstances(context, holder, &self.forbid, visit)?;
        let left =
            if wanted.leaves_cluster_admin { admin_bindings(holder) } else { Told::default() };
        for held in holder.novel().filter(|held| !left.contains(&held.grant.binding)) {
            for access in &self.rules {
                // A grant lives as long as the inventory, which the visitor knows nothing of.
                let Some((verb, resource)) = listed::listed(access, held) else {
                    continue;
                };
                let what = What::Listed(verb.to_owned(), resource.to_owned());
                visit(Hit { what, namespace: held.namespace(), by: vec![*held], doubt: None })?;
                break;
            }
        }
        ControlFlow::Continue(())
    }

    /// The control that says who holds cluster-admin, where that is another one. A limit counts
    /// everybody all the same.
    fn leaves<'a>(&self, context: &CheckContext<'a>) -> Option<&'a str> {
        context.scope.cluster_admin.as_deref().filter(|_| self.max_subjects.is_none())
    }

    fn judge_subject(&self, context: &CheckContext<'_>, id: SubjectId) -> Option<Judgement> {
        let node = context.inventory.rights.subject(id)?;
        let holds = Holder::holds_novel(context, node);
        if !holds && !self.asks_about_account(context, node) {
            return None;
        }
        let mut judgement = Judgement::default();
        let touched = self.asked.touch(context, node);
        if !touched && context.inventory.source == ObjectSource::Cluster {
            return Some(judgement);
        }
        let holder = Holder::new(context, node);
        let untold = self.untold(context, &holder);
        if !touched && untold.is_empty() {
            return Some(judgement);
        }
        if self.max_subjects.is_some() {
            judgement.limit_membership =
                if holds { self.count(context, &holder) } else { LimitMembership::No };
            if judgement.limit_membership == LimitMembership::No && !untold.is_empty() {
                judgement.limit_membership = LimitMembership::Possibly;
            }
            return Some(judgement);
        }
        if self.allows(&node.subject) {
            return Some(judgement);
        }
        judgement.unknown = untold;
        judgement.deferred = self.leaves(context).is_some() && !admin_bindings(&holder).is_empty();
        let _ = self.visit_hits(context, &holder, &mut |hit| {
            let is_listed = matches!(hit.what, What::Listed(..));
            if let Some((finding, certain)) = finding(context, &holder, hit) {
                add(&mut judgement, finding, certain, is_listed);
            }
            ControlFlow::Continue(())
        });
        Some(judgement)
    }

    /// An identity in a cloud is judged even of an account that no binding names.
    fn asks_about_account(&self, context: &CheckContext<'_>, node: &SubjectNode) -> bool {
        let slot = node.account.filter(|_| self.forbids(Risk::CloudIdentity));
        let namespace = node.subject.namespace().map_or("", Symbol::as_str);
        let facts = slot.and_then(|slot| context.inventory.get(slot)).map(|object| &object.facts);
        matches!(facts, Some(Facts::ServiceAccount(facts)) if !facts.cloud.is_empty())
            && context.scope.admits(context.inventory, namespace) != Admission::Out
    }
}

/// Adds a finding, once for each risk and binding: what is certain goes before what is not.
fn add(judgement: &mut Judgement, finding: Finding, certain: bool, is_listed: bool) {
    let same = |known: &Finding| {
        !is_listed && known.rule == finding.rule && known.resource == finding.resource
    };
    if judgement.failing.iter().any(same) {
        return;
    }
    if certain {
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
        for (group, kind) in self.kinds() {
            for (slot, object) in context.inventory.objects_of(group, kind) {
                if matches!(object.facts, Facts::Malformed(_)) {
                    visit(Item::Object(slot));
                }
            }
        }
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        let rights = &context.inventory.rights;
        let Change::Object { slot, before } = change else {
            let by_version = self.asked.by_version();
            return rights.subjects_with_any(by_version).for_each(|id| visit(Item::Subject(id)));
        };
        let after = context.inventory.get(*slot);
        let affected = rights.affected(before.as_ref(), after);
        for id in affected.subjects {
            visit(Item::Subject(id));
        }
        if affected.implied_group {
            let own = self.asked.completing(rights.ever_implied());
            rights.subjects_with_any(own).for_each(|id| visit(Item::Subject(id)));
        }
        let mut related = false;
        for object in [before.as_ref(), after].into_iter().flatten() {
            match &object.facts {
                Facts::Role(_) | Facts::Binding(_) | Facts::ServiceAccount(_) => related = true,
                Facts::Malformed(_) => {
                    related = true;
                    visit(Item::Object(*slot));
                    visit_named(context.inventory, object, visit);
                }
                Facts::Workload(facts) if self.forbids(Risk::WeakPodStrongAccount) => {
                    related = true;
                    let account = facts.pod.service_account.clone().map(|name| {
                        Subject::ServiceAccount { namespace: object.namespace.clone(), name }
                    });
                    if let Some(id) = account.and_then(|account| rights.find(&account)) {
                        visit(Item::Subject(id));
                    }
                }
                Facts::Quota | Facts::Namespace(_) if self.forbids(Risk::Exhaust) => {
                    related = true;
                    for (id, _) in rights.subjects() {
                        visit(Item::Subject(id));
                    }
                }
                _ => {}
            }
        }
        if related {
            self.visit_cluster_items(visit);
        }
    }

    fn is_cluster_admin_control(&self) -> bool {
        let admin = [Risk::ClusterAdmin, Risk::NamespaceAdmin, Risk::SystemMasters];
        self.forbids(Risk::ClusterAdmin)
            && self.forbid.iter().all(|risk| admin.contains(risk))
            && self.rules.is_empty()
            && self.max_subjects.is_none()
    }

    fn defers_cluster_admin(&self) -> bool {
        let implied = !self.rules.is_empty() || ROWS.iter().any(|row| self.forbids(row.risk));
        implied && self.max_subjects.is_none() && !self.is_cluster_admin_control()
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        match item {
            Item::Subject(id) => self.judge_subject(context, id),
            Item::Object(slot) => self.judge_malformed(context.inventory, slot),
            CROWDED => self.judge_crowded(context),
            Item::Cluster(_) => None,
        }
    }

    fn judge_cluster(
        &self,
        context: &CheckContext<'_>,
        part: u32,
        limit_counts: &LimitCounts,
    ) -> Option<Judgement> {
        match Item::Cluster(part) {
            COUNT => self.judge_count(context, limit_counts),
            item => self.judge(context, item),
        }
    }
}

/// Visits the subjects that a role or account concerns by its name alone: one that can't be read
/// exists all the same, so that nothing dangles.
fn visit_named(inventory: &Inventory, object: &Object, visit: &mut dyn FnMut(Item)) {
    let rights = &inventory.rights;
    let (namespace, name) = (object.namespace.clone(), object.name.clone());
    match inventory.kind_state(object.kind).map_or("", |state| &state.resource.kind) {
        "Role" | "ClusterRole" => {
            rights
                .bound_to_name(&RoleKey { namespace, name })
                .for_each(|id| visit(Item::Subject(id)));
        }
        "ServiceAccount" => {
            let account = Subject::ServiceAccount { namespace, name };
            rights.find(&account).into_iter().for_each(|id| visit(Item::Subject(id)));
        }
        _ => {}
    }
}

impl RbacCheck {
    fn visit_cluster_items(&self, visit: &mut dyn FnMut(Item)) {
        if self.max_subjects.is_some() {
            visit(COUNT);
        } else if self.forbids(Risk::Sprawl) {
            visit(CROWDED);
        }
    }

    /// The kinds whose objects grant rights or hold them.
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
        KINDS.iter().copied().chain(accounts.then_some(ACCOUNTS)).collect()
    }

    /// What could not be read might grant anything.
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
