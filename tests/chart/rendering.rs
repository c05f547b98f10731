//! Every value does something, wrong ones are refused in words, and no value can break out of its place.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    helm::{self, CHART, PACK, ROOT, find, objects, title},
    values,
};

/// The files of values that tests install with: each is how somebody runs the operator.
pub fn cases() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(format!("{ROOT}/tests/chart/values")).unwrap();
    let mut cases: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (
                name,
                yaml_serde::from_str(&text)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            )
        })
        .collect();
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    cases
}

fn rendered(helm: &Path, values: &Value) -> Vec<Value> {
    let text = helm::template_with(helm, CHART, &values.to_string());
    objects("chart", &text.unwrap_or_else(|error| panic!("{error}: {values}")))
}

#[test]
fn the_charts_pass_a_strict_lint() {
    let Some(helm) = helm::helm() else { return };
    let lint = |chart: &str, values: &Value| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), values.to_string()).unwrap();
        let path = file.path().to_str().unwrap();
        let output = helm::run(&helm, &["lint", "--strict", chart, "--values", path]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{chart}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!text.contains("WARNING"), "{chart}: {text}");
    };
    lint(PACK, &json!({}));
    lint(CHART, &json!({}));
    for (_, values) in cases() {
        lint(CHART, &values);
    }
}

#[test]
fn no_value_is_without_effect() {
    let Some(helm) = helm::helm() else { return };
    let all = values::read(CHART);
    let mut missing: BTreeSet<String> =
        all.iter().filter(|value| !value.section).map(values::ChartValue::name).collect();
    for (case, given) in cases() {
        let with = helm::template_with(&helm, CHART, &given.to_string()).unwrap();
        for name in values::set_by(&all, &given).into_keys() {
            if !missing.contains(&name) {
                continue;
            }
            let path = &all.iter().find(|value| value.name() == name).unwrap().path;
            // A combination that does not work without it is an effect as well.
            let without = values::without(&given, path).to_string();
            let without = helm::template_with(&helm, CHART, &without).unwrap_or_default();
            assert!(with != without, "{case}: {name} changes nothing");
            missing.remove(&name);
        }
    }
    assert!(missing.is_empty(), "in no file of tests/chart/values: {missing:#?}");
}

#[test]
fn the_operator_takes_the_arguments_of_every_case() {
    let Some(helm) = helm::helm() else { return };
    for (case, given) in cases() {
        let objects = rendered(&helm, &given);
        let deployment = find(&objects, "Deployment comptroller-system/comptroller");
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap().iter();
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(arguments.map(|argument| argument.as_str().unwrap()))
            .arg("--help")
            .output()
            .unwrap();
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        // Each mount has its volume, and each volume is mounted.
        let names = |list: &Value| -> BTreeSet<String> {
            let items = list.as_array().into_iter().flatten();
            items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
        };
        let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
        assert_eq!(names(&container["volumeMounts"]), names(volumes), "{case}");
    }
}

#[test]
fn every_object_is_labelled_and_in_the_namespace_of_the_release() {
    let Some(helm) = helm::helm() else { return };
    for (case, given) in cases() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), given.to_string()).unwrap();
        let path = file.path().to_str().unwrap();
        let arguments = ["template", "other", CHART, "--namespace", "audit", "--values", path];
        let output = helm::run(&helm, &arguments);
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut titles = BTreeSet::new();
        for object in objects(&case, &text) {
            let title = title(&object);
            assert_eq!(
                object["metadata"]["labels"]["app.kubernetes.io/instance"], "other",
                "{title}"
            );
            for label in given["commonLabels"].as_object().into_iter().flatten() {
                assert_eq!(object["metadata"]["labels"][label.0], *label.1, "{case}: {title}");
            }
            for annotation in given["commonAnnotations"].as_object().into_iter().flatten() {
                let annotations = &object["metadata"]["annotations"];
                assert_eq!(annotations[annotation.0], *annotation.1, "{case}: {title}");
            }
            // The schema of a CRD speaks of the default in words.
            let spoken = object["kind"] == "CustomResourceDefinition";
            let names = object.to_string().contains("comptroller-system");
            assert!(spoken || !names, "{case}: {title} is about another namespace");
            assert!(titles.insert(title.clone()), "{case}: {title} twice");
        }
    }
}

#[test]
fn no_text_breaks_out_of_its_place() {
    let Some(helm) = helm::helm() else { return };
    for hostile in [
        "a: b",
        "a \"b\" 'c'",
        "{{ .Release.Name }}",
        "# no comment",
        "- x",
        "true",
        "1e3",
        "0x10",
        "~",
        "line\nother: true",
        "\ttab",
        "*alias",
        "&anchor",
        "%percent",
        "@at",
        "`tick`",
        "ünï\u{202e}",
        "\\",
        "--- ",
        "null",
        "[a",
        "{a",
        "a: |",
        "!!binary x",
        " leading",
        "trailing ",
    ] {
        let values = json!({
            "commonAnnotations": {"note": hostile},
            "podAnnotations": {"pod": hostile},
            "serviceAccount": {"annotations": {"account": hostile}},
            "service": {"annotations": {"service": hostile}},
            "evidence": {
                "bucket": {
                    "url": format!("s3://bucket/{hostile}").replace('\n', " "),
                    "credentialsSecret": hostile,
                    "env": {"AWS_REGION": hostile},
                },
                "key": {"existingSecret": hostile},
                "witnessPolicy": hostile,
            },
            "tls": {"existingSecret": hostile},
            "extraArgs": [hostile],
            "logLevel": hostile,
            "priorityClassName": hostile,
            "admission": {"recordWriters": {"writer": hostile}},
            "metrics": {
                "readers": [{"name": hostile, "namespace": hostile}],
                "dashboards": {"enabled": true, "annotations": {"folder": hostile}},
            },
        });
        let objects = rendered(&helm, &values);
        let deployment = find(&objects, "Deployment comptroller-system/comptroller");
        let template = &deployment["spec"]["template"];
        let container = &template["spec"]["containers"][0];
        assert_eq!(template["metadata"]["annotations"]["pod"], hostile);
        assert_eq!(template["spec"]["priorityClassName"], hostile);
        assert_eq!(container["args"].as_array().unwrap().last().unwrap(), hostile);
        assert_eq!(container["envFrom"][0]["secretRef"]["name"], hostile);
        for name in ["RUST_LOG", "AWS_REGION"] {
            let env = container["env"].as_array().unwrap();
            let found = env.iter().find(|entry| entry["name"] == name).unwrap();
            assert_eq!(found["value"], hostile, "{name}");
        }
        let volumes = template["spec"]["volumes"].as_array().unwrap();
        for name in ["evidence-key", "tls"] {
            let volume = volumes.iter().find(|volume| volume["name"] == name).unwrap();
            assert_eq!(volume["secret"]["secretName"], hostile, "{name}");
        }
        let policy = find(&objects, "ConfigMap comptroller-system/comptroller-witness-policy");
        assert_eq!(policy["data"]["policy"], hostile);
        let writers = find(&objects, "ConfigMap comptroller-system/comptroller-record-writers");
        assert_eq!(writers["data"]["writer"], hostile);
        let readers = find(&objects, "ClusterRoleBinding comptroller-metrics-reader");
        assert_eq!(readers["subjects"][0]["name"], hostile);
        for object in &objects {
            assert_eq!(object["metadata"]["annotations"]["note"], hostile, "{}", title(object));
        }
    }
}

#[test]
fn wrong_values_are_refused_in_words() {
    let Some(helm) = helm::helm() else { return };
    for (values, message) in [
        (json!({"replicas": 2}), "replicas"),
        (json!({"image": {"tags": "x"}}), "tags"),
        (json!({"image": {"digest": "latest"}}), "/image/digest"),
        (json!({"image": {"pullPolicy": "Sometimes"}}), "'IfNotPresent'"),
        (json!({"replicaCount": "two"}), "want integer"),
        (json!({"evidence": {"bucket": {"url": "ftp://x"}}}), "/evidence/bucket/url"),
        (
            json!({"rbac": {"extraReaderRules": [{"apiGroups": [""], "resources": ["secrets"]}]}}),
            "/rbac/extraReaderRules/0/resources/0",
        ),
        (
            json!({"replicaCount": 2}),
            "replicaCount is 2, but only one node can mount the evidence log: set evidence.bucket.url, or",
        ),
        (
            json!({"evidence": {"bucket": {"url": "s3://x"}}}),
            "evidence.bucket.url needs evidence.key.existingSecret",
        ),
        (
            json!({"tls": {"existingSecret": "x", "certManager": {"enabled": true}}}),
            "tls.existingSecret and tls.certManager.enabled are both set",
        ),
        (
            json!({"evidence": {"persistence": {"enabled": false}, "witnessPolicy": "x"}}),
            "there is no log that witnesses could cosign",
        ),
        (
            json!({"notifications": {"webhook": {"url": "https://x", "tokenKey": "t"}}}),
            "notifications.webhook names a key of a Secret",
        ),
        (
            json!({"evidence": {"persistence": {"enabled": false}}, "notifications": {"webhook": {"url": "https://x"}}}),
            "notifications.webhook.url needs a log",
        ),
        (
            json!({"evidence": {"persistence": {"enabled": false}}, "auditStream": {"enabled": true}}),
            "auditStream.enabled needs a log",
        ),
        (
            json!({"auditStream": {"enabled": true}}),
            "auditStream.enabled needs auditStream.apiServerCIDRs",
        ),
        (json!({"auditStream": {"breakGlass": ["jane"]}}), "/auditStream/breakGlass/0"),
    ] {
        let error = helm::template_with(&helm, CHART, &values.to_string()).unwrap_err();
        assert!(error.contains(message), "{values}: {error}");
    }
}

/// A registry gets the chart without the links of this repository.
#[test]
fn a_packed_chart_renders_the_same() {
    let Some(helm) = helm::helm() else { return };
    let folder = tempfile::tempdir().unwrap();
    let destination = folder.path().to_str().unwrap();
    for chart in [CHART, PACK] {
        let output = helm::run(&helm, &["package", "--destination", destination, chart]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = chart.trim_start_matches("charts/");
        let packed = format!("{destination}/{name}-{}.tgz", env!("CARGO_PKG_VERSION"));
        let rendered = helm::template(&helm, &packed, &[]).unwrap();
        assert!(rendered == helm::template(&helm, chart, &[]).unwrap(), "{chart}");
        // Helm keeps the chart and what it renders in one Secret, which has a limit of 1 MiB.
        assert!(std::fs::metadata(&packed).unwrap().len() < 200 * 1024, "{chart} is too large");
    }
}

#[test]
fn the_notes_say_what_comes_next() {
    let Some(helm) = helm::helm() else { return };
    let notes = |values: &Value| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), values.to_string()).unwrap();
        let path = file.path().to_str().unwrap();
        let arguments = [
            "install",
            "comptroller",
            CHART,
            "--namespace",
            "audit",
            "--dry-run=client",
            "--values",
            path,
        ];
        let output = helm::run(&helm, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, notes) = text.split_once("\nNOTES:\n").unwrap();
        notes.to_owned()
    };
    let usual = notes(&json!({}));
    assert!(usual.contains("kubectl rollout status -n audit deployment/comptroller"), "{usual}");
    assert!(usual.contains("--set operatorNamespace=audit"), "{usual}");
    assert!(usual.contains("comptroller-evidence-key"), "{usual}");
    assert!(usual.contains("which no registry serves"), "{usual}");
    assert!(!usual.contains("\n\n\n") && !usual.contains("WARNING"), "{usual}");
    let unrecorded = notes(&json!({"evidence": {"persistence": {"enabled": false}}}));
    assert!(unrecorded.contains("WARNING: there is no evidence log"), "{unrecorded}");
    let whole = notes(&json!({
        "image": {"repository": "r.corp/comptroller"}, "tls": {"existingSecret": "t"},
        "evidence": {"bucket": {"url": "s3://b/log"}, "key": {"existingSecret": "k"}},
    }));
    assert!(whole.contains("Evidence is recorded in s3://b/log"), "{whole}");
    assert!(!whole.contains("registry") && !whole.contains("certificate"), "{whole}");
}
