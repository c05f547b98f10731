//! How long a page takes with 10,000 objects: a measurement, which `make bench-pages` runs by itself.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{Program, evidence, process, token, wait, world};
use crate::process::LIMIT;

/// What every page is to be answered within.
const WITHIN: Duration = Duration::from_millis(100);

/// How often each page is asked for; the median counts.
const TIMES: usize = 15;

const OBJECTS: usize = 10_000;
const EXCEPTIONS: usize = 1_000;
const CONTROLS: usize = 200;

async fn create(client: &kube::Client, version: &str, kind: &str, objects: Vec<Value>) {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let created = stream::iter(objects).map(|object| {
        let (client, resource) = (client.clone(), resource.clone());
        async move {
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            let api: Api<DynamicObject> = match &object.metadata.namespace {
                Some(namespace) => Api::namespaced_with(client, namespace, &resource),
                None => Api::all_with(client, &resource),
            };
            api.create(&PostParams::default(), &object).await.unwrap();
        }
    });
    created.buffer_unordered(32).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: make bench-pages"]
async fn every_page_is_answered_within_a_tenth_of_a_second() {
    let plane = world().await;
    let client = plane.admin_client();
    let maps = |number| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("settings-{number}"), "namespace": "default"}});
    create(&client, "v1", "ConfigMap", (0..OBJECTS).map(maps).collect()).await;
    let exceptions = |number| {
        json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "ControlException",
            "metadata": {"name": format!("exception-{number}")},
            "spec": {
                "controls": ["no-loose-config"], "reason": "until it is replaced", "requestedBy": "jane@corp",
                "resources": [{"kind": "ConfigMap", "name": format!("settings-{number}"), "namespace": "default"}],
                "expires": "2027-06-30T00:00:00Z",
            },
        })
    };
    let exceptions = (0..EXCEPTIONS).map(exceptions).collect();
    create(&client, "comptroller.dev/v1alpha1", "ControlException", exceptions).await;
    let controls = |number| {
        json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "Control",
            "metadata": {"name": format!("control-{number}")},
            "spec": {
                "title": format!("Config is labelled, in the way of team {number}"), "criteria": ["CC6.1", "CC8.1"],
                "owner": format!("team-{}", number % 12), "severity": "High",
                "test": {"cel": {
                    "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
                    "validations": [{"expression": format!("object.metadata.name.size() > {}", number % 40)}],
                }},
            },
        })
    };
    let controls = (0..CONTROLS).map(controls).collect();
    create(&client, "comptroller.dev/v1alpha1", "Control", controls).await;
    let operator = Program::operator(&plane, &[]).await;
    let viewer = token(&plane, "measured").await;
    process::kubectl(
        &plane,
        &[
            "create",
            "clusterrolebinding",
            "measured",
            "--clusterrole=comptroller-pages-viewer",
            "--serviceaccount=default:measured",
        ],
    )
    .await;
    let bearer = format!("Bearer {viewer}");
    let program = [("authorization", bearer.as_str())];
    wait::until("the verdicts", 5 * LIMIT, async || {
        let page = operator.get("/ui/controls/no-loose-config", &program).await;
        (page.status == 200 && page.text.contains("settings-")).then_some(())
    })
    .await
    .unwrap();
    let (ui, link) = Program::ui(&plane, "admin", &["--evidence", &evidence(&plane)]).await;
    let cookie = ui.get(link.strip_prefix(&ui.url).unwrap(), &[]).await.cookie().0;
    let mut slow = Vec::new();
    for (name, server, headers) in
        [("operator", &operator, program), ("ui", &ui, [("cookie", cookie.as_str())])]
    {
        for path in [
            "/ui/",
            "/ui/controls",
            "/ui/controls/no-loose-config",
            "/ui/exceptions",
            "/ui/exceptions/exception-7",
            "/ui/obligations",
            "/ui/registers",
            "/ui/periods",
            "/ui/periods/now-2026",
            "/ui/log",
        ] {
            let mut times = Vec::new();
            for _ in 0..TIMES {
                let started = Instant::now();
                let page = server.get(path, &headers).await;
                assert_eq!(page.status, 200, "{path}");
                times.push(started.elapsed());
            }
            times.sort();
            let (median, worst) = (times[TIMES / 2], times[TIMES - 1]);
            println!("{name:9} {path:32} median {median:>8.1?}  worst {worst:>8.1?}");
            if median > WITHIN {
                slow.push(format!("{name} {path}: {median:?}"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
