//! What the audit events of the API server came to over some minutes: who used which right, and when
//! last. No event is kept. It is not evidence of what the cluster holds, only of who did what.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use comptroller_vocabulary::{
    canonical::{self, CanonicalError},
    closed_enum,
};

/// The kind of the subject of entries about the audit stream, gaps of it included: they are no gaps
/// of what controls judge.
pub const AUDIT_STREAM: &str = "AuditStream";

/// The data of an entry of the type `usage`: the whole of a time, or a part of it where one entry would
/// be too long. Entries add up: of two days of a use the later counts, and numbers are summed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UsageData {
    /// Since when the stream is known to have been heard. In a time of which a gap of the stream tells it
    /// was not, even between the two.
    pub from: Timestamp,
    /// Until when it is known to have been heard.
    pub to: Timestamp,
    /// Which part of the time's entries it is, from 1.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// The SHA-256 of the canonical JSON of [`UsageFacts`]: of this part.
    pub digest: String,
    /// What became of the events of the time. In the first part; zero in the others.
    pub events: EventCounts,
    /// What was heard.
    #[serde(flatten)]
    pub facts: UsageFacts,
}

/// What became of events.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct EventCounts {
    /// Events that were reduced.
    pub taken: u64,
    /// Events that were heard before, by their identity.
    pub duplicates: u64,
    /// Events of requests that the API server refused: they are no use of a right.
    pub refused: u64,
    /// Events of another stage, or of no resource, which say nothing that is kept.
    pub other: u64,
    /// Events that lack a user, a verb, a time or a response, or whose time can't be.
    pub unclear: u64,
    /// Facts for which there was no room. While it is not 0, nothing is known not to have been used.
    pub overflow: u64,
}

impl EventCounts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            taken: self.taken.saturating_add(other.taken),
            duplicates: self.duplicates.saturating_add(other.duplicates),
            refused: self.refused.saturating_add(other.refused),
            other: self.other.saturating_add(other.other),
            unclear: self.unclear.saturating_add(other.unclear),
            overflow: self.overflow.saturating_add(other.overflow),
        }
    }
}

/// What was heard, each list sorted and without repetitions.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct UsageFacts {
    /// Rights that were used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_uses: Vec<LastUse>,
    /// Changes of objects that registers hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ObjectEdit>,
    /// Uses of break-glass access.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<BreakGlassUse>,
    /// Warnings of admission policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ShownWarning>,
    /// Reads of Secrets, and sessions in pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accesses: Vec<SensitiveAccess>,
}

impl UsageFacts {
    /// How many facts there are.
    pub fn len(&self) -> usize {
        let Self { last_uses, changes, break_glass, warnings, accesses } = self;
        last_uses.len() + changes.len() + break_glass.len() + warnings.len() + accesses.len()
    }

    /// Whether nothing was heard.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The SHA-256 of the canonical JSON.
    pub fn digest(&self) -> Result<String, CanonicalError> {
        canonical::digest(self)
    }
}

/// Who made a request.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct Requester {
    /// The user whose rights counted. In the log a pseudonym, unless it is a part of Kubernetes.
    pub user: String,
    /// The user who acted as the other one. None where nobody was impersonated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator: Option<String>,
}

/// A right, as a rule of a role names it, in one scope.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct UsedRight {
    /// The verb, such as `list`.
    pub verb: String,
    /// The API group; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The plural, with the subresource as in `pods/exec`.
    pub resource: String,
    /// The namespace. Empty for the whole cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// When somebody last used a right.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct LastUse {
    #[serde(flatten)]
    pub by: Requester,
    #[serde(flatten)]
    pub right: UsedRight,
    /// The day in UTC.
    pub day: Date,
}

/// Who changed an object: the same change of the same object by the same user is one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ObjectEdit {
    #[serde(flatten)]
    pub by: Requester,
    #[serde(flatten)]
    pub right: UsedRight,
    /// The name of the object. Empty where many were deleted at once, and where the API server made it up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u64,
}

/// A day on which somebody used access that is for emergencies.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassUse {
    #[serde(flatten)]
    pub by: Requester,
    /// What made it break-glass, as it was configured. In the log without the name of a person.
    pub by_rule: String,
    /// The day in UTC.
    pub day: Date,
    pub first: Timestamp,
    pub last: Timestamp,
    /// How many requests.
    pub count: u64,
}

/// A warning or note of an admission policy that somebody's requests got on a day.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ShownWarning {
    #[serde(flatten)]
    pub by: Requester,
    /// The name of the policy.
    pub policy: String,
    /// The name of its binding.
    pub binding: String,
    /// The day in UTC.
    pub day: Date,
    pub count: u64,
}

closed_enum! {
    /// What was read or entered.
    pub enum AccessKind {
        /// Secrets were read, listed or watched.
        SecretRead = "SecretRead",
        /// A command was run in a pod.
        Exec = "Exec",
        /// A session was attached to a pod.
        Attach = "Attach",
        /// A port of a pod was forwarded.
        PortForward = "PortForward",
    }
}

/// Reads of Secrets or sessions in pods, by user, namespace and day.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct SensitiveAccess {
    #[serde(flatten)]
    pub by: Requester,
    pub kind: AccessKind,
    /// The namespace. Empty for the whole cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The day in UTC.
    pub day: Date,
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_flat_and_reads_back() {
        let facts = UsageFacts {
            last_uses: vec![LastUse {
                by: Requester { user: "person:1".to_owned(), impersonator: None },
                right: UsedRight {
                    verb: "get".to_owned(),
                    resource: "secrets".to_owned(),
                    namespace: "prod".to_owned(),
                    ..UsedRight::default()
                },
                day: "2026-11-20".parse().unwrap(),
            }],
            ..UsageFacts::default()
        };
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        let data = UsageData {
            from: at,
            to: at,
            part: 1,
            parts: 1,
            digest: facts.digest().unwrap(),
            events: EventCounts::default(),
            facts,
        };
        let text = canonical::to_string(&data).unwrap();
        assert!(
            text.contains(r#""lastUses":[{"day":"2026-11-20","namespace":"prod","resource":"secrets","user":"person:1","verb":"get"}]"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<UsageData>(&text).unwrap(), data);
    }
}
