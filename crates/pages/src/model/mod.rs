//! What the pages are made of. Whoever serves them reads it; nothing here is read by a page itself.

mod fold;
mod log;

use std::sync::Arc;

use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, DeviationResponse,
};
use jiff::Timestamp;

pub use self::{
    fold::LogFold,
    log::{
        ControlHistory, ListedPopulation, LogGap, LogOperator, LogView, PopulationItem,
        ReadPopulation, TimelineEvent, TimelineFact, Verification, VouchedBy, Witnesses,
    },
};

/// A cluster as its pages show it: a snapshot, made for one request or shared by many.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name by which people know the cluster: of a kubeconfig its context, of an operator what it
    /// was told. Empty if nobody said; the pages then say "this cluster".
    pub cluster: String,
    /// When the site was put together. All ages and due dates on a page are counted from it.
    pub now: Timestamp,
    /// Who serves the pages, and with whose rights.
    pub served_by: ServedBy,
    /// The controls, in any order.
    pub controls: Source<Control>,
    /// The exceptions, in any order.
    pub exceptions: Source<ControlException>,
    /// What people attested, in any order.
    pub attestations: Source<Attestation>,
    /// What management said of deviations, in any order.
    pub responses: Source<DeviationResponse>,
    /// The audit periods, in any order.
    pub periods: Source<AuditPeriod>,
    /// What the controls are judged by, such as `pods` or `clusterroles.rbac.authorization.k8s.io`.
    /// Empty where whoever serves the pages does not judge.
    pub inputs: Vec<Input>,
    /// What the evidence log says; None where whoever serves the pages has no log. The pages then say
    /// that nothing on them is backed by a log that was read.
    pub log: Option<Arc<LogView>>,
    /// The newest population list of the control that [`shown_control`](crate::shown_control) names; None
    /// for another page, and where the log has no list.
    pub population: Option<ReadPopulation>,
    /// The signed checkpoint that the operator publishes in the cluster, as text; None if there is none,
    /// or it may not be read.
    pub published_checkpoint: Option<String>,
}

/// Who serves the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServedBy {
    /// The operator itself.
    Operator {
        /// The name of the pod or process.
        instance: String,
        /// The version of the program.
        version: String,
        /// Whether this process is the one that writes; the other keeps its facts warm.
        leads: bool,
    },
    /// A person's own process on their own machine.
    Person {
        /// The user as the API server knows them; empty if it did not say.
        user: String,
        /// The version of the program.
        version: String,
    },
}

/// All objects of one kind, with how well they are known.
#[derive(Clone, Debug)]
pub struct Source<T> {
    /// The objects, as far as they are known. Empty also if they could not be read: then `trouble` says
    /// why, and a page never takes it for "there is none".
    pub items: Vec<Arc<T>>,
    /// When the API server last said how things are: by a list, an event or a bookmark. None if never.
    pub heard: Option<Timestamp>,
    /// Why the objects can't be read at present, in one sentence that says what to do, such as what a
    /// 403 lacks. None if they can.
    pub trouble: Option<String>,
}

/// A kind of objects that controls are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The resource, as `kubectl` names it.
    pub name: String,
    /// When it was last heard from. None if never.
    pub heard: Option<Timestamp>,
    /// Why it can't be read at present, in one sentence. None if it can.
    pub trouble: Option<String>,
}

impl<T> Source<T> {
    /// Objects that were read at a time.
    pub fn read(items: Vec<Arc<T>>, heard: Timestamp) -> Self {
        Self { items, heard: Some(heard), trouble: None }
    }

    /// Objects that could not be read, and why.
    pub fn unreadable(trouble: String) -> Self {
        Self { items: Vec::new(), heard: None, trouble: Some(trouble) }
    }
}
