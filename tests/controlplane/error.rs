//! Why a control plane could not be started or used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `Debug` prints the same as `Display`, so that `unwrap` in a test shows a readable message.
#[derive(thiserror::Error)]
pub enum Error {
    #[error("{name} is not in {}: {remedy}", folder.display())]
    Missing { name: &'static str, folder: PathBuf, remedy: &'static str },
    #[error("no free port between {from} and {to} on 127.0.0.1: end other control planes")]
    NoPort { from: u16, to: u16 },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot run {name}: {source}")]
    Spawn { name: &'static str, source: io::Error },
    #[error("{name} {what}; the end of {}:\n{tail}", log.display())]
    Component { name: &'static str, what: String, log: PathBuf, tail: String },
    #[error("not within {limit:?}: {what}")]
    Timeout { what: String, limit: Duration },
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl Error {
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    /// Whether another process took a port between its choice and its use.
    pub fn is_port_taken(&self) -> bool {
        matches!(self, Self::Component { tail, .. } if tail.contains("address already in use"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
