//! What processes use, by /proc, and what components count, by their metrics.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use axum::http::Request;
use kube::Client;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Result;

/// Linux counts CPU time in these for every program, on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// The most it ever was.
    pub peak_kib: u64,
    /// When it was read.
    pub now_kib: u64,
}

impl Process {
    /// The process that runs a program of this name and has `marker` in an argument.
    pub fn find(program: &str, marker: &str) -> Result<Self> {
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split('\0');
            let runs = words.next().is_some_and(|path| Path::new(path).ends_with(program));
            if runs && words.any(|word| word.contains(marker)) {
                return Ok(Self(pid));
            }
        }
        Err(format!("{program} does not run: see its log").into())
    }

    /// CPU time so far, in user and system mode.
    pub fn cpu_seconds(self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks =
            fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
        Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
    }

    /// Resident memory, as the kernel counts it (`VmRSS`, `VmHWM`).
    pub fn memory(self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let kib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        Ok(Memory { peak_kib: kib("VmHWM"), now_kib: kib("VmRSS") })
    }
}

/// The text of a Prometheus endpoint.
#[derive(Debug, Default)]
pub struct Scrape(String);

impl Scrape {
    /// Of a port on loopback that speaks plain HTTP.
    pub async fn of_port(port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        // HTTP/1.0, so that the answer comes in one piece.
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(Self(answer))
    }

    /// Of the API server.
    pub async fn of_api_server(client: &Client) -> Result<Self> {
        Ok(Self(client.request_text(Request::get("/metrics").body(Vec::new())?).await?))
    }

    /// The sum of a family over all its labels.
    pub fn sum(&self, family: &str) -> f64 {
        self.rows(family).map(|(_, value)| value).sum()
    }

    /// The sums of a family by the value of one label.
    pub fn by(&self, family: &str, label: &str) -> BTreeMap<String, f64> {
        let start = format!("{label}=\"");
        let mut sums = BTreeMap::new();
        for (labels, value) in self.rows(family) {
            let of = labels.split_once(start.as_str()).and_then(|(_, rest)| rest.split_once('"'));
            *sums.entry(of.map_or("", |(of, _)| of).to_owned()).or_default() += value;
        }
        sums
    }

    /// Labels as written, and values.
    fn rows(&self, family: &str) -> impl Iterator<Item = (&str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(family)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.trim().parse().ok()?))
        })
    }
}

/// What was used up to a moment.
#[derive(Debug)]
pub struct Reading {
    pub at: Instant,
    pub operator_cpu: f64,
    pub api_server_cpu: f64,
    pub requests: BTreeMap<String, f64>,
    pub etcd_bytes: f64,
}

/// What was used between two moments.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spent {
    pub seconds: f64,
    /// CPU seconds of the operator.
    pub operator_cpu: f64,
    /// CPU seconds of the API server.
    pub api_server_cpu: f64,
    /// Requests of the operator by verb.
    pub requests: BTreeMap<String, f64>,
    /// Bytes that etcd wrote to its log.
    pub etcd_bytes: f64,
}

impl Reading {
    /// What was used since an earlier reading.
    pub fn since(&self, earlier: &Self) -> Spent {
        let requests = self.requests.iter().map(|(verb, count)| {
            (verb.clone(), count - earlier.requests.get(verb).copied().unwrap_or_default())
        });
        Spent {
            seconds: self.at.duration_since(earlier.at).as_secs_f64(),
            operator_cpu: self.operator_cpu - earlier.operator_cpu,
            api_server_cpu: self.api_server_cpu - earlier.api_server_cpu,
            requests: requests.filter(|(_, count)| *count > 0.0).collect(),
            etcd_bytes: self.etcd_bytes - earlier.etcd_bytes,
        }
    }
}

impl Spent {
    /// Requests of every verb. Folded, since the sum of none would be a negative zero.
    pub fn all_requests(&self) -> f64 {
        self.requests.values().fold(0.0, |sum, count| sum + count)
    }

    /// Requests of every verb that may write, whether or not they changed anything.
    pub fn writes(&self) -> f64 {
        let reads = ["get", "list", "watch"];
        let writes = self.requests.iter().filter(|(verb, _)| !reads.contains(&verb.as_str()));
        writes.fold(0.0, |sum, (_, count)| sum + count)
    }
}
