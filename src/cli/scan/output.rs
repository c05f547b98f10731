//! Writes the findings of a scan to files and standard output.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use super::args::OutputTarget;
use crate::cli::output::{plain_table_style, table_style, to_stdout};
use comptroller_report::{EvaluationReport, TextFormat};

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum ScanWriteError {
    /// A file can't be written.
    #[error("{} can't be written: {error}; check that its folder exists and is writable", path.display())]
    File {
        path: PathBuf,
        /// The error of the file system.
        error: io::Error,
    },
    /// Standard output can't be written.
    #[error("standard output can't be written: {0}")]
    Stdout(io::Error),
}

/// Writes an evaluation to every target. Files come first, so that they are complete even if whoever
/// reads standard output stops early.
pub(super) fn write_all(
    evaluation: &EvaluationReport,
    targets: &[OutputTarget],
) -> Result<(), ScanWriteError> {
    for target in targets {
        if let Some(path) = &target.file {
            write_file(evaluation, target.format, path)
                .map_err(|error| ScanWriteError::File { path: path.clone(), error })?;
        }
    }
    for target in targets.iter().filter(|target| target.file.is_none()) {
        to_stdout(|stdout| target.format.write(evaluation, table_style(), stdout))
            .map_err(ScanWriteError::Stdout)?;
    }
    Ok(())
}

fn write_file(
    evaluation: &EvaluationReport,
    format: &TextFormat<EvaluationReport>,
    path: &PathBuf,
) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    format.write(evaluation, plain_table_style(), &mut file)?;
    file.flush()
}
