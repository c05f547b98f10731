//! The API server's time: the `Date` of every answer goes to the operator's trusted clock.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{HeaderMap, Request, Response, header};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use kube::Client;
use tower::{Layer, Service};

use crate::telemetry::Metrics;
use comptroller_recorder::Clock;

/// How long the API server may be silent before it is asked. In a larger cluster watches are answered
/// more often than this, and nothing is asked.
const QUIET: SignedDuration = SignedDuration::from_secs(8);

/// How often to look whether it is.
const LOOK: Duration = Duration::from_secs(2);

/// How long to wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(4);

/// A layer that reads the time off every answer of the API server.
#[derive(Clone, Debug)]
pub struct ReadDates(Clock);

impl ReadDates {
    /// The dates go to this clock.
    pub fn to(clock: Clock) -> Self {
        Self(clock)
    }
}

impl<S> Layer<S> for ReadDates {
    type Service = DatedService<S>;

    fn layer(&self, inner: S) -> DatedService<S> {
        DatedService { inner, clock: self.0.clone() }
    }
}

/// A service whose answers are read.
#[derive(Clone, Debug)]
pub struct DatedService<S> {
    inner: S,
    clock: Clock,
}

impl<S, B, R> Service<Request<B>> for DatedService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clock = self.clock.clone();
        let sent = clock.machine();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            // What stands before an API server that is down answers with errors and its own time.
            if !response.status().is_server_error()
                && let Some(date) = date(response.headers())
            {
                clock.observe(date, sent);
            }
            Ok(response)
        })
    }
}

/// When an answer was written, by its server. None: it does not say.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// Asks the API server for its version when nothing else was answered for some seconds, so that its
/// time is known and its absence is noticed; and tells the metrics how the clocks differ.
pub async fn run(client: Client, clock: Clock, metrics: Metrics) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if clock.unanswered().is_none_or(|unanswered| unanswered >= QUIET) {
            // Its answer is read by the layer, and that there is none is noticed by the clock.
            let _ = tokio::time::timeout(TIMEOUT, client.apiserver_version()).await;
        }
        metrics.clocks(clock.difference());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_servers_write_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(date(&headers), None);
        headers.insert(header::DATE, "Mon, 30 Nov 2026 06:20:20 GMT".parse().unwrap());
        assert_eq!(date(&headers), Some("2026-11-30T06:20:20Z".parse().unwrap()));
        headers.insert(header::DATE, "yesterday".parse().unwrap());
        assert_eq!(date(&headers), None);
    }
}
