//! `comptroller scan` as a user runs it: what it prints, what it exits with.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails there fails the test"
)]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scan").join(name);
    path.to_string_lossy().into_owned()
}

/// Runs a scan in the folder of fixtures, with `stdin` as its standard input.
fn scan_with(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .arg("scan")
        .args(arguments)
        .current_dir(fixture(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A scan that stops early closes the pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn scan(arguments: &[&str]) -> Output {
    scan_with(arguments, "")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn control<'v>(evaluation: &'v Value, name: &str) -> &'v Value {
    evaluation["controls"]
        .as_array()
        .expect("controls")
        .iter()
        .find(|control| control["name"] == name)
        .unwrap_or_else(|| panic!("no control {name} in {evaluation}"))
}

/// Scans one text by the controls of the fixtures.
fn scan_text(manifest: &str) -> (Value, Option<i32>) {
    let output = scan_with(&["-", "--controls", "controls", "-o", "json"], manifest);
    (json(&output), output.status.code())
}

fn first_error(evaluation: &Value) -> &str {
    evaluation["errors"][0]["message"].as_str().unwrap_or_default()
}

#[test]
fn a_folder_is_judged_as_the_api_server_would_get_it() {
    let output = scan(&["manifests", "--controls", "controls", "-o", "json"]);
    let evaluation = json(&output);
    assert_eq!(output.status.code(), Some(1), "{evaluation}");
    assert_eq!(evaluation["errors"], Value::Array(Vec::new()), "{evaluation}");

    let privileged = control(&evaluation, "no-privileged-containers");
    assert_eq!(privileged["state"], "Failing");
    assert_eq!(privileged["failing"], 1);
    assert_eq!(privileged["population"], 3);
    let finding = &privileged["findings"][0];
    assert_eq!(finding["resource"]["name"], "web");
    assert_eq!(finding["location"]["file"], "manifests/10-workloads.yaml");
    assert_eq!(finding["location"]["line"], 2);

    let admin = control(&evaluation, "no-standing-cluster-admin");
    assert_eq!(admin["state"], "Failing", "cluster-admin is in every cluster");
    assert_eq!(admin["findings"][0]["subject"], "User jane@corp");
    assert_eq!(admin["findings"][0]["location"]["file"], "manifests/20-rbac.json");

    let widgets = control(&evaluation, "widgets-have-an-owner");
    assert_eq!(widgets["state"], "Failing", "{widgets}");
    assert_eq!(widgets["findings"][0]["resource"]["namespace"], Value::Null);

    assert_eq!(evaluation["summary"]["skipped"], 2, "values.yaml and kustomization.yaml");
    assert!(!text(&output).contains("correct-horse"));
}

#[test]
fn every_format_tells_the_same() {
    let arguments = |format| ["manifests", "--controls", "controls", "-o", format];
    let table = scan(&arguments("table"));
    assert_eq!(table.status.code(), Some(1));
    let table = text(&table);
    assert!(table.starts_with("NAME "), "{table}");
    assert!(table.contains("Deployment prod/web (manifests/10-workloads.yaml:2)"), "{table}");
    assert!(!table.contains('\u{1b}'), "a pipe gets no colours");

    let sarif = json(&scan(&arguments("sarif")));
    let uris: Vec<&str> = sarif["runs"][0]["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|result| {
            result.pointer("/locations/0/physicalLocation/artifactLocation/uri")?.as_str()
        })
        .collect();
    assert_eq!(
        uris,
        ["manifests/10-workloads.yaml", "manifests/20-rbac.json", "manifests/30-widget.yaml"]
    );

    let junit = scan(&arguments("junit"));
    assert_eq!(junit.status.code(), Some(1));
    let report = quick_junit::Report::deserialize_from_str(&text(&junit)).expect("JUnit XML");
    assert_eq!((report.tests, report.failures, report.errors), (3, 3, 0));
}

const FINE: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n";
const PRIVILEGED: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, securityContext: {privileged: true}}]}\n";

#[test]
fn exit_codes_tell_pass_failure_and_the_unknown() {
    for (manifest, expected) in [
        (FINE.to_owned(), 0),
        (PRIVILEGED.to_owned(), 1),
        (format!("{FINE}---\na: [\n"), 2),
        (format!("{PRIVILEGED}---\na: [\n"), 1),
        (FINE.replace("[{name: a, image: b}]", "broken"), 2),
    ] {
        let (evaluation, code) = scan_text(&manifest);
        assert_eq!(code, Some(expected), "{manifest}: {evaluation}");
    }
    let broken = FINE.replace("[{name: a, image: b}]", "broken");
    let allowed =
        scan_with(&["-", "--controls", "controls", "--allow-unknown", "-o", "json"], &broken);
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed));
    assert_eq!(control(&json(&allowed), "no-privileged-containers")["state"], "Unknown");
    assert_eq!(scan(&["nowhere", "--controls", "controls"]).status.code(), Some(2));
    assert_eq!(scan(&["manifests", "--controls", "manifests/chart"]).status.code(), Some(2));
    assert_eq!(scan(&[]).status.code(), Some(2), "no path");
}

#[test]
fn a_kind_that_no_file_has_is_empty_unless_its_name_is_in_doubt() {
    let (without, _) = scan_text(FINE);
    assert_eq!(control(&without, "widgets-have-an-owner")["state"], "NotApplicable");
    // Nothing says that a Widget is a `widgetz`.
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: gear}\n";
    let (in_doubt, code) = scan_text(widget);
    assert_eq!(control(&in_doubt, "widgets-have-an-owner")["state"], "Unknown");
    assert_eq!(code, Some(2));
}

#[test]
fn a_bad_document_is_reported_with_its_place_and_hides_no_other() {
    let (evaluation, code) = scan_text(&format!("{FINE}---\nkind: Pod\n  x: [\n---\n{PRIVILEGED}"));
    assert_eq!(code, Some(1));
    let error = &evaluation["errors"][0];
    assert_eq!(
        (&error["file"], &error["document"], &error["line"]),
        (&"-".into(), &2.into(), &7.into())
    );
    assert_eq!(control(&evaluation, "no-privileged-containers")["failing"], 1);
}

#[test]
fn errors_say_what_to_do() {
    for (manifest, expected) in [
        (
            "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\n",
            "write `apiVersion: apps/v1`",
        ),
        (
            "apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: a}\n",
            "write `apiVersion: apps/v1`",
        ),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {}\n", "metadata.name is missing"),
        ("image: nginx\n", "it has no kind"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }}}\n", "helm template"),
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: elsewhere}\nsubjects: [{kind: User, name: a, apiGroup: rbac.authorization.k8s.io}]\n",
            "binds ClusterRole/elsewhere, which is neither among the manifests nor built in",
        ),
    ] {
        let (evaluation, code) = scan_text(manifest);
        assert!(first_error(&evaluation).contains(expected), "{manifest}: {evaluation}");
        assert_eq!(code, Some(2), "{manifest}");
    }
}

#[test]
fn one_object_twice_is_fine_only_when_it_is_the_same() {
    let (same, code) = scan_text(&format!("{FINE}---\n{FINE}"));
    assert_eq!(code, Some(0), "{same}");
    let other = PRIVILEGED.replace("name: bad", "name: a");
    let (different, code) = scan_text(&format!("{FINE}---\n{other}"));
    assert_eq!(code, Some(2), "{different}");
    assert!(first_error(&different).contains("Pod a is already defined at -:1"), "{different}");
}

/// A folder that holds manifests and the control that judges them.
fn folder_with_control(spec: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    write("a-pods.yaml", &format!("{FINE}---\n{PRIVILEGED}"));
    write(
        "z-control.yaml",
        &format!(
            "apiVersion: comptroller.dev/v1alpha1\nkind: Control\nmetadata: {{name: own}}\nspec:\n{spec}"
        ),
    );
    folder
}

const OWN: &str = "  title: No privileged pods\n  criteria: [CC6.1]\n  owner: us\n  severity: High\n  test:\n    cel:\n      resources: [{apiGroups: [''], apiVersions: [v1], resources: [pods]}]\n      validations: [{expression: \"object.metadata.name != 'bad'\", message: bad name}]\n";

#[test]
fn controls_among_the_manifests_judge_them() {
    let folder = folder_with_control(OWN);
    let path = folder.path().to_string_lossy().into_owned();
    let output = scan(&[&path, "-o", "json"]);
    let evaluation = json(&output);
    assert_eq!(evaluation["controls"].as_array().map(Vec::len), Some(1), "{evaluation}");
    assert_eq!(control(&evaluation, "own")["findings"][0]["message"], "bad name");
    assert_eq!(output.status.code(), Some(1));

    let both = json(&scan(&[&path, "--controls", "controls", "-o", "json"]));
    assert_eq!(both["controls"].as_array().map(Vec::len), Some(4), "{both}");
    assert_eq!(control(&both, "own")["failing"], 1);
}

#[test]
fn without_controls_the_built_in_pack_judges() {
    let output = scan(&["manifests", "-o", "json"]);
    let evaluation = json(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(control(&evaluation, "no-standing-cluster-admin")["state"], "Failing");
    assert_eq!(evaluation["errors"], Value::Array(Vec::new()));
}

#[test]
fn an_invalid_control_is_an_error_that_names_the_field() {
    let folder = folder_with_control(&OWN.replace("severity: High", "severity: Higher"));
    let path = folder.path().to_string_lossy().into_owned();
    let output = scan(&[&path, "--controls", "controls", "-o", "json"]);
    let evaluation = json(&output);
    assert!(first_error(&evaluation).contains("spec.severity"), "{evaluation}");
    assert!(
        evaluation["errors"][0]["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("z-control.yaml"))
    );

    let unknown = folder_with_control(&format!("{OWN}  sevrity: High\n"));
    let path = unknown.path().to_string_lossy().into_owned();
    let evaluation = json(&scan(&[&path, "--controls", "controls", "-o", "json"]));
    assert!(first_error(&evaluation).contains("spec.sevrity"), "{evaluation}");
}

#[test]
fn an_exception_among_the_manifests_counts_and_an_expired_one_does_not() {
    let exception = |expires: &str| {
        format!(
            "apiVersion: comptroller.dev/v1alpha1\nkind: ControlException\nmetadata: {{name: waiver}}\nspec:\n  controls: [no-privileged-containers]\n  resources: [{{kind: Pod, name: bad}}]\n  reason: a driver\n  requestedBy: jane@corp\n  approvedBy: sam@corp\n  expires: \"{expires}\"\n"
        )
    };
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 30);
    let (allowed, code) =
        scan_text(&format!("{PRIVILEGED}---\n{}", exception(&format!("{soon:.0}"))));
    assert_eq!(control(&allowed, "no-privileged-containers")["state"], "Excepted", "{allowed}");
    assert_eq!(code, Some(0));
    let (expired, code) =
        scan_text(&format!("{PRIVILEGED}---\n{}", exception("2020-01-01T00:00:00Z")));
    assert_eq!(control(&expired, "no-privileged-containers")["state"], "Failing", "{expired}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["scan", "manifests", "--controls", "controls"])
        .current_dir(PathBuf::from(fixture("")))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}
