//! `comptroller scan`: one evaluation over manifests or a cluster.

mod absent;
mod args;
mod cluster;
mod controls;
mod filter;
mod intake;
mod notes;
mod output;
mod placement;
mod progress;
mod sources;
mod unrendered;

use std::{fs, path::PathBuf, sync::Arc};

use jiff::Timestamp;

pub use self::{
    args::{Label, MAX_DOCUMENT_MIB, ScanArgs, Target},
    cluster::{ScanClusterError, unreadable},
    filter::FilterError,
    output::{table_style, to_stdout},
};
use self::{
    controls::Rules, filter::Filter, intake::Intake, placement::Placement, progress::Progress,
    sources::Sources,
};
use crate::source::manifest::{Found, Limits, ManifestError};
use comptroller_core::api::ControlSpec;
use comptroller_report::{EvaluationReport, ReportedError, baseline::FindingBaseline};

/// Scans, writes, and returns the exit code.
pub fn run(args: &ScanArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let now = Timestamp::now();
    let targets = args.targets()?;
    let baseline = args.baseline.as_ref().map(read_baseline).transpose()?;
    let mut evaluation =
        if args.cluster { evaluate_cluster(args, now)? } else { evaluate(args, now)? };
    if let Some(baseline) = baseline {
        baseline.apply(&mut evaluation);
    }
    output::write_all(&evaluation, &targets)?;
    Ok(evaluation.exit_code(args.allow_unknown))
}

fn read_baseline(path: &PathBuf) -> Result<FindingBaseline, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        format!("--baseline {shown} can't be read: {error}; write it with -o json={shown}")
    })?;
    FindingBaseline::read(&text).map_err(|error| {
        format!(
            "--baseline {shown} is not a report of a scan: {error}; write it with -o json={shown}"
        )
    })
}

/// Evaluates the manifests as they are at a time.
pub fn evaluate(args: &ScanArgs, now: Timestamp) -> Result<EvaluationReport, FilterError> {
    let filter = Filter::new(args);
    let given = !args.controls.is_empty();
    let mut rules = if given { Rules::read(&args.controls, now) } else { Rules::builtin(now) };
    filter.apply(&mut rules);
    let mut sources = Sources::find(&args.paths);
    let limits =
        Limits { document_bytes: usize::from(args.max_document_size) << 20, ..Limits::default() };
    let progress = Progress::start(sources.iter().len());
    let placement = Placement::new(args);
    let mut intake = Intake::new(&rules, placement.clone(), None, now);
    read_all(&sources, limits, &progress, &mut intake);
    let found = intake.take_rules();
    if !given && !found.controls.is_empty() {
        rules = Rules::at(now);
    }
    rules.merge(found);
    filter.apply(&mut rules);
    filter.check(&rules.known, rules.controls.len())?;
    if intake.must_reread() {
        intake = Intake::new(&rules, placement, Some(intake.into_learned()), now);
        progress.again();
        read_all(&sources, limits, &progress, &mut intake);
    }
    drop(progress);
    intake.fail_unrendered(&sources);
    sources.fail_empty(&intake);
    let mut evaluation = intake.evaluate(&rules);
    let before = rules.errors.into_iter().chain(sources.errors);
    evaluation.errors.splice(0..0, before);
    Ok(evaluation)
}

/// Evaluates a live cluster as it is at a time.
pub fn evaluate_cluster(
    args: &ScanArgs,
    now: Timestamp,
) -> Result<EvaluationReport, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(cluster::evaluate(args, now))?)
}

/// Reads every document of these paths, for commands that judge no control.
pub fn sources_of(
    paths: &[PathBuf],
    take: &mut dyn FnMut(Result<Found, ManifestError>),
) -> Vec<ReportedError> {
    let sources = Sources::find(paths);
    let mut errors = sources.errors.clone();
    errors.extend(sources.unrendered.iter().map(|folder| ReportedError {
        file: Some(Arc::clone(&folder.file)),
        message: folder.message.clone(),
        ..ReportedError::default()
    }));
    for source in sources.iter() {
        if let Err(error) = sources.read(source, Limits::default(), take) {
            let file = Some(Arc::clone(&source.name));
            errors.push(ReportedError {
                file,
                message: error.to_string(),
                ..ReportedError::default()
            });
        }
    }
    errors
}

/// The controls that these files hold, by name, without any judgement.
pub fn controls_of(paths: &[PathBuf]) -> (Vec<(String, Arc<ControlSpec>)>, Vec<ReportedError>) {
    let rules = Rules::read(paths, Timestamp::now());
    let controls = rules.controls.into_iter().map(|(name, (spec, _))| (name, spec)).collect();
    (controls, rules.errors)
}

fn read_all(sources: &Sources, limits: Limits, progress: &Progress, intake: &mut Intake) {
    for source in sources.iter() {
        intake.begin_file(source);
        let read = sources.read(source, limits, &mut |found| intake.take(found, source.named));
        if let Err(error) = read {
            intake.fail(error.to_string());
        }
        progress.advance();
    }
}
