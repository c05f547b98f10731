//! Deviations: what was found, how it ended, and what management says to it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ReportedItem;
use comptroller_core::api::Severity;
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// How a deviation ended, or why its finding is gone. Only what was seen mended, deleted or excepted
    /// is over; of the others nobody saw the end.
    pub enum Ending {
        /// The item was judged as before, and was in order.
        Mended = "Mended",
        /// The object was deleted.
        ObjectGone = "ObjectGone",
        /// The item left the scope of the control: nobody saw it mended.
        LeftScope = "LeftScope",
        /// The test was edited and no longer asks for it: nobody saw it mended.
        RuleChanged = "RuleChanged",
        /// An exception was approved for it.
        Excepted = "Excepted",
        /// The control was suspended: nobody saw it mended.
        Suspended = "Suspended",
        /// The control was deleted: nobody saw it mended.
        ControlDeleted = "ControlDeleted",
        /// It was still so at the end of the period.
        Open = "Open",
        /// It is gone, and the log does not say why: an entry of an older version.
        NotRecorded = "NotRecorded",
    }
}

impl Ending {
    /// As sentences and tables have it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Mended => "mended",
            Self::ObjectGone => "the object was deleted",
            Self::LeftScope => "left the scope, not seen mended",
            Self::RuleChanged => "the rule was changed, not seen mended",
            Self::Excepted => "excepted",
            Self::Suspended => "the control was suspended, not seen mended",
            Self::ControlDeleted => "the control was deleted, not seen mended",
            Self::Open => "still open",
            Self::NotRecorded => "gone, the log does not say why",
        }
    }
}

/// A finding that was open in the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Deviation {
    /// What was found, in one CamelCase word.
    pub rule: String,
    /// The object that was judged.
    pub item: ReportedItem,
    /// The subject whose rights were judged; None for findings that are about an object alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// How bad it was then.
    pub severity: Severity,
    /// Since when; it may lie before the period.
    pub from: Timestamp,
    /// Until when; None when nobody saw it end in the period.
    pub to: Option<Timestamp>,
    /// How it ended, or why it is no longer found, or that it was still open.
    pub ending: Ending,
    /// What the ending rests on, in one sentence, such as a namespace's labels before and after.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ending_detail: String,
    /// When it was last found, where nobody saw it end; None where `to` says it or it was still found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_found: Option<Timestamp>,
    /// The exception that ended it; None if it ended otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Whether it is alone, comes back, or is one of many, by the report's rule.
    pub pattern: DeviationPattern,
    /// Why it came about, where that is known: by management's response, or since an edit of the
    /// control made it one.
    pub cause: Option<String>,
    /// Management's response; None where there is none.
    pub response: Option<ResponseReport>,
    /// The entry that opened it.
    pub opened_entry: u64,
    /// The entry that closed it, or in which it is no longer found; None while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_entry: Option<u64>,
}

impl Deviation {
    /// Whether nobody saw it end by the end of the period.
    pub fn is_open(&self) -> bool {
        self.to.is_none()
    }
}

/// Management's response to a deviation.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResponseReport {
    /// The name of the `DeviationResponse`.
    pub name: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// Why the deviation came about.
    pub cause: String,
    /// What is done about it.
    pub response: String,
    /// Who sees to it.
    pub owner: String,
    /// Who responded, as a pseudonym.
    pub responded_by: String,
    /// By when it is put right; None where the response does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrective_action_by: Option<String>,
    /// Whether the policies that bind a record to its author were in force then; None where that is
    /// not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_bound: Option<bool>,
    /// The entry that has it.
    pub entry: u64,
}

closed_enum! {
    /// What a deviation amounts to among those of its control.
    pub enum DeviationPattern {
        /// One, or few that have nothing to do with each other.
        Isolated = "Isolated",
        /// The same item deviated more than once.
        Recurring = "Recurring",
        /// A large share of the population deviated, or several did for the same cause.
        Systematic = "Systematic",
        /// The population is too small to count shares: the auditor judges.
        Judgement = "Judgement",
    }
}

/// The rule by which deviations are told apart, as data, so that every reader can apply it again, and
/// auditors their own. What a text of it lacks is as in [`DEVIATION_RULE`].
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DeviationRule {
    /// With fewer items in the population than this, shares say nothing, and the auditor judges.
    pub smallest_population: u64,
    /// Above this share of the population, in percent, deviations are systematic.
    pub systematic_above_percent: u64,
    /// This many deviations of a control with one known cause are systematic.
    pub systematic_same_cause: usize,
    /// This many deviations of one item are recurring.
    pub recurring_same_item: usize,
}

impl Default for DeviationRule {
    fn default() -> Self {
        DEVIATION_RULE
    }
}

/// The rule that reports use, unless who makes one gives another.
pub const DEVIATION_RULE: DeviationRule = DeviationRule {
    smallest_population: 10,
    systematic_above_percent: 5,
    systematic_same_cause: 2,
    recurring_same_item: 2,
};

impl DeviationRule {
    /// The rule in one sentence.
    pub fn text(&self) -> String {
        format!(
            "Deviations are systematic when more than {} % of the population deviated or {} have the same known cause, recurring when one item deviated {} times, and isolated otherwise; of fewer than {} items, the auditor judges.",
            self.systematic_above_percent,
            self.systematic_same_cause,
            self.recurring_same_item,
            self.smallest_population,
        )
    }
}
