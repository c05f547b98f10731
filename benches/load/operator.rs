//! The operator's binary as a child process, and all that is read of it and of what it uses.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use kube::Client;

use crate::{
    Result,
    controlplane::{self, ControlPlane, port::Port, wait},
    resources::{Memory, Process, Reading, Scrape},
};

const BINARY: &str = env!("CARGO_BIN_EXE_comptroller");

/// How long it may take until it answers; nothing is evaluated before.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The running operator; dropping it ends it.
pub struct Operator {
    pub started: Instant,
    process: Process,
    port: Port,
    _child: controlplane::process::Process,
}

/// What is read beside the operator.
pub struct Surroundings {
    client: Client,
    api_server: Process,
    etcd_port: u16,
}

impl Surroundings {
    pub fn of(plane: &ControlPlane, client: &Client) -> Result<Self> {
        let dir = plane.dir().display().to_string();
        let etcd_port = plane.ports().first().copied().ok_or("etcd has no port")?;
        let api_server = Process::find("kube-apiserver", &dir)?;
        Ok(Self { client: client.clone(), api_server, etcd_port })
    }

    /// What was used before there was an operator.
    pub async fn read(&self) -> Result<Reading> {
        let etcd = Scrape::of_port(self.etcd_port).await?;
        Ok(Reading {
            at: Instant::now(),
            operator_cpu: 0.0,
            api_server_cpu: self.api_server.cpu_seconds()?,
            requests: std::collections::BTreeMap::new(),
            etcd_bytes: etcd.sum("etcd_disk_wal_write_bytes_total"),
        })
    }

    /// Requests that the API server has answered, by verb.
    pub async fn answered(&self) -> Result<std::collections::BTreeMap<String, f64>> {
        Ok(Scrape::of_api_server(&self.client).await?.by("apiserver_request_total", "verb"))
    }

    /// How much etcd stores.
    pub async fn stored_bytes(&self) -> Result<f64> {
        let etcd = Scrape::of_port(self.etcd_port).await?;
        Ok(etcd.sum("etcd_mvcc_db_total_size_in_use_in_bytes"))
    }
}

impl Operator {
    /// Starts it, as the administrator and with an evidence log as it ships, and waits until it
    /// serves.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let port = Port::reserve()?;
        let listen = format!("127.0.0.1:{}", port.number());
        let kubeconfig = plane.kubeconfig("admin").display().to_string();
        let evidence = plane.dir().join("evidence").display().to_string();
        let arguments = [
            "run",
            "--insecure",
            "--listen",
            &listen,
            "--kubeconfig",
            &kubeconfig,
            "--evidence",
            &evidence,
            // The checkpoint is published here; a namespace of its own would be judged, too.
            "--leader-elect-namespace",
            "kube-system",
        ];
        let log = plane.dir().join("logs/comptroller.log");
        let started = Instant::now();
        let mut child = controlplane::process::Process::start(
            "comptroller",
            Path::new(BINARY),
            &arguments.map(str::to_owned),
            log,
        )?;
        wait::until("the operator serves", START_LIMIT, async || {
            (child.check().is_err() || port.is_open()).then_some(())
        })
        .await?;
        child.check()?;
        let process = Process::find("comptroller", &listen)?;
        Ok(Self { started, process, port, _child: child })
    }

    pub fn memory(&self) -> Result<Memory> {
        self.process.memory()
    }

    /// What it and its surroundings have used.
    pub async fn read(&self, surroundings: &Surroundings) -> Result<Reading> {
        let metrics = Scrape::of_port(self.port.number()).await?;
        Ok(Reading {
            operator_cpu: self.process.cpu_seconds()?,
            requests: metrics.by("comptroller_client_requests_total", "verb"),
            ..surroundings.read().await?
        })
    }
}
