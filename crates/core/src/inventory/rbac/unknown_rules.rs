//! Roles whose rules manifests do not tell. In a cluster there are none: what is not there grants
//! nothing.

use super::roles::{RoleKey, RoleNode};
use crate::inventory::{Inventory, ObjectSource};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Why nobody can say what a role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownRules {
    /// It is in no manifest.
    Absent,
    /// It aggregates other roles, of which none is in any manifest.
    NoMembers,
}

/// Why nobody can say what a bound role allows; None where it is known, and where it is known not
/// to be readable.
pub fn unknown_rules(inventory: &Inventory, role: &RoleNode) -> Option<UnknownRules> {
    if inventory.source != ObjectSource::Manifests {
        return None;
    }
    let key = role.key();
    let gap = role.unknown_rules()?;
    let object = || inventory.lookup(RBAC, key.kind(), &key.namespace, &key.name);
    (gap != UnknownRules::Absent || object().is_none()).then_some(gap)
}

impl UnknownRules {
    /// What to say of a binding that gives the role.
    pub fn of_binding(self, role: &RoleKey) -> String {
        match self {
            Self::Absent => format!(
                "binds {role}, which is neither among the manifests nor in every cluster, so nobody can say what it grants: add the role's manifest"
            ),
            Self::NoMembers => format!(
                "binds {role}, which aggregates roles of which none is among the manifests, so nobody can say what it grants: add their manifests"
            ),
        }
    }
}
