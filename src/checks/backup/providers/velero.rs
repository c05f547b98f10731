//! Velero: by namespaces, resources and labels of a backup, and only with the data of volumes.

use crate::{
    checks::{
        Context,
        backup::{
            evidence::{Evidence, Standing, Success},
            target::{backup_at, is_excluded},
        },
    },
    inventory::{
        Symbol,
        backup::{
            BackupFacts, Outcome,
            index::{Key, Runs, VeleroGroup},
            velero::{Data, Location, Reach},
            velero_scope::Scope,
        },
        facts::NamespaceFacts,
        storage::ClaimFacts,
    },
};

/// What Velero says of a claim.
pub fn of_claim<'a>(context: &Context<'a>, namespace: &Symbol, claim: &ClaimFacts) -> Evidence<'a> {
    if is_left_out(context, namespace) {
        return Evidence::new(context);
    }
    gather(context, true, |scope| scope.covers_claim(namespace, &claim.labels))
}

/// What Velero says of a whole namespace. Where there are claims, manifests alone are no backup.
pub fn of_namespace<'a>(
    context: &Context<'a>,
    name: &Symbol,
    facts: &NamespaceFacts,
    data: bool,
) -> Evidence<'a> {
    if is_excluded(&facts.labels) {
        return Evidence::new(context);
    }
    gather(context, data, |scope| {
        scope.covers_namespace(name) && (!data || scope.includes_claims())
    })
}

/// Whether the label of a namespace keeps Velero away from all that is in it.
pub fn is_left_out(context: &Context<'_>, namespace: &str) -> bool {
    context.inventory.namespace(namespace).is_some_and(|facts| is_excluded(&facts.labels))
}

fn gather<'a>(context: &Context<'a>, data: bool, covers: impl Fn(&Scope) -> bool) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
    for slot in context.inventory.backups.slots(&Key::VeleroSchedules) {
        let Some(BackupFacts::VeleroSchedule(schedule)) = backup_at(context.inventory, slot) else {
            continue;
        };
        if (data && !schedule.volumes) || !covers(&schedule.scope) {
            continue;
        }
        match &schedule.invalid {
            Some(why) => evidence.attempted(slot, format!("is refused by Velero: {why}")),
            None => evidence.schedule(slot, schedule.paused),
        }
    }
    // The same group goes first whatever the order of the map: attempts are told in words.
    let mut groups: Vec<_> =
        context.inventory.backups.velero().filter(|(group, _)| covers(&group.scope)).collect();
    groups.sort_unstable_by_key(|(_, runs)| std::cmp::Reverse(runs.last().copied()));
    for (group, runs) in groups {
        newest_of(context, &mut evidence, group, runs, data);
    }
    evidence
}

/// Takes in the newest backup of a group that counts, or why none does.
fn newest_of(
    context: &Context<'_>,
    evidence: &mut Evidence<'_>,
    group: &VeleroGroup,
    runs: &Runs,
    data: bool,
) {
    for (_, slot) in runs.iter().rev() {
        let Some(BackupFacts::VeleroBackup(backup)) = backup_at(context.inventory, *slot) else {
            continue;
        };
        let Outcome::Succeeded(at) = backup.outcome else {
            return evidence.attempted(*slot, super::unsuccessful(backup.outcome));
        };
        if data && group.data == Data::Missing {
            let why = "holds manifests only: no volume snapshot was completed, and files are not copied (snapshotVolumes, defaultVolumesToFsBackup)";
            return evidence.attempted(*slot, why);
        }
        let standing = match storage(context, group) {
            Standing::Unreachable(why) => Standing::Unreachable(why),
            _ if data && group.data == Data::Undecided => Standing::Undecided(
                "has a resource policy, which may leave the volume out; its status does not say which volumes it took".to_owned(),
            ),
            standing => standing,
        };
        let success = Success { at, by: *slot, until: backup.expires };
        if evidence.succeeded(success, standing) {
            return;
        }
    }
}

/// Whether a group's backups can be read from where they are.
fn storage(context: &Context<'_>, group: &VeleroGroup) -> Standing {
    let (name, location) = match location(context, group) {
        Ok(found) => found,
        Err(standing) => return standing,
    };
    match &location.reach {
        Reach::Available => Standing::Good,
        Reach::Unavailable(why) if why.is_empty() => {
            Standing::Unreachable(format!("{name} is unavailable"))
        }
        Reach::Unavailable(why) => Standing::Unreachable(format!("{name} is unavailable: {why}")),
        Reach::Unknown => {
            Standing::Undecided(format!("lies in {name}, which Velero has not validated yet"))
        }
    }
}

fn location<'a>(
    context: &Context<'a>,
    group: &VeleroGroup,
) -> Result<(String, &'a Location), Standing> {
    let inventory = context.inventory;
    let key = Key::VeleroLocations(group.namespace.clone());
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
        return Ok((crate::checks::backup::evidence::name(inventory, slot), location));
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
        Standing::Unreachable(format!("{name} does not exist"))
    } else {
        Standing::Undecided(format!("lies in {name}, of which nothing is known"))
    })
}
