//! From a spec and reports to judgements, through the inventory.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Built, Check, CheckContext, Finding, Item, LimitCounts, Program, ProgramId, build};
use crate::{
    checks::{Dependency, scope::ScopeFilter},
    inventory::{
        Availability, Inventory, Projector, ResourceType,
        reports::{
            ReportedResource,
            samples::{RECENT, config_audit, kubewarden, kyverno, result, vulnerabilities},
            tests::{named, resource_type},
        },
    },
};

struct World {
    inventory: Inventory,
    check: Box<dyn Check>,
    program: (ProgramId, Arc<Program>),
    scope: ScopeFilter,
    now: Timestamp,
}

fn test(spec: Value) -> Value {
    let mut test = json!({"reports": ["PolicyReport"], "maxAge": "24h"});
    test.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    test
}

impl World {
    fn new(spec: Value, objects: &[Value]) -> Self {
        let Built { check, program } = build(&serde_json::from_value(test(spec)).unwrap()).unwrap();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let program = program.unwrap();
        let mut world = Self {
            inventory: Inventory::default(),
            check,
            program,
            scope: ScopeFilter::default(),
            now,
        };
        world.apply(objects);
        world
    }

    fn apply(&mut self, objects: &[Value]) {
        for object in objects {
            let is_report =
                object["apiVersion"].as_str().unwrap().split('/').next().is_some_and(|group| {
                    group.contains("report") || group.contains("policy") || group.contains("aqua")
                });
            let (resource, programs) = if is_report {
                (resource_type(object), vec![self.program.clone()])
            } else {
                (kind_of(object), Vec::new())
            };
            let projector = Projector::new(resource, programs, Arc::default());
            let id = self.inventory.kind(projector.resource());
            if self.inventory.kind_state(id).unwrap().availability == Availability::Pending {
                self.inventory.begin(id);
                self.inventory.commit(id, projector.program_ids());
            }
            self.inventory.apply(id, projector.project(object).unwrap());
        }
    }

    fn context(&self) -> CheckContext<'_> {
        CheckContext {
            inventory: &self.inventory,
            scope: &self.scope,
            now: self.now,
            occurrences: &[],
        }
    }

    /// What is said of each item, by its name: nothing of one that passes.
    fn said(&self) -> BTreeMap<String, Vec<String>> {
        let context = self.context();
        let (mut items, mut counts) = (Vec::new(), LimitCounts::default());
        self.check.items(&context, &mut |item| items.push(item));
        items.sort();
        let mut said = BTreeMap::new();
        for item in items {
            let judgement = match item {
                Item::Cluster(part) => self.check.judge_cluster(&context, part, &counts),
                _ => self.check.judge(&context, item),
            };
            let Some(judgement) = judgement.filter(|judgement| !judgement.pending) else {
                continue;
            };
            counts.note(item, judgement.limit_membership);
            let name = match item {
                Item::Object(slot) => {
                    let object = self.inventory.get(slot).unwrap();
                    let kind = &self.inventory.kind_state(object.kind).unwrap().resource;
                    named(&ReportedResource::of(kind, &object.namespace, &object.name))
                }
                Item::Reported(id) => named(self.inventory.reports.resource(id).unwrap()),
                _ => "Cluster".to_owned(),
            };
            let text = |mark: &str, finding: &Finding| {
                format!("{mark}{}: {}", finding.rule, finding.message)
            };
            let failing = judgement.failing.iter().map(|finding| text("", finding));
            let unknown = judgement.unknown.iter().map(|finding| text("? ", finding));
            said.insert(name, failing.chain(unknown).collect());
        }
        said
    }
}

fn kind_of(object: &Value) -> ResourceType {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = object["kind"].as_str().unwrap();
    ResourceType {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: kind != "Namespace",
    }
}

fn workload(kind: &str, name: &str, owner: Option<(&str, &str)>) -> Value {
    let owners = owner.map(|(kind, name)| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}]));
    json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{name}"), "creationTimestamp": "2026-11-01T00:00:00Z", "ownerReferences": owners},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
    })
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn each_reported_resource_is_an_item() {
    let world = World::new(
        json!({}),
        &[
            kyverno(
                "wgpolicyk8s.io",
                "shop",
                "web",
                &[result("labels", "team", "fail", RECENT), result("probes", "x", "error", RECENT)],
            ),
            kyverno("wgpolicyk8s.io", "shop", "api", &[result("labels", "team", "pass", RECENT)]),
            kyverno("wgpolicyk8s.io", "shop", "old", &[result("labels", "team", "skip", RECENT)]),
            kubewarden("shop", "web-0", "fail"),
        ],
    );
    let said = world.said();
    assert_eq!(
        said,
        BTreeMap::from([
            ("Deployment shop/api".to_owned(), none()),
            (
                "Deployment shop/web".to_owned(),
                vec![
                    "labels/team: kyverno says (PolicyReport shop/uid-of-web): labels says so".to_owned(),
                    "? probes/x: kyverno could not evaluate it (PolicyReport shop/uid-of-web): probes says so".to_owned(),
                ],
            ),
            (
                "Pod shop/web-0".to_owned(),
                vec!["clusterwide-no-privileged: kubewarden says (Report shop/uid-of-web-0): privileged containers are not allowed".to_owned()],
            ),
        ])
    );
}

#[test]
fn no_report_at_all_is_unknown() {
    let mut world = World::new(json!({"sources": ["kubewarden"]}), &[]);
    assert!(
        world.said()["Cluster"][0]
            .starts_with("? NoReports: no report holds a result of kubewarden")
    );
    // Nor is one of another engine, or our own.
    world.apply(&[kyverno("wgpolicyk8s.io", "shop", "web", &[result("a", "b", "pass", RECENT)])]);
    assert_eq!(world.said().len(), 1);
    world.apply(&[kubewarden("shop", "web-0", "pass")]);
    assert_eq!(world.said(), BTreeMap::from([("Pod shop/web-0".to_owned(), none())]));
    let own = json!({"source": "comptroller", "policy": "own", "result": "pass", "timestamp": {"seconds": RECENT, "nanos": 0}});
    let world = World::new(json!({}), &[kyverno("openreports.io", "shop", "web", &[own])]);
    assert!(world.said()["Cluster"][0].starts_with("? NoReports"));
}

#[test]
fn an_old_result_is_no_pass_and_an_old_failure_stays_one() {
    let old = RECENT - 2 * 86_400;
    let mut world = World::new(
        json!({}),
        &[
            kyverno(
                "wgpolicyk8s.io",
                "shop",
                "web",
                &[result("a", "b", "pass", old), result("c", "d", "pass", RECENT)],
            ),
            kyverno("wgpolicyk8s.io", "shop", "api", &[result("a", "b", "fail", old)]),
            kyverno("wgpolicyk8s.io", "shop", "new", &[result("a", "b", "pass", RECENT)]),
            kyverno("wgpolicyk8s.io", "shop", "odd", &[result("a", "b", "pass", RECENT + 90_000)]),
        ],
    );
    let said = world.said();
    assert!(said["Deployment shop/web"][0].starts_with("? ResultTooOld: the oldest result in PolicyReport shop/uid-of-web is of 2026-11-19T11:00:00Z"), "{said:?}");
    assert!(said["Deployment shop/api"][0].starts_with("a/b: kyverno says"), "{said:?}");
    assert!(said["Deployment shop/odd"][0].contains("is in the future"), "{said:?}");
    assert_eq!(said["Deployment shop/new"], none());
    world.now = "2026-11-22T11:00:00Z".parse().unwrap();
    assert!(world.said()["Deployment shop/new"][0].starts_with("? ResultTooOld"));
}

#[test]
fn of_one_engine_the_newer_api_group_counts() {
    let fail = |group, at| kyverno(group, "shop", "web", &[result("a", "b", "fail", at)]);
    let pass = |group, at| kyverno(group, "shop", "web", &[result("a", "b", "pass", at)]);
    let passes =
        |reports: &[Value]| World::new(json!({}), reports).said()["Deployment shop/web"].is_empty();
    // An engine that moved left its old report behind.
    assert!(passes(&[fail("wgpolicyk8s.io", RECENT - 600), pass("openreports.io", RECENT)]));
    assert!(!passes(&[fail("wgpolicyk8s.io", RECENT), pass("openreports.io", RECENT - 600)]));
    // The same in both is one.
    assert!(passes(&[pass("wgpolicyk8s.io", RECENT), pass("openreports.io", RECENT)]));
    assert!(!passes(&[fail("wgpolicyk8s.io", RECENT), fail("openreports.io", RECENT)]));
    let both =
        World::new(json!({}), &[fail("wgpolicyk8s.io", RECENT), fail("openreports.io", RECENT)]);
    assert_eq!(both.said()["Deployment shop/web"].len(), 1);
}

#[test]
fn workloads_must_have_a_result_of_what_runs_for_them() {
    let trivy = json!({"reports": ["VulnerabilityReport"], "minSeverity": "High", "require": {"of": "Workloads"}});
    let mut world = World::new(
        trivy,
        &[
            workload("Deployment", "web", None),
            workload("ReplicaSet", "web-5d", Some(("Deployment", "web"))),
            workload("Deployment", "api", None),
            vulnerabilities("shop", "web-5d", &[("CVE-1", "CRITICAL")]),
            // About something that is gone.
            vulnerabilities("shop", "web-4c", &[("CVE-2", "CRITICAL")]),
        ],
    );
    let said = world.said();
    assert_eq!(said.keys().collect::<Vec<_>>(), ["Deployment shop/api", "Deployment shop/web"]);
    assert!(said["Deployment shop/web"][0].starts_with("CVE-1: Trivy says (VulnerabilityReport shop/replicaset-web-5d-app): container app: openssl"), "{said:?}");
    assert!(
        said["Deployment shop/api"][0].starts_with("NoResult: has no result of any engine"),
        "{said:?}"
    );
    // One that is younger than a result may be old has had no chance yet.
    world.now = "2026-11-01T12:00:00Z".parse().unwrap();
    assert_eq!(world.said().keys().collect::<Vec<_>>(), ["Deployment shop/web"]);
    // A result about an earlier one of the same name is none about this one.
    let mut again = workload("Deployment", "db", None);
    again["metadata"]["uid"] = json!("another");
    let world = World::new(
        json!({"require": {"of": "Workloads"}}),
        &[again, kyverno("openreports.io", "shop", "db", &[result("a", "b", "pass", RECENT)])],
    );
    assert!(world.said()["Deployment shop/db"][0].starts_with("NoResult"));
}

#[test]
fn namespaces_must_have_a_result_of_anything_in_them() {
    let space = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "creationTimestamp": "2026-11-01T00:00:00Z"}});
    let world = World::new(
        json!({"require": {"of": "Namespaces"}}),
        &[
            space("shop"),
            space("pay"),
            kyverno("openreports.io", "shop", "web", &[result("a", "b", "fail", RECENT)]),
        ],
    );
    let said = world.said();
    assert_eq!(said["Namespace shop"], none());
    assert!(said["Namespace pay"][0].starts_with("NoResult"));
    assert!(said["Deployment shop/web"][0].starts_with("a/b"));
}

#[test]
fn scopes_apply_to_what_is_reported() {
    let mut world = World::new(
        json!({"reports": ["ConfigAuditReport"]}),
        &[
            config_audit("shop", "web", &[("KSV1", "HIGH", false)]),
            config_audit("kube-system", "dns", &[("KSV1", "HIGH", false)]),
        ],
    );
    let scope = json!({"excludeNamespaces": ["kube-system"]});
    world.scope = ScopeFilter::compile(Some(&serde_json::from_value(scope).unwrap())).unwrap();
    assert_eq!(world.said().keys().collect::<Vec<_>>(), ["Service shop/web"]);
}

#[test]
fn an_unreliable_report_is_unknown_for_what_it_is_about() {
    let mut report = kyverno("openreports.io", "shop", "web", &[result("a", "b", "pass", RECENT)]);
    report["summary"]["fail"] = json!(2);
    let said = World::new(json!({}), &[report]).said();
    assert!(
        said["Deployment shop/web"][0]
            .starts_with("? ReportUnreliable: Report shop/uid-of-web: its summary counts 2"),
        "{said:?}"
    );
}

#[test]
fn one_of_the_groups_must_be_served() {
    let world = World::new(json!({"reports": ["PolicyReport", "VulnerabilityReport"]}), &[]);
    let groups: Vec<_> = world
        .check
        .reads()
        .into_iter()
        .filter_map(|read| match read {
            Dependency::AnyGroup { groups, .. } => Some(groups),
            _ => None,
        })
        .collect();
    assert_eq!(groups, [vec!["openreports.io", "wgpolicyk8s.io"], vec!["aquasecurity.github.io"]]);
    assert!(!world.check.judges_manifests());
}

#[test]
fn ten_thousand_reports_are_kept_and_a_change_of_one_concerns_one() {
    let report = |number: usize, fails: &str| {
        let mut results: Vec<Value> =
            (0..4).map(|n| result(&format!("p{n}"), "r", "pass", RECENT)).collect();
        results.push(result("labels", "team", fails, RECENT));
        kyverno("openreports.io", &format!("ns{}", number % 50), &format!("web{number}"), &results)
    };
    let reports: Vec<Value> = (0..10_000).map(|number| report(number, "fail")).collect();
    let mut world = World::new(json!({}), &reports);
    let kind = world.inventory.find_kind("openreports.io", "Report").unwrap();
    let refused = world
        .inventory
        .iter()
        .filter(|(_, object)| matches!(object.facts, crate::inventory::Facts::Malformed(_)));
    assert_eq!(refused.count(), 0);
    let projector =
        Projector::new(resource_type(&reports[0]), vec![world.program.clone()], Arc::default());
    let change =
        world.inventory.apply(kind, projector.project(&report(7, "pass")).unwrap()).unwrap();
    let mut affected = std::collections::BTreeSet::new();
    world.check.affected(&world.context(), &change, &mut |item| {
        affected.insert(item);
    });
    assert_eq!(affected.len(), 2, "the resource, and whether there is any report: {affected:?}");
    // The same again changes nothing: neither what passes nor its message is kept.
    assert!(world.inventory.apply(kind, projector.project(&report(7, "pass")).unwrap()).is_none());
}

#[test]
fn reports_that_weigh_too_much_together_are_unknown() {
    let report = |number: usize| {
        let results: Vec<Value> = (0..100)
            .map(|n| {
                let mut one = result(&format!("policy-{n}"), "r", "fail", RECENT);
                one["message"] = json!(format!("{number} {}", "m".repeat(400)));
                one
            })
            .collect();
        kyverno("openreports.io", "shop", &format!("web{number}"), &results)
    };
    let reports: Vec<Value> = (0..600).map(report).collect();
    let world = World::new(json!({}), &reports);
    let said = world.said();
    assert_eq!(said.len(), 600);
    let unreliable = said.values().filter(|texts| {
        texts
            .iter()
            .any(|text| text.starts_with("? ReportUnreliable") && text.contains("too many objects"))
    });
    assert!((100..500).contains(&unreliable.count()));
}
