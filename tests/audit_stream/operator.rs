//! The operator over HTTPS, with an audit stream.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    controlplane::{ControlPlane, port::Port},
    sender::Certificates,
};

/// Arguments of an operator whose stream is told in seconds. Its log is in the folder.
pub fn arguments(certificates: &Certificates, folder: &Path, more: &[&str]) -> Vec<String> {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut arguments = vec![
        format!("--evidence={}", folder.join("evidence").display()),
        format!("--tls-cert={}", file("serving.crt", &certificates.serving)),
        format!("--tls-key={}", file("serving.key", &certificates.serving_key)),
        "--audit-stream".to_owned(),
        format!("--audit-stream-client-ca={}", file("clients.crt", &certificates.authority)),
        "--audit-stream-late=20s".to_owned(),
        "--audit-stream-record=1s".to_owned(),
    ];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments
}

/// The process; dropped, it is killed.
pub struct Operator {
    child: Child,
    output: PathBuf,
    /// Its evidence log.
    pub log: PathBuf,
}

impl Operator {
    pub fn start(plane: &ControlPlane, port: &Port, arguments: &[String]) -> Self {
        let evidence = arguments.iter().find_map(|argument| argument.strip_prefix("--evidence="));
        let log = PathBuf::from(evidence.unwrap());
        let output = log.with_extension(format!("log-{}", crate::controlplane::port::random()));
        let file = File::create(&output).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .env("RUST_LOG", "info,comptroller=debug")
            .env("MALLOC_ARENA_MAX", "1")
            .env("COMPTROLLER_KEY_DIR", log.with_file_name("keys"))
            .env("POD_NAME", "comptroller-0")
            .args(["run", "--kubeconfig"])
            .arg(plane.kubeconfig("admin"))
            .arg(format!("--listen=127.0.0.1:{}", port.number()))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().unwrap()))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("the operator starts");
        Self { child, output, log }
    }

    /// Ends it by SIGKILL; where its log is.
    pub fn kill(self) -> PathBuf {
        self.log.clone()
    }

    /// What it has logged so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// The most memory that it ever had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap() * 1024
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
