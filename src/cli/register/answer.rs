//! A register as it is printed.

use jiff::Timestamp;
use serde::Serialize;

use comptroller_evidence::{
    fold::{
        register_windows::{RegisterBasis, RegisterRow},
        registers::RegisterGap,
    },
    register::Fields,
};
use comptroller_report::register_text;

/// What is or was in a register.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterAnswer {
    pub register: String,
    pub source: AnswerSource,
    /// When the register was not known, or not all of it.
    pub gaps: Vec<GapRow>,
    /// Entries that do not follow from those before them: something was left out, doubled or edited.
    pub faults: Vec<FaultRow>,
    /// How many items there are.
    pub count: usize,
    pub items: Vec<ItemRow>,
}

/// Where a register comes from, and of which time it is.
#[derive(Debug, Serialize)]
#[serde(tag = "from", rename_all = "camelCase")]
pub enum AnswerSource {
    /// The cluster, as it was read now.
    Cluster {
        /// The context of the kubeconfig; null inside a pod.
        context: Option<String>,
        at: Timestamp,
        kinds: Vec<KindRead>,
    },
    Log {
        /// The origin line of the log.
        origin: String,
        /// How many entries it has.
        size: u64,
        #[serde(flatten)]
        time: AnswerTime,
        basis: Box<RegisterBasis>,
    },
}

/// The time that a register is of.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum AnswerTime {
    At {
        at: Timestamp,
    },
    /// Of a window, which ends before `until`.
    Within {
        since: Timestamp,
        until: Timestamp,
    },
}

/// A kind that was read of the cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindRead {
    /// Such as `rolebindings.rbac.authorization.k8s.io`.
    pub kind: String,
    pub count: usize,
    /// Why not all of its objects are known; null where they are.
    pub why: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GapRow {
    /// Null: from the beginning of the log.
    pub from: Option<Timestamp>,
    /// Null: it goes on.
    pub to: Option<Timestamp>,
    pub reason: String,
    pub entry: Option<u64>,
    #[serde(skip)]
    sentence: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRow {
    pub entry: u64,
    pub fault: String,
}

/// An item, with when it came and went where a log says so.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ItemRow {
    Logged(Box<RegisterRow>),
    Derived { fields: Fields },
}

impl ItemRow {
    pub fn fields(&self) -> &Fields {
        match self {
            Self::Logged(row) => &row.fields,
            Self::Derived { fields } => fields,
        }
    }
}

impl GapRow {
    pub fn new(gap: RegisterGap) -> Self {
        let sentence = register_text::gap(&gap);
        let RegisterGap { from, to, reason, entry } = gap;
        Self { from, to, reason, entry, sentence }
    }
}

impl RegisterAnswer {
    /// What is not known of the register, each in a sentence; nothing if all of it is.
    pub fn unknown(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.gaps.iter().map(|gap| gap.sentence.clone()).collect();
        lines.extend(self.faults.iter().map(|FaultRow { entry, fault }| {
            format!("entry {entry} does not follow from those before it: {fault}")
        }));
        if let AnswerSource::Cluster { kinds, .. } = &self.source {
            let unread = kinds.iter().filter_map(|kind| Some((&kind.kind, kind.why.as_ref()?)));
            lines.extend(unread.map(|(kind, why)| format!("{kind}: {why}")));
        }
        lines
    }
}
