//! What to write and delete, by what there should be and what there is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::{KnownReport, ReportId};
use comptroller_report::policy_report::{Owner, ReportApi, Shard};

/// One request.
#[derive(Debug)]
pub enum Step<'a> {
    Delete(ReportId),
    Write { id: ReportId, shard: &'a Shard<'a>, digest: String },
}

/// What brings the API server's reports in line. What is to go goes first: while an API is changed, no
/// finding is reported twice.
pub fn steps<'a>(
    target: Option<ReportApi>,
    wanted: &'a [Shard<'a>],
    known: &BTreeMap<ReportId, KnownReport>,
    owner: Option<&Owner>,
) -> Vec<Step<'a>> {
    let mut names = BTreeSet::new();
    let mut writes = Vec::new();
    for shard in target.into_iter().flat_map(|_| wanted) {
        let Some(api) = target else { continue };
        let namespace = shard.namespace.map(str::to_owned);
        let id = ReportId { api, namespace, name: shard.name() };
        names.insert(id.clone());
        let digest = shard.digest(owner);
        let is_there =
            known.get(&id).is_some_and(|known| known.digest.as_deref() == Some(&*digest));
        if !is_there {
            writes.push(Step::Write { id, shard, digest });
        }
    }
    let gone = known.keys().filter(|id| !names.contains(*id)).cloned();
    gone.map(Step::Delete).chain(writes).collect()
}
