//! A graph of rights of any size: groups, people and programs, a few of them too powerful.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";
const ROLES: usize = 200;

/// Namespaces, roles, service accounts and this many bindings: nine of ten in a namespace, each to
/// one or two of 4 service accounts of the namespace, 5,000 people and 300 groups.
pub fn rights(bindings: usize) -> Vec<Value> {
    let mut random = SmallRng::seed_from_u64(7);
    let namespaces = (bindings / 20).max(1);
    let mut objects: Vec<Value> = (0..namespaces).flat_map(namespace).collect();
    objects.extend((0..ROLES).map(|number| cluster_role(number, false)));
    objects.extend((0..bindings).map(|number| {
        let role = random.random_range(0..ROLES);
        let mut subjects = vec![subject(&mut random, namespaces)];
        if random.random_bool(0.3) {
            subjects.push(subject(&mut random, namespaces));
        }
        if number % 10 == 0 {
            cluster_binding(number, role, &subjects)
        } else {
            binding(&format!("team-{}", number % namespaces), number, role, &subjects)
        }
    }));
    objects
}

fn namespace(number: usize) -> Vec<Value> {
    let name = format!("team-{number}");
    let env = if number.is_multiple_of(3) { "dev" } else { "production" };
    let account = |account: usize| {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": format!("program-{account}"), "namespace": name},
        })
    };
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"env": env}},
    });
    std::iter::once(namespace).chain((0..4).map(account)).collect()
}

/// A role; every fiftieth reads Secrets, and `powerful` ones do everything.
pub fn cluster_role(number: usize, powerful: bool) -> Value {
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["pods", "services", "configmaps"], "verbs": ["get", "list", "watch"]}),
        json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]}),
        json!({"apiGroups": [format!("team{number}.acme.example")], "resources": ["things"], "verbs": ["*"]}),
    ];
    if number.is_multiple_of(50) {
        rules.push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}));
    }
    if powerful {
        rules = vec![json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})];
    }
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
        "metadata": {"name": format!("role-{number}")}, "rules": rules,
    })
}

fn subject(random: &mut SmallRng, namespaces: usize) -> Value {
    match random.random_range(0..3) {
        0 => group(&format!("group-{}", random.random_range(0..300))),
        1 => {
            json!({"kind": "User", "apiGroup": RBAC, "name": format!("person-{}@acme.example", random.random_range(0..5000))})
        }
        _ => json!({
            "kind": "ServiceAccount", "name": format!("program-{}", random.random_range(0..4)),
            "namespace": format!("team-{}", random.random_range(0..namespaces)),
        }),
    }
}

/// A group as a subject.
pub fn group(name: &str) -> Value {
    json!({"kind": "Group", "apiGroup": RBAC, "name": name})
}

/// A `ClusterRoleBinding` of a role.
pub fn cluster_binding(number: usize, role: usize, subjects: &[Value]) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("binding-{number}")},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": format!("role-{role}")},
        "subjects": subjects,
    })
}

/// A `RoleBinding` of a `ClusterRole`.
pub fn binding(namespace: &str, number: usize, role: usize, subjects: &[Value]) -> Value {
    let mut binding = cluster_binding(number, role, subjects);
    binding["kind"] = json!("RoleBinding");
    binding["metadata"]["namespace"] = json!(namespace);
    binding
}

/// Something that goes back and forth between two states.
pub struct RightsChange {
    pub name: &'static str,
    pub states: [Value; 2],
}

/// What happens to rights. Role 0 reads Secrets, role 1 does not.
pub fn changes() -> Vec<RightsChange> {
    let person = json!({"kind": "User", "apiGroup": RBAC, "name": "person-1@acme.example"});
    let bound = |subject: Value| {
        [1, 0].map(|role| binding("team-1", 1, role, std::slice::from_ref(&subject)))
    };
    let role = |number| [cluster_role(number, true), cluster_role(number, false)];
    vec![
        RightsChange { name: "a binding of a person", states: bound(person) },
        RightsChange {
            name: "a binding of everybody",
            states: bound(group("system:authenticated")),
        },
        RightsChange { name: "a role that every 200th binding names", states: role(7) },
    ]
}
