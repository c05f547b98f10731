//! Pods and everything with a pod template.

use std::sync::Arc;

use serde_json::Value;

use super::{
    facts::{Facts, Labels, Projection, ProjectionError},
    intern::{Interner, Symbol},
};

/// A pod or a pod template, with where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadFacts {
    /// What controls the object, when something does.
    pub controller: Option<Controller>,
    /// Labels of an object that nothing controls; empty otherwise, since only those are selected.
    pub labels: Labels,
    /// The shape of its pods.
    pub pod: Arc<PodFacts>,
    /// Flags of the API server, when this is its static pod.
    pub api_server_flags: Option<Box<[Symbol]>>,
}

/// The controlling owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// API group.
    pub group: Symbol,
    /// Kind.
    pub kind: Symbol,
    /// Name, in the same namespace (or cluster-scoped, such as a Node).
    pub name: Symbol,
}

/// What checks read of a pod's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodFacts {}

/// Kinds with a pod template, and pods.
pub const PROJECTIONS: &[Projection] = &[];

#[allow(dead_code)]
fn project(_: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    Ok(Facts::Exists)
}

/// Which pods a workload controls.
#[derive(Debug, Default)]
pub struct OwnerIndex {}

impl OwnerIndex {
    /// Takes in a change of one object.
    pub fn update(&mut self, _update: &super::IndexUpdate<'_>) {}
}
