//! Lists of populations: their lines, the digest of their members, and how comings and goings carry
//! one list over to the next. Pure, and all that an auditor needs to follow a population in time.

use std::collections::{BTreeMap, BTreeSet};

use crate::data::PopulationChange;
use comptroller_vocabulary::{ResourceRef, canonical};

/// How many columns tell the members of a population: all but the digest of the facts.
const MEMBER_COLUMNS: usize = 5;

/// A line of a list, without its line feed: `apiVersion`, `kind`, `namespace`, `name`, `uid` and the
/// digest of the facts, parted by tabs. What is not known is empty.
pub fn line(item: &ResourceRef, uid: Option<&str>, facts: Option<&str>) -> String {
    let ResourceRef { api_version, kind, namespace, name } = item;
    let namespace = namespace.as_deref().unwrap_or_default();
    let (uid, facts) = (uid.unwrap_or_default(), facts.unwrap_or_default());
    [api_version.as_str(), kind, namespace, name, uid, facts].map(field).join("\t")
}

/// A group's name may hold anything, and a tab or the end of a line would make it two.
fn field(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Who is in a population: the lines of its list without the digests of the facts.
///
/// A list with the comings and goings after it gives the members at any later time; their digest is
/// in each verdict and heartbeat, so that nothing can have been left out in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(BTreeSet<String>);

impl Members {
    /// The members of a list, of any version.
    pub fn of_list(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.is_empty()).map(member).collect())
    }

    /// Takes in what came and what left, as one entry says it.
    pub fn apply(&mut self, entered: &[PopulationChange], left: &[PopulationChange]) {
        // Within a second the order is not known, and it need not be: coming and leaving alternate,
        // so that what came more often than it left is there.
        let mut moved: BTreeMap<String, i64> = BTreeMap::new();
        let changes = entered.iter().map(|change| (change, 1));
        for (change, step) in changes.chain(left.iter().map(|change| (change, -1))) {
            let line = member(&line(&change.item, change.uid.as_deref(), None));
            *moved.entry(line).or_default() += step;
        }
        for (line, steps) in moved {
            match steps.signum() {
                1 => drop(self.0.insert(line)),
                -1 => drop(self.0.remove(&line)),
                _ => {}
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// The lines, sorted, each with `apiVersion`, `kind`, `namespace`, `name` and `uid`.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The SHA-256 of the sorted lines, each with its line feed: what entries have as
    /// `populationDigest`.
    pub fn digest(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            text.push_str(line);
            text.push('\n');
        }
        canonical::sha256(text.as_bytes())
    }
}

/// As [`Members::digest`] has it, of a list that [`line`] wrote and that is sorted, without taking it
/// apart: a list may have tens of thousands of lines.
pub fn digest_of_list(text: &str) -> String {
    let mut members = String::with_capacity(text.len());
    for line in text.lines() {
        members.push_str(line.rsplit_once('\t').map_or(line, |(member, _)| member));
        members.push('\n');
    }
    canonical::sha256(members.as_bytes())
}

/// The first five columns of a line; those that an older list lacks are empty.
fn member(line: &str) -> String {
    let mut columns = line.split('\t');
    let columns: [&str; MEMBER_COLUMNS] =
        std::array::from_fn(|_| columns.next().unwrap_or_default());
    columns.join("\t")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::PopulationCause;

    fn change(name: &str, second: i64) -> PopulationChange {
        PopulationChange {
            item: ResourceRef {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: Some("a".to_owned()),
                name: name.to_owned(),
            },
            uid: Some(format!("uid-{name}")),
            at: jiff::Timestamp::from_second(second).unwrap(),
            why: PopulationCause::Object,
            detail: String::new(),
        }
    }

    fn list(names: &BTreeSet<String>, facts: &str) -> String {
        let text = |name: &String| {
            line(&change(name, 0).item, Some(&format!("uid-{name}")), Some(facts)) + "\n"
        };
        names.iter().map(text).collect()
    }

    #[test]
    fn the_facts_are_none_of_the_members() {
        let names = BTreeSet::from(["x".to_owned()]);
        let (one, other) = (list(&names, "f1"), list(&names, "f2"));
        assert_ne!(one, other);
        assert_eq!(Members::of_list(&one).digest(), Members::of_list(&other).digest());
        assert_eq!(one, "v1\tPod\ta\tx\tuid-x\tf1\n");
    }

    #[test]
    fn another_object_of_a_name_is_another_member() {
        let mut members = Members::of_list("v1\tPod\ta\tx\told\tf\n");
        let old = PopulationChange { uid: Some("old".to_owned()), ..change("x", 1) };
        members.apply(&[change("x", 1)], &[old]);
        assert_eq!(members.lines().collect::<Vec<_>>(), ["v1\tPod\ta\tx\tuid-x"]);
    }

    proptest! {
        #[test]
        fn a_list_and_what_moved_give_the_next_list(
            first in proptest::collection::btree_set("[a-d]", 0..4),
            moves in proptest::collection::vec("[a-d]", 0..12),
        ) {
            let mut members = Members::of_list(&list(&first, "f"));
            let mut present = first;
            let (mut entered, mut left) = (Vec::new(), Vec::new());
            for (name, second) in moves.iter().zip(1..) {
                if present.remove(name) {
                    left.push(change(name, second));
                } else {
                    present.insert(name.clone());
                    entered.push(change(name, second));
                }
            }
            members.apply(&entered, &left);
            let text = list(&present, "g");
            prop_assert_eq!(digest_of_list(&text), members.digest());
            prop_assert_eq!(members, Members::of_list(&text));
        }
    }
}
