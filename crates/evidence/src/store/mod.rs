//! Where a log lies: a directory, or a bucket of an object store.
//!
//! A store keeps whole objects under slash-separated paths. Two operations carry the log: an object
//! is created only if there is none, and one is replaced only if it is still the one that was read.

mod directory;
mod error;
mod files;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
#[cfg(any(test, feature = "buckets"))]
mod object;

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use directory::DirectoryStore;
pub use error::StoreError;
#[cfg(any(test, feature = "buckets"))]
pub use object::BucketStore;

/// Which content an object had when it was read or written.
///
/// It is opaque outside of the store that gave it, and compares equal only for the same content. A
/// store may give two contents that are the same byte for byte the same version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

/// An object of a store as it was read.
#[derive(Clone, Debug)]
pub struct StoredObject {
    /// The content, from its first byte to its last.
    pub bytes: Bytes,
    /// Its version, to [replace](Store::replace) this content and no other.
    pub version: Version,
}

/// The right to write, as far as the store can give it: held until it is dropped.
///
/// A directory gives it to one process at a time. An object store gives it to anybody: there, and
/// wherever the lock of a file system fails, the log's own fence decides.
#[derive(Debug)]
pub struct WriteLock(Option<Arc<std::fs::File>>);

impl WriteLock {
    /// Says in the lock who holds it, for whoever waits for it. It is no harm if that fails.
    pub(crate) fn name_holder(&self, name: &str) {
        use std::io::{Seek as _, Write as _};
        if let Some(mut file) = self.0.as_deref().filter(|file| files::has_one_name(file)) {
            let _ = file
                .rewind()
                .and_then(|()| file.set_len(0))
                .and_then(|()| file.write_all(format!("{name}\n").as_bytes()));
        }
    }
}

/// A place for the objects of a log: whole objects under paths, as a bucket keeps them.
///
/// The log's safety rests on what follows, so an implementation that can't keep a promise must
/// return an error rather than do its best.
///
/// # Paths
///
/// A path is a list of names separated by `/`, without a leading one, and without `.` and `..`. An
/// implementation refuses a path that would lead out of its own place. There are no folders to
/// create: a path's folders exist while an object lies below them.
///
/// # Durability
///
/// When [`put_new`](Self::put_new) or [`replace`](Self::replace) returns `Ok`, the object survives a
/// crash of the process and of the machine. A [`delete`](Self::delete) may be undone by a crash;
/// nobody relies on it.
///
/// # Atomicity
///
/// A reader sees an object whole, as one write left it, or does not see it: never a part of it,
/// neither while it is written nor after a crash. There is no order among writes of several objects;
/// a caller that needs one waits for the first before it begins the next.
///
/// # Consistency
///
/// A read that begins after a write has returned sees that write or a later one, from whichever
/// process. Of two concurrent `put_new` with different bytes at most one succeeds; of two concurrent
/// `replace` from the same version at most one succeeds. That holds between processes too where the
/// store has compare-and-swap. A directory has it only for the holder of its [lock](Self::lock).
///
/// # Errors
///
/// [`StoreError::Conflict`] says that the write was refused and has had no effect. After any other
/// error of a write it is not known whether it took effect, and it may still take effect later.
/// Callers then repeat it: both writes are made so that this is safe.
///
/// # Cancellation
///
/// A future that is dropped before it is done has the meaning of an error: its write may take effect
/// later. An implementation that gives a lock keeps it until such a write has ended, so that no
/// later writer meets it.
pub trait Store: Send + Sync + fmt::Debug {
    /// Where it is, as a person gave it: for messages, never to be opened again.
    fn location(&self) -> &str;

    /// Takes the right to write, and cleans up what a crashed writer left unfinished.
    ///
    /// It does not wait: [`StoreError::Locked`] says that another process has it. A store that has no
    /// locks returns an empty one, so that whoever writes must not rely on it alone.
    fn lock(&self) -> BoxFuture<'_, Result<WriteLock, StoreError>>;

    /// Reads an object; None if there is none. A place that is itself missing is an error, since a
    /// volume that is not mounted must not look like an empty log.
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<StoredObject>, StoreError>>;

    /// Creates an object, or does nothing if one with the same bytes is there.
    ///
    /// It is idempotent, and durable also where the object was there before: a writer before this one
    /// may have died between writing and making durable. Other bytes under the path are a
    /// [`StoreError::Conflict`], and stay.
    fn put_new<'a>(&'a self, path: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Replaces an object that is still of this version, and returns the version that it has then.
    ///
    /// An object of another version, or none, is a [`StoreError::Conflict`]: it is compare-and-swap,
    /// and never creates. It is not idempotent: a caller that repeats it after an unclear error finds
    /// a conflict where the first try took effect, and reads the object to tell.
    fn replace<'a>(
        &'a self,
        path: &'a str,
        bytes: Bytes,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Version, StoreError>>;

    /// The paths of all objects below a folder, at any depth and in no order.
    ///
    /// A folder without objects is an empty list. It costs a request for each thousand objects of a
    /// bucket, or a walk through the folder.
    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;

    /// Removes an object; it is no error if there is none.
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Opens a store: a directory's path, `file://`, `s3://bucket/prefix`, `gs://bucket/prefix` or
/// `az://container/prefix`. Options of a bucket come from the variables of its own tools, such as
/// `AWS_REGION` and `AWS_ENDPOINT_URL`.
pub fn open(location: &str) -> Result<Arc<dyn Store>, StoreError> {
    let bad = |reason: &str| StoreError::Location {
        location: location.to_owned(),
        reason: reason.to_owned(),
    };
    if location.is_empty() {
        return Err(bad("it is empty"));
    }
    #[cfg(any(test, feature = "testing"))]
    if let Some(store) = memory::open(location) {
        return Ok(store);
    }
    if !location.contains("://") {
        return Ok(Arc::new(DirectoryStore::new(PathBuf::from(location))));
    }
    let url = url::Url::parse(location).map_err(|error| bad(&error.to_string()))?;
    if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| bad("it is not a path of this machine"))?;
        return Ok(Arc::new(DirectoryStore::new(path)));
    }
    open_bucket(location, &url)
}

#[cfg(any(test, feature = "buckets"))]
fn open_bucket(location: &str, url: &url::Url) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(BucketStore::open(location, url)?))
}

/// Without any client, which one is missing; the schemes are those of the released program.
#[cfg(not(any(test, feature = "buckets")))]
fn open_bucket(location: &str, url: &url::Url) -> Result<Arc<dyn Store>, StoreError> {
    let location = location.to_owned();
    let feature = match url.scheme() {
        "s3" | "s3a" => "aws",
        "gs" => "gcp",
        "az" | "adl" | "azure" | "abfs" | "abfss" => "azure",
        other => {
            let reason = format!("{other} is not one of them");
            return Err(StoreError::Location { location, reason });
        }
    };
    Err(StoreError::Feature { location, feature })
}

/// The directory of a location, if it is one.
pub fn directory_of(location: &str) -> Option<PathBuf> {
    if !location.contains("://") {
        return Some(PathBuf::from(location));
    }
    url::Url::parse(location).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}
