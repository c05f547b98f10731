//! A request answered with a page.

use std::borrow::Cow;

use crate::model::Site;

/// What a response must say besides its page. Nothing may run, be framed, or be sent anywhere but to the
/// server itself.
pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// A response, without the [`SECURITY_HEADERS`] that go with every one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// The header `content-type`.
    pub content_type: &'static str,
    /// The header `cache-control`.
    pub cache_control: &'static str,
    /// The header `location`: a path below `/ui/`. None unless the status is a redirection.
    pub location: Option<String>,
    /// The body; a HEAD request is answered without it.
    pub body: Cow<'static, str>,
}

/// Why there is no page, where no site is at hand to say it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 401: whoever asks has not said who they are, or the one-time token was used before. The text says
    /// how to sign in.
    Unauthenticated(String),
    /// 403: whoever asks may not see the page. The text says which right is missing.
    Forbidden(String),
    /// 404: there is no such page.
    NotFound,
    /// 405: pages are only read.
    MethodNotAllowed,
    /// 429: too many requests at once.
    TooManyRequests,
    /// 500: the page could not be made. The text says what to do.
    Failed(String),
    /// 503: the facts are not there yet, as just after a start. The text says what is waited for.
    Unavailable(String),
}

/// Answers a GET or HEAD request. `path` is the path of the request as it was sent (percent-encoded),
/// below `/ui`; `query` is what follows its question mark, or nothing.
pub fn respond(_site: &Site, _path: &str, _query: &str) -> Page {
    problem(&Problem::NotFound)
}

/// A page that says why there is none, in the look of the others.
pub fn problem(_problem: &Problem) -> Page {
    Page {
        status: 404,
        content_type: "text/html; charset=utf-8",
        cache_control: "no-store",
        location: None,
        body: Cow::Borrowed(""),
    }
}

/// The control whose page a path asks for: the only one whose population the page shows, so that whoever
/// serves it need read no other. None for any other path.
pub fn shown_control(path: &str) -> Option<String> {
    let name = path.strip_prefix("/ui/controls/")?;
    (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
}

/// The report that a path asks for: the name of the period and a format of
/// [`FORMATS`](comptroller_report::period::FORMATS), such as `html`. Whoever serves the pages makes it
/// from the log, and sends it as an attachment. None for any other path.
pub fn report_download(path: &str) -> Option<(String, String)> {
    let (name, format) = path.strip_prefix("/ui/periods/")?.split_once("/report.")?;
    Some((name.to_owned(), format.to_owned()))
}
