//! `comptroller scan --cluster`: one evaluation of a live cluster.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::ListParams,
    core::{DeserializeGuard, ObjectList},
};

use super::{ScanArgs, controls::Rules};
use crate::{
    api::{Control, ControlException},
    cli::{cluster::ClusterError, live},
    controllers::{api_server, discovery},
    engine::{Engine, Remembered},
    report::{Evaluation, ReportedError},
};

/// Why a cluster can't be scanned at all.
#[derive(Debug, thiserror::Error)]
pub enum ScanClusterError {
    /// Nobody to talk to.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It does not say what it serves.
    #[error(
        "the cluster does not answer: {0}; check that it runs and that the kubeconfig names it"
    )]
    Discovery(#[from] kube::Error),
}

/// Evaluates a live cluster by the given controls, else by its own, else by the built-in pack.
pub async fn evaluate(args: &ScanArgs, now: Timestamp) -> Result<Evaluation, ScanClusterError> {
    let client = args.cluster_args.client().await?;
    let catalog = discovery::catalog(&client).await?;
    let served = catalog.find_kind(crate::api::GROUP, "Control").is_some();
    let mut engine = Engine::default();
    engine.set_catalog(catalog, now);
    let errors = if args.controls.is_empty() && served && load_own(&mut engine, &client).await? {
        Vec::new()
    } else {
        let rules =
            if args.controls.is_empty() { Rules::builtin() } else { Rules::read(&args.controls) };
        load(&mut engine, rules)
    };
    let wanted = engine.wanted();
    let bar = progress(wanted.kinds.len());
    if wanted.api_server {
        engine.observe_api_server(api_server::observe(&client).await, now);
    }
    live::fill(&mut engine, &client, wanted, now, |_| bar.inc(1)).await;
    bar.finish_and_clear();
    engine.evaluate(now);
    let mut evaluation = Evaluation::collect(&engine, now, &|_| None);
    evaluation.summary.objects = engine.inventory().len();
    evaluation.errors = errors;
    Ok(evaluation)
}

fn load(engine: &mut Engine, rules: Rules) -> Vec<ReportedError> {
    for (name, (spec, _)) in rules.controls {
        engine.upsert_control(&name, 1, spec, Remembered::default());
    }
    for (name, (spec, _)) in &rules.exceptions {
        engine.upsert_exception(name, spec, None);
    }
    rules.errors
}

/// The controls and exceptions of the cluster; false when it has no control.
async fn load_own(engine: &mut Engine, client: &Client) -> kube::Result<bool> {
    let everything = ListParams::default();
    let controls: ObjectList<DeserializeGuard<Control>> =
        Api::all(client.clone()).list(&everything).await?;
    let exceptions: ObjectList<DeserializeGuard<ControlException>> =
        Api::all(client.clone()).list(&everything).await?;
    let any = !controls.items.is_empty();
    for control in controls.items.into_iter().filter_map(|guard| guard.0.ok()) {
        let name = control.metadata.name.unwrap_or_default();
        engine.upsert_control(&name, 1, control.spec.into(), Remembered::default());
    }
    for exception in exceptions.items.into_iter().filter_map(|guard| guard.0.ok()) {
        let created = exception.metadata.creation_timestamp.map(|time| time.0);
        engine.upsert_exception(
            &exception.metadata.name.unwrap_or_default(),
            &exception.spec,
            created,
        );
    }
    Ok(any)
}

/// On standard error; hidden where nobody looks on.
fn progress(kinds: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(kinds as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} kinds") {
        bar.set_style(style);
    }
    bar
}
