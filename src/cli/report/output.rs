//! Where a report is written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::cli::output::to_stdout;
use comptroller_report::period::{FORMATS, PeriodFormat, Rendered};

/// Why a report can't be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportOutputError {
    /// The path is the name of a format.
    #[error("{path} is a format: write -o {path}, or --output ./{path}", path = .0.display())]
    IsFormat(PathBuf),
    /// A format of several files can't go to standard output.
    #[error("-o {0} is several files: give a folder with --output DIR")]
    NeedsFolder(&'static str),
    /// A format of several files can't go to one file.
    #[error("{} is a file, and -o {format} is several: give a folder", path.display())]
    IsFile {
        path: PathBuf,
        /// The name of the format.
        format: &'static str,
    },
    /// One file can't go to a folder.
    #[error("{} is a folder: give a file with --output", .0.display())]
    IsFolder(PathBuf),
    /// A file or folder can't be written.
    #[error("{} can't be written: {error}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        error: io::Error,
    },
    /// Standard output can't be written.
    #[error("standard output can't be written: {0}")]
    Stdout(io::Error),
}

/// Checks that a report in this format can be written to `to`, which is None for standard output.
/// Called before a long log is read.
///
/// # Errors
/// If it can't.
pub fn check(format: &PeriodFormat, to: Option<&Path>) -> Result<(), ReportOutputError> {
    let is_format = |path: &Path| FORMATS.iter().any(|one| path == Path::new(one.name));
    let several = format.is_several_files();
    match to {
        // In other commands --output is the long form of -o, so this is a likely mistake.
        Some(path) if is_format(path) => Err(ReportOutputError::IsFormat(path.to_owned())),
        None if several => Err(ReportOutputError::NeedsFolder(format.name)),
        Some(path) if several && path.is_file() => {
            Err(ReportOutputError::IsFile { path: path.to_owned(), format: format.name })
        }
        Some(path) if !several && path.is_dir() => {
            Err(ReportOutputError::IsFolder(path.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Writes a report to a file or folder; None is standard output.
///
/// # Errors
/// [`ReportOutputError::Write`] or [`ReportOutputError::Stdout`].
pub fn write(rendered: &Rendered, to: Option<&Path>) -> Result<(), ReportOutputError> {
    let failed = |path: &Path, error| ReportOutputError::Write { path: path.to_owned(), error };
    match (rendered, to) {
        (Rendered::File(bytes), Some(path)) => {
            fs::write(path, bytes).map_err(|error| failed(path, error))
        }
        (Rendered::File(bytes), None) => {
            to_stdout(|stdout| stdout.write_all(bytes)).map_err(ReportOutputError::Stdout)
        }
        (Rendered::Files(files), to) => {
            let dir = to.unwrap_or(Path::new("."));
            fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
            for (name, bytes) in files {
                let path = dir.join(name);
                fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
            }
            Ok(())
        }
    }
}
