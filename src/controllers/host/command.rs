//! What the engine's task is told.

use std::{sync::Arc, time::Instant};

use kube::core::error_boundary::InvalidObject;
use tokio::sync::OwnedSemaphorePermit;

use crate::controllers::feed::Fed;
use comptroller_core::{
    api::{Control, ControlException},
    engine::{Verdict, exceptions::ExceptionState},
    inventory::{ApiServer, Availability, Catalog, KindId, ProgramId, ProjectedObject, Symbol},
};
use comptroller_recorder::ObjectKey;

/// What the engine's task is told.
#[derive(Debug)]
pub enum Command {
    /// What the cluster serves.
    Catalog(Catalog),
    /// What a watch says of its kind.
    Fact {
        /// The kind.
        kind: KindId,
        /// The watch it comes from; facts of an earlier watch of the kind are dropped.
        epoch: u64,
        /// When it arrived.
        received: Instant,
        /// What it says.
        fact: Fact,
        /// Its part of what facts that wait may take.
        room: Option<OwnedSemaphorePermit>,
    },
    /// What the API server says of itself.
    ApiServer(ApiServer),
    /// The definitions of the cluster were heard of: what it serves is known until now.
    Discovered,
    /// A Control. One that can't be read is there, and has no verdict.
    Control(Fed<Result<Arc<Control>, InvalidObject>>),
    /// What is wrong with the spec of a Control that can't be read: its verdict.
    UnreadableControl(ObjectKey, Box<Verdict>),
    /// How a `ControlException` stands whose spec can't be read.
    UnreadableException(ObjectKey, ExceptionState),
    /// A `ControlException`.
    Exception(Fed<Result<Arc<ControlException>, InvalidObject>>),
}

/// What a watch says of its kind.
#[derive(Debug)]
pub enum Fact {
    /// A list begins.
    Begin,
    /// It holds this object.
    Stage(ProjectedObject),
    /// It is complete, judged by these programs.
    Commit(Vec<ProgramId>),
    /// An object came or changed.
    Apply(ProjectedObject),
    /// An object went.
    Remove {
        /// Its namespace.
        namespace: Symbol,
        /// Its name.
        name: Symbol,
    },
    /// The kind can't be read: it is refused, or not served.
    Unavailable(Availability),
    /// The watch spoke: everything that happened until then is known.
    Heard,
    /// The list or watch fails with this error and is tried again. Whether the kind is stale is
    /// decided by when it was heard of last.
    Trouble(String),
}
