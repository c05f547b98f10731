//! Rights that add up over bindings, places and groups; the baseline.

use super::*;

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
    assert_eq!(said(&failing(&*both, &world)), ["ClusterAdmin: b3: User jane"]);
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
    assert_eq!(said(&found), ["NamespaceAdmin: prod/write: User jane"]);
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
fn manifests_need_not_bring_the_roles_that_every_cluster_has() {
    let mut world = World::of([bind("b", "cluster-admin", &["User/jane"])]);
    let check = forbid(&[Risk::ClusterAdmin]);
    assert!(failing(&*check, &world).is_empty());
    world.inventory.rights.assume_default_roles();
    assert_eq!(said(&failing(&*check, &world)), ["ClusterAdmin: b: User jane"]);
}

#[test]
fn what_is_added_to_the_default_rights_is_found() {
    let name = "system:basic-user";
    let default_rule = "create authorization.k8s.io selfsubjectaccessreviews";
    let check = forbid(&[Risk::ReadSecrets, Risk::Everyone]);
    let everyone = bind(name, name, &["Group/system:authenticated"]);
    let mut world = World::of([cluster_role(name, &[default_rule]), everyone]);
    assert!(failing(&*check, &world).is_empty());
    world.apply(&cluster_role(name, &[default_rule, "get core secrets"]));
    assert_eq!(
        said(&failing(&*check, &world)),
        [
            "Everyone: system:basic-user: Group system:authenticated",
            "ReadSecrets: system:basic-user: Group system:authenticated",
        ]
    );
}

#[test]
fn who_is_added_to_a_default_binding_is_found() {
    let check = forbid(&[Risk::ClusterAdmin]);
    let mut world = World::of([
        cluster_role("cluster-admin", &["* * *"]),
        bind("cluster-admin", "cluster-admin", &["Group/system:masters"]),
    ]);
    assert!(failing(&*check, &world).is_empty());
    world.apply(&bind("cluster-admin", "cluster-admin", &["Group/system:masters", "User/mallory"]));
    assert_eq!(said(&failing(&*check, &world)), ["ClusterAdmin: cluster-admin: User mallory"]);
}
