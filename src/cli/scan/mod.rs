//! `comptroller scan`: evaluates the controls once, over manifests or a cluster.

mod absent;
mod args;
mod cluster;
mod controls;
mod filter;
mod manifest_loader;
mod notes;
mod output;
mod placement;
mod progress;
mod sources;
mod unrendered;

use std::{fs, io, path::PathBuf, sync::Arc};

use jiff::Timestamp;

pub use self::{
    args::{Label, MAX_DOCUMENT_MIB, OutputTarget, ScanArgs},
    cluster::{ScanClusterError, unreadable},
    filter::FilterError,
};
use self::{
    controls::ControlSet, filter::ControlFilter, manifest_loader::ManifestLoader,
    placement::Placement, progress::ScanProgress, sources::SourceFiles,
};
use crate::source::manifest::{Limits, ManifestDocument, ManifestError};
use comptroller_core::api::ControlSpec;
use comptroller_report::{EvaluationReport, ReportedError, baseline::FindingBaseline};

/// Scans, writes the findings, and returns the exit code.
pub fn run(args: &ScanArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let now = Timestamp::now();
    let targets = args.targets()?;
    let baseline = args.baseline.as_ref().map(read_baseline).transpose()?;
    let mut evaluation =
        if args.cluster { evaluate_cluster(args, now)? } else { evaluate(args, now)? };
    if let Some(baseline) = baseline {
        baseline.apply(&mut evaluation);
    }
    evaluation.scanned = Some(scanned(args));
    output::write_all(&evaluation, &targets)?;
    Ok(evaluation.exit_code(args.allow_unknown))
}

/// What is scanned, in words for a reader who did not type the command.
fn scanned(args: &ScanArgs) -> String {
    if args.cluster {
        return match args.cluster_args.context_name() {
            Some(context) => format!("Cluster {context}"),
            None => "Cluster".to_owned(),
        };
    }
    let name = |path: &PathBuf| match path.to_str() {
        Some("-") => "standard input".to_owned(),
        Some(".") => "this folder".to_owned(),
        _ => path.display().to_string(),
    };
    format!("Manifests: {}", args.paths.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// Why --baseline can't be used.
#[derive(Debug, thiserror::Error)]
enum BaselineFileError {
    /// The file can't be read.
    #[error("--baseline {0} can't be read: {1}; write it with -o json={0}")]
    Unreadable(String, io::Error),
    /// The file is something else.
    #[error("--baseline {0} is not a report of a scan: {1}; write it with -o json={0}")]
    NotAReport(String, serde_json::Error),
}

fn read_baseline(path: &PathBuf) -> Result<FindingBaseline, BaselineFileError> {
    let shown = || path.display().to_string();
    let text =
        fs::read_to_string(path).map_err(|error| BaselineFileError::Unreadable(shown(), error))?;
    FindingBaseline::read(&text).map_err(|error| BaselineFileError::NotAReport(shown(), error))
}

/// Evaluates manifests as of `now`.
///
/// # Errors
/// If the filters leave no control. Files that can't be read are part of the evaluation.
pub fn evaluate(args: &ScanArgs, now: Timestamp) -> Result<EvaluationReport, FilterError> {
    let filter = ControlFilter::new(args);
    let given = !args.controls.is_empty();
    let mut rules =
        if given { ControlSet::read(&args.controls, now) } else { ControlSet::builtin(now) };
    filter.apply(&mut rules);
    let mut sources = SourceFiles::find(&args.paths);
    let limits =
        Limits { document_bytes: usize::from(args.max_document_size) << 20, ..Limits::default() };
    let progress = ScanProgress::start(sources.iter().len());
    let placement = Placement::new(args);
    let mut loader = ManifestLoader::new(&rules, placement.clone(), None, now);
    read_all(&sources, limits, &progress, &mut loader);
    let found = loader.take_rules();
    // Controls among the manifests take the place of the pack, but not of --controls.
    if !given && !found.controls.is_empty() {
        rules = ControlSet::at(now);
    }
    rules.merge(found);
    filter.apply(&mut rules);
    filter.check(&rules.known, rules.controls.len())?;
    // Some controls or definitions came after objects that they concern: with those known, everything is
    // read once more. A third pass could learn nothing new.
    if loader.must_reread() {
        loader = ManifestLoader::new(&rules, placement, Some(loader.into_knowledge()), now);
        progress.again();
        read_all(&sources, limits, &progress, &mut loader);
    }
    drop(progress);
    loader.fail_unrendered(&sources);
    sources.fail_empty(&loader);
    let mut evaluation = loader.evaluate(&rules);
    let before = rules.errors.into_iter().chain(sources.errors);
    evaluation.errors.splice(0..0, before);
    Ok(evaluation)
}

/// Evaluates a live cluster as of `now`.
///
/// # Errors
/// See [`ScanClusterError`].
pub fn evaluate_cluster(
    args: &ScanArgs,
    now: Timestamp,
) -> Result<EvaluationReport, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(cluster::evaluate(args, now))?)
}

/// Reads every document of these paths, for commands that evaluate no control. Returns the errors of the
/// paths themselves.
pub fn sources_of(
    paths: &[PathBuf],
    take: &mut dyn FnMut(Result<ManifestDocument, ManifestError>),
) -> Vec<ReportedError> {
    let sources = SourceFiles::find(paths);
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

/// The controls in these files, by name, and the errors of the files. Evaluates nothing.
pub fn controls_of(paths: &[PathBuf]) -> (Vec<(String, Arc<ControlSpec>)>, Vec<ReportedError>) {
    let rules = ControlSet::read(paths, Timestamp::now());
    let controls = rules.controls.into_iter().map(|(name, (spec, _))| (name, spec)).collect();
    (controls, rules.errors)
}

fn read_all(
    sources: &SourceFiles,
    limits: Limits,
    progress: &ScanProgress,
    loader: &mut ManifestLoader,
) {
    for source in sources.iter() {
        loader.begin_file(source);
        let read = sources.read(source, limits, &mut |found| loader.take(found, source.origin));
        if let Err(error) = read {
            loader.fail(error.to_string());
        }
        progress.advance();
    }
}
