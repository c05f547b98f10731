//! The chart of the pack makes the controls of `comptroller pack`, and says what is wrong with its values.

use std::{collections::BTreeMap, process::Command};

use serde_json::{Value, json};

use super::helm::{self, PACK, objects};

/// Name -> spec.
fn specs(name: &str, text: &str) -> BTreeMap<String, Value> {
    let named = objects(name, text).into_iter().map(|mut control| {
        assert_eq!(control["kind"], "Control");
        (control["metadata"]["name"].as_str().unwrap().to_owned(), control["spec"].take())
    });
    named.collect()
}

/// What `comptroller pack` prints with these arguments.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .arg("pack")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The names of all profiles, and whether each is a distribution.
fn profiles() -> Vec<(String, bool)> {
    let folder = format!("{}/config/soc2/profiles", helm::ROOT);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut profiles: Vec<_> = entries
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path().join("kustomization.yaml")).unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, text.contains("comptroller.dev/distribution"))
        })
        .collect();
    profiles.sort_unstable();
    profiles
}

#[test]
fn the_controls_are_those_that_the_command_prints() {
    let Some(helm) = helm::helm() else { return };
    let chart = |profiles: &[String]| {
        let text = helm::template_with(&helm, PACK, &json!({"profiles": profiles}).to_string());
        specs("chart", &text.unwrap())
    };
    assert_eq!(chart(&[]), specs("pack", &printed(&[])));
    let all = profiles();
    let add_ons: Vec<String> = all
        .iter()
        .filter(|(_, distribution)| !distribution)
        .map(|(name, _)| name.clone())
        .collect();
    for (distribution, _) in all.iter().filter(|(_, distribution)| *distribution) {
        let mut names = vec![distribution.clone()];
        names.extend(add_ons.clone());
        let wanted = specs("pack", &printed(&["--for", &names.join(",")]));
        assert_eq!(chart(&names), wanted, "{distribution}");
    }
}

#[test]
fn controls_are_left_out_changed_and_added_to() {
    let Some(helm) = helm::helm() else { return };
    let ci = json!({"kind": "Group", "name": "ci: \"team\"", "reason": "It delivers."});
    let values = json!({
        "exclude": ["phishing-is-simulated"],
        "overrides": {"images-are-pinned-and-known": {"spec": {"test": {"workload": {"registries": ["r.corp"]}}}}},
        "additions": {"changes-go-through-delivery": {"/spec/test/rbac/allow": [ci]}},
        "operatorNamespace": "audit",
        "keep": true,
        "commonLabels": {"team": "a"},
        "commonAnnotations": {"note": "it's: \"so\""},
    });
    let text = helm::template_with(&helm, PACK, &values.to_string()).unwrap();
    for control in objects("chart", &text) {
        assert_eq!(control["metadata"]["labels"]["team"], "a");
        let annotations = &control["metadata"]["annotations"];
        assert_eq!(annotations["note"], "it's: \"so\"");
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    }
    let mut changed = specs("chart", &text);
    let mut wanted = specs("pack", &printed(&[]));
    wanted.remove("phishing-is-simulated").unwrap();
    wanted.get_mut("images-are-pinned-and-known").unwrap()["test"]["workload"]["registries"] =
        json!(["r.corp"]);
    let allow =
        &mut wanted.get_mut("changes-go-through-delivery").unwrap()["test"]["rbac"]["allow"];
    allow.as_array_mut().unwrap().push(ci);
    let hidden = changed.remove("evidence-cannot-be-hidden").unwrap();
    let before = wanted.remove("evidence-cannot-be-hidden").unwrap();
    assert_eq!(
        hidden.to_string(),
        before.to_string().replace("comptroller-system", "audit"),
        "the operator is where it is"
    );
    assert_eq!(changed, wanted);
}

#[test]
fn wrong_values_are_refused_in_words() {
    let Some(helm) = helm::helm() else { return };
    for (values, message) in [
        (json!({"profiles": ["esk"]}), "there is no profile esk; these there are: aks, argocd,"),
        (
            json!({"profiles": ["eks", "gke"]}),
            "eks and gke are distributions, and a cluster has only one",
        ),
        (json!({"profiles": ["../../../x"]}), "profiles"),
        (
            json!({"exclude": ["nothing"]}),
            "exclude names nothing, and the pack has no such control",
        ),
        (json!({"overrides": {"nothing": {}}}), "overrides names nothing, and"),
        (json!({"additions": {"nothing": {"/spec/x": [1]}}}), "additions names nothing, and"),
        (
            json!({"additions": {"pod-security-baseline": {"/spec/test/rbac/allow": [{}]}}}),
            "additions adds to /spec/test/rbac/allow of the control pod-security-baseline, which has no such list",
        ),
        (json!({"profile": ["eks"]}), "profile"),
    ] {
        let error = helm::template_with(&helm, PACK, &values.to_string()).unwrap_err();
        assert!(error.contains(message), "{values}: {error}");
    }
}
