//! Roles whose rules the manifests do not show. In a cluster there are none: a role that does not exist
//! grants nothing.

use super::roles::{RoleKey, RoleNode};
use crate::inventory::{Inventory, ObjectSource};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Why it is not known what a role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownRules {
    /// No manifest has it.
    Absent,
    /// It aggregates other roles, and no manifest has any of them.
    NoMembers,
}

/// Why it is not known what a bound role allows. None if it is known, and for a role whose manifest could
/// not be read, which is reported on its own.
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
    /// What to say about a binding that gives this role; follows the name of the binding.
    pub fn of_binding(self, role: &RoleKey) -> String {
        match self {
            Self::Absent => format!(
                "binds {role}, which is neither among the manifests nor in every cluster, so it is not known what it grants: add the role's manifest"
            ),
            Self::NoMembers => format!(
                "binds {role}, which aggregates roles of which none is among the manifests, so it is not known what it grants: add their manifests"
            ),
        }
    }
}
