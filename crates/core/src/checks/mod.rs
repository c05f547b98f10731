//! One file or folder per test: facts, its spec and a time in, judgements out. Pure.
//!
//! A check says what it reads, which items it judges, which of them a change can affect, and
//! judges one item at a time. It keeps no memory: the engine owns iteration, scope of objects,
//! population and what was found before, and calls `judge` again whenever it needs the words.

pub mod attestation;
pub mod backup;
pub mod cel;
pub mod encryption;
pub mod items;
pub mod pod_security;
pub mod rbac;
pub mod scope;
pub mod limit_counts;
pub mod workload;

use std::borrow::Cow;

use jiff::Timestamp;

use crate::{
    api::{Occurrence, ResourceRef, Severity, TestSpec},
    checks::{scope::Scope, limit_counts::LimitCounts},
    inventory::{Change, Inventory, ProgramId, Slot},
};

/// Something a check judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// An object. The engine judges it only when the control's scope admits its namespace.
    Object(Slot),
    /// A subject of the RBAC graph.
    Subject(u32),
    /// The cluster as such; the number tells apart what a check asks of it.
    Cluster(u32),
}

/// What a check needs to be known before it can judge anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A kind with facts.
    Kind {
        /// API group.
        group: Cow<'static, str>,
        /// Kind.
        kind: Cow<'static, str>,
        /// Whether the check is lost without it. An optional kind that is not served counts as empty;
        /// one that is served and may not be read makes the control unknown all the same.
        need: Need,
    },
    /// Kinds by the shape of an admission rule, judged by a CEL program.
    Program {
        /// API groups, or `*`.
        groups: Vec<String>,
        /// Versions, or `*`.
        versions: Vec<String>,
        /// Plurals, or `*`.
        resources: Vec<String>,
        /// The program that must have judged them.
        program: ProgramId,
        /// Optional: where their API group is not served, there is none of them.
        need: Need,
    },
    /// Resource types of which a rule of rights speaks, whose objects nobody reads.
    Types {
        /// The field of the rule.
        at: String,
        /// API groups, or `*`.
        groups: Vec<String>,
        /// Plurals with subresources, or `*`.
        resources: Vec<String>,
    },
    /// The metrics of the API server ([`Inventory::api_server`]). Never required: the check says what follows.
    ApiServer,
}

impl Read {
    /// A kind without which the check is lost.
    pub fn required(group: &'static str, kind: &'static str) -> Self {
        Self::Kind { group: group.into(), kind: kind.into(), need: Need::Required }
    }

    /// A kind that may be absent from the cluster.
    pub fn optional(group: &'static str, kind: &'static str) -> Self {
        Self::Kind { group: group.into(), kind: kind.into(), need: Need::Optional }
    }

    /// A kind whose absence is nothing to judge for a control that says `whenServed`.
    pub fn when_served(group: &'static str, kind: &'static str, when_served: bool) -> Self {
        Self::Kind { group: group.into(), kind: kind.into(), need: Need::of(when_served) }
    }
}

/// Whether a check can do without a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Not served means unknown.
    Required,
    /// Not served means that there is none.
    Optional,
}

impl Need {
    /// By the field `whenServed` of a test.
    pub fn of(when_served: bool) -> Self {
        if when_served { Self::Optional } else { Self::Required }
    }
}

/// What a check sees.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// All that is known.
    pub inventory: &'a Inventory,
    /// What the control asks about. The engine applies it to [`Item::Object`]; a check applies it
    /// to what lies inside other items, such as the namespaces of a subject's grants.
    pub scope: &'a Scope,
    /// The time of this evaluation.
    pub now: Timestamp,
    /// The occurrences of a human control, the oldest first; empty for the others.
    pub occurrences: &'a [Occurrence],
}

/// What was found about one item. Nothing found means that it passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// What is wrong, one for each rule and resource.
    pub failing: Vec<Finding>,
    /// What could not be judged, with the reason as the message.
    pub unknown: Vec<Finding>,
    /// When time alone changes this judgement: a certificate expires, a backup grows too old.
    pub valid_until: Option<Timestamp>,
    /// Whether something of it is left to the control that says who holds cluster-admin.
    pub referred: bool,
    /// Nothing can be said of the item yet: it is not of the population until `valid_until`.
    pub pending: bool,
    /// Whether the item counts towards a limit that the check judges by [`Check::judge_cluster`].
    pub limit_membership: LimitMembership,
}

/// Whether an item is one of those that a check limits the number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMembership {
    /// It is not.
    #[default]
    No,
    /// That can't be told.
    Possibly,
    /// It is.
    Yes,
}

/// One thing that is wrong, or that could not be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule's name, `CamelCase`; bounded, since it appears in metrics and reports.
    pub rule: Cow<'static, str>,
    /// Where the rule knows better than the control.
    pub severity: Option<Severity>,
    /// What to look at.
    pub resource: ResourceRef,
    /// Who, where the finding is about somebody: `User jane@corp`, `ServiceAccount prod/ci`.
    pub subject: Option<String>,
    /// What is wrong, for whom to mend it: names the object's field or the path of the right.
    pub message: String,
}

/// A control's test, made ready to judge: its spec compiled, nothing else.
pub trait Check: Send + Sync + std::fmt::Debug {
    /// What must be known.
    fn reads(&self) -> Vec<Read>;

    /// Every item there may be; `judge` decides which count.
    fn items(&self, context: &Context<'_>, visit: &mut dyn FnMut(Item));

    /// The items that a change can affect, at a cost that grows with the change. Called after the
    /// inventory took the change in; indexes say what it touched.
    fn affected(&self, context: &Context<'_>, change: &Change, visit: &mut dyn FnMut(Item));

    /// Judges one item; None when it is not of the population (or gone).
    fn judge(&self, context: &Context<'_>, item: Item) -> Option<Judgement>;

    /// Whether manifests can answer the test. False where only a cluster can: a backup that ran, a
    /// certificate that was issued, what people did.
    fn judges_manifests(&self) -> bool {
        true
    }

    /// Judges an [`Item::Cluster`], after all other items that changed. The engine keeps the limit_counts
    /// of those that count, so that a limit on 20,000 items costs no walk over them.
    fn judge_cluster(&self, context: &Context<'_>, part: u32, limit_counts: &LimitCounts) -> Option<Judgement> {
        let _ = limit_counts;
        self.judge(context, Item::Cluster(part))
    }

    /// Whether the control is about who holds cluster-admin and little else, so that others can
    /// leave that to it: one cause is one finding.
    fn is_cluster_admin_control(&self) -> bool {
        false
    }

    /// Whether it leaves who holds cluster-admin to such a control, which its scope then names.
    fn refers(&self) -> bool {
        false
    }
}

/// Reference to an object of the inventory, as findings name it.
pub fn reference(inventory: &Inventory, slot: Slot) -> Option<ResourceRef> {
    let object = inventory.get(slot)?;
    let resource = &inventory.kind_state(object.kind)?.resource;
    Some(ResourceRef {
        api_version: resource.api_version(),
        kind: resource.kind.clone(),
        namespace: (!object.namespace.is_empty()).then(|| object.namespace.to_string()),
        name: object.name.to_string(),
    })
}

/// Visits every object of these kinds: `items` of most checks.
pub fn visit_kinds(
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
pub fn visit_changed(change: &Change, visit: &mut dyn FnMut(Item)) {
    if let Change::Object { slot, .. } = change {
        visit(Item::Object(*slot));
    }
}

/// A test, compiled.
#[derive(Debug)]
pub struct Built {
    /// The check.
    pub check: Box<dyn Check>,
    /// The CEL program to run while objects are projected, if it is one.
    pub program: Option<(ProgramId, std::sync::Arc<comptroller_cel::Program>)>,
}

impl<C: Check + 'static> From<C> for Built {
    fn from(check: C) -> Self {
        Self { check: Box::new(check), program: None }
    }
}

/// Why a test can't be compiled. The text names the field and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The spec is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The spec may be right, but can't be evaluated here.
    #[error("{0}")]
    Unsupported(String),
}

/// Compiles a test: the registry of checks, one line each.
pub fn build(test: &TestSpec) -> Result<Built, BuildError> {
    let TestSpec { rbac, encryption, backup, workload, pod_security, cel, attestation } = test;
    let built = [
        rbac.as_ref().map(rbac::build),
        encryption.as_ref().map(encryption::build),
        backup.as_ref().map(backup::build),
        workload.as_ref().map(workload::build),
        pod_security.as_ref().map(pod_security::build),
        cel.as_ref().map(cel::build),
        attestation.as_ref().map(attestation::build),
    ];
    built.into_iter().flatten().next().unwrap_or_else(|| {
        Err(BuildError::Invalid("spec.test: no test is given; write one".to_owned()))
    })
}
