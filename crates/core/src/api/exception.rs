//! `ControlException`: a time-boxed exception for named resources, approved by a second person.
// Each printcolumn repeats the same keys.
#![allow(clippy::duplicated_attributes)]

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Duration, Glob, condition,
    frozen::{immutable, unchanging},
    invalid::{FieldPath, InvalidSpec, Problems},
    lenient::lenient,
    structural, time,
};
use comptroller_vocabulary::closed_enum;

/// How long an exception may last after its creation, in calendar months.
pub const MAX_LIFETIME_MONTHS: u8 = 12;

closed_enum! {
    /// The phase of an exception.
    #[derive(Default)]
    pub enum ExceptionPhase {
        /// It waits for approval, and excepts nothing yet.
        #[default]
        Pending = "Pending",
        /// It is approved and excepts what it names.
        Active = "Active",
        /// It has expired, so it excepts nothing.
        Expired = "Expired",
        /// It violates a rule that the condition Ready names, so it excepts nothing.
        Rejected = "Rejected",
        /// It is approved, but nothing that it names fails.
        Unused = "Unused",
    }
}

/// What is excepted, why, until when, and who answers for it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "comptroller.dev",
    version = "v1alpha1",
    kind = "ControlException",
    plural = "controlexceptions",
    singular = "controlexception",
    shortname = "ctlex",
    category = "comptroller",
    status = "ControlExceptionStatus",
    derive = "PartialEq",
    doc = "An exception from controls for named resources: requested by one person, approved by \
           another, and limited in time. Once it is written, only the approval can be added; to \
           change anything else, write a new one.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Controls", type_ = "string", json_path = ".spec.controls"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expires"),
    printcolumn(name = "Approved-By", type_ = "string", json_path = ".spec.approvedBy"),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.matched"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = unchanging("resources", INSTEAD),
    validation = unchanging("suspends", INSTEAD),
    validation = Rule::new("has(self.resources) != (has(self.suspends) && self.suspends)")
        .message("name the resources that are excepted, or set suspends to true, and not both")
        .reason(Reason::FieldValueInvalid)
        .field_path(".resources"),
    validation = unchanging("ticket", INSTEAD),
    validation = unchanging("compensatingControl", INSTEAD),
    validation = unchanging("recordedBy", INSTEAD),
    validation = Rule::new("!has(self.approvedBy) || self.approvedBy != self.requestedBy")
        .message("approvedBy must be a different person from requestedBy")
        .reason(Reason::FieldValueForbidden)
        .field_path(".approvedBy"),
    validation = Rule::new("!has(self.approvedBy) || !has(self.recordedBy) || self.approvedBy != self.recordedBy")
        .message("approvedBy must be a different person from recordedBy")
        .reason(Reason::FieldValueForbidden)
        .field_path(".approvedBy"),
    validation = Rule::new("!has(oldSelf.approvedBy) || (has(self.approvedBy) && self.approvedBy == oldSelf.approvedBy)")
        .message("approvedBy can only be set once; write a new ControlException instead")
        .reason(Reason::FieldValueForbidden)
        .field_path(".approvedBy")
)]
#[serde(rename_all = "camelCase")]
pub struct ControlExceptionSpec {
    /// The names of the controls that the exception applies to.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(validation = immutable("controls", INSTEAD))]
    pub controls: Vec<String>,
    /// The resources that are excepted. A finding is excepted if one of these entries matches it.
    /// Required unless suspends is true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub resources: Vec<ExceptionResource>,
    /// Approves that the controls are suspended (spec.suspend) while the exception is in force, instead
    /// of excepting resources. A suspension that nobody approved is reported as such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspends: bool,
    /// Why the exception is needed.
    #[schemars(length(min = 1, max = 4096))]
    #[x_kube(validation = immutable("reason", INSTEAD))]
    pub reason: String,
    /// Where the exception is tracked: the address or the number of a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub ticket: Option<String>,
    /// What protects the cluster in the meantime, instead of the control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub compensating_control: Option<String>,
    /// Who requests the exception: the user name that the API server knows.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = immutable("requestedBy", INSTEAD))]
    pub requested_by: String,
    /// Who wrote the exception on behalf of requestedBy: the user name that the API server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub recorded_by: Option<String>,
    /// When the exception expires, at most one year after its creation.
    #[x_kube(validation = immutable("expires", INSTEAD), validation = time::is_a_time())]
    #[serde(deserialize_with = "time::required")]
    pub expires: Time,
    /// Who approves the exception, a different person from the requester. It can be set later, but only
    /// once; until then nothing is excepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub approved_by: Option<String>,
}

/// The resources of one kind that are excepted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionResource {
    /// The kind of the resources.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Their names, where * matches any text and ? one character.
    pub name: Glob,
    /// Their namespaces, where * matches any text and ? one character. If omitted, any namespace, or
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Glob>,
}

/// The present state of the exception.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct ControlExceptionStatus {
    /// The generation of the spec that was last judged.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// Pending: waits for approval. Active: in force. Expired: over. Rejected: violates a rule that the
    /// condition Ready names. Unused: approved, but matches no finding.
    pub phase: ExceptionPhase,
    /// How many findings the exception covers.
    #[schemars(range(min = 0))]
    pub matched: i64,
    /// Ready says whether this generation was judged, and if it was rejected, why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

lenient!(ControlExceptionStatus);

/// What to do instead of changing a spec.
const INSTEAD: &str = "write a new ControlException that replaces this one";

impl ControlExceptionSpec {
    /// Checks everything that the API server would refuse, and what a schema cannot say. `created` is
    /// when the object was created; None for one from a file, whose lifetime can't be checked.
    pub fn validate(&self, created: Option<Timestamp>) -> Result<(), InvalidSpec> {
        let mut problems = Problems::default();
        let at = FieldPath::new("spec");
        structural::check_spec::<ControlException>(self, &mut problems);
        for (position, resource) in self.resources.iter().enumerate() {
            let at = at.field("resources").index(position);
            resource.name.validate(&at.field("name"), &mut problems);
            if let Some(namespace) = &resource.namespace {
                namespace.validate(&at.field("namespace"), &mut problems);
            }
        }
        if self.suspends != self.resources.is_empty() {
            problems.push(
                &at.field("resources"),
                "is what tells an exception for resources from the approval of a suspension",
                "name the resources that are excepted, or set suspends to true, and not both",
            );
        }
        // Whoever wrote it on behalf of another knows as much as the requester: neither is a second person.
        if self.approved_by.is_some()
            && (self.approved_by.as_ref() == Some(&self.requested_by)
                || self.approved_by == self.recorded_by)
        {
            problems.push(
                &at.field("approvedBy"),
                "is the person who requests or records the exception",
                "have another person approve it",
            );
        }
        // A file has no creation time; the API server sets one, and the operator checks again.
        if let Some(created) = created {
            self.validate_lifetime(created, &at.field("expires"), &mut problems);
        }
        problems.into_result()
    }

    fn validate_lifetime(&self, created: Timestamp, at: &FieldPath, problems: &mut Problems) {
        let latest = Duration::from_months(MAX_LIFETIME_MONTHS).add_to(created);
        if self.expires.0 > latest {
            problems.push(
                at,
                format!("{} is more than one year after the exception was created", self.expires.0),
                format!("write {latest} or earlier"),
            );
        } else if self.expires.0 <= created {
            problems.push(
                at,
                format!("{} is not after the creation of the exception", self.expires.0),
                "write a date in the future",
            );
        }
    }
}
