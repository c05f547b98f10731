//! A real Kubernetes control plane on loopback: etcd, kube-apiserver and, as a test needs them,
//! kube-controller-manager, kube-scheduler and KWOK in place of the kubelets.
//!
//! ```no_run
//! let plane = ControlPlane::builder().controller_manager(true).start().await?;
//! let namespaces = Api::<Namespace>::all(plane.client("admin"));
//! ```
//!
//! It starts in seconds and ends whatever happens: dropping it ends the components and removes
//! its folder, and so does the death of the process, SIGKILL included. In a panic the logs stay
//! and their place is printed. The environment variable `CONTROLPLANE_KEEP` keeps them always.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::panic, clippy::expect_used, reason = "a mistaken test is told so at once")]

mod arguments;
mod builder;
mod certificates;
mod directory;
mod error;
pub mod port;
pub mod process;
mod served;
mod users;
pub mod wait;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use serde_json::json;
use tokio::sync::OnceCell;

pub use builder::Builder;
pub use error::Error;

use arguments::Arguments;
use builder::Binaries;
use certificates::Authority;
use directory::Directory;
use port::Port;
use process::Process;
use users::User;

/// How long a node may take to be ready on a busy machine.
const NODE_LIMIT: Duration = Duration::from_mins(1);

/// A running control plane. Its fields are dropped in order: what needs the API server first,
/// the folder last.
pub struct ControlPlane {
    kwok: Option<Process>,
    scheduler: Option<Process>,
    controller_manager: Option<Process>,
    api_server: Option<Process>,
    etcd: Option<Process>,
    etcd_port: Port,
    etcd_peer_port: Port,
    api_server_port: Port,
    controller_ports: Vec<Port>,
    binaries: Binaries,
    options: Builder,
    authority: Authority,
    directory: Directory,
}

/// What etcd held at a time.
pub struct Snapshot {
    folder: PathBuf,
}

/// The control plane that the tests of one binary share, with a controller manager; they keep
/// apart by namespaces and names. Statics are never dropped: it ends with the process, and its
/// logs stay when any test has panicked.
pub async fn shared() -> &'static ControlPlane {
    static SHARED: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();
    let started = SHARED
        .get_or_init(|| async {
            let plane = ControlPlane::builder().controller_manager(true).start().await?;
            plane.keep_logs_on_panic();
            Ok(plane)
        })
        .await;
    started.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

impl ControlPlane {
    /// The options, all off: etcd and the API server alone.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A new client as `user`, which must be called within a runtime and belongs to it:
    /// tests share a control plane, but not clients.
    pub fn client(&self, user: &str) -> Client {
        Client::try_from(self.config(user)).expect("a client for a certificate made here")
    }

    /// A new client as `admin`, a member of `system:masters`.
    pub fn admin_client(&self) -> Client {
        self.client("admin")
    }

    /// A client's configuration as `user`. Requests that fail are not repeated: a test that
    /// takes the API server away wants to see that, and the others want to hear of errors at once.
    pub fn config(&self, user: &str) -> Config {
        let url = self.server_url().parse().expect("an address");
        let mut config = Config::new(url);
        config.root_cert = Some(vec![self.authority.der.clone()]);
        config.auth_info = self.user(user).auth_info();
        config.default_retry = false;
        config
    }

    /// A kubeconfig file as `user`, for kubectl and the operator's binary.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir().join(self.user(user).kubeconfig_name())
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server_port.number())
    }

    /// The certificate authority that signed the API server's certificate, in PEM.
    pub fn ca(&self) -> &str {
        &self.authority.pem
    }

    /// The folder with the data, the kubeconfigs and `logs/`; it goes with the control plane.
    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// Every port in use.
    pub fn ports(&self) -> Vec<u16> {
        [&self.etcd_port, &self.etcd_peer_port, &self.api_server_port]
            .into_iter()
            .chain(&self.controller_ports)
            .map(Port::number)
            .collect()
    }

    /// Runs kubectl as `user` and returns what it printed, whether it succeeded or not.
    pub async fn kubectl(&self, user: &str, arguments: &[&str]) -> Result<Output, Error> {
        self.kubectl_with_input(user, arguments, "").await
    }

    /// Runs kubectl as `user` with `input` on its standard input, as `apply -f -` reads it.
    pub async fn kubectl_with_input(
        &self,
        user: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Output, Error> {
        let input = self.directory.write(&format!("input/{:016x}", port::random()), input)?;
        let stdin = std::fs::File::open(&input).map_err(|source| Error::file(&input, source))?;
        let mut command = Command::new(kubectl());
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig(user))
            .env("KUBECACHEDIR", self.dir().join("kubectl"))
            .stdin(Stdio::from(stdin));
        // On another thread, so that a server of the test's own runtime can answer meanwhile.
        tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("kubectl's thread")
            .map_err(|source| Error::Spawn { name: "kubectl (`make kubectl` installs it)", source })
    }

    /// Adds a node that KWOK plays and waits until it is ready.
    pub async fn create_node(&self, name: &str) -> Result<Node, Error> {
        let kwok = self.kwok.as_ref().expect("a node needs `.kwok(true)` in the builder");
        let nodes = Api::<Node>::all(self.admin_client());
        let node = serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "labels": {
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                },
            },
        }))
        .expect("a node");
        nodes.create(&PostParams::default(), &node).await?;
        wait::until("a ready node", NODE_LIMIT, async || {
            let node = nodes.get(name).await.ok()?;
            let ready = node.status.as_ref()?.conditions.as_ref()?.iter();
            let ready = ready.clone().any(|c| c.type_ == "Ready" && c.status == "True");
            ready.then_some(node)
        })
        .await
        .map_err(|_| kwok.failure(&format!("did not make node {name} ready in {NODE_LIMIT:?}")))
    }

    /// Kills the API server; its port stays reserved. Everything else keeps running.
    pub fn stop_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the API server again on the same port and waits until it is ready.
    pub async fn start_api_server(&mut self) -> Result<(), Error> {
        self.run_api_server().await
    }

    /// An outage of the API server, as short as can be.
    pub async fn restart_api_server(&mut self) -> Result<(), Error> {
        self.stop_api_server();
        self.start_api_server().await
    }

    /// Freezes the API server: it accepts connections and answers nothing.
    pub fn freeze_api_server(&self) -> Result<(), Error> {
        self.api_server.as_ref().map_or(Ok(()), |process| process.signal("STOP"))
    }

    /// Lets a frozen API server go on.
    pub fn thaw_api_server(&self) -> Result<(), Error> {
        self.api_server.as_ref().map_or(Ok(()), |process| process.signal("CONT"))
    }

    /// Keeps what is stored now, for [`restore`](Self::restore). The API server stands meanwhile.
    pub async fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let snapshot =
            Snapshot { folder: self.dir().join(format!("etcd-{:016x}", port::random())) };
        self.stop_api_server();
        self.etcd = None;
        directory::copy(&self.dir().join("etcd"), &snapshot.folder)?;
        self.run_etcd().await?;
        self.start_api_server().await?;
        Ok(snapshot)
    }

    /// Goes back to what was stored then, as after a disaster: revisions are given out again.
    pub async fn restore(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.stop_api_server();
        self.etcd = None;
        let data = self.dir().join("etcd");
        std::fs::remove_dir_all(&data).map_err(|source| Error::file(&data, source))?;
        directory::copy(&snapshot.folder, &data)?;
        self.run_etcd().await?;
        self.start_api_server().await
    }

    /// Lets the logs stay when any thread of this process panics from now on.
    pub fn keep_logs_on_panic(&self) {
        let dir = self.dir().to_owned();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            directory::keep(&dir);
            previous(panic);
        }));
    }

    fn user(&self, name: &str) -> &User {
        let users = &self.options.users;
        users.iter().find(|user| user.name() == name).unwrap_or_else(|| {
            panic!("no user {name}: add `.user({name:?}, groups)` to the builder")
        })
    }

    fn arguments<'a>(&'a self, dir: &'a str) -> Arguments<'a> {
        Arguments {
            dir,
            etcd: &self.etcd_port,
            etcd_peer: &self.etcd_peer_port,
            api_server: &self.api_server_port,
        }
    }
}

/// The kubectl of `make kubectl`, or the one in `PATH`.
pub fn kubectl() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/kubectl");
    if installed.exists() { installed } else { PathBuf::from("kubectl") }
}
