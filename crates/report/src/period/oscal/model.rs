//! The part of the OSCAL 1.2.1 assessment-results model (NIST) that a report uses. Lists are left
//! out when they are empty: the schema wants one item at least.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// The version of the model.
pub const OSCAL_VERSION: &str = "1.2.1";

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OscalDocument {
    pub assessment_results: AssessmentResults,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AssessmentResults {
    pub uuid: Uuid,
    pub metadata: OscalMetadata,
    pub import_ap: OscalReference,
    pub results: [ResultSet; 1],
    pub back_matter: BackMatter,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OscalMetadata {
    pub title: String,
    pub last_modified: Timestamp,
    pub version: String,
    pub oscal_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub props: Vec<Property>,
    pub links: Vec<Link>,
    pub roles: Vec<OscalRole>,
    pub parties: Vec<Party>,
    pub responsible_parties: Vec<ResponsibleParty>,
    pub remarks: String,
}

#[derive(Serialize)]
pub(super) struct Link {
    pub href: String,
    pub rel: &'static str,
    pub text: &'static str,
}

#[derive(Serialize)]
pub(super) struct OscalRole {
    pub id: &'static str,
    pub title: &'static str,
}

#[derive(Serialize)]
pub(super) struct Party {
    pub uuid: Uuid,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ResponsibleParty {
    pub role_id: &'static str,
    pub party_uuids: Vec<Uuid>,
}

/// A named text of ours: a name alone would claim to be NIST's.
#[derive(Serialize, Clone)]
pub(super) struct Property {
    pub name: &'static str,
    pub ns: &'static str,
    pub value: String,
}

#[derive(Serialize)]
pub(super) struct OscalReference {
    pub href: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ResultSet {
    pub uuid: Uuid,
    pub title: String,
    pub description: String,
    pub start: Timestamp,
    pub end: Timestamp,
    pub props: Vec<Property>,
    pub local_definitions: LocalDefinitions,
    pub reviewed_controls: ReviewedControls,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<OscalRisk>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<OscalFinding>,
}

#[derive(Serialize)]
pub(super) struct LocalDefinitions {
    pub components: Vec<OscalComponent>,
}

#[derive(Serialize)]
pub(super) struct OscalComponent {
    pub uuid: Uuid,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: String,
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub props: Vec<Property>,
    pub status: ComponentStatus,
}

#[derive(Serialize)]
pub(super) struct ComponentStatus {
    pub state: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ReviewedControls {
    pub control_selections: [ControlSelection; 1],
}

/// A report with criteria in scope names them; one without any can only say all.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ControlSelection {
    Some {
        #[serde(rename = "include-controls")]
        include: Vec<ControlId>,
    },
    All {
        #[serde(rename = "include-all")]
        include: Nothing,
    },
}

#[derive(Serialize)]
pub(super) struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ControlId {
    pub control_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Observation {
    pub uuid: Uuid,
    pub title: String,
    pub description: String,
    pub props: Vec<Property>,
    pub methods: [Method; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<&'static str>,
    pub origins: [Origin; 1],
    pub subjects: [OscalSubject; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relevant_evidence: Vec<OscalEvidence>,
    pub collected: Timestamp,
}

#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    /// The program tested it in the cluster.
    Test,
    /// What people attested was looked at.
    Examine,
    /// Nothing was examined or tested in that time.
    Unknown,
}

#[derive(Serialize)]
pub(super) struct Origin {
    pub actors: [Actor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Actor {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub actor_uuid: Uuid,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OscalSubject {
    pub subject_uuid: Uuid,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

#[derive(Serialize)]
pub(super) struct OscalEvidence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub props: Vec<Property>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OscalRisk {
    pub uuid: Uuid,
    pub title: String,
    pub description: String,
    pub statement: String,
    pub props: Vec<Property>,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remediations: Vec<OscalRemediation>,
    pub related_observations: Vec<RelatedObservation>,
}

/// What management says that it does about a risk.
#[derive(Serialize)]
pub(super) struct OscalRemediation {
    pub uuid: Uuid,
    pub lifecycle: &'static str,
    pub title: String,
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub props: Vec<Property>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OscalFinding {
    pub uuid: Uuid,
    pub title: String,
    pub description: String,
    pub props: Vec<Property>,
    pub target: OscalTarget,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_observations: Vec<RelatedObservation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_risks: Vec<RelatedRisk>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct OscalTarget {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(rename = "target-id")]
    pub id: String,
    pub status: TargetStatus,
}

#[derive(Serialize)]
pub(super) struct TargetStatus {
    pub state: &'static str,
    pub reason: &'static str,
    pub remarks: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RelatedObservation {
    pub observation_uuid: Uuid,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RelatedRisk {
    pub risk_uuid: Uuid,
}

#[derive(Serialize)]
pub(super) struct BackMatter {
    pub resources: Vec<OscalResource>,
}

#[derive(Serialize)]
pub(super) struct OscalResource {
    pub uuid: Uuid,
    pub title: &'static str,
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rlinks: Vec<OscalReference>,
}
