//! Which controls a scan evaluates, and in which namespace.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

use super::{ScanArgs, controls::ControlSet};
use comptroller_core::{
    api::{ControlScope, ControlSpec, Severity, control::NAME_LABEL},
    checks,
    nearest::{did_you_mean, nearest},
};

/// Why no control is left to evaluate.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    /// There is no control of this name.
    #[error("--control {name}: there is no such control{hint}")]
    NoSuchControl {
        name: String,
        /// A suggestion; empty if no name is near.
        hint: String,
    },
    /// The filters left out every control, of which there are this many.
    #[error(
        "none of the {0} controls is left to evaluate: --control, --severity and --only-manifests leave out all of them"
    )]
    NothingLeft(usize),
}

/// The filters of one scan.
#[derive(Clone, Debug, Default)]
pub(super) struct ControlFilter {
    names: BTreeSet<String>,
    severity: Option<Severity>,
    only_manifests: bool,
    namespace: Option<String>,
}

impl ControlFilter {
    /// The filters of these arguments.
    pub fn new(args: &ScanArgs) -> Self {
        Self {
            names: args.only_controls.iter().cloned().collect(),
            severity: args.severity,
            only_manifests: args.only_manifests,
            namespace: args.namespace.clone(),
        }
    }

    /// Removes the controls that were not asked for, and narrows the others to the namespace.
    pub fn apply(&self, rules: &mut ControlSet) {
        for (name, (spec, place)) in std::mem::take(&mut rules.controls) {
            rules.known.insert(name.clone());
            if self.only_manifests && !judges_manifests(&spec) {
                rules.left_to_cluster.insert(name);
            } else if let Some(spec) = self.admit(&name, spec) {
                rules.controls.insert(name, (spec, place));
            }
        }
    }

    /// The control as it is to be evaluated; None if it was not asked for.
    pub fn admit(&self, name: &str, spec: Arc<ControlSpec>) -> Option<Arc<ControlSpec>> {
        let asked = (self.names.is_empty() || self.names.contains(name))
            && self.severity.is_none_or(|least| spec.severity >= least);
        asked.then(|| self.narrow(spec))
    }

    /// Cluster-scoped objects stay in scope: leaving them out because of a namespace would hide the worst
    /// findings.
    fn narrow(&self, spec: Arc<ControlSpec>) -> Arc<ControlSpec> {
        let Some(namespace) = &self.namespace else {
            return spec;
        };
        let mut spec = Arc::unwrap_or_clone(spec);
        let scope = spec.scope.get_or_insert_with(ControlScope::default);
        let selector = scope.namespaces.get_or_insert_default();
        let requirement = LabelSelectorRequirement {
            key: NAME_LABEL.to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![namespace.clone()]),
        };
        let expressions = selector.match_expressions.get_or_insert_default();
        // Filters are applied again after controls were found among the manifests.
        if !expressions.contains(&requirement) {
            expressions.push(requirement);
        }
        Arc::new(spec)
    }

    /// Checks that every control given by name exists, and that some control is left. `known` are the
    /// controls before the filter, `left` is how many it left.
    pub fn check(&self, known: &BTreeSet<String>, left: usize) -> Result<(), FilterError> {
        if let Some(name) = self.names.iter().find(|name| !known.contains(*name)) {
            let hint = did_you_mean(&nearest(name, known.iter().map(String::as_str)));
            return Err(FilterError::NoSuchControl { name: name.clone(), hint });
        }
        if left == 0 && !known.is_empty() {
            return Err(FilterError::NothingLeft(known.len()));
        }
        Ok(())
    }
}

/// Whether manifests can answer the control. A test that can't be compiled counts as yes, so that the error
/// is reported.
fn judges_manifests(spec: &ControlSpec) -> bool {
    checks::build(&spec.test).map_or(true, |built| built.check.judges_manifests())
}
