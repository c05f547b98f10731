//! What reports say, how large they become, and that nothing bad is missing from them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use comptroller_core::{checks::Finding, engine::Reason};
use comptroller_vocabulary::{ResourceRef, State};

const AT: &str = "2026-11-30T12:00:00.25Z";

fn at() -> Timestamp {
    AT.parse().unwrap()
}

fn finding(namespace: Option<&str>, name: &str, exception: Option<&str>) -> ObservedFinding {
    ObservedFinding {
        finding: Finding {
            rule: "NoPrivileged".into(),
            severity: None,
            resource: ResourceRef {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: namespace.map(Into::into),
                name: name.into(),
            },
            subject: None,
            message: "container app is privileged".into(),
        },
        severity: Severity::High,
        since: at(),
        exception: exception.map(Into::into),
    }
}

fn verdict(state: State, reason: Reason, open: usize, unknown: usize) -> Verdict {
    Verdict {
        state,
        unknown,
        open_findings: open,
        ..Verdict::blocked(1, reason, "a sentence".to_owned(), at())
    }
}

fn control<'a>(
    name: &'a str,
    verdict: &'a Verdict,
    findings: &'a [ObservedFinding],
    undecided: &'a [ObservedFinding],
) -> ReportedControl<'a> {
    ReportedControl {
        name,
        criteria: &[],
        severity: Severity::Medium,
        verdict,
        findings,
        undecided,
        entry: Some(41),
        at: at(),
    }
}

/// Every row as `policy rule result`, by object.
fn told(shards: &[Shard<'_>]) -> Vec<String> {
    let row = |object: &Value, row: &Value| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let (policy, rule, result) = (text("policy"), text("rule"), text("result"));
        format!("{} {policy} {rule} {result}", namespace.unwrap_or("-"))
    };
    let objects = shards.iter().map(|shard| shard.object(ReportApi::OpenReports, None, true));
    objects
        .flat_map(|object| {
            let rows = object["results"].as_array().unwrap().clone();
            rows.iter().map(|one| row(&object, one)).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn each_state_has_its_result_and_only_a_pass_is_one() {
    use Reason::{
        FindingsExcepted, FindingsOpen, Forbidden, ItemsUnknown, NoFindings, NoPopulation,
    };
    let open = [finding(Some("shop"), "web", None), finding(None, "node", Some("until-june"))];
    let excepted = [finding(Some("shop"), "web", Some("until-june"))];
    let undecided = [finding(Some("shop"), "web", None)];
    let nothing: &[ObservedFinding] = &[];
    let withheld = Withheld { reason: "EvidenceUnavailable", why: "the log is full", since: at() };
    for (state, reason, open_count, unknown, findings, undecided, withheld, expected) in [
        (State::Passing, NoFindings, 0, 0, nothing, nothing, None, "- c NoFindings pass"),
        (State::NotApplicable, NoPopulation, 0, 0, nothing, nothing, None, "- c NoPopulation skip"),
        (State::Unknown, Forbidden, 0, 0, nothing, nothing, None, "- c Forbidden error"),
        (
            State::Failing,
            FindingsOpen,
            1,
            0,
            &open,
            nothing,
            None,
            "- c NoPrivileged skip, shop c NoPrivileged fail",
        ),
        (
            State::Excepted,
            FindingsExcepted,
            0,
            0,
            &excepted,
            nothing,
            None,
            "shop c NoPrivileged skip",
        ),
        (
            State::Unknown,
            ItemsUnknown,
            0,
            1,
            nothing,
            &undecided,
            None,
            "shop c NoPrivileged error",
        ),
        // More than is listed.
        (
            State::Failing,
            FindingsOpen,
            3,
            0,
            &open,
            nothing,
            None,
            "- c FindingsNotListed fail, - c NoPrivileged skip, shop c NoPrivileged fail",
        ),
        // Nothing is recorded: what held is not known to hold, and what fails goes on failing.
        (
            State::Passing,
            NoFindings,
            0,
            0,
            nothing,
            nothing,
            Some(withheld),
            "- c EvidenceUnavailable error",
        ),
        (
            State::Excepted,
            FindingsExcepted,
            0,
            0,
            &excepted,
            nothing,
            Some(withheld),
            "- c EvidenceUnavailable error, shop c NoPrivileged skip",
        ),
        (
            State::Failing,
            FindingsOpen,
            1,
            0,
            &open,
            nothing,
            Some(withheld),
            "- c NoPrivileged skip, shop c NoPrivileged fail",
        ),
    ] {
        let verdict = verdict(state, reason, open_count, unknown);
        let controls = [control("c", &verdict, findings, undecided)];
        let told = told(&shards(&controls, withheld.as_ref(), Limits::DEFAULT));
        assert_eq!(told.join(", "), expected, "{state:?}");
    }
}

#[test]
fn an_object_is_as_both_apis_have_it() {
    let findings = [finding(Some("shop"), "web", None)];
    let verdict = verdict(State::Failing, Reason::FindingsOpen, 1, 0);
    let criteria = ["CC6.1".to_owned(), "ISO27001:A.5.15".to_owned()];
    let controls =
        [ReportedControl { criteria: &criteria, ..control("c", &verdict, &findings, &[]) }];
    let shards = shards(&controls, None, Limits::DEFAULT);
    let owner = Owner { name: "comptroller-reports".to_owned(), uid: "u-1".to_owned() };
    let open = shards[0].object(ReportApi::OpenReports, Some(&owner), true);
    insta::assert_json_snapshot!(open, @r#"
    {
      "apiVersion": "openreports.io/v1alpha1",
      "kind": "Report",
      "metadata": {
        "annotations": {
          "comptroller.dev/report-digest": "a0ad6cfadb8da0b4c62ca33e99c24242"
        },
        "labels": {
          "app.kubernetes.io/managed-by": "comptroller"
        },
        "name": "comptroller",
        "namespace": "shop",
        "ownerReferences": [
          {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": "comptroller-reports",
            "uid": "u-1"
          }
        ]
      },
      "results": [
        {
          "category": "SOC 2 / CC6",
          "message": "container app is privileged",
          "policy": "c",
          "properties": {
            "criteria": "CC6.1, ISO27001:A.5.15",
            "evidence": "41",
            "since": "2026-11-30T12:00:00Z"
          },
          "resources": [
            {
              "apiVersion": "apps/v1",
              "kind": "Deployment",
              "name": "web",
              "namespace": "shop"
            }
          ],
          "result": "fail",
          "rule": "NoPrivileged",
          "severity": "high",
          "source": "comptroller",
          "timestamp": {
            "nanos": 250000000,
            "seconds": 1796040000
          }
        }
      ],
      "scope": {
        "apiVersion": "v1",
        "kind": "Namespace",
        "name": "shop"
      },
      "source": "comptroller",
      "summary": {
        "error": 0,
        "fail": 1,
        "pass": 0,
        "skip": 0,
        "warn": 0
      }
    }
    "#);
    let old = shards[0].object(ReportApi::PolicyReport, Some(&owner), true);
    assert_eq!(old["kind"], "PolicyReport");
    assert_eq!((old.get("source"), &old["results"]), (None, &open["results"]));
    let bare = shards[0].object(ReportApi::OpenReports, Some(&owner), false);
    assert!(!bare.to_string().contains("privileged"), "{bare}");
}

#[test]
fn a_category_is_the_group_of_the_first_criterion() {
    let verdict = verdict(State::Passing, Reason::NoFindings, 0, 0);
    for (criterion, category) in [
        (Some("CC6.1"), "SOC 2 / CC6"),
        (Some("A1.2"), "SOC 2 / A1"),
        (Some("ISO27001:A.5.15"), "ISO27001"),
        (None, "Uncategorized"),
    ] {
        let criteria: Vec<String> = criterion.map(str::to_owned).into_iter().collect();
        let controls =
            [ReportedControl { criteria: &criteria, ..control("c", &verdict, &[], &[]) }];
        let object =
            shards(&controls, None, Limits::DEFAULT)[0].object(ReportApi::OpenReports, None, true);
        assert_eq!(object["results"][0]["category"], category);
    }
}

#[test]
fn a_heartbeat_is_no_change_and_everything_else_is_one() {
    let verdict = verdict(State::Passing, Reason::NoFindings, 0, 0);
    let digest =
        |control: ReportedControl<'_>| shards(&[control], None, Limits::DEFAULT)[0].digest(None);
    let first = control("c", &verdict, &[], &[]);
    let later = ReportedControl { entry: Some(99), at: Timestamp::MAX, ..first };
    assert_eq!(digest(first), digest(later));
    let other = ReportedControl { severity: Severity::Low, ..first };
    assert_ne!(digest(first), digest(other));
    let owner = Owner { name: "r".to_owned(), uid: "u".to_owned() };
    let controls = [first];
    let shards = shards(&controls, None, Limits::DEFAULT);
    assert_ne!(shards[0].digest(None), shards[0].digest(Some(&owner)));
}

#[test]
fn a_new_finding_changes_few_of_many_objects() {
    let verdict = verdict(State::Failing, Reason::FindingsOpen, 4_001, 0);
    let mut findings: Vec<_> =
        (0..4_001).map(|n| finding(Some("shop"), &format!("web-{n}"), None)).collect();
    let digests = |findings: &[ObservedFinding]| -> BTreeMap<String, String> {
        let controls = [control("c", &verdict, findings, &[])];
        let shards = shards(&controls, None, Limits::DEFAULT);
        let shop = shards.iter().filter(|shard| shard.namespace.is_some());
        shop.map(|shard| (shard.name(), shard.digest(None))).collect()
    };
    let after = digests(&findings);
    findings.pop();
    let before = digests(&findings);
    assert!(before.len() >= 8, "{}", before.len());
    let changed = after.iter().filter(|(name, digest)| before.get(*name) != Some(digest)).count();
    assert_eq!(changed, 1);
}

#[test]
fn names_of_ours_are_told_apart() {
    for (name, ours) in [
        ("comptroller", true),
        ("comptroller-1", true),
        ("comptroller-1023", true),
        ("comptroller-0", false),
        ("comptroller-x", false),
        ("comptroller-", false),
        ("other", false),
    ] {
        assert_eq!(is_own_name(name), ours, "{name}");
    }
}

/// What an attacker may write into a name, and what a fuzzer comes up with.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("=x\u{1b}[2J\u{9b}1m\n\u{202e}<script>]]>&\"[a](http://evil)\u{0}\u{200b}".to_owned()),
        Just("é".repeat(2_000)),
        "[a-z]{1,8}",
        any::<String>(),
    ]
}

fn findings() -> impl Strategy<Value = Vec<ObservedFinding>> {
    let namespace = prop_oneof![
        Just(None),
        Just(Some("shop".to_owned())),
        Just(Some("../../x".to_owned())),
        text().prop_map(Some),
    ];
    let one = (namespace, text(), text(), proptest::option::of(text()), any::<bool>()).prop_map(
        |(namespace, name, message, subject, excepted)| {
            let exception = excepted.then_some("until-june");
            let mut one = finding(namespace.as_deref(), &name, exception);
            one.finding.message = message;
            one.finding.subject = subject;
            one
        },
    );
    proptest::collection::vec(one, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_bad_is_missing_and_nothing_is_too_large(
        first in findings(),
        second in findings(),
        rows in 4_usize..60,
        rows_per_object in 5_usize..20,
    ) {
        let limits = Limits { rows, rows_per_object, bytes_per_object: 40_000 };
        let fails = |findings: &[ObservedFinding]| {
            findings.iter().filter(|one| one.exception.is_none()).count()
        };
        let verdicts = [&first, &second].map(|findings| {
            let open = fails(findings);
            let state = if open > 0 { State::Failing } else { State::Passing };
            verdict(state, Reason::FindingsOpen, open, 0)
        });
        let controls = [
            control("a", &verdicts[0], &first, &[]),
            control("b", &verdicts[1], &second, &[]),
        ];
        let shards = shards(&controls, None, limits);
        let mut names = BTreeSet::new();
        let mut failing: BTreeMap<String, usize> = BTreeMap::new();
        let mut of_scope: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for shard in &shards {
            prop_assert!(names.insert((shard.namespace, shard.name())));
            prop_assert!(is_own_name(&shard.name()));
            prop_assert!(!shard.is_empty() && shard.len() <= rows_per_object);
            *of_scope.entry(shard.namespace).or_default() += shard.len();
            let object = shard.object(ReportApi::OpenReports, None, true);
            prop_assert!(object["results"].to_string().len() <= 40_000);
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for row in object["results"].as_array().unwrap() {
                let (policy, result) = (row["policy"].as_str().unwrap(), row["result"].as_str().unwrap());
                *counts.entry(result).or_default() += 1;
                if result == "fail" {
                    let unlisted = row.pointer("/properties/notListed").and_then(Value::as_str);
                    let count = unlisted.map_or(1, |count| count.parse().unwrap());
                    *failing.entry(policy.to_owned()).or_default() += count;
                }
                let message = row["message"].as_str().unwrap();
                prop_assert!(message.chars().count() <= 1025 && crate::visible(message) == message);
            }
            for (result, count) in counts {
                prop_assert_eq!(object["summary"][result].as_u64(), Some(count));
            }
        }
        // Each control has a row of its own for each outcome that is cut.
        for (namespace, count) in of_scope {
            prop_assert!(count <= rows.max(8), "{:?} has {} rows", namespace, count);
        }
        for (policy, findings) in [("a", &first), ("b", &second)] {
            prop_assert_eq!(failing.get(policy).copied().unwrap_or_default(), fails(findings));
        }
    }
}
