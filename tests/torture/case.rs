//! One case: a namespace, two controls that hold, an operator behind a proxy of its own, its log.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use comptroller_core::api::State;

use crate::{
    controlplane::wait,
    faults::Proxy,
    history::{History, Seen},
    operator::{LIMIT, Operator, Start},
    scrape::Scrape,
    stand::{Objects, Stand},
};

/// What an operator sees only its own of. RBAC objects apply to the whole cluster, and to all cases.
const OWN: [&str; 5] =
    ["controls", "controlexceptions", "attestations", "auditperiods", "clusterrolebindings"];

pub struct Case<'a> {
    pub name: String,
    pub history: &'a History,
    pub objects: Objects,
    pub proxy: Proxy,
    pub start: Start,
    pub folder: PathBuf,
    pub operator: Option<Operator>,
    /// What the operator's metrics said last.
    pub metrics: Option<String>,
}

impl<'a> Case<'a> {
    /// Everything but the operator. `name` is a short DNS label.
    pub async fn new(stand: &Stand, history: &'a History, name: &str, seed: u64) -> Case<'a> {
        // A plan may be run again on the same plane.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let name = name.as_str();
        let folder = stand.plane.dir().join("cases").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let proxy = Proxy::start(stand.plane.config("admin"), &folder, seed);
        proxy.show_only(&format!("case={name}"), &OWN);
        let start = Start {
            kubeconfig: proxy.kubeconfig(),
            evidence: folder.join("evidence").display().to_string(),
            namespace: format!("case-{name}"),
            log: folder.join("operator.log"),
            arguments: Vec::new(),
            environment: Vec::new(),
            file_limit: None,
        };
        let objects = Objects::new(stand.client());
        objects.apply(&world(name)).await;
        let name = name.to_owned();
        Self { name, history, objects, proxy, start, folder, operator: None, metrics: None }
    }

    /// Removes what later cases would have to look at.
    pub async fn clear(&self) {
        self.mend().await;
        let world = world(&self.name);
        // A namespace alone is nothing to look at, and nobody ends it here.
        let rest = world.split_once("---").map_or("", |(_, rest)| rest);
        self.objects.delete(rest).await;
    }

    pub fn controls(&self) -> [String; 2] {
        [format!("{}-maps", self.name), format!("{}-admins", self.name)]
    }

    pub fn start(&mut self) {
        self.operator = Some(Operator::start(&self.start));
    }

    /// Stops the operator in order, if it runs, and keeps its last metrics.
    pub async fn stop(&mut self) -> Result<(), String> {
        let Some(operator) = self.operator.take() else { return Ok(()) };
        self.metrics = operator.metrics().await;
        operator.stop().await
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.start.log).unwrap_or_default()
    }

    /// Makes both controls fail.
    pub async fn violate(&self) {
        self.objects.apply(&violation(&self.name)).await;
    }

    /// Takes the fault back.
    pub async fn mend(&self) {
        self.objects.delete(&violation(&self.name)).await;
    }

    /// Waits until both controls are in a state, and the log has it.
    pub async fn until(&self, state: State, limit: Duration) -> Result<(), String> {
        let all = async || {
            let stands = |control: &String| self.stands(control, state);
            self.controls().iter().all(stands).then_some(())
        };
        wait::until(&format!("both controls are {state}"), limit, all).await.map_err(|error| {
            let last = self.controls().map(|control| self.describe(&control));
            format!("{error}; {}", last.join("; "))
        })
    }

    fn stands(&self, control: &str, state: State) -> bool {
        let Some(seen) = self.history.last(control) else { return false };
        let recorded = |seen: &Seen| {
            let conditions = &seen.status.as_ref()?.conditions;
            let found = conditions.iter().find(|known| known.type_ == "EvidenceRecorded")?;
            Some(found.status == "True")
        };
        seen.state() == Some(state) && recorded(&seen) == Some(true)
    }

    pub fn describe(&self, control: &str) -> String {
        let Some(seen) = self.history.last(control) else { return format!("{control}: none") };
        let Some(status) = seen.status else { return format!("{control}: no status") };
        let conditions: Vec<String> = status
            .conditions
            .iter()
            .map(|known| format!("{}={} {}", known.type_, known.status, known.reason))
            .collect();
        format!("{control}: {} {} ({})", status.state, status.reason, conditions.join(", "))
    }

    /// Since when each control is as it is, once the metrics of the operator know both.
    pub async fn settled(&self, limit: Duration) -> Result<Vec<Option<jiff::Timestamp>>, String> {
        let operator = self.operator.as_ref().ok_or("no operator")?;
        let since = async || {
            let metrics = operator.metrics().await?;
            let scrape = Scrape(&metrics);
            let of = |control: &String| {
                let status = self.history.last(control)?.status?;
                let known = scrape.state(control)? == status.state;
                known.then(|| status.since.map(|since| since.0))
            };
            self.controls().iter().map(of).collect::<Option<Vec<_>>>()
        };
        let found = wait::until("the metrics know both controls", limit, since).await;
        found.map_err(|error| error.to_string())
    }

    /// Starts it and waits until both controls pass.
    pub async fn begin(&mut self) -> Result<(), String> {
        self.start();
        self.until(State::Passing, LIMIT).await
    }
}

/// What is there from the beginning, and as it should be.
fn world(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: case-{name}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: comptroller-evidence, namespace: case-{name}, labels: {{owner: operator}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: good, namespace: case-{name}, labels: {{owner: ops}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}-ops, labels: {{case: {name}}}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: ops}}]
---
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}-maps, labels: {{case: {name}}}}}
spec:
  title: Config maps say who owns them
  criteria: [CC6.1]
  owner: platform
  severity: Low
  heartbeat: 1m
  test:
    cel:
      resources: [{{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}}]
      matchConditions: [{{name: ours, expression: \"object.metadata.namespace == 'case-{name}'\"}}]
      validations: [{{expression: \"has(object.metadata.labels) && 'owner' in object.metadata.labels\", message: say who owns it}}]
---
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}-admins, labels: {{case: {name}}}}}
spec:
  title: Few may do everything
  criteria: [CC6.1]
  owner: platform
  severity: High
  heartbeat: 1m
  test:
    rbac:
      forbid: [ClusterAdmin]
      allow: [{{kind: Group, name: ops}}, {{kind: Group, name: 'system:*'}}, {{kind: User, name: 'system:*'}}]
"
    )
}

fn violation(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: bad, namespace: case-{name}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {name}-bad, labels: {{case: {name}}}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@corp}}]
"
    )
}
