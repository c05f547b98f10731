//! Findings as the fold keeps them, and the digest of a set of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data::EntryFinding;
use comptroller_vocabulary::{ResourceRef, Severity, canonical};

/// What makes a finding the same one: all but its exception, since that may come and go.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct FindingKey {
    /// What was found, in one CamelCase word.
    pub rule: String,
    /// The object that was judged.
    pub resource: ResourceRef,
    /// The subject whose rights were judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl FindingKey {
    /// The key of a finding.
    pub fn of(finding: &EntryFinding) -> Self {
        Self {
            rule: finding.rule.clone(),
            resource: finding.resource.clone(),
            subject: finding.subject.clone(),
        }
    }
}

/// A finding that is open; its message is in the entry that opened it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OpenFinding {
    /// How bad it is.
    pub severity: Severity,
    /// When it was found first.
    pub since: Timestamp,
    /// The exception that allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// The entry that opened it, or that last changed its exception.
    pub entry: u64,
}

impl OpenFinding {
    /// A finding that an entry opened.
    pub fn new(index: u64, finding: &EntryFinding) -> Self {
        Self {
            severity: finding.severity,
            since: finding.since,
            exception: finding.exception.clone(),
            entry: index,
        }
    }

    /// As an entry has it, without its message.
    pub fn to_entry(&self, key: &FindingKey) -> EntryFinding {
        EntryFinding {
            ending: None,
            ending_detail: String::new(),
            rule: key.rule.clone(),
            resource: key.resource.clone(),
            subject: key.subject.clone(),
            message: String::new(),
            severity: self.severity,
            since: self.since,
            exception: self.exception.clone(),
        }
    }
}

/// The digest of a set of findings, as `VerdictData::findings` has it: the SHA-256 of the
/// canonical JSON of the sorted list of `[rule, apiVersion, kind, namespace, name, subject,
/// exception]`, with null for what is absent. Twice the same row counts once.
pub fn findings_digest(findings: &[EntryFinding]) -> String {
    let rows: BTreeSet<[Option<&str>; 7]> = findings
        .iter()
        .map(|finding| {
            let resource = &finding.resource;
            [
                Some(finding.rule.as_str()),
                Some(resource.api_version.as_str()),
                Some(resource.kind.as_str()),
                resource.namespace.as_deref(),
                Some(resource.name.as_str()),
                finding.subject.as_deref(),
                finding.exception.as_deref(),
            ]
        })
        .collect();
    // Lists of texts always have a JSON text, and it is canonical: there is no key to sort.
    canonical::sha256(&serde_json::to_vec(&rows).unwrap_or_default())
}

/// A map by [`FindingKey`] as a list, since JSON has texts for keys.
pub(super) mod list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{FindingKey, OpenFinding};

    type Findings = BTreeMap<FindingKey, OpenFinding>;

    pub fn serialize<S: Serializer>(findings: &Findings, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(findings)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Findings, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}
