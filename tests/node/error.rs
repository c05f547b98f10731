//! Why a node could not be started or used.

use std::{fmt, io, path::PathBuf};

use crate::controlplane;

/// `Debug` prints the same as `Display`, so that `unwrap` in a test shows a readable message.
#[derive(thiserror::Error)]
pub enum Error {
    #[error("this machine lacks what a node needs:\n  {}", .0.join("\n  "))]
    Lacking(Vec<String>),
    #[error("the machine could not be prepared (see above): {0}")]
    Host(String),
    #[error("{command} failed: {said}")]
    Command { command: String, said: String },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Plane(#[from] controlplane::Error),
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl Error {
    pub fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
