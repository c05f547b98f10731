//! The folder of a control plane: removed with its owner, unless its logs are worth reading.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::Error;

/// Clears up when standard input ends, which is when the owner ends in whatever way. Components
/// may still write for a moment when the owner was killed, hence the repetition.
const JANITOR: &str = r#"
cat >/dev/null
if [ -e "$1/keep" ]; then rm -rf "$1/etcd"; exit; fi
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" 2>/dev/null && exit
    sleep 0.2
done
"#;

/// Its presence in the folder tells the janitor that the logs stay.
const KEEP: &str = "keep";

/// Set to anything, it keeps every control plane's folder.
const KEEP_VARIABLE: &str = "CONTROLPLANE_KEEP";

/// A new folder that only this user can read. Dropped in a panic, it stays, without etcd's data.
pub struct Directory {
    path: PathBuf,
    janitor: Child,
}

impl Directory {
    pub fn create() -> Result<Self, Error> {
        let parent = env::temp_dir();
        let path = tempfile::Builder::new()
            .prefix("controlplane-")
            .tempdir()
            .map_err(|source| Error::file(&parent, source))?
            .keep();
        let janitor = Command::new("/bin/sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&path)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|source| Error::Spawn { name: "janitor", source })?;
        Ok(Self { path, janitor })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the control plane, with the folders above it.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, contents))
            .map_err(|source| Error::file(&path, source))?;
        Ok(path)
    }

    /// Lets the logs outlive this value and says where they are.
    pub fn keep(&self) {
        keep(&self.path);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::thread::panicking() || env::var_os(KEEP_VARIABLE).is_some() {
            self.keep();
        }
        drop(self.janitor.stdin.take());
        // The folder is gone once the janitor is; a failure to wait leaves the janitor at work.
        let _ = self.janitor.wait();
    }
}

/// Marks a control plane's folder as one to keep, once.
pub fn keep(path: &Path) {
    let marker = path.join(KEEP);
    if !marker.exists() && fs::write(&marker, "").is_ok() {
        eprintln!("controlplane: logs are kept in {}", path.display());
    }
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(|source| Error::file(to, source))?;
    for entry in fs::read_dir(from).map_err(|source| Error::file(from, source))? {
        let entry = entry.map_err(|source| Error::file(from, source))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(|source| Error::file(&path, source))?;
        }
    }
    Ok(())
}
