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

/// The longest an exception may run from its creation.
pub const MAX_LIFETIME_MONTHS: u8 = 12;

closed_enum! {
    /// Where an exception stands.
    #[derive(Default)]
    pub enum ExceptionPhase {
        /// It waits for its approval and excepts nothing.
        #[default]
        Pending = "Pending",
        /// It is approved and excepts what it names.
        Active = "Active",
        /// Its time is over, so it excepts nothing.
        Expired = "Expired",
        /// It breaks a rule that the condition Ready names, so it excepts nothing.
        Rejected = "Rejected",
        /// It is approved, but nothing that it names is failing.
        Unused = "Unused",
    }
}

/// What is to be excepted, why, until when, and who stands for it.
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
           another, and over at a date. Once written only the approval can be added; to change \
           it, write a new one.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Controls", type_ = "string", json_path = ".spec.controls"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expires"),
    printcolumn(name = "Approved-By", type_ = "string", json_path = ".spec.approvedBy"),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.matched"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = unchanging("ticket", INSTEAD),
    validation = unchanging("compensatingControl", INSTEAD),
    validation = unchanging("recordedBy", INSTEAD),
    validation = Rule::new("!has(self.approvedBy) || self.approvedBy != self.requestedBy")
        .message("approvedBy must be another person than requestedBy")
        .reason(Reason::FieldValueForbidden)
        .field_path(".approvedBy"),
    validation = Rule::new("!has(self.approvedBy) || !has(self.recordedBy) || self.approvedBy != self.recordedBy")
        .message("approvedBy must be another person than recordedBy")
        .reason(Reason::FieldValueForbidden)
        .field_path(".approvedBy"),
    validation = Rule::new("!has(oldSelf.approvedBy) || (has(self.approvedBy) && self.approvedBy == oldSelf.approvedBy)")
        .message("approvedBy is set once and then stays; write a new ControlException instead")
        .reason(Reason::FieldValueForbidden)
        .field_path(".approvedBy")
)]
#[serde(rename_all = "camelCase")]
pub struct ControlExceptionSpec {
    /// The names of the controls that the exception is from.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(validation = immutable("controls", INSTEAD))]
    pub controls: Vec<String>,
    /// The resources that are excepted; a finding is excepted when one of them fits.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = immutable("resources", INSTEAD))]
    pub resources: Vec<ExceptionResource>,
    /// Why the exception is needed.
    #[schemars(length(min = 1, max = 4096))]
    #[x_kube(validation = immutable("reason", INSTEAD))]
    pub reason: String,
    /// Where the exception is tracked: an address or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub ticket: Option<String>,
    /// What protects meanwhile in place of the control.
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
    /// When the exception is over, at most one year after its creation.
    #[x_kube(validation = immutable("expires", INSTEAD), validation = time::is_a_time())]
    #[serde(deserialize_with = "time::required")]
    pub expires: Time,
    /// Who approves the exception, another person than the requester. Set later, and only once;
    /// nothing is excepted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub approved_by: Option<String>,
}

/// Resources that are excepted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionResource {
    /// The kind of the resources.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Their names, where * is any text and ? one character.
    pub name: Glob,
    /// Their namespaces, where * is any text and ? one character. Absent: any namespace, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Glob>,
}

/// Where the exception stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct ControlExceptionStatus {
    /// The generation of the spec that was judged last.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// Pending waits for approval, Active excepts, Expired is over, Rejected breaks a rule that
    /// Ready names, Unused is approved but fits no finding.
    pub phase: ExceptionPhase,
    /// How many findings the exception covers.
    #[schemars(range(min = 0))]
    pub matched: i64,
    /// Ready says whether this generation was judged, and why it was rejected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

lenient!(ControlExceptionStatus);

/// What to do instead of changing a spec.
const INSTEAD: &str = "write a new ControlException that replaces this one";

impl ControlExceptionSpec {
    /// Everything that the API server would refuse, and what a schema cannot say. `created` is
    /// when the object was created, unknown for a file.
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
        if self.approved_by.is_some()
            && (self.approved_by.as_ref() == Some(&self.requested_by)
                || self.approved_by == self.recorded_by)
        {
            problems.push(
                &at.field("approvedBy"),
                "who requests or records an exception cannot approve it",
                "have another person approve",
            );
        }
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
                format!("{} is more than one year after the creation", self.expires.0),
                format!("write {latest} or earlier"),
            );
        } else if self.expires.0 <= created {
            problems.push(
                at,
                format!("{} was over when the exception was created", self.expires.0),
                "write a date to come",
            );
        }
    }
}
