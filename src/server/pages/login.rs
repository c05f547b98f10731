//! Signing in with a pasted token: the form, and the cookie that it becomes. Pure.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use url::form_urlencoded;

use super::HOME;
use crate::ui::http;
use comptroller_pages::{SignIn, sign_in};

/// Where the form is and goes to.
pub const LOGIN: &str = "/ui/login";

/// Where signing out goes to.
pub const LOGOUT: &str = "/ui/logout";

/// The cookie with the token. Its name makes browsers refuse it over plain HTTP.
pub const COOKIE: &str = "__Secure-comptroller-token";

/// The longest token that fits into a cookie, in bytes: browsers drop longer ones without a word.
const TOKEN: usize = 3900;

/// What the form sends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub token: String,
    /// The page to go to: one of ours.
    pub next: String,
}

impl Login {
    pub fn read(body: &[u8]) -> Self {
        let mut login = Self::default();
        for (key, value) in form_urlencoded::parse(body) {
            match &*key {
                // Copied from a terminal, it may be broken over several lines.
                "token" => login.token = value.split_whitespace().collect(),
                "next" => login.next = value.into_owned(),
                _ => {}
            }
        }
        login.next = local(&login.next).to_owned();
        login
    }
}

/// A path of ours as it is; the first page for anything else, such as another site's address.
fn local(next: &str) -> &str {
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_page = next.starts_with(HOME) && !next.starts_with(LOGIN) && !next.starts_with(LOGOUT);
    if is_plain && is_page && !next.contains("//") { next } else { HOME }
}

/// The form. `why` says why somebody who sent a token must sign in; None: they sent none.
pub fn form(status: StatusCode, why: Option<&str>, next: &str) -> Response {
    http::page_response(sign_in(&SignIn {
        status: status.as_u16(),
        why,
        action: LOGIN,
        sign_out: LOGOUT,
        next: local(next),
    }))
}

/// The answer to a token that may read: the cookie, and the page that was asked for.
pub fn signed_in(token: &str, next: &str) -> Response {
    // RFC 6265, section 4.1.1: what else a token could have would end the cookie.
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    if token.len() > TOKEN || !token.bytes().all(fits) {
        let why =
            "The token does not fit into a cookie. Use `comptroller ui` instead, which needs none.";
        return form(StatusCode::PAYLOAD_TOO_LARGE, Some(why), next);
    }
    with_cookie(next, &format!("{COOKIE}={token}; {ATTRIBUTES}"))
}

/// Removes the cookie.
pub fn signed_out() -> Response {
    with_cookie(LOGIN, &format!("{COOKIE}=; Max-Age=0; {ATTRIBUTES}"))
}

/// For the pages alone, never for scripts, never to another site. It lasts as long as the browser runs,
/// and no longer than its token.
const ATTRIBUTES: &str = "Path=/ui; HttpOnly; Secure; SameSite=Strict";

fn with_cookie(next: &str, cookie: &str) -> Response {
    let mut response = http::redirect(StatusCode::SEE_OTHER, next);
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    *response.body_mut() = Body::empty();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_follow_a_sign_in() {
        for (next, expected) in [
            ("/ui/controls?state=Failing", "/ui/controls?state=Failing"),
            ("/ui/", "/ui/"),
            ("", "/ui/"),
            ("//evil.example/ui/", "/ui/"),
            ("https://evil.example/ui/", "/ui/"),
            ("/ui/..//evil.example", "/ui/"),
            ("/ui/\\evil.example", "/ui/"),
            ("/ui/\r\nset-cookie: a", "/ui/"),
            ("/ui/login", "/ui/"),
            ("/metrics", "/ui/"),
        ] {
            let body: String =
                form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
            assert_eq!(Login::read(body.as_bytes()).next, expected, "{next}");
        }
    }

    #[test]
    fn a_token_that_was_broken_by_a_terminal_is_whole_again() {
        let login = Login::read(b"token=+ab.c%0D%0Ad%20&other=1");
        assert_eq!((login.token.as_str(), login.next.as_str()), ("ab.cd", "/ui/"));
    }

    #[test]
    fn a_token_becomes_a_cookie_only_if_it_is_a_value_of_one() {
        let response = signed_in("eyJ.a-b_c", "/ui/x");
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let expected =
            "__Secure-comptroller-token=eyJ.a-b_c; Path=/ui; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(response.headers()["set-cookie"], expected);
        assert_eq!(response.headers()["location"], "/ui/x");
        for token in ["a;b", "a b", "a,b", "\u{fc}", &"x".repeat(4000)] {
            let response = signed_in(token, "/ui/");
            assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert!(!response.headers().contains_key("set-cookie"));
        }
    }
}
