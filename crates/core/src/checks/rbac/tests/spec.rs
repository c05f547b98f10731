//! What else a control can say, its population, and what a change affects.

use std::collections::BTreeSet;

use super::*;

#[test]
fn listed_rights_are_matched_by_what_they_mean() {
    let names = |rule: Value| {
        let world = World::of([
            cluster_role("secrets", &["get core secrets"]),
            cluster_role("tls", &["get core secrets tls"]),
            cluster_role("exec", &["create core pods/exec web-0"]),
            cluster_role("admin", &["* * *"]),
            cluster_role("nodes", &["get core nodes"]),
            bind("b1", "secrets", &["User/secrets"]),
            bind("b2", "tls", &["User/tls"]),
            bind("b3", "exec", &["User/exec"]),
            bind("b4", "admin", &["User/admin"]),
            bind_in("prod", "b5", "ClusterRole/nodes", &["User/inert"]),
        ]);
        let found = failing(&*check(json!({"rules": [rule]})), &world);
        assert!(found.iter().all(|finding| finding.rule == "ForbiddenRight"));
        let subjects = found.into_iter().filter_map(|finding| finding.subject);
        subjects.map(|text| text.replace("User ", "")).collect::<Vec<_>>()
    };
    let rule = |verb: &str, group: &str, resource: &str| json!({"verbs": [verb], "apiGroups": [group], "resources": [resource]});
    assert_eq!(names(rule("get", "", "secrets")), ["admin", "secrets", "tls"]);
    assert_eq!(names(rule("list", "", "secrets")), ["admin"]);
    assert_eq!(names(rule("*", "", "secrets")), ["admin", "secrets", "tls"]);
    assert_eq!(names(rule("create", "", "pods/exec")), ["admin", "exec"]);
    assert_eq!(names(rule("create", "", "pods")), ["admin"]);
    assert_eq!(names(rule("get", "", "nodes")), ["admin"]);
    assert_eq!(names(rule("*", "*", "*")), ["admin"]);
    assert_eq!(names(rule("get", "apps", "*")), ["admin"]);
    let mut narrow = rule("get", "", "secrets");
    narrow["resourceNames"] = json!(["other"]);
    assert_eq!(names(narrow), ["admin", "secrets"]);
}

#[test]
fn allowed_subjects_may() {
    let world = World::of([
        cluster_role("secrets", &["get core secrets"]),
        bind(
            "b",
            "secrets",
            &["User/jane", "Group/jane", "ServiceAccount/prod/ci", "ServiceAccount/dev/ci"],
        ),
    ]);
    let left = |allow: Value| {
        let check = check(json!({"forbid": ["ReadSecrets"], "allow": [allow]}));
        let found = failing(&*check, &world);
        found.into_iter().filter_map(|finding| finding.subject).collect::<Vec<_>>()
    };
    let all = ["Group jane", "ServiceAccount dev/ci", "ServiceAccount prod/ci", "User jane"];
    assert_eq!(left(json!({"kind": "User", "name": "joe"})), all);
    assert_eq!(left(json!({"kind": "User", "name": "j*"})), all[..3]);
    assert_eq!(
        left(json!({"kind": "ServiceAccount", "name": "*", "namespace": "prod"})),
        ["Group jane", "ServiceAccount dev/ci", "User jane"]
    );
}

#[test]
fn up_to_max_subjects_may() {
    let world = World::of([
        cluster_role("secrets", &["get core secrets"]),
        bind("b", "secrets", &["User/a", "User/b", "Group/c"]),
    ]);
    let found = |max: i32| {
        let allow = json!([{"kind": "User", "name": "a"}]);
        failing(
            &*check(json!({"forbid": ["ReadSecrets"], "maxSubjects": max, "allow": allow})),
            &world,
        )
    };
    assert!(found(3).is_empty());
    let two = found(2);
    assert_eq!(said(&two), ["TooManySubjects: cluster: -"]);
    assert_eq!(two[0].message, "3 subjects hold it, and at most 2 may: User a, User b, Group c");
}

#[test]
fn scope_leaves_out_namespaces_but_never_the_cluster() {
    let check = forbid(&[Risk::ReadSecrets]);
    let mut world = World::of([
        cluster_role("secrets", &["get core secrets"]),
        bind("wide", "secrets", &["User/wide"]),
        bind_in("prod", "in", "ClusterRole/secrets", &["User/in"]),
        bind_in("dev", "out", "ClusterRole/secrets", &["User/out"]),
    ]);
    let excluded = scope(json!({"excludeNamespaces": ["dev"]}));
    let judged = judge_all(&*check, &world, &excluded);
    assert_eq!(judged.len(), 2);
    assert!(judged.iter().all(|(_, judgement)| judgement.failing.len() == 1));

    let selected = scope(json!({"namespaces": {"matchLabels": {"env": "prod"}}}));
    let unknown: usize =
        judge_all(&*check, &world, &selected).iter().map(|(_, found)| found.unknown.len()).sum();
    assert_eq!(unknown, 2, "the labels of neither namespace are known");
    world.apply(
        &json!({"kind": "Namespace", "metadata": {"name": "prod", "labels": {"env": "prod"}}}),
    );
    world.apply(
        &json!({"kind": "Namespace", "metadata": {"name": "dev", "labels": {"env": "dev"}}}),
    );
    let judged = judge_all(&*check, &world, &selected);
    assert_eq!(judged.len(), 2);
    assert!(judged.iter().all(|(_, judgement)| judgement.unknown.is_empty()));
}

#[test]
fn a_malformed_binding_is_unknown_and_not_absent() {
    let mut broken = bind("b", "r", &[]);
    broken["subjects"] = json!("everyone");
    let world = World::of([broken]);
    let judged = judge_all(&*forbid(&[Risk::Wildcard]), &world, &ScopeFilter::default());
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0].1.unknown[0].rule, "Malformed");
    assert!(judged[0].1.failing.is_empty());
}

#[test]
fn the_population_is_who_holds_anything() {
    let world = World::of([
        bind("b", "absent", &["User/jane"]),
        named("ServiceAccount", "prod", "idle"),
        cluster_role("system:kube-scheduler", &["get core nodes"]),
        bind("system:kube-scheduler", "system:kube-scheduler", &["User/system:kube-scheduler"]),
    ]);
    let judged = judge_all(&*forbid(&[Risk::ClusterAdmin]), &world, &ScopeFilter::default());
    assert_eq!(judged.len(), 1);
    let nobody = judge_all(&*forbid(&[Risk::ClusterAdmin]), &World::new(), &ScopeFilter::default());
    assert!(nobody.is_empty(), "not applicable");
}

#[test]
fn a_message_stays_short_whatever_the_subject_holds() {
    let long = "n".repeat(200);
    let bindings =
        (0..1000).map(|at| bind(&format!("{long}{at}"), &format!("r{at}"), &["User/jane"]));
    let world = World::of(bindings);
    let found = failing(&*forbid(&[Risk::Sprawl]), &world);
    assert_eq!(found.len(), 1);
    assert!(found[0].message.chars().count() <= 512);
}

/// Replays a change and compares: an item that was not visited must be judged as before.
#[test]
fn whatever_a_change_alters_is_told() {
    let check = check(json!({
        "forbid": Risk::ALL,
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
    }));
    let objects = vec![
        cluster_role("r", &["get core pods"]),
        bind("b", "r", &["User/jane", "ServiceAccount/prod/ci"]),
        bind("g", "r", &["Group/system:serviceaccounts"]),
        named("ServiceAccount", "prod", "ci"),
        cluster_role(
            "r",
            &["create core pods", "update certificates.k8s.io certificatesigningrequests/approval"],
        ),
        bind("g", "approve", &["Group/system:serviceaccounts"]),
        cluster_role("approve", &["approve certificates.k8s.io signers"]),
        deployment(json!({"serviceAccountName": "ci", "hostNetwork": true, "containers": []})),
        named("Namespace", "", "prod"),
        named("ResourceQuota", "prod", "q"),
        bind("b", "r", &["User/jane"]),
        bind("g", "approve", &["User/joe", "ServiceAccount/prod/cd"]),
        cluster_role("as", &["impersonate core users joe", "create core serviceaccounts/token cd"]),
        bind("as", "as", &["User/ann"]),
        cluster_role("as-ann", &["impersonate core users ann"]),
        bind_in("prod", "as-ann", "ClusterRole/as-ann", &["User/mia"]),
        bind("as-ann", "as-ann", &["User/mia"]),
        cluster_role("approve", &["* * *"]),
        cluster_role("approve", &["get core pods"]),
        bind("g", "approve", &["User/joe", "Group/system:authenticated"]),
        cluster_role("approve", &["get core secrets"]),
        bind("g", "approve", &["User/joe", "ServiceAccount/prod/cd"]),
        // What can't be read is there.
        json!({"kind": "ClusterRole", "metadata": {"name": "approve"}, "rules": "all"}),
        json!({
            "kind": "ServiceAccount", "metadata": {"name": "cd", "namespace": "prod"},
            "automountServiceAccountToken": "perhaps",
        }),
    ];
    let mut world = World::new();
    let scope = ScopeFilter::default();
    for object in objects {
        let before: Vec<(Item, Judgement)> = judge_all(&*check, &world, &scope);
        let change = world.apply(&object).unwrap();
        let context = CheckContext {
            inventory: &world.inventory,
            scope: &scope,
            now: jiff::Timestamp::UNIX_EPOCH,
            occurrences: &[],
        };
        let mut visited = BTreeSet::new();
        check.affected(&context, &change, &mut |item| {
            visited.insert(item);
        });
        for (item, judgement) in judge_all(&*check, &world, &scope) {
            let known = before.iter().find(|(known, _)| *known == item).map(|(_, found)| found);
            assert!(
                visited.contains(&item) || known == Some(&judgement),
                "{object} altered {item:?} untold"
            );
        }
        for (item, _) in &before {
            assert!(visited.contains(item) || check.judge(&context, *item).is_some());
        }
    }
}

#[test]
fn a_test_that_asks_nothing_is_refused() {
    let test = RbacTest::default();
    assert!(build(&test).is_err());
    let reads = forbid(&[Risk::ClusterAdmin]).reads();
    assert_eq!(reads.len(), KINDS.len());
    assert!(forbid(&[Risk::Exhaust]).reads().len() > reads.len());
    assert_eq!(GROUP, RBAC);
}
