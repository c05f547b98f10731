//! What the engine's task is told.

use crate::{
    controllers::{guard::GuardEvent, kinds::EngineEvent},
    source::event::SourceEvent,
};
use comptroller_core::{
    api::{AuditPeriod, Control, ControlException, DeviationResponse},
    engine::{Verdict, exceptions::ExceptionState},
};
use comptroller_recorder::{ObjectKey, PeriodClosing};

/// What the engine's task is told.
#[derive(Debug)]
pub enum Command {
    /// An event of a source: a watched kind, discovery, or the API server's metrics.
    Source(SourceEvent),
    /// A Control. One that can't be read is there, and has no verdict.
    Control(EngineEvent<Control>),
    /// What is wrong with the spec of a Control that can't be read: its verdict.
    UnreadableControl(ObjectKey, Box<Verdict>),
    /// How a `ControlException` stands whose spec can't be read.
    UnreadableException(ObjectKey, ExceptionState),
    /// An `AuditPeriod`, whose changes are recorded. No verdict depends on one.
    AuditPeriod(EngineEvent<AuditPeriod>),
    /// That an audit period closes: to be recorded before its status says so.
    ClosePeriod(PeriodClosing),
    /// A `ControlException`. One that can't be read allows nothing.
    Exception(EngineEvent<ControlException>),
    /// A `DeviationResponse`, which is recorded.
    Response(EngineEvent<DeviationResponse>),
    /// Something that guards the evidence, such as an admission policy.
    Guard(GuardEvent),
}

impl From<SourceEvent> for Command {
    fn from(event: SourceEvent) -> Self {
        Self::Source(event)
    }
}
