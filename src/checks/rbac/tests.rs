//! Every risk with a subject that carries it and one that does not; then unions, scope, allow,
//! maxSubjects, the baseline, and what a change affects.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::{engine::scope::Scope, inventory::rbac::testing::*};

const RBAC: &str = "rbac.authorization.k8s.io";

fn check(test: Value) -> Box<dyn Check> {
    let test: RbacTest = serde_json::from_value(test).unwrap();
    build(&test).unwrap().check
}

fn forbid(risks: &[Risk]) -> Box<dyn Check> {
    check(json!({"forbid": risks}))
}

fn scope(yaml: Value) -> Scope {
    Scope::compile(Some(&serde_json::from_value(yaml).unwrap())).unwrap()
}

fn judge_all(check: &dyn Check, world: &World, scope: &Scope) -> Vec<(Item, Judgement)> {
    let context = Context { inventory: &world.inventory, scope, now: jiff::Timestamp::UNIX_EPOCH };
    let mut items = Vec::new();
    check.items(&context, &mut |item| items.push(item));
    let judged = items.into_iter().filter_map(|item| Some((item, check.judge(&context, item)?)));
    judged.collect()
}

/// What fails, sorted.
fn failing(check: &dyn Check, world: &World) -> Vec<Finding> {
    let judged = judge_all(check, world, &Scope::default());
    let mut found: Vec<Finding> =
        judged.into_iter().flat_map(|(_, judgement)| judgement.failing).collect();
    found.sort_by(|a, b| {
        (&a.rule, &a.subject, &a.resource).cmp(&(&b.rule, &b.subject, &b.resource))
    });
    found
}

/// `Rule: resource: subject`.
fn said(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let namespace = finding.resource.namespace.as_ref();
        let place = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        let subject = finding.subject.as_deref().unwrap_or("-");
        format!("{}: {place}{}: {subject}", finding.rule, finding.resource.name)
    };
    findings.iter().map(line).collect()
}

/// A role bound to jane in the whole cluster (`*`) or in a namespace.
fn jane(place: &str, rules: &[&str]) -> World {
    let binding = match place {
        "*" => bind("b", "r", &["User/jane"]),
        namespace => bind_in(namespace, "b", "ClusterRole/r", &["User/jane"]),
    };
    World::of([cluster_role("r", rules), binding])
}

#[test]
fn every_risk_of_rights_is_found_where_it_is_and_only_there() {
    use Severity::{Critical, High, Low, Medium};
    type Case = (Risk, &'static str, &'static [&'static str], Option<Severity>);
    let cases: &[Case] = &[
        (Risk::ClusterAdmin, "*", &["* * *"], Some(Critical)),
        (
            Risk::ClusterAdmin,
            "*",
            &["get,list,watch,create,update,patch,delete,deletecollection * *"],
            Some(Critical),
        ),
        (Risk::ClusterAdmin, "*", &["get,list,watch,create,update,patch,delete * *"], None),
        (Risk::ClusterAdmin, "*", &["* dex.coreos.com *"], None),
        (Risk::ClusterAdmin, "*", &["* core *"], None),
        (Risk::ClusterAdmin, "*", &["* * * some"], None),
        (Risk::ClusterAdmin, "prod", &["* * *"], None),
        (Risk::NamespaceAdmin, "prod", &["* * *"], Some(High)),
        (Risk::NamespaceAdmin, "prod", &["* core,apps *"], None),
        (Risk::NamespaceAdmin, "*", &["* * *"], Some(High)),
        (Risk::Wildcard, "*", &["get apps *"], Some(Medium)),
        (Risk::Wildcard, "prod", &["* core pods"], Some(Medium)),
        (Risk::Wildcard, "*", &["get core pods/*"], None),
        (Risk::Escalate, "*", &["escalate rbac.authorization.k8s.io clusterroles"], Some(Critical)),
        (Risk::Escalate, "prod", &["escalate rbac.authorization.k8s.io roles"], Some(High)),
        (Risk::Escalate, "prod", &["escalate rbac.authorization.k8s.io clusterroles"], None),
        (Risk::Escalate, "*", &["escalate core clusterroles"], None),
        (
            Risk::Bind,
            "*",
            &["bind,create rbac.authorization.k8s.io clusterroles,clusterrolebindings"],
            Some(Critical),
        ),
        (Risk::Bind, "*", &["bind rbac.authorization.k8s.io clusterroles"], Some(High)),
        (Risk::Bind, "*", &["bind rbac.authorization.k8s.io clusterroles view"], None),
        (Risk::Bind, "*", &["bind,create rbac.authorization.k8s.io clusterrolebindings"], None),
        (
            Risk::WriteBindings,
            "*",
            &["create rbac.authorization.k8s.io rolebindings"],
            Some(Medium),
        ),
        (Risk::WriteBindings, "*", &["delete rbac.authorization.k8s.io rolebindings"], None),
        (Risk::WriteRoles, "prod", &["patch rbac.authorization.k8s.io roles"], Some(Medium)),
        (Risk::WriteRoles, "prod", &["patch rbac.authorization.k8s.io clusterroles"], None),
        (Risk::Impersonate, "*", &["impersonate core users,groups"], Some(Critical)),
        (Risk::Impersonate, "prod", &["impersonate core serviceaccounts"], Some(High)),
        (Risk::Impersonate, "*", &["impersonate core users jane"], None),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &[
                "impersonate:user-info authentication.k8s.io users",
                "impersonate-on:user-info:list core pods",
            ],
            Some(High),
        ),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &["impersonate:user-info authentication.k8s.io users"],
            None,
        ),
        (Risk::ReadSecrets, "*", &["watch core secrets"], Some(Critical)),
        (Risk::ReadSecrets, "prod", &["list core secrets"], Some(High)),
        (Risk::ReadSecrets, "kube-system", &["list core secrets"], Some(Critical)),
        (Risk::ReadSecrets, "*", &["get core secrets tls"], None),
        (Risk::ReadSecrets, "*", &["get example.com secrets"], None),
        (Risk::WriteSecrets, "*", &["create core secrets"], Some(Critical)),
        (Risk::WriteSecrets, "prod", &["create core secrets"], Some(Medium)),
        (Risk::WriteSecrets, "prod", &["delete core secrets"], None),
        (Risk::MintTokens, "prod", &["create core serviceaccounts/token"], Some(High)),
        (Risk::MintTokens, "prod", &["create core serviceaccounts/token ci"], None),
        (Risk::MintTokens, "prod", &["create core serviceaccounts"], None),
        (
            Risk::ApproveCertificates,
            "*",
            &[
                "update certificates.k8s.io certificatesigningrequests/approval",
                "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client",
            ],
            Some(Critical),
        ),
        (
            Risk::ApproveCertificates,
            "*",
            &[
                "update certificates.k8s.io certificatesigningrequests/approval",
                "approve certificates.k8s.io signers kubernetes.io/kubelet-serving",
            ],
            None,
        ),
        (
            Risk::SignCertificates,
            "*",
            &[
                "patch certificates.k8s.io certificatesigningrequests/status",
                "sign certificates.k8s.io signers",
            ],
            Some(Critical),
        ),
        (Risk::SignCertificates, "*", &["sign certificates.k8s.io signers"], None),
        (Risk::NodesProxy, "*", &["get core nodes/proxy"], Some(Critical)),
        (Risk::NodesProxy, "*", &["get core nodes/metrics"], None),
        (Risk::NodesProxy, "prod", &["get core nodes/proxy"], None),
        (Risk::CreatePods, "prod", &["create core pods"], Some(High)),
        (Risk::CreatePods, "prod", &["create core pods/log"], None),
        (Risk::WriteWorkloads, "prod", &["patch apps deployments"], Some(High)),
        (Risk::WriteWorkloads, "prod", &["create batch cronjobs"], Some(High)),
        (Risk::WriteWorkloads, "prod", &["patch apps deployments/scale"], None),
        (Risk::WriteWorkloads, "prod", &["patch core deployments"], None),
        (Risk::WritePods, "prod", &["update core pods"], Some(High)),
        (Risk::WritePods, "prod", &["create core pods"], None),
        (Risk::Exec, "prod", &["get core pods/exec"], Some(High)),
        (Risk::Exec, "prod", &["create core pods/exec web-0"], Some(High)),
        (Risk::Exec, "prod", &["create core pods/*"], None),
        (Risk::Attach, "prod", &["create core */attach"], Some(High)),
        (Risk::Attach, "prod", &["create core pods/exec"], None),
        (Risk::EphemeralContainers, "prod", &["patch core pods/ephemeralcontainers"], Some(High)),
        (Risk::EphemeralContainers, "prod", &["patch core pods"], None),
        (Risk::PortForward, "prod", &["create core pods/portforward"], Some(Medium)),
        (Risk::PortForward, "prod", &["get core services"], None),
        (Risk::CreateVolumes, "*", &["create core persistentvolumes"], Some(High)),
        (Risk::CreateVolumes, "prod", &["create core persistentvolumes"], None),
        (
            Risk::WriteWebhooks,
            "*",
            &["delete admissionregistration.k8s.io mutatingwebhookconfigurations"],
            Some(Critical),
        ),
        (
            Risk::WriteWebhooks,
            "*",
            &["list admissionregistration.k8s.io mutatingwebhookconfigurations"],
            None,
        ),
        (
            Risk::WriteAdmissionPolicies,
            "*",
            &["update admissionregistration.k8s.io validatingadmissionpolicybindings"],
            Some(Critical),
        ),
        (
            Risk::WriteAdmissionPolicies,
            "prod",
            &["update admissionregistration.k8s.io validatingadmissionpolicybindings"],
            None,
        ),
        (Risk::WritePolicyEngines, "prod", &["create kyverno.io policyexceptions"], Some(High)),
        (
            Risk::WritePolicyEngines,
            "*",
            &["patch constraints.gatekeeper.sh k8srequired"],
            Some(High),
        ),
        (Risk::WritePolicyEngines, "*", &["get kyverno.io clusterpolicies"], None),
        (Risk::WritePolicyEngines, "*", &["patch * deployments"], None),
        (Risk::WriteNamespaces, "*", &["patch core namespaces"], Some(High)),
        (Risk::WriteNamespaces, "prod", &["patch core namespaces"], Some(High)),
        (Risk::WriteNamespaces, "*", &["create core namespaces"], None),
        (Risk::WriteNodes, "*", &["patch core nodes", "create core pods/eviction"], Some(High)),
        (Risk::WriteNodes, "*", &["update core nodes/status"], Some(Medium)),
        (Risk::WriteNodes, "*", &["create core pods/eviction"], None),
        (Risk::WriteObjectStatus, "*", &["patch core services/status"], Some(Medium)),
        (Risk::WriteObjectStatus, "prod", &["patch core pods/status"], Some(Low)),
        (Risk::WriteObjectStatus, "prod", &["patch core pods"], None),
        (Risk::RedirectTraffic, "prod", &["create discovery.k8s.io endpointslices"], Some(Medium)),
        (Risk::RedirectTraffic, "prod", &["create extensions ingresses"], None),
        (Risk::WriteCriticalConfig, "*", &["update core configmaps"], Some(High)),
        (Risk::WriteCriticalConfig, "kube-system", &["patch core configmaps coredns"], Some(High)),
        (Risk::WriteCriticalConfig, "prod", &["update core configmaps"], None),
        (Risk::WriteCriticalConfig, "*", &["update core configmaps other"], None),
        (
            Risk::ExtendApi,
            "*",
            &["create apiextensions.k8s.io customresourcedefinitions"],
            Some(High),
        ),
        (Risk::ExtendApi, "*", &["create core customresourcedefinitions"], None),
        (Risk::MassDelete, "prod", &["deletecollection apps statefulsets"], Some(Medium)),
        (Risk::MassDelete, "*", &["delete * *"], Some(Medium)),
        (Risk::MassDelete, "*", &["delete core configmaps"], None),
        (Risk::HideTraces, "prod", &["delete events.k8s.io events"], Some(High)),
        (Risk::HideTraces, "*", &["patch comptroller.dev controls/status"], Some(High)),
        (Risk::HideTraces, "*", &["create comptroller.dev attestations"], None),
        (Risk::HideTraces, "*", &["create core events"], None),
        (Risk::WriteDelivery, "argocd", &["create argoproj.io applications"], Some(High)),
        (Risk::WriteDelivery, "prod", &["get argoproj.io applications"], None),
    ];
    for (risk, place, rules, severity) in cases {
        let found = failing(&*forbid(&[*risk]), &jane(place, rules));
        let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
        let expected: Vec<_> = severity.iter().map(|severity| Some(*severity)).collect();
        assert_eq!(severities, expected, "{risk} in {place}: {rules:?}");
        for finding in &found {
            assert_eq!(finding.rule, risk.as_str());
            assert_eq!(finding.subject.as_deref(), Some("User jane"));
            assert_eq!(finding.resource.name, "b");
            assert!(finding.message.contains("ClusterRole/r"), "{}", finding.message);
        }
    }
    for row in risks::ROWS {
        let of_row = || cases.iter().filter(|(risk, ..)| *risk == row.risk);
        let covered =
            of_row().any(|case| case.3.is_some()) && of_row().any(|case| case.3.is_none());
        assert!(covered || row.risk == Risk::Exhaust, "{} has no pair of cases", row.risk);
    }
}

#[test]
fn a_wildcard_carries_every_risk_that_is_asked_for() {
    let world = jane("*", &["* * *"]);
    for row in risks::ROWS {
        let check = forbid(&[row.risk]);
        let quota_free = row.risk == Risk::Exhaust;
        assert_eq!(failing(&*check, &world).len(), usize::from(!quota_free), "{}", row.risk);
    }
}

#[test]
fn being_able_to_do_everything_says_it_all() {
    let world = jane("*", &["* * *"]);
    let all = forbid(Risk::ALL);
    assert_eq!(said(&failing(&*all, &world)), ["ClusterAdmin: b: User jane"]);
}

#[test]
fn messages_say_what_where_and_by_which_path() {
    let message = |place, rules: &[&str], risk| {
        failing(&*forbid(&[risk]), &jane(place, rules))[0].message.clone()
    };
    assert_eq!(
        message("*", &["get core secrets"], Risk::ReadSecrets),
        "can read every Secret in all namespaces (get secrets) through ClusterRoleBinding/b -> ClusterRole/r"
    );
    assert_eq!(
        message("prod", &["* core *"], Risk::ReadSecrets),
        "can read every Secret in namespace prod (get secrets) through RoleBinding/prod/b -> ClusterRole/r"
    );
    assert_eq!(
        message("*", &["* * *"], Risk::ClusterAdmin),
        "can do everything in the cluster (get, list, watch, create, update, patch, delete, deletecollection everything) through ClusterRoleBinding/b -> ClusterRole/r"
    );
}

#[test]
fn rights_of_several_bindings_add_up() {
    let world = World::of([
        cluster_role("approve", &["approve certificates.k8s.io signers"]),
        cluster_role("update", &["update certificates.k8s.io certificatesigningrequests/approval"]),
        bind("z", "approve", &["User/jane", "User/joe"]),
        bind("a", "update", &["User/jane"]),
    ]);
    let found = failing(&*forbid(&[Risk::ApproveCertificates]), &world);
    assert_eq!(said(&found), ["ApproveCertificates: a: User jane"]);
    assert_eq!(
        found[0].message,
        "can approve a client certificate in anybody's name through several bindings together: \
         ClusterRoleBinding/a -> ClusterRole/update (update certificatesigningrequests/approval); \
         ClusterRoleBinding/z -> ClusterRole/approve (approve signers)"
    );
}

#[test]
fn cluster_admin_in_seven_pieces_is_cluster_admin() {
    let verbs = ["get", "list", "watch", "create,update", "patch", "delete", "deletecollection"];
    let mut objects = Vec::new();
    for (at, verb) in verbs.iter().enumerate() {
        objects.push(cluster_role(&format!("r{at}"), &[&format!("{verb} * *")]));
        objects.push(bind(&format!("b{at}"), &format!("r{at}"), &["User/jane"]));
    }
    let world = World::of(objects);
    let both = forbid(&[Risk::ClusterAdmin, Risk::ReadSecrets]);
    assert_eq!(said(&failing(&*both, &world)), ["ClusterAdmin: b0: User jane"]);
}

#[test]
fn a_namespace_adds_to_what_the_cluster_gives() {
    let world = World::of([
        cluster_role("read", &["get,list,watch * *"]),
        cluster_role("write", &["create,update,patch,delete,deletecollection * *"]),
        bind("read", "read", &["User/jane"]),
        bind_in("prod", "write", "ClusterRole/write", &["User/jane"]),
    ]);
    let both = forbid(&[Risk::ClusterAdmin, Risk::NamespaceAdmin]);
    let found = failing(&*both, &world);
    assert_eq!(said(&found), ["NamespaceAdmin: read: User jane"]);
    assert!(found[0].message.contains("in namespace prod"), "{}", found[0].message);
}

#[test]
fn what_a_group_holds_is_said_of_the_group() {
    let world = World::of([
        cluster_role("secrets", &["get core secrets"]),
        bind("g", "secrets", &["Group/system:serviceaccounts"]),
        bind_in("prod", "other", "ClusterRole/absent", &["ServiceAccount/prod/ci"]),
        named("ServiceAccount", "prod", "ci"),
    ]);
    let found = failing(&*forbid(&[Risk::ReadSecrets]), &world);
    assert_eq!(said(&found), ["ReadSecrets: g: Group system:serviceaccounts"]);
}

#[test]
fn own_rights_and_those_of_an_implied_group_add_up() {
    let world = World::of([
        cluster_role("approve", &["approve certificates.k8s.io signers"]),
        cluster_role("update", &["update certificates.k8s.io certificatesigningrequests/approval"]),
        bind("g", "approve", &["Group/system:serviceaccounts"]),
        bind("own", "update", &["ServiceAccount/prod/ci"]),
    ]);
    let found = failing(&*forbid(&[Risk::ApproveCertificates]), &world);
    assert_eq!(said(&found), ["ApproveCertificates: own: ServiceAccount prod/ci"]);
    let expected = "Group system:serviceaccounts: ClusterRoleBinding/g -> ClusterRole/approve";
    assert!(found[0].message.contains(expected), "{}", found[0].message);
}

#[test]
fn each_path_that_suffices_alone_is_a_finding() {
    let world = World::of([
        cluster_role("secrets", &["get core secrets"]),
        bind("one", "secrets", &["User/jane", "User/joe"]),
        bind("two", "secrets", &["User/jane"]),
        bind_in("prod", "three", "ClusterRole/secrets", &["User/jane"]),
    ]);
    let found = failing(&*forbid(&[Risk::ReadSecrets]), &world);
    assert_eq!(
        said(&found),
        [
            "ReadSecrets: one: User jane",
            "ReadSecrets: two: User jane",
            "ReadSecrets: prod/three: User jane",
            "ReadSecrets: one: User joe",
        ]
    );
}

#[test]
fn writing_bindings_is_told_as_bind_only_when_that_is_asked_for() {
    let world = jane("*", &["bind,create rbac.authorization.k8s.io clusterroles,rolebindings"]);
    let rules = |risks: &[Risk]| -> Vec<String> {
        failing(&*forbid(risks), &world).iter().map(|finding| finding.rule.to_string()).collect()
    };
    assert_eq!(rules(&[Risk::WriteBindings]), ["WriteBindings"]);
    assert_eq!(rules(&[Risk::Bind, Risk::WriteBindings]), ["Bind"]);
}

#[test]
fn circumstances_are_found_where_they_are_and_only_there() {
    let harmless = cluster_role("r", &["get core pods"]);
    let powerful = cluster_role("p", &["create core pods"]);
    let account = named("ServiceAccount", "prod", "ci");
    let default = named("ServiceAccount", "prod", "default");
    let mut cloud = account.clone();
    cloud["metadata"]["annotations"] =
        json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"});
    let cases: Vec<(Risk, Vec<Value>, &[&str])> = vec![
        (
            Risk::Anonymous,
            vec![harmless.clone(), bind("b", "r", &["Group/system:unauthenticated"])],
            &["Anonymous: b: Group system:unauthenticated"],
        ),
        (
            Risk::Anonymous,
            vec![
                harmless.clone(),
                bind_in("prod", "b", "ClusterRole/r", &["User/system:anonymous"]),
            ],
            &["Anonymous: prod/b: User system:anonymous"],
        ),
        (
            Risk::Anonymous,
            vec![harmless.clone(), bind("b", "r", &["Group/system:authenticated"])],
            &[],
        ),
        (
            Risk::Everyone,
            vec![powerful.clone(), bind("b", "p", &["Group/system:serviceaccounts:prod"])],
            &["Everyone: b: Group system:serviceaccounts:prod"],
        ),
        (
            Risk::Everyone,
            vec![harmless.clone(), bind("b", "r", &["Group/system:authenticated"])],
            &[],
        ),
        (
            Risk::SystemMasters,
            vec![harmless.clone(), bind("b", "r", &["Group/system:masters"])],
            &["SystemMasters: b: Group system:masters"],
        ),
        (
            Risk::SystemMasters,
            vec![
                cluster_role("cluster-admin", &["* * *"]),
                bind("cluster-admin", "cluster-admin", &["Group/system:masters"]),
            ],
            &[],
        ),
        (
            Risk::DefaultServiceAccount,
            vec![harmless.clone(), default, bind("b", "r", &["ServiceAccount/prod/default"])],
            &["DefaultServiceAccount: b: ServiceAccount prod/default"],
        ),
        (
            Risk::DefaultServiceAccount,
            vec![harmless.clone(), account.clone(), bind("b", "r", &["ServiceAccount/prod/ci"])],
            &[],
        ),
        (Risk::Dangling, vec![bind("b", "absent", &["User/jane"])], &["Dangling: b: User jane"]),
        (
            Risk::Dangling,
            vec![harmless.clone(), bind("b", "r", &["ServiceAccount/prod/ci"])],
            &["Dangling: b: ServiceAccount prod/ci"],
        ),
        (
            Risk::Dangling,
            vec![harmless.clone(), bind("b", "r", &["ServiceAccount/prod/ci"]), account.clone()],
            &[],
        ),
        (
            Risk::Dangling,
            vec![harmless.clone(), bind("b", "r", &["ServiceAccount/prod/default"])],
            &[],
        ),
        (Risk::CloudIdentity, vec![cloud], &["CloudIdentity: prod/ci: ServiceAccount prod/ci"]),
        (Risk::CloudIdentity, vec![account], &[]),
    ];
    for (risk, objects, expected) in cases {
        let world = World::of(objects);
        assert_eq!(said(&failing(&*forbid(&[risk]), &world)), expected, "{risk}");
    }
}

#[test]
fn exhaustion_needs_a_namespace_without_a_quota() {
    let check = forbid(&[Risk::Exhaust]);
    let mut world = jane("prod", &["create core configmaps"]);
    assert_eq!(failing(&*check, &world).len(), 1);
    world.apply(&named("ResourceQuota", "prod", "q"));
    assert!(failing(&*check, &world).is_empty());
    let mut world = jane("*", &["create core configmaps"]);
    world.apply(&named("Namespace", "", "prod"));
    assert_eq!(failing(&*check, &world).len(), 1);
    world.apply(&named("ResourceQuota", "prod", "q"));
    assert!(failing(&*check, &world).is_empty());
    world.apply(&named("Namespace", "", "dev"));
    assert_eq!(failing(&*check, &world).len(), 1);
}

#[test]
fn many_roles_and_many_subjects_are_sprawl() {
    let subjects: Vec<String> = (0..21).map(|at| format!("User/u{at}")).collect();
    let subjects: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let check = forbid(&[Risk::Sprawl]);
    let world = World::of([bind_in("prod", "b", "ClusterRole/r", &subjects)]);
    assert_eq!(said(&failing(&*check, &world)), ["Sprawl: prod: -"]);
    let world = World::of([bind_in("prod", "b", "ClusterRole/r", &subjects[..20])]);
    assert!(failing(&*check, &world).is_empty());
    let many = |count| {
        World::of(
            (0..count).map(|at| bind(&format!("b{at:02}"), &format!("r{at}"), &["User/jane"])),
        )
    };
    assert_eq!(said(&failing(&*check, &many(11))), ["Sprawl: b00: User jane"]);
    assert!(failing(&*check, &many(10)).is_empty());
}

fn deployment(pod: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "prod"},
        "spec": {"template": {"spec": pod}},
    })
}

#[test]
fn a_weak_pod_with_a_strong_account_is_found() {
    let check = forbid(&[Risk::WeakPodStrongAccount]);
    let pod = |privileged: bool, account: &str, automount: Value| {
        json!({
            "serviceAccountName": account,
            "automountServiceAccountToken": automount,
            "containers": [{
                "name": "web",
                "image": "web",
                "securityContext": {"privileged": privileged},
            }],
        })
    };
    for (pod, found) in [
        (pod(true, "ci", Value::Null), true),
        (pod(true, "ci", json!(true)), true),
        (pod(false, "ci", Value::Null), false),
        (pod(true, "other", Value::Null), false),
        (pod(true, "ci", json!(false)), false),
    ] {
        let world = World::of([
            cluster_role("p", &["create core pods"]),
            bind("b", "p", &["ServiceAccount/prod/ci"]),
            named("ServiceAccount", "prod", "ci"),
            deployment(pod.clone()),
        ]);
        let expected: &[&str] =
            if found { &["WeakPodStrongAccount: prod/web: ServiceAccount prod/ci"] } else { &[] };
        assert_eq!(said(&failing(&*check, &world)), expected, "{pod}");
    }
}

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
    assert_eq!(two[0].message, "3 subjects may, at most 2 are to: User a, User b, Group c");
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
    let judged = judge_all(&*forbid(&[Risk::Wildcard]), &world, &Scope::default());
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
    let judged = judge_all(&*forbid(&[Risk::ClusterAdmin]), &world, &Scope::default());
    assert_eq!(judged.len(), 1);
    let nobody = judge_all(&*forbid(&[Risk::ClusterAdmin]), &World::new(), &Scope::default());
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

/// Replays a change and compares: an item that was not told must be judged as before.
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
        bind("g", "approve", &["User/joe"]),
    ];
    let mut world = World::new();
    let scope = Scope::default();
    for object in objects {
        let before: Vec<(Item, Judgement)> = judge_all(&*check, &world, &scope);
        let change = world.apply(&object).unwrap();
        let context = Context {
            inventory: &world.inventory,
            scope: &scope,
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let mut told = BTreeSet::new();
        check.affected(&context, &change, &mut |item| {
            told.insert(item);
        });
        for (item, judgement) in judge_all(&*check, &world, &scope) {
            let known = before.iter().find(|(known, _)| *known == item).map(|(_, found)| found);
            assert!(
                told.contains(&item) || known == Some(&judgement),
                "{object} altered {item:?} untold"
            );
        }
        for (item, _) in &before {
            assert!(told.contains(item) || check.judge(&context, *item).is_some());
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
