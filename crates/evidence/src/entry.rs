//! What an entry of the log says, and its one text. Pure.
//!
//! An entry is a JSON object with sorted keys, no fractions and RFC 3339 UTC times of whole
//! seconds:
//! `{"at":…,"data":{…},"epoch":…,"operatorTime":…,"serverTime":…,"subject":{"kind":…,"name":…},
//! "type":…,"v":1}`, the two times where they are known.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    data::{
        AttestationData, EntryFinding, GapData, Heartbeat, ObjectChange, OperatorData, StoredData,
        VerdictData,
    },
    inventory::InventoryData,
    register::RegisterData,
    usage::UsageData,
};
use comptroller_vocabulary::{
    canonical::{self, CanonicalError},
    closed_enum, whole_seconds,
};

/// The version of the form of an entry.
pub const ENTRY_VERSION: u8 = 1;

/// The largest entry, in bytes: tlog-tiles gives its length 16 bits in a bundle.
pub const MAX_ENTRY: usize = 65_535;

closed_enum! {
    /// What an entry is about.
    pub enum EntryType {
        /// A control changed state, or its set of findings changed.
        Verdict = "verdict",
        /// A control is still as it was.
        Heartbeat = "heartbeat",
        /// A control was declared, changed or deleted.
        ControlChanged = "control-changed",
        /// An exception was asked for, approved, used, or ended.
        Exception = "exception",
        /// An occurrence of a human control changed phase, or was attested.
        Attestation = "attestation",
        /// An access review campaign changed phase.
        Campaign = "campaign",
        /// A reviewer decided on one grant of a campaign.
        Decision = "decision",
        /// A grant was revoked after a decision.
        Revocation = "revocation",
        /// A lesson was completed, or fell due.
        Training = "training",
        /// A person came, moved or left.
        Person = "person",
        /// The operator started, stopped, or began to lead.
        Operator = "operator",
        /// Evaluation was not possible between two times.
        Gap = "gap",
        /// An audit period was declared, changed, closed or deleted.
        AuditPeriod = "audit-period",
        /// The labels of a namespace, by which scopes select, changed.
        Namespace = "namespace",
        /// A guard of the evidence came into force, changed or is gone.
        Guard = "guard",
        /// Management responded to a deviation.
        Response = "response",
        /// What was read of the cluster, once a day, with the facts of all objects.
        Inventory = "inventory",
        /// Who used which right, by the audit events of the API server.
        Usage = "usage",
        /// What came, went and changed in a register, such as that of all grants.
        Register = "register",
    }
}

/// What an entry is about: a kind and a name, never a person's.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntrySubject {
    /// Such as `Control`, `ControlException`, `Operator` or `Cluster`.
    pub kind: String,
    /// The name of the object; of the operator, its instance.
    pub name: String,
}

impl EntrySubject {
    /// The subject of entries about an object of a kind.
    pub fn new(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), name: name.to_owned() }
    }

    /// The subject of entries about a control.
    pub fn control(name: &str) -> Self {
        Self::new("Control", name)
    }
}

/// One entry of the log: a leaf of its tree, once it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it was observed, in whole seconds. It never falls within a log.
    pub at: Timestamp,
    /// What the clocks said when it was written.
    pub clock: ClockReading,
    /// Which leadership wrote it: it never falls within a log.
    pub epoch: u64,
    /// What it is about.
    pub subject: EntrySubject,
    /// What it says of that, by the type of the entry.
    pub data: Data,
}

/// What clocks said when an entry was written, in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockReading {
    /// The API server's time (the `Date` of its newest response, and the time since then by the
    /// monotonic clock). None when it has not answered of late, and in entries of older versions.
    pub server: Option<Timestamp>,
    /// The operator's own clock, where it says another second than the entry is dated by. None: the
    /// same.
    pub operator: Option<Timestamp>,
}

/// What an entry says, by its [type](EntryType).
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Verdict(Box<VerdictData>),
    Heartbeat(Box<Heartbeat>),
    ControlChanged(Box<ObjectChange>),
    Exception(Box<ObjectChange>),
    Attestation(Box<AttestationData>),
    Operator(Box<OperatorData>),
    Gap(GapData),
    Inventory(Box<InventoryData>),
    Usage(Box<UsageData>),
    Register(Box<RegisterData>),
    /// A change of an audit period, a namespace's labels, a guard or a response.
    Object(EntryType, Box<ObjectChange>),
    /// Data of any type that is too large for an entry: it lies beside the log under its digest.
    Stored(EntryType, StoredData),
    /// Data of a type that this version does not read, and keeps as it is.
    Other(EntryType, Value),
}

impl Data {
    /// The type of the entry.
    pub fn entry_type(&self) -> EntryType {
        match self {
            Self::Verdict(_) => EntryType::Verdict,
            Self::Heartbeat(_) => EntryType::Heartbeat,
            Self::ControlChanged(_) => EntryType::ControlChanged,
            Self::Exception(_) => EntryType::Exception,
            Self::Attestation(_) => EntryType::Attestation,
            Self::Operator(_) => EntryType::Operator,
            Self::Gap(_) => EntryType::Gap,
            Self::Inventory(_) => EntryType::Inventory,
            Self::Usage(_) => EntryType::Usage,
            Self::Register(_) => EntryType::Register,
            Self::Object(type_, _) | Self::Stored(type_, _) | Self::Other(type_, _) => *type_,
        }
    }

    /// The data of a type, from its JSON: an entry's `data`, or what was stored beside the log.
    pub fn parse(type_: EntryType, data: Value) -> Result<Self, serde_json::Error> {
        if let Some(stored) = StoredData::recognise(&data) {
            return Ok(Self::Stored(type_, stored));
        }
        Self::of_type(type_, data)
    }

    /// As [`parse`](Self::parse), from the text.
    pub fn parse_text(type_: EntryType, data: &str) -> Result<Self, serde_json::Error> {
        // Every type that is read typed has a field that stored data lacks, so what can be read as
        // its type is not stored.
        let read = Self::of_type(type_, &mut serde_json::Deserializer::from_str(data));
        match &read {
            Ok(Self::Other(_, value)) => Ok(match StoredData::recognise(value) {
                Some(stored) => Self::Stored(type_, stored),
                None => return read,
            }),
            Ok(_) => read,
            Err(_) => match serde_json::from_str(data) {
                Ok(stored) => Ok(Self::Stored(type_, stored)),
                Err(_) => read,
            },
        }
    }

    fn of_type<'de, D: Deserializer<'de>>(type_: EntryType, data: D) -> Result<Self, D::Error> {
        Ok(match type_ {
            EntryType::Verdict => Self::Verdict(Deserialize::deserialize(data)?),
            EntryType::Heartbeat => Self::Heartbeat(Deserialize::deserialize(data)?),
            EntryType::ControlChanged => Self::ControlChanged(Deserialize::deserialize(data)?),
            EntryType::Exception => Self::Exception(Deserialize::deserialize(data)?),
            EntryType::Attestation => Self::Attestation(Deserialize::deserialize(data)?),
            EntryType::Operator => Self::Operator(Deserialize::deserialize(data)?),
            EntryType::Gap => Self::Gap(Deserialize::deserialize(data)?),
            EntryType::Inventory => Self::Inventory(Deserialize::deserialize(data)?),
            EntryType::Usage => Self::Usage(Deserialize::deserialize(data)?),
            EntryType::Register => Self::Register(Deserialize::deserialize(data)?),
            EntryType::AuditPeriod
            | EntryType::Namespace
            | EntryType::Guard
            | EntryType::Response => Self::Object(type_, Deserialize::deserialize(data)?),
            EntryType::Campaign
            | EntryType::Decision
            | EntryType::Revocation
            | EntryType::Training
            | EntryType::Person => Self::Other(type_, Deserialize::deserialize(data)?),
        })
    }

    /// The JSON of the data.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Verdict(data) => serde_json::to_value(data),
            Self::Heartbeat(data) => serde_json::to_value(data),
            Self::ControlChanged(data) | Self::Exception(data) | Self::Object(_, data) => {
                serde_json::to_value(data)
            }
            Self::Attestation(data) => serde_json::to_value(data),
            Self::Operator(data) => serde_json::to_value(data),
            Self::Gap(data) => serde_json::to_value(data),
            Self::Inventory(data) => serde_json::to_value(data),
            Self::Usage(data) => serde_json::to_value(data),
            Self::Register(data) => serde_json::to_value(data),
            Self::Stored(_, data) => serde_json::to_value(data),
            Self::Other(_, data) => Ok(data.clone()),
        }
    }

    /// The canonical text of the data.
    pub fn to_text(&self) -> Result<String, CanonicalError> {
        match self {
            Self::Verdict(data) => verdict_text(data),
            _ => canonical::to_string(&self.to_value()?),
        }
    }
}

/// As [`canonical::to_string`] has it, but a finding at a time: a tree of the values of 5,000 takes
/// ten times as much memory as their text.
fn verdict_text(data: &VerdictData) -> Result<String, CanonicalError> {
    let VerdictData { added, removed, .. } = data;
    let Value::Object(fields) = serde_json::to_value(data.without_findings())? else {
        return canonical::to_string(data);
    };
    let mut texts = BTreeMap::new();
    for (key, value) in fields {
        texts.insert(key, canonical::to_string(&value)?);
    }
    for (key, findings) in [("added", added), ("removed", removed)] {
        if !findings.is_empty() {
            texts.insert(key.to_owned(), list_text(findings)?);
        }
    }
    let length = texts.iter().map(|(key, text)| key.len() + text.len() + 4).sum::<usize>();
    let mut whole = String::with_capacity(length + 2);
    for (key, text) in texts {
        whole.push(if whole.is_empty() { '{' } else { ',' });
        whole.push_str(&serde_json::to_string(&key)?);
        whole.push(':');
        whole.push_str(&text);
    }
    whole.push('}');
    Ok(whole)
}

fn list_text(findings: &[EntryFinding]) -> Result<String, CanonicalError> {
    let mut list = String::new();
    for finding in findings {
        list.push(if list.is_empty() { '[' } else { ',' });
        list.push_str(&canonical::to_string(finding)?);
    }
    list.push(']');
    Ok(list)
}

/// The form of an entry on the wire, its keys sorted. Its data is a text: canonical to write, and to
/// read since a log has millions of entries, and their type says what to read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wire<D> {
    at: Timestamp,
    data: D,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_time: Option<Timestamp>,
    subject: EntrySubject,
    #[serde(rename = "type")]
    type_: EntryType,
    v: u8,
}

/// Why a text is not an entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It has another form.
    #[error("it is not an entry: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a later version.
    #[error("it has version {0} and this program reads version 1: use a newer one")]
    Version(u8),
    /// Its data has no canonical text.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl Entry {
    /// The text of the entry: its leaf in the log. It may be longer than [`MAX_ENTRY`].
    pub fn to_text(&self) -> Result<String, EntryError> {
        let wire = Wire {
            at: whole_seconds(self.at),
            data: RawValue::from_string(self.data.to_text()?)?,
            epoch: self.epoch,
            operator_time: self.clock.operator.map(whole_seconds),
            server_time: self.clock.server.map(whole_seconds),
            subject: self.subject.clone(),
            type_: self.data.entry_type(),
            v: ENTRY_VERSION,
        };
        Ok(serde_json::to_string(&wire)?)
    }

    /// The entry of a text.
    pub fn parse(text: &[u8]) -> Result<Self, EntryError> {
        let wire: Wire<&RawValue> = serde_json::from_slice(text)?;
        if wire.v != ENTRY_VERSION {
            return Err(EntryError::Version(wire.v));
        }
        Ok(Self {
            at: wire.at,
            epoch: wire.epoch,
            clock: ClockReading { server: wire.server_time, operator: wire.operator_time },
            subject: wire.subject,
            data: Data::parse_text(wire.type_, wire.data.get())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{EntryFinding, OperatorEvent};
    use comptroller_vocabulary::{ResourceRef, Severity, State};

    fn verdict() -> Entry {
        let resource = ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRoleBinding".to_owned(),
            namespace: None,
            name: "legacy".to_owned(),
        };
        Entry {
            clock: ClockReading::default(),
            at: "2026-11-20T09:14:03.5Z".parse().unwrap(),
            epoch: 7,
            subject: EntrySubject::control("no-standing-cluster-admin"),
            data: Data::Verdict(Box::new(VerdictData {
                entered: Vec::new(),
                left: Vec::new(),
                population_digest: None,
                generation: 3,
                state: State::Failing,
                reason: "FindingsOpen".to_owned(),
                message: "1 of 2 fail, with 1 finding".to_owned(),
                since: "2026-11-20T09:14:03Z".parse().unwrap(),
                population: 2,
                failing: 1,
                excepted: 0,
                unknown: 0,
                findings: "sha256:00".to_owned(),
                population_list: None,
                added: vec![EntryFinding {
                    ending: None,
                    ending_detail: String::new(),
                    rule: "ClusterAdmin".to_owned(),
                    resource,
                    subject: Some("Group ops".to_owned()),
                    message: "holds cluster-admin".to_owned(),
                    severity: Severity::High,
                    since: "2026-11-20T09:14:03Z".parse().unwrap(),
                    exception: None,
                }],
                removed: Vec::new(),
            })),
        }
    }

    #[test]
    fn the_text_is_canonical_and_reads_back() {
        let text = verdict().to_text().unwrap();
        assert!(text.starts_with(r#"{"at":"2026-11-20T09:14:03Z","data":{"added":[{"message":"#));
        assert!(text.ends_with(
            r#""epoch":7,"subject":{"kind":"Control","name":"no-standing-cluster-admin"},"type":"verdict","v":1}"#
        ));
        let again = Entry::parse(text.as_bytes()).unwrap();
        assert_eq!(again.to_text().unwrap(), text);
    }

    #[test]
    fn a_text_that_is_written_in_parts_is_that_of_the_whole() {
        let Data::Verdict(mut data) = verdict().data else { panic!("no verdict") };
        let whole = |data: &VerdictData| canonical::to_string(data).unwrap();
        let parts = |data: &VerdictData| Data::Verdict(Box::new(data.clone())).to_text().unwrap();
        assert_eq!(parts(&data), whole(&data));
        data.removed = vec![data.added[0].clone(), data.added[0].clone()];
        data.message = "a \"quoted\" \u{1}".to_owned();
        assert_eq!(parts(&data), whole(&data));
        data.added.clear();
        data.removed.clear();
        assert_eq!(parts(&data), whole(&data));
    }

    #[test]
    fn a_later_version_and_an_unknown_field_are_refused() {
        let text = verdict().to_text().unwrap();
        let later = text.replace(r#""v":1}"#, r#""v":2}"#);
        assert!(matches!(Entry::parse(later.as_bytes()), Err(EntryError::Version(2))));
        let other = text.replace(r#""v":1}"#, r#""v":1,"w":0}"#);
        assert!(matches!(Entry::parse(other.as_bytes()), Err(EntryError::Json(_))));
    }

    #[test]
    fn what_is_stored_beside_the_log_is_told_from_what_is_not() {
        let entry = Entry {
            data: Data::Stored(
                EntryType::Verdict,
                StoredData { stored: "sha256:ab".to_owned(), bytes: 70_000 },
            ),
            ..verdict()
        };
        let text = entry.to_text().unwrap();
        assert!(matches!(
            Entry::parse(text.as_bytes()).unwrap().data,
            Data::Stored(EntryType::Verdict, _)
        ));
    }

    #[test]
    fn stored_data_is_recognised_whatever_its_type() {
        for type_ in EntryType::ALL {
            let text = r#"{"bytes":70000,"stored":"sha256:ab"}"#;
            let read = Data::parse_text(*type_, text).unwrap();
            assert!(matches!(read, Data::Stored(..)), "{type_}");
            assert_eq!(Data::parse(*type_, serde_json::from_str(text).unwrap()).unwrap(), read);
        }
        assert!(Data::parse_text(EntryType::Verdict, r#"{"stored":"sha256:ab"}"#).is_err());
    }

    #[test]
    fn types_of_later_programmes_are_kept_as_they_are() {
        let text = r#"{"at":"2026-11-20T09:14:03Z","data":{"phase":"Open"},"epoch":1,"subject":{"kind":"AccessReviewCampaign","name":"q4"},"type":"campaign","v":1}"#;
        let entry = Entry::parse(text.as_bytes()).unwrap();
        assert_eq!(entry.to_text().unwrap(), text);
    }

    #[test]
    fn an_operator_entry_reads_back() {
        let entry = Entry {
            subject: EntrySubject::new("Operator", "comptroller-0"),
            data: Data::Operator(Box::new(OperatorData::new(
                OperatorEvent::Started,
                "0.1.0".to_owned(),
            ))),
            ..verdict()
        };
        let text = entry.to_text().unwrap();
        assert_eq!(Entry::parse(text.as_bytes()).unwrap().data, entry.data);
    }
}
