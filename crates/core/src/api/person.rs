//! `Person`: somebody who works here, with the names under which the cluster knows them.
// Each printcolumn repeats the same keys.
#![allow(clippy::duplicated_attributes)]

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    condition,
    invalid::{FieldPath, InvalidSpec, Problems},
    lenient::lenient,
    structural,
};

/// A day of the calendar as the API server checks it: the length of each month, and 29 February in
/// leap years alone.
pub const DAY_PATTERN: &str = concat!(
    "^([1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
    "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))",
    "|([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)$"
);

/// What begins the names of components of Kubernetes, which are nobody's.
const SYSTEM: &str = "system:";

/// Who somebody is, when they work here, and under which names the cluster knows them.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "comptroller.dev",
    version = "v1alpha1",
    kind = "Person",
    plural = "people",
    singular = "person",
    category = "comptroller",
    status = "PersonStatus",
    derive = "PartialEq",
    doc = "Somebody who works here: who they are, when they come and go, and under which names the \
           cluster knows them. It is personal data, which the evidence log holds as pseudonyms alone: \
           a Person can be deleted, and what was proved stays proved.",
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Department", type_ = "string", json_path = ".spec.department"),
    printcolumn(name = "Manager", type_ = "string", json_path = ".spec.manager"),
    printcolumn(name = "Start", type_ = "string", json_path = ".spec.startDate"),
    printcolumn(name = "End", type_ = "string", json_path = ".spec.endDate"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Usernames",
        type_ = "string",
        json_path = ".spec.identities.usernames",
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new("!has(self.startDate) || !has(self.endDate) || self.endDate >= self.startDate")
        .message("endDate must not be before startDate")
        .reason(Reason::FieldValueInvalid)
        .field_path(".endDate")
)]
#[serde(rename_all = "camelCase")]
pub struct PersonSpec {
    /// The name that people know them by.
    #[schemars(length(min = 1, max = 256))]
    pub display_name: String,
    /// Their e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 254))]
    #[x_kube(validation = Rule::new("self.contains('@') && !self.contains(' ')")
        .message("must be an e-mail address, such as jane@example.com"))]
    pub email: Option<String>,
    /// The names under which the cluster knows them.
    pub identities: Identities,
    /// The department that they work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub department: Option<String>,
    /// What they do, such as engineer or on-call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 128)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub roles: Vec<String>,
    /// Whom they report to: the name of that Person object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub manager: Option<String>,
    /// Their first day, written as YYYY-MM-DD. It begins at midnight UTC. If omitted, they have
    /// started already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10))]
    #[x_kube(validation = is_a_day())]
    pub start_date: Option<String>,
    /// Their last day, written as YYYY-MM-DD. It ends at midnight UTC. If omitted, they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10))]
    #[x_kube(validation = is_a_day())]
    pub end_date: Option<String>,
}

/// The names under which the cluster knows somebody, as its authenticator gives them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.usernames) || has(self.groups)")
    .message("must have usernames or groups: name what the cluster knows the person by"))]
#[serde(rename_all = "camelCase")]
pub struct Identities {
    /// Their user names, exactly as bindings and the API server write them. No two people who work
    /// here at the same time may have the same one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(
        validation = Rule::new("self.all(name, !name.contains('*') && !name.contains('?'))")
            .message("a user name is written out: it can't have * or ?"),
        validation = Rule::new("self.all(name, !name.startsWith('system:'))")
            .message("user names that begin with system: are parts of Kubernetes, and nobody's"),
        validation = Rule::new("self.all(name, !name.startsWith(' ') && !name.endsWith(' '))")
            .message("a user name can't begin or end with a space")
    )]
    pub usernames: Vec<String>,
    /// The groups that their identity provider puts them into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 128),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub groups: Vec<String>,
}

/// What is wrong with a Person beside the others.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct PersonStatus {
    /// The generation of the spec that was last judged.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// Ready says whether this generation was judged and agrees with every other Person: its manager
    /// exists, nobody reports to themselves, and no user name is shared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

lenient!(PersonStatus);

impl PersonSpec {
    /// Checks everything that the API server would refuse, for files that no API server has seen.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        let mut problems = Problems::default();
        let at = FieldPath::new("spec");
        structural::check_spec::<Person>(self, &mut problems);
        if let Some(email) = &self.email
            && (!email.contains('@') || email.contains(' '))
        {
            problems.push(
                &at.field("email"),
                "is not an e-mail address",
                "write one such as jane@example.com, or leave it out",
            );
        }
        self.identities.validate(&at.field("identities"), &mut problems);
        for (field, day) in [("startDate", &self.start_date), ("endDate", &self.end_date)] {
            if let Some(text) = day
                && parse_day(text).is_none()
            {
                problems.push(
                    &at.field(field),
                    format!("{text:?} is not a day of the calendar"),
                    "write it as YYYY-MM-DD",
                );
            }
        }
        if let (Some(start), Some(end)) = (&self.start_date, &self.end_date)
            && end < start
        {
            problems.push(
                &at.field("endDate"),
                format!("{end} is before startDate, {start}"),
                "write a later day, or leave it out while they stay",
            );
        }
        problems.into_result()
    }
}

impl Identities {
    fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if self.usernames.is_empty() && self.groups.is_empty() {
            problems.push(
                at,
                "has neither usernames nor groups",
                "name what the cluster knows the person by",
            );
        }
        for (position, name) in self.usernames.iter().enumerate() {
            if let Some((problem, remedy)) = problem_of_username(name) {
                problems.push(&at.field("usernames").index(position), problem, remedy);
            }
        }
    }
}

/// What is wrong with a user name beside its length, and what to write instead. None if it is one
/// that somebody can have.
pub fn problem_of_username(name: &str) -> Option<(&'static str, &'static str)> {
    if name.contains(['*', '?']) {
        return Some(("is a pattern", "write the user name out"));
    }
    if name.starts_with(SYSTEM) {
        return Some(("is a part of Kubernetes, and nobody's", "name a user of your own"));
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Some(("begins or ends with a space", "remove it"));
    }
    None
}

/// A rule that a text is a day.
fn is_a_day() -> kube_core::Rule {
    kube_core::Rule::new(format!("self.matches('{DAY_PATTERN}')"))
        .message("must be a day of the calendar, written as YYYY-MM-DD")
}

/// The day that a text of the form YYYY-MM-DD names; None if it names none.
pub fn parse_day(text: &str) -> Option<Date> {
    // The parser takes other forms as well, such as 20261130.
    let date: Date = text.parse().ok()?;
    (date.year() >= 1000 && date.to_string() == text).then_some(date)
}

/// The first instant of a day in UTC. Beyond the end of what can be represented, the last instant:
/// exports write 9999-12-31 for "never".
pub fn begin_of(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |begin| begin.timestamp())
}

/// The first instant after a day in UTC.
pub fn end_of(day: Date) -> Timestamp {
    day.tomorrow().map_or(Timestamp::MAX, begin_of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn the_days_of_the_pattern_are_those_of_the_calendar() {
        let pattern = Regex::new(DAY_PATTERN).unwrap();
        for year in [1000, 1900, 1999, 2000, 2023, 2024, 2026, 2100, 2400, 9996, 9999] {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    assert_eq!(pattern.is_match(&text), parse_day(&text).is_some(), "{text}");
                }
            }
        }
        for text in ["", "20261130", "2026-11-3", "0999-01-01", "2026-11-30T00:00:00Z", "soon"] {
            assert!(!pattern.is_match(text) && parse_day(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_day_is_over_at_midnight_utc() {
        let day = parse_day("2026-11-30").unwrap();
        assert_eq!(begin_of(day).to_string(), "2026-11-30T00:00:00Z");
        assert_eq!(end_of(day).to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(end_of(parse_day("9999-12-31").unwrap()), Timestamp::MAX);
    }

    proptest! {
        #[test]
        fn a_text_is_a_day_for_both_or_for_neither(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]") {
            let pattern = Regex::new(DAY_PATTERN).unwrap();
            prop_assert_eq!(pattern.is_match(&text), parse_day(&text).is_some());
        }
    }
}
