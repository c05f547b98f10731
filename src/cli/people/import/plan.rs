//! What an import would do to the people of a cluster. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{
    columns::Field,
    issue::Issues,
    rows::{Export, overlap},
};
use comptroller_core::api::{Person, PersonSpec};

/// What becomes of people who are in the cluster and not in the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nobody has said: they are told, and nothing is done.
    Ask,
    /// They stay as they are.
    Keep,
    /// Their last day is this one.
    End(String),
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Create this Person.
    Create(String, Box<PersonSpec>),
    /// Change these fields of the spec, by a merge patch.
    Change { name: String, uid: String, patch: Value, told: Vec<String> },
    /// Set the last day.
    End { name: String, uid: String, day: String },
}

/// All that an import does.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// How many people are as the export says.
    pub unchanged: usize,
    /// Who is not in the export and has no last day, by name.
    pub missing: Vec<String>,
}

impl Step {
    /// The name of the Person.
    pub fn name(&self) -> &str {
        match self {
            Self::Create(name, _) | Self::Change { name, .. } | Self::End { name, .. } => name,
        }
    }
}

/// Whoever is in the cluster and not in the export.
pub fn others(export: &Export, people: &[Person]) -> Vec<(String, PersonSpec)> {
    let named: HashSet<&str> = export.rows.iter().map(|row| row.name.as_str()).collect();
    let others = people.iter().filter_map(|person| {
        let name = person.metadata.name.clone()?;
        (!named.contains(name.as_str())).then(|| (name, person.spec.clone()))
    });
    others.collect()
}

/// Compares an export, whose managers are resolved, with the cluster. Fields that the export does not
/// have stay as they are.
pub fn plan(export: &Export, people: &[Person], missing: &Missing, issues: &mut Issues) -> Plan {
    let known: BTreeMap<&str, &Person> = people
        .iter()
        .filter_map(|person| Some((person.metadata.name.as_deref()?, person)))
        .collect();
    let mut plan = Plan::default();
    let named: HashSet<&str> = export.rows.iter().map(|row| row.name.as_str()).collect();
    let absent: Vec<&Person> = known
        .iter()
        .filter(|(name, _)| !named.contains(**name))
        .map(|(_, person)| *person)
        .collect();
    check_identities(export, &absent, missing, issues);
    for row in &export.rows {
        let Some(person) = known.get(row.name.as_str()) else {
            plan.steps.push(Step::Create(row.name.clone(), Box::new(row.spec.clone())));
            continue;
        };
        if is_somebody_else(export, &person.spec, &row.spec) {
            issues.row(
                row.line,
                "the row",
                format!("the Person {} of the cluster has another address and other user names", row.name),
                "map a column with a number of each person (--map id=COLUMN), or correct that Person",
            );
            continue;
        }
        let (patch, told) = changes(export, &person.spec, &row.spec);
        if told.is_empty() {
            plan.unchanged += 1;
        } else {
            let uid = person.metadata.uid.clone().unwrap_or_default();
            plan.steps.push(Step::Change { name: row.name.clone(), uid, patch, told });
        }
    }
    for person in absent.into_iter().filter(|person| stays(&person.spec)) {
        let name = person.metadata.name.clone().unwrap_or_default();
        if let Missing::End(day) = missing {
            if person.spec.start_date.as_ref().is_some_and(|start| start > day) {
                issues.push(
                    None,
                    format!("--missing end={day}"),
                    format!("the first day of {name} is later"),
                    "give a later day, keep who is missing, or delete that Person",
                );
            }
            let uid = person.metadata.uid.clone().unwrap_or_default();
            plan.steps.push(Step::End { name: name.clone(), uid, day: day.clone() });
        }
        plan.missing.push(name);
    }
    plan
}

/// Whether nothing says that somebody leaves. Exports write the year 9999 for "never".
fn stays(spec: &PersonSpec) -> bool {
    spec.end_date.as_ref().is_none_or(|end| end.starts_with("9999"))
}

/// Whether an object of a name that was made from an address or a user name is of another person.
fn is_somebody_else(export: &Export, known: &PersonSpec, row: &PersonSpec) -> bool {
    let is_given = export.columns.has(Field::Name) || export.columns.has(Field::Id);
    let shared =
        known.identities.usernames.iter().any(|one| row.identities.usernames.contains(one));
    let same_email = known.email.is_some() && known.email == row.email;
    !is_given && !shared && !same_email
}

/// A user name of the export may not be that of somebody who stays in the cluster beside it.
fn check_identities(export: &Export, absent: &[&Person], missing: &Missing, issues: &mut Issues) {
    let mut claims: HashMap<&str, Vec<(&Person, PersonSpec)>> = HashMap::new();
    for person in absent {
        let mut spec = person.spec.clone();
        if let Missing::End(day) = missing
            && stays(&spec)
        {
            spec.end_date = Some(day.clone());
        }
        for username in &person.spec.identities.usernames {
            claims.entry(username).or_default().push((person, spec.clone()));
        }
    }
    for row in &export.rows {
        for username in &row.spec.identities.usernames {
            let other = claims.get(username.as_str()).into_iter().flatten();
            let mut other = other.filter(|(_, spec)| overlap(spec, &row.spec));
            if let Some((person, _)) = other.next() {
                let name = person.metadata.name.as_deref().unwrap_or_default();
                issues.row(
                    row.line,
                    "the row",
                    format!("{username:?} is also a user name of the Person {name} of the cluster, who is not in the export"),
                    "remove it from that Person, or end or delete that Person",
                );
            }
        }
    }
}

/// What differs, as a merge patch of the spec and as texts. Only fields that the export has.
fn changes(export: &Export, known: &PersonSpec, row: &PersonSpec) -> (Value, Vec<String>) {
    let has = |field| export.columns.has(field);
    let by_email = !has(Field::Username);
    let fields: [(&str, bool, Value, Value); 8] = [
        ("displayName", true, json!(known.display_name), json!(row.display_name)),
        ("email", has(Field::Email), json!(known.email), json!(row.email)),
        ("department", has(Field::Department), json!(known.department), json!(row.department)),
        ("roles", has(Field::Roles), list(&known.roles), list(&row.roles)),
        ("manager", has(Field::Manager), json!(known.manager), json!(row.manager)),
        ("startDate", has(Field::StartDate), json!(known.start_date), json!(row.start_date)),
        ("endDate", has(Field::EndDate), json!(known.end_date), json!(row.end_date)),
        (
            "usernames",
            // An address is one user name of several that somebody may have been given by hand.
            !by_email
                || !row
                    .identities
                    .usernames
                    .iter()
                    .all(|one| known.identities.usernames.contains(one)),
            list(&known.identities.usernames),
            list(&row.identities.usernames),
        ),
    ];
    let mut patch = Map::new();
    let mut identities = Map::new();
    let mut told = Vec::new();
    let groups = (
        "groups",
        has(Field::Groups),
        list(&known.identities.groups),
        list(&row.identities.groups),
    );
    for (name, given, before, after) in fields.into_iter().chain([groups]) {
        if !given || before == after {
            continue;
        }
        told.push(format!("{name}: {} -> {}", shown(&before), shown(&after)));
        if ["usernames", "groups"].contains(&name) {
            identities.insert(name.to_owned(), after);
        } else {
            patch.insert(name.to_owned(), after);
        }
    }
    if !identities.is_empty() {
        patch.insert("identities".to_owned(), identities.into());
    }
    (patch.into(), told)
}

/// A list as a spec has it: an empty one is absent.
fn list(texts: &[String]) -> Value {
    if texts.is_empty() { Value::Null } else { json!(texts) }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::people::import::{
        managers::resolve,
        rows::{Reading, read},
    };

    fn person(name: &str, spec: Value) -> Person {
        serde_json::from_value(json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "Person",
            "metadata": {"name": name, "uid": format!("uid-{name}")}, "spec": spec,
        }))
        .unwrap()
    }

    fn planned(text: &str, people: &[Person], missing: &Missing) -> (Plan, Issues) {
        let mut issues = Issues::default();
        let mut export = read(text, &Reading::default(), &mut issues);
        let others = others(&export, people);
        resolve(&mut export, &others, &mut issues);
        let plan = plan(&export, people, missing, &mut issues);
        (plan, issues)
    }

    #[test]
    fn what_differs_is_changed_and_nothing_else() {
        let people = [
            person(
                "1",
                json!({"displayName": "Sam", "identities": {"usernames": ["sam"], "groups": ["board"]}}),
            ),
            person(
                "2",
                json!({"displayName": "Jane", "identities": {"usernames": ["jane"]}, "endDate": "2026-01-01", "roles": ["a"]}),
            ),
            person(
                "3",
                json!({"displayName": "Gone", "identities": {"usernames": ["gone"]}, "endDate": "2025-01-01"}),
            ),
            person(
                "4",
                json!({"displayName": "Lost", "identities": {"usernames": ["lost"]}, "manager": "1"}),
            ),
        ];
        let text = "id,name,username,manager,end\n1,Sam,sam,,\n2,Jane D,jane,4,\n5,New,new,sam,\n";
        let (plan, issues) = planned(text, &people, &Missing::Keep);
        assert!(issues.is_empty(), "{issues}");
        assert_eq!((plan.unchanged, plan.missing), (1, vec!["4".to_owned()]));
        let [Step::Change { name, uid, patch, told }, Step::Create(new, spec)] =
            plan.steps.as_slice()
        else {
            panic!("{:?}", plan.steps)
        };
        assert_eq!((name.as_str(), uid.as_str()), ("2", "uid-2"));
        // A field that the export has and leaves empty is removed; roles are not in it.
        assert_eq!(*patch, json!({"displayName": "Jane D", "manager": "4", "endDate": null}));
        assert_eq!(
            told.join(", "),
            "displayName: Jane -> Jane D, manager: - -> 4, endDate: 2026-01-01 -> -"
        );
        assert_eq!((new.as_str(), spec.manager.as_deref()), ("5", Some("1")));
        let (plan, _) = planned(text, &people, &Missing::End("2026-11-30".to_owned()));
        let end = Step::End { name: "4".into(), uid: "uid-4".into(), day: "2026-11-30".into() };
        assert_eq!(plan.steps.last(), Some(&end));
    }

    #[test]
    fn nobody_is_taken_for_another() {
        let people = [person(
            "jane.c",
            json!({"displayName": "J", "email": "other@c", "identities": {"usernames": ["other"]}}),
        )];
        let (_, issues) = planned("name,email\nJane,jane@c\n", &people, &Missing::Keep);
        assert!(issues.to_string().contains("has another address"), "{issues}");
        let people = [person(
            "x",
            json!({"displayName": "J", "identities": {"usernames": ["jane@c"]}, "startDate": "2027-01-01"}),
        )];
        let (_, issues) = planned("name,email\nJane,jane@c\n", &people, &Missing::Keep);
        assert!(issues.to_string().contains("a user name of the Person x"), "{issues}");
        let (_, issues) =
            planned("name,email\nJoe,joe@c\n", &people, &Missing::End("2026-11-30".into()));
        assert!(issues.to_string().contains("the first day of x is later"), "{issues}");
    }
}
