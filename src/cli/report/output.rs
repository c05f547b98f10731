//! The formats of a report, and where each goes.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use comptroller_report::period::{FORMATS, PeriodFormat, Rendered};

/// Whether a report in this format can go there, before a long log is read.
pub fn check(format: &PeriodFormat, to: Option<&Path>) -> Result<(), String> {
    let is_format = |path: &Path| FORMATS.iter().any(|one| path == Path::new(one.name));
    let name = format.name;
    match to {
        // Elsewhere --output is the long form of -o.
        Some(path) if is_format(path) => {
            Err(format!("{0} is a format: write -o {0}, or --output ./{0}", path.display()))
        }
        None if format.is_several_files() => {
            Err(format!("-o {name} is several files: give a folder with --output DIR"))
        }
        Some(path) if format.is_several_files() && path.is_file() => {
            Err(format!("{} is a file, and -o {name} is several: give a folder", path.display()))
        }
        Some(path) if !format.is_several_files() && path.is_dir() => {
            Err(format!("{} is a folder: give a file with --output", path.display()))
        }
        _ => Ok(()),
    }
}

/// Puts it where it was asked for.
pub fn write(rendered: &Rendered, to: Option<&Path>) -> Result<(), String> {
    let named =
        |path: &Path, error: io::Error| format!("{} can't be written: {error}", path.display());
    match (rendered, to) {
        (Rendered::File(bytes), Some(path)) => {
            fs::write(path, bytes).map_err(|error| named(path, error))
        }
        (Rendered::File(bytes), None) => {
            let mut out = io::stdout().lock();
            match out.write_all(bytes).and_then(|()| out.flush()) {
                // Whoever reads has read enough, as `head` does.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                Err(error) => Err(format!("standard output can't be written: {error}")),
                Ok(()) => Ok(()),
            }
        }
        (Rendered::Files(files), to) => {
            let dir = to.unwrap_or(Path::new("."));
            fs::create_dir_all(dir).map_err(|error| named(dir, error))?;
            for (name, bytes) in files {
                let path = dir.join(name);
                fs::write(&path, bytes).map_err(|error| named(&path, error))?;
            }
            Ok(())
        }
    }
}
