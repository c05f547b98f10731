//! `comptroller scan --cluster`: evaluates a live cluster once.

use std::collections::BTreeSet;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::ListParams,
    core::{DeserializeGuard, ObjectList, error_boundary::InvalidObject},
};

use super::{
    ScanArgs,
    controls::ControlSet,
    filter::{ControlFilter, FilterError},
};
use crate::{
    cli::cluster::{ClusterError, api_message},
    controllers::takeover,
    source::{api_server, discovery, live},
};
use comptroller_core::{
    api::{Control, ControlException, GROUP, ResourceRef, VERSION},
    engine::{Engine, Remembered},
};
use comptroller_report::{EvaluationReport, ReportedError};

/// Why a cluster could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanClusterError {
    /// There is no connection to a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Discovery failed.
    #[error(
        "the cluster does not answer: {}; check that it runs and that the kubeconfig names it",
        api_message(.0)
    )]
    Discovery(kube::Error),
    /// The filters leave nothing to evaluate.
    #[error(transparent)]
    ControlFilter(#[from] FilterError),
    /// The controls of the cluster can't be listed.
    #[error(
        "the controls of the cluster can't be listed: {}; grant list on controls and controlexceptions of comptroller.dev, or name controls with --controls",
        api_message(.0)
    )]
    Controls(kube::Error),
}

/// Evaluates a live cluster with the given controls, or else its own, or else the built-in pack.
pub async fn evaluate(
    args: &ScanArgs,
    now: Timestamp,
) -> Result<EvaluationReport, ScanClusterError> {
    let client = args.cluster_args.client().await?;
    let catalog = discovery::catalog(&client).await.map_err(ScanClusterError::Discovery)?;
    let served = catalog.find_kind(GROUP, "Control").is_some();
    let mut engine = Engine::default();
    engine.set_catalog(catalog, now);
    let filter = ControlFilter::new(args);
    let own = if args.controls.is_empty() && served {
        load_own(&mut engine, &client, &filter).await?
    } else {
        None
    };
    let errors = if let Some(errors) = own {
        errors
    } else {
        let given = !args.controls.is_empty();
        let rules =
            if given { ControlSet::read(&args.controls, now) } else { ControlSet::builtin(now) };
        load(&mut engine, rules, &filter)?
    };
    let wanted = engine.watch_set();
    let bar = progress(wanted.kinds.len());
    if wanted.api_server {
        engine.observe_api_server(api_server::observe(&client).await, now);
    }
    // The engine says what its controls read; nothing else is listed.
    live::fill(&mut engine, &client, wanted, now, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    engine.evaluate(now);
    let mut evaluation = EvaluationReport::collect(&engine, now, &|_| None);
    evaluation.summary.objects = engine.inventory().len();
    evaluation.errors = errors;
    Ok(evaluation)
}

fn load(
    engine: &mut Engine,
    mut rules: ControlSet,
    filter: &ControlFilter,
) -> Result<Vec<ReportedError>, FilterError> {
    filter.apply(&mut rules);
    filter.check(&rules.known, rules.controls.len())?;
    for (name, (spec, _)) in rules.controls {
        engine.upsert_control(&name, 1, spec, Remembered::default());
    }
    for (name, (spec, _)) in &rules.exceptions {
        engine.upsert_exception(name, spec, None);
    }
    Ok(rules.errors)
}

/// Loads the controls and exceptions of the cluster, and returns the errors of those that can't be read.
/// None if it has no control.
async fn load_own(
    engine: &mut Engine,
    client: &Client,
    filter: &ControlFilter,
) -> Result<Option<Vec<ReportedError>>, ScanClusterError> {
    let everything = ListParams::default();
    let controls: ObjectList<DeserializeGuard<Control>> =
        Api::all(client.clone()).list(&everything).await.map_err(ScanClusterError::Controls)?;
    let exceptions: ObjectList<DeserializeGuard<ControlException>> =
        Api::all(client.clone()).list(&everything).await.map_err(ScanClusterError::Controls)?;
    // Comptroller may be installed without any control yet: the built-in pack then says more.
    if controls.items.is_empty() {
        return Ok(None);
    }
    let mut errors = Vec::new();
    let mut known = BTreeSet::new();
    for DeserializeGuard(control) in controls.items {
        match control {
            Ok(control) => {
                let remembered = takeover::remembered(&control);
                let name = control.metadata.name.unwrap_or_default();
                known.insert(name.clone());
                if let Some(spec) = filter.admit(&name, control.spec.into()) {
                    engine.upsert_control(&name, 1, spec, remembered);
                }
            }
            Err(invalid) => errors.push(unreadable("Control", invalid)),
        }
    }
    for DeserializeGuard(exception) in exceptions.items {
        match exception {
            Ok(exception) => {
                let created = exception.metadata.creation_timestamp.map(|time| time.0);
                let name = exception.metadata.name.unwrap_or_default();
                engine.upsert_exception(&name, &exception.spec, created);
            }
            Err(invalid) => errors.push(unreadable("ControlException", invalid)),
        }
    }
    // Only now are all names known that --control may mean.
    filter.check(&known, engine.controls().count())?;
    Ok(Some(errors))
}

/// The error for an object of our own kinds that the API server accepted and that can't be parsed.
pub fn unreadable(kind: &str, invalid: InvalidObject) -> ReportedError {
    ReportedError {
        object: Some(ResourceRef {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: kind.to_owned(),
            namespace: None,
            name: invalid.metadata.name.unwrap_or_default(),
        }),
        message: format!(
            "the spec can't be read: {}; correct the field and apply again",
            invalid.error
        ),
        ..ReportedError::default()
    }
}

/// A bar on standard error, hidden if that is not a terminal.
fn progress(kinds: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(kinds as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} kinds") {
        bar.set_style(style);
    }
    bar
}
