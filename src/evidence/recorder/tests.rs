//! The task with those who ask it, on a log in a directory.

use futures::FutureExt as _;
use serde_json::json;

use super::*;
use crate::telemetry::Metrics;

fn recorder(location: &std::path::Path) -> (watch::Sender<bool>, Evidence) {
    let config = EvidenceConfig {
        location: location.to_str().unwrap().to_owned(),
        key: None,
        instance: "comptroller-0".to_owned(),
        cluster: Box::new(|| async { Ok("7d9e3a60".to_owned()) }.boxed()),
    };
    let (leads, leading) = watch::channel(true);
    let (evidence, recorder) = Recorder::new(config, Terms::Sole, leading, Metrics::new().unwrap());
    tokio::spawn(recorder.run());
    (leads, evidence)
}

async fn until_open(evidence: &Evidence) {
    let mut writing = evidence.subscribe();
    writing.wait_for(|writing| matches!(writing, Writing::Open(_))).await.unwrap();
}

#[tokio::test]
async fn no_verdict_follows_the_deletion_of_its_control() {
    let folder = tempfile::tempdir().unwrap();
    let (_leads, evidence) = recorder(&folder.path().join("log"));
    until_open(&evidence).await;
    let control = Subject::control("c");
    evidence.record_object(control.clone(), None, 1, Some(&json!({})), None).await.unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let verdict = Verdict::blocked(1, Reason::NoFindings, "why".to_owned(), now);
    // Both wait when the task looks, so that they are taken together.
    let (gone, recorded) = tokio::join!(
        evidence.record_gone(control),
        evidence.record_verdict("c", None, &verdict, Seen::default(), now),
    );
    gone.unwrap();
    assert!(matches!(recorded, Err(EvidenceError::Outdated)), "{recorded:?}");
    assert!(evidence.read(|state| state.control("c").is_none()).unwrap());
}

#[tokio::test]
async fn a_heartbeat_of_what_is_not_recorded_is_not_believed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_leads, evidence) = recorder(&folder.path().join("log"));
    until_open(&evidence).await;
    evidence.record_object(Subject::control("c"), None, 1, Some(&json!({})), None).await.unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let verdict = Verdict::blocked(1, Reason::NoFindings, "why".to_owned(), now);
    evidence.record_verdict("c", None, &verdict, Seen::default(), now).await.unwrap();
    assert!(evidence.cited("c", None, &verdict, 0).is_some());
    // Something was over meanwhile, and is in no entry.
    assert!(evidence.cited("c", None, &verdict, 1).is_none());
    let other = Verdict { generation: 2, ..verdict.clone() };
    let beaten = evidence.record_heartbeat("c", &other, None, now).await;
    assert!(matches!(beaten, Err(EvidenceError::Outdated)), "{beaten:?}");
    assert!(evidence.cited("c", None, &verdict, 0).is_none());
}
