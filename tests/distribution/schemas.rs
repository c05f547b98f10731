//! The JSON Schemas accept what the API server accepts, and refuse what users get wrong.

use std::{fs, path::Path};

use comptroller::cli::crds::render_schemas;
use jsonschema::Validator;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::{self, repository};

fn schema(name: &str) -> Value {
    let files = render_schemas().unwrap();
    let file = files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("no {name}"));
    serde_json::from_str(&file.content).unwrap()
}

fn validator(name: &str) -> Validator {
    let schema = schema(name);
    assert!(jsonschema::draft7::meta::is_valid(&schema), "{name} is not draft-07");
    jsonschema::draft7::new(&schema).unwrap()
}

/// Every object of our group in the YAML files below a folder, with its file.
fn objects(folder: &Path) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(objects(&path));
        } else if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            for document in yaml_serde::Deserializer::from_str(&text) {
                let object = Value::deserialize(document).unwrap();
                let group = object["apiVersion"].as_str().unwrap_or_default();
                if group.starts_with("comptroller.dev/") && object.get("spec").is_some() {
                    found.push((path.display().to_string(), object));
                }
            }
        }
    }
    found
}

#[test]
fn files_are_named_as_kubeconform_looks_for_them() {
    let names: Vec<String> = render_schemas().unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(
        names,
        [
            "attestation_v1alpha1.json",
            "auditperiod_v1alpha1.json",
            "controlexception_v1alpha1.json",
            "control_v1alpha1.json",
            "deviationresponse_v1alpha1.json",
            "person_v1alpha1.json",
            "all.json",
        ]
    );
}

#[test]
fn every_object_that_is_shipped_is_accepted() {
    let all = validator("all.json");
    let mut count = 0;
    for folder in ["config/soc2", "config/samples"] {
        for (file, object) in objects(&repository().join(folder)) {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            // Patches of kustomize are no whole objects, and the demo fills in the dates of some.
            let is_patch = object.pointer("/spec/title").is_none() && kind == "control";
            if is_patch || object.to_string().contains("{{") {
                continue;
            }
            for schema in [&validator(&format!("{kind}_v1alpha1.json")), &all] {
                let wrong: Vec<String> =
                    schema.iter_errors(&object).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{file}: {wrong:?}");
            }
            count += 1;
        }
    }
    assert!(count > 40, "only {count} objects");
}

#[test]
fn what_users_get_wrong_is_refused_and_the_field_is_named() {
    let control = json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "Control",
        "metadata": {"name": "a"},
        "spec": {
            "title": "Nobody holds cluster-admin", "criteria": ["CC6.1"], "owner": "security",
            "severity": "High", "test": {"rbac": {"forbid": ["ClusterAdmin"]}},
        },
    });
    let change = |pointer: &str, value: Value| {
        let mut changed = control.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(parent).unwrap()[field] = value;
        changed
    };
    let (own, all) = (validator("control_v1alpha1.json"), validator("all.json"));
    assert!(own.is_valid(&control) && all.is_valid(&control));
    for (wrong, place) in [
        (change("/spec/sevrity", json!("High")), "/spec"),
        (change("/spec/severity", json!("high")), "/spec/severity"),
        (change("/spec/criteria", json!("CC6.1")), "/spec/criteria"),
        (change("/spec/criteria", json!(["CC6.1", "CC6.1"])), "/spec/criteria"),
        (change("/spec/heartbeat", json!("1 hour")), "/spec/heartbeat"),
        (change("/spec/title", json!("")), "/spec/title"),
        (change("/spec/test/rbac/forbid", json!(["ClusterAdmn"])), "/spec/test/rbac/forbid/0"),
        (
            change("/spec/test/rbac/allow", json!([{"kind": "User", "nme": "a"}])),
            "/spec/test/rbac/allow/0",
        ),
        (change("/apiVersion", json!("comptroller.dev/v1")), "/apiVersion"),
    ] {
        for (schema, which) in [(&own, "control_v1alpha1.json"), (&all, "all.json")] {
            let places: Vec<String> =
                schema.iter_errors(&wrong).map(|error| error.instance_path().to_string()).collect();
            assert!(places.iter().any(|one| one == place), "{which}, {place}: {places:?}");
        }
    }
    assert!(!all.is_valid(&change("/kind", json!("Contrl"))));
    let mut nothing = control.clone();
    nothing.as_object_mut().unwrap().remove("spec");
    assert!(!own.is_valid(&nothing) && !all.is_valid(&nothing));
}

#[test]
fn they_are_written_into_a_folder_and_need_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new/schemas");
    let output =
        support::comptroller(&["crds", "-o", "json-schema", "--dir", dir.to_str().unwrap()]);
    assert!(output.status.success(), "{}", support::text(&output.stderr));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 7);
    let output = support::comptroller(&["crds", "-o", "json-schema"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(support::text(&output.stderr).contains("--dir"));
}
