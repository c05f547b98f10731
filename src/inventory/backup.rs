//! Backups, snapshots, schedules, restores and where they are stored.

use super::facts::Projection;

/// Facts of one backup object.
#[derive(Clone, Debug, PartialEq)]
pub enum BackupFacts {}

/// Kinds of backup tools.
pub const PROJECTIONS: &[Projection] = &[];

/// Which backups cover what.
#[derive(Debug, Default)]
pub struct BackupIndex {}

impl BackupIndex {
    /// Takes in a change of one object.
    pub fn update(&mut self, _update: &super::IndexUpdate<'_>) {}
}
