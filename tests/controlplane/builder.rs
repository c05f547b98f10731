//! How a control plane is described and started.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::http::Request;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::Api;

use super::ControlPlane;
use super::certificates;
use super::directory::Directory;
use super::error::Error;
use super::port::Port;
use super::process::Process;
use super::users::{self, User};

/// A start takes some 3 seconds; this is for a machine that compiles at the same time.
const START_LIMIT: Duration = Duration::from_mins(2);
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// How often other ports are tried when a foreign process takes one in the meantime.
const ATTEMPTS: usize = 5;

const KWOK_STAGES: &str = include_str!("kwok.yaml");

/// A key for tests, which protects nothing.
const ENCRYPTION_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What to start, and with which users.
#[derive(Clone)]
pub struct Builder {
    controller_manager: bool,
    scheduler: bool,
    kwok: bool,
    api_server_arguments: Vec<String>,
    api_server_files: Vec<(String, String)>,
    pub(super) users: Vec<User>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            controller_manager: false,
            scheduler: false,
            kwok: false,
            api_server_arguments: Vec::new(),
            api_server_files: Vec::new(),
            users: User::predefined(),
        }
    }

    /// Garbage collection, namespace deletion, aggregation of `ClusterRole`s, workloads, tokens
    /// of `ServiceAccount`s: without it, objects are stored and nothing follows.
    pub fn controller_manager(mut self, wanted: bool) -> Self {
        self.controller_manager = wanted;
        self
    }

    /// Pods are bound to nodes.
    pub fn scheduler(mut self, wanted: bool) -> Self {
        self.scheduler = wanted;
        self
    }

    /// KWOK plays the kubelets of `ControlPlane::create_node`: pods run, those of Jobs complete.
    /// A pod labelled `controlplane/outcome: failure` fails instead.
    pub fn kwok(mut self, wanted: bool) -> Self {
        self.kwok = wanted;
        self
    }

    /// A flag of kube-apiserver, which wins over the fixture's own; `{dir}` is the folder.
    pub fn api_server_arg(mut self, argument: &str) -> Self {
        self.api_server_arguments.push(argument.to_owned());
        self
    }

    /// A flag of kube-apiserver that names a file, such as `audit-policy-file`, with its contents.
    pub fn api_server_file(mut self, flag: &str, contents: &str) -> Self {
        self.api_server_arguments.push(format!("--{flag}={{dir}}/api-server/{flag}"));
        self.api_server_files.push((format!("api-server/{flag}"), contents.to_owned()));
        self
    }

    /// Encrypts `resources` (such as `secrets`) at rest with AES-CBC.
    pub fn encryption(self, resources: &[&str]) -> Self {
        let configuration = serde_json::json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [{
                "resources": resources,
                "providers": [
                    { "aescbc": { "keys": [{ "name": "test", "secret": ENCRYPTION_KEY }] } },
                    { "identity": {} },
                ],
            }],
        });
        self.api_server_file("encryption-provider-config", &configuration.to_string())
    }

    /// A person besides `admin`, `reviewer`, `developer` and `auditor`.
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        self.users.push(User::new(name, groups));
        self
    }

    /// Starts it all and waits until it serves. The logs of a failed start stay.
    pub async fn start(self) -> Result<ControlPlane, Error> {
        // Rustls needs a provider before the first client; an installed one is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let binaries = Binaries::find(&self)?;
        for _ in 1..ATTEMPTS {
            match self.clone().attempt(binaries.clone()).await {
                Err((_, error)) if error.is_port_taken() => {}
                result => return result.map_err(kept),
            }
        }
        self.attempt(binaries).await.map_err(kept)
    }

    /// A failure comes with the control plane, whose folder its caller keeps or drops.
    async fn attempt(
        self,
        binaries: Binaries,
    ) -> Result<ControlPlane, (Option<Box<ControlPlane>>, Error)> {
        let mut plane = ControlPlane::prepare(self, binaries).map_err(|error| (None, error))?;
        match plane.run().await {
            Ok(()) => Ok(plane),
            Err(error) => Err((Some(Box::new(plane)), error)),
        }
    }
}

fn kept((plane, error): (Option<Box<ControlPlane>>, Error)) -> Error {
    if let Some(plane) = plane {
        plane.directory.keep();
    }
    error
}

/// Where the components are.
#[derive(Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// `KUBEBUILDER_ASSETS` if it is set, as every user of envtest expects, or else what
    /// `make controlplane` built.
    fn find(options: &Builder) -> Result<Self, Error> {
        let (folder, remedy) = match env::var_os("KUBEBUILDER_ASSETS") {
            Some(folder) if !folder.is_empty() => {
                (PathBuf::from(folder), "unset KUBEBUILDER_ASSETS and run `make controlplane`")
            }
            _ => (
                Path::new(env!("CARGO_MANIFEST_DIR")).join("target/controlplane/bin"),
                "run `make controlplane`",
            ),
        };
        let needed = [
            ("etcd", true),
            ("kube-apiserver", true),
            ("kube-controller-manager", options.controller_manager),
            ("kube-scheduler", options.scheduler),
            ("kwok", options.kwok),
        ];
        for (name, _) in needed.into_iter().filter(|(_, needed)| *needed) {
            if !folder.join(name).is_file() {
                return Err(Error::Missing { name, folder, remedy });
            }
        }
        Ok(Self { folder })
    }
}

impl ControlPlane {
    /// Everything but the processes.
    fn prepare(options: Builder, binaries: Binaries) -> Result<Self, Error> {
        let directory = Directory::create()?;
        let plane = Self {
            kwok: None,
            scheduler: None,
            controller_manager: None,
            api_server: None,
            etcd: None,
            etcd_port: Port::reserve()?,
            etcd_peer_port: Port::reserve()?,
            api_server_port: Port::reserve()?,
            controller_ports: Vec::new(),
            authority: certificates::write(&directory)?,
            binaries,
            options,
            directory,
        };
        let files = &plane.directory;
        let server = plane.server_url();
        for user in &plane.options.users {
            let kubeconfig = user.kubeconfig(&server, &plane.dir().join("ca.crt"));
            files.write(&user.kubeconfig_name(), kubeconfig.to_string())?;
        }
        files.write("tokens.csv", users::token_file(&plane.options.users))?;
        files.write("kwok.yaml", KWOK_STAGES)?;
        for (name, contents) in &plane.options.api_server_files {
            files.write(name, contents)?;
        }
        files.write("logs/etcd.log", "")?;
        Ok(plane)
    }

    pub(super) async fn run_etcd(&mut self) -> Result<(), Error> {
        let etcd = self.spawn("etcd", &self.arguments(&self.folder()).etcd())?;
        let etcd = self.etcd.insert(etcd);
        let port = &self.etcd_port;
        ready(etcd, async || port.is_open()).await
    }

    async fn run(&mut self) -> Result<(), Error> {
        self.run_etcd().await?;
        self.run_api_server().await?;
        if self.options.controller_manager {
            self.run_controller_manager().await?;
        }
        if self.options.scheduler {
            let (port, kubeconfig) = self.controller(users::SCHEDULER)?;
            let arguments = self.arguments(&self.folder()).scheduler(&port, &kubeconfig);
            let process = self.spawn("kube-scheduler", &arguments)?;
            ready(self.scheduler.insert(process), async || port.is_open()).await?;
            self.controller_ports.push(port);
        }
        if self.options.kwok {
            let (port, kubeconfig) = self.controller(users::KWOK)?;
            let arguments = self.arguments(&self.folder()).kwok(&port, &kubeconfig);
            let process = self.spawn("kwok", &arguments)?;
            ready(self.kwok.insert(process), async || port.is_open()).await?;
            self.controller_ports.push(port);
        }
        Ok(())
    }

    /// Ready is when it says so and has made the namespaces that every cluster has.
    pub(super) async fn run_api_server(&mut self) -> Result<(), Error> {
        let arguments = self
            .arguments(&self.folder())
            .api_server(self.options.controller_manager, &self.options.api_server_arguments);
        let process = self.spawn("kube-apiserver", &arguments)?;
        let client = self.admin_client();
        let namespaces = Api::<Namespace>::all(client.clone());
        ready(self.api_server.insert(process), async || {
            let Ok(request) = Request::get("/readyz").body(Vec::new()) else {
                return false;
            };
            client.request_text(request).await.is_ok() && namespaces.get("default").await.is_ok()
        })
        .await
    }

    /// Ready is when it has made the first `ServiceAccount`, without which no Pod is admitted.
    async fn run_controller_manager(&mut self) -> Result<(), Error> {
        let (port, kubeconfig) = self.controller(users::CONTROLLER_MANAGER)?;
        let arguments = self.arguments(&self.folder()).controller_manager(&port, &kubeconfig);
        let process = self.spawn("kube-controller-manager", &arguments)?;
        let accounts = Api::<ServiceAccount>::namespaced(self.admin_client(), "default");
        ready(self.controller_manager.insert(process), async || {
            port.is_open() && accounts.get("default").await.is_ok()
        })
        .await?;
        self.controller_ports.push(port);
        Ok(())
    }

    fn spawn(&self, name: &'static str, arguments: &[String]) -> Result<Process, Error> {
        let log = self.dir().join("logs").join(format!("{name}.log"));
        Process::start(name, &self.binaries.folder.join(name), arguments, log)
    }

    fn controller(&self, user: &str) -> Result<(Port, String), Error> {
        let kubeconfig = self.kubeconfig(user).display().to_string();
        Ok((Port::reserve()?, kubeconfig))
    }

    fn folder(&self) -> String {
        self.dir().display().to_string()
    }
}

/// Polls until `probe` holds, the process has ended, or the limit has passed.
async fn ready(process: &mut Process, mut probe: impl AsyncFnMut() -> bool) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        process.check()?;
        if matches!(tokio::time::timeout(PROBE_LIMIT, probe()).await, Ok(true)) {
            return Ok(());
        }
        if start.elapsed() > START_LIMIT {
            return Err(process.failure(&format!("was not ready after {START_LIMIT:?}")));
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}
