//! The graph: grants, aggregation, implied groups, the baseline, and its upkeep.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{testing::*, *};
use crate::inventory::Inventory;

/// Who may do `verb group resource[/sub] [name]` in a namespace, with the bindings that give it.
fn who(world: &World, asked: &str, namespace: &str) -> BTreeMap<String, Vec<String>> {
    let mut parts = asked.split(' ');
    let verb = parts.next().unwrap();
    let group = parts.next().map(|group| if group == "core" { "" } else { group }).unwrap();
    let (resource, subresource) =
        parts.next().map(|text| text.split_once('/').unwrap_or((text, ""))).unwrap();
    let name = parts.next().unwrap_or_default();
    let request = AccessRequest {
        verb,
        target: RequestTarget::Resource { group, resource, subresource, namespace, name },
    };
    let graph = &world.inventory.rights;
    let found = graph.who_can(&request);
    let by_number: BTreeSet<_> = graph
        .subjects_who_can(&[request])
        .into_iter()
        .map(|id| graph.subject(id).unwrap().subject.to_string())
        .collect();
    let named = found.iter().map(|one| one.subject.to_string());
    assert_eq!(by_number, named.filter(|one| one != "Group system:masters").collect());
    found
        .into_iter()
        .map(|entitlement| {
            let via = entitlement
                .via
                .iter()
                .map(|path| world.inventory.get(path.binding).unwrap().name.to_string());
            (entitlement.subject.to_string(), via.collect())
        })
        .collect()
}

fn subjects(world: &World, asked: &str, namespace: &str) -> Vec<String> {
    let found = who(world, asked, namespace).into_keys();
    found.filter(|subject| subject != "Group system:masters").collect()
}

#[test]
fn a_role_binding_reaches_its_namespace_only() {
    let world = World::of([
        cluster_role("reader", &["get core pods", "get core nodes"]),
        bind_in("prod", "b", "ClusterRole/reader", &["User/jane"]),
    ]);
    assert_eq!(subjects(&world, "get core pods", "prod"), ["User jane"]);
    assert!(subjects(&world, "get core pods", "dev").is_empty());
    assert!(subjects(&world, "get core pods", "").is_empty());
}

#[test]
fn implied_groups_hold_for_known_users_and_accounts() {
    let world = World::of([
        cluster_role("reader", &["get core pods"]),
        bind("everyone", "reader", &["Group/system:authenticated"]),
        bind("accounts", "reader", &["Group/system:serviceaccounts:prod"]),
        bind("none", "absent", &["User/jane", "User/system:anonymous", "Group/devs"]),
        named("ServiceAccount", "prod", "ci"),
        named("ServiceAccount", "dev", "ci"),
    ]);
    let found = who(&world, "get core pods", "prod");
    assert_eq!(found["ServiceAccount prod/ci"], ["everyone", "accounts"]);
    assert_eq!(found["ServiceAccount dev/ci"], ["everyone"]);
    assert_eq!(found["User jane"], ["everyone"]);
    assert!(!found.contains_key("User system:anonymous"));
    assert!(!found.contains_key("Group devs"));
    assert_eq!(found["Group system:masters"], Vec::<String>::new());
}

#[test]
fn a_user_with_an_accounts_name_is_that_account() {
    let world = World::of([
        cluster_role("reader", &["get core pods"]),
        bind("u", "reader", &["User/system:serviceaccount:prod:ci"]),
        bind_in("prod", "s", "ClusterRole/reader", &["ServiceAccount/prod/ci"]),
    ]);
    assert_eq!(who(&world, "get core pods", "prod")["ServiceAccount prod/ci"], ["u", "s"]);
}

#[test]
fn masters_hold_by_the_default_binding_where_there_is_one() {
    let world = World::of([
        cluster_role("cluster-admin", &["* * *"]),
        bind("cluster-admin", "cluster-admin", &["Group/system:masters"]),
    ]);
    let found = who(&world, "get core pods", "prod");
    assert_eq!(
        found,
        BTreeMap::from([("Group system:masters".into(), vec!["cluster-admin".into()])])
    );
}

#[test]
fn aggregation_follows_labels_rules_and_chains() {
    let mut world = World::of([
        aggregating("outer", "to-outer"),
        labelled(aggregating("inner", "to-inner"), "to-outer"),
        labelled(cluster_role("leaf", &["get core pods"]), "to-inner"),
        bind("b", "outer", &["User/jane"]),
    ]);
    assert_eq!(subjects(&world, "get core pods", ""), ["User jane"]);
    world.apply(&labelled(cluster_role("leaf", &["list core pods"]), "to-inner"));
    assert!(subjects(&world, "get core pods", "").is_empty());
    assert_eq!(subjects(&world, "list core pods", ""), ["User jane"]);
    world.apply(&cluster_role("leaf", &["list core pods"]));
    assert!(subjects(&world, "list core pods", "").is_empty());
}

#[test]
fn an_aggregating_role_has_its_own_rules_only_where_an_api_server_holds_it() {
    let mut composed = aggregating("agg", "to-agg");
    composed["rules"] = json!([rule("* * *")]);
    let mut world = World::of([
        composed.clone(),
        labelled(cluster_role("part", &["get core pods"]), "to-agg"),
        bind("b", "agg", &["User/jane"]),
    ]);
    let jane = ["User jane"];
    assert!(subjects(&world, "delete core nodes", "").is_empty());
    assert_eq!(subjects(&world, "get core pods", ""), jane);
    // The authorizer goes by what is stored: before the controller has run, and without one.
    composed["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    composed["rules"] = json!([rule("delete core nodes")]);
    world.apply(&composed);
    assert_eq!(subjects(&world, "delete core nodes", ""), jane);
    assert!(subjects(&world, "get core pods", "").is_empty());
}

#[test]
fn gaps_are_in_manifests_and_where_no_role_tells() {
    let mut world = World::of([
        aggregating("empty", "to-nobody"),
        aggregating("outer", "to-outer"),
        labelled(aggregating("inner", "to-inner"), "to-outer"),
        json!({"kind": "ClusterRole", "metadata": {"name": "nothing"}, "aggregationRule": {}}),
        cluster_role("plain", &[]),
        bind("a", "absent", &["User/jane"]),
    ]);
    let gaps = |world: &World| -> Vec<(String, UnknownRules)> {
        let roles = world.inventory.rights.roles();
        let mut found: Vec<(String, UnknownRules)> = roles
            .filter_map(|role| {
                Some((role.key().name.to_string(), unknown_rules(&world.inventory, role)?))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    assert_eq!(gaps(&world), []);
    world.inventory.source = crate::inventory::ObjectSource::Manifests;
    let without = |name: &str| (name.to_owned(), UnknownRules::NoMembers);
    let absent = ("absent".to_owned(), UnknownRules::Absent);
    assert_eq!(
        gaps(&world),
        [absent.clone(), without("empty"), without("inner"), without("outer")]
    );
    world.apply(&labelled(cluster_role("leaf", &["get core pods"]), "to-inner"));
    assert_eq!(gaps(&world), [absent, without("empty")]);
}

#[test]
fn roles_that_aggregate_each_other_end() {
    let world = World::of([
        labelled(aggregating("a", "to-a"), "to-b"),
        labelled(aggregating("b", "to-b"), "to-a"),
        labelled(cluster_role("leaf", &["get core pods"]), "to-b"),
        bind("b", "a", &["User/jane"]),
    ]);
    assert_eq!(subjects(&world, "get core pods", ""), ["User jane"]);
}

#[test]
fn a_role_may_come_after_its_binding_and_go_before_it() {
    let mut world = World::of([bind("b", "reader", &["User/jane"])]);
    assert!(subjects(&world, "get core pods", "").is_empty());
    let reader = cluster_role("reader", &["get core pods"]);
    world.apply(&reader);
    assert_eq!(subjects(&world, "get core pods", ""), ["User jane"]);
    world.remove(&reader);
    assert!(subjects(&world, "get core pods", "").is_empty());
}

#[test]
fn manifests_bind_roles_that_they_do_not_bring_along() {
    let mut world = World::of([
        bind("b", "cluster-admin", &["User/jane"]),
        bind_in("prod", "e", "ClusterRole/edit", &["User/joe"]),
    ]);
    assert!(subjects(&world, "update apps deployments", "prod").is_empty());
    world.inventory.rights.assume_default_roles();
    let both = ["User jane", "User joe"];
    assert_eq!(subjects(&world, "update apps deployments", "prod"), both);
    let extension = cluster_role("widgets", &["get example.com widgets"]);
    world.apply(&labelled(extension, "rbac.authorization.k8s.io/aggregate-to-edit"));
    assert_eq!(subjects(&world, "get example.com widgets", "prod"), both);
    let reader = "Role/extension-apiserver-authentication-reader";
    world.apply(&bind_in("kube-system", "a", reader, &["User/ada"]));
    let asked = "get core configmaps extension-apiserver-authentication";
    assert_eq!(subjects(&world, asked, "kube-system"), ["User ada", "User jane"]);
    // What is shown counts, not what is assumed.
    let shown = cluster_role("cluster-admin", &["get core pods"]);
    world.apply(&shown);
    assert_eq!(subjects(&world, "update apps deployments", "prod"), ["User joe"]);
    world.remove(&shown);
    assert_eq!(subjects(&world, "update apps deployments", "prod"), both);
}

#[test]
fn the_baseline_is_known_by_content() {
    let name = "system:kube-scheduler";
    let added = |objects: Vec<Value>| -> Vec<(String, bool)> {
        let world = World::of(objects);
        let graph = &world.inventory.rights;
        let mut found: Vec<(String, bool)> = graph
            .subjects()
            .flat_map(|(_, node)| node.grants.iter().map(move |grant| (node, grant)))
            .map(|(node, grant)| {
                let more = graph.role(grant.role).unwrap().added_rules().next().is_some();
                (node.subject.to_string(), !grant.is_default || more)
            })
            .collect();
        found.sort();
        found
    };
    let born = cluster_role(name, &["get,list,watch core nodes"]);
    let user = "User/system:kube-scheduler";
    assert_eq!(
        added(vec![born.clone(), bind(name, name, &[user])]),
        [("User system:kube-scheduler".to_owned(), false)]
    );
    // One more rule, one more subject, another role, another binding.
    let more = cluster_role(name, &["get core nodes", "get core secrets"]);
    assert!(added(vec![more, bind(name, name, &[user])])[0].1);
    let both = added(vec![born.clone(), bind(name, name, &[user, "User/mallory"])]);
    assert_eq!(
        both,
        [("User mallory".to_owned(), true), ("User system:kube-scheduler".to_owned(), false)]
    );
    assert!(added(vec![bind(name, "cluster-admin", &[user])])[0].1);
    assert!(added(vec![born, bind("other", name, &[user])])[0].1);
}

#[test]
fn labels_do_not_make_a_baseline() {
    let forged = json!({
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "x", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "mallory"}],
    });
    let world = World::of([forged]);
    let (_, node) = world.inventory.rights.subjects().next().unwrap();
    assert!(!node.grants[0].is_default);
}

#[test]
fn a_subject_that_lost_everything_keeps_its_number_for_a_while() {
    let mut world = World::of([bind("b", "reader", &["User/jane"])]);
    let jane = Subject::User("jane".into());
    let id = world.inventory.rights.find(&jane).unwrap();
    world.remove(&bind("b", "reader", &[]));
    assert_eq!(world.inventory.rights.find(&jane), Some(id));
    assert!(world.inventory.rights.subject(id).is_none());
    world.apply(&bind("c", "reader", &["User/jane"]));
    assert_eq!(world.inventory.rights.find(&jane), Some(id));
    assert!(world.inventory.rights.subject(id).is_some());
}

#[test]
fn rights_look_at_groups_names_and_scope() {
    let reach = |text: &str| {
        let world = World::of([cluster_role("r", &[text]), bind("b", "r", &["User/jane"])]);
        let (_, node) = world.inventory.rights.subjects().next().unwrap();
        world.inventory.rights.role(node.grants[0].role).unwrap().reach()
    };
    for (text, right, in_cluster, in_namespace) in [
        ("get core secrets", Right::ReadSecrets, true, true),
        ("watch core secrets", Right::ReadSecrets, true, true),
        ("get example.com secrets", Right::ReadSecrets, false, false),
        ("get core secrets tls", Right::ReadSecrets, false, false),
        ("get core secrets/x", Right::ReadSecrets, false, false),
        ("get core *", Right::ReadSecrets, true, true),
        ("* * *", Right::ReadSecrets, true, true),
        ("get core nodes/proxy", Right::NodesProxy, true, false),
        ("create core nodes/proxy node-1", Right::NodesProxy, true, false),
        ("get core nodes/*", Right::NodesProxy, false, false),
        ("get core */proxy", Right::NodesProxy, true, false),
        ("bind rbac.authorization.k8s.io clusterroles", Right::BindClusterRoles, true, true),
        ("bind rbac.authorization.k8s.io clusterroles view", Right::BindClusterRoles, false, false),
        ("bind rbac.authorization.k8s.io clusterroles view", Right::Named, true, true),
        (
            "bind rbac.authorization.k8s.io clusterrolebindings",
            Right::BindClusterRoles,
            false,
            false,
        ),
        (
            "escalate rbac.authorization.k8s.io clusterroles",
            Right::EscalateClusterRoles,
            true,
            false,
        ),
        ("escalate rbac.authorization.k8s.io roles", Right::EscalateRoles, true, true),
        ("create core serviceaccounts/token ci", Right::Named, true, true),
        ("get core secrets ci", Right::Named, false, false),
        ("* dex.coreos.com *", Right::ReadAll, false, false),
        ("get * *", Right::ReadAll, true, true),
        ("get core pods/exec", Right::Exec, false, false),
        ("get core pods/exec", Right::ExecByGet, true, true),
        ("create core pods/exec web-0", Right::Exec, true, true),
        ("get core pods/*", Right::Exec, false, false),
        ("create core pods web-0", Right::CreatePods, false, false),
        ("create,update apps deployments web", Right::WriteWorkloads, true, true),
        ("create apps deployments web", Right::WriteWorkloads, false, false),
        ("create core deployments", Right::WriteWorkloads, false, false),
        ("impersonate core users", Right::ImpersonateUsers, true, false),
        ("impersonate core users jane", Right::ImpersonateUsers, false, false),
        ("impersonate core users jane", Right::ImpersonateSomebody, true, false),
        (
            "impersonate core users system:serviceaccount:prod:ci",
            Right::ImpersonateSomebody,
            false,
            false,
        ),
        ("impersonate core groups system:masters", Right::Named, true, true),
        ("impersonate core serviceaccounts", Right::ImpersonateAccounts, true, true),
        ("impersonate authentication.k8s.io uids x", Right::Named, false, false),
        ("impersonate-on:user-info:list core pods", Right::OnUsers, true, true),
        ("impersonate-on:user-info:list core pods", Right::OnAccounts, false, false),
        ("impersonate:user-info authentication.k8s.io users", Right::ConstrainedUsers, true, false),
        ("update core configmaps aws-auth", Right::WriteIdentityMap, true, true),
        ("update core configmaps coredns", Right::WriteIdentityMap, false, false),
        ("update core configmaps coredns", Right::WriteDnsConfig, true, true),
        ("patch core namespaces", Right::WriteNamespaces, true, true),
        ("get,list core *", Right::Wildcard, true, true),
        ("get core */scale", Right::Wildcard, false, false),
        ("get core pods", Right::Wildcard, false, false),
    ] {
        let found = reach(text);
        let bit = Rights::of(&[right]);
        assert_eq!(
            (found.cluster.intersects(bit), found.namespace.intersects(bit)),
            (in_cluster, in_namespace),
            "{text}: {right:?}"
        );
    }
}

type Snapshot = BTreeMap<String, (bool, BTreeSet<String>)>;

/// All that the graph says, in words that do not depend on its numbers.
fn snapshot(inventory: &Inventory) -> Snapshot {
    let graph = &inventory.rights;
    let said = graph.subjects().map(|(_, node)| {
        let grants = node.grants.iter().map(|grant| {
            let binding = inventory.get(grant.binding).unwrap();
            let role = graph.role(grant.role).unwrap();
            let mut rules: Vec<String> = role.rules().map(|rule| format!("{rule:?}")).collect();
            rules.sort();
            rules.dedup();
            format!(
                "{}/{} {} {} {} {:?} {:?} {rules:?}",
                binding.namespace,
                binding.name,
                role.key(),
                role.exists(),
                grant.is_default,
                role.reach(),
                role.added(),
            )
        });
        (node.subject.to_string(), (node.account.is_some(), grants.collect()))
    });
    said.collect()
}

/// An object of a small universe: many roles and bindings share names, labels and subjects.
fn object() -> impl Strategy<Value = Value> {
    const RULES: &[&str] =
        &["get core pods", "get core secrets", "* * *", "get core nodes", "create core pods/exec"];
    const SUBJECTS: &[&str] = &[
        "User/jane",
        "User/system:serviceaccount:a:ci",
        "Group/devs",
        "Group/system:authenticated",
        "Group/system:serviceaccounts:a",
        "ServiceAccount/a/ci",
        "ServiceAccount/b/ci",
        "User/system:kube-scheduler",
    ];
    let names = prop_oneof![Just("x"), Just("y"), Just("z"), Just("system:kube-scheduler")];
    let labels = prop_oneof![Just(None), Just(Some("to-x")), Just(Some("to-y"))];
    let rules = prop::collection::vec(prop::sample::select(RULES), 0..3);
    let cluster_roles = (names.clone(), rules.clone(), labels.clone(), labels, any::<bool>())
        .prop_map(|(name, rules, label, selects, stored)| {
            let mut role = cluster_role(name, &rules);
            if let Some(selects) = selects {
                role["aggregationRule"] = aggregating("", selects)["aggregationRule"].clone();
                if stored {
                    role["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
                }
            }
            match label {
                Some(label) => labelled(role, label),
                None => role,
            }
        });
    let namespaces = prop_oneof![Just("a"), Just("b")];
    let namespaced_roles = (namespaces.clone(), names.clone(), rules)
        .prop_map(|(namespace, name, rules)| role(namespace, name, &rules));
    let to = prop::collection::vec(prop::sample::select(SUBJECTS), 0..4);
    let bindings = (names.clone(), names.clone(), to.clone())
        .prop_map(|(name, role, to)| bind(name, role, &to));
    let local = (namespaces.clone(), names.clone(), names, any::<bool>(), to).prop_map(
        |(namespace, name, role, cluster, to)| {
            let kind = if cluster { "ClusterRole" } else { "Role" };
            bind_in(namespace, name, &format!("{kind}/{role}"), &to)
        },
    );
    let accounts = namespaces.prop_map(|namespace| named("ServiceAccount", namespace, "ci"));
    prop_oneof![3 => cluster_roles, 1 => namespaced_roles, 2 => bindings, 3 => local, 1 => accounts]
}

fn key(object: &Value) -> String {
    format!("{} {} {}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// After any sequence of changes the graph is what it would be had it been built at once, and
    /// every subject of which it then says something else was told to be affected.
    #[test]
    fn upkeep_equals_building_anew(
        changes in prop::collection::vec((object(), any::<bool>()), 1..40),
        seed in any::<usize>(),
    ) {
        let mut world = World::new();
        let mut alive: BTreeMap<String, Value> = BTreeMap::new();
        let mut ids: BTreeMap<String, SubjectId> = BTreeMap::new();
        for (object, remove) in changes {
            let before = snapshot(&world.inventory);
            let change = if remove && alive.remove(&key(&object)).is_some() {
                world.remove(&object)
            } else {
                alive.insert(key(&object), object.clone());
                world.apply(&object)
            };
            let after = snapshot(&world.inventory);
            let graph = &world.inventory.rights;
            let affected: BTreeSet<SubjectId> = match &change {
                Some(crate::inventory::Change::Object { slot, before }) => graph
                    .affected(before.as_ref(), world.inventory.get(*slot))
                    .subjects
                    .into_iter()
                    .collect(),
                _ => BTreeSet::new(),
            };
            ids.extend(graph.subjects().map(|(id, node)| (node.subject.to_string(), id)));
            for subject in before.keys().chain(after.keys()) {
                if before.get(subject) == after.get(subject) {
                    continue;
                }
                prop_assert!(affected.contains(&ids[subject]), "{subject} changed untold");
            }
        }
        let mut rest: Vec<Value> = alive.into_values().collect();
        let length = rest.len().max(1);
        rest.rotate_left(seed % length);
        let anew = World::of(rest);
        prop_assert_eq!(snapshot(&world.inventory), snapshot(&anew.inventory));
    }
}
