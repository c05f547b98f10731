//! `subjects: Known`: every User that a binding names is one Person who works here now.

use super::{
    RbacCheck,
    describe::{bounded, paths, sort},
    grants::{EffectiveGrant, SubjectGrants},
};
use crate::{
    api::test_spec::SubjectRequirement,
    checks::{CheckContext, Finding, Item, Judgement, reference},
    inventory::{
        Facts, Object, ObjectSource,
        people::Identity,
        rbac::{Subject, SubjectNode},
    },
};

/// The kind that says who works here.
pub(super) const PEOPLE: (&str, &str) = (crate::api::GROUP, "Person");

/// What begins the names of components of Kubernetes.
const SYSTEM: &str = "system:";

/// No Person has the user name.
const UNKNOWN_USER: &str = "UnknownUser";

impl RbacCheck {
    /// Whether subjects must be known.
    pub(super) fn asks_who_they_are(&self) -> bool {
        self.subjects == Some(SubjectRequirement::Known)
    }

    /// Whether the control asks who this subject is: a user that is no part of Kubernetes.
    pub(super) fn asks_who_it_is(&self, subject: &Subject) -> bool {
        self.asks_who_they_are()
            && matches!(subject, Subject::User(name) if !name.starts_with(SYSTEM))
    }

    /// Adds what is wrong with who a user is, and until when that holds.
    pub(super) fn judge_identity(
        &self,
        context: &CheckContext<'_>,
        node: &SubjectNode,
        judgement: &mut Judgement,
    ) {
        if self.allows(&node.subject) {
            return;
        }
        let people = &context.inventory.people;
        let (identity, until) = people.identity(node.subject.name(), context.now);
        judgement.valid_until = [judgement.valid_until, until].into_iter().flatten().min();
        let (rule, problem) = match identity {
            Identity::Current => return,
            Identity::Unknown if people.is_empty() => {
                let problem = "can't be told to be anybody, since there is no Person at all: import \
                               the people who work here (comptroller people import), or apply \
                               Persons";
                let finding = finding(context, node, UNKNOWN_USER, problem);
                judgement.unknown.extend(finding);
                return;
            }
            // What is in no file may be in the cluster all the same.
            Identity::Unknown if context.inventory.source == ObjectSource::Manifests => {
                let problem = "is the identity of no Person in the files, and may be that of one in \
                               the cluster: scan the cluster (--cluster), or add its Persons";
                judgement.unknown.extend(finding(context, node, UNKNOWN_USER, problem));
                return;
            }
            Identity::Unknown => (
                UNKNOWN_USER,
                "is the identity of no Person: add the user name to the Person whose it is, or \
                 remove it from its bindings"
                    .to_owned(),
            ),
            Identity::Former(day) => (
                "FormerPerson",
                format!("is somebody whose last day was {day}: remove the user from its bindings"),
            ),
            Identity::NotStarted(day) => (
                "NotYetStarted",
                format!(
                    "is somebody whose first day is {day}: remove the user from its bindings until then"
                ),
            ),
            Identity::Shared(several) => (
                "SharedIdentity",
                format!(
                    "is the identity of {several} people who work here, so that nobody can tell who \
                     acts: give each a user name of their own (the condition Ready of a Person names \
                     the others)"
                ),
            ),
        };
        judgement.failing.extend(finding(context, node, rule, &problem));
    }

    /// Visits the users whose Person a change can have altered. With the first Person and without the
    /// last one, something else is said of every user.
    pub(super) fn visit_identities(
        &self,
        context: &CheckContext<'_>,
        before: Option<&Object>,
        after: Option<&Object>,
        visit: &mut dyn FnMut(Item),
    ) {
        let rights = &context.inventory.rights;
        let people = &context.inventory.people;
        let objects = || [before, after].into_iter().flatten();
        let is_turning_point = objects().any(|object| {
            matches!(object.facts, Facts::Person(_)) && people.is_turning_point(&object.name)
        });
        if is_turning_point {
            for (id, node) in rights.subjects() {
                if self.asks_who_it_is(&node.subject) {
                    visit(Item::Subject(id));
                }
            }
            return;
        }
        for object in objects() {
            let Facts::Person(facts) = &object.facts else { continue };
            for username in &facts.usernames {
                let user = Subject::User(username.clone());
                rights.find(&user).into_iter().for_each(|id| visit(Item::Subject(id)));
            }
        }
    }
}

/// A finding about who a user is: at the first of the bindings that name it. None if all are gone.
fn finding(
    context: &CheckContext<'_>,
    node: &SubjectNode,
    rule: &'static str,
    problem: &str,
) -> Option<Finding> {
    let grants = SubjectGrants::new(context, node);
    let mut by: Vec<EffectiveGrant<'_>> = grants.added().copied().collect();
    sort(context.inventory, None, &mut by);
    let in_scope = by.iter().any(|grant| grant.in_scope);
    let mut message = format!("{problem}; it holds {}", paths(context.inventory, &by));
    if !in_scope {
        message = format!(
            "the labels of its namespaces are not known, so it may be out of scope: {message}"
        );
    }
    Some(Finding {
        rule: rule.into(),
        severity: None,
        resource: reference(context.inventory, by.first()?.source.binding)?,
        subject: Some(node.subject.to_string()),
        message: bounded(message),
    })
}
