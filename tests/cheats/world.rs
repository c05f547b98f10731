//! A cluster whose operator keeps a log, and the report that is read from it.

use std::{path::PathBuf, process::Command};

use comptroller_core::api::State;
use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::{
    controlplane::ControlPlane,
    process::{Bench, kubectl},
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
        let plane = ControlPlane::builder().start().await.expect("control plane");
        let bench = Bench::without_operator(plane).await;
        let log = bench.plane.dir().join("evidence");
        let mut world = Self { bench, log, from: now() };
        world.start_operator().await;
        world
    }

    /// Starts the operator, again after it ended.
    pub async fn start_operator(&mut self) {
        let kubeconfig = self.bench.plane.kubeconfig("admin");
        let log = self.log.to_str().expect("a path of text").to_owned();
        self.bench.start_operator_as(kubeconfig, &["--evidence", &log]).await;
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
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["report", "cheats", "-o", "json", "--from", &self.from.to_string()])
            .args(["--to", &to.to_string(), "--evidence"])
            .arg(&self.log)
            .output()
            .expect("the report is made");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        Report(serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Ends the operator in order, and makes the report until then.
    pub async fn report(&mut self) -> Report {
        self.bench.stop_operator().await;
        self.report_until(now())
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
        let Self(name) = self;
        let scope = if more.contains("scope:") {
            String::new()
        } else {
            format!("scope: {{namespaces: {{matchLabels: {{cheat: {name}, env: prod}}}}}}")
        };
        let severity = if more.contains("severity:") { "" } else { "severity: High" };
        let yaml = format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: Config maps say who owns them
  criteria: [CC6.1]
  owner: platform
  heartbeat: 1m
  {severity}
  {scope}
  {more}
  test:
    cel:
      resources: [{{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}}]
      matchConditions: [{{name: ours, expression: \"object.metadata.name != 'kube-root-ca.crt' && ({condition})\"}}]
      validations: [{{expression: \"has(object.metadata.labels) && 'owner' in object.metadata.labels\", message: say who owns it}}]
"
        );
        world.bench.apply(&yaml).await;
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

/// A report as JSON.
pub struct Report(pub Value);

impl Report {
    /// What it says of a control.
    pub fn control(&self, name: &str) -> &Value {
        let controls = list(&self.0, "controls");
        controls.iter().find(|control| control["name"] == name).expect(name)
    }

    /// The gaps, of one control where one is named, or of all.
    pub fn gaps(&self, cause: &str) -> Vec<&Value> {
        list(&self.0, "gaps").iter().filter(|gap| gap["cause"] == cause).collect()
    }
}

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
