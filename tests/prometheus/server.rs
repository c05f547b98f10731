//! Prometheus as a child process, and its HTTP API.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::controlplane::{port::Port, process::Process, wait};

/// How long anything may take on a busy machine.
pub const LIMIT: Duration = Duration::from_mins(1);

/// Prometheus in `PATH`; None without one.
pub fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("prometheus")).find(|at| at.is_file())
}

/// Where to scrape, and under which name.
pub struct Target {
    pub address: String,
    pub pod: &'static str,
}

/// Running; dropped, it is killed.
pub struct Prometheus {
    process: Process,
    port: Port,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts it with these rules and waits until it serves.
    pub async fn start(
        binary: &Path,
        folder: &Path,
        token: &str,
        targets: &[Target],
        groups: &Value,
    ) -> Self {
        let folder = folder.join("prometheus");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("token"), token).unwrap();
        fs::write(folder.join("rules.yaml"), json!({"groups": groups}).to_string()).unwrap();
        fs::write(folder.join("config.yaml"), config(targets).to_string()).unwrap();
        let port = Port::reserve().unwrap();
        let arguments = [
            format!("--config.file={}", folder.join("config.yaml").display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", port.number()),
        ];
        let log = folder.join("prometheus.log");
        let process = Process::start("prometheus", binary, &arguments, log).unwrap();
        let mut prometheus = Self { process, port, folder };
        let started = wait::until("Prometheus serves", LIMIT, async || {
            if prometheus.process.check().is_err() {
                return Some(false);
            }
            prometheus.get("/-/ready").await.ok().filter(|(code, _)| *code == 200).map(|_| true)
        });
        assert!(started.await.unwrap(), "{}", prometheus.log());
        prometheus
    }

    /// How many series an expression finds as of now.
    pub async fn query(&self, expression: &str) -> Result<usize, String> {
        let path = format!("/api/v1/query?query={}", encoded(expression));
        let data = self.api(&path).await?;
        let series = data["result"].as_array().filter(|_| data["resultType"] == "vector");
        series.map(Vec::len).ok_or_else(|| format!("a {}, and no vector", data["resultType"]))
    }

    /// Every name of a label's values, or of the labels themselves.
    pub async fn names(&self, path: &str) -> Vec<String> {
        serde_json::from_value(self.api(path).await.unwrap()).unwrap()
    }

    /// The alerts that fire, by their labels.
    pub async fn firing(&self) -> Vec<Value> {
        let Ok(data) = self.api("/api/v1/alerts").await else {
            return Vec::new();
        };
        let alerts = data["alerts"].as_array().cloned().unwrap_or_default();
        alerts.into_iter().filter(|alert| alert["state"] == "firing").collect()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("prometheus.log")).unwrap_or_default()
    }

    async fn api(&self, path: &str) -> Result<Value, String> {
        let (_, body) = self.get(path).await.map_err(|error| error.to_string())?;
        let answer: Value =
            serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if answer["status"] == "success" {
            return Ok(answer["data"].clone());
        }
        Err(answer["error"].as_str().unwrap_or_default().to_owned())
    }

    /// HTTP/1.0, whose answers come in one piece.
    async fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port.number())).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((code, body.to_owned()))
    }
}

/// Scrapes as config/monitoring/servicemonitor.yaml has it done, but every second.
fn config(targets: &[Target]) -> Value {
    let scraped: Vec<Value> = targets
        .iter()
        .map(|Target { address, pod }| {
            json!({
                "targets": [address],
                "labels": {"cluster": "test", "namespace": "comptroller-system", "pod": pod},
            })
        })
        .collect();
    json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{
            "job_name": "comptroller",
            "scheme": "https",
            "authorization": {"credentials_file": "token"},
            "tls_config": {"insecure_skip_verify": true},
            "static_configs": scraped,
        }],
    })
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
