use proptest::prelude::*;

use super::*;

fn day(text: &str) -> Option<Date> {
    (!text.is_empty()).then(|| parse_day(text).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A person by user names, manager, first and last day; empty for none.
fn person(usernames: &[&str], manager: &str, starts: &str, ends: &str) -> Arc<PersonFacts> {
    Arc::new(PersonFacts {
        usernames: usernames.iter().map(|name| Symbol::from(*name)).collect(),
        manager: (!manager.is_empty()).then(|| manager.into()),
        starts: day(starts),
        ends: day(ends),
        ..PersonFacts::default()
    })
}

fn index(people: &[(&str, Arc<PersonFacts>)]) -> PeopleIndex {
    let mut index = PeopleIndex::default();
    for (name, facts) in people {
        index.put(&Symbol::from(*name), Some(Arc::clone(facts)));
    }
    index
}

#[test]
fn a_user_name_is_whose_at_which_time() {
    let people = index(&[
        ("ann", person(&["ann"], "", "", "")),
        ("bob", person(&["bob"], "", "2026-01-01", "2026-11-30")),
        ("cem", person(&["cem"], "", "2026-12-15", "")),
        ("dee", person(&["dee"], "", "", "2026-06-30")),
        ("dee-2", person(&["dee"], "", "2027-01-01", "")),
        ("eve", person(&["eve"], "", "", "")),
        ("eve-2", person(&["eve"], "", "2026-12-02", "")),
        ("fay", person(&["fay"], "", "", "9999-12-31")),
    ]);
    for (username, now, identity, until) in [
        ("ann", "2026-11-30T12:00:00Z", Identity::Current, ""),
        ("nobody", "2026-11-30T12:00:00Z", Identity::Unknown, ""),
        // User names are compared as RBAC compares them.
        ("Ann", "2026-11-30T12:00:00Z", Identity::Unknown, ""),
        (
            "bob",
            "2025-12-31T23:59:59Z",
            Identity::NotStarted(day("2026-01-01").unwrap()),
            "2026-01-01T00:00:00Z",
        ),
        ("bob", "2026-11-30T23:59:59Z", Identity::Current, "2026-12-01T00:00:00Z"),
        ("bob", "2026-12-01T00:00:00Z", Identity::Former(day("2026-11-30").unwrap()), ""),
        (
            "cem",
            "2026-11-30T12:00:00Z",
            Identity::NotStarted(day("2026-12-15").unwrap()),
            "2026-12-15T00:00:00Z",
        ),
        ("cem", "2026-12-15T00:00:00Z", Identity::Current, ""),
        (
            "dee",
            "2026-11-30T12:00:00Z",
            Identity::NotStarted(day("2027-01-01").unwrap()),
            "2027-01-01T00:00:00Z",
        ),
        ("dee", "2027-01-01T00:00:00Z", Identity::Current, ""),
        ("eve", "2026-12-01T12:00:00Z", Identity::Current, "2026-12-02T00:00:00Z"),
        ("eve", "2026-12-02T00:00:00Z", Identity::Shared(2), ""),
        ("fay", "2026-11-30T12:00:00Z", Identity::Current, ""),
    ] {
        let until = (!until.is_empty()).then(|| at(until));
        assert_eq!(people.identity(username, at(now)), (identity, until), "{username} at {now}");
    }
}

#[test]
fn what_is_wrong_with_somebody_beside_the_others() {
    let mut people = index(&[
        ("ann", person(&["ann"], "", "", "")),
        ("bob", person(&["bob"], "ann", "", "")),
        ("cem", person(&["cem"], "gone", "", "")),
        ("dee", person(&["dee"], "eve", "", "")),
        ("eve", person(&["eve"], "dee", "", "")),
        // Reports into a cycle, and is not on it.
        ("fay", person(&["fay"], "dee", "", "")),
        ("gil", person(&["gil"], "gil", "", "")),
        ("hal", person(&["shared"], "", "", "2026-05-31")),
        ("ivy", person(&["shared"], "", "2026-06-01", "")),
        ("jan", person(&["shared"], "", "2026-06-01", "")),
    ]);
    let told = |people: &PeopleIndex, name: &str| -> Vec<String> {
        let problems = people.problems(&Symbol::from(name));
        problems.iter().map(|problem| format!("{problem:?}")).collect()
    };
    for whole in ["ann", "bob", "fay", "hal", "nobody"] {
        assert!(told(&people, whole).is_empty(), "{whole}: {:?}", told(&people, whole));
    }
    assert_eq!(told(&people, "cem"), [r#"NoManager("gone")"#]);
    assert_eq!(told(&people, "dee"), [r#"ManagerCycle(["dee", "eve", "dee"])"#]);
    assert_eq!(told(&people, "gil"), [r#"ManagerCycle(["gil", "gil"])"#]);
    assert_eq!(told(&people, "ivy"), [r#"SharedIdentity { username: "shared", others: ["jan"] }"#]);
    let names = |related: BTreeSet<Symbol>| -> Vec<String> {
        related.iter().map(ToString::to_string).collect()
    };
    // Who is told: those who report to the newcomer, share a user name, or were on the way.
    assert_eq!(names(people.put(&"gone".into(), Some(person(&["gone"], "", "", "")))), ["cem"]);
    assert_eq!(names(people.put(&"jan".into(), None)), ["hal", "ivy"]);
    assert_eq!(names(people.put(&"eve".into(), Some(person(&["eve"], "", "", "")))), ["dee"]);
    assert!(names(people.put(&"ann".into(), Some(person(&["ann"], "", "", "")))).is_empty());
    for whole in ["cem", "ivy", "dee", "eve"] {
        assert!(told(&people, whole).is_empty(), "{whole}");
    }
}

/// A person by number, and the numbers of what they become; None when they are deleted.
type Change = (u8, Option<(u8, u8, u8, u8)>);

/// Some people of few names, so that they share them, and report to each other in all ways.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((0..6_u8, prop::option::of((0..6_u8, 0..8_u8, 0..4_u8, 0..4_u8))), 1..40)
}

proptest! {
    /// What is followed is what is read at once, and whoever has another problem was named.
    #[test]
    fn the_index_follows_every_change(changes in changes()) {
        let days = ["", "2026-01-10", "2026-01-20", "2026-01-30"];
        let mut followed = PeopleIndex::default();
        for (who, facts) in changes {
            let name = Symbol::from(format!("p{who}").as_str());
            let before: Vec<_> =
                (0..6).map(|one| followed.problems(&format!("p{one}").as_str().into())).collect();
            let facts = facts.map(|(user, manager, starts, ends)| {
                let manager = if manager < 6 { format!("p{manager}") } else { String::new() };
                let (starts, ends) = (days[usize::from(starts)], days[usize::from(ends)]);
                person(&[&format!("u{user}"), &format!("v{}", user % 2)], &manager, starts, ends)
            });
            let related = followed.put(&name, facts);
            for (one, before) in before.into_iter().enumerate() {
                let other = Symbol::from(format!("p{one}").as_str());
                if other != name && followed.problems(&other) != before {
                    prop_assert!(related.contains(&other), "{other} after {name}: {related:?}");
                }
            }
            let mut fresh = PeopleIndex::default();
            for (name, facts) in followed.iter().collect::<Vec<_>>().into_iter().rev() {
                fresh.put(name, Some(Arc::clone(facts)));
            }
            let now = at("2026-01-15T00:00:00Z");
            for user in ["u0", "u1", "u2", "u5", "v0", "v1"] {
                prop_assert_eq!(followed.identity(user, now), fresh.identity(user, now));
            }
        }
    }

    /// Until the time that is given, nothing changes; at that time it may.
    #[test]
    fn an_identity_holds_until_it_says(starts in 0..4_usize, ends in 0..4_usize, second in 0..4_usize) {
        let days = ["", "2026-01-10", "2026-01-20", "2026-01-30"];
        let people = index(&[
            ("a", person(&["u"], "", days[starts], days[ends])),
            ("b", person(&["u"], "", days[second], "")),
        ]);
        let mut now = at("2026-01-01T00:00:00Z");
        while let (identity, Some(until)) = people.identity("u", now) {
            prop_assert!(until > now);
            let just_before = until - jiff::SignedDuration::from_secs(1);
            prop_assert_eq!(people.identity("u", just_before).0, identity);
            now = until;
        }
        let (last, _) = people.identity("u", now);
        prop_assert_eq!(people.identity("u", at("2400-01-01T00:00:00Z")).0, last);
    }
}
