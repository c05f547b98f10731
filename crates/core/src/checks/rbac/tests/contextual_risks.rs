//! The risks that lie in who holds a right or how.

use super::*;

#[test]
fn contextual_risks_are_found_where_they_are_and_only_there() {
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
