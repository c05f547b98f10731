//! A replica of the operator: HTTPS, leader election, its own address through all restarts.

use std::{path::PathBuf, time::Duration};

use crate::{
    controlplane::{port::Port, process::Process, wait},
    server::Target,
};

/// What the replicas have in common.
pub struct Deployment {
    pub kubeconfig: PathBuf,
    pub folder: PathBuf,
    pub evidence: PathBuf,
    pub witness_policy: PathBuf,
}

/// Nobody answers here: neither the witness nor the receiver of notifications.
const NOBODY: &str = "http://127.0.0.1:9";

pub struct Replica {
    pod: &'static str,
    port: Port,
    process: Option<Process>,
}

impl Replica {
    pub fn new(pod: &'static str) -> Self {
        Self { pod, port: Port::reserve().unwrap(), process: None }
    }

    pub fn target(&self) -> Target {
        Target { address: format!("127.0.0.1:{}", self.port.number()), pod: self.pod }
    }

    pub fn start(&mut self, deployment: &Deployment) {
        let Deployment { kubeconfig, folder, evidence, witness_policy } = deployment;
        let arguments = [
            format!("POD_NAME=comptroller-{}", self.pod),
            format!("COMPTROLLER_KEY_DIR={}", folder.join("keys").display()),
            env!("CARGO_BIN_EXE_comptroller").to_owned(),
            "run".to_owned(),
            "--leader-elect".to_owned(),
            format!("--listen=127.0.0.1:{}", self.port.number()),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--evidence={}", evidence.display()),
            format!("--witness={NOBODY}"),
            format!("--witness-policy={}", witness_policy.display()),
            format!("--notify={NOBODY}"),
            "--audit-stream".to_owned(),
            "--audit-stream-late=2s".to_owned(),
            "--reports=auto".to_owned(),
        ];
        let log = folder.join(format!("logs/operator-{}.log", self.pod));
        let env = PathBuf::from("/usr/bin/env");
        self.process = Some(Process::start("comptroller", &env, &arguments, log).unwrap());
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it as the kubelet does.
    pub async fn terminate(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal("TERM").unwrap();
        wait::until("the operator ends", Duration::from_secs(20), async || {
            process.check().is_err().then_some(())
        })
        .await
        .unwrap();
    }
}
