//! `comptroller gap`: compares the controls with the SOC 2 criteria.

use std::path::PathBuf;

use jiff::Timestamp;
use kube::{Api, Client, api::ListParams, core::DeserializeGuard, core::ObjectList};

use super::{
    arguments,
    cluster::{ClusterArgs, api_message},
    format_parser::format_parser,
    output::{table_style, to_stdout},
    scan::{self, ScanArgs},
};
use comptroller_core::api::{Control, ControlSpec, Standing, State, TestKind, criteria::Category};
use comptroller_report::{
    EvaluationReport, ReportedError, TextFormat,
    gap::{self, AssessedControl, ReadinessReport},
};

/// Compare the controls with the SOC 2 criteria: which are covered, and which pass.
///
/// Without PATH, --cluster and --controls, the statuses of the controls in the cluster are used. With PATH
/// or --cluster, the controls are evaluated once, as scan does. With only --controls, the report is about
/// coverage. Exit code 0: there is a report, whatever it says. 2: something could not be read.
#[derive(Clone, Debug, clap::Args)]
pub struct GapArgs {
    /// Evaluate these manifests: files, folders, or - for standard input.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Evaluate the live cluster now, instead of reading the statuses of its controls.
    #[arg(long, conflicts_with = "paths")]
    cluster: bool,
    #[command(flatten)]
    cluster_args: ClusterArgs,
    /// Files or folders with controls; can be repeated.
    #[arg(long, value_name = "PATH")]
    controls: Vec<PathBuf>,
    /// Only the criteria of this category; can be repeated.
    #[arg(long, value_name = "CATEGORY", ignore_case = true, value_delimiter = ',', value_parser = arguments::category())]
    category: Vec<Category>,
    /// The output format.
    #[arg(short, long, value_name = "FORMAT", default_value = "table", ignore_case = true, value_parser = format_parser(gap::FORMATS))]
    output: &'static TextFormat<ReadinessReport>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum GapError {
    /// The files contain no control.
    #[error("{0} contains no Control: name files or folders that do")]
    NoControls(String),
    /// The controls of the cluster can't be listed.
    #[error(
        "the controls of the cluster can't be listed: {}; grant list on controls of comptroller.dev, or name controls with --controls",
        api_message(.0)
    )]
    List(kube::Error),
}

/// The controls with their states, and where those come from.
struct Assessment {
    controls: Vec<AssessedControl>,
    basis: String,
    errors: Vec<ReportedError>,
}

/// Assesses, prints, and returns the exit code.
pub fn run(args: &GapArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let now = Timestamp::now();
    let assessed = assess(args, now)?;
    let readiness =
        ReadinessReport::assess(assessed.controls, &args.category, assessed.basis, assessed.errors);
    to_stdout(|stdout| args.output.write(&readiness, table_style(), stdout))?;
    Ok(if readiness.errors.is_empty() { 0 } else { super::FAILURE })
}

fn assess(args: &GapArgs, now: Timestamp) -> Result<Assessment, Box<dyn std::error::Error>> {
    if !args.paths.is_empty() {
        let evaluation = scan::evaluate(&scan_args(args), now)?;
        return Ok(evaluated(evaluation, "one evaluation of the given manifests"));
    }
    if args.cluster {
        let evaluation = scan::evaluate_cluster(&scan_args(args), now)?;
        return Ok(evaluated(evaluation, "one evaluation of the cluster"));
    }
    if !args.controls.is_empty() {
        return Ok(coverage(&args.controls)?);
    }
    if let Some(assessed) = live(&args.cluster_args, now)? {
        return Ok(assessed);
    }
    let evaluation = scan::evaluate_cluster(&scan_args(args), now)?;
    Ok(evaluated(
        evaluation,
        "one evaluation of the cluster with the built-in pack, since it has no Controls",
    ))
}

fn scan_args(args: &GapArgs) -> ScanArgs {
    ScanArgs {
        paths: args.paths.clone(),
        cluster: args.paths.is_empty(),
        cluster_args: args.cluster_args.clone(),
        controls: args.controls.clone(),
        max_document_size: scan::MAX_DOCUMENT_MIB,
        ..ScanArgs::default()
    }
}

fn evaluated(evaluation: EvaluationReport, how: &str) -> Assessment {
    let basis = format!("States come from {how}, with {} controls.", evaluation.controls.len());
    let controls = evaluation
        .controls
        .into_iter()
        .map(|control| AssessedControl {
            attested: control.test.is_some_and(is_attestation),
            name: control.name,
            criteria: control.criteria,
            state: Some(control.state),
            reason: control.reason,
        })
        .collect();
    Assessment { controls, basis, errors: evaluation.errors }
}

/// What the controls in the files cover; nothing is evaluated.
fn coverage(paths: &[PathBuf]) -> Result<Assessment, GapError> {
    let (found, errors) = scan::controls_of(paths);
    if found.is_empty() && errors.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(GapError::NoControls(names.join(", ")));
    }
    let basis = format!(
        "This is the coverage of {} controls, none of which was evaluated: add manifests or --cluster for that.",
        found.len()
    );
    let controls =
        found.iter().map(|(name, spec)| of_spec(name, spec, None, "NotEvaluated")).collect();
    Ok(Assessment { controls, basis, errors })
}

/// The states that the operator wrote into the statuses; None if the cluster has no controls.
#[tokio::main(flavor = "current_thread")]
async fn live(
    cluster: &ClusterArgs,
    now: Timestamp,
) -> Result<Option<Assessment>, Box<dyn std::error::Error>> {
    let client: Client = cluster.client().await?;
    let api: Api<DeserializeGuard<Control>> = Api::all(client);
    let list: ObjectList<DeserializeGuard<Control>> = match api.list(&ListParams::default()).await {
        // The CRD is not installed, so there are no controls.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        listed => listed.map_err(GapError::List)?,
    };
    // The caller evaluates the built-in pack instead.
    if list.items.is_empty() {
        return Ok(None);
    }
    let mut assessed =
        Assessment { controls: Vec::new(), basis: String::new(), errors: Vec::new() };
    for DeserializeGuard(control) in list.items {
        match control {
            Ok(control) => assessed.controls.push(of_status(&control, now)),
            Err(invalid) => assessed.errors.push(scan::unreadable("Control", invalid)),
        }
    }
    assessed.basis = format!(
        "States come from the statuses of {} controls in the cluster at {now}.",
        assessed.controls.len()
    );
    Ok(Some(assessed))
}

/// A control with what can be believed of its status.
fn of_status(control: &Control, now: Timestamp) -> AssessedControl {
    let name = control.metadata.name.as_deref().unwrap_or_default();
    let standing = Standing::of(control, now);
    let reason = standing.reason(control.status.as_ref());
    of_spec(name, &control.spec, Some(standing.state()), reason)
}

fn of_spec(name: &str, spec: &ControlSpec, state: Option<State>, reason: &str) -> AssessedControl {
    AssessedControl {
        name: name.to_owned(),
        criteria: spec.criteria.iter().map(|criterion| criterion.as_str().to_owned()).collect(),
        attested: spec.test.kind().is_ok_and(is_attestation),
        state,
        reason: reason.to_owned(),
    }
}

fn is_attestation(kind: TestKind) -> bool {
    kind == TestKind::Attestation
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: GapArgs,
    }

    #[test]
    fn categories_are_read_in_any_case() {
        let line =
            Line::try_parse_from(["gap", "--category", "privacy,ProcessingIntegrity"]).unwrap();
        assert_eq!(line.args.category, [Category::Privacy, Category::ProcessingIntegrity]);
        assert!(Line::try_parse_from(["gap", "--category", "Honesty"]).is_err());
        assert!(Line::try_parse_from(["gap", "--cluster", "x.yaml"]).is_err());
    }
}
