//! Waiting for a condition with a deadline, which a test does instead of sleeping.

use std::time::Duration;

use super::error::Error;

/// How often a condition is looked at: soon enough for a person, rare enough for the server.
const INTERVAL: Duration = Duration::from_millis(50);

/// The first value that `probe` yields. The error after `limit` says that `what` did not happen.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T, Error> {
    let poll = async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    tokio::time::timeout(limit, poll)
        .await
        .map_err(|_| Error::Timeout { what: what.to_owned(), limit })
}
