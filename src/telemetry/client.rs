//! Counts the requests of a Kubernetes client, as a layer around its service.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::http::{Method, Request, Response};
use prometheus::{HistogramVec, IntCounterVec, Opts, core::Collector};
use tower::{Layer, Service};

use super::{LATENCY_BUCKETS, histogram};

/// What is counted of a client.
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
}

impl ClientMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "comptroller_client_requests_total",
                    "Requests to the API server by verb and HTTP status; the code is error when no answer came. Alert when 403, 429, 5xx or error rise for 15 minutes.",
                ),
                &["verb", "code"],
            )?,
            duration: HistogramVec::new(
                histogram(
                    "comptroller_client_request_duration_seconds",
                    "From a request to the head of its answer.",
                    LATENCY_BUCKETS,
                ),
                &["verb"],
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 2] {
        [Box::new(self.requests.clone()), Box::new(self.duration.clone())]
    }
}

/// The layer; see [`Metrics::client_layer`](super::Metrics::client_layer).
#[derive(Clone, Debug)]
pub struct CountRequests(ClientMetrics);

impl CountRequests {
    pub(super) fn new(metrics: ClientMetrics) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.0.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    metrics: ClientMetrics,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
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
        let verb = verb(request.method(), request.uri().query());
        let started = Instant::now();
        let metrics = self.metrics.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = answer.as_ref().map(Response::status);
            let code = code.as_ref().map_or("error", |status| status.as_str());
            metrics.requests.with_label_values(&[verb, code]).inc();
            metrics.duration.with_label_values(&[verb]).observe(started.elapsed().as_secs_f64());
            answer
        })
    }
}

/// A closed set: the verb of the API where method and query tell it.
fn verb(method: &Method, query: Option<&str>) -> &'static str {
    let watches = || {
        let mut pairs = query.into_iter().flat_map(|query| query.split('&'));
        pairs.any(|pair| matches!(pair, "watch=true" | "watch=1"))
    };
    match *method {
        Method::GET if watches() => "watch",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_one_of_few() {
        for (method, query, expected) in [
            (Method::GET, None, "get"),
            (Method::GET, Some("limit=500&resourceVersion=0"), "get"),
            (Method::GET, Some("timeoutSeconds=290&watch=true"), "watch"),
            (Method::GET, Some("watch=false"), "get"),
            (Method::GET, Some("fieldSelector=watch%3Dtrue"), "get"),
            (Method::PATCH, Some("fieldManager=x"), "patch"),
            (Method::PUT, None, "update"),
            (Method::OPTIONS, None, "other"),
        ] {
            assert_eq!(verb(&method, query), expected, "{method} {query:?}");
        }
    }
}
