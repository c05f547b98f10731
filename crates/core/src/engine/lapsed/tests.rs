//! What is set aside, and what is not.

use super::*;
use crate::{
    api::{ResourceRef, Severity, State},
    engine::Reason,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn observed(name: &str, exception: Option<&str>) -> (FindingHash, ObservedFinding) {
    let resource = ResourceRef {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    let finding = Finding {
        rule: "Invalid".into(),
        severity: None,
        resource,
        subject: None,
        message: String::new(),
    };
    let observed = ObservedFinding {
        finding,
        severity: Severity::High,
        since: at(0),
        exception: exception.map(str::to_owned),
    };
    (FindingHash::of_finding(&observed.finding), observed)
}

/// Words such as `+a -b +c:exception` for what changed.
fn changes(words: &str) -> FindingChanges {
    let mut changes = FindingChanges::default();
    for word in words.split_whitespace() {
        if let Some(found) = word.strip_prefix('+') {
            let (name, exception) = found.split_once(':').unwrap_or((found, ""));
            changes.found.push(observed(name, (!exception.is_empty()).then_some(exception)));
        } else if let Some(gone) = word.strip_prefix('-') {
            let ending = Ending::plain(comptroller_vocabulary::FindingEnding::Mended);
            changes.gone.push((observed(gone, None).0, ending));
        }
    }
    changes
}

fn verdict(state: State, population: usize) -> Arc<Verdict> {
    let blocked = Verdict::blocked(1, Reason::NoFindings, String::new(), at(0));
    Arc::new(Verdict { state, population, ..blocked })
}

/// What was set aside after these steps, each a state and what changed.
fn told(steps: &[(State, &str)]) -> Vec<String> {
    let mut lapse_counter = LapseCounter { on: true, last: 0 };
    let mut lapsed = LapsedVerdicts::default();
    lapsed.note(FindingChanges::default(), &verdict(State::Passing, 0), at(0), &mut lapse_counter);
    lapsed.tell(at(0), &mut lapse_counter);
    lapsed.recorded(lapsed.last());
    for (second, (state, words)) in (1..).zip(steps) {
        let population = usize::try_from(second).unwrap();
        lapsed.note(changes(words), &verdict(*state, population), at(second), &mut lapse_counter);
    }
    let told = lapsed.tell(at(99), &mut lapse_counter).over;
    told.iter()
        .map(|over| {
            let mut names: Vec<&str> =
                over.found.iter().map(|one| one.finding.resource.name.as_str()).collect();
            names.sort_unstable();
            let LapsedVerdict { verdict, gone, unnamed, .. } = over;
            format!("{} +{} -{} ?{unnamed}", verdict.state, names.join(","), gone.len())
        })
        .collect()
}

#[test]
fn only_what_would_be_lost_is_set_aside() {
    use State::{Failing, Passing, Unknown};
    for (steps, expected) in [
        (&[(Passing, ""), (Passing, ""), (Passing, "")][..], &[][..]),
        // It adds up.
        (&[(Failing, "+a"), (Failing, "+b"), (Failing, "+c")], &[]),
        (&[(Failing, "+a"), (Passing, "-a")], &["Failing +a -0 ?0"]),
        (&[(Failing, "+a +b"), (Failing, "-a")], &["Failing +a,b -0 ?0"]),
        // What was there before, went and came back.
        (&[(Failing, "-x"), (Failing, "+x")], &["Failing + -1 ?0"]),
        // An exception that held for a moment, of what was there before.
        (&[(Passing, "+x:e"), (Failing, "+x")], &["Passing +x -0 ?0"]),
        // Nobody could tell for a moment.
        (&[(Unknown, ""), (Passing, "")], &["Unknown + -0 ?0"]),
        (
            &[(Failing, "+a"), (Passing, "-a"), (Failing, "+a"), (Passing, "-a")],
            &["Failing +a -0 ?0", "Passing + -1 ?0", "Failing +a -0 ?0"],
        ),
    ] {
        assert_eq!(told(steps), expected, "{steps:?}");
    }
}

#[test]
fn a_storm_is_bounded_and_counted() {
    let mut steps = Vec::new();
    for _ in 0..400 {
        steps.extend([(State::Failing, "+a +b"), (State::Passing, "-a -b")]);
    }
    let told = told(&steps);
    assert_eq!(told.len(), MAX_PASSED);

    // More than are kept come at once and go one by one.
    let mut lapse_counter = LapseCounter { on: true, last: 0 };
    let mut lapsed = LapsedVerdicts::default();
    lapsed.note(FindingChanges::default(), &verdict(State::Passing, 0), at(0), &mut lapse_counter);
    lapsed.tell(at(0), &mut lapse_counter);
    let names: Vec<String> = (0..MAX_FOUND + 9).map(|number| format!("+n{number}")).collect();
    lapsed.note(changes(&names.join(" ")), &verdict(State::Failing, 0), at(1), &mut lapse_counter);
    let gone: Vec<String> = names.iter().map(|name| name.replace('+', "-")).collect();
    lapsed.note(changes(&gone.join(" ")), &verdict(State::Passing, 0), at(2), &mut lapse_counter);
    let over = lapsed.tell(at(3), &mut lapse_counter).over;
    let last = over.last().unwrap();
    assert_eq!((last.found.len(), last.unnamed), (MAX_FOUND, 9));
}

#[test]
fn what_is_told_is_told_again_until_it_is_recorded() {
    let mut lapse_counter = LapseCounter { on: true, last: 0 };
    let mut lapsed = LapsedVerdicts::default();
    lapsed.note(FindingChanges::default(), &verdict(State::Passing, 0), at(0), &mut lapse_counter);
    assert!(lapsed.tell(at(0), &mut lapse_counter).over.is_empty());
    let first = lapsed.last();
    lapsed.note(changes("+a"), &verdict(State::Failing, 0), at(1), &mut lapse_counter);
    // The first record failed: that it passed until then is told now.
    let over = lapsed.tell(at(1), &mut lapse_counter).over;
    assert_eq!(over.len(), 1);
    assert_eq!(over[0].number, first);
    let failing = lapsed.last();
    lapsed.note(changes("-a"), &verdict(State::Passing, 0), at(2), &mut lapse_counter);
    lapsed.recorded(failing);
    assert!(lapsed.tell(at(3), &mut lapse_counter).over.is_empty());
}
