//! One request on its way to the API server and back.

use std::{
    convert::Infallible,
    io,
    net::TcpListener,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, HttpBody},
    http::{HeaderMap, Request, Response, StatusCode, header, request},
};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use kube::{Client, Config};
use tokio::sync::oneshot;

use super::{
    call::{Call, Verb},
    proxy::Shared,
    replies,
    rule::{Action, Moment, Refusal, Stage},
    stream::{Pump, broken},
};

/// No request of the operator is larger.
const BODY: usize = 16 << 20;
/// An answer takes this long to reach the operator, which is then told of what comes after it.
const DELIVERY: Duration = Duration::from_millis(5);

/// Serves on the calling thread until `stop` is dropped.
pub fn serve(
    listener: TcpListener,
    upstream: Config,
    shared: &Arc<Shared>,
    stop: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let client = Client::try_from(upstream).expect("a client of the API server");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let accept = async {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let front = Front { shared: Arc::clone(shared), client: client.clone() };
                tokio::spawn(async move {
                    let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
                    server.http1().keep_alive(true);
                    let service = TowerToHyperService::new(front);
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        };
        tokio::select! {
            () = accept => {}
            _ = stop => {}
        }
    });
    // What still hangs is dropped with its connections.
    runtime.shutdown_background();
}

/// Closes the connection instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
struct Closed;

#[derive(Clone)]
struct Front {
    shared: Arc<Shared>,
    client: Client,
}

impl<B> tower::Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Closed;
    type Future = BoxFuture<'static, Result<Response<Body>, Closed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let front = self.clone();
        let (parts, body) = request.into_parts();
        let body = Body::new(body);
        async move {
            let body = axum::body::to_bytes(body, BODY).await.map_err(|_| Closed)?;
            let call = front.shared.admit(parts.method.clone(), &parts.uri, body);
            let reply = front.exchange(&call, &parts).await?;
            front.shared.answered(&call, reply.status().as_u16());
            Ok(reply)
        }
        .boxed()
    }
}

impl Front {
    async fn exchange(
        &self,
        call: &Arc<Call>,
        parts: &request::Parts,
    ) -> Result<Response<Body>, Closed> {
        match self.shared.decide(call, Stage::Request, None) {
            None => {}
            Some(Action::Delay(time)) => tokio::time::sleep(time).await,
            Some(Action::Hang) => self.shared.released().await,
            Some(Action::Refuse(refusal)) => return Ok(refused(&refusal)),
            Some(Action::EndAtOnce) => return Ok(ok(Body::empty())),
            Some(Action::Expired) => return Ok(ok(Body::from(replies::expired()))),
            Some(Action::Replay) => match (call.verb, self.shared.recall(call)) {
                (Verb::Watch, _) => return Ok(ok(silence(&self.shared))),
                (_, Some((status, body))) => return Ok(with_body(status, Body::from(body))),
                (_, None) => {}
            },
            Some(Action::Run(_, run)) => {
                run(call);
                return Err(Closed);
            }
            Some(_) => return Err(Closed),
        }
        self.forward(call, parts).await
    }

    async fn forward(
        &self,
        call: &Arc<Call>,
        parts: &request::Parts,
    ) -> Result<Response<Body>, Closed> {
        let rewind = match self.shared.decide(call, Stage::Revisions, None) {
            Some(Action::Rewind(by)) => by,
            _ => 0,
        };
        let selector = self.shared.selector(call);
        let request = upstream_request(call, &parts.headers, rewind, selector).ok_or(Closed)?;
        let reply = match self.client.send(request).await {
            Ok(reply) => reply,
            Err(error) => {
                let mut refusal = Refusal::new(503);
                refusal.message = format!("the proxy can't reach the API server: {error}");
                return if is_refusal(&error) { Ok(refused(&refusal)) } else { Err(Closed) };
            }
        };
        let action = self.shared.decide(call, Stage::Reply, None);
        match &action {
            Some(Action::HangReply) => self.shared.released().await,
            Some(Action::DropReply) => return Err(Closed),
            _ => {}
        }
        let (mut head, body) = reply.into_parts();
        if let Some(Action::Ahead(seconds)) = self.shared.decide(call, Stage::Date, None) {
            replies::set_date(&mut head.headers, seconds);
        }
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::TRANSFER_ENCODING);
        head.headers.remove(header::CONNECTION);
        let body = Body::new(body);
        if call.verb == Verb::Watch && head.status == StatusCode::OK {
            let body = match action {
                None => {
                    let pump = Pump::new(Arc::clone(&self.shared), Arc::clone(call), body);
                    Body::from_stream(pump.stream())
                }
                Some(Action::HangBody(_)) => silence(&self.shared),
                // Events come later: of a watch there is nothing yet.
                Some(action) => self.tampered(call, action, Bytes::new())?,
            };
            return Ok(Response::from_parts(head, body));
        }
        let mut bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Closed)?;
        if rewind > 0 {
            bytes = replies::rewound(&bytes, rewind);
        }
        if matches!(call.verb, Verb::Get | Verb::List | Verb::Other) && head.status.is_success() {
            self.shared.remember(call, head.status.as_u16(), &bytes);
        }
        let body = match action {
            Some(action) => self.tampered(call, action, bytes)?,
            None => Body::from(bytes),
        };
        Ok(Response::from_parts(head, body))
    }

    fn tampered(&self, call: &Arc<Call>, action: Action, bytes: Bytes) -> Result<Body, Closed> {
        let until = |count: usize| bytes.slice(..count.min(bytes.len()));
        Ok(match action {
            Action::HangBody(count) => {
                let shared = Arc::clone(&self.shared);
                let rest = bytes.slice(count.min(bytes.len())..);
                let rest = stream::once(async move {
                    shared.released().await;
                    Ok::<_, io::Error>(rest)
                });
                Body::from_stream(stream::iter([Ok(until(count))]).chain(rest))
            }
            Action::CutBody(count) => {
                let cut = stream::once(async { Err::<Bytes, _>(broken()) });
                Body::from_stream(stream::iter([Ok(until(count))]).chain(cut))
            }
            Action::Truncate(count) => Body::from(until(count)),
            Action::Trickle { bytes: size, every } => {
                let pieces: Vec<Bytes> = (0..bytes.len())
                    .step_by(size.max(1))
                    .map(|from| bytes.slice(from..bytes.len().min(from + size.max(1))))
                    .collect();
                Body::from_stream(stream::iter(pieces).then(move |piece| async move {
                    tokio::time::sleep(every).await;
                    Ok::<_, Infallible>(piece)
                }))
            }
            Action::Run(Moment::BeforeReply, run) => {
                run(call);
                return Err(Closed);
            }
            Action::Run(_, run) => {
                let call = Arc::clone(call);
                tokio::spawn(async move {
                    tokio::time::sleep(DELIVERY).await;
                    run(&call);
                });
                Body::from(bytes)
            }
            _ => Body::from(bytes),
        })
    }
}

fn upstream_request(
    call: &Call,
    headers: &HeaderMap,
    rewind: u64,
    selector: Option<String>,
) -> Option<Request<kube::client::Body>> {
    let (mut target, body) = if rewind > 0 {
        (replies::advanced_target(&call.target, rewind), replies::advanced(&call.body, rewind))
    } else {
        (call.target.clone(), call.body.clone())
    };
    if let Some(selector) = selector {
        let sign = if target.contains('?') { '&' } else { '?' };
        target = format!("{target}{sign}labelSelector={selector}");
    }
    let mut request = Request::builder().method(call.method.clone()).uri(target);
    let own = [header::HOST, header::CONNECTION, header::AUTHORIZATION, header::CONTENT_LENGTH];
    for (name, value) in headers.iter().filter(|(name, _)| !own.contains(name)) {
        request = request.header(name, value);
    }
    request.body(kube::client::Body::from(body)).ok()
}

/// Whether nobody listens there, which a load balancer answers with 503.
fn is_refusal(error: &kube::Error) -> bool {
    let text = format!("{error:?}");
    text.contains("ConnectionRefused") || text.contains("Connect")
}

fn refused(refusal: &Refusal) -> Response<Body> {
    replies::json_reply(refusal.code, &refusal.status(), refusal.retry_after)
}

fn ok(body: Body) -> Response<Body> {
    with_body(200, body)
}

fn with_body(status: u16, body: Body) -> Response<Body> {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    reply.headers_mut().insert(header::CONTENT_TYPE, replies::json_type());
    reply
}

/// A body that begins and says nothing, until it is let go.
fn silence(shared: &Arc<Shared>) -> Body {
    let shared = Arc::clone(shared);
    Body::from_stream(stream::once(async move {
        shared.released().await;
        Ok::<_, Infallible>(Bytes::new())
    }))
}
