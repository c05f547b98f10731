//! A log in a directory of this machine or of a mounted volume.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Component, Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};

use super::{
    Store, StoreError, StoredObject, Version, WriteLock,
    files::{self, failed},
};
use comptroller_vocabulary::canonical;

/// The file whose lock the writer holds.
const LOCK: &str = ".lock";

/// The longest name of a holder that is read.
const MAX_HOLDER: usize = 128;

/// The folder of files that are being written. It lies within the directory, since a rename or a link
/// from another file system is not atomic.
const UNFINISHED: &str = ".tmp";

/// A directory. Every write is a new file, synced, moved to its place, and the folder synced: after
/// a crash an object is there whole or not at all.
#[derive(Debug)]
pub struct DirectoryStore {
    location: String,
    directory: Arc<DirectoryFiles>,
}

#[derive(Debug)]
struct DirectoryFiles {
    root: PathBuf,
    /// Folders that are known to be there and durable.
    folders: Mutex<BTreeSet<PathBuf>>,
    /// Compare-and-swap is one step within this process; between processes the lock makes it one.
    swap: Mutex<()>,
    /// The lock, while the writer holds it. Weak: only the writer's end releases it.
    held: Mutex<Weak<File>>,
    /// Numbers the unfinished files of this process.
    next: AtomicU64,
}

impl DirectoryStore {
    /// A directory; it is created with the first write if its parent is there.
    pub fn new(root: PathBuf) -> Self {
        Self {
            location: root.display().to_string(),
            directory: Arc::new(DirectoryFiles {
                root,
                folders: Mutex::default(),
                swap: Mutex::default(),
                held: Mutex::default(),
                next: AtomicU64::new(0),
            }),
        }
    }

    /// Runs blocking work away from the threads that serve everything else. It can't be stopped: when
    /// nobody waits for it any more, it keeps the lock until it ends, so that no later writer meets it.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DirectoryFiles) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>> {
        let directory = Arc::clone(&self.directory);
        // Held by the work itself, for as long as that runs: it can't be stopped.
        let lock = directory.held.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let work = move || {
            let done = work(&directory);
            drop(lock);
            done
        };
        async move {
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
                Err(StoreError::Failed {
                    path: self.location.clone(),
                    action: "used",
                    reason: error.to_string(),
                })
            })
        }
        .boxed()
    }
}

impl Store for DirectoryStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn lock(&self) -> BoxFuture<'_, Result<WriteLock, StoreError>> {
        self.run(DirectoryFiles::lock)
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<StoredObject>, StoreError>> {
        let path = path.to_owned();
        self.run(move |directory| directory.get(&path))
    }

    fn put_new<'a>(&'a self, path: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        let path = path.to_owned();
        self.run(move |directory| directory.put_new(&path, &bytes))
    }

    fn replace<'a>(
        &'a self,
        path: &'a str,
        bytes: Bytes,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        let (path, version) = (path.to_owned(), version.clone());
        self.run(move |directory| directory.replace(&path, &bytes, &version))
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let folder = folder.to_owned();
        self.run(move |directory| directory.list(&folder))
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let path = path.to_owned();
        self.run(move |directory| directory.delete(&path))
    }
}

impl DirectoryFiles {
    fn lock(&self) -> Result<WriteLock, StoreError> {
        self.folder(&self.root)?;
        let path = self.root.join(LOCK);
        let file = lock_file(&path)?;
        match file.try_lock() {
            // The name of an earlier holder would be wrong.
            Ok(()) if files::has_one_name(&file) => drop(file.set_len(0)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    directory: self.root.clone(),
                    holder: holder(&file),
                });
            }
            // A file system without locks, such as some network ones: the log's own fence still holds.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(path = %path.display(), "the file system has no locks");
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, "locked", &error)),
        }
        self.warn_of_writers();
        // Only now: without the lock these might be files that another writer is writing.
        self.clean()?;
        let file = Arc::new(file);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&file);
        Ok(WriteLock(Some(file)))
    }

    /// Removes what a crash left unfinished: it was never part of the log.
    fn clean(&self) -> Result<(), StoreError> {
        let unfinished = self.root.join(UNFINISHED);
        // Behind a link lies what belongs to somebody else.
        files::check_folders(&self.root, &unfinished.join("x"))?;
        if let Ok(files) = fs::read_dir(&unfinished) {
            for file in files.flatten() {
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    fn warn_of_writers(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&self.root).map(|folder| folder.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o002 != 0) {
            tracing::warn!(
                path = %self.root.display(),
                "every user of this machine may write to the folder of the evidence log: take that right away (chmod o-w)"
            );
        }
    }

    #[cfg(not(unix))]
    fn warn_of_writers(&self) {}

    fn get(&self, path: &str) -> Result<Option<StoredObject>, StoreError> {
        let file = self.resolve(path)?;
        files::check_folders(&self.root, &file)?;
        match files::read(&file)? {
            Some(bytes) => {
                let version = version_of(&bytes);
                Ok(Some(StoredObject { bytes: bytes.into(), version }))
            }
            None if self.root.is_dir() => Ok(None),
            None => Err(StoreError::NoDirectory(self.root.clone())),
        }
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let file = self.resolve(path)?;
        let folder = file.parent().unwrap_or(&self.root);
        self.folder(folder)?;
        // Looking first saves a write and a sync where the object is there, which is what every
        // repeated append finds.
        if fs::symlink_metadata(&file).is_err() {
            let unfinished = self.write_unfinished(bytes)?;
            // A link, unlike a rename, never takes the place of a file that is there.
            let placed = fs::hard_link(&unfinished, &file);
            match placed {
                Ok(()) => {
                    let _ = fs::remove_file(&unfinished);
                    return sync_folder(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let _ = fs::remove_file(&unfinished);
                }
                // Some mounted file systems have no links. Only the holder of the lock writes, so
                // that a file which was not there is not there.
                Err(_) => {
                    fs::rename(&unfinished, &file)
                        .map_err(|error| failed(&file, "created", &error))?;
                    return sync_folder(folder);
                }
            }
        }
        if files::read(&file)?.is_some_and(|there| there == bytes) {
            // It may have been put there just before a crash that its folder's entry did not survive.
            return sync_folder(folder);
        }
        Err(self.conflict(path))
    }

    fn replace(&self, path: &str, bytes: &[u8], version: &Version) -> Result<Version, StoreError> {
        let file = self.resolve(path)?;
        files::check_folders(&self.root, &file)?;
        let unfinished = self.write_unfinished(bytes)?;
        // Written before the swap, so that the lock of the swap is not held while the disk is slow.
        let _swap = self.swap.lock().unwrap_or_else(PoisonError::into_inner);
        let there = files::read(&file).map(|there| there.as_deref().map(version_of));
        if !matches!(&there, Ok(Some(there)) if there == version) {
            let _ = fs::remove_file(&unfinished);
            return Err(there.err().unwrap_or_else(|| self.conflict(path)));
        }
        fs::rename(&unfinished, &file).map_err(|error| failed(&file, "replaced", &error))?;
        sync_folder(file.parent().unwrap_or(&self.root))?;
        Ok(version_of(bytes))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let first = self.resolve(folder)?;
        files::check_folders(&self.root, &first.join("x"))?;
        let mut folders = vec![first];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&folder, "listed", &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(&folder, "listed", &error))?;
                let kind = entry.file_type().map_err(|error| failed(&folder, "listed", &error))?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if let Ok(path) = entry.path().strip_prefix(&self.root) {
                    // Paths of a log have slashes, also where the system writes backslashes.
                    found.push(path.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        Ok(found)
    }

    fn delete(&self, path: &str) -> Result<(), StoreError> {
        let file = self.resolve(path)?;
        files::check_folders(&self.root, &file)?;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&file, "deleted", &error))
            }
            _ => Ok(()),
        }
    }

    /// The file of an object: never one outside the directory, whatever the path says.
    fn resolve(&self, path: &str) -> Result<PathBuf, StoreError> {
        let relative = Path::new(path);
        if relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Ok(self.root.join(relative));
        }
        Err(StoreError::Failed {
            path: path.to_owned(),
            action: "used",
            reason: "it is not a path within the directory".to_owned(),
        })
    }

    /// Makes a folder with its parents durable; the parent of the whole directory must be there, so
    /// that a volume that is not mounted is noticed.
    fn folder(&self, folder: &Path) -> Result<(), StoreError> {
        // A folder that was there may have given way to a link.
        files::check_folders(&self.root, &folder.join("x"))?;
        let known = |folder: &Path| {
            self.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
        };
        // A sync of each folder on the way costs more than the write itself, so each is synced once.
        if known(folder) {
            return Ok(());
        }
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        if folder != self.root
            && let Some(parent) = parent
        {
            self.folder(parent)?;
        }
        match files::create_folder(folder) {
            Ok(()) => sync_folder(parent.unwrap_or(Path::new(".")))?,
            // Whoever made it may have ended before it was durable.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if folder != self.root {
                    sync_folder(parent.unwrap_or(&self.root))?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoDirectory(parent.unwrap_or(folder).to_owned()));
            }
            Err(error) => return Err(failed(folder, "created", &error)),
        }
        self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        Ok(())
    }

    fn write_unfinished(&self, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let folder = self.root.join(UNFINISHED);
        self.folder(&folder)?;
        let (path, mut file) = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{number}", std::process::id()));
            // In containers every process has the same number, and another's file is never ours.
            match files::create(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, "written", &error)),
            }
        };
        // Synced before it is moved: a rename may become durable before the content does.
        file.write_all(bytes).and_then(|()| file.sync_data()).map_err(|error| {
            let _ = fs::remove_file(&path);
            failed(&path, "written", &error)
        })?;
        Ok(path)
    }

    fn conflict(&self, path: &str) -> StoreError {
        StoreError::Conflict { location: self.root.display().to_string(), path: path.to_owned() }
    }
}

fn version_of(bytes: &[u8]) -> Version {
    Version(canonical::sha256(bytes))
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(folder, "synced", &error))
}

/// The file of the lock, which is made where there is none.
fn lock_file(path: &Path) -> Result<File, StoreError> {
    match files::create(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(path, "locked", &error)),
    }
    let options = OpenOptions::new().read(true).write(true).to_owned();
    files::open(path, &options)?
        .ok_or_else(|| failed(path, "locked", &io::Error::from(io::ErrorKind::NotFound)))
}

/// Who holds the lock, by the name that it wrote into it: for a person, and nothing depends on it.
fn holder(mut file: &File) -> String {
    let mut bytes = [0; MAX_HOLDER];
    let length = file.read(&mut bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
    let name: String = text.chars().take_while(|c| c.is_ascii_graphic() || *c == ' ').collect();
    if name.is_empty() { "another process".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
