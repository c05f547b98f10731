//! What was over before it was recorded, with the log's names.

use rustc_hash::FxHashMap;

use super::{
    VerdictObservation, dating,
    draft::{Endings, PassedDraft},
};
use comptroller_core::engine::{Ending, ObservedFinding, memory::FindingHash};
use comptroller_evidence::{
    fold::{self, VerdictState},
    privacy::Pseudonymizer,
};

/// Findings that name people, as the log knows them, by the engine's key.
pub(crate) type People = FxHashMap<FindingHash, fold::FindingKey>;

/// The findings whose names the log does not have.
pub(crate) fn people(findings: &[ObservedFinding], pseudonymizer: &Pseudonymizer<'_>) -> People {
    let keys = findings.iter().map(|observed| {
        (
            FindingHash::of_finding(&observed.finding),
            dating::key_of(&observed.finding, pseudonymizer),
        )
    });
    keys.filter(|(key, logged)| engine_key(logged) != *key).collect()
}

/// The engine's key of a finding that names no person.
pub(crate) fn engine_key(key: &fold::FindingKey) -> FindingHash {
    FindingHash::new(&key.rule, &key.resource, key.subject.as_deref())
}

/// The drafts of what was over, and why findings went since. The engine tells what went by keys alone,
/// which the findings of the log, of the last record and of this one put into words.
pub(crate) fn drafts(
    observed: &VerdictObservation,
    known: Option<&VerdictState>,
    people: Option<&People>,
    pseudonymizer: &Pseudonymizer<'_>,
) -> (Vec<PassedDraft>, Endings) {
    if observed.lapsed.is_empty() && observed.gone.is_empty() {
        return (Vec::new(), Endings::new());
    }
    let mut names = people.cloned().unwrap_or_default();
    let logged = known.into_iter().flat_map(|known| known.findings.keys());
    names.extend(logged.map(|key| (engine_key(key), key.clone())));
    let found = observed.lapsed.iter().flat_map(|passed| &passed.found).chain(&observed.findings);
    names.extend(found.map(|observed| {
        (
            FindingHash::of_finding(&observed.finding),
            dating::key_of(&observed.finding, pseudonymizer),
        )
    }));
    let drafts = observed
        .lapsed
        .iter()
        .map(|passed| PassedDraft::new(passed, endings(&passed.gone, &names), pseudonymizer));
    (drafts.collect(), endings(&observed.gone, &names))
}

/// Why findings went, by the names that the log has for them.
fn endings(gone: &[(FindingHash, Ending)], names: &People) -> Endings {
    let known =
        |(key, ending): &(FindingHash, Ending)| Some((names.get(key)?.clone(), ending.clone()));
    gone.iter().filter_map(known).collect()
}
