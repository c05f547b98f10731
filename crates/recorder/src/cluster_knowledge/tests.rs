use super::*;

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn published(key: &str, size: u64) -> Published {
    Published::Checkpoint(SignedCheckpoint {
        origin: ORIGIN.to_owned(),
        verifier_key: key.to_owned(),
        text: format!("{ORIGIN}\n{size}\nroot\n\n\u{2014} signed\n"),
    })
}

fn knowledge(published: Published, cited: &[(u64, i64)]) -> ClusterKnowledge {
    let mut knowledge = ClusterKnowledge::of(published);
    for (log_size, second) in cited {
        let (at, by) = (Some(at(*second)), format!("Control c{log_size}"));
        knowledge.cite(Citation { log_size: *log_size, at, by });
    }
    knowledge
}

fn outcome(size: u64, begun: i64, knowledge: &ClusterKnowledge) -> &'static str {
    let begun = (size > 0).then(|| at(begun));
    let found = FoundLog { origin: ORIGIN, verifier_key: Some("k"), size, begun };
    match judge("log", found, knowledge) {
        Ok(()) => "goes on",
        Err(NotTheLog::Gone { .. }) => "gone",
        Err(NotTheLog::Shorter { .. }) => "shorter",
        Err(NotTheLog::Another { .. }) => "another",
        Err(NotTheLog::Discontinued { .. }) => "discontinued",
    }
}

#[test]
fn a_log_is_appended_to_only_if_nobody_knows_more() {
    use Published::{Nothing, Withdrawn};
    let known = || published("k", 40);
    for (what, size, begun, published, cited, expected) in [
        ("a first start", 0, 0, Nothing, &[][..], "goes on"),
        ("a log begun and not published yet", 3, 10, Nothing, &[], "goes on"),
        ("a restart", 50, 10, known(), &[(50, 90), (44, 80)], "goes on"),
        ("another leader's entries", 60, 10, known(), &[(50, 90)], "goes on"),
        ("all is deleted", 0, 0, known(), &[(50, 90)], "gone"),
        ("all is deleted, and nothing was cited", 0, 0, known(), &[], "gone"),
        ("all is deleted, the ConfigMap included", 0, 0, Nothing, &[(50, 90)], "gone"),
        ("an older copy", 45, 10, known(), &[(50, 90), (44, 80)], "shorter"),
        ("an older copy, and the ConfigMap is gone", 45, 10, Nothing, &[(50, 90)], "shorter"),
        ("an older copy of a log with consent", 45, 10, Withdrawn, &[(50, 90)], "shorter"),
        ("a new log with consent", 0, 0, Withdrawn, &[(50, 90)], "goes on"),
        // It crashed before its checkpoint was published and all statuses cite it.
        ("a new log goes on", 4, 100, Withdrawn, &[(50, 90), (3, 101)], "goes on"),
        ("a new log is put back", 4, 100, Withdrawn, &[(50, 90), (5, 102)], "shorter"),
        ("one cites the old log for ever", 50, 100, known(), &[(900, 90), (50, 101)], "goes on"),
        ("another key", 50, 10, self::published("other", 40), &[], "another"),
        ("a log without entries was published", 0, 0, self::published("k", 0), &[], "goes on"),
        (
            "what is published is no checkpoint",
            0,
            0,
            {
                let Published::Checkpoint(mut checkpoint) = known() else { unreachable!() };
                checkpoint.text = "?".to_owned();
                Published::Checkpoint(checkpoint)
            },
            &[],
            "gone",
        ),
    ] {
        assert_eq!(outcome(size, begun, &knowledge(published, cited)), expected, "{what}");
    }
}

#[test]
fn a_status_that_does_not_say_when_counts() {
    let mut knowledge = ClusterKnowledge::default();
    knowledge.cite(Citation { log_size: 9, at: None, by: "Control c".to_owned() });
    assert_eq!(outcome(3, 10, &knowledge), "shorter");
}

#[test]
fn of_all_that_is_cited_only_what_matters_is_kept() {
    let many: Vec<(u64, i64)> = (0..1000_u64).map(|n| (n, n.cast_signed())).collect();
    assert_eq!(knowledge(Published::Nothing, &many).cited.len(), 1);
    let mut backwards = many.clone();
    backwards.reverse();
    assert_eq!(knowledge(Published::Nothing, &backwards).cited.len(), 1);
    // A longer log from before is kept beside the newer one.
    assert_eq!(knowledge(Published::Nothing, &[(900, 1), (3, 9)]).cited.len(), 2);
}

#[test]
fn every_refusal_says_what_shows_it_and_what_to_do() {
    let found = FoundLog { origin: ORIGIN, verifier_key: Some("k"), size: 2, begun: Some(at(1)) };
    for knowledge in [
        knowledge(published("k", 40), &[(50, 90)]),
        knowledge(published("other", 40), &[]),
        knowledge(Published::Nothing, &[(50, 90)]),
    ] {
        let text = judge("log", found, &knowledge).unwrap_err().to_string();
        for part in ["estore", "`checkpoint`", "empty place"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
