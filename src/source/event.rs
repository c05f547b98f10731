//! What the sources send to the task that evaluates controls.

use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use comptroller_core::inventory::{
    ApiServer, Availability, Catalog, KindId, ProgramId, ProjectedObject, Symbol,
};

/// An event of a source. Whoever starts a source gives it a channel of a type that this converts into.
#[derive(Debug)]
pub enum SourceEvent {
    /// The cluster now serves this.
    Catalog(Catalog),
    /// What the cluster serves has not changed up to now.
    CatalogConfirmed,
    /// An observation of how the API server encrypts.
    ApiServer(ApiServer),
    /// An event of a watched kind.
    Kind(KindEvent),
}

/// An event of the watch of one kind.
#[derive(Debug)]
pub struct KindEvent {
    /// The kind's id in the inventory.
    pub kind: KindId,
    /// The watch that sent it. Events of an earlier watch of the kind must be dropped.
    pub watch: u64,
    /// When it arrived from the API server.
    pub received: Instant,
    pub change: KindChange,
    /// Its share of the memory for events that wait, which is free again once this is dropped. None
    /// for small events.
    pub memory: Option<OwnedSemaphorePermit>,
}

/// What happened to a watched kind.
#[derive(Debug)]
pub enum KindChange {
    /// A list begins. What an unfinished list contained is void.
    ListStarted,
    /// An object of the list.
    ListItem(ProjectedObject),
    /// The list is complete: objects that it lacks are gone.
    ListComplete {
        /// The programs that judged its items.
        programs: Vec<ProgramId>,
        /// Its resource version.
        version: String,
    },
    /// An object was created or changed.
    Applied(ProjectedObject),
    /// An object was deleted.
    Deleted {
        /// Its namespace; empty for a cluster-scoped object.
        namespace: Symbol,
        name: Symbol,
    },
    /// The kind can't be read as a whole: it is refused or not served, or an object can't be read.
    Unavailable(Availability),
    /// Nothing happened up to now.
    Confirmed,
    /// The list or watch fails with this error and is retried. The kind is stale once it was not
    /// confirmed for too long.
    Failing(String),
}
