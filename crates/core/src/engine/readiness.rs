//! Whether everything that a control needs to know is known, and if not, what to do about it.

use super::verdict::Reason;
use crate::{
    checks::{Dependency, Need},
    inventory::{ApiServer, Availability, Catalog, Inventory, ProgramId, ResourceType, facts},
};

/// How many kinds one CEL control may select, with wildcards expanded: each is a watch.
pub const MAX_KINDS: usize = 32;

/// Whether a control can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Everything that it needs is known.
    Ready,
    /// A first list is under way, so it can be judged soon.
    Pending,
    /// It can't be judged: the reason, and a sentence that says what to do.
    Blocked(Reason, String),
}

/// Looks at everything that a control depends on. What blocks it goes before what is pending, because it
/// will not resolve itself.
pub fn assess(reads: &[Dependency], inventory: &Inventory, catalog: &Catalog) -> Readiness {
    let mut pending = false;
    for read in reads {
        let readiness = match read {
            Dependency::Kind { group, kind, need } => {
                assess_kind(group, kind, *need, inventory, catalog)
            }
            Dependency::Program { at, groups, versions, resources, program, need } => {
                unreachable_group(groups, catalog).unwrap_or_else(|| {
                    let types = matching_types(catalog, groups, versions, resources);
                    if types.is_empty() && *need == Need::Optional && absent(groups, catalog) {
                        return Readiness::Ready;
                    }
                    assess_program(at, &types, versions, resources, *program, inventory)
                })
            }
            Dependency::AnyGroup { groups, remedy } => assess_any(groups, remedy, catalog),
            Dependency::ApiServer if inventory.api_server == ApiServer::Pending => {
                Readiness::Pending
            }
            Dependency::ApiServer => Readiness::Ready,
            Dependency::Types { at, groups, resources } => {
                super::named_types::check_rule_types(at, groups, resources, inventory, catalog)
            }
        };
        match readiness {
            Readiness::Ready => {}
            Readiness::Pending => pending = true,
            // The first one is enough: a message with all of them would bury what to do.
            Readiness::Blocked(..) => return readiness,
        }
    }
    if pending { Readiness::Pending } else { Readiness::Ready }
}

fn assess_kind(
    group: &str,
    kind: &str,
    need: Need,
    inventory: &Inventory,
    catalog: &Catalog,
) -> Readiness {
    let Some(row) = catalog.find_kind(group, kind) else {
        if catalog.unreachable_groups.iter().any(|unreachable| unreachable == group) {
            return Readiness::Blocked(
                Reason::KindNotServed,
                format!(
                    "the API group {group} does not answer, so it is not known whether there is a {kind}: check its APIService"
                ),
            );
        }
        return match need {
            Need::Optional => Readiness::Ready,
            Need::Required => Readiness::Blocked(
                Reason::KindNotServed,
                format!(
                    "the cluster does not serve {kind} of {}: install its CRD, or delete this control",
                    group_name(group)
                ),
            ),
        };
    };
    if let Some(projection) = facts::projection(group, kind)
        && !projection
            .versions
            .iter()
            .any(|version| row.versions.iter().any(|served| served == version))
    {
        // Also for an optional kind: there are objects, and they can't be read.
        return Readiness::Blocked(
            Reason::KindNotServed,
            format!(
                "the cluster serves {kind} of {} only as {}, which this version does not support: serve {} as well",
                group_name(group),
                row.versions.join(", "),
                projection.versions.join(" or "),
            ),
        );
    }
    assess_availability(&inventory.availability(group, kind), group, kind, need)
}

fn assess_availability(
    availability: &Availability,
    group: &str,
    kind: &str,
    need: Need,
) -> Readiness {
    match availability {
        Availability::Complete => Readiness::Ready,
        Availability::Pending => Readiness::Pending,
        Availability::NotServed if need == Need::Optional => Readiness::Ready,
        Availability::NotServed => Readiness::Blocked(
            Reason::KindNotServed,
            format!(
                "the cluster does not serve {kind} of {} in a supported version",
                group_name(group)
            ),
        ),
        Availability::Forbidden(error) => Readiness::Blocked(
            Reason::Forbidden,
            format!(
                "{kind} of {} can't be read: grant list and watch to the operator's service account ({error})",
                group_name(group)
            ),
        ),
        Availability::Untaken { object, error } => Readiness::Blocked(
            Reason::ItemsUnknown,
            format!(
                "{} of {kind} of {} can't be read, so nothing follows from the others: {error}",
                if object.is_empty() { "one" } else { object },
                group_name(group)
            ),
        ),
        Availability::Stale { since, error } => Readiness::Blocked(
            Reason::WatchStale,
            format!(
                "changes of {kind} of {} have not arrived since {since}: {error}",
                group_name(group)
            ),
        ),
    }
}

/// Whether one of these groups is served. While one does not answer it may be the one.
fn assess_any(groups: &[&str], remedy: &str, catalog: &Catalog) -> Readiness {
    if catalog.iter().any(|row| groups.contains(&row.resource.group.as_str())) {
        return Readiness::Ready;
    }
    Readiness::Blocked(
        Reason::KindNotServed,
        format!("the cluster does not serve {}: {remedy}", groups.join(" or ")),
    )
}

/// How many of the kinds that controls need can't be read, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadableKinds {
    /// Kinds that the operator has no right to list and watch.
    pub forbidden: usize,
    /// Kinds whose changes stopped arriving.
    pub stale: usize,
}

impl UnreadableKinds {
    /// Each count with the reason that a control without the kind gives.
    pub fn by_reason(self) -> [(Reason, usize); 2] {
        [(Reason::Forbidden, self.forbidden), (Reason::WatchStale, self.stale)]
    }

    /// Counts the kinds of an inventory. Those that no control needs any more are pending there.
    pub fn count(inventory: &Inventory) -> Self {
        let mut count = Self::default();
        for (_, state) in inventory.kinds() {
            match state.availability {
                Availability::Forbidden(_) => count.forbidden += 1,
                Availability::Stale { .. } => count.stale += 1,
                _ => {}
            }
        }
        count
    }
}

/// Blocks a program over a group that does not answer, which hides its kinds: over the others alone it
/// would judge a part and call it all. None if all groups answer.
fn unreachable_group(groups: &[String], catalog: &Catalog) -> Option<Readiness> {
    let group = catalog.unreachable_groups.iter().find(|group| names(groups, group))?;
    Some(Readiness::Blocked(
        Reason::KindNotServed,
        format!(
            "the API group {group} does not answer, so it is not known what it contains: check its APIService"
        ),
    ))
}

/// Whether the cluster serves none of these groups. A group that is served without the resource, such
/// as any group of Kubernetes itself, shows that the name of the resource is misspelled.
fn absent(groups: &[String], catalog: &Catalog) -> bool {
    !catalog.iter().any(|row| names(groups, &row.resource.group))
}

fn assess_program(
    at: &str,
    types: &[ResourceType],
    versions: &[String],
    named: &[String],
    program: ProgramId,
    inventory: &Inventory,
) -> Readiness {
    if types.is_empty() {
        return Readiness::Blocked(
            Reason::KindNotServed,
            format!(
                "the cluster serves none of {}: install the CRD, or correct {at}",
                named.join(", ")
            ),
        );
    }
    // A wildcard over a large cluster would watch every kind there is.
    if types.len() > MAX_KINDS {
        return Readiness::Blocked(
            Reason::InvalidSpec,
            format!(
                "{at}: matches {} kinds, more than {MAX_KINDS}; name the resources instead of *",
                types.len()
            ),
        );
    }
    let mut pending = false;
    for resource in types {
        let state = inventory
            .find_kind(&resource.group, &resource.kind)
            .and_then(|id| inventory.kind_state(id));
        let availability = state.map_or(Availability::Pending, |state| state.availability.clone());
        match assess_availability(&availability, &resource.group, &resource.kind, Need::Required) {
            Readiness::Ready => {
                let Some(state) = state else { continue };
                if !names(versions, &state.resource.version) {
                    return Readiness::Blocked(
                        Reason::UnsupportedExpression,
                        format!(
                            "{at}: {resource} is read as {}, because other controls need that version: write the control for it",
                            state.resource.version
                        ),
                    );
                }
                // Objects that were listed before the program came have no result of it; they are being listed
                // again.
                pending |= !state.programs.contains(&program);
            }
            Readiness::Pending => pending = true,
            blocked @ Readiness::Blocked(..) => return blocked,
        }
    }
    if pending { Readiness::Pending } else { Readiness::Ready }
}

fn group_name(group: &str) -> &str {
    if group.is_empty() { "the core group" } else { group }
}

/// Whether an entry of a rule matches a name.
fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == name)
}

/// The resource types that an admission-like rule selects, each in the first of its versions that is
/// served. `*` leaves out Secrets, which are never read, and events, which come and go by the thousand.
pub fn matching_types(
    catalog: &Catalog,
    groups: &[String],
    versions: &[String],
    resources: &[String],
) -> Vec<ResourceType> {
    catalog
        .iter()
        .filter(|row| names(groups, &row.resource.group))
        .filter(|row| names(resources, &row.resource.plural))
        .filter(|row| !matches!(row.resource.plural.as_str(), "secrets" | "events"))
        .filter_map(|row| {
            let version = row.versions.iter().find(|version| names(versions, version))?;
            Some(ResourceType { version: version.clone(), ..row.resource.clone() })
        })
        .collect()
}
