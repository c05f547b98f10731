//! The routes of `comptroller ui`: the pages, for whoever opened the link.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};

use super::session::Sessions;
use crate::{
    server::connections::Peer,
    ui::{Asker, Pages, http},
};
use comptroller_pages::{Page, Problem, stylesheet};

/// Where the link leads to, before its token.
pub const OPEN: &str = "/ui/open/";

/// The first page.
const HOME: &str = "/ui/";

const SIGN_IN: &str = "Open the link that `comptroller ui` printed: it works once, in one browser. Press Enter in its terminal for a new one.";

/// The state of the handlers.
#[derive(Clone)]
pub struct UiState {
    pub pages: Pages,
    pub sessions: Arc<Sessions>,
    /// The name of the cookie, which has the port: cookies of all ports of a host are one.
    pub cookie: Arc<str>,
    /// The user, as the API server knows them.
    pub user: Arc<str>,
    /// Called when a link was used.
    pub opened: Arc<dyn Fn() + Send + Sync>,
}

pub fn router(state: UiState) -> Router {
    Router::new().fallback(answer).with_state(state)
}

async fn answer(
    State(state): State<UiState>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    state.respond(&head, !body.is_end_stream(), &peer).await
}

impl UiState {
    async fn respond(&self, request: &Parts, has_body: bool, peer: &Peer) -> Response {
        let Parts { method, headers, uri, .. } = request;
        // First of all: a name of somebody's that leads here must not even see that this is here.
        if !http::names_loopback(headers) {
            return http::problem_response(&Problem::Forbidden(
                "This address is for the machine that it runs on: open it as http://127.0.0.1, with the port that `comptroller ui` printed.".to_owned(),
            ));
        }
        if http::is_foreign(method, headers) {
            return http::problem_response(&Problem::Forbidden(
                "Another page made your browser ask for this, so it is not answered. Enter the address by hand.".to_owned(),
            ));
        }
        if http::is_too_long(uri) {
            return http::problem_response(&Problem::NotFound);
        }
        if has_body || (method != Method::GET && method != Method::HEAD) {
            return closing(http::problem_response(&Problem::MethodNotAllowed));
        }
        let path = uri.path();
        if path == "/" || path == "/ui" {
            return http::redirect(StatusCode::SEE_OTHER, HOME);
        }
        if let Some(link) = path.strip_prefix(OPEN) {
            // A look ahead, as messengers take at links, must not use it up.
            return match *method == Method::GET {
                true => self.open(link),
                false => http::problem_response(&Problem::MethodNotAllowed),
            };
        }
        // Pages that refuse somebody need it too.
        if let Some(style) = stylesheet(path) {
            return http::page_response(style);
        }
        let session = http::cookie(headers, &self.cookie);
        if !session.is_some_and(|session| self.sessions.knows(session)) {
            return http::problem_response(&Problem::Unauthenticated(SIGN_IN.to_owned()));
        }
        peer.trust();
        if !path.starts_with(HOME) {
            return http::problem_response(&Problem::NotFound);
        }
        let user = Some(self.user.to_string()).filter(|user| !user.is_empty());
        let query = uri.query().unwrap_or_default();
        http::response(self.pages.answer(path, query, Asker { user }).await)
    }

    /// Makes a link a session.
    fn open(&self, link: &str) -> Response {
        let session = match self.sessions.redeem(link) {
            Ok(Some(session)) => session,
            Ok(None) => {
                let used =
                    format!("This link was used before, or is not of this process. {SIGN_IN}");
                return http::problem_response(&Problem::Unauthenticated(used));
            }
            Err(error) => {
                let failed = format!("The system gives no randomness for a session: {error}.");
                return http::problem_response(&Problem::Failed(failed));
            }
        };
        (self.opened)();
        // A page and not a redirection: after a link from elsewhere, as in a terminal within a browser,
        // the cookie is sent only with what a page of ours asks for.
        let mut response = http::page_response(Page {
            status: 200,
            content_type: "text/html; charset=utf-8",
            cache_control: "no-store",
            location: None,
            body: OPENED.into(),
        });
        let cookie =
            format!("{}={}; Path=/ui; HttpOnly; SameSite=Strict", self.cookie, session.as_str());
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response.headers_mut().insert("refresh", HeaderValue::from_static("0; url=/ui/"));
        response
    }
}

/// What is seen for a moment after a link was opened.
const OPENED: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Comptroller</title><link rel=\"icon\" href=\"data:,\"></head><body><main><h1>Comptroller</h1><p><a href=\"/ui/\">Open the pages</a></p></main></body></html>\n";

/// The body of the request is unread, so nothing else can follow on its connection.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
