//! What is said of each type of entry, as agreed.

use serde_json::json;

use super::*;
use crate::{
    data::OperatorEvent,
    entry::{ClockReading, EntrySubject},
    register::register_subject,
};

const AT: &str = "2026-11-20T09:14:03Z";

/// The data of an example of each type: as the log has them.
fn example(type_: EntryType) -> (EntrySubject, Value) {
    let control = || EntrySubject::control("no-standing-cluster-admin");
    let changed = json!({
        "change": "Updated", "uid": "6f1c", "generation": 4, "specDigest": "sha256:02",
        "previousDigest": "sha256:01", "authorBound": false, "createdAt": AT,
        "fields": [{"path": "/scope/namespaces", "from": ["a"], "to": null}, {"path": "/severity", "to": "High"}],
        "spec": {"severity": "High"},
    });
    let finding = json!({
        "rule": "ClusterAdmin", "severity": "High", "since": AT, "subject": "User person:1f0c",
        "resource": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "name": "legacy"},
        "message": "holds cluster-admin", "exception": "legacy-until-march",
    });
    let mut gone = finding.clone();
    gone["ending"] = json!("LeftScope");
    gone["endingDetail"] = json!("env: prod -> env: test");
    let came = json!({
        "item": {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web"},
        "uid": "77", "at": AT, "why": "NamespaceLabels", "detail": "env: test -> env: prod",
    });
    match type_ {
        EntryType::Verdict => (
            control(),
            json!({
                "generation": 3, "state": "Failing", "reason": "FindingsOpen", "since": AT,
                "message": "1 of 2 fail, with 1 finding", "population": 2, "failing": 1, "excepted": 0,
                "unknown": 0, "findings": "sha256:0f", "populationDigest": "sha256:0a",
                "populationList": {"digest": "sha256:0b", "count": 2},
                "added": [finding], "removed": [gone], "entered": [came], "left": [],
            }),
        ),
        EntryType::Heartbeat => (
            control(),
            json!({
                "generation": 3, "state": "Passing", "population": 1, "failing": 0, "excepted": 0,
                "unknown": 0, "findings": "sha256:0f", "left": [came],
            }),
        ),
        EntryType::ControlChanged => (control(), changed),
        EntryType::Exception => (EntrySubject::new("ControlException", "legacy"), changed),
        EntryType::AuditPeriod => (
            EntrySubject::new("AuditPeriod", "soc2-2026-q4"),
            json!({"change": "Phase", "phase": "Closed"}),
        ),
        EntryType::Namespace => (EntrySubject::new("Namespace", "shop"), changed),
        EntryType::Guard => (
            EntrySubject::new("ValidatingAdmissionPolicy", "records"),
            json!({"change": "Deleted"}),
        ),
        EntryType::Response => (
            EntrySubject::new("DeviationResponse", "r-1"),
            json!({"change": "Created", "authorBound": true}),
        ),
        EntryType::Attestation => (
            control(),
            json!({
                "occurrence": {"period": "2026-Q4", "opens": AT, "due": AT, "graceUntil": AT, "ruleDigest": "sha256:03"},
                "phase": "CompletedLate", "message": "it came 2 days late",
                "record": {
                    "name": "q4", "counts": true, "attestedBy": "person:1f0c", "onBehalf": true,
                    "performedAt": AT, "recordedAt": AT, "outcome": "Completed", "version": "3",
                    "participants": 2, "artifacts": [{"uri": "s3://records/q4.pdf", "digest": "sha256:04"}],
                    "specDigest": "sha256:05", "summary": "All of it was reviewed", "recordedBy": "person:77",
                    "seenAt": AT, "authorBound": true,
                },
            }),
        ),
        EntryType::Operator => (
            EntrySubject::new("Operator", "comptroller-0"),
            json!({
                "event": "Started", "version": "0.9.0", "image": "registry/comptroller@sha256:06", "node": "n1",
                "user": "system:serviceaccount:comptroller:comptroller", "flags": ["run", "--evidence", "/log"],
                "published": {"checkpoint": "origin\n40\nroot", "continues": false},
            }),
        ),
        EntryType::Gap => (
            EntrySubject::new("Cluster", "6f1c"),
            json!({
                "from": AT, "to": "2026-11-20T11:14:03Z", "reason": "the operator was not running",
                "cause": "Crashed",
            }),
        ),
        EntryType::Inventory => (EntrySubject::new("Cluster", "6f1c"), inventory()),
        EntryType::Register => (register_subject("grants"), register()),
        EntryType::Usage => (EntrySubject::new("AuditStream", "6f1c"), usage()),
        EntryType::Campaign
        | EntryType::Decision
        | EntryType::Revocation
        | EntryType::Training
        | EntryType::Person => {
            (EntrySubject::new("AccessReviewCampaign", "q4"), json!({"phase": "Open", "count": 3}))
        }
    }
}

fn register() -> Value {
    let grant = |key: &str| json!({"key": key, "seen": AT, "fields": {"role": "edit", "risks": ["ReadsSecrets"], "subject": "User person:1f0c"}});
    json!({
        "cause": "Change", "added": [grant("a"), {"key": "b"}], "removed": [{"key": "c"}], "total": 12,
        "digest": "sha256:0c", "between": {"from": AT, "to": "2026-11-20T09:20:00Z"},
        "collector": "comptroller-0",
        "lists": [
            {"resource": "rolebindings.rbac.authorization.k8s.io", "reading": "Complete", "resourceVersion": "4711",
             "listedAt": AT, "count": 40, "counted": 41},
            {"resource": "roles.rbac.authorization.k8s.io", "reading": "Forbidden", "count": 0},
        ],
    })
}

fn usage() -> Value {
    let secrets = json!({"user": "person:1f0c", "verb": "list", "resource": "secrets", "namespace": "shop", "day": "2026-11-20"});
    json!({
        "from": AT, "to": "2026-11-20T09:29:03Z", "part": 1, "parts": 2, "digest": "sha256:0d",
        "events": {"taken": 9, "duplicates": 1, "refused": 2, "other": 3, "unclear": 0, "overflow": 4},
        "lastUses": [secrets],
        "changes": [{"user": "system:serviceaccount:ci:deployer", "impersonator": "person:77", "verb": "delete",
            "group": "rbac.authorization.k8s.io", "resource": "rolebindings", "namespace": "shop", "name": "hotfix",
            "first": AT, "last": AT, "count": 1}],
        "breakGlass": [{"user": "person:1f0c", "byRule": "group:break-glass", "day": "2026-11-20", "first": AT, "last": AT, "count": 3}],
        "warnings": [{"user": "person:1f0c", "policy": "no-latest", "binding": "warn", "day": "2026-11-20", "count": 2}],
        "accesses": [{"user": "person:1f0c", "kind": "SecretRead", "namespace": "", "day": "2026-11-20", "count": 5}],
    })
}

fn inventory() -> Value {
    let kind = |kind: &str, reading: &str, count: u64| {
        json!({
            "apiVersion": "v1", "kind": kind, "plural": kind.to_lowercase(), "namespaced": true,
            "reading": reading, "count": count,
        })
    };
    let mut pods = kind("Pod", "Complete", 120);
    pods["resourceVersion"] = json!("4711");
    pods["listedAt"] = json!(AT);
    pods["list"] = json!({"digest": "sha256:08", "bytes": 900, "unpacked": 9000});
    let mut claims = kind("PersistentVolumeClaim", "Forbidden", 0);
    claims["reason"] = json!("persistentvolumeclaims is forbidden");
    json!({
        "collector": "comptroller-0", "kubernetes": "1.36", "apiServer": {},
        "catalog": {"digest": "sha256:07", "bytes": 1, "unpacked": 2},
        "kinds": [pods, claims, kind("Widget", "NotServed", 0)],
    })
}

fn entry(type_: EntryType) -> Entry {
    let (subject, data) = example(type_);
    Entry {
        at: AT.parse().unwrap(),
        clock: ClockReading::default(),
        epoch: 7,
        subject,
        data: Data::parse(type_, data).unwrap(),
    }
}

fn provenance() -> Provenance {
    let at = AT.parse().unwrap();
    let mut started = OperatorData::new(OperatorEvent::Started, "0.9.0".to_owned());
    started.user = Some("system:serviceaccount:comptroller:comptroller".to_owned());
    Provenance {
        writer: Some(Earlier { entry: 3, at, data: started }),
        inventory: Some(Earlier {
            entry: 5,
            at,
            data: serde_json::from_value(inventory()).unwrap(),
        }),
    }
}

#[test]
fn each_type_is_said_as_agreed() {
    for type_ in EntryType::ALL {
        let described = describe(&entry(*type_), &provenance());
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_json_snapshot!(type_.as_str(), described);
        });
    }
}

#[test]
fn a_long_list_is_cut_and_says_how_long_it_is() {
    let Data::Verdict(mut data) = entry(EntryType::Verdict).data else { panic!("no verdict") };
    data.added = vec![data.added[0].clone(); 4_000];
    let described =
        describe(&Entry { data: Data::Verdict(data), ..entry(EntryType::Verdict) }, &provenance());
    assert_eq!((described.lists[0].count, described.lists[0].rows.len()), (4_000, NAMED_ROWS));
}

#[test]
fn what_is_not_known_is_said() {
    let described = describe(&entry(EntryType::Verdict), &Provenance::default());
    let texts: Vec<&str> = described.basis.iter().map(|detail| detail.text.as_str()).collect();
    assert!(texts[0].starts_with("not known: no start of an operator"), "{texts:?}");
    assert!(texts[1].starts_with("not recorded: the log has no inventory"), "{texts:?}");
}

#[test]
fn data_that_are_gone_are_said_to_be_gone() {
    let data = StoredData { stored: "sha256:ab".to_owned(), bytes: 70_000 };
    let gone = Entry { data: Data::Stored(EntryType::Verdict, data), ..entry(EntryType::Gap) };
    let described = describe(&gone, &provenance());
    assert!(described.says.contains("is missing there"), "{}", described.says);
}
