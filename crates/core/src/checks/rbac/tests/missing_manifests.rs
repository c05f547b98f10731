//! Manifests are an excerpt: what they do not show is not known, and never passes.

use super::*;

/// As a scan of files sees it.
fn manifests(objects: impl IntoIterator<Item = Value>) -> World {
    let mut world = World::of(objects);
    world.inventory.source = ObjectSource::Manifests;
    world.inventory.rights.assume_default_roles();
    world
}

/// What fails and what is unknown.
fn judged(check: &dyn Check, world: &World) -> (Vec<String>, Vec<String>) {
    let judged = judge_all(check, world, &ScopeFilter::default());
    let mut unknown: Vec<Finding> =
        judged.into_iter().flat_map(|(_, judgement)| judgement.unknown).collect();
    unknown.sort_by(|a, b| (&a.rule, &a.subject).cmp(&(&b.rule, &b.subject)));
    (said(&failing(check, world)), said(&unknown))
}

#[test]
fn a_role_of_no_manifest_leaves_its_subjects_unknown_whatever_is_asked() {
    let world = manifests([
        bind("open", "elsewhere", &["User/jane"]),
        bind("admin", "cluster-admin", &["User/root"]),
        cluster_role("reader", &["get core pods"]),
        bind("known", "reader", &["User/joe"]),
    ]);
    for risk in Risk::ALL {
        let (failing, unknown) = judged(&*forbid(&[*risk]), &world);
        assert_eq!(unknown, ["RoleNotKnown: open: User jane"], "{risk}");
        assert!(!failing.iter().any(|said| said.contains("jane")), "{risk}: {failing:?}");
    }
    let admins = forbid(&[Risk::ClusterAdmin]);
    let (failing, _) = judged(&*admins, &world);
    assert_eq!(failing, ["ClusterAdmin: admin: User root"]);
    let listed = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
    assert_eq!(judged(&*check(listed), &world).1, ["RoleNotKnown: open: User jane"]);
    let known = judge_all(&*admins, &world, &ScopeFilter::default());
    let message =
        &known.iter().find_map(|(_, judgement)| judgement.unknown.first()).unwrap().message;
    assert!(
        message.contains("ClusterRole/elsewhere") && message.contains("add the role's manifest"),
        "{message}"
    );
}

#[test]
fn what_a_subject_is_known_to_hold_fails_beside_what_is_not_known() {
    let world = manifests([
        bind("open", "elsewhere", &["User/jane"]),
        bind("admin", "cluster-admin", &["User/jane"]),
    ]);
    let (failing, unknown) = judged(&*forbid(&[Risk::ClusterAdmin]), &world);
    assert_eq!(failing, ["ClusterAdmin: admin: User jane"]);
    assert_eq!(unknown, ["RoleNotKnown: open: User jane"]);
}

#[test]
fn whoever_may_in_any_case_is_not_asked_about() {
    let world = manifests([bind("open", "elsewhere", &["User/jane"])]);
    let allowed = json!({"forbid": ["ClusterAdmin"], "allow": [{"kind": "User", "name": "jane"}]});
    assert_eq!(judged(&*check(allowed), &world), (vec![], vec![]));
}

#[test]
fn an_unknown_role_may_be_one_too_many() {
    let limited = |max: u32| check(json!({"forbid": ["ClusterAdmin"], "maxSubjects": max}));
    let world = manifests([
        bind("open", "elsewhere", &["User/jane"]),
        bind("admin", "cluster-admin", &["User/root"]),
    ]);
    assert_eq!(judged(&*limited(1), &world), (vec![], vec!["TooManySubjects: cluster: -".into()]));
    assert_eq!(judged(&*limited(2), &world), (vec![], vec![]));
}

#[test]
fn an_account_of_no_manifest_is_unknown_where_it_is_asked_about() {
    let reader = cluster_role("reader", &["get core pods"]);
    let bound = |account: &str| bind("b", "reader", &[&format!("ServiceAccount/{account}")]);
    let world = manifests([reader.clone(), bound("ops/ci")]);
    for risk in [Risk::Dangling, Risk::CloudIdentity] {
        let expected = vec!["AccountNotKnown: b: ServiceAccount ops/ci".to_owned()];
        assert_eq!(judged(&*forbid(&[risk]), &world), (vec![], expected), "{risk}");
    }
    assert_eq!(judged(&*forbid(&[Risk::ReadSecrets]), &world), (vec![], vec![]));
    // Every namespace has its default account, and every cluster those of its controllers.
    for known in ["ops/default", "kube-system/node-controller"] {
        let world = manifests([reader.clone(), bound(known)]);
        assert_eq!(judged(&*forbid(&[Risk::Dangling]), &world), (vec![], vec![]), "{known}");
    }
    let account = named("ServiceAccount", "ops", "ci");
    let world = manifests([reader, bound("ops/ci"), account]);
    assert_eq!(judged(&*forbid(&[Risk::Dangling]), &world), (vec![], vec![]));
}

#[test]
fn default_roles_are_known_and_those_that_kubeadm_makes_are_not() {
    for (namespace, role, known) in [
        ("kube-system", "extension-apiserver-authentication-reader", true),
        ("kube-system", "system::leader-locking-kube-scheduler", true),
        ("kube-public", "system:controller:bootstrap-signer", true),
        ("kube-system", "kubeadm:nodes-kubeadm-config", false),
        ("kube-system", "kube-proxy", false),
        ("prod", "extension-apiserver-authentication-reader", false),
    ] {
        let bound = bind_in(namespace, "b", &format!("Role/{role}"), &["User/jane"]);
        let (failing, unknown) = judged(&*forbid(&[Risk::Dangling]), &manifests([bound]));
        assert!(failing.is_empty(), "{failing:?}");
        assert_eq!(unknown.is_empty(), known, "{namespace}/{role}: {unknown:?}");
    }
}
