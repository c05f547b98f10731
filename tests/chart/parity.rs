//! The chart with default values, and `config/`, are the same objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::helm::{self, CHART, kustomize, objects, title};

/// Each object by its title, without the labels and the annotation that only Helm needs.
fn by_title(name: &str, text: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for mut object in objects(name, text) {
        let title = title(&object);
        let metadata = object["metadata"].as_object_mut().unwrap();
        for field in ["labels", "annotations"] {
            let Some(fields) = metadata.get_mut(field).and_then(Value::as_object_mut) else {
                continue;
            };
            fields.retain(|key, _| {
                !key.starts_with("app.kubernetes.io/") && !key.starts_with("helm.sh/")
            });
            if fields.is_empty() {
                metadata.remove(field);
            }
        }
        assert!(found.insert(title.clone(), object).is_none(), "{name}: {title} twice");
    }
    found
}

fn assert_same(chart: &BTreeMap<String, Value>, kustomized: &BTreeMap<String, Value>) {
    let titles = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(titles(chart), titles(kustomized), "left: chart, right: config/");
    for (title, object) in chart {
        assert_eq!(object, &kustomized[title], "{title}; left: chart, right: config/");
    }
}

#[test]
fn the_chart_by_default_is_what_config_default_is() {
    let Some(helm) = helm::helm() else { return };
    let chart = by_title("chart", &helm::template(&helm, CHART, &[]).unwrap());
    let mut kustomized = by_title("config/default", &kustomize("config/default"));
    // Helm's user creates the namespace, and NOTES.txt says which labels it needs.
    assert!(kustomized.remove("Namespace comptroller-system").is_some());
    assert_same(&chart, &kustomized);
}

#[test]
fn what_is_off_by_default_is_what_config_has_apart() {
    let Some(helm) = helm::helm() else { return };
    let defaults = by_title("chart", &helm::template(&helm, CHART, &[]).unwrap());
    let added = |values: &Value| {
        let text = helm::template_with(&helm, CHART, &values.to_string()).unwrap();
        let mut objects = by_title("chart", &text);
        objects.retain(|title, _| !defaults.contains_key(title));
        objects
    };
    let on = json!({"enabled": true});
    // kustomize doubles line breaks of folded texts, so the files are read as they are.
    let read =
        |path: &str| std::fs::read_to_string(format!("{}/config/{path}", helm::ROOT)).unwrap();
    let monitoring = added(&json!({"metrics": {"serviceMonitor": on, "prometheusRule": on}}));
    let files = ["servicemonitor", "prometheusrule"];
    let text = files.map(|name| read(&format!("monitoring/{name}.yaml"))).join("---\n");
    assert_same(&monitoring, &by_title("config/monitoring", &text));
    let mut dashboards = by_title("config/monitoring", &kustomize("config/monitoring"));
    dashboards.retain(|title, _| title.starts_with("ConfigMap"));
    assert!(!dashboards.is_empty());
    assert_same(&added(&json!({"metrics": {"dashboards": on}})), &dashboards);
    let reports = by_title("config/rbac/reports", &read("rbac/reports/reports_role.yaml"));
    assert_same(&added(&json!({"reports": on})), &reports);
    for (value, file) in [
        ("enforcement", "enforcement.yaml"),
        ("revocation", "revocation.yaml"),
        ("auditStream", "audit_stream.yaml"),
    ] {
        let text = read(&format!("rbac/optional/{file}"));
        assert_same(&added(&json!({"rbac": {value: on}})), &by_title(file, &text));
    }
}
