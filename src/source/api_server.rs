//! Reads the API server's metrics, which show how it encrypts what it stores.

use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::{mpsc, watch};

use super::{
    event::SourceEvent,
    listwatch::{
        RequestError,
        lines::Lines,
        request::{send, with_timeout},
    },
};
use comptroller_core::inventory::{ApiServer, api_server};

/// How often to read: an observation counts for a minute, within which one read may fail.
const INTERVAL: Duration = Duration::from_secs(25);

/// How long to wait for the head of the response.
const RESPONSE_HEAD: Duration = Duration::from_secs(10);

/// The longest read, from start to end.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long reads may fail before the last observation is given up. A read that fails now and then
/// says nothing about how the API server encrypts.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon to read again after a read that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The longest line, in bytes; that of a metric is far shorter.
const MAX_LINE: usize = 1 << 20;

/// The most bytes that are read: some hundred times what a large API server sends.
const MAX_BODY: usize = 1 << 30;

/// The most bytes that are kept of it.
const MAX_KEPT: usize = 4 << 20;

/// Reads `/metrics` again and again while some control needs it, which `wanted` says.
pub async fn run<E: From<SourceEvent>>(
    client: Client,
    mut wanted: watch::Receiver<bool>,
    events: mpsc::Sender<E>,
) {
    let mut patience = Patience::default();
    loop {
        if !*wanted.borrow() {
            // An observation for an earlier control would be outdated for the next one.
            patience = Patience::default();
            if wanted.wait_for(|wanted| *wanted).await.is_err() {
                return;
            }
        }
        let observed = observe(&client).await;
        let failed = matches!(observed, ApiServer::Unreadable(_));
        if patience.accepts(&observed, Instant::now())
            && events.send(SourceEvent::ApiServer(observed).into()).await.is_err()
        {
            return;
        }
        tokio::time::sleep(if failed { AFTER_FAILURE } else { INTERVAL }).await;
    }
}

/// Ignores failures that soon end.
#[derive(Debug, Default)]
struct Patience {
    /// The last read that succeeded; None if there was none.
    read: Option<Instant>,
}

impl Patience {
    /// Whether an observation counts. The first always does, since there is nothing better.
    fn accepts(&mut self, observed: &ApiServer, now: Instant) -> bool {
        if !matches!(observed, ApiServer::Unreadable(_)) {
            self.read = Some(now);
            return true;
        }
        self.read.is_none_or(|read| now.saturating_duration_since(read) >= PATIENCE)
    }
}

pub async fn observe(client: &Client) -> ApiServer {
    match with_timeout(TIMEOUT, read(client)).await {
        Ok(Ok(observed)) => observed,
        Ok(Err(error)) | Err(error) => ApiServer::Unreadable(error.to_string()),
    }
}

/// Picks the needed families out of some megabytes of metrics, line by line.
async fn read(client: &Client) -> Result<ApiServer, RequestError> {
    let request = axum::http::Request::get("/metrics").body(Vec::new());
    let request = request.map_err(RequestError::malformed)?;
    let mut lines = Lines::new(send(client, request, RESPONSE_HEAD).await?, MAX_LINE);
    let mut families = Vec::new();
    let (mut read, mut kept) = (0_usize, 0_usize);
    while let Some(line) = lines.next().await? {
        read += line.len();
        if api_server::FAMILIES.iter().any(|family| line.starts_with(family.as_bytes())) {
            kept += line.len();
            families.push(String::from_utf8_lossy(&line).into_owned());
        }
        if read > MAX_BODY || kept > MAX_KEPT {
            return Err(RequestError::malformed("it is too large for metrics"));
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
        assert!(patience.accepts(&failed, start), "nothing was read yet");
        assert!(patience.accepts(&ApiServer::Idle, start));
        assert!(!patience.accepts(&failed, after(30)));
        assert!(!patience.accepts(&failed, after(59)));
        assert!(patience.accepts(&failed, after(60)));
        assert!(patience.accepts(&ApiServer::Idle, after(70)));
        assert!(!patience.accepts(&failed, after(100)));
    }
}
