//! Where a log lies: a directory, or a bucket of an object store.
//!
//! A store keeps whole objects under slash-separated paths. Two operations carry the log: an object
//! is created only if there is none, and one is replaced only if it is still the one that was read.

mod directory;
mod files;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
#[cfg(any(test, feature = "buckets"))]
mod object;

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use directory::Directory;
#[cfg(any(test, feature = "buckets"))]
pub use object::Objects;

/// Which content an object had when it was read or written: opaque outside the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

/// An object and its version.
#[derive(Clone, Debug)]
pub struct Object {
    /// The content.
    pub bytes: Bytes,
    /// Its version, for [`Store::replace`].
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

/// A place for the objects of a log. When a write returns, it is durable.
pub trait Store: Send + Sync + fmt::Debug {
    /// Where it is, as a person gave it.
    fn location(&self) -> &str;

    /// Takes the right to write.
    fn lock(&self) -> BoxFuture<'_, Result<WriteLock, StoreError>>;

    /// Reads an object. None: there is none.
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>, StoreError>>;

    /// Creates an object. The same bytes there already are as good; others are a
    /// [`StoreError::Conflict`].
    fn put_new<'a>(&'a self, path: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Replaces an object if it is still of this version, or else is a [`StoreError::Conflict`].
    fn replace<'a>(
        &'a self,
        path: &'a str,
        bytes: Bytes,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Version, StoreError>>;

    /// The paths of the objects below a folder, in no order.
    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;

    /// Removes an object; there may be none.
    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location names no store.
    #[error(
        "{location:?} names no place for evidence: give a directory, or a URL that begins with file://, s3://, gs:// or az:// ({reason})"
    )]
    Location {
        /// What was given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The program was built without the client of this store.
    #[error(
        "this program was built without the client for {location}: use the released `comptroller`, build with --features {feature}, or copy the log into a directory"
    )]
    Feature {
        /// What was given.
        location: String,
        /// The feature of this crate that brings the client.
        feature: &'static str,
    },
    /// Another object is there, or another was put there meanwhile.
    #[error("{location}: {path} is another object than expected: another writer was there")]
    Conflict {
        /// The store.
        location: String,
        /// The object.
        path: String,
    },
    /// The store can't replace an object conditionally, so two writers could fork the log.
    #[error(
        "{location} can't replace an object only if it is unchanged (HTTP If-Match), so two writers could fork the log: use a store that can, such as Amazon S3, Google Cloud Storage, Azure Blob Storage, MinIO or a directory"
    )]
    NoConditionalUpdate {
        /// The store.
        location: String,
    },
    /// Another process holds the lock of the directory.
    #[error(
        "{1} holds the lock of the log in {0}, and one writes at a time: if it has hung, end it (its pod or process), and this one goes on by itself; if both are meant to run, give both --leader-elect"
    )]
    Locked(PathBuf, String),
    /// A link, a pipe or a device where a file or a folder of the log belongs.
    #[error(
        "{path} is {what}, and a log is kept in plain files and folders: find out who put it there, remove it, and put back what belongs there; what it leads to was not touched"
    )]
    Odd {
        /// Where.
        path: String,
        /// What is there.
        what: &'static str,
    },
    /// The disk is full.
    #[error(
        "no space is left for {path}: free some or enlarge the volume; nothing is lost, and recording goes on by itself"
    )]
    Full {
        /// The object.
        path: String,
    },
    /// Not allowed.
    #[error(
        "access to {path} is denied ({reason}): let this user or identity read, create and replace it"
    )]
    Denied {
        /// The object.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// The directory is not there.
    #[error(
        "the directory {0} does not exist: create it or mount its volume, or correct the location"
    )]
    NoDirectory(PathBuf),
    /// Anything else that the store says.
    #[error("{path} can't be {action}: {reason}")]
    Failed {
        /// The object.
        path: String,
        /// What was tried, such as `read`.
        action: &'static str,
        /// What the store says.
        reason: String,
    },
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
        return Ok(Arc::new(Directory::new(PathBuf::from(location))));
    }
    let url = url::Url::parse(location).map_err(|error| bad(&error.to_string()))?;
    if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| bad("it is no path of this machine"))?;
        return Ok(Arc::new(Directory::new(path)));
    }
    open_bucket(location, &url)
}

#[cfg(any(test, feature = "buckets"))]
fn open_bucket(location: &str, url: &url::Url) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(Objects::open(location, url)?))
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
            let reason = format!("{other} is not among them");
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
