//! Escalation on the real API server: each way of which a finding warns is gone, and each that
//! leads nowhere is refused, so that findings and refusals agree for every subject.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

mod controlplane;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::http::Request;
use comptroller_core::{
    api::{Risk, test_spec::RbacTest},
    checks::{self, CheckContext, scope::ScopeFilter},
    inventory::{Interner, Inventory, KubernetesVersion, Projector, ResourceType},
};
use controlplane::{ControlPlane, wait};
use kube::{Client, client::Body};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_mins(1);
const RBAC: &str = "rbac.authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const API: &str = "/apis/rbac.authorization.k8s.io/v1";
/// Bound to a role that may escalate, on every API server.
const AGGREGATOR: &str = "clusterrole-aggregation-controller";

const KINDS: &[(&str, &str, &str, bool)] = &[
    (RBAC, "ClusterRole", "clusterroles", false),
    (RBAC, "Role", "roles", true),
    (RBAC, "ClusterRoleBinding", "clusterrolebindings", false),
    (RBAC, "RoleBinding", "rolebindings", true),
    ("", "ServiceAccount", "serviceaccounts", true),
];

/// An attempt to gain rights, by one request.
enum Try {
    /// To become cluster-admin by creating things only.
    Create,
    /// To bind cluster-admin to themself: in the cluster, or in a namespace.
    Bind(&'static str),
    /// To put themself into a `ClusterRoleBinding`, by its name.
    Join(&'static str),
    /// To write every right into a `ClusterRole`, by its name.
    Write(&'static str),
    /// To create a `ClusterRole` with every right.
    WriteNew,
    /// To list Secrets as another: headers.
    As(&'static [(&'static str, &'static str)]),
    /// To look up a node as itself: headers.
    Node(&'static [(&'static str, &'static str)]),
    /// To obtain the token of a service account in a namespace.
    Token(&'static str, &'static str),
    /// To exec, attach or portforward by a WebSocket.
    Socket(&'static str),
}

/// Somebody, where their role is bound (empty in the cluster), its rules, what they try, and the
/// risk that says they can; None where the API server refuses.
struct Case {
    user: &'static str,
    place: &'static str,
    rules: Value,
    tries: Try,
    risk: Option<Risk>,
}

fn rule(verbs: &[&str], group: &str, resources: &[&str], names: &[&str]) -> Value {
    let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources});
    if !names.is_empty() {
        rule["resourceNames"] = json!(names);
    }
    rule
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let case = |user, place, rules, tries, risk| Case { user, place, rules, tries, risk };
    let bind = |names: &[&str]| rule(&["bind"], RBAC, &["clusterroles"], names);
    let write = |resource| rule(&["create"], RBAC, &[resource], &[]);
    let act = |resource, names: &[&str]| rule(&["impersonate"], "", &[resource], names);
    let user = &[("Impersonate-User", "root-op")];
    vec![
        case(
            "creator",
            "",
            json!([rule(&["create"], "*", &["*"], &[])]),
            Try::Create,
            Some(Risk::ClusterAdmin),
        ),
        case(
            "local-creator",
            "kube-system",
            json!([rule(&["create"], "*", &["*"], &[])]),
            Try::Create,
            Some(Risk::ClusterAdmin),
        ),
        case(
            "changer",
            "",
            json!([rule(&["get", "list", "watch", "update", "patch", "delete"], "*", &["*"], &[])]),
            Try::Create,
            None,
        ),
        case("elsewhere", "ops", json!([rule(&["create"], "*", &["*"], &[])]), Try::Create, None),
        case("binder", "", json!([bind(&[])]), Try::Bind(""), None),
        case("writer", "", json!([write("clusterrolebindings")]), Try::Bind(""), None),
        case(
            "both",
            "",
            json!([bind(&[]), write("clusterrolebindings")]),
            Try::Bind(""),
            Some(Risk::Bind),
        ),
        case(
            "crossed",
            "",
            json!([rule(&["bind"], RBAC, &["roles"], &[]), write("clusterrolebindings")]),
            Try::Bind(""),
            None,
        ),
        case(
            "named",
            "",
            json!([bind(&["cluster-admin"]), write("clusterrolebindings")]),
            Try::Bind(""),
            Some(Risk::Bind),
        ),
        case(
            "misnamed",
            "",
            json!([bind(&["view"]), write("clusterrolebindings")]),
            Try::Bind(""),
            None,
        ),
        case(
            "local",
            "ops",
            json!([bind(&["cluster-admin"]), write("rolebindings")]),
            Try::Bind("ops"),
            Some(Risk::Bind),
        ),
        case(
            "local-wide",
            "ops",
            json!([bind(&[]), write("clusterrolebindings")]),
            Try::Bind(""),
            None,
        ),
        case(
            "joiner",
            "",
            json!([bind(&[]), rule(&["patch"], RBAC, &["clusterrolebindings"], &["root-op"])]),
            Try::Join("root-op"),
            Some(Risk::Bind),
        ),
        case(
            "half-joiner",
            "",
            json!([rule(&["patch"], RBAC, &["clusterrolebindings"], &["root-op"])]),
            Try::Join("root-op"),
            None,
        ),
        case(
            "escalator",
            "",
            json!([rule(&["escalate"], RBAC, &["clusterroles"], &[])]),
            Try::Write("escalator"),
            None,
        ),
        case(
            "rewriter",
            "",
            json!([rule(&["escalate", "get", "patch"], RBAC, &["clusterroles"], &[])]),
            Try::Write("rewriter"),
            Some(Risk::Escalate),
        ),
        case(
            "own-role",
            "",
            json!([rule(&["escalate", "get", "patch"], RBAC, &["clusterroles"], &["own-role"])]),
            Try::Write("own-role"),
            Some(Risk::Escalate),
        ),
        case(
            "other-role",
            "",
            json!([
                rule(&["escalate"], RBAC, &["clusterroles"], &["other-role"]),
                rule(&["get", "patch"], RBAC, &["clusterroles"], &["view"]),
            ]),
            Try::Write("view"),
            None,
        ),
        case(
            "new-role",
            "",
            json!([
                rule(&["escalate"], RBAC, &["clusterroles"], &["new-role"]),
                rule(&["create"], RBAC, &["clusterroles"], &[]),
            ]),
            Try::WriteNew,
            None,
        ),
        case(
            "as-user",
            "",
            json!([act("users", &["root-op"])]),
            Try::As(user),
            Some(Risk::Impersonate),
        ),
        case("as-user-here", "ops", json!([act("users", &["root-op"])]), Try::As(user), None),
        case(
            "as-nobody",
            "",
            json!([act("users", &["nobody"])]),
            Try::As(&[("Impersonate-User", "nobody")]),
            None,
        ),
        case(
            "as-node",
            "",
            json!([act("groups", &["system:nodes"]), act("users", &["system:node:one"])]),
            // A node may look at itself, which RBAC lets nobody here.
            Try::Node(&[
                ("Impersonate-User", "system:node:one"),
                ("Impersonate-Group", "system:nodes"),
            ]),
            Some(Risk::Impersonate),
        ),
        case(
            "as-group",
            "",
            json!([act("groups", &["system:masters"])]),
            Try::As(&[("Impersonate-Group", "system:masters")]),
            None,
        ),
        case(
            "as-member",
            "",
            json!([act("groups", &["system:masters"]), act("users", &["nobody"])]),
            Try::As(&[("Impersonate-User", "nobody"), ("Impersonate-Group", "system:masters")]),
            Some(Risk::Impersonate),
        ),
        case(
            "as-account",
            "ops",
            json!([act("serviceaccounts", &["deployer"])]),
            Try::As(&[("Impersonate-User", "system:serviceaccount:ops:deployer")]),
            Some(Risk::Impersonate),
        ),
        case(
            "as-account-user",
            "",
            json!([act("users", &["system:serviceaccount:ops:deployer"])]),
            Try::As(&[("Impersonate-User", "system:serviceaccount:ops:deployer")]),
            None,
        ),
        case(
            "extras",
            "",
            json!([rule(&["impersonate"], AUTHENTICATION, &["userextras/scopes", "uids"], &[])]),
            Try::As(&[("Impersonate-User", "root-op"), ("Impersonate-Uid", "1")]),
            None,
        ),
        case(
            "scaler",
            "",
            json!([rule(&["*"], "*", &["*/scale", "*/status"], &[])]),
            Try::As(user),
            None,
        ),
        case(
            "constrained",
            "",
            json!([
                rule(&["impersonate:user-info"], AUTHENTICATION, &["users"], &["root-op"]),
                rule(&["impersonate-on:user-info:list"], "", &["secrets"], &[]),
            ]),
            Try::As(user),
            Some(Risk::ConstrainedImpersonate),
        ),
        case(
            "other-mode",
            "",
            json!([
                rule(&["impersonate:user-info"], AUTHENTICATION, &["users"], &["root-op"]),
                rule(&["impersonate-on:serviceaccount:list"], "", &["secrets"], &[]),
            ]),
            Try::As(user),
            None,
        ),
        case(
            "minter",
            "ops",
            json!([rule(&["create"], "", &["serviceaccounts/token"], &["deployer"])]),
            Try::Token("ops", "deployer"),
            Some(Risk::MintTokens),
        ),
        case(
            "mint-getter",
            "ops",
            json!([rule(&["get"], "", &["serviceaccounts/token"], &["deployer"])]),
            Try::Token("ops", "deployer"),
            None,
        ),
        case(
            "exec-getter",
            "ops",
            json!([rule(&["get"], "", &["pods/exec"], &[])]),
            Try::Socket("exec"),
            None,
        ),
        case(
            "exec-creator",
            "ops",
            json!([rule(&["get", "create"], "", &["pods/exec"], &[])]),
            Try::Socket("exec"),
            Some(Risk::Exec),
        ),
        case(
            "attach-getter",
            "ops",
            json!([rule(&["get"], "", &["pods/attach"], &[])]),
            Try::Socket("attach"),
            None,
        ),
        case(
            "forward-getter",
            "ops",
            json!([rule(&["get"], "", &["pods/portforward"], &[])]),
            Try::Socket("portforward"),
            None,
        ),
    ]
}

/// Sends a request; its status and answer.
async fn send(
    client: &Client,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> (u16, Value) {
    let kind = if method == "PATCH" { "application/json-patch+json" } else { "application/json" };
    let mut request = Request::builder().method(method).uri(path).header("Content-Type", kind);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string().into_bytes()));
    let response = client.send(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.unwrap_or_default();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn create(client: &Client, path: &str, object: Value) {
    let (status, answer) = send(client, "POST", path, &[], Some(&object)).await;
    assert_eq!(status, 201, "{path}: {answer}");
}

fn binding(kind: &str, name: &str, role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    })
}

fn bindings(place: &str) -> (&'static str, String) {
    match place {
        "" => ("ClusterRoleBinding", format!("{API}/clusterrolebindings")),
        place => ("RoleBinding", format!("{API}/namespaces/{place}/rolebindings")),
    }
}

async fn prepare(admin: &Client, cases: &[Case]) {
    create(admin, "/api/v1/namespaces", json!({"metadata": {"name": "ops"}})).await;
    create(
        admin,
        "/api/v1/namespaces/ops/serviceaccounts",
        json!({"metadata": {"name": "deployer"}}),
    )
    .await;
    let pod = json!({
        "metadata": {"name": "web"},
        "spec": {"serviceAccountName": "deployer", "containers": [{"name": "c", "image": "i"}]},
    });
    create(admin, "/api/v1/namespaces/ops/pods", pod).await;
    let (kind, path) = bindings("");
    let root = json!({"kind": "User", "name": "root-op", "apiGroup": RBAC});
    create(admin, &path, binding(kind, "root-op", "cluster-admin", &root)).await;
    let deployer = json!({"kind": "ServiceAccount", "namespace": "ops", "name": "deployer"});
    create(admin, &path, binding(kind, "deployer", "cluster-admin", &deployer)).await;
    for case in cases {
        let role = json!({"metadata": {"name": case.user}, "rules": case.rules});
        create(admin, &format!("{API}/clusterroles"), role).await;
        let (kind, path) = bindings(case.place);
        let user = json!({"kind": "User", "name": case.user, "apiGroup": RBAC});
        create(admin, &path, binding(kind, case.user, case.user, &user)).await;
    }
    settle(admin).await;
}

/// Waits until the authorizer has seen a last binding of each kind, and so all before it.
async fn settle(admin: &Client) {
    let role = json!({
        "metadata": {"name": "settled"},
        "rules": [rule(&["settle"], "example.com", &["things"], &[])],
    });
    create(admin, &format!("{API}/clusterroles"), role).await;
    for place in ["", "ops"] {
        let (kind, path) = bindings(place);
        let user = format!("settler-{place}");
        let subject = json!({"kind": "User", "name": user, "apiGroup": RBAC});
        create(admin, &path, binding(kind, &user, "settled", &subject)).await;
        let review = json!({"spec": {"user": user, "resourceAttributes": {
            "verb": "settle", "group": "example.com", "resource": "things", "namespace": place,
        }}});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        wait::until("the authorizer to see the last binding", LIMIT, async || {
            let (_, answer) = send(admin, "POST", path, &[], Some(&review)).await;
            (answer["status"]["allowed"] == json!(true)).then_some(())
        })
        .await
        .unwrap();
    }
}

/// Everything there is, as the operator would know it.
async fn observe(admin: &Client) -> Inventory {
    let mut inventory = Inventory::default();
    let interner: Arc<Interner> = Arc::default();
    for (group, kind, plural, namespaced) in KINDS {
        let resource = ResourceType {
            group: (*group).to_owned(),
            version: "v1".to_owned(),
            kind: (*kind).to_owned(),
            plural: (*plural).to_owned(),
            namespaced: *namespaced,
        };
        let base = if group.is_empty() { "/api/v1" } else { API };
        let (_, list) = send(admin, "GET", &format!("{base}/{plural}"), &[], None).await;
        let id = inventory.kind(&resource);
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&interner));
        inventory.begin(id);
        for object in list["items"].as_array().unwrap() {
            inventory.stage(id, projector.project(object).unwrap());
        }
        inventory.commit(id, Vec::new());
    }
    let (_, version) = send(admin, "GET", "/version", &[], None).await;
    let version = version["gitVersion"].as_str().unwrap().parse::<KubernetesVersion>();
    inventory.kubernetes = Some(version.unwrap());
    inventory
}

/// The risks that each subject is found to carry.
fn findings(inventory: &Inventory, risks: &[Risk]) -> BTreeSet<(String, String)> {
    let test = RbacTest { forbid: risks.to_vec(), ..RbacTest::default() };
    let check = checks::rbac::build(&test).unwrap().check;
    let scope = ScopeFilter::default();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let context = CheckContext { inventory, scope: &scope, now, occurrences: &[] };
    let mut items = Vec::new();
    check.items(&context, &mut |item| items.push(item));
    let judged = items.into_iter().filter_map(|item| check.judge(&context, item));
    let found = judged.flat_map(|judgement| {
        assert!(judgement.unknown.is_empty(), "a cluster tells all: {:?}", judgement.unknown);
        judgement.failing
    });
    found.map(|finding| (finding.subject.unwrap(), finding.rule.into_owned())).collect()
}

/// Tries to become cluster-admin, or what comes next to it. True when the API server let it be.
async fn succeeds(plane: &ControlPlane, case: &Case) -> bool {
    let client = plane.client(case.user);
    let post = async |path: &str, body: Value| {
        let (status, answer) = send(&client, "POST", path, &[], Some(&body)).await;
        (status, answer)
    };
    match case.tries {
        Try::Create => create_only(plane, &client).await,
        Try::Bind(namespace) => {
            let (kind, path) = bindings(namespace);
            let user = json!({"kind": "User", "name": case.user, "apiGroup": RBAC});
            let name = format!("{}-takes-all", case.user);
            post(&path, binding(kind, &name, "cluster-admin", &user)).await.0 == 201
        }
        Try::Join(name) => {
            let user = json!({"kind": "User", "name": case.user, "apiGroup": RBAC});
            let change = json!([{"op": "add", "path": "/subjects/-", "value": user}]);
            let path = format!("{API}/clusterrolebindings/{name}");
            send(&client, "PATCH", &path, &[], Some(&change)).await.0 == 200
        }
        Try::Write(role) => write_all(&client, role).await,
        Try::WriteNew => {
            let role = json!({
                "metadata": {"name": format!("{}-made", case.user)},
                "rules": [rule(&["*"], "*", &["*"], &[])],
            });
            post(&format!("{API}/clusterroles"), role).await.0 == 201
        }
        Try::As(headers) => {
            let path = "/api/v1/namespaces/kube-system/secrets";
            send(&client, "GET", path, headers, None).await.0 == 200
        }
        // There is no such node, which only who may look is told.
        Try::Node(headers) => {
            send(&client, "GET", "/api/v1/nodes/one", headers, None).await.0 == 404
        }
        Try::Token(namespace, name) => token(&client, namespace, name).await.is_some(),
        Try::Socket(subresource) => {
            let headers = [
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Protocol", "v5.channel.k8s.io"),
            ];
            let path = format!(
                "/api/v1/namespaces/ops/pods/web/{subresource}?command=id&container=c&stdout=true&ports=80"
            );
            // No kubelet runs the pod: who may connect is told so instead.
            let (status, answer) = send(&client, "GET", &path, &headers, None).await;
            assert!(status == 403 || answer.to_string().contains("host"), "{status} {answer}");
            status != 403
        }
    }
}

async fn token(client: &Client, namespace: &str, name: &str) -> Option<String> {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let (status, answer) = send(client, "POST", &path, &[], Some(&request)).await;
    (status == 201).then(|| answer["status"]["token"].as_str().unwrap().to_owned())
}

async fn write_all(client: &Client, role: &str) -> bool {
    let change =
        json!([{"op": "add", "path": "/rules/-", "value": rule(&["*"], "*", &["*"], &[])}]);
    let path = format!("{API}/clusterroles/{role}");
    send(client, "PATCH", &path, &[], Some(&change)).await.0 == 200
}

/// The account may be there, and a token of it may rewrite the role that it is born with.
async fn create_only(plane: &ControlPlane, client: &Client) -> bool {
    let account = json!({"metadata": {"name": AGGREGATOR}});
    let path = "/api/v1/namespaces/kube-system/serviceaccounts";
    let (made, _) = send(client, "POST", path, &[], Some(&account)).await;
    let Some(token) = token(client, "kube-system", AGGREGATOR).await else {
        assert_eq!(made, 403);
        return false;
    };
    let mut config = plane.config("admin");
    config.auth_info = serde_json::from_value(json!({"token": token})).unwrap();
    let account = Client::try_from(config).unwrap();
    let list = "/api/v1/namespaces/kube-system/secrets";
    let role = format!("system:controller:{AGGREGATOR}");
    assert!(write_all(&account, &role).await, "it escalates");
    wait::until("the authorizer to see the role", LIMIT, async || {
        (send(&account, "GET", list, &[], None).await.0 == 200).then_some(())
    })
    .await
    .unwrap();
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_what_the_api_server_lets_happen() {
    let cases = cases();
    let builder =
        cases.iter().fold(ControlPlane::builder(), |builder, case| builder.user(case.user, &[]));
    // Node beside RBAC.
    let plane = builder.api_server_arg("--authorization-mode=RBAC,Node").start().await.unwrap();
    let admin = plane.admin_client();
    prepare(&admin, &cases).await;
    let inventory = observe(&admin).await;
    let risks = [
        Risk::ClusterAdmin,
        Risk::Escalate,
        Risk::Bind,
        Risk::Impersonate,
        Risk::ConstrainedImpersonate,
        Risk::MintTokens,
        Risk::Exec,
        Risk::Attach,
        Risk::PortForward,
    ];
    let found = findings(&inventory, &risks);
    let mut wrong = Vec::new();
    for case in &cases {
        let subject = format!("User {}", case.user);
        let told: Vec<&str> = found
            .iter()
            .filter(|(of, _)| *of == subject)
            .map(|(_, rule)| rule.as_str())
            // Who holds part of everything carries other risks as well.
            .filter(|rule| !matches!(case.tries, Try::Create) || *rule == "ClusterAdmin")
            .collect();
        let expected: Vec<&str> = case.risk.iter().map(|risk| risk.as_str()).collect();
        let done = succeeds(&plane, case).await;
        if told != expected || done != case.risk.is_some() {
            wrong.push(format!("{}: told {told:?}, done {done}, expected {expected:?}", case.user));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
