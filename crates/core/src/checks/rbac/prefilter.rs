//! Tells at a glance that a subject holds nothing that a control asks about, as nearly all do not.
//! Without it, each change of a role would look for every way to every risk for each of its subjects.

use super::{
    contextual_risks, named_rights,
    risks::{ROWS, RiskRow},
};
use crate::{
    api::test_spec::RbacTest,
    checks::CheckContext,
    inventory::rbac::{Right, Rights, SubjectNode},
};

/// The rights that can lead to a finding of a control.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// The rights that some risk of the control is made of.
    rights: Rights,
    /// The risks that several grants can amount to together, those of groups among them.
    together: Vec<&'static RiskRow>,
    /// Whether rights alone do not tell, so that everybody has to be looked at: the control lists
    /// rules, or asks who holds something and how.
    always: bool,
}

impl Prefilter {
    /// The prefilter of a test.
    pub fn of(test: &RbacTest) -> Self {
        let rows = || ROWS.iter().filter(|row| test.forbid.contains(&row.risk));
        let named = test.forbid.iter().any(|risk| named_rights::may_be_named(*risk));
        // Any right over a name may lead anywhere: only following it tells.
        let named = if named { Rights::of(&[Right::Named]) } else { Rights::NONE };
        let is_contextual = test.forbid.iter().any(|risk| contextual_risks::is_contextual(*risk));
        Self {
            rights: rows().fold(named, |all, row| all | row.all()),
            together: rows().filter(|row| row.is_compound()).collect(),
            always: is_contextual || !test.rules.is_empty(),
        }
    }

    /// Whether a subject may hold something that the control asks about. A risk takes at least one
    /// right of the subject's own, so groups need not be looked at.
    pub fn may_match(&self, context: &CheckContext<'_>, node: &SubjectNode) -> bool {
        let graph = &context.inventory.rights;
        self.always
            || node.grants.iter().any(|grant| {
                let reach = graph.role(grant.role).map(|role| role.reach().at(grant.in_cluster()));
                reach.is_some_and(|rights| rights.intersects(self.rights))
            })
    }

    /// When a group that everybody of a kind belongs to changes, the rights of which a subject must
    /// hold one for its findings to change: those that make up a risk together with `groups`, the
    /// rights of such groups.
    pub fn completing(&self, groups: Rights) -> Rights {
        let ways = self.together.iter().flat_map(|row| row.ways);
        // A way that the groups contribute nothing to did not change with them.
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
        // What is named may lead to any row, so to any that depends on the version.
        let by_version = ROWS.iter().fold(named, |all, row| {
            all | row.before | if row.since.is_some() { row.all() } else { Rights::NONE }
        });
        if self.always || self.rights.intersects(by_version) { by_version } else { Rights::NONE }
    }
}
