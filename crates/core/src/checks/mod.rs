//! One file or folder per test: facts, its spec and a time in, judgements out. Pure.
//!
//! A [`Check`] says what it reads, which items it judges, which of them a change can affect, and
//! judges one item at a time. It keeps no memory: the engine owns iteration, the scope of objects,
//! the population and what was found before, and calls `judge` again whenever it needs the texts of
//! findings, which it does not keep.

pub mod attestation;
pub mod backup;
pub mod cel;
pub mod encryption;
pub mod guards;
pub(crate) mod items;
pub mod limit_counts;
pub mod pod_security;
pub mod presence;
pub mod rbac;
pub mod results;
pub mod scope;
pub mod workload;

use std::borrow::Cow;

use jiff::Timestamp;

use crate::{
    api::{Occurrence, ResourceRef, Severity, TestSpec, test_spec::with_tests},
    checks::{limit_counts::LimitCounts, scope::ScopeFilter},
    inventory::{Change, Inventory, Object, Program, ProgramId, Slot},
};

/// What a check judges by itself: the unit of populations, and of what a change can affect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// An object. The engine judges it only when the control's scope admits its namespace.
    Object(Slot),
    /// A subject of the RBAC graph, by its number there.
    Subject(u32),
    /// What a report of another engine is about, by its number in
    /// [`ReportIndex`](crate::inventory::reports::ReportIndex). Its object need not be read.
    Reported(u32),
    /// Something of which the cluster has one, or which is no object; the number tells apart what a
    /// check asks of it, and means something to that check alone.
    Cluster(u32),
}

/// What a check needs to be known before it can judge anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// All objects of a kind, as facts.
    Kind { group: Cow<'static, str>, kind: Cow<'static, str>, need: Need },
    /// All objects of the kinds that an admission rule selects, read by a program.
    Program {
        /// The path of the rule in the control, for messages.
        at: &'static str,
        /// API groups, or `*`.
        groups: Vec<String>,
        /// API versions, or `*`.
        versions: Vec<String>,
        /// Plural names of resources, or `*`.
        resources: Vec<String>,
        /// The program that must have judged each of the objects.
        program: ProgramId,
        need: Need,
    },
    /// Resource types that a rule of rights names. Nobody reads their objects: discovery says
    /// whether the types exist, so that a misspelled one is not taken for a right that nobody holds.
    Types {
        /// The path of the rule in the control, for the message.
        at: String,
        /// API groups, or `*`.
        groups: Vec<String>,
        /// Plurals with subresources, or `*`.
        resources: Vec<String>,
    },
    /// At least one of these API groups, of which each holds what the check reads.
    AnyGroup {
        groups: Vec<&'static str>,
        /// What to do when none is served, as an imperative.
        remedy: &'static str,
    },
    /// The metrics of the API server ([`Inventory::api_server`]). Never required: the check itself
    /// says what follows when they can't be read.
    ApiServer,
}

impl Dependency {
    /// A kind without which the check is lost.
    pub fn required(group: &'static str, kind: &'static str) -> Self {
        Self::Kind { group: group.into(), kind: kind.into(), need: Need::Required }
    }

    /// A kind that may be absent from the cluster.
    pub fn optional(group: &'static str, kind: &'static str) -> Self {
        Self::Kind { group: group.into(), kind: kind.into(), need: Need::Optional }
    }

    /// A kind that is optional for a control that says `whenServed`, and required otherwise.
    pub fn when_served(group: &'static str, kind: &'static str, when_served: bool) -> Self {
        Self::Kind { group: group.into(), kind: kind.into(), need: Need::of(when_served) }
    }
}

/// What it means that a kind is not served. One that is served and may not be read makes the control
/// unknown all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The control is unknown.
    Required,
    /// There are no such objects.
    Optional,
}

impl Need {
    /// By the field `whenServed` of a test.
    pub fn of(when_served: bool) -> Self {
        if when_served { Self::Optional } else { Self::Required }
    }
}

/// All that a check may look at: the same context gives the same judgement.
#[derive(Clone, Copy, Debug)]
pub struct CheckContext<'a> {
    pub inventory: &'a Inventory,
    /// What the control asks about. The engine applies it to [`Item::Object`]; a check applies it
    /// to what lies inside other items, such as the namespaces of a subject's grants.
    pub scope: &'a ScopeFilter,
    /// The time of this evaluation, which stands for the clock.
    pub now: Timestamp,
    /// The occurrences of an `attestation` control, the oldest first; empty for the others.
    pub occurrences: &'a [Occurrence],
}

/// What was found about one item. Nothing found means that it passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What is wrong, one for each rule and resource.
    pub failing: Vec<Finding>,
    /// What could not be judged, with the reason as the message.
    pub unknown: Vec<Finding>,
    /// When time alone next changes this judgement: a certificate expires, a backup grows too old.
    /// None when only a change can.
    pub valid_until: Option<Timestamp>,
    /// Whether findings about cluster-admin are left to the control that says who holds it.
    pub deferred: bool,
    /// Nothing can be said of the item yet: it is not of the population until `valid_until`.
    pub pending: bool,
    /// Whether the item counts towards a limit that the check judges in [`Check::judge_cluster`].
    pub limit_membership: LimitMembership,
}

/// Whether an item is one of those that a check limits the number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMembership {
    #[default]
    No,
    /// It may be one, and what is known does not decide.
    Possibly,
    Yes,
}

/// One thing that is wrong, or that could not be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule's name, `CamelCase`. From a bounded set, since it becomes a label of metrics.
    pub rule: Cow<'static, str>,
    /// Where the rule knows better than the control; None for the control's own severity.
    pub severity: Option<Severity>,
    /// The object to look at, and what an exception would name.
    pub resource: ResourceRef,
    /// Who, where the finding is about somebody: `User jane@corp`, `ServiceAccount prod/ci`.
    pub subject: Option<String>,
    /// What is wrong and what to do about it, for whoever fixes it. Names the field of the object, or
    /// the path by which a right is held, and goes on after the resource: `has no label ...`.
    pub message: String,
}

/// A control's test, made ready to judge: its spec compiled, and nothing else.
///
/// # What implementers guarantee
///
/// * **Purity.** Every method is a function of the check, the context and its arguments: no clock
///   but [`CheckContext::now`], no I/O, no randomness, no memory of earlier calls. The order in which
///   objects lie in the inventory must not show in a judgement: whatever picks one of several sorts
///   them first, by name.
/// * **Completeness of `items`.** It visits every item for which `judge` could return `Some`. It may
///   visit more, and an item twice.
/// * **Completeness of `affected`.** It visits every item whose judgement the change may have changed,
///   those among them that are new or gone. One too many costs a judgement; one too few leaves a
///   wrong verdict until the control itself changes. Property tests feed changes in random
///   order and compare with a check that starts from scratch.
/// * **Truth of `valid_until`.** Without a change, `judge` returns the same judgement at every time
///   from `now` until just before it.
/// * **Unknown is not a pass.** What could not be read, or does not decide, is in
///   [`Judgement::unknown`] with the reason. An item that is left out for want of knowledge would be
///   a pass that nobody sees.
///
/// # What callers guarantee
///
/// * An item is judged only while everything in `reads` is known, other than optional kinds that are
///   not served. `items` and `affected` may be called earlier, and with any `now`: neither may depend
///   on it.
/// * The inventory has taken a change in before `affected` is called with it.
/// * Items that a change affects are judged before [`Check::judge_cluster`] is called, with the
///   counts as they then are.
/// * An [`Item::Object`] out of scope is not judged at all.
///
/// # Cost
///
/// `items` may walk over the inventory: it is called when a control appears or changes. `affected`
/// and `judge` are called for every change in a busy cluster; their cost must grow with what the
/// change touches, by the indexes of the inventory, and not with the cluster.
pub trait Check: Send + Sync + std::fmt::Debug {
    /// What must be known before this check can judge. The same for the lifetime of the check.
    fn reads(&self) -> Vec<Dependency>;

    /// Visits every item that there may be; `judge` decides which of them count.
    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item));

    /// Visits the items that a change can affect.
    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item));

    /// Judges one item. None when it is not of the population: it is gone, it is not of this check,
    /// or the test is not about it. Such an item is counted nowhere, and what was found of it before
    /// is over.
    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement>;

    /// Whether manifests can answer the test. False where only a cluster can: a backup that ran, a
    /// certificate that was issued, what people did.
    fn judges_manifests(&self) -> bool {
        true
    }

    /// Judges an [`Item::Cluster`], after all other items that changed. The engine keeps the counts
    /// of the items that count towards a limit, so that a limit on 20,000 items costs no walk over
    /// them.
    fn judge_cluster(
        &self,
        context: &CheckContext<'_>,
        part: u32,
        limit_counts: &LimitCounts,
    ) -> Option<Judgement> {
        let _ = limit_counts;
        self.judge(context, Item::Cluster(part))
    }

    /// Whether the control is about who holds cluster-admin and little else, so that others can
    /// leave that to it: one cause is one finding.
    fn is_cluster_admin_control(&self) -> bool {
        false
    }

    /// Whether it leaves findings about cluster-admin to such a control, which
    /// [`ScopeFilter::cluster_admin`] then names.
    fn defers_cluster_admin(&self) -> bool {
        false
    }
}

/// An object of the inventory as findings name it; None when the slot is empty.
pub fn reference(inventory: &Inventory, slot: Slot) -> Option<ResourceRef> {
    reference_of(inventory, inventory.get(slot)?)
}

/// An object, which may be gone, as findings name it; None when its kind is of another inventory.
pub fn reference_of(inventory: &Inventory, object: &Object) -> Option<ResourceRef> {
    let resource = &inventory.kind_state(object.kind)?.resource;
    Some(ResourceRef {
        api_version: resource.api_version(),
        kind: resource.kind.clone(),
        namespace: (!object.namespace.is_empty()).then(|| object.namespace.to_string()),
        name: object.name.to_string(),
    })
}

/// Visits every object of these kinds: `items` of most checks.
pub(crate) fn visit_kinds(
    inventory: &Inventory,
    kinds: &[(&'static str, &'static str)],
    visit: &mut dyn FnMut(Item),
) {
    for (group, kind) in kinds {
        for (slot, _) in inventory.objects_of(group, kind) {
            visit(Item::Object(slot));
        }
    }
}

/// Visits the object that changed: `affected` of a check that judges objects by themselves.
pub(crate) fn visit_changed(change: &Change, visit: &mut dyn FnMut(Item)) {
    if let Change::Object { slot, .. } = change {
        visit(Item::Object(*slot));
    }
}

/// A test made ready for the engine.
#[derive(Debug)]
pub struct Built {
    pub check: Box<dyn Check>,
    /// The program to run while objects are projected; None of a test that judges facts alone.
    pub program: Option<(ProgramId, std::sync::Arc<Program>)>,
}

impl<C: Check + 'static> From<C> for Built {
    fn from(check: C) -> Self {
        Self { check: Box::new(check), program: None }
    }
}

/// Why a test can't be compiled. The text names the field and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The spec is wrong, wherever it is evaluated.
    #[error("{0}")]
    Invalid(String),
    /// The API server may take the spec, and this engine can't evaluate it.
    #[error("{0}")]
    Unsupported(String),
}

/// Compiles a test. What is not in the table of tests ([`crate::api::test_spec`]) has no check, and
/// what is there without a folder here does not compile.
pub fn build(test: &TestSpec) -> Result<Built, BuildError> {
    macro_rules! build_given {
        ($(
            $(#[doc = $meaning:literal])+
            $kind:ident = $key:literal => $(#[doc = $doc:literal])+ $field:ident: $spec:ty,
        )+) => {
            // A check's folder is called like the field of its spec.
            [$(test.$field.as_ref().map($field::build)),+]
        };
    }
    // A spec with several tests never comes here: validation refuses it.
    with_tests!(build_given).into_iter().flatten().next().unwrap_or_else(|| {
        Err(BuildError::Invalid("spec.test: no test is given; write one".to_owned()))
    })
}
