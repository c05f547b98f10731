//! Reads the metrics that tell how the API server encrypts what it stores.

use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::{mpsc, watch};

use super::listwatch::{
    WatchProblem,
    lines::Lines,
    wire::{ask, within},
};
use crate::controllers::host::Command;
use comptroller_core::inventory::{ApiServer, api_server};

/// How often to look: what was read counts for a minute, and one read may fail in it.
const EVERY: Duration = Duration::from_secs(25);

/// Until the first byte of a read.
const HEAD: Duration = Duration::from_secs(10);

/// One read, start to end.
const TIMEOUT: Duration = Duration::from_secs(20);

/// For how long reads may fail before what the last one said is given up. One that fails now and
/// then says nothing of how the API server encrypts.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon to read again after a read that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The longest line. A metric has far less.
const MAX_LINE: usize = 1 << 20;

/// The most that is read: some hundred times what a large API server says.
const MAX_BODY: usize = 1 << 30;

/// The most that is kept of it.
const MAX_KEPT: usize = 4 << 20;

/// Reads `/metrics` while a control wants it.
pub async fn follow(
    client: Client,
    mut wanted: watch::Receiver<bool>,
    commands: mpsc::Sender<Command>,
) {
    let mut patience = Patience::default();
    loop {
        if !*wanted.borrow() {
            // What was read for an earlier control is not the newest for the next.
            patience = Patience::default();
            if wanted.wait_for(|wanted| *wanted).await.is_err() {
                return;
            }
        }
        let observed = observe(&client).await;
        let failed = matches!(observed, ApiServer::Unreadable(_));
        if patience.says(&observed, Instant::now())
            && commands.send(Command::ApiServer(observed)).await.is_err()
        {
            return;
        }
        tokio::time::sleep(if failed { AFTER_FAILURE } else { EVERY }).await;
    }
}

/// Passes over failures that soon end.
#[derive(Debug, Default)]
struct Patience {
    read: Option<Instant>,
}

impl Patience {
    /// Whether an observation counts. The first always does: there is nothing better.
    fn says(&mut self, observed: &ApiServer, now: Instant) -> bool {
        if !matches!(observed, ApiServer::Unreadable(_)) {
            self.read = Some(now);
            return true;
        }
        self.read.is_none_or(|read| now.saturating_duration_since(read) >= PATIENCE)
    }
}

/// Reads `/metrics` once.
pub async fn observe(client: &Client) -> ApiServer {
    match within(TIMEOUT, read(client)).await {
        Ok(Ok(observed)) => observed,
        Ok(Err(problem)) | Err(problem) => ApiServer::Unreadable(problem.to_string()),
    }
}

/// Streams the families out of some megabytes of metrics, a line at a time.
async fn read(client: &Client) -> Result<ApiServer, WatchProblem> {
    let request = axum::http::Request::get("/metrics").body(Vec::new());
    let request = request.map_err(WatchProblem::garbled)?;
    let mut lines = Lines::new(ask(client, request, HEAD).await?, MAX_LINE);
    let mut families = Vec::new();
    let (mut seen, mut kept) = (0_usize, 0_usize);
    while let Some(line) = lines.next().await? {
        seen += line.len();
        if api_server::FAMILIES.iter().any(|family| line.starts_with(family.as_bytes())) {
            kept += line.len();
            families.push(String::from_utf8_lossy(&line).into_owned());
        }
        if seen > MAX_BODY || kept > MAX_KEPT {
            return Err(WatchProblem::garbled("there is more than metrics would be"));
        }
    }
    Ok(ApiServer::from_metrics(families.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_fails_counts_once_reads_have_failed_for_a_minute() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let failed = ApiServer::Unreadable("timeout".to_owned());
        let mut patience = Patience::default();
        assert!(patience.says(&failed, start), "nothing was read yet");
        assert!(patience.says(&ApiServer::Idle, start));
        assert!(!patience.says(&failed, after(30)));
        assert!(!patience.says(&failed, after(59)));
        assert!(patience.says(&failed, after(60)));
        assert!(patience.says(&ApiServer::Idle, after(70)));
        assert!(!patience.says(&failed, after(100)));
    }
}
