//! Roles, bindings and service accounts: who may do what.
//!
//! Roles and bindings are projected into facts ([`read`]); the [`Graph`] joins them with the
//! subjects they name and follows every change in place. What a rule allows is decided exactly as
//! the API server's authorizer does ([`PolicyRule::allows`]).

mod defaults;
mod graph;
mod named_rights;
mod read;
mod right;
mod right_table;
mod roles;
mod rule;
mod subject;
mod subjects;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
pub(super) mod tests;
mod unknown_rules;

pub use self::{
    defaults::is_account_of_every_cluster,
    graph::{AffectedSubjects, Entitlement, GrantPath, Graph},
    named_rights::NamedRight,
    read::{
        BindingFacts, CloudIdentity, MAX_SUBJECTS, PROJECTIONS, RoleFacts, RoleKind, RoleRef,
        ServiceAccountFacts,
    },
    right::{Example, Reach, Right, Rights},
    roles::{RoleId, RoleKey, RoleNode},
    rule::{AccessRequest, PolicyRule, RequestTarget, Words},
    subject::{ANONYMOUS, AUTHENTICATED, MASTERS, SERVICE_ACCOUNTS, Subject, UNAUTHENTICATED},
    subjects::{Grant, SubjectId, SubjectNode},
    unknown_rules::{UnknownRules, unknown_rules},
};
