//! Questions as they are typed.

use super::{
    query::{Query, QueryScope},
    types::QueryTypes,
};
use comptroller_core::inventory::{ResourceType, rbac::testing::*};

fn types() -> QueryTypes {
    let mut types = QueryTypes::builtin();
    for (group, plural, namespaced) in
        [("a.example.com", "widgets", true), ("b.example.com", "widgets", false)]
    {
        types.add_vague(&ResourceType {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: "Widget".to_owned(),
            plural: plural.to_owned(),
            namespaced,
        });
    }
    types
}

fn query(text: &str) -> Query {
    let mut parts = text.split(' ');
    let mut next = || parts.next().map(ToOwned::to_owned);
    Query {
        verb: next().unwrap(),
        resource: next().unwrap(),
        name: next(),
        scope: QueryScope::Named("prod".to_owned()),
    }
}

/// What roles name besides.
fn rights() -> World {
    World::of([
        cluster_role(
            "custom",
            &[
                "get,frob example.com gadgets",
                "get,list all.example.com *",
                "get apps deployments/rollback",
                "update * */resize",
                "get core pods/*",
            ],
        ),
        serde_json::json!({
            "kind": "ClusterRole", "metadata": {"name": "paths"},
            "rules": [{"verbs": ["trace"], "nonResourceURLs": ["/debug/*"]}],
        }),
    ])
}

fn resolve(query: &Query) -> Result<String, String> {
    let world = rights();
    let resolved = query.resolve(&types(), &world.inventory.rights);
    resolved.map(|found| found.request().to_string()).map_err(|error| error.to_string())
}

#[test]
fn resources_are_found_by_every_name() {
    for (asked, resolved) in [
        ("get pods", "get pods in prod"),
        ("get pod web", "get pods web in prod"),
        ("get po", "get pods in prod"),
        ("get Pod", "get pods in prod"),
        ("get deploy", "get deployments.apps in prod"),
        ("get deployments.apps", "get deployments.apps in prod"),
        ("get deployment.v1.apps", "get deployments.apps in prod"),
        ("update deployments.apps/scale web", "update deployments.apps/scale web in prod"),
        ("create pods/exec", "create pods/exec in prod"),
        ("update deployments/finalizers", "update deployments.apps/finalizers in prod"),
        ("get nodes", "get nodes"),
        ("get no n1", "get nodes n1"),
        ("get nodes/metrics", "get nodes/metrics"),
        ("get namespaces", "get namespaces in prod"),
        ("update namespaces/finalize", "update namespaces/finalize in prod"),
        ("get ns dev", "get namespaces dev in dev"),
        ("get events", "get events in prod"),
        ("get events.events.k8s.io", "get events.events.k8s.io in prod"),
        ("get widget.b.example.com", "get widgets.b.example.com"),
        ("get widgets.a.example.com/status", "get widgets.a.example.com/status in prod"),
        ("impersonate users jane", "impersonate users jane"),
        ("impersonate userextras/scopes", "impersonate userextras.authentication.k8s.io/scopes"),
        ("impersonate-on:user-info:list pods", "impersonate-on:user-info:list pods in prod"),
        ("approve signers", "approve signers.certificates.k8s.io"),
        ("* *", "* * in prod"),
        ("get *.*", "get *.* in prod"),
        ("get */scale", "get */scale in prod"),
        ("get /metrics", "get /metrics"),
        // Only roles know these.
        ("get gadgets", "get gadgets.example.com in prod"),
        ("get gadgets.example.com", "get gadgets.example.com in prod"),
        ("frob gadgets", "frob gadgets.example.com in prod"),
        ("get things.all.example.com", "get things.all.example.com in prod"),
        ("get deployments/rollback", "get deployments.apps/rollback in prod"),
        ("update gadgets/resize", "update gadgets.example.com/resize in prod"),
        ("get pods/*", "get pods/* in prod"),
        ("trace /debug/pprof", "trace /debug/pprof"),
    ] {
        assert_eq!(resolve(&query(asked)).as_deref(), Ok(resolved), "{asked}");
    }
}

#[test]
fn a_namespace_is_asked_about_in_itself() {
    let at = |asked: &str, scope: QueryScope| resolve(&Query { scope, ..query(asked) }).unwrap();
    let prod = || "prod".to_owned();
    assert_eq!(at("get pods", QueryScope::AllNamespaces), "get pods");
    assert_eq!(at("get pods", QueryScope::Default(prod())), "get pods in prod");
    assert_eq!(at("patch namespaces", QueryScope::AllNamespaces), "patch namespaces");
    assert_eq!(at("patch namespaces", QueryScope::Default(prod())), "patch namespaces");
    assert_eq!(at("patch namespaces", QueryScope::Named(prod())), "patch namespaces in prod");
    assert_eq!(at("patch ns dev", QueryScope::Named(prod())), "patch namespaces dev in dev");
    let world = rights();
    let whole = query("patch namespaces").resolve(&types(), &world.inventory.rights).unwrap();
    let one = whole.for_namespace_object().unwrap();
    assert_eq!(one.request().to_string(), "patch namespaces prod in prod");
    assert_eq!(one.for_namespace_object(), None);
    let to_come = query("create ns new").resolve(&types(), &world.inventory.rights).unwrap();
    assert_eq!((to_come.namespace(), whole.namespace()), (None, Some("prod")));
}

#[test]
fn what_can_not_be_asked_says_what_to_write() {
    for (asked, part) in [
        ("get widgets", "write widgets.a.example.com or widgets.b.example.com"),
        ("get /metrics x", "takes no name"),
        ("get .apps", "names no resource"),
        ("get pods.", "names no resource"),
        ("get pods/", "names no resource"),
        ("get podz", "no resource \"podz\""),
        ("get podz", "did you mean pods?"),
        ("get deployments.app", "did you mean deployments.apps?"),
        ("get deployments.extension", "did you mean deployments.apps?"),
        ("get gadget", "did you mean gadgets.example.com"),
        ("get pods/logs", "did you mean pods/log?"),
        ("get pods/web", "the object of that name is pods web"),
        ("get pods/web", "it has attach, binding"),
        ("update configmaps/resize", "configmaps has no subresource \"resize\""),
        ("exec pods", "did you mean create pods/exec?"),
        ("logs pods", "did you mean get pods/log?"),
        ("GET pods", "did you mean get?"),
        ("post pods", "did you mean create?"),
        ("lst pods", "did you mean list?"),
        ("frob pods", "did you mean get, list, watch"),
        ("frob gadgets.other.com", "no resource \"gadgets.other.com\""),
        ("create /metrics", "did you mean post?"),
        ("GET /metrics", "did you mean get?"),
        ("trace /metrics", "no verb \"trace\" for /metrics"),
    ] {
        let error = resolve(&query(asked)).unwrap_err();
        assert!(error.contains(part), "{asked}: {error}");
    }
}

#[test]
fn a_group_that_does_not_answer_may_have_anything() {
    let mut types = QueryTypes::builtin();
    types.silent.push("metrics.k8s.io".to_owned());
    let world = rights();
    let ask = |asked: &str| query(asked).resolve(&types, &world.inventory.rights);
    assert!(ask("get pods.metrics.k8s.io").is_ok());
    let error = ask("get nodemetrics").unwrap_err().to_string();
    assert!(error.contains("metrics.k8s.io does not answer"), "{error}");
}
