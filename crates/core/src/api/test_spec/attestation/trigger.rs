//! `on`: the events that open occurrences, who of them may not attest, and what closes them.

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Duration, Severity,
    invalid::{FieldPath, Problems},
};
use comptroller_vocabulary::closed_enum;

/// The register of rights, whose items name the people of a grant.
const GRANTS: &str = "grants";

closed_enum! {
    /// What happened.
    pub enum EventKind {
        /// A person joined the company.
        PersonJoined = "PersonJoined",
        /// A person changed department, roles or manager.
        PersonMoved = "PersonMoved",
        /// A person left the company.
        PersonLeft = "PersonLeft",
        /// A control fails, and has failed for longerThan.
        ControlFailing = "ControlFailing",
        /// An item of a control began to fail after its first verdict, and no exception allows it.
        DeviationOpened = "DeviationOpened",
        /// An exception was approved.
        ExceptionGranted = "ExceptionGranted",
        /// Nobody could look for longerThan.
        EvidenceGap = "EvidenceGap",
        /// The break-glass account was used.
        BreakGlassUsed = "BreakGlassUsed",
        /// The spec of a control was changed.
        ControlChanged = "ControlChanged",
        /// A control was deleted.
        ControlDeleted = "ControlDeleted",
    }
}

closed_enum! {
    /// What happened to an item of a register.
    pub enum RegisterChange {
        /// It came.
        Added = "Added",
        /// It is another than before.
        Changed = "Changed",
        /// It went.
        Removed = "Removed",
    }
}

closed_enum! {
    /// A person of an event.
    pub enum BarredPerson {
        /// Whom the event is about: who got the right, joined, moved or left.
        Subject = "subject",
        /// Who granted what the event is about.
        Granter = "granter",
        /// Who asked for what the event is about.
        Requester = "requester",
    }
}

/// What opens an occurrence: an event, or a change of a register.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(
    validation = Rule::new("has(self.event) != has(self.register)")
        .message("must have exactly one of event and register"),
    validation = Rule::new("has(self.register) == has(self.change)")
        .message("register and change go together, such as {register: grants, change: Added}"),
    validation = Rule::new("!has(self.where) || has(self.register)")
        .message("where goes with register: it is about an item of it")
        .field_path(".where"),
    validation = Rule::new("!has(self.longerThan) || (has(self.event) && self.event in ['ControlFailing', 'EvidenceGap'])")
        .message("longerThan goes with ControlFailing and EvidenceGap, which last")
        .field_path(".longerThan"),
    validation = Rule::new("!has(self.severity) || (has(self.event) && self.event in ['ControlFailing', 'DeviationOpened'])")
        .message("severity goes with ControlFailing and DeviationOpened")
        .field_path(".severity")
)]
#[serde(rename_all = "camelCase")]
pub struct EventTrigger {
    /// The event. Instead of register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKind>,
    /// For ControlFailing and EvidenceGap: how long it must have lasted. If omitted, every one
    /// counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longer_than: Option<Duration>,
    /// For ControlFailing and DeviationOpened: the lowest severity that counts. If omitted, every
    /// one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The register whose items are watched, such as grants. Instead of event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]+$"))]
    pub register: Option<String>,
    /// What happens to an item of the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<RegisterChange>,
    /// A CEL expression over item, which must be true for the change to count, such as
    /// item.risk == 'High'. If omitted, every change counts.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub condition: Option<String>,
}

/// What completes an occurrence without anybody attesting.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClosedBy {
    /// The register that is looked at, such as grants.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]+$"))]
    pub register: String,
    /// A CEL expression over item and event. The occurrence is complete once it is true of no item
    /// of the register, such as item.person == event.person.
    #[schemars(length(min = 1, max = 4096))]
    pub empty: String,
}

impl EventTrigger {
    /// The trigger as a sentence names it: `the event ControlFailing`, `Added in the register grants`.
    pub fn describe(&self) -> String {
        match (self.event, &self.register, self.change) {
            (Some(event), ..) => format!("the event {event}"),
            (None, Some(register), Some(change)) => format!("{change} in the register {register}"),
            _ => "an event without a name".to_owned(),
        }
    }

    /// Whether such an event names a person of this part, so that they can be kept from attesting.
    pub fn names(&self, person: BarredPerson) -> bool {
        match (self.event, self.register.as_deref()) {
            (Some(EventKind::ExceptionGranted), _) => person != BarredPerson::Subject,
            (
                Some(
                    EventKind::PersonJoined
                    | EventKind::PersonMoved
                    | EventKind::PersonLeft
                    | EventKind::BreakGlassUsed,
                ),
                _,
            ) => person == BarredPerson::Subject,
            (None, Some(GRANTS)) => person != BarredPerson::Requester,
            _ => false,
        }
    }

    pub(super) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if self.event.is_some() == self.register.is_some() {
            problems.push(
                at,
                "exactly one of event and register says what opens an occurrence",
                "write one of them, such as event: ControlDeleted",
            );
        }
        if self.register.is_some() != self.change.is_some() {
            problems.push(
                &at.field("change"),
                "register and change go together",
                "write both, such as {register: grants, change: Added}, or neither",
            );
        }
        if self.condition.is_some() && self.register.is_none() {
            problems.push(
                &at.field("where"),
                "is about an item of a register, and no register is given",
                "leave it out",
            );
        }
        if let Some(length) = self.longer_than {
            let at = at.field("longerThan");
            length.validate(&at, problems);
            let lasts =
                matches!(self.event, Some(EventKind::ControlFailing | EventKind::EvidenceGap));
            if !lasts {
                problems.push(
                    &at,
                    format!("{} does not last", self.describe()),
                    "leave it out: it goes with ControlFailing and EvidenceGap",
                );
            }
        }
        let is_graded =
            matches!(self.event, Some(EventKind::ControlFailing | EventKind::DeviationOpened));
        if self.severity.is_some() && !is_graded {
            problems.push(
                &at.field("severity"),
                format!("{} has no severity", self.describe()),
                "leave it out: it goes with ControlFailing and DeviationOpened",
            );
        }
    }
}
