//! Cosignatures, policies, and what is kept of them, with witnesses made up here.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;

use super::{testing::Cosigner, *};
use crate::{
    data::{OperatorData, OperatorEvent},
    entry::{ClockReading, Data, Entry, EntrySubject},
    key::SigningKey,
    log::{LogReader, LogWriter},
    store::{self, Store},
};

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

fn policy(quorum: &str) -> Policy {
    let (one, two) = (Cosigner::new("w1.example", 1).vkey(), Cosigner::new("w2.example", 2).vkey());
    let text =
        format!("# ours\n\nwitness w1 {one} https://w1.example\n\twitness w2 {two}\n{quorum}");
    Policy::parse(text.as_bytes()).unwrap()
}

/// A log with an entry at each of these times.
async fn log(store: &Arc<dyn Store>, times: &[&str]) -> LogReader {
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
    let mut writer = LogWriter::open(Arc::clone(store), key, ORIGIN).await.unwrap();
    let entry = |at: &&str| {
        let data = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
        let entry = Entry {
            at: at.parse().unwrap(),
            clock: ClockReading::default(),
            epoch: 1,
            subject: EntrySubject::new("Operator", "one"),
            data: Data::Operator(Box::new(data)),
        };
        entry.to_text().unwrap().into_bytes()
    };
    writer.append(&times.iter().map(entry).collect::<Vec<_>>()).await.unwrap();
    LogReader::open(Arc::clone(store), None).await.unwrap()
}

fn store() -> Arc<dyn Store> {
    static STORES: AtomicU32 = AtomicU32::new(0);
    let number = STORES.fetch_add(1, Ordering::Relaxed);
    store::open(&format!("memory://witness-{number}")).unwrap()
}

#[tokio::test]
async fn a_cosignature_counts_only_of_a_known_key_over_this_text() {
    let log = log(&store(), &["2026-11-30T10:00:00Z"]).await;
    let (one, other) = (Cosigner::new("w1.example", 1), Cosigner::new("w1.example", 9));
    let any = policy("group g any w1 w2\nquorum g\n");
    let line = one.cosign(log.checkpoint(), "2026-11-30T10:00:05Z");
    let note = format!("{}{line}", log.checkpoint());
    let found = any.cosignatures(note.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].at, "2026-11-30T10:00:05Z".parse().unwrap());
    // Readers of the plain checkpoint read it as well.
    assert_eq!(log.open_checkpoint(note.as_bytes()).unwrap().size, 1);
    // Of a key that the policy does not know, of another text, and with another time.
    let foreign = other.cosign(log.checkpoint(), "2026-11-30T10:00:05Z");
    let elsewhere = one.cosign("x\n1\ny\n\n", "2026-11-30T10:00:05Z");
    let mut moved = BASE64_STANDARD.decode(line.trim_end().rsplit(' ').next().unwrap()).unwrap();
    moved[11] ^= 1;
    let moved = format!("\u{2014} w1.example {}\n", BASE64_STANDARD.encode(moved));
    for wrong in [foreign, elsewhere, moved] {
        assert_eq!(any.cosignatures(format!("{}{wrong}", log.checkpoint()).as_bytes()), []);
    }
}

#[tokio::test]
async fn a_quorum_takes_what_the_policy_says() {
    let log = log(&store(), &["2026-11-30T10:00:00Z"]).await;
    let at = "2026-11-30T10:00:05Z";
    let line = |name, seed| Cosigner::new(name, seed).cosign(log.checkpoint(), at);
    let (one, two) = (line("w1.example", 1), line("w2.example", 2));
    for (quorum, none, first, both) in [
        ("quorum none\n", true, true, true),
        ("quorum w1\n", false, true, true),
        ("quorum w2\n", false, false, true),
        ("group g any w1 w2\nquorum g\n", false, true, true),
        ("group g all w1 w2\nquorum g", false, false, true),
        ("group g 2 w1 w2\nquorum g\n", false, false, true),
        ("group a any w1\ngroup b any w2\ngroup c all a b\nquorum c\n", false, false, true),
    ] {
        let policy = policy(quorum);
        let met = |lines: &str| {
            let note = format!("{}{lines}", log.checkpoint());
            policy.is_met(&policy.cosignatures(note.as_bytes()))
        };
        let found = (met(""), met(&one), met(&format!("{one}{two}")));
        assert_eq!(found, (none, first, both), "{quorum}");
        // The same witness twice is one witness.
        assert_eq!(met(&format!("{one}{one}")), first, "{quorum}");
    }
}

#[test]
fn a_policy_that_breaks_a_rule_is_refused_with_its_line() {
    let (one, two) = (Cosigner::new("w1.example", 1).vkey(), Cosigner::new("w2.example", 2).vkey());
    let same = Cosigner::new("w9.example", 1).vkey();
    let log = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap().verifier();
    for (text, says) in [
        (format!("witness w1 {one}\n"), "0 quorum lines"),
        (format!("witness w1 {one}\nquorum w1\nquorum none\n"), "2 quorum lines"),
        ("quorum w1\n".to_owned(), "line 1"),
        (format!("witness none {one}\nquorum none\n"), "is taken"),
        (format!("witness a {one}\nwitness a {two}\nquorum none\n"), "line 2"),
        (format!("witness a {one}\nwitness b {same}\nquorum none\n"), "the same key"),
        (format!("log {log}\nlog {log}\nquorum none\n"), "the same key"),
        (format!("witness a {log}\nquorum none\n"), "not the key of a witness"),
        (format!("log {one}\nquorum none\n"), "line 1"),
        (format!("witness a {one}\ngroup g 2 a\nquorum g\n"), "from 1 to 1"),
        (format!("witness a {one}\ngroup g 0 a\nquorum g\n"), "from 1 to 1"),
        (format!("witness a {one}\ngroup g all a a\nquorum g\n"), "a member already"),
        (format!("witness a {one}\ngroup g all a none\nquorum g\n"), "no line before"),
        ("group g all\nquorum g\n".to_owned(), "line 1"),
        ("quorum none\r\n".to_owned(), "0x0d"),
        ("member a\n".to_owned(), "line 1"),
    ] {
        let error = Policy::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    let good = format!(" \t# c\nlog {log} https://log.example\nwitness a {one}\nquorum none\n");
    assert!(Policy::parse(good.as_bytes()).unwrap().names_log(&log));
}

#[tokio::test]
async fn a_day_counts_if_the_log_that_was_seen_on_it_goes_on_in_this_one() {
    let store = store();
    let witness = Cosigner::new("w1.example", 1);
    let policy = policy("quorum w1\n");
    let cosigned = |log: &LogReader, at: &str| {
        format!("{}{}", log.checkpoint(), witness.cosign(log.checkpoint(), at)).into_bytes()
    };
    let first = log(&store, &["2026-11-29T10:00:00Z"]).await;
    keep(&*store, &policy, &cosigned(&first, "2026-11-29T10:00:05Z")).await.unwrap();
    let second = log(&store, &["2026-11-30T10:00:00Z", "2026-11-30T11:00:00Z"]).await;
    keep(&*store, &policy, &cosigned(&second, "2026-11-30T11:00:05Z")).await.unwrap();
    // An older one of the day does not replace it.
    keep(&*store, &policy, &cosigned(&first, "2026-11-30T12:00:05Z")).await.unwrap();
    assert_eq!(newest(&*store).await.unwrap().unwrap(), cosigned(&second, "2026-11-30T11:00:05Z"));

    let view = OutsideView::read(&second, None).await.unwrap();
    assert_eq!((view.days.len(), view.policy_given), (0, false), "nobody said whom to believe");
    keep_policy(&*store, &policy).await.unwrap();
    let view = OutsideView::read(&second, None).await.unwrap();
    assert_eq!(view.days.iter().map(|day| day.size).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(view.witnesses, ["w1.example", "w2.example"]);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (from, to) = (at("2026-11-28T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    assert_eq!((view.vouched_days(from, to), days(from, to)), (2, 3));
    assert_eq!(view.vouched_days(from, at("2026-11-30T00:00:00Z")), 1);
    assert_eq!(days(at("2026-11-30T10:00:00Z"), at("2026-11-30T10:28:00Z")), 1);
    assert_eq!(days(to, from), 0);
    let quorum = Quorum::of(&second, &policy, None).await.unwrap();
    assert_eq!((quorum.size, quorum.witnesses.len()), (3, 1));
    // An auditor who believes another witness sees nothing.
    let other = super::tests::policy("quorum w2\n");
    let error = Quorum::of(&second, &other, None).await.unwrap_err();
    assert!(matches!(error, QuorumError::NotMet(2)), "{error}");
    assert_eq!(OutsideView::read(&second, Some(other)).await.unwrap().days, []);
}

#[tokio::test]
async fn what_was_made_up_after_a_witness_looked_is_not_vouched_for() {
    let store = store();
    let witness = Cosigner::new("w1.example", 1);
    let policy = policy("quorum w1\n");
    let first = log(&store, &["2026-11-28T10:00:00Z"]).await;
    for day in ["2026-11-28T10:00:05Z", "2026-11-29T10:00:05Z"] {
        let note = format!("{}{}", first.checkpoint(), witness.cosign(first.checkpoint(), day));
        keep(&*store, &policy, note.as_bytes()).await.unwrap();
    }
    // On the 29th the witness saw one entry; this one, dated before that, came later.
    let second = log(&store, &["2026-11-29T08:00:00Z"]).await;
    let view = OutsideView::read(&second, Some(policy)).await.unwrap();
    let days: Vec<String> = view.days.iter().map(|day| day.day.to_string()).collect();
    assert_eq!(days, ["2026-11-28"]);
}

#[tokio::test]
async fn a_log_that_was_put_back_contradicts_what_was_cosigned_or_published() {
    let witness = Cosigner::new("w1.example", 1);
    let policy = policy("quorum w1\n");
    let grown = log(&store(), &["2026-11-30T10:00:00Z", "2026-11-30T11:00:00Z"]).await;
    let old = store();
    let copy = log(&old, &["2026-11-30T10:00:00Z"]).await;
    let line = witness.cosign(grown.checkpoint(), "2026-11-30T11:00:05Z");
    let note = format!("{}{line}", grown.checkpoint());
    keep(&*old, &policy, note.as_bytes()).await.unwrap();
    keep_contradiction(&*old, grown.checkpoint().as_bytes()).await.unwrap();
    // What somebody else signed says nothing.
    keep_contradiction(&*old, b"nonsense").await.unwrap();
    let view = OutsideView::read(&copy, Some(policy.clone())).await.unwrap();
    assert_eq!(view.contradicted.len(), 2, "{view:?}");
    assert!(view.contradicted[0].reason.contains("rolled back"), "{view:?}");
    let error = Quorum::of(&copy, &policy, None).await.unwrap_err();
    assert!(matches!(error, QuorumError::Contradicted(_)), "{error}");
    assert_eq!(view.days, []);
    // Once the newest copy is restored, nothing contradicts it.
    let restored = log(&old, &["2026-11-30T11:00:00Z"]).await;
    let view = OutsideView::read(&restored, Some(policy)).await.unwrap();
    assert_eq!((view.contradicted.len(), view.days.len()), (0, 1));
}

#[tokio::test]
async fn a_request_is_that_of_the_protocol_and_its_answers_are_told_apart() {
    let times = ["2026-11-30T10:00:00Z"; 5];
    let log = log(&store(), &times).await;
    let proof = log.consistency_proof(3).await.unwrap();
    let request = AddCheckpoint::new(3, 5, &proof, log.checkpoint());
    let (head, checkpoint) = request.body.split_once("\n\n").unwrap();
    assert_eq!(checkpoint, log.checkpoint());
    assert_eq!(head.lines().next(), Some("old 3"));
    assert_eq!(head.lines().count(), 1 + proof.len());
    assert!(!proof.is_empty() && log.consistency_proof(0).await.unwrap().is_empty());
    let first = AddCheckpoint::new(0, 5, &[], log.checkpoint());
    assert_eq!(first.body, format!("old 0\n\n{}", log.checkpoint()));

    let size = "text/x.tlog.size";
    for (old, status, kind, body, expected) in [
        (3, 200, "text/plain", "\u{2014} w x\n", Answer::Cosigned("\u{2014} w x\n".to_owned())),
        (0, 409, size, "4\n", Answer::LastSize(4)),
        (4, 409, size, "0\n", Answer::LastSize(0)),
        (0, 409, size, "5\n", Answer::LastSize(5)),
        (0, 409, size, "9\n", Answer::Refused(Refusal::Longer { seen: 9, size: 5 })),
        (5, 409, size, "5\n", Answer::Refused(Refusal::Another { seen: 5 })),
        (5, 409, "text/plain", "conflict\n", Answer::Refused(Refusal::Another { seen: 5 })),
        (3, 422, "text/plain", "bad proof\n", Answer::Refused(Refusal::Another { seen: 3 })),
    ] {
        let request = AddCheckpoint { old, size: 5, body: String::new() };
        assert_eq!(request.answer(status, kind, body), expected, "{old} {status} {body}");
    }
    for status in [400, 403, 404, 500, 503] {
        assert!(matches!(first.answer(status, "text/plain", "no"), Answer::Failed(_)), "{status}");
    }
}
