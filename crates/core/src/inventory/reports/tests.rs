//! What is kept of a report: what engines write, and what somebody hostile may write.

use proptest::prelude::*;
use serde_json::{Value, json};
use wildmatch::WildMatch;

use super::{samples::*, *};
use crate::inventory::{
    Interner, ObjectSource, ResourceType,
    program::{Program, WholeObject, run_all},
};

/// A resource in a few words.
pub(crate) fn named(resource: &ReportedResource) -> String {
    let ReportedResource { kind, namespace, name, .. } = resource;
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

/// The resource type of a report.
pub(crate) fn resource_type(report: &Value) -> ResourceType {
    let text = |field: &str| report[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap();
    let api = KINDS.iter().find(|api| api.is(group, text("kind"))).expect("a kind of report");
    let (kind, plural) = api.kinds.iter().find(|(kind, _)| *kind == text("kind")).unwrap();
    ResourceType {
        group: group.into(),
        version: version.into(),
        kind: (*kind).into(),
        plural: (*plural).into(),
        namespaced: !kind.starts_with("Cluster"),
    }
}

/// What a filter keeps of a report.
fn kept(filter: ResultFilter, report: &Value) -> Vec<ReportEntry> {
    let (resource, interner) = (resource_type(report), Interner::default());
    let text = |path: &str| report.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let name = (text("/metadata/namespace"), text("/metadata/name"));
    let whole = WholeObject::new(report, &resource, name, ObjectSource::Cluster, &interner);
    let program = Program::Results(ReportReader { filter });
    match run_all(std::iter::once(&program), &whole).into_vec().remove(0) {
        ProgramResult::Results(results) => results.entries.into_vec(),
        ProgramResult::NotMatched => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn everything() -> ResultFilter {
    ResultFilter::default()
}

fn rules(entry: &ReportEntry) -> Vec<(&str, bool)> {
    entry.rows.iter().map(|row| (row.rule.as_str(), row.fails)).collect()
}

#[test]
fn what_kyverno_says_of_a_resource() {
    for group in ["openreports.io", "wgpolicyk8s.io"] {
        let report = kyverno(
            group,
            "shop",
            "web",
            &[
                result("require-labels", "check-team", "fail", RECENT),
                result("no-latest", "tag", "pass", RECENT - 60),
                result("probes", "ready", "error", RECENT),
                result("quota", "cpu", "skip", RECENT - 99_999),
                result("soft", "hint", "warn", RECENT),
            ],
        );
        let entries = kept(everything(), &report);
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(named(&entry.resource), "Deployment shop/web");
        assert_eq!(entry.uid.as_deref(), Some("uid-of-web"));
        assert_eq!(rules(entry), [("require-labels/check-team", true), ("probes/ready", false)]);
        assert_eq!((entry.judged, entry.more, &entry.problem), (4, 0, &None));
        let dated = entry.dated.unwrap();
        assert_eq!((dated.oldest.as_second(), dated.newest.as_second()), (RECENT - 60, RECENT));
        assert_eq!(entry.rows[0].severity, Some(Severity::High));
        assert_eq!(&*entry.rows[0].message, "require-labels says so");
    }
}

#[test]
fn what_kubewarden_skips_is_counted_and_not_listed() {
    let entries = kept(everything(), &kubewarden("shop", "web-0", "fail"));
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(named(&entry.resource), "Pod shop/web-0");
    assert_eq!(rules(entry), [("clusterwide-no-privileged", true)]);
    assert_eq!((&*entry.engine, &entry.problem), ("kubewarden", &None));
}

#[test]
fn what_trivy_found_is_about_the_owner_of_its_report() {
    let filter = ResultFilter { min_severity: Some(Severity::High), ..everything() };
    let found = [
        ("CVE-2026-1", "CRITICAL"),
        ("CVE-2026-2", "LOW"),
        ("CVE-2026-3", "UNKNOWN"),
        ("CVE-2026-1", "HIGH"),
    ];
    let entries = kept(filter, &vulnerabilities("shop", "web-5d", &found));
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(named(&entry.resource), "ReplicaSet shop/web-5d");
    // What nobody rated may be as severe as anything.
    assert_eq!(rules(entry), [("CVE-2026-1", true), ("CVE-2026-3", true)]);
    assert_eq!(
        &*entry.rows[0].message,
        "container app: openssl 3.0.1: a flaw; fixed in 3.0.2 (and 1 more of this rule)"
    );
    assert_eq!(entry.problem, None);

    let clean = kept(everything(), &vulnerabilities("shop", "web-5d", &[]));
    assert_eq!(
        (clean[0].judged, clean[0].rows.len()),
        (1, 0),
        "somebody looked, and found nothing"
    );

    let checks = [("AVD-KSV-1", "HIGH", false), ("AVD-KSV-2", "HIGH", true)];
    let entries = kept(everything(), &config_audit("shop", "web", &checks));
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(named(&entry.resource), "Service shop/web");
    assert_eq!(rules(entry), [("AVD-KSV-1", true)]);
}

#[test]
fn filters_say_which_results_count() {
    let results = [
        result("require-labels", "team", "fail", RECENT),
        json!({"source": "Falco", "policy": "shell", "result": "fail", "severity": "critical", "category": "Runtime"}),
        json!({"source": "comptroller", "policy": "own", "result": "fail"}),
        json!({"policy": "nobody", "result": "fail"}),
    ];
    let report = kyverno("wgpolicyk8s.io", "shop", "web", &results);
    let globs = |texts: &[&str]| texts.iter().map(|text| WildMatch::new(text)).collect::<Vec<_>>();
    for (filter, expected) in [
        // Never our own, whatever is asked for.
        (everything(), vec!["nobody", "shell", "require-labels/team"]),
        (ResultFilter { engines: globs(&["kyv*"]), ..everything() }, vec!["require-labels/team"]),
        (ResultFilter { engines: globs(&["falco"]), ..everything() }, vec!["shell"]),
        (ResultFilter { engines: globs(&["comptroller"]), ..everything() }, vec![]),
        (ResultFilter { policies: globs(&["sh*"]), ..everything() }, vec!["shell"]),
        (ResultFilter { categories: globs(&["Run*"]), ..everything() }, vec!["shell"]),
        (
            ResultFilter { min_severity: Some(Severity::Critical), ..everything() },
            vec!["nobody", "shell"],
        ),
    ] {
        let what = format!("{filter:?}");
        let mut names: Vec<String> = kept(filter, &report)
            .iter()
            .flat_map(|entry| entry.rows.iter().map(|row| row.rule.to_string()).collect::<Vec<_>>())
            .collect();
        names.sort();
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        expected.sort();
        assert_eq!(names, expected, "{what}");
    }
    let warned = kyverno("wgpolicyk8s.io", "shop", "web", &[result("a", "b", "warn", RECENT)]);
    let filter = ResultFilter { warnings_fail: true, ..everything() };
    assert_eq!(rules(&kept(filter, &warned)[0]), [("a/b", true)]);
}

#[test]
fn a_summary_that_says_something_else_makes_a_report_unreliable() {
    let report = || kyverno("openreports.io", "shop", "web", &[result("a", "b", "pass", RECENT)]);
    let problem = |change: &dyn Fn(&mut Value)| {
        let mut report = report();
        change(&mut report);
        kept(everything(), &report).first().and_then(|entry| entry.problem.clone())
    };
    assert_eq!(problem(&|_| {}), None);
    let why = problem(&|report| report["summary"]["fail"] = json!(3)).unwrap();
    assert!(why.contains("counts 3 results that fail, and it lists 0"), "{why}");
    assert!(problem(&|report| report["summary"]["pass"] = json!(9)).is_some());
    // A report that says that it lists only some may leave out what passes, and nothing else.
    let limited = |field: &'static str| {
        move |report: &mut Value| {
            report["configuration"] = json!({"limits": {"statusFilter": ["fail"]}});
            report["summary"][field] = json!(9);
        }
    };
    assert_eq!(problem(&limited("pass")), None);
    assert!(problem(&limited("fail")).is_some());
    assert!(problem(&limited("error")).is_some());
    assert_eq!(problem(&|report| report["summary"] = json!(null)), None);
    // All rows cut away, by an engine that is asked for.
    let empty = json!({"apiVersion": "openreports.io/v1alpha1", "kind": "Report", "source": "kyverno",
        "metadata": {"name": "r", "namespace": "shop"}, "summary": {"fail": 2}});
    assert!(kept(everything(), &empty)[0].problem.is_some());

    let mut trivy = vulnerabilities("shop", "web", &[("CVE-1", "HIGH")]);
    trivy["report"]["summary"]["criticalCount"] = json!(4);
    let why = kept(everything(), &trivy)[0].problem.clone().unwrap();
    assert!(why.contains("counts 4 of severity Critical, and it lists 0"), "{why}");
}

#[test]
fn results_name_their_resources_and_only_those_of_their_namespace() {
    let pod = |namespace: &str, name: &str| json!({"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name});
    let report = |resources: Value| {
        json!({"apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {"name": "cpol-x", "namespace": "shop", "creationTimestamp": "2026-11-02T00:00:00Z"},
            "results": [{"source": "kyverno", "policy": "x", "result": "fail", "resources": resources}]})
    };
    let names = |resources: Value| -> Vec<(String, bool)> {
        let entries = kept(everything(), &report(resources));
        entries.iter().map(|entry| (named(&entry.resource), entry.problem.is_some())).collect()
    };
    let ok = |name: &str| (name.to_owned(), false);
    assert_eq!(
        names(json!([pod("shop", "a"), pod("", "b")])),
        [ok("Pod shop/a"), ok("Pod shop/b")]
    );
    assert_eq!(
        names(json!([{"apiVersion": "v1", "kind": "Namespace", "name": "shop"}])),
        [ok("Namespace shop")]
    );
    assert_eq!(names(json!([{"apiVersion": "v1", "kind": "Node", "name": "n1"}])), [ok("Node n1")]);
    // Without a name there is only the report to speak of.
    assert_eq!(names(json!([])), [ok("PolicyReport shop/cpol-x")]);
    assert_eq!(names(json!([{"kind": "Pod"}])), [ok("PolicyReport shop/cpol-x")]);
    let foreign = [("PolicyReport shop/cpol-x".to_owned(), true)];
    assert_eq!(names(json!([pod("pay", "a")])), foreign);
    assert_eq!(names(json!([{"apiVersion": "v1", "kind": "Namespace", "name": "pay"}])), foreign);
    // A result without a time counts as old as its report.
    let at = kept(everything(), &report(json!([pod("shop", "a")])))[0].dated.unwrap().oldest;
    assert_eq!(at.to_string(), "2026-11-02T00:00:00Z");
}

#[test]
fn hostile_reports_are_bounded_and_said_to_be_unreadable() {
    let many: Vec<Value> = (0..5_000)
        .map(|n| json!({"source": "x", "policy": format!("p{n}\u{1b}[31m<script>"), "result": "fail", "message": "m".repeat(5_000)}))
        .collect();
    let mut report = kyverno("openreports.io", "shop", "web", &[]);
    report["results"] = json!(many);
    report["summary"] = json!(null);
    let entries = kept(everything(), &report);
    assert_eq!((entries[0].rows.len(), entries[0].more), (MAX_ROWS, 5_000 - 100));
    let row = &entries[0].rows[0];
    assert!(row.rule.chars().all(|c| c.is_ascii_graphic() && c != '<'), "{}", row.rule);
    assert!(row.message.len() < 320);

    let mut odd = kyverno("openreports.io", "shop", "web", &[]);
    odd["results"] = json!("none");
    let entries = kept(everything(), &odd);
    assert_eq!(named(&entries[0].resource), "Report shop/uid-of-web");
    assert!(entries[0].problem.as_ref().unwrap().starts_with("it can't be read: results"));
    let mut long = kyverno("openreports.io", "shop", "web", &[result("a", "b", "pass", RECENT)]);
    long["scope"]["name"] = json!("x".repeat(9_000));
    assert!(kept(everything(), &long)[0].problem.is_some());
}

#[test]
fn long_names_of_rules_stay_apart() {
    let rule = |policy: String| {
        let report = kyverno("openreports.io", "a", "x", &[result(&policy, "r", "fail", RECENT)]);
        kept(everything(), &report)[0].rows[0].rule.to_string()
    };
    let (one, two) = (rule(format!("{}-one", "p".repeat(300))), rule("p".repeat(200)));
    assert!(one.len() <= 128 && two.len() <= 128 && one != two);
    let unnamed = json!({"policy": "", "result": "fail"});
    let report = kyverno("openreports.io", "a", "x", &[unnamed]);
    assert_eq!(&*kept(everything(), &report)[0].rows[0].rule, "Unnamed");
}

proptest! {
    #[test]
    fn no_report_panics_and_no_failure_is_lost(
        outcomes in prop::collection::vec(prop::sample::select(vec!["pass", "fail", "warn", "error", "skip", "odd"]), 0..12),
        seconds in any::<i64>(),
        nanos in any::<i32>(),
    ) {
        let results: Vec<Value> = outcomes.iter().enumerate().map(|(n, outcome)| {
            let mut one = result(&format!("p{n}"), "r", outcome, seconds);
            one["timestamp"]["nanos"] = json!(nanos);
            one
        }).collect();
        let entries = kept(everything(), &kyverno("openreports.io", "shop", "web", &results));
        let fails = outcomes.iter().filter(|outcome| **outcome == "fail").count();
        let kept = entries.iter().flat_map(|entry| &entry.rows).filter(|row| row.fails).count();
        prop_assert_eq!(kept, fails);
    }
}
