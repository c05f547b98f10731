//! Why a store could not do what was asked.

use std::path::PathBuf;

/// Why a store could not do what was asked. [`Conflict`](Self::Conflict) alone says that nothing was
/// written; see the [trait](super::Store).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location names no store.
    #[error(
        "{location:?} is not a place for evidence: give a directory, or a URL that begins with file://, s3://, gs:// or az:// ({reason})"
    )]
    Location { location: String, reason: String },
    /// The client of a bucket can't be made; `variables` is what its settings begin with.
    #[error(
        "no client for {location} can be made ({reason}): check the variables that begin with {variables}, and that the system knows certificate authorities (on Debian, the package ca-certificates)"
    )]
    Client { location: String, variables: &'static str, reason: String },
    /// The program was built without the client of this store; `feature` is the one that brings it.
    #[error(
        "this program was built without the client for {location}: use the released `comptroller`, build with --features {feature}, or copy the log into a directory"
    )]
    Feature { location: String, feature: &'static str },
    /// The object at `path` is not the one that was to be created or replaced.
    #[error("{location}: {path} is not the object that was expected: another writer was there")]
    Conflict { location: String, path: String },
    /// The store can't replace an object conditionally, so two writers could fork the log.
    #[error(
        "{location} can't replace an object only if it is unchanged (HTTP If-Match), so two writers could fork the log: use a store that can, such as Amazon S3, Google Cloud Storage, Azure Blob Storage, MinIO or a directory"
    )]
    NoConditionalUpdate { location: String },
    /// Another process holds the lock of the directory; `holder` is the name that it gave itself.
    #[error(
        "{holder} holds the lock of the log in {directory}, and one writes at a time: if it has hung, end it (its pod or process), and this one goes on by itself; if both are meant to run, give both --leader-elect"
    )]
    Locked { directory: PathBuf, holder: String },
    /// A link, a pipe or a device where a file or a folder of the log belongs.
    #[error(
        "{path} is {what}, but a log is kept in plain files and folders: find out who put it there, remove it, and put back what belongs there; what it leads to was not touched"
    )]
    NotPlain { path: String, what: &'static str },
    /// The disk is full, or the quota used up.
    #[error(
        "no space is left for {path}: free some or enlarge the volume; nothing is lost, and recording resumes by itself"
    )]
    Full { path: String },
    /// The system or the cloud refuses the access, for `reason` as it says it.
    #[error(
        "access to {path} is denied ({reason}): let this user or identity read, create and replace it"
    )]
    Denied { path: String, reason: String },
    /// The directory of the log, or the one above it, is missing.
    #[error(
        "the directory {0} does not exist: create it or mount its volume, or correct the location"
    )]
    NoDirectory(PathBuf),
    /// Anything else that the system or the cloud says. `action` is a participle, such as `read`.
    #[error("{path} can't be {action}: {reason}")]
    Failed { path: String, action: &'static str, reason: String },
}
