//! Manifests mean to us what they mean to kubectl and the API server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod controlplane;

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use axum::http::Request;
use comptroller::source::manifest::{self, Limits, ManifestDocument};
use comptroller_core::inventory::{Catalog, Interner, Projector, catalog};
use controlplane::ControlPlane;
use kube::Client;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};

const SEEDS: [u64; 3] = [212_647, 90_125, 7];
/// How many files of each seed.
const FILES: usize = 4_000;

/// Builds the Go program; Go itself caches what has not changed.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = root.join("target/manifest_go/manifestread");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(root.join("tests/manifest_go"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go 1.26 or newer is needed to read manifests as kubectl does: https://go.dev/dl");
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    binary
}

/// What kubectl makes of each file: its documents, and the error that ended it.
fn ask_kubectl(files: &[String]) -> Vec<(Vec<Value>, Option<String>)> {
    let mut child = Command::new(build())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().unwrap();
    let text = serde_json::to_vec(files).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&text).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers: Vec<Vec<BTreeMap<String, Value>>> =
        serde_json::from_slice(&output.stdout).expect("JSON");
    let split = |mut documents: Vec<BTreeMap<String, Value>>| {
        let error = documents.iter_mut().find_map(|document| document.remove("error"));
        let objects = documents.into_iter().filter_map(|mut document| document.remove("object"));
        (objects.collect(), error.map(|error| error.as_str().unwrap().to_owned()))
    };
    answers.into_iter().map(split).collect()
}

fn read(file: &str) -> (Vec<Value>, Vec<String>) {
    let (mut objects, mut errors) = (Vec::new(), Vec::new());
    manifest::read("f", file.as_bytes(), Limits::default(), &mut |found| match found {
        Ok(ManifestDocument::Object(object, _)) => objects.push(object),
        Ok(ManifestDocument::Other(at)) => errors.push(format!("{at:?} is no object")),
        Err(error) => errors.push(error.message),
    });
    (objects, errors)
}

/// Writes random files: what people write by hand, and what trips parsers.
struct Scribe {
    random: SmallRng,
    text: String,
    /// Anchors so far in the document, and whether each names a map.
    anchors: Vec<(String, bool)>,
}

const SCALARS: &[&str] = &[
    "a",
    "b c",
    "yes",
    "No",
    "on",
    "y",
    "~",
    "null",
    "Null",
    "",
    "true",
    "False",
    "1",
    "-1",
    "+1",
    "0",
    "007",
    "08",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1.5",
    ".5",
    "-.5",
    "1e3",
    "1E+3",
    "1.e2",
    "6.02e23",
    "1e400",
    "12:30:45",
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    "10.0.0.1",
    "1.2.3",
    "=",
    "<<",
    "a: b",
    "'yes'",
    "\"no\"",
    "'it''s'",
    "\"a\\tb\"",
    "\"\\u00e9\"",
    "\"\\x41\"",
    "'# no comment'",
    "a#b",
    "a # comment",
    "18446744073709551615",
    "9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "!!str 1",
    "!!str yes",
    "!!int 1",
    "!!float 1",
    "!!float 1.5",
    "!!bool true",
    "!!null ~",
    "!!binary aGk=",
    "!own x",
    "! 1",
    "$(VAR)",
    "a'b",
    "é",
    "\"\"",
    "''",
    "-",
    "- a",
    "a:b",
    ":a",
    "?a",
    "@a",
    "`a`",
    "%a",
    "&",
    "*",
    "|",
    ">",
    "[a]",
    "{a: b}",
    "\u{feff}a",
    "a\u{feff}",
    "0.0",
    "-0",
    "-0.0",
    "0.1e-7",
    "1e-7",
    "100000000000000000000.0",
    ".inf",
    ".nan",
    "inf",
    "/a/b",
    "a,b",
    "[",
    "}",
    "a]",
    "- ",
    "---",
    "...",
    "a\tb",
    "'a\n   b'",
    "\"a\n   b\"",
    "\"a\\\n   b\"",
    "'---'",
    "!own 1",
    "!own yes",
    "!own '1'",
    "! yes",
    "!<tag:yaml.org,2002:str> yes",
    "!!str\n        yes",
    "!!str # c\n        1",
    "# not !important\n        yes",
    "!!timestamp 2001-01-01",
    "b !c",
];

const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "yes",
    "no",
    "1",
    "1.5",
    "010",
    "'q'",
    "\"r\"",
    "'yes'",
    "\"<<\"",
    "x/y",
    "a.b",
    "null-ish",
    "é",
    "1e3",
    "true",
    "2001-01-01",
    "k8s.io/x",
    "? f",
    "=",
    "0x10",
];

impl Scribe {
    fn write(&mut self, text: fmt::Arguments<'_>) {
        self.text.write_fmt(text).unwrap();
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(&mut self.random).unwrap()
    }

    /// Anchors share few names, so that they are defined again and again.
    fn anchor(&mut self, map: bool) -> String {
        if !self.chance(0.25) {
            return String::new();
        }
        let name = self.pick(&["x", "y", "z", "a-1", "x_2"]).to_owned();
        self.anchors.retain(|(known, _)| *known != name);
        self.anchors.push((name.clone(), map));
        format!("&{name} ")
    }

    fn alias(&mut self) -> Option<String> {
        if self.anchors.is_empty() || !self.chance(0.2) {
            return None;
        }
        let (name, _) = self.anchors.choose(&mut self.random)?;
        Some(format!("*{name}"))
    }

    fn scalar(&mut self) -> String {
        if let Some(alias) = self.alias() {
            return alias;
        }
        let anchor = self.anchor(false);
        // Mostly of the harmless ones, or nearly no file would be one.
        let tame = self.chance(0.93);
        let scalar = if tame { self.pick(&SCALARS[..56]) } else { self.pick(SCALARS) };
        format!("{anchor}{scalar}")
    }

    fn flow(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance(0.4) {
            let scalar = self.scalar();
            return if scalar.contains([',', '[', ']', '{', '}', '#']) {
                "plain".into()
            } else {
                scalar
            };
        }
        let count = self.random.random_range(0..4);
        let space = self.pick(&["", " ", "\n      ", " # c\n      "]);
        let (open, close, map) =
            if self.chance(0.5) { ("[", "]", false) } else { ("{", "}", true) };
        let anchor = self.anchor(map);
        let mut parts = Vec::new();
        for at in 0..count {
            let value = self.flow(depth - 1);
            parts.push(if !map {
                value
            } else if self.chance(0.15) {
                format!("\"k{at}\":{value}")
            } else {
                format!("k{at}: {value}")
            });
        }
        let comma = if self.chance(0.1) && count > 0 { "," } else { "" };
        format!("{anchor}{open}{space}{}{comma}{space}{close}", parts.join(&format!(",{space}")))
    }

    /// A value behind `key:` or `-`, with its line break.
    fn value(&mut self, indent: usize, depth: usize) {
        match self.random.random_range(0..10) {
            0..=4 => {
                let scalar = self.scalar();
                self.write(format_args!(" {scalar}\n"));
            }
            5 => {
                let flow = self.flow(3);
                self.write(format_args!(" {flow}\n"));
            }
            6 => {
                let head = self.pick(&["|", ">", "|-", ">-", "|+", "|2"]);
                let pad = " ".repeat(indent + 2);
                let tail = self.pick(&["", "\n", "\n\n"]);
                self.write(format_args!(
                    " {head}\n{pad}&x one *x\n{pad}  two: [\n\n{pad}three{tail}\n"
                ));
            }
            _ if depth == 0 => self.text += "\n",
            7 | 8 => {
                let anchor = self.anchor(true);
                self.write(format_args!(" {anchor}\n"));
                self.map(indent + 2, depth - 1);
            }
            _ => {
                let anchor = self.anchor(false);
                self.write(format_args!(" {anchor}\n"));
                for _ in 0..self.random.random_range(1..4) {
                    self.write(format_args!("{}-", " ".repeat(indent)));
                    self.value(indent + 2, depth - 1);
                }
            }
        }
    }

    fn map(&mut self, indent: usize, depth: usize) {
        let pad = " ".repeat(indent);
        let merged = self.anchors.iter().find(|(_, map)| *map).map(|(name, _)| name.clone());
        if let Some(name) = merged
            && self.chance(0.3)
        {
            self.write(format_args!("{pad}<<: *{name}\n"));
        }
        let mut keys: Vec<&str> = KEYS.to_vec();
        for _ in 0..self.random.random_range(1..4) {
            let at = self.random.random_range(0..keys.len());
            let key = keys.swap_remove(at);
            if self.chance(0.1) {
                let between =
                    self.pick(&["# a comment\n", "\n", "   # another\n", "# not !important\n"]);
                self.text += between;
            }
            self.write(format_args!("{pad}{key}:"));
            self.value(indent, depth);
        }
    }

    fn file(&mut self) -> String {
        self.text.clear();
        for at in 0..self.random.random_range(1..3) {
            self.anchors.clear();
            if at > 0 || self.chance(0.2) {
                let marker = self.pick(&[
                    "---\n",
                    "--- # next\n",
                    "---   \n",
                    "---\n# c\n",
                    "---\n---\n",
                    "---\r\n",
                ]);
                self.text += marker;
            }
            if self.chance(0.1) {
                self.text.push('\u{feff}');
            }
            self.write(format_args!("apiVersion: v1\nkind: ConfigMap\nn: {at}\n"));
            self.map(0, 3);
        }
        self.text.clone()
    }
}

/// Why we may refuse what kubectl takes: it would drop or change something without a word.
const STRICTER: &[&str] = &[
    "a key appears twice",
    "tagged !!binary",
    "a tag makes text of",
    "a byte order mark (U+FEFF) stands within",
    // Of a key that appears twice, the second value wins.
    "a number is infinite or not a number",
    // YAML 1.2 has no such text, and the parser that knows anchors and tags takes no other.
    "a lone `-` stands between brackets",
    "a quoted text goes on left of where it may",
];

/// What kubectl reads, but for two oddities of its own.
fn without_oddities(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                // It takes a byte order mark behind `---` for a part of the first key, and then
                // finds no apiVersion in the file.
                let key = if key == "\u{feff}apiVersion" { "apiVersion".to_owned() } else { key };
                (key, without_oddities(value))
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(without_oddities).collect(),
        // It writes `-0`, which is the same number.
        Value::Number(number) if number.as_f64() == Some(0.0) => json!(0),
        other => other,
    }
}

#[test]
fn random_files_mean_what_they_mean_to_kubectl() {
    let mut files = Vec::new();
    for seed in SEEDS {
        let random = SmallRng::seed_from_u64(seed);
        let mut scribe = Scribe { random, text: String::new(), anchors: Vec::new() };
        files.extend((0..FILES).map(|_| scribe.file()));
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (file, (theirs, error)) in files.iter().zip(ask_kubectl(&files)) {
        let theirs: Vec<Value> = theirs.into_iter().map(without_oddities).collect();
        let (ours, errors) = read(file);
        let same = ours.len() >= theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| a == b);
        let outcome = match (&error, errors.first()) {
            (None, None) if ours == theirs => "both read".to_owned(),
            // It stops at the first error; we read on.
            (Some(_), Some(_)) => "both refuse".to_owned(),
            (None, Some(message)) if STRICTER.iter().any(|it| message.contains(it)) => {
                "stricter".to_owned()
            }
            (None, Some(message)) => format!("we refuse: {message}"),
            (Some(error), None) => {
                format!("we read: {}", error.rsplit(": ").next().unwrap_or(error))
            }
            (None, None) => format!("DIFFERENT {same}"),
        };
        if !matches!(outcome.as_str(), "both read" | "both refuse" | "stricter")
            && wrong.len() < 400
        {
            wrong.push(format!("{outcome}\n{file:?}\nours {ours:?}\ntheirs {theirs:?}"));
        }
        *counts.entry(outcome).or_default() += 1;
    }
    if let Ok(path) = std::env::var("DUMP") {
        std::fs::write(path, wrong.join("\n\n")).unwrap();
    }
    assert!(wrong.is_empty(), "{counts:#?}\n\n{}", wrong[..wrong.len().min(5)].join("\n\n"));
    assert!(counts["both read"] > files.len() / 3, "{counts:#?}");
}

/// Objects with every kind of map, list and struct that a null may stand in.
fn samples() -> Vec<(&'static str, Value)> {
    let pod = json!({
        "nodeSelector": {"disk": "ssd"},
        "serviceAccountName": "web",
        "securityContext": {"runAsNonRoot": true, "fsGroup": 1, "sysctls": []},
        "containers": [{
            "name": "app", "image": "r.test/app:1", "command": ["run"], "args": ["a", "b"],
            "env": [{"name": "A", "value": "b"}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}},
            "securityContext": {"privileged": false, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
            "ports": [{"containerPort": 80}],
        }],
        "volumes": [{"name": "v", "emptyDir": {}}],
    });
    let labels = json!({"app": "web"});
    vec![
        (
            "/api/v1/namespaces",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "labels": labels, "annotations": {"a": "b"}}}),
        ),
        (
            "/api/v1/namespaces/default/configmaps",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "labels": labels}, "data": {"a": "b", "c": "d"}}),
        ),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "n", "labels": labels, "annotations": {"a": "b"}},
                "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels, "annotations": {"c": "d"}}, "spec": pod}},
            }),
        ),
        (
            "/api/v1/namespaces/default/services",
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "n"},
                "spec": {"selector": labels, "ports": [{"port": 80}], "externalIPs": []},
            }),
        ),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims",
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "n", "labels": labels},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "s", "resources": {"requests": {"storage": "1Gi"}}},
            }),
        ),
        (
            "/apis/storage.k8s.io/v1/storageclasses",
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "n"},
                "provisioner": "driver.test", "parameters": {"encrypted": "true", "fsType": "ext4"}, "mountOptions": ["ro"],
            }),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "n", "annotations": {"a": "b"}},
                "spec": {"tls": [{"hosts": ["a.test"], "secretName": "s"}], "rules": [{"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]},
            }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "n", "labels": labels},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}, {"nonResourceURLs": ["/x"], "verbs": ["get"]}],
            }),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "n"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "default"}],
            }),
        ),
        (
            "/api/v1/namespaces/default/serviceaccounts",
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "n", "annotations": {"eks.amazonaws.com/role-arn": "x"}}}),
        ),
    ]
}

/// Every place that may become null, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        let place = format!("{at}/{key}");
        if !matches!(place.as_str(), "/apiVersion" | "/kind" | "/metadata" | "/metadata/name") {
            found.push(place.clone());
        }
        places(child, &place, found);
    }
}

async fn dry_run(client: &Client, path: &str, object: &Value) -> Option<Value> {
    let request = Request::post(format!("{path}?dryRun=All"))
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(object).unwrap())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(stored) => Some(stored),
        Err(kube::Error::Api(status)) if status.code < 500 => None,
        Err(error) => panic!("{error}"),
    }
}

/// Whether everything that `ours` says is so in `stored`, which says more by defaults.
fn is_stored(ours: &Value, stored: &Value) -> bool {
    match (ours, stored) {
        (Value::Object(ours), Value::Object(stored)) => ours.iter().all(|(key, value)| {
            // The API server leaves out what is empty.
            let empty = matches!(value, Value::Object(map) if map.is_empty())
                || value == &json!([])
                || value == &json!("");
            match stored.get(key) {
                Some(stored) => is_stored(value, stored),
                None => empty,
            }
        }),
        (Value::Array(ours), Value::Array(stored)) => {
            ours.len() == stored.len() && ours.iter().zip(stored).all(|(a, b)| is_stored(a, b))
        }
        (ours, stored) => ours == stored,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_are_what_the_api_server_stores() {
    let plane = controlplane::shared().await;
    let client = plane.admin_client();
    let catalog = Catalog::builtin();
    let (mut taken, mut refused) = (0, 0);
    let mut wrong = Vec::new();
    for (path, sample) in samples() {
        let (group, kind) =
            (sample["apiVersion"].as_str().unwrap(), sample["kind"].as_str().unwrap());
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let row = catalog.find_kind(group, kind).unwrap();
        let projector =
            Projector::new(row.resource.clone(), Vec::new(), Arc::new(Interner::default()));
        for trial in trials(&sample) {
            let mut object = sample.clone();
            for place in &trial {
                if let Some(value) = object.pointer_mut(place) {
                    *value = Value::Null;
                }
            }
            let Some(mut stored) = dry_run(&client, path, &object).await else {
                refused += 1;
                continue;
            };
            taken += 1;
            drop_what_only_a_server_says(&mut stored);
            manifest::as_stored(&mut object);
            let ours = projector.project(&object).unwrap().facts;
            let theirs = projector.project(&stored).unwrap().facts;
            if !is_stored(&object, &stored) || ours != theirs {
                wrong.push(format!(
                    "{trial:?}\nours {object}\nstored {stored}\nours {ours:?}\nstored {theirs:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {taken}\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(taken > 150 && refused > 30, "taken {taken}, refused {refused}");
}

/// Places that become null at once: each by itself, and some together.
fn trials(sample: &Value) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    places(sample, "", &mut all);
    let mut trials: Vec<Vec<String>> = all.iter().map(|place| vec![place.clone()]).collect();
    for seed in SEEDS {
        let mut random = SmallRng::seed_from_u64(seed);
        trials.extend((0..10).map(|_| all.choose_multiple(&mut random, 3).cloned().collect()));
    }
    trials
}

fn drop_what_only_a_server_says(stored: &mut Value) {
    let metadata = stored["metadata"].as_object_mut().unwrap();
    for field in ["uid", "creationTimestamp", "managedFields"] {
        metadata.remove(field);
    }
    // Every Namespace gets it.
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        labels.remove("kubernetes.io/metadata.name");
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
}

/// Group, version and kind of all that an API server has.
async fn served(client: &Client) -> Vec<(String, String, String)> {
    let mut versions = vec![(String::new(), "v1".to_owned())];
    for group in client.list_api_groups().await.unwrap().groups {
        versions.extend(group.versions.into_iter().map(|it| (group.name.clone(), it.version)));
    }
    let mut served = Vec::new();
    for (group, version) in versions {
        let list = if group.is_empty() {
            client.list_core_api_resources(&version).await
        } else {
            client.list_api_group_resources(&format!("{group}/{version}")).await
        };
        let kinds = list.unwrap().resources.into_iter().filter(|it| !it.name.contains('/'));
        served.extend(kinds.map(|it| (group.clone(), version.clone(), it.kind)));
    }
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_that_an_api_server_has_is_taken_and_a_mistyped_one_is_not() {
    let plane = ControlPlane::builder()
        .api_server_arg("--runtime-config=api/all=true")
        .start()
        .await
        .unwrap();
    let catalog = Catalog::builtin();
    let served = served(&plane.admin_client()).await;
    assert!(served.len() > 80, "{}", served.len());
    let wrong: Vec<_> = served
        .iter()
        .filter_map(|(group, version, kind)| {
            catalog::find_type_mistake(&catalog, group, version, kind)
        })
        .map(|mistake| mistake.message)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (group, version, kind) in &served {
        for (group, version, kind) in [
            (group.clone(), version.clone(), kind.to_lowercase()),
            (group.clone(), version.clone(), format!("{kind}x")),
            (group.clone(), "v7".to_owned(), kind.clone()),
            (format!("{group}x"), version.clone(), kind.clone()),
        ] {
            // The group of an add-on has a dot and is not below k8s.io.
            let elsewhere = group.contains('.') && group.ends_with('x');
            let known = catalog.find_kind(group.trim_end_matches('x'), &kind).is_some();
            if !elsewhere && version != "v7" || known {
                assert!(
                    catalog::find_type_mistake(&catalog, &group, &version, &kind).is_some(),
                    "{group}/{version} {kind}"
                );
            }
        }
    }
}
