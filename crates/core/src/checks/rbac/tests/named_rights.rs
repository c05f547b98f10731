//! Rights over names, which are as strong as what the named role or identity holds.

use super::*;
use crate::inventory::{KubernetesVersion, ObjectSource};

const R: &str = "rbac.authorization.k8s.io";

/// joe is a cluster administrator, ann holds next to nothing, prod/ci reads Secrets there.
fn company(rules: &[&str]) -> Vec<Value> {
    let rules: Vec<String> = rules.iter().map(|rule| rule.replace("RBAC", R)).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    vec![
        cluster_role("all", &["* * *"]),
        cluster_role("look", &["get core pods"]),
        cluster_role("secrets", &["get core secrets"]),
        bind("admins", "all", &["User/joe", "Group/root"]),
        bind("lookers", "look", &["User/ann", "Group/devs"]),
        bind("guests", "not-there", &["User/guest"]),
        bind_in("prod", "readers", "ClusterRole/secrets", &["ServiceAccount/prod/ci"]),
        named("ServiceAccount", "prod", "ci"),
        cluster_role("r", &rules),
    ]
}

fn found(risk: Risk, place: &str, rules: &[&str]) -> Vec<Finding> {
    let binding = match place {
        "*" => bind("b", "r", &["User/jane"]),
        namespace => bind_in(namespace, "b", "ClusterRole/r", &["User/jane"]),
    };
    let mut found =
        failing(&*forbid(&[risk]), &World::of(company(rules).into_iter().chain([binding])));
    found.retain(|finding| finding.subject.as_deref() == Some("User jane"));
    found
}

#[test]
fn a_name_is_as_strong_as_what_it_stands_for() {
    use Severity::{Critical, High, Medium};
    type Case = (Risk, &'static str, &'static [&'static str], Option<Severity>);
    let cases: &[Case] = &[
        (Risk::Impersonate, "*", &["impersonate core users joe"], Some(Critical)),
        (Risk::Impersonate, "*", &["impersonate core users ann"], None),
        (Risk::Impersonate, "*", &["impersonate core users nobody"], None),
        (Risk::Impersonate, "*", &["impersonate core users jane"], None),
        // A RoleBinding gives nothing over users.
        (Risk::Impersonate, "prod", &["impersonate core users joe"], None),
        // The user name of a service account is asked for as the account.
        (Risk::Impersonate, "*", &["impersonate core users system:serviceaccount:prod:ci"], None),
        (Risk::Impersonate, "*", &["impersonate core groups system:masters"], None),
        (
            Risk::Impersonate,
            "*",
            &["impersonate core groups system:masters", "impersonate core users ann"],
            Some(Critical),
        ),
        (
            Risk::Impersonate,
            "*",
            &["impersonate core groups root", "impersonate core serviceaccounts x"],
            Some(Critical),
        ),
        (
            Risk::Impersonate,
            "*",
            &["impersonate core groups devs", "impersonate core users ann"],
            None,
        ),
        (
            Risk::Impersonate,
            "*",
            &["impersonate core groups system:nodes", "impersonate core users system:node:one"],
            Some(High),
        ),
        (
            Risk::Impersonate,
            "*",
            &["impersonate core groups system:nodes", "impersonate core users ann"],
            None,
        ),
        (Risk::Impersonate, "prod", &["impersonate core serviceaccounts ci"], Some(High)),
        (Risk::Impersonate, "*", &["impersonate core serviceaccounts ci"], Some(High)),
        (Risk::Impersonate, "dev", &["impersonate core serviceaccounts ci"], None),
        (Risk::Impersonate, "*", &["* * * joe"], Some(Critical)),
        (Risk::MintTokens, "prod", &["create core serviceaccounts/token ci"], Some(High)),
        (Risk::MintTokens, "prod", &["create core serviceaccounts/token other"], None),
        (Risk::MintTokens, "prod", &["get core serviceaccounts/token ci"], None),
        (Risk::Bind, "*", &["bind RBAC clusterroles all"], None),
        (
            Risk::Bind,
            "*",
            &["bind RBAC clusterroles all", "create RBAC clusterrolebindings"],
            Some(Critical),
        ),
        (
            Risk::Bind,
            "*",
            &["bind RBAC clusterroles look", "create RBAC clusterrolebindings"],
            None,
        ),
        (
            Risk::Bind,
            "*",
            &["bind RBAC clusterroles absent", "create RBAC clusterrolebindings"],
            None,
        ),
        (
            Risk::Bind,
            "prod",
            &["bind RBAC clusterroles secrets", "create RBAC rolebindings"],
            Some(High),
        ),
        (
            Risk::Bind,
            "prod",
            &["bind RBAC clusterroles secrets", "create RBAC clusterrolebindings"],
            None,
        ),
        (
            Risk::Bind,
            "*",
            &["bind RBAC clusterroles", "patch RBAC clusterrolebindings admins"],
            Some(Critical),
        ),
        (
            Risk::Bind,
            "*",
            &["bind RBAC clusterroles look", "patch RBAC clusterrolebindings admins"],
            None,
        ),
        (Risk::Bind, "*", &["patch RBAC clusterrolebindings admins"], None),
        (
            Risk::Bind,
            "prod",
            &["bind RBAC clusterroles", "update RBAC rolebindings readers"],
            Some(High),
        ),
        (
            Risk::Escalate,
            "*",
            &["escalate RBAC clusterroles", "patch RBAC clusterroles r"],
            Some(Critical),
        ),
        (Risk::Escalate, "*", &["patch RBAC clusterroles r"], None),
        (Risk::Escalate, "*", &["escalate RBAC clusterroles r"], None),
        (Risk::Escalate, "*", &["escalate,patch RBAC clusterroles r"], Some(Critical)),
        (Risk::Escalate, "*", &["escalate,patch RBAC clusterroles look"], Some(High)),
        (
            Risk::Escalate,
            "*",
            &["escalate RBAC clusterroles r", "update RBAC clusterroles look"],
            None,
        ),
        // Names are not known when a role is created.
        (Risk::Escalate, "*", &["escalate RBAC clusterroles r", "create RBAC clusterroles"], None),
        (Risk::Escalate, "*", &["escalate,patch RBAC clusterroles absent"], None),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &[
                "impersonate:user-info authentication.k8s.io users joe",
                "impersonate-on:user-info:get core pods",
            ],
            Some(Critical),
        ),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &["impersonate:user-info authentication.k8s.io users joe"],
            None,
        ),
    ];
    for (risk, place, rules, severity) in cases {
        let severities: Vec<_> =
            found(*risk, place, rules).iter().map(|finding| finding.severity).collect();
        let expected: Vec<_> = severity.iter().map(|severity| Some(*severity)).collect();
        assert_eq!(severities, expected, "{risk} in {place}: {rules:?}");
    }
    let unbound = [
        cluster_role("idle", &["get core pods"]),
        cluster_role("r", &[&format!("escalate,patch {R} clusterroles idle")]),
        bind("b", "r", &["User/jane"]),
    ];
    assert_eq!(failing(&*forbid(&[Risk::Escalate]), &World::of(unbound))[0].severity, Some(Medium));
}

#[test]
fn findings_say_who_one_becomes_and_what_that_holds() {
    let said = |risk, place, rules: &[&str]| found(risk, place, rules)[0].message.clone();
    assert_eq!(
        said(Risk::Impersonate, "*", &["impersonate core users joe"]),
        "can impersonate User joe (impersonate users through ClusterRoleBinding/b -> ClusterRole/r), \
         who can do everything in the cluster through ClusterRoleBinding/admins -> ClusterRole/all"
    );
    assert_eq!(
        said(Risk::MintTokens, "prod", &["create core serviceaccounts/token ci"]),
        "can request a token of ServiceAccount prod/ci (create serviceaccounts/token through \
         RoleBinding/prod/b -> ClusterRole/r), who can read every Secret in namespace prod through \
         RoleBinding/prod/readers -> ClusterRole/secrets"
    );
    assert_eq!(
        said(
            Risk::Bind,
            "prod",
            &["bind RBAC clusterroles secrets,look", "create RBAC rolebindings"]
        ),
        "can bind ClusterRole/secrets (bind clusterroles through RoleBinding/prod/b -> \
         ClusterRole/r), whose holder can read every Secret in namespace prod"
    );
    assert_eq!(
        said(Risk::Escalate, "*", &["escalate,patch RBAC clusterroles r"]),
        "can write any right into ClusterRole/r (escalate and write clusterroles through \
         ClusterRoleBinding/b -> ClusterRole/r), which it holds itself"
    );
}

#[test]
fn names_lead_on_and_circles_end() {
    let world = World::of([
        cluster_role("all", &["* * *"]),
        bind("admins", "all", &["User/joe"]),
        cluster_role("as-joe", &["impersonate core users joe,jane"]),
        bind("middle", "as-joe", &["User/mia"]),
        cluster_role("as-mia", &["impersonate core users mia"]),
        bind("first", "as-mia", &["User/jane"]),
    ]);
    // Who may do everything impersonates as well.
    let found = failing(&*forbid(&[Risk::ClusterAdmin, Risk::Impersonate]), &world);
    let found: Vec<Finding> =
        found.into_iter().filter(|finding| finding.rule == "Impersonate").collect();
    assert_eq!(said(&found), ["Impersonate: first: User jane", "Impersonate: middle: User mia"]);
    assert!(
        found[0].message.contains("User mia (")
            && found[0].message.contains("who can impersonate User joe, who can do everything"),
        "{}",
        found[0].message
    );
}

#[test]
fn what_no_file_shows_is_not_known() {
    let unknown = |rules: &[&str]| {
        let mut world =
            World::of(company(rules).into_iter().chain([bind("b", "r", &["User/jane"])]));
        world.inventory.source = ObjectSource::Manifests;
        let check = forbid(&[Risk::Impersonate, Risk::Bind, Risk::MintTokens]);
        assert!(
            failing(&*check, &world)
                .iter()
                .all(|finding| finding.subject.as_deref() != Some("User jane"))
        );
        let judged = judge_all(&*check, &world, &ScopeFilter::default());
        let found = judged.into_iter().flat_map(|(_, judgement)| judgement.unknown);
        found.filter(|finding| finding.subject.as_deref() == Some("User jane")).count()
    };
    assert_eq!(unknown(&["impersonate core users stranger"]), 1);
    assert_eq!(unknown(&["impersonate core users ann"]), 0);
    assert_eq!(unknown(&["impersonate core users guest"]), 1);
    assert_eq!(unknown(&["create core serviceaccounts/token absent"]), 1);
    assert_eq!(unknown(&["bind RBAC clusterroles absent", "create RBAC clusterrolebindings"]), 1);
    assert_eq!(unknown(&["bind RBAC clusterroles look", "create RBAC clusterrolebindings"]), 0);
}

#[test]
fn a_websocket_needs_create_since_1_35() {
    for (risk, resource) in [
        (Risk::Exec, "pods/exec"),
        (Risk::Attach, "pods/attach"),
        (Risk::PortForward, "pods/portforward"),
    ] {
        for (minor, fails, unknown) in [(Some(34), 1, 0), (Some(35), 0, 0), (None, 0, 1)] {
            let mut world = jane("prod", &[&format!("get core {resource}")]);
            world.inventory.kubernetes = minor.map(KubernetesVersion::minor);
            let judged = judge_all(&*forbid(&[risk]), &world, &ScopeFilter::default());
            let count = |list: fn(&Judgement) -> usize| -> usize {
                judged.iter().map(|(_, judgement)| list(judgement)).sum()
            };
            assert_eq!(
                (count(|found| found.failing.len()), count(|found| found.unknown.len())),
                (fails, unknown),
                "{risk} {minor:?}"
            );
        }
    }
}
