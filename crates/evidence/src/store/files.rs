//! Files below a directory that others may have tampered with: no link is followed, whatever it
//! leads to stays as it is, and nothing waits for a pipe or a device.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::StoreError;

/// More than any object of a log has: it must not take all memory, whoever put it there.
const MAX: u64 = 64 * 1024 * 1024;

/// How often a file may be replaced while it is opened: the writer does so with each append.
const TRIES: u32 = 16;

/// Reads a file. None: there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(file) = open(path, OpenOptions::new().read(true))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(path, "read", &error))?;
    // One byte more than is allowed was asked for, which tells a larger file from one of just that size.
    if bytes.len() as u64 > MAX {
        let error = io::Error::other("it is larger than any part of a log");
        return Err(failed(path, "read", &error));
    }
    Ok(Some(bytes))
}

/// Opens a file that is there. None: there is none.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Option<File>, StoreError> {
    for _ in 0..TRIES {
        let seen = match fs::symlink_metadata(path) {
            Ok(seen) => seen,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, "opened", &error)),
        };
        // Before opening: to open a pipe would wait for a writer, and a device may act on it.
        if !seen.is_file() {
            return Err(odd(path, &seen));
        }
        let file = match options.open(path) {
            Ok(file) => file,
            // It was there a moment ago, so that it is being replaced.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(path, "opened", &error)),
        };
        let opened = file.metadata().map_err(|error| failed(path, "opened", &error))?;
        // What was opened is what was looked at, and no link that took its place in between.
        if is_same(&seen, &opened) {
            return Ok(Some(file));
        }
    }
    Err(failed(path, "opened", &io::Error::other("it is replaced again and again")))
}

/// Creates a file that is not there yet: where there is anything, a link included, it fails.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Nobody but the owner and its group may write, however lax the umask.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o664);
    options.open(path)
}

/// Creates a folder that is not there yet.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o775);
    builder.create(path)
}

/// Checks the folders below `root` on the way to `path`, as far as they are there.
pub fn check_folders(root: &Path, path: &Path) -> Result<(), StoreError> {
    let Ok(below) = path.strip_prefix(root) else { return Ok(()) };
    let mut folder = PathBuf::from(root);
    for part in below.parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(seen) if seen.is_dir() => {}
            Ok(seen) => return Err(odd(&folder, &seen)),
            // Nothing lies below a folder that is not there, so that the rest need not be looked at.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&folder, "opened", &error)),
        }
    }
    Ok(())
}

/// Whether a file has no other name, such as in a copy or in somebody else's folder, where what is
/// written to it would be as well.
#[cfg(unix)]
pub fn has_one_name(file: &File) -> bool {
    file.metadata().is_ok_and(|file| std::os::unix::fs::MetadataExt::nlink(&file) == 1)
}

#[cfg(not(unix))]
pub fn has_one_name(_: &File) -> bool {
    true
}

/// What is neither a file nor a folder, or the one where the other belongs.
fn odd(path: &Path, seen: &Metadata) -> StoreError {
    let what = if seen.is_symlink() {
        "a link"
    } else if seen.is_dir() {
        "a folder"
    } else if seen.is_file() {
        "a file"
    } else {
        "a pipe, a socket or a device"
    };
    StoreError::NotPlain { path: path.display().to_string(), what }
}

#[cfg(unix)]
fn is_same(seen: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (seen.dev(), seen.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, opened: &Metadata) -> bool {
    opened.is_file()
}

/// What the system says, with what to do about it.
pub fn failed(path: &Path, action: &'static str, error: &io::Error) -> StoreError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Denied { path, reason: error.to_string() }
        }
        _ => StoreError::Failed { path, action, reason: error.to_string() },
    }
}
