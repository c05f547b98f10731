use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::inventory::{
    Interner, Inventory,
    facts::{projection, projections},
    workload,
};
use comptroller_vocabulary::canonical;

/// What becomes of facts that are written as a line and read back.
fn read_back(facts: &Facts, cel: Vec<ProgramResult>) -> ProjectedObject {
    let programs: Vec<ProgramId> =
        (0..cel.len()).map(|at| ProgramId(u64::MAX - at as u64)).collect();
    let object = Object {
        kind: Inventory::default()
            .kind(&workload::tests::arbitrary::resource("apps", "Deployment")),
        namespace: "prod".into(),
        name: "web".into(),
        uid: Some("7d9e".into()),
        facts: facts.clone(),
        results: cel.into(),
    };
    let line = canonical::to_string(&of(&object, &programs)).unwrap();
    let read = parse(line.as_bytes(), &programs).unwrap();
    assert_eq!(
        (&read.namespace, &read.name, &read.uid),
        (&object.namespace, &object.name, &object.uid)
    );
    assert_eq!(read.results, object.results);
    let again = Object { facts: read.facts.clone(), ..object };
    assert_eq!(canonical::to_string(&of(&again, &programs)).unwrap(), line);
    read
}

fn assert_read_back(facts: &Facts) {
    assert_eq!(read_back(facts, Vec::new()).facts, *facts);
}

fn documents(text: &str) -> Vec<Value> {
    let documents = yaml_serde::Deserializer::from_str(text);
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}

/// Puts the sample pod where an object says so.
fn fill(value: &mut Value, pod: &Value) {
    match value {
        Value::String(text) if text == "(pod)" => *value = pod.clone(),
        Value::String(text) if text == "(template)" => *value = json!({"spec": pod}),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, pod)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, pod)),
        _ => {}
    }
}

#[test]
fn facts_of_every_kind_read_back() {
    let pod: Value =
        yaml_serde::from_str(include_str!("../../../../../benches/support/pod.yaml")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for mut object in documents(include_str!("../../../../../benches/support/objects.yaml")) {
        fill(&mut object, &pod);
        object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        let version = object["apiVersion"].as_str().unwrap();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let kind = object["kind"].as_str().unwrap();
        let Some(row) = projection(group, kind) else { panic!("{version} {kind}") };
        let facts = (row.project)(&object, &Interner::default()).unwrap();
        assert!(!matches!(facts, Facts::Malformed(_)), "{facts:?}");
        assert_read_back(&facts);
        seen.insert((row.group, row.kind));
    }
    // Those of our own, and those that the sample of the benchmarks lacks, are below.
    let missing: Vec<_> = projections()
        .filter(|row| !seen.contains(&(row.group, row.kind)))
        .map(|row| row.kind)
        .collect();
    assert_eq!(
        missing,
        [
            "IngressClass",
            "PostgresCluster",
            "Attestation",
            "Person",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding"
        ]
    );
}

#[test]
fn facts_of_other_fixtures_read_back() {
    for text in [
        include_str!("../../../../../tests/fixtures/encryption/certificates.yaml"),
        include_str!("../../../../../tests/fixtures/encryption/gateways.yaml"),
        include_str!("../../../../../tests/fixtures/encryption/grpc.yaml"),
        include_str!("../../../../../tests/fixtures/encryption/ingress.yaml"),
        include_str!("../../../../../tests/fixtures/encryption/linkerd.yaml"),
        include_str!("../../../../../tests/fixtures/encryption/mesh.yaml"),
        include_str!("../../../../../tests/fixtures/encryption/storage.yaml"),
        include_str!("../../../../../tests/fixtures/stock/kubeadm.yaml"),
        include_str!("../../../../../tests/fixtures/stock/addons/velero.yaml"),
        include_str!("../../../../../tests/fixtures/stock/addons/longhorn.yaml"),
    ] {
        let mut count = 0;
        let mut open = documents(text);
        while let Some(object) = open.pop() {
            open.extend(object["items"].as_array().into_iter().flatten().cloned());
            let Some(version) = object["apiVersion"].as_str() else { continue };
            let group = version.split_once('/').map_or("", |(group, _)| group);
            let kind = object["kind"].as_str().unwrap();
            let Some(row) = projection(group, kind) else { continue };
            let Ok(facts) = (row.project)(&object, &Interner::default()) else { continue };
            assert_read_back(&facts);
            count += 1;
        }
        assert!(count > 0, "{}", text.lines().next().unwrap_or_default());
    }
}

#[test]
fn facts_of_our_own_kinds_read_back() {
    let attestation = json!({
        "metadata": {"name": "q4", "creationTimestamp": "2026-11-02T00:00:00Z"},
        "spec": {
            "control": "review", "period": "2026-Q4", "attestedBy": "jane@corp",
            "performedAt": "2026-11-01T00:00:00Z", "outcome": "Completed",
            "summary": "looked at all of it", "participants": ["sam"],
        },
    });
    let row = projection("comptroller.dev", "Attestation").unwrap();
    assert_read_back(&(row.project)(&attestation, &Interner::default()).unwrap());
    let person = json!({
        "metadata": {"name": "jane"},
        "spec": {
            "displayName": "Jane Doe", "email": "jane@corp.example", "department": "platform",
            "identities": {"usernames": ["jane@corp"], "groups": ["platform"]},
            "roles": ["engineer"], "manager": "sam", "startDate": "2026-01-01",
            "endDate": "2026-11-30",
        },
    });
    let row = projection("comptroller.dev", "Person").unwrap();
    let facts = (row.project)(&person, &Interner::default()).unwrap();
    assert!(!format!("{facts:?}").contains("Jane Doe"), "{facts:?}");
    assert_read_back(&facts);
    for shipped in crate::inventory::guards::shipped() {
        let row = projection("admissionregistration.k8s.io", &shipped.kind).unwrap();
        let mut object = json!({"metadata": {"name": shipped.name}, "spec": shipped.spec});
        assert_read_back(&(row.project)(&object, &Interner::default()).unwrap());
        object["spec"]["failurePolicy"] = "Ignore".into();
        assert_read_back(&(row.project)(&object, &Interner::default()).unwrap());
    }
    for (group, kind, object) in [
        (
            "networking.k8s.io",
            "IngressClass",
            json!({"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}),
        ),
        (
            "postgres-operator.crunchydata.com",
            "PostgresCluster",
            json!({"metadata": {"name": "db", "namespace": "a", "labels": {"app": "db"}}}),
        ),
    ] {
        let row = projection(group, kind).unwrap();
        assert_read_back(&(row.project)(&object, &Interner::default()).unwrap());
    }
    assert_read_back(&Facts::Malformed("spec.x is \"y\"\n".into()));
}

#[test]
fn results_of_programs_read_back_in_the_order_that_is_asked_for() {
    let results = vec![
        ProgramResult::Pass,
        ProgramResult::NotMatched,
        ProgramResult::Fail([(0, "no".into()), (7, "never \u{e9}".into())].into()),
        ProgramResult::Unknown("no such key".into()),
    ];
    read_back(&Facts::Exists, results);
    let line = br#"{"cel":{"000000000000000a":"Pass","000000000000000b":"NotMatched"},"facts":"Exists","name":"a","namespace":"","uid":null}"#;
    let read = parse(line, &[ProgramId(11), ProgramId(10)]).unwrap();
    assert_eq!(*read.results, [ProgramResult::NotMatched, ProgramResult::Pass]);
    let missing = parse(line, &[ProgramId(12)]);
    assert!(matches!(missing, Err(LineError::NoResult(ProgramId(12)))));
    // What a later version adds is not passed over.
    let more = br#"{"cel":{},"facts":"Exists","name":"a","namespace":"","uid":null,"z":1}"#;
    assert!(matches!(parse(more, &[]), Err(LineError::Json(_))));
}

proptest! {
    #[test]
    fn any_workload_reads_back(template in workload::tests::arbitrary::template()) {
        let interner = Arc::new(Interner::default());
        let deployment = json!({
            "metadata": {"name": "a", "labels": {"b": "c"}}, "spec": {"template": template},
        });
        for (kind, object) in [
            ("Deployment", deployment),
            ("Pod", workload::tests::arbitrary::pod_from(&template)),
        ] {
            let group = if kind == "Pod" { "" } else { "apps" };
            if let Ok(facts) = (projection(group, kind).unwrap().project)(&object, &interner) {
                assert_read_back(&facts);
            }
        }
    }

    #[test]
    fn any_rights_read_back(object in crate::inventory::rbac::tests::object()) {
        let kind = object["kind"].as_str().unwrap();
        let group = if kind == "ServiceAccount" { "" } else { "rbac.authorization.k8s.io" };
        let row = projection(group, kind).unwrap();
        let facts = (row.project)(&object, &Interner::default()).unwrap();
        assert_read_back(&facts);
    }

    #[test]
    fn a_text_is_a_line_of_facts_or_refused(text in ".*") {
        let _ = parse(text.as_bytes(), &[]);
    }
}
