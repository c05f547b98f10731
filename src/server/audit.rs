//! `POST /audit`: the audit webhook of the API server.
//!
//! Who sends is known before a byte of the body is read: by a certificate of the given authority, or
//! by a token whose user may post to `/audit`. A body is read by few at a time, up to a size and for a
//! time. What could not be taken is answered so that kube-apiserver sends it again, on another
//! connection, which may lead to another replica.
//!
//! <https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/#webhook-backend>

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::post,
};
use futures::StreamExt;
use tokio::time::timeout;

use super::{
    access::{Access, AccessDenied, Target, bearer_token},
    connections::Peer,
    routes::{denial, text},
};
use crate::{audit_stream::AuditStream, telemetry::BatchOutcome};

/// What the user of a token must be allowed to do.
const AUDIT: Target<'static> = Target { verb: "post", path: "/audit", grant: "/audit" };

/// The largest body, in bytes. 400 events, as kube-apiserver batches them, take some 800 KiB at the
/// level Metadata.
const BODY: usize = 4 * 1024 * 1024;

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// When to send a batch again, in seconds: the API server has a buffer, and tries for minutes.
const RETRY: u16 = 1;

/// The state of the handler.
#[derive(Clone)]
pub struct AuditState {
    pub stream: AuditStream,
    pub access: Arc<Access>,
}

pub fn router(state: AuditState) -> Router {
    Router::new().route(AUDIT.path, post(receive)).with_state(state)
}

/// Why a batch is not taken, of a sender that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum BatchRefused {
    #[error("another replica takes audit events, or the log is being opened: send it again")]
    NotLeading,
    #[error("too many batches arrive at once: send it again")]
    Busy,
    #[error(
        "the body is longer than 4 MiB: set --audit-webhook-batch-max-size lower, or log at the level Metadata"
    )]
    TooLong,
    #[error("the body did not arrive within 5 s")]
    TooSlow,
    #[error("the body must be application/json, without a Content-Encoding")]
    Encoded,
    #[error("the body ended early")]
    Broken,
}

impl BatchRefused {
    fn status(self) -> StatusCode {
        match self {
            Self::NotLeading => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }

    fn comes_again(self) -> bool {
        matches!(self, Self::NotLeading | Self::Busy)
    }
}

async fn receive(
    State(AuditState { stream, access }): State<AuditState>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    if let Err(denied) = authenticate(&access, &peer, &head.headers).await {
        // The body is unread, so nothing else can follow on this connection.
        return closing(denial(&denied));
    }
    match read(&stream, &head.headers, body).await {
        Ok(taken) => taken,
        Err(refused) => {
            match refused {
                BatchRefused::NotLeading => stream.deferred(),
                BatchRefused::Busy => stream.interrupted(BatchOutcome::Deferred),
                _ => stream.interrupted(BatchOutcome::Refused),
            }
            let mut response = text(refused.status(), &refused.to_string());
            if refused.comes_again() {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY));
            }
            closing(response)
        }
    }
}

/// Lets nobody through without authentication, also where everybody may read.
async fn authenticate(
    access: &Access,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<(), AccessDenied> {
    if peer.is_certified {
        peer.trust();
        return Ok(());
    }
    if access.is_open() {
        return Err(AccessDenied::NoToken);
    }
    access.check(bearer_token(headers), peer, AUDIT).await.map(|_| ())
}

/// Reads a batch and takes it in.
async fn read(
    stream: &AuditStream,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, BatchRefused> {
    if !stream.accepts() {
        return Err(BatchRefused::NotLeading);
    }
    if !is_plain_json(headers) {
        return Err(BatchRefused::Encoded);
    }
    if length(headers).is_some_and(|length| length > BODY) {
        return Err(BatchRefused::TooLong);
    }
    let _seat = stream.seat().await.ok_or(BatchRefused::Busy)?;
    let body = timeout(BODY_LIMIT, bytes(body)).await.map_err(|_| BatchRefused::TooSlow)??;
    Ok(match stream.take(&body) {
        Ok(_) => text(StatusCode::OK, "taken"),
        Err(error) => {
            stream.interrupted(BatchOutcome::Refused);
            text(StatusCode::BAD_REQUEST, &error.to_string())
        }
    })
}

/// The whole body, if it is not too long. Its announced length may be wrong, or absent.
async fn bytes(body: Body) -> Result<Vec<u8>, BatchRefused> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| BatchRefused::Broken)?;
        if bytes.len() + chunk.len() > BODY {
            return Err(BatchRefused::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What is compressed may be far longer than it looks, and kube-apiserver compresses nothing.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let type_ = headers.get(header::CONTENT_TYPE).and_then(|type_| type_.to_str().ok());
    let is_json = type_.is_some_and(|type_| {
        type_
            .split(';')
            .next()
            .is_some_and(|type_| type_.trim().eq_ignore_ascii_case("application/json"))
    });
    is_json && !headers.contains_key(header::CONTENT_ENCODING)
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
