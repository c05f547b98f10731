//! A cluster whose operator keeps a log, and the report that is read from it.

use std::{path::PathBuf, process::Command};

use comptroller_core::api::State;
use comptroller_evidence::{entry::Entry, log::LogReader, store};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::Value;

use crate::{
    controlplane::{ControlPlane, wait},
    people,
    process::{Bench, LIMIT, kubectl},
};

/// A cluster, the log of its operator, and since when the period of the report runs.
pub struct World {
    pub bench: Bench,
    pub log: PathBuf,
    pub from: Timestamp,
}

impl World {
    /// An operator with a log, and nothing to judge yet.
    pub async fn start() -> Self {
        let mut world = Self::without_operator().await;
        world.start_operator().await;
        world
    }

    /// A cluster that nobody looks at yet.
    pub async fn without_operator() -> Self {
        let plane = ControlPlane::builder().start().await.expect("control plane");
        Self::of(Bench::without_operator(plane).await)
    }

    /// The shipped policies and roles, people, and an operator with a log.
    pub async fn guarded() -> Self {
        let mut world = Self::of(people::cluster().await);
        world.start_operator().await;
        world
    }

    fn of(bench: Bench) -> Self {
        let log = bench.plane.dir().join("evidence");
        Self { bench, log, from: now() }
    }

    /// Starts the operator, again after it ended.
    pub async fn start_operator(&mut self) {
        let kubeconfig = self.bench.plane.kubeconfig("admin");
        self.start_operator_with(kubeconfig, &[]).await;
    }

    /// The same by another way to the API server, and with further arguments.
    pub async fn start_operator_with(&mut self, kubeconfig: PathBuf, more: &[&str]) {
        let log = self.log.to_str().expect("a path of text").to_owned();
        let arguments = [&["--evidence", &log], more].concat();
        self.bench.start_operator_as(kubeconfig, &arguments).await;
    }

    /// Every entry of the log so far.
    pub async fn entries(&self) -> Vec<Entry> {
        let store = store::open(self.log.to_str().expect("a path of text")).expect("a store");
        let Ok(reader) = LogReader::open(store, None).await else { return Vec::new() };
        let entries: Vec<_> = reader.entries(0..reader.size()).try_collect().await.expect("read");
        entries.iter().map(|(_, bytes)| Entry::parse(bytes).expect("an entry")).collect()
    }

    /// Waits until an entry of the log is as wanted.
    pub async fn until_entry(&self, what: &str, holds: impl Fn(&Entry) -> bool) {
        wait::until(what, LIMIT, async || self.entries().await.iter().any(&holds).then_some(()))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// A namespace that a control of the same name governs: its config maps have an owner, where the
    /// namespace is labelled `env: NAME`. It has one that is in order and is judged to be.
    pub async fn governed(&self, name: &str) -> Governed {
        let governed = Governed(name.to_owned());
        governed.label(self, "prod").await;
        governed.config_map(self, "good", Some("ops")).await;
        governed.declare(self, "", "true").await;
        governed.until(self, State::Passing).await;
        governed
    }

    /// The report over the time from the start of the world until `to`.
    pub fn report_until(&self, to: Timestamp) -> Report {
        let (from, to) = (self.from.to_string(), to.to_string());
        let written = |format: &str| {
            let span = ["cheats", "--from", &from, "--to", &to, "-o", format];
            let (code, text, said) = self.read_report(&span);
            assert_eq!(code, Some(0), "{said}");
            text
        };
        Report {
            json: serde_json::from_str(&written("json")).expect("JSON"),
            page: written("html"),
        }
    }

    /// What `comptroller report` writes with these arguments: its exit code, the report, and what it
    /// says beside it.
    pub fn read_report(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .arg("report")
            .args(arguments)
            .arg("--evidence")
            .arg(&self.log)
            .arg("--kubeconfig")
            .arg(self.bench.plane.kubeconfig("admin"))
            .output()
            .expect("the report is made");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Ends the operator in order, and makes the report until then.
    pub async fn report(&mut self) -> Report {
        self.bench.stop_operator().await;
        // So that the last entry is in it, whatever part of a second was cut off.
        self.report_until(now() + SignedDuration::from_secs(1))
    }
}

/// A control and the namespace that it governs, both of this name.
pub struct Governed(String);

impl Governed {
    /// Labels the namespace with an environment.
    pub async fn label(&self, world: &World, env: &str) {
        let Self(name) = self;
        let yaml = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{env: {env}, cheat: {name}}}}}}}"
        );
        world.bench.apply(&yaml).await;
    }

    /// Writes a config map, which is in order if it has an owner.
    pub async fn config_map(&self, world: &World, name: &str, owner: Option<&str>) {
        let labels = owner.map_or(String::new(), |owner| format!(", labels: {{owner: {owner}}}"));
        let yaml = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {}{labels}}}}}",
            self.0
        );
        world.bench.apply(&yaml).await;
    }

    /// Breaks the rule, and waits until that is found.
    pub async fn break_rule(&self, world: &World) {
        self.config_map(world, "bad", None).await;
        self.until(world, State::Failing).await;
    }

    /// Declares the control with more fields of its spec, and a match condition for its test.
    pub async fn declare(&self, world: &World, more: &str, condition: &str) {
        self.declare_rule(world, more, condition, OWNED).await;
    }

    /// The same with another rule than that each has an owner.
    pub async fn declare_rule(&self, world: &World, more: &str, condition: &str, rule: &str) {
        world.bench.apply(&self.control(more, condition, rule)).await;
    }

    fn control(&self, more: &str, condition: &str, rule: &str) -> String {
        let Self(name) = self;
        let scope = if more.contains("scope:") {
            String::new()
        } else {
            format!("scope: {{namespaces: {{matchLabels: {{cheat: {name}, env: prod}}}}}}")
        };
        let unless = |field: &str, default| if more.contains(field) { "" } else { default };
        let severity = unless("severity:", "severity: High");
        let title = unless("title:", "title: Config maps say who owns them");
        let criteria = unless("criteria:", "criteria: [CC6.1]");
        let heartbeat = unless("heartbeat:", "heartbeat: 1m");
        format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  owner: platform
  {title}
  {criteria}
  {heartbeat}
  {severity}
  {scope}
  {more}
  test:
    cel:
      resources: [{{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}}]
      matchConditions: [{{name: ours, expression: \"object.metadata.name != 'kube-root-ca.crt' && ({condition})\"}}]
      validations: [{{expression: \"{rule}\", message: say who owns it}}]
"
        )
    }

    /// Waits until the control is in a state that speaks of its present spec and is in the log.
    pub async fn until(&self, world: &World, state: State) {
        let Self(name) = self;
        let generation = world.bench.controls().get(name).await.unwrap().metadata.generation;
        world
            .bench
            .until(name, state.as_str(), |status| {
                status.state == state
                    && Some(status.observed_generation) == generation
                    && status.evidence.is_some()
            })
            .await;
    }

    /// Deletes an object of the namespace.
    pub async fn delete(&self, world: &World, kind_and_name: &str) {
        let namespace = format!("--namespace={}", self.0);
        kubectl(&world.bench.plane, &["delete", kind_and_name, &namespace]).await;
    }
}

/// The time in whole seconds, as entries have it.
pub fn now() -> Timestamp {
    Timestamp::now().round(Unit::Second).expect("a time of this century")
}

/// A report, as programs and as people read it.
pub struct Report {
    pub json: Value,
    pub page: String,
}

impl Report {
    /// What it says of a control.
    pub fn control(&self, name: &str) -> &Value {
        let controls = list(&self.json, "controls");
        controls.iter().find(|control| control["name"] == name).expect(name)
    }

    /// What it says of a criterion.
    pub fn criterion(&self, id: &str) -> &Value {
        list(&self.json, "criteria").iter().find(|one| one["id"] == id).expect(id)
    }

    /// The gaps of a cause.
    pub fn gaps(&self, cause: &str) -> Vec<&Value> {
        list(&self.json, "gaps").iter().filter(|gap| gap["cause"] == cause).collect()
    }

    /// Asserts that a control is not said to have had no deviation; what it says of it.
    pub fn is_no_pass(&self, name: &str) -> &Value {
        let control = self.control(name);
        assert_ne!(control["conclusion"], PASS, "{control:#}");
        control
    }

    /// The facts about identity whose sentence has this text.
    pub fn identity(&self, text: &str) -> Vec<&Value> {
        let facts = list(&self.json, "identity").iter();
        facts.filter(|one| one["what"].as_str().is_some_and(|what| what.contains(text))).collect()
    }

    /// Asserts that who reads the page finds these words.
    pub fn shows(&self, words: &[&str]) {
        for word in words {
            assert!(self.page.contains(word), "not on the page: {word}");
        }
    }
}

/// A time of a report; now where it has none.
pub fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(now)
}

/// Nothing that a control with a bad time says may read like this.
pub const PASS: &str = "NoDeviationObserved";

/// The rule that config maps break which have no owner.
pub const OWNED: &str = "has(object.metadata.labels) && 'owner' in object.metadata.labels";

/// A list of an object; empty where it has none.
pub fn list<'v>(object: &'v Value, field: &str) -> &'v [Value] {
    object[field].as_array().map_or(&[], Vec::as_slice)
}

/// The one of a list whose item has this name.
pub fn of_item<'v>(object: &'v Value, field: &str, item: &str) -> &'v Value {
    list(object, field)
        .iter()
        .find(|one| one["item"]["name"] == item)
        .unwrap_or_else(|| panic!("no {field} of {item}: {object:#}"))
}
