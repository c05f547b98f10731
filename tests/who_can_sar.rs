//! The graph of rights against the API server: random RBAC, thousands of access reviews, no
//! disagreement; and a fresh cluster's own rights, none of which is a finding.
//!
//! `WHO_CAN_SEED=N` repeats a run; a failure prints its seed.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

mod controlplane;

use std::{collections::BTreeSet, fmt::Debug, sync::Arc, time::Duration};

use comptroller_core::{
    api::{Risk, test_spec::RbacTest},
    checks::{self, CheckContext, scope::ScopeFilter},
    inventory::{
        Interner, Inventory, Projector, ResourceType, Symbol,
        kinds::{self, subresources},
        rbac::{AccessRequest, RequestTarget, RoleNode, Subject},
    },
};
use controlplane::{ControlPlane, wait};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject, ListParams, PostParams},
};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);
/// Requests under way at once: enough to keep two cores busy.
const CONCURRENCY: usize = 24;
/// Every question is put for every subject.
const QUESTIONS: usize = 220;

const RBAC: &str = "rbac.authorization.k8s.io";
const KINDS: &[(&str, &str, &str, bool)] = &[
    (RBAC, "ClusterRole", "clusterroles", false),
    (RBAC, "Role", "roles", true),
    (RBAC, "ClusterRoleBinding", "clusterrolebindings", false),
    (RBAC, "RoleBinding", "rolebindings", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("", "ResourceQuota", "resourcequotas", true),
    ("", "Namespace", "namespaces", false),
];

const NAMESPACES: &[&str] = &["team-a", "team-b", "team-c"];
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "*",
];
const GROUPS: &[&str] = &["", "apps", "example.com", RBAC, "*"];
const RESOURCES: &[&str] = &[
    "pods",
    "pods/exec",
    "pods/log",
    "pods/*",
    "*/log",
    "*/scale",
    "*",
    "secrets",
    "deployments",
    "deployments/scale",
    "nodes",
    "nodes/proxy",
    "namespaces",
    "clusterroles",
    "widgets",
];
const NAMES: &[&str] = &["one", "two", "three", "team-a"];
/// What is typed: the words, and the group, resource, subresource and scope that are meant.
const TYPED: &[(&str, &str, &str, &str, bool)] = &[
    ("pods", "", "pods", "", true),
    ("po", "", "pods", "", true),
    ("pods/log", "", "pods", "log", true),
    ("pods/exec", "", "pods", "exec", true),
    ("secret", "", "secrets", "", true),
    ("deployments", "apps", "deployments", "", true),
    ("deploy.apps/scale", "apps", "deployments", "scale", true),
    ("nodes", "", "nodes", "", false),
    ("nodes/proxy", "", "nodes", "proxy", false),
    ("clusterroles", RBAC, "clusterroles", "", false),
    ("namespaces", "", "namespaces", "", false),
    ("ns", "", "namespaces", "", false),
    ("namespaces/finalize", "", "namespaces", "finalize", false),
];
/// How many commands are run.
const COMMANDS: usize = 60;
const PATHS: &[&str] = &["/metrics", "/healthz", "/healthz/*", "/logs*", "*", "/apis/**"];
const LABELS: &[&str] = &["aggregate-to-x", "aggregate-to-y"];
const SUBJECTS: &[&str] = &[
    "User/jane",
    "User/joe@corp",
    "User/system:anonymous",
    "User/system:serviceaccount:team-a:one",
    "Group/devs",
    "Group/system:authenticated",
    "Group/system:unauthenticated",
    "Group/system:serviceaccounts",
    "Group/system:serviceaccounts:team-a",
    "Group/system:serviceaccounts:team-b",
    "ServiceAccount/team-a/one",
    "ServiceAccount/team-b/one",
    "ServiceAccount/team-b/two",
    "ServiceAccount/team-c/absent",
];

/// A random cluster's objects, in an order in which they can be created.
struct Random {
    random: SmallRng,
}

impl Random {
    fn some(&mut self, from: &[&'static str], most: usize) -> Vec<&'static str> {
        let count = self.random.random_range(1..=most);
        from.choose_multiple(&mut self.random, count).copied().collect()
    }

    fn one(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(&mut self.random).unwrap()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent, 100)
    }

    fn rules(&mut self, paths: bool) -> Vec<Value> {
        let count = self.random.random_range(0..=3);
        let rule = |this: &mut Self| {
            if paths && this.chance(15) {
                return json!({"verbs": this.some(VERBS, 2), "nonResourceURLs": this.some(PATHS, 2)});
            }
            let mut rule = json!({
                "verbs": this.some(VERBS, 3),
                "apiGroups": this.some(GROUPS, 2),
                "resources": this.some(RESOURCES, 3),
            });
            if this.chance(25) {
                rule["resourceNames"] = json!(this.some(NAMES, 2));
            }
            rule
        };
        (0..count).map(|_| rule(self)).collect()
    }

    fn subjects(&mut self) -> Vec<Value> {
        let chosen = self.some(SUBJECTS, 3);
        let subject = |text: &str| {
            let (kind, rest) = text.split_once('/').unwrap();
            match (kind, rest.split_once('/')) {
                ("ServiceAccount", Some((namespace, name))) => {
                    json!({"kind": kind, "namespace": namespace, "name": name})
                }
                _ => json!({"kind": kind, "name": rest, "apiGroup": RBAC}),
            }
        };
        chosen.into_iter().map(subject).collect()
    }

    fn objects(&mut self) -> Vec<Value> {
        let mut objects: Vec<Value> =
            NAMESPACES.iter().map(|name| object("Namespace", "", name)).collect();
        for (namespace, name) in [("team-a", "one"), ("team-b", "one"), ("team-b", "two")] {
            objects.push(object("ServiceAccount", namespace, name));
        }
        let cluster_roles: Vec<String> = (0..40).map(|at| format!("cr-{at}")).collect();
        for (at, name) in cluster_roles.iter().enumerate() {
            let mut role = object("ClusterRole", "", name);
            if self.chance(40) {
                role["metadata"]["labels"] = json!({self.one(LABELS): "true"});
            }
            // The first few aggregate: one selects the other, so that chains come about.
            if at < 3 {
                let selector = json!({"matchLabels": {LABELS[at % 2]: "true"}});
                role["aggregationRule"] = json!({"clusterRoleSelectors": [selector]});
            } else {
                role["rules"] = json!(self.rules(true));
            }
            objects.push(role);
        }
        for namespace in NAMESPACES {
            for at in 0..8 {
                let mut role = object("Role", namespace, &format!("r-{at}"));
                role["rules"] = json!(self.rules(false));
                objects.push(role);
            }
        }
        for at in 0..26 {
            let role = self.random.random_range(0..44);
            let mut binding = object("ClusterRoleBinding", "", &format!("crb-{at}"));
            binding["roleRef"] =
                json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": format!("cr-{role}")});
            binding["subjects"] = json!(self.subjects());
            objects.push(binding);
        }
        for at in 0..60 {
            let namespace = self.one(NAMESPACES);
            let (kind, name) = if self.chance(50) {
                ("ClusterRole", format!("cr-{}", self.random.random_range(0..44)))
            } else {
                ("Role", format!("r-{}", self.random.random_range(0..10)))
            };
            let mut binding = object("RoleBinding", namespace, &format!("rb-{at}"));
            binding["roleRef"] = json!({"apiGroup": RBAC, "kind": kind, "name": name});
            binding["subjects"] = json!(self.subjects());
            objects.push(binding);
        }
        objects
    }

    fn question(&mut self) -> Question {
        if self.chance(12) {
            let path =
                self.one(&["/metrics", "/healthz", "/healthz/etcd", "/logs/x", "/apis", "/"]);
            return Question { verb: self.one(VERBS), path: Some(path), ..Question::default() };
        }
        if self.chance(10) {
            // A Namespace is in itself.
            let namespace = self.one(NAMESPACES);
            return Question {
                verb: self.one(VERBS),
                resource: "namespaces",
                subresource: self.one(&["", "", "", "finalize"]),
                namespace,
                name: self.one(&["", namespace]),
                ..Question::default()
            };
        }
        let (resource, subresource) = self.one(RESOURCES).split_once('/').map_or_else(
            || (self.one(&["pods", "secrets", "deployments", "nodes", "widgets", "*"]), ""),
            |(resource, subresource)| {
                (if resource == "*" { "widgets" } else { resource }, subresource)
            },
        );
        Question {
            verb: self.one(VERBS),
            group: self.one(GROUPS),
            resource,
            subresource,
            namespace: if self.chance(30) { "" } else { self.one(NAMESPACES) },
            name: if self.chance(50) { "" } else { self.one(NAMES) },
            path: None,
        }
    }
}

impl Random {
    /// A command line, and what kubectl would ask the API server for it.
    fn command(&mut self) -> (Vec<&'static str>, Question) {
        let verb = self.one(VERBS);
        if self.chance(12) {
            let verb = self.one(&["get", "post", "put", "*"]);
            let path = self.one(&["/metrics", "/healthz/etcd", "/logs/x", "/"]);
            return (vec![verb, path], Question { verb, path: Some(path), ..Question::default() });
        }
        let (typed, group, resource, subresource, namespaced) =
            *TYPED.choose(&mut self.random).unwrap();
        let mut question = Question { verb, group, resource, subresource, ..Question::default() };
        let mut words = vec![verb, typed];
        if self.chance(40) {
            let names = if resource == "namespaces" { NAMESPACES } else { NAMES };
            question.name = self.one(names);
            words.push(question.name);
        }
        let place = if self.chance(20) { "" } else { self.one(NAMESPACES) };
        words.extend(if place.is_empty() { vec!["-A"] } else { vec!["-n", place] });
        question.namespace = match resource {
            "namespaces" if !question.name.is_empty() => question.name,
            "namespaces" => place,
            _ if namespaced => place,
            _ => "",
        };
        (words, question)
    }
}

fn object(kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = json!({"kind": kind, "metadata": {"name": name}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

#[derive(Clone, Copy, Debug, Default)]
struct Question {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    namespace: &'static str,
    name: &'static str,
    path: Option<&'static str>,
}

impl Question {
    fn request(&self) -> AccessRequest<'static> {
        let target = match self.path {
            Some(path) => RequestTarget::Path(path),
            None => RequestTarget::Resource {
                group: self.group,
                resource: self.resource,
                subresource: self.subresource,
                namespace: self.namespace,
                name: self.name,
            },
        };
        AccessRequest { verb: self.verb, target }
    }

    /// The review of a subject: a user or service account comes with the groups that its kind
    /// belongs to, a group comes alone.
    fn review(&self, subject: &Subject) -> SubjectAccessReview {
        let implied = subject.implied_groups();
        let mut groups: Vec<&str> = implied.iter().map(Symbol::as_str).collect();
        let user = match subject {
            Subject::User(name) => name.to_string(),
            Subject::Group(name) => {
                groups = vec![name];
                String::new()
            }
            Subject::ServiceAccount { namespace, name } => {
                format!("system:serviceaccount:{namespace}:{name}")
            }
        };
        let mut spec = json!({"user": user, "groups": groups});
        match self.path {
            Some(path) => spec["nonResourceAttributes"] = json!({"verb": self.verb, "path": path}),
            None => {
                spec["resourceAttributes"] = json!({
                    "verb": self.verb, "group": self.group, "resource": self.resource,
                    "subresource": self.subresource, "namespace": self.namespace, "name": self.name,
                });
            }
        }
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }
}

fn resource_of(kind: &str) -> (ResourceType, ApiResource) {
    let row = KINDS.iter().find(|row| row.1 == kind).unwrap();
    let resource = ResourceType {
        group: row.0.to_owned(),
        version: "v1".to_owned(),
        kind: row.1.to_owned(),
        plural: row.2.to_owned(),
        namespaced: row.3,
    };
    let api = ApiResource {
        group: row.0.to_owned(),
        version: "v1".to_owned(),
        api_version: resource.api_version(),
        kind: row.1.to_owned(),
        plural: row.2.to_owned(),
    };
    (resource, api)
}

async fn create(client: &Client, object: &Value) -> kube::Result<()> {
    let (_, resource) = resource_of(object["kind"].as_str().unwrap());
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let typed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    api.create(&PostParams::default(), &typed).await.map(drop)
}

/// Everything there is, as the operator would know it.
async fn observe(client: &Client) -> Inventory {
    let mut inventory = Inventory::default();
    let interner: Arc<Interner> = Arc::default();
    for row in KINDS {
        let (resource, api) = resource_of(row.1);
        let id = inventory.kind(&resource);
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&interner));
        let listed = Api::<DynamicObject>::all_with(client.clone(), &api)
            .list(&ListParams::default())
            .await
            .unwrap();
        inventory.begin(id);
        for object in listed {
            let object = serde_json::to_value(object).unwrap();
            inventory.stage(id, projector.project(&object).unwrap());
        }
        inventory.commit(id, Vec::new());
    }
    inventory
}

async fn is_allowed(client: &Client, review: &SubjectAccessReview) -> bool {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    reviews.create(&PostParams::default(), review).await.unwrap().status.unwrap().allowed
}

/// Creates a role and a binding of each kind and waits until the authorizer has seen them: its
/// caches take in changes in order, so it then has seen all that came before.
async fn settle(client: &Client) {
    for (role, binding, namespace) in
        [("ClusterRole", "ClusterRoleBinding", ""), ("Role", "RoleBinding", "team-a")]
    {
        let mut settled = object(role, namespace, "settled");
        settled["rules"] = json!([{"verbs": ["settle"], "apiGroups": ["test"], "resources": [role.to_lowercase()]}]);
        create(client, &settled).await.unwrap();
        let mut bound = object(binding, namespace, "settled");
        bound["roleRef"] = json!({"apiGroup": RBAC, "kind": role, "name": "settled"});
        bound["subjects"] = json!([{"kind": "User", "name": "settler", "apiGroup": RBAC}]);
        create(client, &bound).await.unwrap();
        let review: SubjectAccessReview = serde_json::from_value(json!({"spec": {
            "user": "settler",
            "resourceAttributes": {
                "verb": "settle", "group": "test", "resource": role.to_lowercase(),
                "namespace": namespace,
            },
        }}))
        .unwrap();
        wait::until("the authorizer to see the last role", LIMIT, async || {
            is_allowed(client, &review).await.then_some(())
        })
        .await
        .unwrap();
    }
}

/// Waits until the controller manager has written the rules of every aggregated role.
async fn aggregated(client: &Client) {
    let (_, resource) = resource_of("ClusterRole");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    wait::until("the aggregation of roles", LIMIT, async || {
        let roles = api.list(&ListParams::default()).await.ok()?.items;
        let done = roles.iter().all(|role| {
            let selectors = &role.data["aggregationRule"]["clusterRoleSelectors"];
            let Some(label) =
                selectors[0]["matchLabels"].as_object().and_then(|map| map.keys().next())
            else {
                return true;
            };
            let granted = |role: &DynamicObject| -> BTreeSet<String> {
                role.data["rules"].as_array().into_iter().flatten().map(Value::to_string).collect()
            };
            let selected = roles.iter().filter(|other| {
                let labelled =
                    other.metadata.labels.as_ref().is_some_and(|map| map.contains_key(label));
                labelled && other.metadata.name != role.metadata.name
            });
            selected.flat_map(granted).collect::<BTreeSet<String>>() == granted(role)
        });
        done.then_some(())
    })
    .await
    .unwrap();
}

/// Whom the command names.
fn command(plane: &ControlPlane, words: &[&str]) -> BTreeSet<Subject> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .arg("who-can")
        .args(words)
        .args(["-o", "json", "--kubeconfig"])
        .arg(plane.kubeconfig("admin"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let subject = |answer: &Value| {
        let text = |field: &str| Symbol::from(answer[field].as_str().unwrap());
        match answer["kind"].as_str().unwrap() {
            "User" => Subject::User(text("name")),
            "Group" => Subject::Group(text("name")),
            _ => Subject::ServiceAccount { namespace: text("namespace"), name: text("name") },
        }
    };
    answers.iter().map(subject).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_agrees_with_the_api_server() {
    let seed = std::env::var("WHO_CAN_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or(20_261_121);
    let plane = ControlPlane::builder().controller_manager(true).start().await.unwrap();
    let client = plane.admin_client();
    let mut random = Random { random: SmallRng::seed_from_u64(seed) };
    let objects = random.objects();
    for kind in KINDS {
        let of_kind = objects.iter().filter(|object| object["kind"] == kind.1);
        if kind.1 == "Namespace" {
            continue;
        }
        let namespaces = objects
            .iter()
            .filter(|object| kind.1 == "ClusterRole" && object["kind"] == "Namespace");
        for namespace in namespaces {
            create(&client, namespace).await.unwrap();
        }
        let requests = stream::iter(of_kind.map(|object| create(&client, object)));
        requests.buffer_unordered(CONCURRENCY).try_collect::<()>().await.unwrap();
    }
    aggregated(&client).await;
    settle(&client).await;

    let inventory = observe(&client).await;
    let subjects: Vec<Subject> = inventory
        .rights
        .subjects()
        .map(|(_, node)| node.subject.clone())
        .filter(|subject| {
            subject.namespace().is_none_or(|namespace| NAMESPACES.contains(&&**namespace))
        })
        .filter(|subject| {
            !subject.name().starts_with("system:kube") && **subject.name() != *"settler"
        })
        .collect();
    let questions: Vec<Question> = (0..QUESTIONS).map(|_| random.question()).collect();
    let mut cases = Vec::new();
    for question in &questions {
        let allowed: BTreeSet<Subject> = inventory
            .rights
            .who_can(&question.request())
            .into_iter()
            .map(|entitlement| entitlement.subject)
            .collect();
        for subject in &subjects {
            cases.push((*question, subject.clone(), allowed.contains(subject)));
        }
    }
    for _ in 0..COMMANDS {
        let (words, question) = random.command();
        let allowed = command(&plane, &words);
        for subject in &subjects {
            cases.push((question, subject.clone(), allowed.contains(subject)));
        }
    }
    let asked = cases.len();
    let granted = cases.iter().filter(|(.., expected)| *expected).count();
    assert!(asked >= 3000, "only {asked} cases");
    assert!(granted > 300 && asked - granted > 300, "{granted} of {asked} are lopsided");
    let disagreements: Vec<String> = stream::iter(cases)
        .map(|(question, subject, expected)| {
            let client = client.clone();
            async move {
                let allowed = is_allowed(&client, &question.review(&subject)).await;
                (allowed != expected).then(|| {
                    format!("{subject}: the API server says {allowed} to {}", question.request())
                })
            }
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(async |disagreement| disagreement)
        .collect()
        .await;
    assert!(
        disagreements.is_empty(),
        "WHO_CAN_SEED={seed}: {} of {asked} disagree: {:#?}",
        disagreements.len(),
        disagreements.iter().take(10).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_cluster_has_no_finding() {
    let plane = ControlPlane::builder().controller_manager(true).start().await.unwrap();
    let client = plane.admin_client();
    aggregated(&client).await;
    let found = wait_quiet(&client).await;
    assert!(found.is_empty(), "{found:#?}");
    roles_of_every_cluster_are_assumed(&observe(&client).await);
    builtin_types_are_those_that_are_served(&client).await;
}

/// Manifests bind what the control plane makes, in namespaces too.
fn roles_of_every_cluster_are_assumed(cluster: &Inventory) {
    let mut manifests = Inventory::default();
    manifests.rights.assume_default_roles();
    let known = |inventory: &Inventory, namespaced: bool| -> BTreeSet<String> {
        let roles = inventory.rights.roles().filter(|role| role.exists());
        let keys = roles.map(RoleNode::key).filter(|key| key.namespace.is_empty() != namespaced);
        keys.map(ToString::to_string).collect()
    };
    assert_eq!(known(&manifests, true), known(cluster, true));
    let absent: Vec<String> =
        known(cluster, false).difference(&known(&manifests, false)).cloned().collect();
    assert!(absent.is_empty(), "{absent:?}");
}

/// What who-can knows without a cluster is what the API server serves, subresources included.
async fn builtin_types_are_those_that_are_served(client: &Client) {
    let mut groups = client.list_core_api_versions_aggregated().await.unwrap().items;
    groups.extend(client.list_api_groups_aggregated().await.unwrap().items);
    let mut wrong = Vec::new();
    for group in groups {
        let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
        for resource in group.versions.into_iter().flat_map(|version| version.resources) {
            let plural = resource.resource.unwrap();
            let row = kinds::builtin().find(|row| row.group == name && row.plural == plural);
            let namespaced = resource.scope.as_deref() == Some("Namespaced");
            let below: BTreeSet<String> =
                resource.subresources.into_iter().filter_map(|below| below.subresource).collect();
            let known: BTreeSet<String> =
                subresources(&name, &plural).iter().map(ToString::to_string).collect();
            if row.is_none_or(|row| row.namespaced != namespaced) || below != known {
                wrong.push(format!("{plural}.{name}: {below:?}, known are {known:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The findings of all risks, once the control plane has made what it makes of its own.
async fn wait_quiet(client: &Client) -> Vec<impl Debug> {
    let (_, bindings) = resource_of("RoleBinding");
    wait::until("the control plane's own bindings", LIMIT, async || {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), "kube-public", &bindings);
        api.get_opt("system:controller:bootstrap-signer").await.ok()?.map(drop)
    })
    .await
    .unwrap();
    let inventory = observe(client).await;
    let test = RbacTest { forbid: Risk::ALL.to_vec(), ..RbacTest::default() };
    let check = checks::rbac::build(&test).unwrap().check;
    let scope = ScopeFilter::default();
    let context = CheckContext {
        inventory: &inventory,
        scope: &scope,
        now: jiff::Timestamp::UNIX_EPOCH,
        occurrences: &[],
    };
    let mut items = Vec::new();
    check.items(&context, &mut |item| items.push(item));
    assert!(items.len() > 40, "the cluster's own subjects are known");
    let judged = items.into_iter().filter_map(|item| check.judge(&context, item));
    judged.flat_map(|judgement| judgement.failing.into_iter().chain(judgement.unknown)).collect()
}
