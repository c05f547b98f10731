//! What a control asks about, as far as a glance at a subject's rights can tell that it holds none
//! of it: nearly all do not.

use super::{
    circumstances,
    risks::{ROWS, Row},
};
use crate::{
    api::test_spec::RbacTest,
    checks::Context,
    inventory::rbac::{Rights, SubjectNode},
};

/// What can lead to a finding.
#[derive(Debug)]
pub(super) struct Asked {
    /// The rights that some risk takes.
    rights: Rights,
    /// The risks that several bindings can amount to together, those of groups among them.
    together: Vec<&'static Row>,
    /// Whether rights do not tell: the control lists rules, or asks who holds something and how.
    otherwise: bool,
}

impl Asked {
    /// What a test asks about.
    pub fn of(test: &RbacTest) -> Self {
        let rows = || ROWS.iter().filter(|row| test.forbid.contains(&row.risk));
        let otherwise = test.forbid.iter().any(|risk| circumstances::is_one(*risk));
        Self {
            rights: rows().flat_map(|row| row.needs).fold(Rights::NONE, |all, any| all | *any),
            together: rows().filter(|row| row.needs.len() > 1).collect(),
            otherwise: otherwise || !test.rules.is_empty(),
        }
    }

    /// Whether a subject may hold some of it. A risk takes at least one right of the subject's own.
    pub fn touch(&self, context: &Context<'_>, node: &SubjectNode) -> bool {
        let graph = &context.inventory.rights;
        self.otherwise
            || node.grants.iter().any(|grant| {
                let reach = graph.role(grant.role).map(|role| role.reach().at(grant.in_cluster()));
                reach.is_some_and(|rights| rights.intersects(self.rights))
            })
    }

    /// The rights of which a subject has some that can carry a risk only together with groups that
    /// have some of these.
    pub fn completing(&self, groups: Rights) -> Rights {
        let rows = self.together.iter().filter(|row| row.touches(groups));
        rows.fold(Rights::NONE, |all, row| {
            // What the groups lack, the subject has itself.
            match row.needs.iter().find(|any| !any.intersects(groups)) {
                Some(lacking) => all | *lacking,
                None => row.needs.iter().fold(all, |all, any| all | *any),
            }
        })
    }
}
