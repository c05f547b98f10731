//! What must be read of the cluster: only kinds that some control asks for are watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Engine, UnreadableKinds, readiness, tracked::TrackedControl};
use crate::{
    checks::Dependency,
    inventory::{KindId, Program, ProgramId, ResourceType, facts, rbac},
};

/// What must be read from the cluster, for all controls together.
#[derive(Clone, Debug, Default)]
pub struct WatchSet {
    /// The kinds to watch, with the programs to run over their objects.
    pub kinds: BTreeMap<ResourceType, Vec<(ProgramId, Arc<Program>)>>,
    /// Whether some control needs the metrics of the API server.
    pub api_server: bool,
}

impl Engine {
    /// Roles and bindings are read whether some control asks for them or not: who could get around the
    /// guards of the evidence is recorded.
    pub fn read_rights(&mut self) {
        self.reads_rights = true;
    }

    /// What must be read for the present controls. Kinds that are not served are left out until the
    /// catalog has them.
    pub fn watch_set(&self) -> WatchSet {
        let mut wanted = WatchSet::default();
        if self.reads_rights {
            let rows =
                rbac::PROJECTIONS.iter().filter_map(|row| self.readable(row.group, row.kind));
            wanted.kinds.extend(rows.map(|resource| (resource, Vec::new())));
        }
        for tracked in self.controls.values() {
            for read in tracked.reads() {
                match read {
                    Dependency::Kind { group, kind, .. } => {
                        if let Some(resource) = self.readable(group, kind) {
                            wanted.kinds.entry(resource).or_default();
                        }
                    }
                    Dependency::Program { groups, versions, resources, program, .. } => {
                        // A control whose program did not compile has no dependencies; this is for the type alone.
                        let Some((_, compiled)) = tracked.program() else {
                            continue;
                        };
                        let types =
                            readiness::matching_types(&self.catalog, groups, versions, resources);
                        // More kinds than the limit block the control, so that watching them would be for nothing.
                        for matched in types.into_iter().take(readiness::MAX_KINDS) {
                            let resource = self.read_as(matched, &wanted);
                            let programs = wanted.kinds.entry(resource).or_default();
                            if !programs.iter().any(|(known, _)| known == program) {
                                programs.push((*program, Arc::clone(compiled)));
                            }
                        }
                    }
                    Dependency::ApiServer => wanted.api_server = true,
                    // Discovery alone says whether the types exist.
                    Dependency::AnyGroup { .. } | Dependency::Types { .. } => {}
                }
            }
        }
        wanted
    }

    /// The version in which a kind that a program selects is read. Each kind is read in one version only,
    /// the one that its projection understands, else the one that an earlier control asks for: a second
    /// watch would keep every object twice.
    fn read_as(&self, matched: ResourceType, wanted: &WatchSet) -> ResourceType {
        let same =
            |known: &&ResourceType| known.group == matched.group && known.kind == matched.kind;
        if facts::projection(&matched.group, &matched.kind).is_some() {
            self.readable(&matched.group, &matched.kind).unwrap_or(matched)
        } else {
            wanted.kinds.keys().find(same).cloned().unwrap_or(matched)
        }
    }

    /// A kind in the version to read: the best one that its projection understands, else the preferred
    /// one. None if it is not served in any of them.
    fn readable(&self, group: &str, kind: &str) -> Option<ResourceType> {
        let row = self.catalog.find_kind(group, kind)?;
        match facts::projection(group, kind) {
            None => Some(row.resource.clone()),
            Some(projection) => {
                let version = projection
                    .versions
                    .iter()
                    .find(|version| row.versions.iter().any(|served| served == *version))?;
                Some(ResourceType { version: (*version).to_owned(), ..row.resource.clone() })
            }
        }
    }

    /// The kinds that the verdict on a control is made from, as far as they are registered.
    pub fn kinds_of(&self, control: &str) -> BTreeSet<KindId> {
        let mut kinds = BTreeSet::new();
        let reads = self.controls.get(control).map_or(&[][..], TrackedControl::reads);
        for read in reads {
            match read {
                Dependency::Kind { group, kind, .. } => {
                    kinds.extend(self.inventory.find_kind(group, kind));
                }
                Dependency::Program { groups, versions, resources, .. } => {
                    let types =
                        readiness::matching_types(&self.catalog, groups, versions, resources);
                    let types = types.iter().take(readiness::MAX_KINDS);
                    kinds.extend(
                        types.filter_map(|of| self.inventory.find_kind(&of.group, &of.kind)),
                    );
                }
                Dependency::ApiServer | Dependency::AnyGroup { .. } | Dependency::Types { .. } => {}
            }
        }
        kinds
    }

    /// Whether the verdict on a control is made from the metrics of the API server.
    pub fn reads_api_server(&self, control: &str) -> bool {
        let tracked = self.controls.get(control);
        tracked.is_some_and(|tracked| tracked.reads().contains(&Dependency::ApiServer))
    }

    /// How many of the kinds that controls need can't be read.
    pub fn unreadable(&self) -> UnreadableKinds {
        UnreadableKinds::count(&self.inventory)
    }
}
