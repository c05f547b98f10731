//! Velero: whether the namespaces, resources and labels of a backup cover an item, and for each volume
//! whether the backup holds its data ([`super::velero_volumes`]).

use super::velero_volumes::{Holding, StorageSite, VeleroClaim, VeleroRun};
use crate::{
    api::Duration,
    checks::{
        CheckContext,
        backup::{
            evidence::{self, Reliability, Success, ToolEvidence},
            target::{backup_at, is_excluded},
        },
    },
    inventory::{
        Facts, Inventory, Symbol,
        backup::{
            BackupFacts, RunOutcome,
            index::{BackupKey, OrderedRuns, VeleroGroup},
            velero::{Reachability, VeleroLocation},
            velero_scope::VeleroScope,
        },
        facts::NamespaceFacts,
        storage::ClaimFacts,
    },
};

/// The evidence of Velero about a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &'a Symbol,
    name: &'a Symbol,
    facts: &'a ClaimFacts,
    max_age: Duration,
) -> ToolEvidence<'a> {
    if is_left_out(context.inventory, namespace) {
        return ToolEvidence::new(context);
    }
    let claim = VeleroClaim::of(context, namespace, name, facts);
    let mut evidence = ToolEvidence::new(context);
    let covers = |scope: &VeleroScope| scope.covers_claim(namespace, &facts.labels);
    schedules(context, &mut evidence, true, covers);
    let admits = |scope: &VeleroScope| scope.admits_claim(namespace, &facts.labels);
    let holds = |run: &VeleroRun<'_>, site: &StorageSite| claim.is_held_by(context, run, site);
    backups(context, &mut evidence, max_age, admits, &holds);
    evidence
}

/// The evidence of Velero about a whole namespace. Where it has claims (`data`), manifests alone are no
/// backup.
pub fn of_namespace<'a>(
    context: &CheckContext<'a>,
    name: &'a Symbol,
    facts: &NamespaceFacts,
    data: bool,
    max_age: Duration,
) -> ToolEvidence<'a> {
    if is_excluded(&facts.labels) {
        return ToolEvidence::new(context);
    }
    let mut evidence = ToolEvidence::new(context);
    let covers =
        |scope: &VeleroScope| scope.covers_namespace(name) && (!data || scope.includes_claims());
    let claims = claims_of(context, name);
    schedules(context, &mut evidence, data, covers);
    let holds = |run: &VeleroRun<'_>, site: &StorageSite| {
        // A namespace is backed up as a whole or it is not.
        if let Some(kind) = run.backup.scope.lacks() {
            return Some(Holding::Missing(format!("leaves out {kind} (excludedResources)")));
        }
        let began = run.backup.began;
        if facts.created.zip(began).is_some_and(|(created, began)| began < created) {
            let why =
                "began before this namespace was created: it is of an earlier one of its name";
            return Some(Holding::Missing(why.to_owned()));
        }
        // A claim that came later will be in the next one.
        let there = claims.iter().filter(|claim| !claim.is_younger_than(run));
        let held = there.filter_map(|claim| {
            let name = claim.name;
            let why = |why: String| format!("does not hold claim {name}: it {why}");
            match claim.is_held_by(context, run, site)? {
                Holding::Held => Some(Holding::Held),
                Holding::Missing(reason) => Some(Holding::Missing(why(reason))),
                Holding::Undecided(reason) => {
                    Some(Holding::Undecided(format!("may not hold claim {name}: it {reason}")))
                }
            }
        });
        Some(held.reduce(Holding::worse).unwrap_or_else(|| run.is_from_here(site)))
    };
    backups(context, &mut evidence, max_age, covers, &holds);
    evidence
}

/// The claims of a namespace, but for those that are left out on purpose.
fn claims_of<'a>(context: &CheckContext<'a>, namespace: &'a Symbol) -> Vec<VeleroClaim<'a>> {
    let inventory = context.inventory;
    let mut claims: Vec<_> = inventory
        .backups
        .claims(namespace)
        .filter_map(|slot| {
            let object = inventory.get(slot)?;
            match &object.facts {
                Facts::Claim(facts) if !is_excluded(&facts.labels) => {
                    Some(VeleroClaim::of(context, namespace, &object.name, facts))
                }
                _ => None,
            }
        })
        .collect();
    // The first by name is reported, wherever they are kept.
    claims.sort_unstable_by_key(|claim| claim.name);
    claims
}

/// Whether the label of a namespace keeps Velero away from all that is in it.
pub fn is_left_out(inventory: &Inventory, namespace: &str) -> bool {
    inventory.namespace(namespace).is_some_and(|facts| is_excluded(&facts.labels))
}

fn schedules(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    data: bool,
    covers: impl Fn(&VeleroScope) -> bool,
) {
    for slot in context.inventory.backups.slots(&BackupKey::VeleroSchedules) {
        let Some(BackupFacts::VeleroSchedule(schedule)) = backup_at(context.inventory, slot) else {
            continue;
        };
        // A schedule without volumes will never hold the data of a claim.
        if (data && !schedule.volumes) || !covers(&schedule.scope) {
            continue;
        }
        match &schedule.invalid {
            // It exists and makes no backups, which is what the message should say.
            Some(why) => evidence.attempted(slot, format!("is refused by Velero: {why}")),
            None => evidence.schedule(slot, schedule.paused),
        }
    }
}

/// Whether a run holds an item; None when the run is not about it.
type Holds<'h> = dyn Fn(&VeleroRun<'_>, &StorageSite) -> Option<Holding> + 'h;

fn backups(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    max_age: Duration,
    covers: impl Fn(&VeleroScope) -> bool,
    holds: &Holds<'_>,
) {
    // The same group goes first whatever the order of the map, since the message names an attempt.
    let mut groups: Vec<_> =
        context.inventory.backups.velero().filter(|(group, _)| covers(&group.scope)).collect();
    groups.sort_unstable_by_key(|(_, runs)| std::cmp::Reverse(runs.last().copied()));
    for (group, runs) in groups {
        newest_of(context, evidence, (group, runs), max_age, holds);
    }
}

/// Takes in the newest backup of a group that holds the item, or why the newest does not. Older
/// ones are looked at while they are recent enough to count.
fn newest_of(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    (group, runs): (&VeleroGroup, &OrderedRuns),
    max_age: Duration,
    holds: &Holds<'_>,
) {
    let site = site(context, group);
    let mut reported = false;
    for (_, slot) in runs.iter().rev() {
        let Some(run) = VeleroRun::at(context.inventory, *slot) else {
            continue;
        };
        let RunOutcome::Succeeded(at) = run.backup.outcome else {
            // What runs or failed explains nothing once a newer run was reported, and what is older was
            // looked at when it was the newest.
            if !reported && holds(&run, &site).is_some() {
                super::unsuccessful(evidence, *slot, run.backup.outcome);
            }
            return;
        };
        // Too old to count, and the reason is already known.
        if reported && max_age.add_to(at) <= context.now {
            return;
        }
        // Before the costly question whether the backup holds the item.
        if !evidence.is_believable(at) {
            continue;
        }
        let reliability = match holds(&run, &site) {
            None => continue,
            Some(Holding::Missing(why)) => {
                if !reported {
                    evidence.attempted(*slot, why);
                }
                reported = true;
                continue;
            }
            Some(Holding::Undecided(why)) => Reliability::Undecided(why),
            Some(Holding::Held) => site.reliability.clone(),
        };
        // An undecided one does not end the search: an older one may be certain, and recent enough.
        let good = !matches!(reliability, Reliability::Undecided(_));
        let success = Success { at, by: *slot, until: run.backup.expires };
        if evidence.succeeded(success, reliability) {
            if good {
                return;
            }
            reported = true;
        }
    }
}

/// Where the backups of a group are stored, and whether they can be read from there.
fn site(context: &CheckContext<'_>, group: &VeleroGroup) -> StorageSite {
    let (name, location) = match location(context, group) {
        Ok(found) => found,
        Err(reliability) => return StorageSite { reliability, read_only: None },
    };
    let reliability = match &location.reach {
        Reachability::Available => Reliability::Reliable,
        Reachability::Unavailable(why) if why.is_empty() => {
            Reliability::Unreachable(format!("{name} is unavailable"))
        }
        Reachability::Unavailable(why) => {
            Reliability::Unreachable(format!("{name} is unavailable: {why}"))
        }
        Reachability::Unknown => {
            Reliability::Undecided(format!("lies in {name}, which Velero has not validated yet"))
        }
    };
    StorageSite { reliability, read_only: location.read_only.then_some(name) }
}

fn location<'a>(
    context: &CheckContext<'a>,
    group: &VeleroGroup,
) -> Result<(String, &'a VeleroLocation), Reliability> {
    let inventory = context.inventory;
    let key = BackupKey::VeleroLocations(group.namespace.clone());
    // Velero writes the default location's name into the spec; until then it is the one marked so.
    let found = inventory.backups.slots(&key).find_map(|slot| {
        let BackupFacts::VeleroLocation(location) = backup_at(inventory, slot)? else {
            return None;
        };
        let named = inventory.get(slot)?.name == group.location;
        let default = group.location.is_empty() && location.default;
        (named || default).then_some((slot, location))
    });
    if let Some((slot, location)) = found {
        return Ok((evidence::name(inventory, slot), location));
    }
    let name = if group.location.is_empty() {
        format!("the default BackupStorageLocation of {}", group.namespace)
    } else {
        format!("BackupStorageLocation {}/{}", group.namespace, group.location)
    };
    // None at all is how a scan of some manifests looks; Velero itself forgets the backups of a
    // location that is deleted.
    let known = inventory.backups.slots(&key).next().is_some();
    Err(if known {
        Reliability::Unreachable(format!("{name} does not exist"))
    } else {
        Reliability::Undecided(format!("lies in {name}, about which nothing is known"))
    })
}
