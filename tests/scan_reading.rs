//! What `comptroller scan` reads, and that it never takes what it did not read for a pass.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails there fails the test"
)]

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n";
const PRIVILEGED: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, securityContext: {privileged: true}}]}\n";
const CONTROL: &str = "apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: unprivileged}
spec:
  title: Nothing runs privileged
  criteria: [CC6.1]
  owner: team@corp
  severity: High
  test: {workload: {require: [NoPrivileged]}}
";

/// A folder with these files, and beside it a control.
fn world(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("in")).unwrap();
    fs::write(root.path().join("control.yaml"), CONTROL).unwrap();
    for (name, text) in files {
        let path = root.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn scan_with(root: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["scan", "--controls", "control.yaml"])
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// What a scan came to.
#[derive(Debug)]
struct Seen {
    code: Option<i32>,
    state: String,
    errors: Vec<String>,
    failing: Vec<String>,
}

fn seen(output: &Output) -> Seen {
    let result: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let texts = |list: &Value, pointer: &str| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one.pointer(pointer).unwrap().as_str().unwrap().to_owned()).collect()
    };
    Seen {
        code: output.status.code(),
        state: result["controls"][0]["state"].as_str().unwrap_or_default().to_owned(),
        errors: texts(&result["errors"], "/message"),
        failing: texts(&result["controls"][0]["findings"], "/resource/name"),
    }
}

fn scan(root: &TempDir, paths: &[&str]) -> Seen {
    seen(&scan_with(root.path(), &[paths, &["-o", "json"]].concat(), ""))
}

fn scan_text(text: &str) -> Seen {
    seen(&scan_with(world(&[]).path(), &["-", "-o", "json"], text))
}

#[test]
fn reading_nothing_is_no_pass() {
    for (files, expected) in [
        (&[][..], "no file in it ends in"),
        (&[("README.md", "# read me")], "no file in it ends in"),
        (&[("values.yaml", "image: b\n")], "contains no Kubernetes object"),
        (
            &[("empty.yaml", ""), ("comments.yaml", "# nothing\n---\n")],
            "contains no Kubernetes object",
        ),
        (&[("kustomization.yaml", "resources: []\n")], "contains no Kubernetes object"),
        (&[("main.jsonnet", "{}")], "jsonnet FILE | comptroller scan -"),
        (&[("helmfile.yaml", "releases: []\n")], "helmfile template | comptroller scan -"),
    ] {
        let found = scan(&world(files), &["in"]);
        assert_eq!(found.code, Some(2), "{files:?}: {found:?}");
        assert!(found.errors[0].contains(expected), "{files:?}: {found:?}");
    }
    for text in ["", "\n", "# only\n---\n...\n", "apiVersion: v1\nkind: List\nitems: null\n"] {
        let found = scan_text(text);
        assert_eq!(found.code, Some(2), "{text:?}: {found:?}");
        assert!(found.errors[0].contains("no Kubernetes object in the input"), "{found:?}");
    }
    let root = world(&[("a.yaml", POD), ("none/values.yaml", "a: 1\n")]);
    assert_eq!(scan(&root, &["in"]).code, Some(0));
    let found = scan(&root, &["in/a.yaml", "in/none"]);
    assert_eq!(
        (found.code, found.errors.len()),
        (Some(2), 1),
        "each path has to hold some: {found:?}"
    );
    let found = scan(&root, &["control.yaml"]);
    assert_eq!(found.code, Some(2));
    assert!(found.errors[0].contains("nothing to evaluate"), "{found:?}");
    assert_eq!(scan(&root, &["control.yaml", "in/a.yaml"]).code, Some(0));
}

#[test]
fn a_chart_says_how_to_render_it() {
    let template = "{{- range .Values.all }}\napiVersion: v1\nkind: Pod\nmetadata: {name: {{ .name }}}\n---\n{{- end }}\n";
    let root = world(&[
        ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("web/values.yaml", "all: []\n"),
        ("web/templates/pods.yaml", &template.repeat(50)),
        ("web/templates/_helpers.tpl", "{{ define \"x\" }}{{ end }}"),
        ("web/charts/below/Chart.yaml", "apiVersion: v2\nname: below\nversion: 1.0.0\n"),
        ("plain/a.yaml", POD),
        ("plain/b.yaml", PRIVILEGED),
    ]);
    for path in ["in/web", "in/web/templates"] {
        let found = scan(&root, &[path]);
        assert_eq!((found.code, found.errors.len()), (Some(2), 1), "{found:?}");
        assert!(
            found.errors[0].contains("helm template ")
                && found.errors[0].contains("web | comptroller scan -"),
            "{found:?}"
        );
        assert_eq!(found.state, "Unknown", "the templates name Pods");
    }
    let found = scan(&root, &["in"]);
    assert_eq!((found.code, found.errors.len()), (Some(1), 1), "{found:?}");
    assert_eq!(found.failing, ["bad"], "the rest is judged all the same");
    let found = scan(&root, &["in/web/templates/pods.yaml"]);
    assert_eq!((found.code, found.errors.len()), (Some(2), 1), "{found:?}");
    assert_eq!(found.state, "Unknown");
}

#[test]
fn an_overlay_says_how_to_render_it_and_a_mere_list_is_read() {
    let root = world(&[
        (
            "base/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- a.yaml\n",
        ),
        ("base/a.yaml", POD),
        ("prod/kustomization.yaml", "resources: [../base]\npatches:\n- path: patches/p.yaml\n"),
        (
            "prod/patches/p.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: true}\n",
        ),
    ]);
    assert_eq!(scan(&root, &["in/base"]).code, Some(0));
    let found = scan(&root, &["in/prod"]);
    assert_eq!((found.code, found.errors.len()), (Some(2), 1), "{found:?}");
    assert!(
        found.errors[0].contains("`kubectl kustomize in/prod | comptroller scan -`"),
        "{found:?}"
    );
    assert_eq!(found.state, "Unknown", "its patch names a Pod");
    let found = scan(&root, &["in"]);
    assert_eq!(
        (found.code, found.errors.len(), found.state.as_str()),
        (Some(2), 1, "Unknown"),
        "{found:?}"
    );
}

#[test]
fn links_are_followed_within_the_named_folder_only() {
    let root = world(&[("real/a.yaml", POD)]);
    fs::create_dir(root.path().join("elsewhere")).unwrap();
    fs::write(root.path().join("elsewhere/b.yaml"), PRIVILEGED).unwrap();
    let within = root.path().join("in");
    symlink("real", within.join("link")).unwrap();
    symlink("real/a.yaml", within.join("again.yaml")).unwrap();
    symlink("..", within.join("real/loop")).unwrap();
    let found = scan(&root, &["in"]);
    // The loop leads to the named folder itself.
    assert_eq!(found.code, Some(0), "{found:?}");
    symlink("../elsewhere", within.join("out")).unwrap();
    symlink("../elsewhere/b.yaml", within.join("out.yaml")).unwrap();
    symlink("/dev/zero", within.join("zero.yaml")).unwrap();
    symlink("/etc/hostname", within.join("no-manifest")).unwrap();
    let found = scan(&root, &["in"]);
    assert_eq!((found.code, found.errors.len()), (Some(2), 3), "{found:?}");
    assert!(
        found.errors.iter().all(|error| error.contains("is a link to a path outside of in")),
        "{found:?}"
    );
    let found = scan(&root, &["in", "elsewhere"]);
    assert_eq!(found.failing, ["bad"], "what is named is read");
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_are_read_when_named_and_never_waited_for_in_a_folder() {
    let root = world(&[("a.yaml", POD)]);
    pipe(&root.path().join("in/b.yaml"));
    let found = scan(&root, &["in"]);
    assert_eq!((found.code, found.errors.len()), (Some(2), 1), "{found:?}");
    assert!(found.errors[0].contains("not a regular file"), "{found:?}");

    // A control behind the objects has them read again; a pipe gives them only once.
    let named = root.path().join("named");
    pipe(&named);
    let text = format!("{PRIVILEGED}---\n{}", CONTROL.replace("unprivileged", "another"));
    let writer = std::thread::spawn(move || fs::write(named, text).unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["scan", "named", "-o", "json"])
        .current_dir(root.path())
        .output()
        .unwrap();
    writer.join().unwrap();
    let found = seen(&output);
    assert_eq!((found.code, found.failing.len()), (Some(1), 1), "{found:?}");
}

#[test]
fn what_can_not_be_read_leaves_its_controls_unknown_in_every_format() {
    for (text, expected) in [
        ("apiVersion: v1\nkind: pod\nmetadata: {name: b}\n", "write `kind: Pod`"),
        ("apiVersion: v1\nkind: Deployment\nmetadata: {name: b}\n", "write `apiVersion: apps/v1`"),
        (
            "apiVersion: apps/v3\nkind: DaemonSet\nmetadata: {name: b}\n",
            "write `apiVersion: apps/v1`",
        ),
        (
            "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: b}\n",
            "write `apiVersion: batch/v1`",
        ),
        ("kind: Pod\nmetadata: {name: b}\n", "without apiVersion"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "metadata.name is missing"),
        ("apiVersion: v1\nkind: Pod\n  metadata: [\n", "mapping values"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: b, name: c}\n", "appears twice"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }}}\n", "helm template"),
        ("apiVersion: v1\nkind: List\nitems: {kind: Pod}\n", "items is not a list"),
        ("{\"kind\": \"Pod\", \"apiVersion\": \"v1\", ", "EOF"),
        (&POD.replace("image: b", "image: c"), "already defined"),
        (
            "apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t}\nobjects:\n- {apiVersion: v1, kind: Pod}\n",
            "oc process",
        ),
    ] {
        let found = scan_text(&format!("{POD}---\n{text}"));
        assert_eq!((found.code, found.state.as_str()), (Some(2), "Unknown"), "{text}: {found:?}");
        assert!(found.errors.iter().any(|error| error.contains(expected)), "{text}: {found:?}");
        let found = scan_text(&format!("{PRIVILEGED}---\n{text}"));
        assert_eq!(found.failing, ["bad"], "{text}: what fails fails all the same");
    }
    let root =
        world(&[("a.yaml", POD), ("b.yaml", "apiVersion: v1\nkind: pods\nmetadata: {name: b}\n")]);
    for (format, needle) in [
        ("table", "unprivileged   Unknown"),
        ("json", "\"state\": \"Unknown\""),
        ("sarif", "write `kind: Pod`"),
        ("junit", "write `kind: Pod`"),
    ] {
        let output = scan_with(root.path(), &["in", "-o", format], "");
        assert_eq!(output.status.code(), Some(2), "{format}");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(needle), "{format}: {text}");
    }
}

#[test]
fn a_document_that_lost_its_kind_is_told_from_one_that_needs_none() {
    for (text, expected) in [
        ("Kind: Pod\napiVersion: v1\nmetadata: {name: b}\n", "write `kind`"),
        ("apiVersion: v1\nmetadata: {name: b}\nspec: {}\n", "it has no kind"),
        ("metadata: {name: b}\nspec: {}\n", "it has no kind"),
    ] {
        let found = scan(&world(&[("a.yaml", POD), ("b.yaml", text)]), &["in"]);
        assert_eq!(found.code, Some(2), "{text}: {found:?}");
        assert!(found.errors[0].contains(expected), "{text}: {found:?}");
    }
    let files = [
        ("a.yaml", POD),
        ("compose.yaml", "services: {}\n"),
        ("Chart.lock", "dependencies: []\n"),
        ("list.yaml", "- 1\n"),
    ];
    assert_eq!(scan(&world(&files), &["in"]).code, Some(0));
}

#[test]
fn nulls_and_byte_order_marks_hide_nothing() {
    let text = "\u{feff}---
apiVersion: v1
kind: Pod
metadata: {name: first, labels: {app: null}, annotations: {note: }}
spec:
  nodeSelector: {disk: ~}
  containers: [{name: a, image: b, securityContext: {privileged: true}}]
\u{feff}---
\u{feff}apiVersion: apps/v1
kind: Deployment
metadata: {name: second, annotations: {a: null}}
spec:
  selector: {matchLabels: {a: null}}
  template:
    metadata: {labels: {a: null}, annotations: {checksum: null}}
    spec: {containers: [{name: a, image: b, args: null, securityContext: {privileged: true, capabilities: null}}]}
";
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let found = scan_text(&text);
        assert_eq!((found.code, found.errors.len()), (Some(1), 0), "{found:?}");
        assert_eq!(found.failing, ["first", "second"]);
    }
}
