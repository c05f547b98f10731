//! The operator's process.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::controlplane::wait;

/// How long anything may take that has no limit of its own, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// How long the end may take: the grace that the kubelet gives is 30 s.
const GRACE: Duration = Duration::from_secs(25);

/// Names another binary to try than the one of this build.
const BINARY: &str = "COMPTROLLER_TORTURE_BINARY";

pub fn binary() -> PathBuf {
    std::env::var_os(BINARY).map_or_else(|| env!("CARGO_BIN_EXE_comptroller").into(), PathBuf::from)
}

/// How an operator is started, again and again.
#[derive(Clone, Debug)]
pub struct Start {
    pub kubeconfig: PathBuf,
    pub evidence: String,
    pub namespace: String,
    /// Where it writes what it says; starts are appended.
    pub log: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// How large its files may become, in units of 512 bytes.
    pub file_limit: Option<u32>,
}

/// Writes that go beyond the limit fail, as on a full disk, instead of ending the process.
const LIMITED: &str = r#"trap "" XFSZ; ulimit -f "$0"; exec "$@""#;

/// Dropped, it is killed.
pub struct Operator {
    child: Child,
    pub url: String,
    log: PathBuf,
}

impl Operator {
    pub fn start(start: &Start) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut log = File::options().create(true).append(true).open(&start.log).unwrap();
        let mut command = match start.file_limit {
            None => Command::new(binary()),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", LIMITED, &limit.to_string()]).arg(binary());
                shell
            }
        };
        let mut child = command
            .args(["run", "--insecure", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--leader-elect-namespace", &start.namespace])
            .args(["--evidence", &start.evidence])
            .arg("--kubeconfig")
            .arg(&start.kubeconfig)
            .args(&start.arguments)
            .env_remove("RUST_LOG")
            .envs(start.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the operator starts");
        // Through a pipe, since the limit would be that of this file too.
        let mut said = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || std::io::copy(&mut said, &mut log));
        Self { child, url: format!("127.0.0.1:{port}"), log: start.log.clone() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub async fn ready(&self) -> Result<(), String> {
        let ready = async || {
            let (status, _) = get(&self.url, "/readyz").await.ok()?;
            (status == 200).then_some(())
        };
        let found = wait::until("the operator is ready", LIMIT, ready).await;
        found.map_err(|error| format!("{error}: {}", tail(&self.log)))
    }

    pub async fn metrics(&self) -> Option<String> {
        get(&self.url, "/metrics").await.ok().filter(|(status, _)| *status == 200).map(|it| it.1)
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until something else has killed it.
    pub async fn killed(&mut self) -> Option<ExitStatus> {
        wait::until("the operator is killed", LIMIT, async || self.child.try_wait().ok()?)
            .await
            .ok()
    }

    /// Ends it as the kubelet does.
    pub async fn stop(mut self) -> Result<(), String> {
        signal(self.child.id(), "TERM");
        let ended =
            wait::until("the operator ends", GRACE, async || self.child.try_wait().unwrap());
        match ended.await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("it ended with {status}: {}", tail(&self.log))),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: u32, signal: &str) {
    let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
}

pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// A plain HTTP request: the status and the body.
pub async fn get(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer: String = tokio::time::timeout(Duration::from_secs(5), exchange).await??;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status.unwrap_or_default(), body.to_owned()))
}
