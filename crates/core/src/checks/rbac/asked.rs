//! What a control asks about, as far as a glance at a subject's rights can tell that it holds none
//! of it: nearly all do not.

use super::{
    circumstances, named,
    risks::{ROWS, Row},
};
use crate::{
    api::test_spec::RbacTest,
    checks::CheckContext,
    inventory::rbac::{Right, Rights, SubjectNode},
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
        let named = test.forbid.iter().any(|risk| named::is_one(*risk));
        let named = if named { Rights::of(&[Right::Named]) } else { Rights::NONE };
        let otherwise = test.forbid.iter().any(|risk| circumstances::is_one(*risk));
        Self {
            rights: rows().fold(named, |all, row| all | row.all()),
            together: rows().filter(|row| row.is_compound()).collect(),
            otherwise: otherwise || !test.rules.is_empty(),
        }
    }

    /// Whether a subject may hold some of it. A risk takes at least one right of the subject's own.
    pub fn touch(&self, context: &CheckContext<'_>, node: &SubjectNode) -> bool {
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
        let ways = self.together.iter().flat_map(|row| row.ways);
        let ways = ways.filter(|way| way.iter().any(|any_of| groups.intersects(*any_of)));
        let named = self.rights.intersection(Rights::of(&[Right::Named]));
        ways.fold(named, |all, way| {
            // What the groups lack, the subject has itself.
            match way.iter().find(|any_of| !any_of.intersects(groups)) {
                Some(lacking) => all | *lacking,
                None => way.iter().fold(all, |all, any_of| all | *any_of),
            }
        })
    }

    /// The rights of which some subject's findings depend on the version of the API server.
    pub fn by_version(&self) -> Rights {
        let named = Rights::of(&[Right::Named]);
        let by_version = ROWS.iter().fold(named, |all, row| {
            all | row.before | if row.since.is_some() { row.all() } else { Rights::NONE }
        });
        if self.otherwise || self.rights.intersects(by_version) { by_version } else { Rights::NONE }
    }
}
