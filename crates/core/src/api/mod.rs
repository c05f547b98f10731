//! What users write: one file per kind and one per test, with their validation and nothing else.
//!
//! The types generate the schemas ([`schema`]), and the schemas check what comes from files
//! ([`structural`]), so a bound is written once. What a schema cannot say is in
//! `validate` of each spec, such as [`ControlSpec::validate`]; both sources name the field
//! and what to write instead. Pure: no client, clock or environment.

pub(crate) mod attestation;
pub(crate) mod audit_period;
pub mod condition;
pub mod control;
pub mod criteria;
mod duration;
pub(crate) mod exception;
mod frozen;
mod glob;
pub(crate) mod image_name;
pub mod invalid;
mod lenient;
mod metadata;
pub mod occurrence;
pub mod person;
pub mod rbac_verbs;
pub(crate) mod registry;
pub(crate) mod response;
mod risk;
pub mod schema;
pub(crate) mod selector;
mod standing;
pub mod structural;
pub mod test_spec;
pub mod time;

pub use attestation::{Artifact, Attestation, AttestationOutcome, AttestationSpec};
pub use audit_period::{
    AuditPeriod, AuditPeriodSpec, AuditPeriodStatus, Boundary, ComplementaryControl,
    MINIMUM_OBSERVATION, OutOfBoundary, PeriodControls, PeriodPhase, PointsOfFocus, ReportType,
    SubserviceMethod, SubserviceOrganization, System, SystemDescription,
};
pub use control::{
    Approvers, Control, ControlScope, ControlSpec, ControlStatus, Enforcement, EvidenceRef,
    Exclusion, MAX_FINDINGS, StatusFinding,
};
pub use criteria::Criterion;
pub use duration::Duration;
pub use exception::{
    ControlException, ControlExceptionSpec, ControlExceptionStatus, ExceptionPhase,
    ExceptionResource,
};
pub use glob::Glob;
pub use invalid::{InvalidField, InvalidSpec};
pub use occurrence::{
    MAX_OCCURRENCES, Occurrence, OccurrenceEvent, OccurrenceRecord, SHOWN_OCCURRENCES,
};
pub use person::{Identities, Person, PersonSpec, PersonStatus};
pub use response::{DeviatingItem, DeviationResponse, DeviationResponseSpec};
pub use risk::Risk;
pub use selector::Selector;
pub use standing::Standing;
pub use structural::unknown_fields;
pub use test_spec::{TestKind, TestSpec};

pub use comptroller_vocabulary::{OccurrencePhase, ResourceRef, Severity, State, canonical};

/// The API group of every kind.
pub const GROUP: &str = "comptroller.dev";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
