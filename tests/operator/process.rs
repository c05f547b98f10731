//! The operator as a child process, and what tests do to its objects.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use comptroller_core::api::{Control, ControlException, ControlStatus, State, schema};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

use crate::controlplane::{ControlPlane, wait};

/// What a test that fails wants to read.
const VERBOSE: &str = "info,comptroller=debug";

/// How long a state may take on a busy machine; far beyond what it takes on an idle one.
pub const LIMIT: Duration = Duration::from_mins(1);

/// A control plane with the CRDs and a running operator.
pub struct Bench {
    pub plane: ControlPlane,
    pub client: Client,
    operator: Option<Operator>,
}

impl Bench {
    /// Starts both; the operator is the administrator.
    pub async fn start() -> Self {
        let plane = ControlPlane::builder().start().await.expect("control plane");
        let mut bench = Self::without_operator(plane).await;
        bench.start_operator("admin").await;
        bench
    }

    /// A control plane as it starts, with nothing of ours.
    #[allow(dead_code, reason = "each test binary uses a part of it")]
    pub fn bare(plane: ControlPlane) -> Self {
        Self { client: plane.admin_client(), plane, operator: None }
    }

    /// A control plane with the CRDs.
    pub async fn without_operator(plane: ControlPlane) -> Self {
        let client = plane.admin_client();
        install_crds(&plane).await;
        Self { plane, client, operator: None }
    }

    /// Starts the operator as a user of the control plane.
    pub async fn start_operator(&mut self, user: &str) {
        let kubeconfig = self.plane.kubeconfig(user);
        self.start_operator_with(kubeconfig).await;
    }

    /// Starts the operator with a kubeconfig, and waits until it is ready.
    pub async fn start_operator_with(&mut self, kubeconfig: PathBuf) {
        self.start_operator_as(kubeconfig, &[]).await;
    }

    /// Starts the operator with further arguments, and waits until it is ready.
    pub async fn start_operator_as(&mut self, kubeconfig: PathBuf, arguments: &[&str]) {
        let operator = Operator::start(kubeconfig, &self.plane, arguments, Some(VERBOSE));
        self.operator = Some(operator.ready().await);
    }

    /// Starts the operator with the log that it keeps when nobody asks for more.
    pub async fn start_operator_as_shipped(&mut self, user: &str) {
        let kubeconfig = self.plane.kubeconfig(user);
        self.operator = Some(Operator::start(kubeconfig, &self.plane, &[], None).ready().await);
    }

    /// The same with a kubeconfig.
    #[allow(dead_code, reason = "each test binary uses a part of it")]
    pub async fn start_operator_as_shipped_with(&mut self, kubeconfig: PathBuf) {
        self.operator = Some(Operator::start(kubeconfig, &self.plane, &[], None).ready().await);
    }

    /// Starts one more operator with further arguments, and waits until it is ready.
    pub async fn another_operator(&self, arguments: &[&str]) -> Operator {
        let kubeconfig = self.plane.kubeconfig("admin");
        Operator::start(kubeconfig, &self.plane, arguments, Some(VERBOSE)).ready().await
    }

    /// Starts one more operator, which may never be ready.
    pub fn begin_another_operator(&self, arguments: &[&str]) -> Operator {
        let kubeconfig = self.plane.kubeconfig("admin");
        Operator::start(kubeconfig, &self.plane, arguments, Some(VERBOSE))
    }

    /// Ends the operator as a crash does.
    pub fn kill_operator(&mut self) {
        drop(self.operator.take().expect("a running operator"));
    }

    /// Ends the operator as the kubelet does, and checks that it ends well.
    pub async fn stop_operator(&mut self) {
        let mut operator = self.operator.take().expect("a running operator");
        operator.terminate().await;
    }

    /// Sends the operator a signal, such as STOP.
    #[allow(dead_code, reason = "each test binary uses a part of it")]
    pub fn signal_operator(&self, signal: &str) {
        self.operator.as_ref().expect("a running operator").signal(signal);
    }

    /// What the operator has logged so far.
    pub fn log(&self) -> String {
        let operator = self.operator.as_ref().expect("a running operator");
        std::fs::read_to_string(&operator.log).expect("its log")
    }

    /// The most memory that the operator ever had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.operator.as_ref().expect("a running operator").peak_memory()
    }

    /// Where the operator serves metrics and probes.
    pub fn url(&self) -> &str {
        &self.operator.as_ref().expect("a running operator").url
    }

    /// Applies YAML, any number of documents.
    pub async fn apply(&self, yaml: &str) {
        for object in documents(yaml) {
            self.apply_object(object).await;
        }
    }

    async fn apply_object(&self, object: Value) -> DynamicObject {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let api = self.api(&object);
        let params = PatchParams::apply("test").force();
        let name = object.name_any();
        api.patch(&name, &params, &Patch::Apply(&object)).await.unwrap_or_else(|error| {
            panic!(
                "{} {name} is not accepted: {error}",
                object.types.as_ref().map_or("", |types| types.kind.as_str())
            )
        })
    }

    /// Deletes what the YAML names.
    pub async fn delete(&self, yaml: &str) {
        for object in documents(yaml) {
            let object: DynamicObject = serde_json::from_value(object).expect("an object");
            let _ = self
                .api(&object)
                .delete(&object.name_any(), &kube::api::DeleteParams::default())
                .await
                .expect("deleted");
        }
    }

    fn api(&self, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.as_ref().expect("apiVersion and kind");
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types).expect("a kind"));
        match object.namespace() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), &namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    pub fn controls(&self) -> Api<Control> {
        Api::all(self.client.clone())
    }

    pub fn exceptions(&self) -> Api<ControlException> {
        Api::all(self.client.clone())
    }

    /// The status of a control once it satisfies a condition.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&ControlStatus) -> bool,
    ) -> ControlStatus {
        let api = self.controls();
        let mut last = None;
        let found = wait::until(&format!("control {name} {what}"), LIMIT, async || {
            last = api.get(name).await.ok().and_then(|control| control.status);
            last.clone().filter(|status| holds(status))
        })
        .await;
        found.unwrap_or_else(|error| panic!("{error}; last status: {last:#?}"))
    }

    /// The status of a control once it is in a state and speaks of the current spec.
    pub async fn until_state(&self, name: &str, state: State) -> ControlStatus {
        self.until(name, &format!("is {}", state.as_str()), |status| {
            status.state == state && !status.conditions.is_empty() && status.since.is_some()
        })
        .await
    }
}

/// Every document of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    use serde::Deserialize;
    yaml_serde::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .filter(|value| !value.is_null())
        .collect()
}

/// Installs our CRDs and waits until they are served.
pub async fn install_crds(plane: &ControlPlane) {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    kubectl(plane, &["apply", "--server-side", "-k", crds]).await;
    let names: Vec<_> = schema::crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    plane.until_served(&names).await.unwrap();
}

/// Runs kubectl as the administrator; its standard output.
pub async fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = plane.kubectl("admin", arguments).await.expect("kubectl");
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A plain HTTP request: the status and the body.
pub async fn get(url: &str, path: &str) -> std::io::Result<(u16, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.unwrap_or_default(), body.to_owned()))
}

/// The operator's process; dropped, it is killed.
pub struct Operator {
    child: Child,
    pub url: String,
    log: PathBuf,
}

impl Operator {
    /// `log_level` is for `RUST_LOG`.
    fn start(
        kubeconfig: PathBuf,
        plane: &ControlPlane,
        arguments: &[&str],
        log_level: Option<&str>,
    ) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = plane.dir().join(format!("operator-{port}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
        match log_level {
            Some(level) => command.env("RUST_LOG", level),
            None => command.env_remove("RUST_LOG"),
        };
        let child = command
            .env("POD_NAME", format!("comptroller-{port}"))
            // As the image has it: otherwise glibc keeps a heap for each thread.
            .env("MALLOC_ARENA_MAX", "1")
            .env("COMPTROLLER_KEY_DIR", plane.dir().join("keys"))
            .args(["run", "--insecure", "--listen", &format!("127.0.0.1:{port}"), "--kubeconfig"])
            .arg(kubeconfig)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().unwrap()))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("the operator starts");
        Self { child, url: format!("http://127.0.0.1:{port}"), log }
    }

    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap() * 1024
    }

    async fn ready(self) -> Self {
        wait::until("the operator is ready", LIMIT, async || {
            let (status, _) = get(&self.url, "/readyz").await.ok()?;
            (status == 200).then_some(())
        })
        .await
        .unwrap_or_else(|error| {
            panic!("{error}:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default())
        });
        self
    }

    /// Sends it a signal, such as STOP.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as the kubelet does, and checks that it ends well.
    pub async fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = wait::until("the operator ends", Duration::from_secs(20), async || {
            self.child.try_wait().unwrap()
        })
        .await
        .expect("it ends within its grace");
        assert!(
            status.success(),
            "{status}: {}",
            std::fs::read_to_string(&self.log).unwrap_or_default()
        );
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the operator's last words:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}
