//! `attestation`: a procedure that people perform regularly, or each time that something happens.

mod trigger;

use jiff::civil::Date;
use kube_core::{Reason, Rule};
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Duration,
    invalid::{FieldPath, Problems},
    time::is_a_time,
};
use comptroller_vocabulary::closed_enum;

pub use self::trigger::{BarredPerson, ClosedBy, EventKind, EventTrigger, RegisterChange};

/// The longest time between two occurrences, in months.
pub const MAX_EVERY_MONTHS: i64 = 120;

/// Calendar steps alone: not even `0d` beside them.
const EVERY: &str = "^([0-9]{1,3}(mo|y))+$";

closed_enum! {
    /// What a record must contain.
    pub enum RequiredPart {
        /// At least one artifact, with its digest.
        Artifact = "artifact",
        /// The version of what was reviewed.
        Version = "version",
        /// The people who took part.
        Participants = "participants",
    }
}

/// A procedure that people perform once in each period, or once for each event, and attest to with
/// an Attestation. An occurrence opens with its period, which follows the calendar in UTC, or with
/// its event, and is due when openFor has passed; after that it is late until the grace period ends,
/// and then it is missed for good.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(
    validation = Rule::new("!has(self.attesters) || !has(self.minAttesters) || has(self.attesters.groups) \
        || self.minAttesters <= size(self.attesters.users)")
        .message("minAttesters is greater than the number of attesters.users, so no occurrence could ever be completed")
        .field_path(".minAttesters"),
    validation = Rule::new("has(self.every) != has(self.on)").message(EVERY_OR_ON),
    validation = Rule::new("!has(self.on) || has(self.openFor)")
        .message("openFor is required with on: say how long an occurrence is open after its event, such as 5d")
        .field_path(".openFor"),
    validation = Rule::new("!has(self.on) || !has(self.start)")
        .message("start goes with every: an event opens its occurrence when it happens")
        .field_path(".start"),
    validation = Rule::new("has(self.on) || (!has(self.notBy) && !has(self.closedBy))")
        .message("notBy and closedBy go with on: a period of the calendar has nobody and nothing to name")
)]
#[serde(rename_all = "camelCase")]
pub struct AttestationTest {
    /// How often, in whole months or years from 1mo to 10y. With 1mo, 3mo, 6mo and 1y, the periods are
    /// calendar months, quarters, halves and years. Instead of on.
    #[schemars(extend("pattern" = EVERY))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,3}(mo|y))+$')")
        .message("must be whole months or years, such as 1mo, 3mo or 1y"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// What opens an occurrence, instead of every: each such event opens exactly one. In YAML the
    /// name of this field is written in quotes, "on", since kubectl reads a bare on as true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<EventTrigger>,
    /// A day on which a period begins, such as 2026-01-01, if periods do not follow the calendar.
    /// Occurrences count from this day on, even those before the control was created. If omitted,
    /// those that were due before the control was created do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 10, max = 10),
        regex(pattern = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"),
        extend("format" = "date")
    )]
    #[x_kube(validation = is_a_time())]
    pub start: Option<String>,
    /// How long an occurrence is open before it is due. Defaults to the whole period; required
    /// with on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_for: Option<Duration>,
    /// How long after it is due an occurrence counts as late rather than missed. If omitted, there is
    /// no grace period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// How long before it is due to send a reminder of an open occurrence. If omitted, no reminder is
    /// sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_before: Option<Duration>,
    /// Who may attest. If omitted, anyone who may create an Attestation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attesters: Option<Attesters>,
    /// How many different people must attest, from 1 to 16. Defaults to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub min_attesters: Option<i32>,
    /// What a record must contain in order to count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub requires: Vec<RequiredPart>,
    /// People of the event who may not attest. Only with on, and only those whom such an event
    /// names: requester and granter for ExceptionGranted, subject and granter for the register
    /// grants, subject for events of people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub not_by: Vec<BarredPerson>,
    /// What completes an occurrence without anybody attesting: the cluster itself shows that it is
    /// done. Only with on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<ClosedBy>,
}

/// Why a test has neither or both, and the likely cause.
const EVERY_OR_ON: &str = "must have exactly one of every and on; in YAML write \"on\" in quotes, since kubectl reads a bare on as true";

/// The people who may attest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.users) || has(self.groups)")
    .message("must have users or groups; leave attesters out to accept anyone who may create an Attestation"))]
#[serde(rename_all = "camelCase")]
pub struct Attesters {
    /// Their user names, as the API server knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub users: Vec<String>,
    /// Groups whose members may attest. Only the API server knows who is in a group, and only at the
    /// time of the request: the admission policy attestation-attesters checks it then. A record by
    /// somebody who is not among users notes that membership cannot be checked later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub groups: Vec<String>,
}

impl AttestationTest {
    /// How many months a period has: at least one, also where the spec is invalid.
    pub fn months(&self) -> i64 {
        let months = self.every.and_then(Duration::calendar_months);
        months.unwrap_or(1).clamp(1, MAX_EVERY_MONTHS)
    }

    /// The day on which a period begins. None if the spec has none, or none of the calendar.
    pub fn start_date(&self) -> Option<Date> {
        self.start.as_deref()?.parse().ok()
    }

    /// How many different people must attest; 1 where the spec does not say.
    pub fn min_attesters(&self) -> usize {
        self.min_attesters.and_then(|count| usize::try_from(count).ok()).unwrap_or(1).max(1)
    }

    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        match (self.every, &self.on) {
            (Some(every), None) => validate_every(every, &at.field("every"), problems),
            (None, Some(on)) => self.validate_on(on, at, problems),
            (Some(_), Some(_)) => problems.push(
                &at.field("every"),
                "an occurrence opens with its period or with its event, not with both",
                "write either every or \"on\"",
            ),
            (None, None) => problems.push(
                &at.field("every"),
                "neither a period nor an event opens an occurrence",
                "write every, such as 3mo, or \"on\" with an event; in YAML \"on\" needs its quotes, since kubectl reads a bare on as true",
            ),
        }
        if self.on.is_none() {
            for (field, is_given) in
                [("notBy", !self.not_by.is_empty()), ("closedBy", self.closed_by.is_some())]
            {
                if is_given {
                    problems.push(
                        &at.field(field),
                        "goes with \"on\": a period of the calendar has nobody and nothing to name",
                        "leave it out",
                    );
                }
            }
        }
        if let Some(start) = &self.start
            && self.start_date().is_none()
        {
            problems.push(
                &at.field("start"),
                format!("{start:?} is not a day of the calendar"),
                "write a day, such as 2026-01-01",
            );
        }
        for (field, length) in [
            ("openFor", self.open_for),
            ("grace", self.grace),
            ("remindBefore", self.remind_before),
        ] {
            if let Some(length) = length {
                self.validate_length(length, &at.field(field), problems);
            }
        }
        if let Some(attesters) = &self.attesters {
            self.validate_attesters(attesters, at, problems);
        }
    }

    /// What goes with an event, and what does not.
    fn validate_on(&self, on: &EventTrigger, at: &FieldPath, problems: &mut Problems) {
        on.validate(&at.field("on"), problems);
        if self.open_for.is_none() {
            problems.push(
                &at.field("openFor"),
                "is missing: an event alone does not say until when its occurrence is open",
                "write how long, such as 5d",
            );
        }
        if self.start.is_some() {
            problems.push(
                &at.field("start"),
                "goes with every: an event opens its occurrence when it happens",
                "leave it out",
            );
        }
        for person in &self.not_by {
            if !on.names(*person) {
                problems.push(
                    &at.field("notBy"),
                    format!("{} names no {person}", on.describe()),
                    format!("leave {person} out"),
                );
            }
        }
    }

    /// Refuses what lasts longer than a period: an occurrence would still be open when the next but one
    /// opens.
    fn validate_length(&self, length: Duration, at: &FieldPath, problems: &mut Problems) {
        length.validate(at, problems);
        let Some(every) = self.every else { return };
        // A month or a quarter that begins with February is the shortest there is, so what fits into
        // that one fits into all.
        let from = Date::constant(2026, 2, 1)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map_or(jiff::Timestamp::UNIX_EPOCH, |day| day.timestamp());
        // Compared by adding, since months have no fixed length.
        if length.add_to(from) > every.add_to(from) {
            problems.push(
                at,
                format!("{length} is longer than a period of {every}"),
                format!("write {every} or less"),
            );
        }
    }

    fn validate_attesters(&self, attesters: &Attesters, at: &FieldPath, problems: &mut Problems) {
        if attesters.users.is_empty() && attesters.groups.is_empty() {
            problems.push(
                &at.field("attesters"),
                "has neither users nor groups",
                "name who may attest, or leave attesters out to accept anyone who may create an Attestation",
            );
        } else if attesters.groups.is_empty() && attesters.users.len() < self.min_attesters() {
            problems.push(
                &at.field("minAttesters"),
                format!(
                    "{} people must attest, but only {} may",
                    self.min_attesters(),
                    attesters.users.len()
                ),
                "name more users, or lower minAttesters",
            );
        }
    }
}

fn validate_every(every: Duration, at: &FieldPath, problems: &mut Problems) {
    match every.calendar_months() {
        None => problems.push(
            at,
            format!("{every} is not made of whole months or years"),
            "write whole months or years, such as 1mo, 3mo or 1y",
        ),
        Some(months) if months > MAX_EVERY_MONTHS => {
            problems.push(at, format!("{every} is longer than 10y"), "write 10y or less");
        }
        Some(_) => {}
    }
}

/// Refuses that one of every and on replaces the other. It is a rule of the spec alone: a status has
/// tests in a list, where the API server can't compare.
pub(crate) fn same_trigger_rule() -> Rule {
    Rule::new(
        "!has(self.attestation) || !has(oldSelf.attestation) \
         || has(self.attestation.on) == has(oldSelf.attestation.on)",
    )
    .message("every and on cannot replace each other, since open occurrences would be lost; write another control")
    .reason(Reason::FieldValueForbidden)
    .field_path(".attestation.on")
}
