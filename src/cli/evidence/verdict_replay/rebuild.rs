//! Verdicts judged again, and compared.

use super::{
    DifferentField, Outcome, RebuiltEntry,
    basis::{Basis, RecordedVerdict},
};
use crate::cli::evidence::explain::{
    ExplainError,
    answer::compare::{matches_people_by_pattern, members},
    spec_of,
    world::World,
};
use comptroller_core::engine::{ObservedFinding, RECORDED_FINDINGS};
use comptroller_evidence::{
    data::EntryFinding,
    fold::{LogState, findings_digest},
    log::LogReader,
    replay::replay,
};

/// Judges each again, in the order of the log: by the state of the log at its entry.
pub async fn rebuild(
    reader: &LogReader,
    bases: Vec<Basis>,
) -> Result<Vec<RebuiltEntry>, ExplainError> {
    let mut state = LogState::default();
    let mut worlds = Worlds { reader, newest: None };
    let mut entries = Vec::with_capacity(bases.len());
    let mut next = 0;
    for basis in bases {
        replay(reader, next..basis.entry + 1, |index, entry| state.apply(index, entry)).await?;
        next = basis.entry + 1;
        let outcome = judge(&mut worlds, &state, &basis).await?;
        entries.push(RebuiltEntry::new(&basis, outcome));
    }
    Ok(entries)
}

/// The world that was built last: one inventory serves many verdicts, while nothing that governs them changes.
struct Worlds<'r> {
    reader: &'r LogReader,
    newest: Option<(u64, Vec<(String, u64)>, World)>,
}

impl Worlds<'_> {
    async fn get(
        &mut self,
        state: &LogState,
        basis: &Basis,
    ) -> Result<Option<&World>, ExplainError> {
        let Ok(inventory) = &basis.inventory else { return Ok(None) };
        let governed = governed(state);
        let is_same = self
            .newest
            .as_ref()
            .is_some_and(|(entry, known, _)| *entry == inventory.entry && *known == governed);
        if is_same {
            if let Some((_, _, world)) = &mut self.newest {
                world.at = basis.at;
                world.engine.evaluate(basis.at);
            }
        } else {
            let world = World::build(self.reader, state, basis.at, inventory).await?;
            self.newest = Some((inventory.entry, governed, world));
        }
        Ok(self.newest.as_ref().map(|(_, _, world)| world))
    }
}

/// The controls and exceptions in force, each with the entry of its last change.
fn governed(state: &LogState) -> Vec<(String, u64)> {
    let controls = state.objects_of("Control");
    let all = controls.chain(state.exceptions());
    all.map(|(name, object)| (name.to_owned(), object.entry)).collect()
}

async fn judge(
    worlds: &mut Worlds<'_>,
    state: &LogState,
    basis: &Basis,
) -> Result<Outcome, ExplainError> {
    let not_rebuilt = |why: String| Ok(Outcome::NotRebuilt { why });
    let control = &basis.control;
    let spec = match spec_of(state, control, basis.at) {
        Ok(spec) => spec,
        Err(error) if error.is_fault() => return Err(error),
        Err(error) => return not_rebuilt(error.to_string()),
    };
    if spec.test.attestation.is_some() {
        return not_rebuilt(
            "it is about what people did, whose records are entries of their own".to_owned(),
        );
    }
    let by_pattern = serde_json::to_value(&spec).is_ok_and(|spec| matches_people_by_pattern(&spec));
    if by_pattern {
        return not_rebuilt(
            "its spec selects people by a part of their names, and the log has pseudonyms"
                .to_owned(),
        );
    }
    if let Err(why) = &basis.inventory {
        return not_rebuilt(why.clone());
    }
    let Some(world) = worlds.get(state, basis).await? else {
        return not_rebuilt("there is no inventory".to_owned());
    };
    let Some(verdict) = world.engine.verdict(control) else {
        return not_rebuilt("what the control needs was not in the inventory".to_owned());
    };
    let findings: Vec<EntryFinding> =
        world.engine.wrong(control, basis.at).iter().map(recorded_finding).collect();
    let counts = [verdict.population, verdict.failing, verdict.excepted, verdict.unknown];
    let rebuilt = RecordedVerdict {
        state: verdict.state,
        reason: Some(verdict.reason.as_str().to_owned()),
        counts: counts.map(|count| u64::try_from(count).unwrap_or(u64::MAX)),
        findings: findings_digest(&findings),
        population_digest: Some(members(world, control)),
    };
    let is_cut = findings.len() >= RECORDED_FINDINGS;
    let fields = differences(&basis.recorded, &rebuilt, is_cut);
    Ok(if fields.is_empty() { Outcome::Equal } else { Outcome::Different { fields } })
}

fn recorded_finding(observed: &ObservedFinding) -> EntryFinding {
    EntryFinding {
        rule: observed.finding.rule.clone().into_owned(),
        resource: observed.finding.resource.clone(),
        subject: observed.finding.subject.clone(),
        message: String::new(),
        severity: observed.severity,
        since: observed.since,
        exception: observed.exception.clone(),
        ending: None,
        ending_detail: String::new(),
    }
}

/// What is another than was recorded. Of very many findings the log has the worst alone, and which those are
/// depends on when they were found: then the counts tell.
fn differences(
    recorded: &RecordedVerdict,
    rebuilt: &RecordedVerdict,
    is_cut: bool,
) -> Vec<DifferentField> {
    let mut fields = Vec::new();
    let mut compare = |field: &'static str, recorded: String, rebuilt: String| {
        if recorded != rebuilt {
            fields.push(DifferentField { field, recorded, rebuilt });
        }
    };
    compare("state", recorded.state.to_string(), rebuilt.state.to_string());
    if let (Some(recorded), Some(rebuilt)) = (&recorded.reason, &rebuilt.reason) {
        compare("reason", recorded.clone(), rebuilt.clone());
    }
    for (place, field) in ["population", "failing", "excepted", "unknown"].into_iter().enumerate() {
        let count =
            |of: &RecordedVerdict| of.counts.get(place).copied().unwrap_or_default().to_string();
        compare(field, count(recorded), count(rebuilt));
    }
    if !is_cut {
        compare("findings", recorded.findings.clone(), rebuilt.findings.clone());
    }
    if let (Some(recorded), Some(rebuilt)) =
        (&recorded.population_digest, &rebuilt.population_digest)
    {
        compare("populationDigest", recorded.clone(), rebuilt.clone());
    }
    fields
}
