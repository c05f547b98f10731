//! The criteria that a control serves: the 61 of SOC 2 by their ids, and those of other
//! frameworks as `FRAMEWORK:ID`. The titles are our own words; the AICPA's text never ships.

use std::{borrow::Cow, fmt, sync::LazyLock};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::invalid::{FieldPath, Problems};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// The category of the Trust Services Criteria that a report may include.
    pub enum Category {
        /// The common criteria, in every report.
        Security = "Security",
        /// The system is available when it is needed.
        Availability = "Availability",
        /// Confidential information is protected until it is destroyed.
        Confidentiality = "Confidentiality",
        /// Processing is complete, valid, accurate and on time.
        ProcessingIntegrity = "ProcessingIntegrity",
        /// Personal information is handled as promised.
        Privacy = "Privacy",
    }
}

closed_enum! {
    /// Who can provide the evidence for a criterion.
    pub enum EvidenceSource {
        /// The cluster alone can show it.
        Cluster = "Cluster",
        /// The cluster shows part of it, and people attest the rest.
        Both = "Both",
        /// Only people can attest it.
        Human = "Human",
    }
}

use Category::{Availability, Confidentiality, Privacy, ProcessingIntegrity, Security};
use EvidenceSource::{Both, Cluster, Human};

/// A criterion of SOC 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soc2Criterion {
    /// The id by which auditors know it, such as `CC6.1`.
    pub id: &'static str,
    /// The category it belongs to.
    pub category: Category,
    /// Who can provide the evidence.
    pub source: EvidenceSource,
    /// What it asks, in our words.
    pub title: &'static str,
}

const fn row(
    id: &'static str,
    category: Category,
    source: EvidenceSource,
    title: &'static str,
) -> Soc2Criterion {
    Soc2Criterion { id, category, source, title }
}

/// The Trust Services Criteria of 2017 with the points of focus of 2022, in their order.
#[rustfmt::skip]
pub const SOC2: [Soc2Criterion; 61] = [
    row("CC1.1", Security, Human, "People act with integrity, and a code of conduct is enforced."),
    row("CC1.2", Security, Human, "The oversight body is independent and active."),
    row("CC1.3", Security, Both, "Reporting lines, authority and responsibility are set."),
    row("CC1.4", Security, Both, "Competent people are hired, trained and kept."),
    row("CC1.5", Security, Both, "People are held accountable for their duties."),
    row("CC2.1", Security, Both, "Controls run on information of good quality."),
    row("CC2.2", Security, Both, "Duties and policies are communicated inside."),
    row("CC2.3", Security, Human, "Commitments are communicated outside."),
    row("CC3.1", Security, Both, "Objectives are clear enough to assess risk against."),
    row("CC3.2", Security, Both, "Risks are identified and analysed."),
    row("CC3.3", Security, Both, "The possibility of fraud is considered."),
    row("CC3.4", Security, Both, "Changes that affect controls are assessed."),
    row("CC4.1", Security, Cluster, "Controls are evaluated continuously and separately."),
    row("CC4.2", Security, Cluster, "Deficiencies reach the right people in time."),
    row("CC5.1", Security, Both, "Controls are chosen so that they mitigate risks."),
    row("CC5.2", Security, Cluster, "General controls over technology are in place."),
    row("CC5.3", Security, Both, "Policies are put into action."),
    row("CC6.1", Security, Cluster, "Logical access is designed to protect assets."),
    row("CC6.2", Security, Both, "Users are authorised before they get credentials, and removed when no longer authorised."),
    row("CC6.3", Security, Cluster, "Access follows roles, least privilege and segregation of duties."),
    row("CC6.4", Security, Human, "Physical access is restricted."),
    row("CC6.5", Security, Both, "Protection of an asset ends only after its data is unreadable."),
    row("CC6.6", Security, Cluster, "The boundary is defended against outsiders."),
    row("CC6.7", Security, Cluster, "Movement of data is restricted and protected."),
    row("CC6.8", Security, Cluster, "Unauthorised and malicious software is prevented or found."),
    row("CC7.1", Security, Cluster, "Configuration drift and new vulnerabilities are found."),
    row("CC7.2", Security, Cluster, "Anomalies are monitored."),
    row("CC7.3", Security, Both, "Events are evaluated, to tell incidents apart."),
    row("CC7.4", Security, Both, "Incidents are answered with a plan."),
    row("CC7.5", Security, Both, "Recovery from incidents is carried out."),
    row("CC8.1", Security, Both, "Changes are authorised, tested, approved and then deployed."),
    row("CC9.1", Security, Both, "The risk of business disruption is mitigated."),
    row("CC9.2", Security, Both, "Vendors and partners are managed."),
    row("A1.1", Availability, Cluster, "Capacity is managed."),
    row("A1.2", Availability, Cluster, "Environment, backup and recovery infrastructure are in place."),
    row("A1.3", Availability, Both, "Recovery is tested."),
    row("C1.1", Confidentiality, Both, "Confidential data is identified and kept safe."),
    row("C1.2", Confidentiality, Both, "Confidential data is destroyed in the end."),
    row("PI1.1", ProcessingIntegrity, Both, "The specification of processing is known."),
    row("PI1.2", ProcessingIntegrity, Both, "Inputs are complete and accurate."),
    row("PI1.3", ProcessingIntegrity, Both, "Processing follows the specification, and errors are handled."),
    row("PI1.4", ProcessingIntegrity, Both, "Outputs are complete, on time and for the right people."),
    row("PI1.5", ProcessingIntegrity, Both, "Stored inputs and outputs are protected."),
    row("P1.1", Privacy, Human, "A privacy notice is given and kept current."),
    row("P2.1", Privacy, Human, "Choices are offered and consent is obtained."),
    row("P3.1", Privacy, Human, "Collection is limited to what the objectives need."),
    row("P3.2", Privacy, Human, "Explicit consent is obtained where it is needed."),
    row("P4.1", Privacy, Both, "Use is limited to the purpose."),
    row("P4.2", Privacy, Both, "Personal data is kept only as long as needed."),
    row("P4.3", Privacy, Both, "Personal data is disposed of securely."),
    row("P5.1", Privacy, Human, "People get access to their data."),
    row("P5.2", Privacy, Human, "People get their data corrected."),
    row("P6.1", Privacy, Both, "Disclosure to third parties follows consent."),
    row("P6.2", Privacy, Human, "Authorised disclosures are recorded."),
    row("P6.3", Privacy, Human, "Unauthorised disclosures are recorded."),
    row("P6.4", Privacy, Human, "Vendors commit to privacy."),
    row("P6.5", Privacy, Human, "Vendors report breaches."),
    row("P6.6", Privacy, Human, "Breaches are notified."),
    row("P6.7", Privacy, Human, "People get an account of what was held and disclosed."),
    row("P7.1", Privacy, Human, "Personal data is accurate and complete."),
    row("P8.1", Privacy, Human, "Complaints are handled, and privacy is monitored and enforced."),
];

/// The longest id of a criterion, in characters.
pub const MAX_LENGTH: usize = 97;

/// How a criterion of another framework is written.
const OTHER_FRAMEWORK: &str = r"^[A-Z][A-Z0-9_-]{1,31}:[A-Za-z0-9.()_-]{1,64}$";

/// None if the pattern did not compile, which the tests would show.
static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(OTHER_FRAMEWORK).ok());

const HOW: &str = "write one of the 61 SOC 2 ids, such as CC6.1, A1.2 or PI1.3, or another \
                   framework and its id, such as ISO27001:A.5.15";

/// What a control serves: an id of SOC 2, or `FRAMEWORK:ID` of another framework.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Criterion(String);

impl Criterion {
    /// Any text; [`is_known`](Self::is_known) says whether it means something.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The criterion of SOC 2, when it is one.
    pub fn soc2(&self) -> Option<&'static Soc2Criterion> {
        SOC2.iter().find(|criterion| criterion.id == self.0)
    }

    /// Whether it is an id of SOC 2 or is written as one of another framework.
    pub fn is_known(&self) -> bool {
        self.soc2().is_some() || OTHER.as_ref().is_some_and(|other| other.is_match(&self.0))
    }

    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if !self.is_known() {
            problems.push(at, format!("{:?} is not a criterion", self.0), HOW);
        }
    }
}

impl From<&str> for Criterion {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for Criterion {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Criterion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A list rather than a pattern: CC6.9 looks right and does not exist.
        let ids = SOC2.map(|criterion| format!("'{}'", criterion.id)).join(", ");
        json_schema!({
            "type": "string",
            "maxLength": MAX_LENGTH,
            "x-kubernetes-validations": [{
                "rule": format!("self in [{ids}] || self.matches(r'{OTHER_FRAMEWORK}')"),
                "message": format!("unknown criterion: {HOW}"),
                "messageExpression": format!("\"'\" + self + \"' is not a criterion: {HOW}\""),
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_categories_have_their_known_sizes() {
        let count = |wanted| SOC2.iter().filter(|criterion| criterion.category == wanted).count();
        let sizes = Category::ALL.iter().map(|category| count(*category)).collect::<Vec<_>>();
        assert_eq!(sizes, [33, 3, 2, 5, 18]);
    }

    #[test]
    fn known_and_unknown_ids() {
        for id in ["CC6.1", "A1.3", "PI1.5", "P8.1", "ISO27001:A.5.15", "HIPAA:164.312(a)"] {
            assert!(Criterion::from(id).is_known(), "{id}");
        }
        for id in ["", "CC6.9", "cc6.1", "CC6.1 ", "CC10.1", "iso:1", "ISO:", "X:1", "ISO:a b"] {
            assert!(!Criterion::from(id).is_known(), "{id}");
        }
    }
}
