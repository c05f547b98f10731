//! The routes.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::util::MapResponseLayer;

use super::{
    access::{Access, AccessDenied, Target, bearer_token, seconds},
    audit::{self, AuditState},
    connections::Peer,
    pages::{self, PageState},
    probes::ProbeState,
};
use crate::{
    audit_stream::AuditStream,
    telemetry::{self, Metrics},
    ui::Pages,
};

const METRICS: Target<'static> = Target { verb: "get", path: "/metrics", grant: "/metrics" };

/// The state of the handlers.
#[derive(Clone)]
pub struct RouteState {
    pub metrics: Metrics,
    pub probes: ProbeState,
    pub access: Arc<Access>,
    /// None: there are no pages.
    pub pages: Option<Pages>,
    /// None: no audit events are taken.
    pub audit: Option<AuditStream>,
}

pub fn router(state: RouteState) -> Router {
    let router = Router::new()
        .route(METRICS.path, get(metrics))
        .with_state(state.clone())
        .merge(probe_routes(state.probes))
        .layer(middleware::from_fn(guard));
    let router = match state.audit {
        // It alone takes a body.
        Some(stream) => {
            let access = Arc::clone(&state.access);
            let audit = audit::router(AuditState { stream, access });
            router.merge(audit.layer(MapResponseLayer::new(hardened)))
        }
        None => router,
    };
    match state.pages {
        // They have headers of their own, and a form.
        Some(pages) => router.merge(pages::router(PageState { pages, access: state.access })),
        None => router,
    }
}

/// The routes of the kubelet's probes, and nothing else.
pub fn probe_router(probes: ProbeState) -> Router {
    probe_routes(probes).layer(middleware::from_fn(guard))
}

fn probe_routes(probes: ProbeState) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(probes)
}

async fn metrics(
    State(state): State<RouteState>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    // HEAD reveals no more than GET, so it needs the same permission.
    if let Err(denied) = state.access.check(bearer_token(&headers), &peer, METRICS).await {
        return denial(&denied);
    }
    match state.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, telemetry::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics can't be rendered");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics can't be rendered; see the operator's log",
            )
        }
    }
}

async fn healthz(State(probes): State<ProbeState>) -> Response {
    match probes.dead() {
        None => text(StatusCode::OK, "ok"),
        Some(dead) => text(StatusCode::INTERNAL_SERVER_ERROR, dead),
    }
}

async fn readyz(State(probes): State<ProbeState>) -> Response {
    match probes.pending() {
        None => text(StatusCode::OK, "ok"),
        Some(pending) => text(StatusCode::SERVICE_UNAVAILABLE, &pending),
    }
}

pub(super) fn denial(denied: &AccessDenied) -> Response {
    let status = match denied {
        AccessDenied::NoToken | AccessDenied::BadToken => StatusCode::UNAUTHORIZED,
        AccessDenied::Forbidden { .. } => StatusCode::FORBIDDEN,
        AccessDenied::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        AccessDenied::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = text(status, &denied.to_string());
    if let AccessDenied::TooMany(wait) = denied {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(*wait)));
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"comptroller\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// One line of plain text. It may have names from the cluster, so control characters are removed.
pub(super) fn text(status: StatusCode, line: &str) -> Response {
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    (status, format!("{line}\n")).into_response()
}

/// Rejects request bodies, which no route takes, and keeps browsers from interpreting or caching a
/// response.
async fn guard(request: Request<Body>, next: Next) -> Response {
    let response = if request.body().is_end_stream() {
        next.run(request).await
    } else {
        let mut response = text(StatusCode::PAYLOAD_TOO_LARGE, "this server takes no request body");
        // The body is still unread, so nothing else can follow on this connection.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    };
    hardened(response)
}

/// Keeps browsers from interpreting or caching a response.
fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;
    use tower::ServiceExt;

    use super::*;

    struct Bench {
        evaluated: watch::Sender<bool>,
        waiting: watch::Sender<String>,
        router: Router,
    }

    fn bench() -> Bench {
        let (evaluated, receiver) = watch::channel(false);
        let waiting = watch::Sender::new("waiting for\u{1b} discovery".to_owned());
        let waits = waiting.subscribe();
        let probes = ProbeState::new(receiver, move || waits.borrow().clone());
        let access = Arc::new(Access::Open);
        let metrics = Metrics::new().unwrap();
        let state = RouteState { metrics, probes, access, pages: None, audit: None };
        let router = router(state).layer(Extension(Peer::alone()));
        Bench { evaluated, waiting, router }
    }

    impl Bench {
        async fn ask(
            &self,
            method: &str,
            path: &str,
            body: Body,
        ) -> (StatusCode, HeaderMap, String) {
            let request = Request::builder().method(method).uri(path).body(body).unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (head, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
        }

        async fn get(&self, path: &str) -> (StatusCode, String) {
            let (status, _, body) = self.ask("GET", path, Body::empty()).await;
            (status, body)
        }
    }

    #[tokio::test]
    async fn readiness_names_what_is_missing_and_liveness_does_not_wait() {
        let bench = bench();
        let pending = (StatusCode::SERVICE_UNAVAILABLE, "waiting for discovery\n".to_owned());
        assert_eq!(bench.get("/readyz").await, pending);
        assert_eq!(bench.get("/healthz").await.0, StatusCode::OK);
        bench.evaluated.send_replace(true);
        bench.waiting.send_replace(String::new());
        assert_eq!(bench.get("/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
        // An input that falls silent makes it unready again.
        bench.waiting.send_replace("nothing was received for a minute of pods".to_owned());
        assert_eq!(bench.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_process_that_no_longer_evaluates_is_dead() {
        let Bench { evaluated, waiting, router } = bench();
        drop(evaluated);
        let (other, _) = watch::channel(true);
        let bench = Bench { evaluated: other, waiting, router };
        assert_eq!(bench.get("/healthz").await.0, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(bench.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn only_known_paths_and_methods_without_a_body() {
        let bench = bench();
        for (method, path, body, expected) in [
            ("GET", "/metrics", "", StatusCode::OK),
            ("HEAD", "/metrics", "", StatusCode::OK),
            ("HEAD", "/healthz", "", StatusCode::OK),
            ("POST", "/metrics", "", StatusCode::METHOD_NOT_ALLOWED),
            ("GET", "/metrics", "x", StatusCode::PAYLOAD_TOO_LARGE),
            ("GET", "/", "", StatusCode::NOT_FOUND),
            ("GET", "/metrics/", "", StatusCode::NOT_FOUND),
            ("GET", "//metrics", "", StatusCode::NOT_FOUND),
        ] {
            let body = if body.is_empty() { Body::empty() } else { Body::from(body) };
            let (status, headers, text) = bench.ask(method, path, body).await;
            assert_eq!(status, expected, "{method} {path}");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert!(method != "HEAD" || text.is_empty());
        }
    }

    #[tokio::test]
    async fn the_address_for_probes_serves_nothing_else() {
        let (_evaluated, receiver) = watch::channel(true);
        let router = probe_router(ProbeState::new(receiver, String::new));
        for (path, expected) in [
            ("/healthz", StatusCode::OK),
            ("/readyz", StatusCode::OK),
            ("/metrics", StatusCode::NOT_FOUND),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), expected, "{path}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        }
    }

    #[tokio::test]
    async fn a_throttled_client_gets_a_retry_after() {
        let response = denial(&AccessDenied::TooMany(std::time::Duration::from_millis(3_200)));
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "4");
    }

    #[tokio::test]
    async fn metrics_are_in_the_text_format() {
        let (_, headers, text) = bench().ask("GET", "/metrics", Body::empty()).await;
        assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        assert!(text.contains("comptroller_build_info{version="));
    }
}
