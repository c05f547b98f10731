//! Reads the metrics that tell how the API server encrypts what it stores.

use std::time::{Duration, Instant};

use futures::{AsyncBufReadExt, StreamExt};
use kube::Client;
use tokio::sync::{mpsc, watch};

use super::host::Command;
use crate::inventory::{ApiServer, api_server};

/// How often to look. The family changes when somebody reconfigures the API server.
const EVERY: Duration = Duration::from_mins(1);

/// One read, start to end.
const TIMEOUT: Duration = Duration::from_secs(30);

/// For how long reads may fail before what the last one said is given up. One that fails now and
/// then says nothing of how the API server encrypts.
const PATIENCE: Duration = Duration::from_mins(2);

/// How soon to read again after a read that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

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
    match tokio::time::timeout(TIMEOUT, read(client)).await {
        Ok(Ok(observed)) => observed,
        Ok(Err(kube::Error::Api(status))) => ApiServer::Unreadable(status.message.clone()),
        Ok(Err(error)) => ApiServer::Unreadable(error.to_string()),
        Err(_) => ApiServer::Unreadable("no answer within 30 s".to_owned()),
    }
}

/// Streams the families out of some megabytes of metrics, a line at a time.
async fn read(client: &Client) -> kube::Result<ApiServer> {
    let request =
        axum::http::Request::get("/metrics").body(Vec::new()).map_err(kube::Error::HttpError)?;
    let mut lines = client.request_stream(request).await?.lines();
    let mut families = Vec::new();
    while let Some(line) = lines.next().await {
        let line = line.map_err(kube::Error::ReadEvents)?;
        if api_server::FAMILIES.iter().any(|family| line.starts_with(family)) {
            families.push(line);
        }
    }
    Ok(ApiServer::from_metrics(families.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_fails_counts_once_reads_have_failed_for_two_minutes() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let failed = ApiServer::Unreadable("timeout".to_owned());
        let mut patience = Patience::default();
        assert!(patience.says(&failed, start), "nothing was read yet");
        assert!(patience.says(&ApiServer::Idle, start));
        assert!(!patience.says(&failed, after(60)));
        assert!(!patience.says(&failed, after(119)));
        assert!(patience.says(&failed, after(120)));
        assert!(patience.says(&ApiServer::Idle, after(130)));
        assert!(!patience.says(&failed, after(190)));
    }
}
