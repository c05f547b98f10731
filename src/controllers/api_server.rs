//! Reads the metrics that tell how the API server encrypts what it stores.

use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt};
use kube::Client;
use tokio::sync::{mpsc, watch};

use super::host::Command;
use crate::inventory::{ApiServer, api_server};

/// How often to look. The family changes when somebody reconfigures the API server.
const EVERY: Duration = Duration::from_mins(1);

/// One read, start to end.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads `/metrics` while a control wants it.
pub async fn follow(
    client: Client,
    mut wanted: watch::Receiver<bool>,
    commands: mpsc::Sender<Command>,
) {
    loop {
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            return;
        }
        if commands.send(Command::ApiServer(observe(&client).await)).await.is_err() {
            return;
        }
        tokio::time::sleep(EVERY).await;
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
