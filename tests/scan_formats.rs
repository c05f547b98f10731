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
    ] {
        let (evaluation, code) = scan_text(manifest);
        assert!(first_error(&evaluation).contains(expected), "{manifest}: {evaluation}");
        assert_eq!(code, Some(2), "{manifest}");
    }
}

#[test]
fn a_role_of_no_manifest_is_unknown_in_every_control_of_rights() {
    let bind = |role: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: b-{role}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\nsubjects: [{{kind: Group, name: g-{role}, apiGroup: rbac.authorization.k8s.io}}]\n"
        )
    };
    let open = bind("elsewhere");
    let output = scan_with(&["-", "-o", "json"], &open);
    let evaluation = json(&output);
    assert_eq!(output.status.code(), Some(2), "{evaluation}");
    assert_eq!(evaluation["errors"], Value::Array(Vec::new()), "{evaluation}");
    let unknown = |name: &str| {
        let control = control(&evaluation, name);
        assert_eq!(control["state"], "Unknown", "{control}");
        assert!(control.to_string().contains("binds ClusterRole/elsewhere, which is"), "{control}");
    };
    for name in [
        "changes-go-through-delivery",
        "evidence-cannot-be-hidden",
        "exec-is-restricted",
        "guards-are-protected",
        "no-anonymous-access",
        "no-dangling-bindings",
        "no-privilege-escalation-rights",
        "no-standing-cluster-admin",
        "secrets-readers-are-known",
    ] {
        unknown(name);
    }
    assert_eq!(scan_with(&["-", "--allow-unknown"], &open).status.code(), Some(0));
    let known = format!("{open}---\n{}", bind("cluster-admin"));
    let output = scan_with(&["-", "-o", "json"], &known);
    assert_eq!(control(&json(&output), "no-standing-cluster-admin")["state"], "Failing");
    assert_eq!(output.status.code(), Some(1));
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

/// What a chart renders for `helm install -n tool`: no object names its namespace.
const CHART: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: srv}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: srv, namespace: tool}]
---
apiVersion: v1
kind: Pod
metadata: {name: srv}
spec: {serviceAccountName: srv, hostPID: true, containers: [{name: a, image: b, securityContext: {privileged: true}}]}
";

/// A folder with these controls, each a name and the text of its spec.
fn controls(specs: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, spec) in specs {
        let text = format!(
            "apiVersion: comptroller.dev/v1alpha1\nkind: Control\nmetadata: {{name: {name}}}\nspec:\n  title: t\n  criteria: [CC6.1]\n  owner: us\n  severity: High\n{spec}\n"
        );
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).expect("a file");
    }
    folder
}

fn path_of(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().expect("UTF-8")
}

#[test]
fn a_chart_is_judged_in_the_namespace_that_it_is_installed_in() {
    let rules = controls(&[
        ("weak", "  test: {rbac: {forbid: [WeakPodStrongAccount]}}"),
        (
            "prod",
            "  scope: {namespaces: {matchLabels: {env: prod}}}\n  test: {workload: {require: [NoPrivileged]}}",
        ),
    ]);
    let scan = |options: &[&str]| {
        let fixed = ["-", "--controls", path_of(&rules), "-o", "json"];
        json(&scan_with(&[&fixed, options].concat(), CHART))
    };
    let placed = scan(&["--namespace", "tool"]);
    assert_eq!(control(&placed, "weak")["state"], "Failing", "{placed}");
    let pod = &control(&placed, "prod")["findings"][0]["resource"];
    assert_eq!(pod["namespace"], "tool", "{placed}");
    let note = placed["notes"][0].as_str().unwrap_or_default();
    assert!(note.contains("namespace tool"), "what is assumed is said: {placed}");

    let labelled = scan(&["-n", "tool", "--namespace-labels", "env=dev,team=a"]);
    assert_eq!(control(&labelled, "prod")["state"], "NotApplicable", "{labelled}");
    let note = labelled["notes"][0].as_str().unwrap_or_default();
    assert!(note.starts_with("The selectors of control prod match nothing"), "{labelled}");
    let production = scan(&["-n", "tool", "--namespace-labels", "env=prod"]);
    assert_eq!(control(&production, "prod")["state"], "Failing", "{production}");
    assert_eq!(production["summary"]["objects"], 3, "the told Namespace was not read");
}

#[test]
fn a_namespace_hides_the_others_and_nothing_of_the_cluster() {
    let rules = controls(&[
        ("admins", "  test: {rbac: {forbid: [ClusterAdmin]}}"),
        ("pods", "  test: {workload: {require: [NoPrivileged]}}"),
    ]);
    let two = ["a", "b"].map(|namespace| {
        PRIVILEGED.replace("{name: bad}", &format!("{{name: bad, namespace: {namespace}}}"))
    });
    let manifests = format!("{}---\n{}---\n{CHART}", two[0], two[1]);
    let arguments = ["-", "--controls", path_of(&rules), "-n", "a", "-o", "json"];
    let found = json(&scan_with(&arguments, &manifests));
    let pods = control(&found, "pods");
    assert_eq!((&pods["population"], &pods["failing"]), (&2.into(), &2.into()), "{pods}");
    assert_eq!(control(&found, "admins")["state"], "Failing", "{found}");
}

#[test]
fn filters_say_when_they_leave_nothing() {
    let asked = |options: &[&str]| {
        scan_with(&[&["-", "--controls", "controls", "-o", "json"], options].concat(), PRIVILEGED)
    };
    let names = |output: &Output| -> Vec<String> {
        let found = json(output);
        let controls = found["controls"].as_array().expect("controls");
        controls.iter().map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(
        names(&asked(&["--control", "no-privileged-containers"])),
        ["no-privileged-containers"]
    );
    assert_eq!(names(&asked(&["--severity", "critical"])), ["no-standing-cluster-admin"]);
    for (options, says) in [
        (&["--control", "no-priviledged-containers"][..], "did you mean no-privileged-containers?"),
        (
            &["--control", "widgets-have-an-owner", "--severity", "Critical"],
            "none of the 3 controls",
        ),
        (&["--severity", "urgent"], "write Low, Medium, High or Critical"),
    ] {
        let output = asked(options);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(says), "{options:?}: {stderr}");
        assert_eq!(output.status.code(), Some(2), "{options:?}");
    }
}

#[test]
fn only_what_manifests_can_show_lets_a_clean_repository_pass() {
    let rules = controls(&[
        ("pods", "  test: {workload: {require: [NoPrivileged]}}"),
        ("backups", "  test: {backup: {of: PersistentVolumeClaims, maxAge: 1d}}"),
        ("secrets", "  test: {encryption: {atRest: {resources: [secrets]}}}"),
        ("people", "  test: {attestation: {every: 1y, attesters: {users: [sam]}}}"),
    ]);
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
    let manifests = format!("{FINE}---\n{claim}");
    let fixed = ["-", "--controls", path_of(&rules)];
    let all = scan_with(&fixed, &manifests);
    assert_ne!(all.status.code(), Some(0), "{}", text(&all));
    let some = scan_with(&[&fixed[..], &["--only-manifests", "-o", "json"]].concat(), &manifests);
    assert_eq!(some.status.code(), Some(0), "{}", text(&some));
    let names = json(&some)["controls"].as_array().map(Vec::len);
    assert_eq!(names, Some(1), "{}", text(&some));
}

#[test]
fn a_baseline_forgives_what_it_has_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("known.json");
    let file = file.to_str().expect("UTF-8");
    let fixed = ["-", "--controls", "controls"];
    let with =
        |options: &[&str], manifests: &str| scan_with(&[&fixed[..], options].concat(), manifests);
    let written = with(&["-o", "json", "--output-file", file], PRIVILEGED);
    assert_eq!((written.status.code(), text(&written)), (Some(1), String::new()));
    let again = with(&["--baseline", file], PRIVILEGED);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let words = text(&again).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("1 finding in the baseline"), "{words}");
    let more = format!("{PRIVILEGED}---\n{}", PRIVILEGED.replace("name: bad", "name: worse"));
    let new = with(&["--baseline", file, "-o", "sarif"], &more);
    assert_eq!(new.status.code(), Some(1));
    let results = json(&new);
    let states: Vec<&str> = results["runs"][0]["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|result| result["baselineState"].as_str())
        .collect();
    assert_eq!(states, ["unchanged", "new"]);
    let wrong = with(&["--baseline", "controls/controls.yaml"], FINE);
    assert_eq!(wrong.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(stderr.contains("is not a report of a scan"), "{stderr}");
}

#[test]
fn several_formats_are_written_in_one_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let sarif = format!("sarif={}", file("findings.sarif"));
    let junit = format!("junit={}", file("junit.xml"));
    let arguments = ["-", "--controls", "controls", "-o", "table", "-o", &sarif, "-o", &junit];
    let output = scan_with(&arguments, PRIVILEGED);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).starts_with("NAME "), "{}", text(&output));
    let read = |name: &str| std::fs::read_to_string(file(name)).expect("written");
    let findings: Value = serde_json::from_str(&read("findings.sarif")).expect("JSON");
    assert_eq!(findings["version"], "2.1.0");
    quick_junit::Report::deserialize_from_str(&read("junit.xml")).expect("JUnit XML");
    let two = scan_with(&["-", "-o", "json", "-o", "sarif"], FINE);
    let stderr = String::from_utf8_lossy(&two.stderr).into_owned();
    assert!(stderr.contains("-o table -o sarif=findings.sarif"), "{stderr}");
    let nowhere = scan_with(&["-", "--controls", "controls", "-o", "json=no/where"], FINE);
    let stderr = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(stderr.contains("no/where can't be written"), "{stderr}");
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn an_exception_for_more_than_a_year_and_one_that_allows_nothing_are_named() {
    let exception = |controls: &str, name: &str, days: i64| {
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        format!(
            "apiVersion: comptroller.dev/v1alpha1\nkind: ControlException\nmetadata: {{name: waiver}}\nspec:\n  controls: [{controls}]\n  resources: [{{kind: Pod, name: {name}}}]\n  reason: a driver\n  requestedBy: jane@corp\n  approvedBy: sam@corp\n  expires: \"{end:.0}\"\n"
        )
    };
    let scan = |exception: String| scan_text(&format!("{PRIVILEGED}---\n{exception}"));
    let (long, code) = scan(exception("no-privileged-containers", "bad", 3653));
    assert_eq!(control(&long, "no-privileged-containers")["state"], "Failing", "{long}");
    assert!(first_error(&long).contains("more than one year"), "{long}");
    assert_eq!(code, Some(1));
    for (controls, name, says) in [
        ("no-privileged-containers", "gone", "matches no finding"),
        ("no-privileged-container", "bad", "did you mean no-privileged-containers?"),
    ] {
        let (found, _) = scan(exception(controls, name, 30));
        let note = found["notes"][0].as_str().unwrap_or_default();
        assert!(note.contains("ControlException waiver (-:") && note.contains(says), "{found}");
    }
}

#[test]
fn a_selector_that_fits_nothing_is_named_and_an_absent_kind_is_not() {
    let rules = controls(&[
        (
            "typo",
            "  test: {workload: {require: [NoPrivileged], selector: {matchLabels: {ap: web}}}}",
        ),
        (
            "claims",
            "  test: {backup: {of: PersistentVolumeClaims, maxAge: 1d, selector: {matchLabels: {a: b}}}}",
        ),
    ]);
    let output = scan_with(&["-", "--controls", path_of(&rules), "-o", "json"], PRIVILEGED);
    let found = json(&output);
    let notes = found["notes"].as_array().expect("notes");
    assert_eq!(notes.len(), 1, "{found}");
    let note = notes[0].as_str().unwrap_or_default();
    assert!(note.contains("selectors of control typo match nothing"), "{note}");
}

#[test]
fn help_shows_exit_codes_and_examples() {
    let help = scan(&["--help"]);
    let help = text(&help);
    for part in ["--namespace <NAMESPACE>", "Exit codes:", "Examples:", "helm template . |"] {
        assert!(help.contains(part), "{help}");
    }
}
