//! The pages of the operator: for whoever may read them by the cluster's own rules.
//!
//! A program sends its token as with `/metrics`. A browser, behind a port that kubectl forwards, gets a
//! form to paste a token into, which becomes a cookie. Either way each request is judged anew.

mod login;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, HttpBody, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts, uri::PathAndQuery},
    response::Response,
    routing::any,
};
use tokio::time::timeout;

use self::login::{LOGIN, LOGOUT, Login};
use super::{
    access::{Access, AccessDenied, Target, bearer_token, seconds},
    connections::Peer,
};
use crate::ui::{Asker, Pages, http};
use comptroller_pages::{Problem, stylesheet};

/// The first page.
pub const HOME: &str = "/ui/";

/// What gives the right to read every page.
const GRANT: &str = "/ui/*";

/// The largest body of a request, in bytes: a form with a token.
const BODY: usize = 16 * 1024;

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// The state of the handlers.
#[derive(Clone)]
pub struct PageState {
    pub pages: Pages,
    pub access: Arc<Access>,
}

pub fn router(state: PageState) -> Router {
    Router::new()
        .route("/ui", any(answer))
        .route(HOME, any(answer))
        .route("/ui/{*page}", any(answer))
        .with_state(state)
}

async fn answer(
    State(state): State<PageState>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let Parts { method, headers, uri, .. } = &head;
    // Without authentication only names of this machine are answered: a page of somebody else could
    // have its own name lead here.
    if state.access.is_open() && !http::names_loopback(headers) {
        return http::problem_response(&Problem::Forbidden(
            "Without authentication the pages are for the operator's own machine: open them as http://127.0.0.1, with the port.".to_owned(),
        ));
    }
    if http::is_foreign(method, headers) {
        return closing(http::problem_response(&Problem::Forbidden(
            "Another page made your browser ask for this, so it is not answered. Enter the address by hand.".to_owned(),
        )));
    }
    if http::is_too_long(uri) {
        return http::problem_response(&Problem::NotFound);
    }
    match (method.as_str(), uri.path()) {
        ("POST", LOGIN) => state.log_in(&peer, headers, body).await,
        ("POST", LOGOUT) => login::signed_out(),
        ("GET" | "HEAD", _) if !body.is_end_stream() => {
            closing(http::problem_response(&Problem::MethodNotAllowed))
        }
        ("GET" | "HEAD", "/ui") => http::redirect(StatusCode::PERMANENT_REDIRECT, HOME),
        ("GET" | "HEAD", LOGIN) => login::form(StatusCode::OK, None, HOME),
        ("GET" | "HEAD", _) => state.page(&peer, headers, uri).await,
        _ => closing(http::problem_response(&Problem::MethodNotAllowed)),
    }
}

impl PageState {
    async fn page(&self, peer: &Peer, headers: &HeaderMap, uri: &Uri) -> Response {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        if let Some(style) = stylesheet(path) {
            return http::page_response(style);
        }
        // HEAD reveals no more than GET, so it needs the same permission.
        let target = Target { verb: "get", path, grant: GRANT };
        let user = match self.access.check(token(headers), peer, target).await {
            Ok(reader) => reader.user,
            Err(denied) => {
                let next = uri.path_and_query().map_or(path, PathAndQuery::as_str);
                return refused(&denied, next);
            }
        };
        http::response(self.pages.answer(path, query, Asker { user }).await)
    }

    /// Takes a pasted token, if it may read at least the first page.
    async fn log_in(&self, peer: &Peer, headers: &HeaderMap, body: Body) -> Response {
        let is_form = headers.get(header::CONTENT_TYPE).is_some_and(|type_| {
            type_.as_bytes().starts_with(b"application/x-www-form-urlencoded")
        });
        if !is_form {
            return closing(login::form(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Some("Send the form of this page."),
                HOME,
            ));
        }
        let body = timeout(BODY_LIMIT, to_bytes(body, BODY)).await;
        let Ok(Ok(body)) = body else {
            let why = "The token is too long, or did not arrive in time. Use `comptroller ui` instead, which needs none.";
            return closing(login::form(StatusCode::PAYLOAD_TOO_LARGE, Some(why), HOME));
        };
        let Login { token, next } = Login::read(&body);
        let target = Target { verb: "get", path: HOME, grant: GRANT };
        let token = (!token.is_empty()).then_some(token.as_str());
        match self.access.check(token, peer, target).await {
            Ok(_) => login::signed_in(token.unwrap_or_default(), &next),
            Err(denied) => refused(&denied, &next),
        }
    }
}

/// The token of a program, or of a browser that signed in.
fn token(headers: &HeaderMap) -> Option<&str> {
    bearer_token(headers).or_else(|| http::cookie(headers, login::COOKIE))
}

/// Says why somebody may not read, and how they can sign in.
fn refused(denied: &AccessDenied, next: &str) -> Response {
    let text = sentence(&denied.to_string());
    match denied {
        AccessDenied::NoToken => challenged(login::form(StatusCode::UNAUTHORIZED, None, next)),
        AccessDenied::BadToken => {
            challenged(login::form(StatusCode::UNAUTHORIZED, Some(&text), next))
        }
        AccessDenied::Forbidden { .. } => login::form(StatusCode::FORBIDDEN, Some(&text), next),
        AccessDenied::TooMany(wait) => {
            let mut response = http::problem_response(&Problem::TooManyRequests);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(*wait)));
            response
        }
        AccessDenied::Unavailable => http::problem_response(&Problem::Unavailable(text)),
    }
}

/// Tells programs how to authenticate.
fn challenged(mut response: Response) -> Response {
    let challenge = HeaderValue::from_static("Bearer realm=\"comptroller\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// A message as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

/// The body of the request is unread, so nothing else can follow on its connection.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
