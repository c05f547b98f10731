//! Claims, volumes and storage classes.

use super::{
    facts::{Labels, Projection},
    intern::Symbol,
};

/// A `PersistentVolumeClaim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimFacts {
    /// All labels: backups select by them.
    pub labels: Labels,
    /// `spec.storageClassName`; `Some("")` means: no class.
    pub storage_class: Option<Symbol>,
    /// `spec.volumeName`, once bound.
    pub volume: Option<Symbol>,
    /// Whether annotated out of Velero backups (`velero.io/exclude-from-backup: "true"` is a label).
    pub bound: bool,
}

/// A `PersistentVolume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFacts {}

/// A `StorageClass`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClassFacts {}

/// Kinds of storage.
pub const PROJECTIONS: &[Projection] = &[];
