//! Several label selectors, of which one must match.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use crate::{
    api::Selector,
    inventory::facts::{Labels, ProjectionError},
};

/// Matches labels that any of the selectors matches. Without selectors, it matches all labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selectors(Box<[Selector]>);

impl Selectors {
    /// Compiles the selectors of an object. The error has what is wrong with the first invalid one.
    pub(super) fn compile<'a>(
        selectors: impl Iterator<Item = &'a LabelSelector>,
    ) -> Result<Self, ProjectionError> {
        let compile = |selector| {
            Selector::compile(selector)
                .map_err(|error| ProjectionError(format!("the label selector: {error}")))
        };
        Ok(Self(selectors.map(compile).collect::<Result<_, _>>()?))
    }

    /// Whether an object with these labels is included.
    pub fn include(&self, labels: &Labels) -> bool {
        self.match_by(|key| labels.get(key))
    }

    /// Whether an object with the labels that `get` looks up by key is included.
    pub fn match_by<'v>(&self, get: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.0.is_empty() || self.0.iter().any(|selector| selector.matches(&get))
    }

    /// Whether every object is included, whatever its labels are.
    pub fn is_all(&self) -> bool {
        self.0.iter().all(Selector::is_empty)
    }
}
