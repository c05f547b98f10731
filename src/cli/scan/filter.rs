//! Which of the controls a scan judges, and where they look.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

use super::{ScanArgs, controls::Rules};
use comptroller_core::{
    api::{ControlScope, ControlSpec, Severity, control::NAME_LABEL},
    checks,
    nearest::{did_you_mean, nearest},
};

/// Why no control is left to judge.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    /// A name that no control has.
    #[error("--control {name}: there is no such control{hint}")]
    NoSuchControl {
        /// The name.
        name: String,
        /// What was meant, if anything is near.
        hint: String,
    },
    /// The filters leave every control out; the number is how many there are.
    #[error(
        "none of the {0} controls is left to judge: --control, --severity and --only-manifests leave all of them out"
    )]
    NothingLeft(usize),
}

/// The filters of one scan.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    names: BTreeSet<String>,
    severity: Option<Severity>,
    only_manifests: bool,
    namespace: Option<String>,
}

impl Filter {
    /// As the user asks.
    pub fn new(args: &ScanArgs) -> Self {
        Self {
            names: args.only_controls.iter().cloned().collect(),
            severity: args.severity,
            only_manifests: args.only_manifests,
            namespace: args.namespace.clone(),
        }
    }

    /// Leaves out the controls that are not asked for, and narrows the others to the namespace.
    pub fn apply(&self, rules: &mut Rules) {
        for (name, (spec, place)) in std::mem::take(&mut rules.controls) {
            rules.known.insert(name.clone());
            if self.only_manifests && !judges_manifests(&spec) {
                rules.left_to_cluster.insert(name);
            } else if let Some(spec) = self.admit(&name, spec) {
                rules.controls.insert(name, (spec, place));
            }
        }
    }

    /// The control as it is to be judged; None when it is not asked for.
    pub fn admit(&self, name: &str, spec: Arc<ControlSpec>) -> Option<Arc<ControlSpec>> {
        let asked = (self.names.is_empty() || self.names.contains(name))
            && self.severity.is_none_or(|least| spec.severity >= least);
        asked.then(|| self.narrow(spec))
    }

    /// What belongs to the whole cluster stays in scope: leaving it out by a namespace would hide
    /// the worst findings.
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
        if !expressions.contains(&requirement) {
            expressions.push(requirement);
        }
        Arc::new(spec)
    }

    /// Whether every control that is asked for by name exists, and something is left to judge.
    /// `known` are the controls before the filter, `left` how many it left.
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

/// Whether manifests can answer the control. One whose test can't be compiled stays, so that it is
/// reported.
fn judges_manifests(spec: &ControlSpec) -> bool {
    checks::build(&spec.test).map_or(true, |built| built.check.judges_manifests())
}
