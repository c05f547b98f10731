//! What the API server says of itself, beyond its objects.

use std::collections::BTreeSet;

/// The `apiserver_storage_transformation_operations_total` family of the API server's metrics
/// (Kubernetes metrics reference, ALPHA), or why it could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ApiServer {
    /// Nobody asked yet, or no API server is there to ask (a scan of files).
    #[default]
    NotObserved,
    /// Reading `/metrics` failed; the text says why.
    Unreadable(String),
    /// The family as read; empty when the server exposes none, which means no encryption provider is configured.
    Observed(Transformations),
}

/// The transformations that happened since the API server started. Counts are left out: they
/// change all the time, and no verdict depends on them.
pub type Transformations = BTreeSet<Transformation>;

/// The labels of one row of the family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transformation {
    /// `secrets`, or `widgets.example.com`.
    pub resource: String,
    /// Writing (`to_storage`) or reading (`from_storage`).
    pub direction: Direction,
    /// `k8s:enc:kms:v2:...`, `identity`, `unknown`.
    pub prefix: String,
}

/// Which way a transformation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The server wrote.
    ToStorage,
    /// The server read.
    FromStorage,
}
