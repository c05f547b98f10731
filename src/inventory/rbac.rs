//! Roles, bindings and service accounts.

use super::facts::Projection;

/// A service account.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceAccountFacts {}

/// A Role or ClusterRole.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleFacts {}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Clone, Debug, PartialEq)]
pub struct BindingFacts {}

/// Kinds of RBAC.
pub const PROJECTIONS: &[Projection] = &[];

/// Who may do what.
#[derive(Debug, Default)]
pub struct Graph {}

impl Graph {
    /// Takes in a change of one object.
    pub fn update(&mut self, _update: &super::IndexUpdate<'_>) {}
}
