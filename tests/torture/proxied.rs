//! The proxy does to a plain client what it says it does.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::time::timeout;

use crate::{
    controlplane,
    faults::{Action, Matcher, Proxy, Verb, on},
};

/// Shorter than anything that is to come, longer than anything that is to come at once.
const SILENCE: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(20);

async fn client(proxy: &Proxy) -> Client {
    let config = Kubeconfig::read_from(proxy.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(config, &options).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn config_map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

fn maps() -> Matcher {
    on().of("configmaps")
}

#[tokio::test]
async fn requests_are_refused_lost_and_held() {
    let plane = controlplane::shared().await;
    let proxy = Proxy::before(plane, "admin", 1);
    let api: Api<ConfigMap> = Api::namespaced(client(&proxy).await, "default");
    let direct: Api<ConfigMap> = Api::namespaced(plane.admin_client(), "default");
    let params = PostParams::default();

    proxy.set([maps().verb(Verb::Create).nth(2).then(Action::Refuse(429.into()))]);
    api.create(&params, &config_map("first")).await.unwrap();
    let error = api.create(&params, &config_map("second")).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 429), "{error}");
    api.create(&params, &config_map("second")).await.unwrap();

    // Carried out, and nobody is told.
    proxy.set([maps().verb(Verb::Create).then(Action::DropReply)]);
    let error = api.create(&params, &config_map("third")).await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    assert!(direct.get("third").await.is_ok());

    proxy.set([maps().verb(Verb::Get).then(Action::Hang)]);
    assert!(timeout(SILENCE, api.get("first")).await.is_err());
    let held = tokio::spawn({
        let api = api.clone();
        async move { api.get("first").await }
    });
    while proxy.seen(|line| line.verb == Verb::Get && line.fault.is_some()).len() < 2 {
        tokio::task::yield_now().await;
    }
    proxy.heal();
    assert!(api.get("first").await.is_ok());
    assert!(!held.is_finished());
    proxy.release();
    assert!(timeout(LIMIT, held).await.unwrap().unwrap().is_ok());

    // A view of what was.
    let list = ListParams::default();
    let before = api.list(&list).await.unwrap();
    proxy.set([maps().reads().then(Action::Replay)]);
    direct.delete("third", &kube::api::DeleteParams::default()).await.unwrap();
    let frozen = api.list(&list).await.unwrap();
    assert_eq!(frozen.metadata.resource_version, before.metadata.resource_version);
    assert!(frozen.items.iter().any(|map| map.name_any() == "third"));

    // A server restored to an earlier time.
    proxy.set([maps().then(Action::Rewind(50))]);
    let revision = |list: &kube::api::ObjectList<ConfigMap>| {
        list.metadata.resource_version.as_ref().unwrap().parse::<u64>().unwrap()
    };
    let rewound = api.list(&list).await.unwrap();
    let now = direct.list(&list).await.unwrap();
    assert!(revision(&rewound) < revision(&now), "{} {}", revision(&rewound), revision(&now));
    assert!(proxy.traffic().lines().all(|line| line.status.is_some() || line.fault.is_some()));
}

#[tokio::test]
async fn events_are_stalled_doubled_swapped_and_cut() {
    let plane = controlplane::shared().await;
    let proxy = Proxy::before(plane, "admin", 1);
    let through: Api<ConfigMap> = Api::namespaced(client(&proxy).await, "kube-public");
    let api: Api<ConfigMap> = Api::namespaced(plane.admin_client(), "kube-public");
    let params = PostParams::default();
    let names = async |count: usize| -> Vec<String> {
        let from = through.list(&ListParams::default()).await.unwrap();
        let from = from.metadata.resource_version.unwrap();
        let watch = through.watch(&WatchParams::default(), &from).await.unwrap();
        let watch = watch.boxed();
        for number in 0..2 {
            let name = format!("map-{:016x}-{number}", controlplane::port::random());
            api.create(&params, &config_map(&name)).await.unwrap();
        }
        let events = watch.take(count).try_filter_map(async |event| {
            Ok(match event {
                WatchEvent::Added(map) => {
                    Some(map.name_any().split('-').next_back().unwrap().to_owned())
                }
                WatchEvent::Error(status) => Some(status.code.to_string()),
                _ => None,
            })
        });
        timeout(LIMIT, events.try_collect::<Vec<_>>()).await.unwrap().unwrap_or_default()
    };
    let watches = || maps().verb(Verb::Watch);
    assert_eq!(names(2).await, ["0", "1"]);
    proxy.set([watches().then(Action::Duplicate)]);
    assert_eq!(names(4).await, ["0", "0", "1", "1"]);
    proxy.set([watches().nth(1).then(Action::Swap)]);
    assert_eq!(names(2).await, ["1", "0"]);
    proxy.set([watches().nth(1).then(Action::DropEvent)]);
    assert_eq!(names(1).await, ["1"]);
    proxy.set([watches().nth(2).then(Action::ExpiredEvent)]);
    assert_eq!(names(3).await, ["0", "410"]);
    proxy.set([watches().nth(1).then(Action::CutWithin)]);
    assert!(names(2).await.is_empty());
    proxy.heal();

    let from = through.list(&ListParams::default()).await.unwrap();
    let from = from.metadata.resource_version.unwrap();
    let watch = through.watch(&WatchParams::default(), &from).await.unwrap();
    let mut watch = watch.boxed();
    assert_eq!(proxy.stall(&watches()), 1);
    api.create(&params, &config_map("unheard")).await.unwrap();
    assert!(timeout(SILENCE, watch.next()).await.is_err());
    proxy.release();
    let event = timeout(LIMIT, watch.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(&event, WatchEvent::Added(map) if map.name_any() == "unheard"), "{event:?}");
    assert_eq!(proxy.cut(&watches()), 1);
    let end = timeout(LIMIT, watch.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

/// A frozen API server says nothing and goes on; a restored one has its earlier objects.
#[tokio::test]
async fn an_api_server_freezes_and_goes_back() {
    let mut plane = controlplane::ControlPlane::builder().start().await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(plane.admin_client(), "default");
    plane.freeze_api_server().unwrap();
    assert!(timeout(SILENCE, api.get("absent")).await.is_err());
    plane.thaw_api_server().unwrap();
    assert!(timeout(LIMIT, api.get_opt("absent")).await.unwrap().unwrap().is_none());

    let snapshot = plane.snapshot().await.unwrap();
    let later = api.create(&PostParams::default(), &config_map("later")).await.unwrap();
    plane.restore(&snapshot).await.unwrap();
    assert!(api.get_opt("later").await.unwrap().is_none());
    let again = api.create(&PostParams::default(), &config_map("again")).await.unwrap();
    let revision = |map: &ConfigMap| map.resource_version().unwrap().parse::<u64>().unwrap();
    assert!(revision(&again) <= revision(&later) + 100);
}
