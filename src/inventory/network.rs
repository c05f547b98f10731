//! What carries traffic: Ingress, Gateway, certificates, mesh policies.

use super::facts::Projection;

/// Facts of one object that carries or protects traffic.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkFacts {}

/// Kinds that carry traffic.
pub const PROJECTIONS: &[Projection] = &[];
