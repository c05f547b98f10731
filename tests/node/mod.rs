//! A real node beside the control plane: kubelet, kube-proxy, containerd and cluster DNS, without
//! Docker and without the internet.
//!
//! ```no_run
//! let node = Node::start().await?;
//! node.kubectl(&["get", "nodes"]).await?;
//! ```
//!
//! It needs root and Linux, and says what else a machine lacks. Dropped, or however its process
//! ends, the machine is as it was before: see host.sh. One machine has one node at a time.

#![allow(dead_code, reason = "each binary uses a part of it")]

mod container;
mod dns;
mod error;
mod host;
mod image;
mod requirements;
mod settings;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::{Api, Client};

use crate::controlplane::{self, ControlPlane, port::Port, process::Process, wait};

pub use container::Container;
pub use error::Error;
pub use host::{ADDRESS, ROOT};
pub use image::Image;
pub use settings::NAME;

use host::Host;
use requirements::{Machine, find};
use settings::Ports;

/// How long a component may take to be ready on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// A cluster of one real node. Its fields are dropped in order: the kubelet before what it needs.
pub struct Node {
    kubelet: Option<Process>,
    proxy: Option<Process>,
    containerd: Option<Process>,
    machine: Machine,
    ports: [Port; 3],
    host: Host,
    /// The control plane, whose folder has the logs of everything.
    pub plane: ControlPlane,
}

impl Node {
    /// Starts everything and waits until the node is ready and the cluster's DNS answers.
    pub async fn start() -> Result<Self, Error> {
        let machine = Machine::inspect()?;
        let host = Host::prepare()?;
        let node_user = format!("system:node:{NAME}");
        let mut builder = ControlPlane::builder()
            .controller_manager(true)
            .scheduler(true)
            .user(&node_user, &["system:nodes"])
            .user("system:kube-proxy", &[]);
        for argument in settings::api_server_arguments() {
            builder = builder.api_server_arg(&argument);
        }
        let plane = builder.start().await?;
        let ports = [Port::reserve()?, Port::reserve()?, Port::reserve()?];
        let mut node =
            Self { kubelet: None, proxy: None, containerd: None, machine, ports, host, plane };
        node.configure(&node_user)?;
        node.run().await?;
        node.install_dns().await?;
        Ok(node)
    }

    /// A client as the administrator.
    pub fn client(&self) -> Client {
        self.plane.admin_client()
    }

    /// Runs kubectl as the administrator; its standard output, or an error with what it said.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.kubectl_with_input(arguments, "").await
    }

    /// The same with something to read, as `apply -f -` does.
    pub async fn kubectl_with_input(
        &self,
        arguments: &[&str],
        input: &str,
    ) -> Result<String, Error> {
        let output = self.plane.kubectl_with_input("admin", arguments, input).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let said = text(&output.stderr) + &text(&output.stdout);
        Err(Error::Command { command: format!("kubectl {}", arguments.join(" ")), said })
    }

    /// A folder of this name on the node's disk, writable by the operator's user, such as for a
    /// `hostPath` volume. It goes with the node.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.host.root.join(name);
        fs::create_dir_all(&path).map_err(|source| Error::file(&path, source))?;
        Ok(path)
    }

    /// Makes an image known to the node under its name.
    pub async fn import(&self, archive: &Path) -> Result<(), Error> {
        let archive = archive.display().to_string();
        self.ctr(&["images", "import", "--digests=false", &archive]).await.map(drop)
    }

    /// The same, under another name than the one in the archive, which holds one image.
    pub async fn import_as(&self, archive: &Path, name: &str) -> Result<(), Error> {
        let archive = archive.display().to_string();
        let said = self.ctr(&["images", "import", "--digests=false", &archive]).await?;
        // "unpacking NAME (sha256:...)...done"
        let known = said.split_whitespace().skip_while(|word| *word != "unpacking").nth(1);
        let known =
            known.ok_or_else(|| Error::Host(format!("ctr did not name the image: {said}")))?;
        if known == name { Ok(()) } else { self.tag(known, name).await }
    }

    /// Gives an image that the node knows another name.
    pub async fn tag(&self, known: &str, name: &str) -> Result<(), Error> {
        self.ctr(&["images", "tag", "--force", known, name]).await.map(drop)
    }

    /// Ends the kubelet and starts it again; containers run on.
    pub async fn restart_kubelet(&mut self) -> Result<(), Error> {
        self.kubelet = None;
        self.run_kubelet()?;
        self.until_ready().await
    }

    /// What a power cut does to the node: everything on it ends at once, volumes stay.
    pub async fn power_cut(&mut self) -> Result<(), Error> {
        self.kubelet = None;
        self.proxy = None;
        // Before the containers, so that it doesn't see them end.
        self.containerd = None;
        container::kill_all();
        self.run().await
    }

    fn configure(&self, node_user: &str) -> Result<(), Error> {
        let root = Path::new(ROOT);
        let snapshotter = self.host.snapshotter()?;
        let authority = self.plane.dir().join("ca.crt");
        let numbers = self.port_numbers();
        let proxy_kubeconfig = self.plane.kubeconfig("system:kube-proxy");
        let files = [
            ("containerd.toml", settings::containerd(&snapshotter, &self.machine.plugins)),
            ("cni/net.d/10-pods.conflist", settings::network().to_string()),
            ("kubelet.json", settings::kubelet(&numbers, &authority).to_string()),
            ("proxy.json", settings::proxy(&numbers, &proxy_kubeconfig).to_string()),
            ("node-user", node_user.to_owned()),
        ];
        for (name, text) in files {
            let path = root.join(name);
            let folder = path.parent().unwrap_or(root);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|source| Error::file(&path, source))?;
        }
        Ok(())
    }

    fn port_numbers(&self) -> Ports {
        let [kubelet, proxy_health, proxy_metrics] = self.ports.each_ref().map(Port::number);
        Ports { kubelet, proxy_health, proxy_metrics }
    }

    async fn run(&mut self) -> Result<(), Error> {
        let config = format!("--config={ROOT}/containerd.toml");
        let containerd = find("containerd").unwrap_or_default();
        self.containerd = Some(self.spawn("containerd", &containerd, &[config])?);
        wait::until("containerd answers", LIMIT, async || self.ctr(&["version"]).await.ok())
            .await
            .map_err(|_| self.failure("containerd"))?;
        self.import_pause().await?;
        self.run_kubelet()?;
        let binary = self.machine.built.join("kube-proxy");
        let config = format!("--config={ROOT}/proxy.json");
        self.proxy = Some(self.spawn("kube-proxy", &binary, &[config])?);
        self.until_ready().await
    }

    fn run_kubelet(&mut self) -> Result<(), Error> {
        let kubeconfig = self.plane.kubeconfig(&format!("system:node:{NAME}"));
        let binary = self.machine.built.join("kubelet");
        let arguments = settings::kubelet_arguments(&kubeconfig);
        self.kubelet = Some(self.spawn("kubelet", &binary, &arguments)?);
        Ok(())
    }

    /// Ready is when the kubelet listens, which it does once it knows the containers that it finds, and
    /// says so. What it said before a restart still stands for a while.
    async fn until_ready(&mut self) -> Result<(), Error> {
        let nodes = Api::<NodeObject>::all(self.client());
        let ready = wait::until("the node is ready", LIMIT, async || {
            // It ends when containerd is still recovering what ran before, and systemd starts it again.
            if self.kubelet.as_mut().is_none_or(|kubelet| kubelet.check().is_err()) {
                self.run_kubelet().ok()?;
            }
            if !self.ports[0].is_open() {
                return None;
            }
            let conditions = nodes.get(NAME).await.ok()?.status?.conditions?;
            conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True").then_some(())
        })
        .await;
        ready.map_err(|_| self.failure("kubelet").into())
    }

    async fn import_pause(&self) -> Result<(), Error> {
        let pause = self.machine.built.join("pause");
        let folder = self.folder("images/pause")?;
        let image = Image::new(settings::PAUSE, folder, &["/pause"])?.file(&pause, "/pause")?;
        self.import(&image.archive()?).await
    }

    /// Runs containerd's own client among the kubelet's containers.
    async fn ctr(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(find("ctr").unwrap_or_default());
        command.args(["--address", &settings::socket(), "--namespace", "k8s.io"]).args(arguments);
        // On another thread, so that a server of the test's own runtime can answer meanwhile.
        let ran = tokio::task::spawn_blocking(move || run(&mut command)).await;
        ran.unwrap_or_else(|error| Err(Error::Host(error.to_string())))
    }

    fn spawn(
        &self,
        name: &'static str,
        binary: &Path,
        arguments: &[String],
    ) -> Result<Process, Error> {
        let log = self.plane.dir().join("logs").join(format!("{name}.log"));
        Ok(Process::start(name, binary, arguments, log)?)
    }

    fn failure(&self, name: &str) -> controlplane::Error {
        let process = match name {
            "containerd" => self.containerd.as_ref(),
            _ => self.kubelet.as_ref(),
        };
        let what = format!("did not become ready in {LIMIT:?}");
        process.map_or_else(
            || controlplane::Error::Timeout { what: name.to_owned(), limit: LIMIT },
            |process| process.failure(&what),
        )
    }
}

/// Runs a command to its end; its standard output, or an error with what it said.
fn run(command: &mut Command) -> Result<String, Error> {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| Error::file(command.get_program(), source))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(Error::Command { command: name, said: text(&output.stderr) + &text(&output.stdout) })
}
