//! The resource definitions are what the types generate, and are written by the conventions of
//! the Kubernetes API: bounded, described, free of what a user cannot see coming.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

use std::{collections::BTreeSet, fs, path::Path};

use comptroller::cli::crds::{render_files, render_stream};
use comptroller_core::api::schema;
use serde_json::{Value, json};

#[test]
fn committed_files_are_the_generated_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let mut generated = BTreeSet::new();
    for file in render_files().unwrap() {
        let committed = fs::read_to_string(folder.join(&file.name)).unwrap_or_default();
        assert!(
            committed == file.content,
            "crds/{} is not what the types generate; run `make crds` and commit the result",
            file.name
        );
        generated.insert(file.name);
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.starts_with("comptroller.dev_") || generated.contains(&name),
            "crds/{name} belongs to no kind; delete it"
        );
    }
}

#[test]
fn the_stream_holds_every_definition() {
    let stream = render_stream().unwrap();
    let names: Vec<String> = yaml_serde::Deserializer::from_str(&stream)
        .map(|document| <Value as serde::Deserialize>::deserialize(document).unwrap())
        .map(|crd| crd["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "attestations.comptroller.dev",
            "auditperiods.comptroller.dev",
            "controlexceptions.comptroller.dev",
            "controls.comptroller.dev",
            "deviationresponses.comptroller.dev",
            "people.comptroller.dev"
        ]
    );
    let generated: Vec<_> = schema::crds().into_iter().map(|crd| crd.metadata.name).collect();
    assert_eq!(generated, names.into_iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn names_and_columns_are_the_contract() {
    for (crd, short, columns) in [
        (
            definition("Control"),
            "ctl",
            "State Failing Population Severity Criteria Owner Since Age Evidence",
        ),
        (
            definition("AuditPeriod"),
            "ap",
            "Type From To As-Of Phase Coverage No-Deviation Deviation Not-Determinable Not-Due Accepted-Risk Age",
        ),
        (definition("ControlException"), "ctlex", "Phase Controls Expires Approved-By Matched Age"),
        (definition("Attestation"), "att", "Control Period Outcome Attested-By Performed Age"),
        (definition("DeviationResponse"), "dr", "Control Owner Responded-By Corrected-By Age"),
        (definition("Person"), "", "Name Department Manager Start End Ready Age Usernames"),
    ] {
        assert_eq!(crd["spec"]["scope"], "Cluster");
        let shorts = if short.is_empty() { Value::Null } else { json!([short]) };
        assert_eq!(crd["spec"]["names"]["shortNames"], shorts);
        assert_eq!(crd["spec"]["names"]["categories"], json!(["comptroller"]));
        let version = &crd["spec"]["versions"][0];
        assert_eq!(version["name"], "v1alpha1");
        // A record has no status: it is what somebody wrote, and nothing is added to it.
        let status =
            if ["att", "dr"].contains(&short) { Value::Null } else { json!({"status": {}}) };
        assert_eq!(version["subresources"].get("status"), status.get("status"));
        let printed = version["additionalPrinterColumns"].as_array().unwrap();
        let printed: Vec<&str> =
            printed.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(printed.join(" "), columns);
    }
}

#[test]
fn the_schemas_keep_the_conventions() {
    for crd in schema::documents() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let complaints = lint(root, kind);
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        assert_eq!(root["properties"]["status"]["required"], Value::Null, "{kind}.status");
    }
}

#[test]
fn the_lint_finds_what_it_is_for() {
    for (schema, complaint) in [
        (json!({"type": "array", "x-kubernetes-list-type": "atomic"}), "maxItems"),
        (json!({"type": "array", "maxItems": 1}), "list-type"),
        (json!({"type": "array", "maxItems": 1, "x-kubernetes-list-type": "map"}), "list-map-keys"),
        (
            json!({
                "type": "array", "maxItems": 1, "x-kubernetes-list-type": "set",
                "items": {"type": "object"},
            }),
            "scalars",
        ),
        (json!({"type": "string"}), "maxLength"),
        (json!({"type": "string", "maxLength": 1, "pattern": "("}), "pattern"),
        (json!({"type": "string", "maxLength": 1, "nullable": true}), "nullable"),
        (json!({"type": "string", "enum": ["a", null]}), "null"),
        (json!({"type": "number"}), "number"),
        (json!({"type": "integer", "format": "uint32", "minimum": 0}), "format"),
        (json!({"type": "integer", "format": "int32"}), "minimum"),
        (json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), "preserve"),
        (json!({"type": "object", "additionalProperties": {}}), "maxProperties"),
        (json!({"type": "object", "properties": {"a": {"type": "boolean"}}}), "description"),
        (json!({"type": "object", "required": ["a"]}), "required"),
        (json!({"x-kubernetes-validations": [{"rule": "true"}]}), "message"),
    ] {
        let complaints = lint(&schema, "");
        assert!(complaints.iter().any(|text| text.contains(complaint)), "{schema}: {complaints:?}");
    }
}

fn definition(kind: &str) -> &'static Value {
    schema::documents().iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap()
}

/// What a schema has that the conventions do not want, each with its path.
fn lint(schema: &Value, at: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |holds: bool, text: &str| {
        if !holds {
            complaints.push(format!("{at}: {text}"));
        }
    };
    for keyword in ["nullable", "default", "x-kubernetes-preserve-unknown-fields", "oneOf", "anyOf"]
    {
        complain(schema[keyword].is_null(), &format!("has {keyword}"));
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = rule.get("message").or(rule.get("messageExpression"));
        let message = message.and_then(Value::as_str).unwrap_or_default();
        complain(
            !message.is_empty() && !message.contains('\n'),
            "a rule has no message of one line",
        );
    }
    match schema["type"].as_str().unwrap_or_default() {
        "array" => lint_array(schema, complain),
        "string" => lint_string(schema, complain),
        "integer" => {
            complain(schema["minimum"].is_i64(), "has no minimum");
            let format = schema["format"].as_str().unwrap_or_default();
            complain(
                ["int32", "int64"].contains(&format),
                "has another format than int32 or int64",
            );
        }
        "object" => lint_object(schema, complain),
        "number" => complain(false, "is a number with a fraction"),
        _ => {}
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        complaints.extend(lint(field, &format!("{at}.{name}")));
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(keyword) {
            complaints.extend(lint(child, &format!("{at}[]")));
        }
    }
    complaints
}

fn lint_array(schema: &Value, mut complain: impl FnMut(bool, &str)) {
    complain(schema["maxItems"].is_u64(), "has no maxItems");
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    match schema["x-kubernetes-list-type"].as_str() {
        Some("atomic") => {}
        Some("set") => {
            complain(schema["items"]["type"] == "string", "is a set, but not of scalars");
        }
        Some("map") => complain(keys.is_some(), "is a map without list-map-keys"),
        _ => complain(false, "has no list-type"),
    }
}

fn lint_string(schema: &Value, mut complain: impl FnMut(bool, &str)) {
    let closed = schema["enum"].is_array() || schema["format"] == "date-time";
    complain(closed || schema["maxLength"].is_u64(), "has no maxLength");
    let values = schema["enum"].as_array().into_iter().flatten();
    complain(values.clone().all(Value::is_string), "has null among its values");
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    complain(regex::Regex::new(pattern).is_ok(), "has a pattern that is no regular expression");
}

fn lint_object(schema: &Value, mut complain: impl FnMut(bool, &str)) {
    let others = schema["additionalProperties"].is_object();
    complain(!others || schema["maxProperties"].is_u64(), "is a map without maxProperties");
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        complain(
            schema["properties"].get(name).is_some(),
            "has a required field that is not there",
        );
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let description = field["description"].as_str().unwrap_or_default();
        // Of metadata the API server admits none.
        let sentence = description.ends_with('.') && !description.contains('`');
        complain(
            sentence || name == "metadata",
            &format!("{name} has no description in sentences"),
        );
    }
}
