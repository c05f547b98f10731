use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use comptroller_core::inventory::{ApiServer, Catalog, Interner, Inventory, Projector, line};
use comptroller_evidence::{key::SigningKey, privacy::KnownPeople};

fn writer() -> FactsWriter {
    let key = SigningKey::from_seed("comptroller.dev/evidence/x", &[7; 32]).unwrap();
    FactsWriter::new(Arc::new(key.pseudonyms()), KnownPeople::new(["jane@corp"]))
}

fn kind(group: &str, kind: &str, objects: &[Value]) -> CollectedKind {
    let resource = Catalog::builtin().find_kind(group, kind).unwrap().resource.clone();
    let projector = Projector::new(resource.clone(), Vec::new(), Arc::<Interner>::default());
    let id = Inventory::default().kind(&resource);
    let objects = objects.iter().map(|object| {
        let projected = projector.project(object).unwrap();
        Object {
            kind: id,
            namespace: projected.namespace,
            name: projected.name,
            uid: projected.uid,
            facts: projected.facts,
            results: projected.results,
        }
    });
    CollectedKind {
        objects: objects.collect(),
        availability: Availability::Complete,
        programs: Vec::new(),
        resource,
    }
}

fn binding(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("uid-{name}")},
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "jane@corp"}],
    })
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}})
}

fn observation(bindings: &[Value], accounts: &[Value]) -> InventoryObservation {
    let kinds = vec![
        kind("", "ServiceAccount", accounts),
        CollectedKind {
            availability: Availability::Forbidden("User \"jane@corp\" may not".to_owned()),
            ..kind("", "Namespace", &[])
        },
        kind("rbac.authorization.k8s.io", "ClusterRoleBinding", bindings),
    ];
    let origin =
        ListOrigin { version: "77".to_owned(), at: "2026-11-20T09:00:00Z".parse().unwrap() };
    InventoryObservation {
        lists: kinds.iter().map(|kind| (kind.resource.clone(), origin.clone())).collect(),
        collected: CollectedInventory {
            kinds,
            api_server: ApiServer::Idle,
            catalog: Catalog::builtin(),
            programs: [("c".to_owned(), ProgramId(10))].into(),
        },
    }
}

fn encoded(bindings: &[Value], accounts: &[Value]) -> EncodedInventory {
    observation(bindings, accounts).encode(&writer(), "comptroller-0".to_owned()).unwrap()
}

fn unpacked(encoded: &EncodedInventory, list: &StoredList) -> String {
    let bytes = encoded.lists.iter().find(|bytes| canonical::sha256(bytes) == list.digest).unwrap();
    assert_eq!(bytes.len() as u64, list.bytes);
    let text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap();
    assert_eq!(text.len() as u64, list.unpacked);
    text
}

#[test]
fn an_inventory_says_where_each_list_comes_from_and_names_nobody() {
    let inventory = encoded(
        &[binding("b"), binding("a")],
        &[account("prod", "ci"), account("dev", "z"), account("dev", "a")],
    );
    let InventoryData { collector, kinds, programs, api_server, .. } = &inventory.data;
    assert_eq!((collector.as_str(), programs["c"].as_str()), ("comptroller-0", "000000000000000a"));
    assert_eq!(*api_server, json!("Idle"));
    let [accounts, namespaces, bindings] = &kinds[..] else { panic!("{kinds:?}") };
    assert_eq!((accounts.count, accounts.reading), (3, Reading::Complete));
    assert_eq!(accounts.resource_version.as_deref(), Some("77"));
    assert_eq!((namespaces.count, namespaces.list.as_ref()), (0, None));
    assert_eq!(namespaces.reading, Reading::Forbidden);
    assert!(!serde_json::to_string(&inventory.data).unwrap().contains("jane"));

    let text = unpacked(&inventory, accounts.list.as_ref().unwrap());
    let names: Vec<String> = text
        .lines()
        .map(|text| line::parse(text.as_bytes(), &[]).unwrap())
        .map(|object| format!("{}/{}", object.namespace, object.name))
        .collect();
    assert_eq!(names, ["dev/a", "dev/z", "prod/ci"]);
    let text = unpacked(&inventory, bindings.list.as_ref().unwrap());
    assert!(!text.contains("jane") && text.contains("person:"), "{text}");
    let catalog = unpacked(&inventory, &inventory.data.catalog);
    let catalog: Catalog = serde_json::from_str(&catalog).unwrap();
    assert_eq!(catalog, Catalog::builtin());
}

#[test]
fn a_kind_that_stays_as_it_is_costs_nothing() {
    let list = |inventory: &EncodedInventory, at: usize| {
        inventory.data.kinds[at].list.clone().unwrap().digest
    };
    let first = encoded(&[binding("a"), binding("b")], &[account("dev", "a")]);
    // In another order, and with another object of the other kind.
    let next = encoded(&[binding("b"), binding("a")], &[account("dev", "a"), account("dev", "b")]);
    assert_eq!(list(&first, 2), list(&next, 2));
    assert_ne!(list(&first, 0), list(&next, 0));
    assert_eq!(first.data.catalog, next.data.catalog);
}

#[test]
fn replicas_take_little_room() {
    let accounts: Vec<Value> = (0..2000).map(|n| account("prod", &format!("web-{n:05}"))).collect();
    let inventory = encoded(&[], &accounts);
    let list = inventory.data.kinds[0].list.clone().unwrap();
    assert!(list.bytes * 10 < list.unpacked, "{list:?}");
}

#[test]
fn an_inventory_is_due_once_a_day() {
    use comptroller_evidence::entry::{ClockReading, Data, Entry, EntrySubject};
    let mut state = LogState::default();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let due = |state: &LogState, now: &str, read: &[&str]| {
        is_due(state, at(now), || read.iter().map(|key| (*key).to_owned()).collect())
    };
    assert!(due(&state, "2026-11-20T00:00:00Z", &[]));
    let entry = Entry {
        at: at("2026-11-20T09:14:03Z"),
        clock: ClockReading::default(),
        epoch: 1,
        subject: EntrySubject::new("Cluster", "x"),
        data: Data::Inventory(Box::new(encoded(&[], &[]).data)),
    };
    let text = entry.to_text().unwrap();
    assert_eq!(Entry::parse(text.as_bytes()).unwrap(), entry);
    state.apply(0, &entry);
    assert!(!due(&state, "2026-11-20T23:59:59Z", &["v1 Namespace"]));
    assert!(!due(&state, "2026-11-19T23:59:59Z", &["v1 Pod"]));
    assert!(due(&state, "2026-11-21T00:00:00Z", &[]));
    // A control that was declared meanwhile reads something else.
    assert!(!due(&state, "2026-11-20T09:20:00Z", &["v1 Pod"]));
    assert!(due(&state, "2026-11-20T09:30:00Z", &["v1 Namespace", "v1 Pod"]));
}
