//! A request answered with a page.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::{
    html::{
        layout::{self, Content, STYLE, STYLESHEET},
        link::{self, Query},
        text::outside,
    },
    model::Site,
    pages::{self, Missing, Request},
    sign_in::SignIn,
    site::controls::KnownControls,
};

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

const HTML: &str = "text/html; charset=utf-8";

/// Pages are of this moment, and for whoever asked.
const NOT_KEPT: &str = "no-store";

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

impl Problem {
    fn status(&self) -> u16 {
        match self {
            Self::Unauthenticated(_) => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooManyRequests => 429,
            Self::Failed(_) => 500,
            Self::Unavailable(_) => 503,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "Sign in first",
            Self::Forbidden(_) => "You may not see this page",
            Self::NotFound => "There is no such page",
            Self::MethodNotAllowed => "Pages are only read",
            Self::TooManyRequests => "Too many requests at once",
            Self::Failed(_) => "The page could not be made",
            Self::Unavailable(_) => "Not ready yet",
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::Unauthenticated(detail)
            | Self::Forbidden(detail)
            | Self::Failed(detail)
            | Self::Unavailable(detail) => detail,
            Self::NotFound => "The address is wrong, or what it named is gone.",
            Self::MethodNotAllowed => "Send a GET request.",
            Self::TooManyRequests => "Wait a moment, then load the page again.",
        }
    }
}

/// Answers a GET or HEAD request. `path` is the path of the request as it was sent (percent-encoded),
/// `/ui` or below it; `query` is what follows its question mark, or nothing.
pub fn respond(site: &Site, path: &str, query: &str) -> Page {
    if let Some(style) = stylesheet(path) {
        return style;
    }
    let Some(segments) = link::segments(path) else {
        return match path {
            "/ui" => redirection("/ui/".to_owned()),
            _ => missing(site, "", &Missing::page()),
        };
    };
    // As people type it: a slash too many leads to the page without it.
    if let [before @ .., last] = segments.as_slice()
        && last.is_empty()
    {
        let names: Vec<&str> = before.iter().map(String::as_str).collect();
        if let Some(path) = link::path(&names) {
            return redirection(path);
        }
    }
    let here = segments.first().map(String::as_str).unwrap_or_default();
    let Some((kind, names)) = pages::find(&segments) else {
        return missing(site, here, &Missing::page());
    };
    let query = Query::parse(query);
    let request = Request { site, path, query: &query, controls: KnownControls::of(site) };
    match (kind.make)(&request, &names) {
        Ok(content) => html_page(200, &layout::document(Some(site), here, &content)),
        Err(why) => missing(site, here, &why),
    }
}

/// The stylesheet, which is the same for everybody and says nothing of a cluster: it needs no site, and
/// whoever is to sign in needs it. None for any other path.
pub fn stylesheet(path: &str) -> Option<Page> {
    (path == STYLESHEET).then_some(Page {
        status: 200,
        content_type: "text/css; charset=utf-8",
        // Its address changes with it.
        cache_control: "public, max-age=31536000, immutable",
        location: None,
        body: Cow::Borrowed(STYLE),
    })
}

/// A page with a form to sign in.
pub fn sign_in(form: &SignIn<'_>) -> Page {
    let content = Content::new("Sign in", form.render());
    html_page(form.status, &layout::document(None, "", &content))
}

/// A page that says why there is none, in the look of the others.
pub fn problem(problem: &Problem) -> Page {
    let content = Content::new(problem.title(), said(problem.detail()));
    html_page(problem.status(), &layout::document(None, "", &content))
}

/// The control whose page a path asks for: the only one whose population the page shows, so that whoever
/// serves it need read no other. None for any other path.
pub fn shown_control(path: &str) -> Option<String> {
    match link::segments(path)?.as_slice() {
        [kind, name] if kind == "controls" && !name.is_empty() => Some(name.clone()),
        _ => None,
    }
}

/// The report that a path asks for: the name of the period and a format of
/// [`FORMATS`](comptroller_report::period::FORMATS), such as `html`. Whoever serves the pages makes it
/// from the log, and sends it as an attachment. None for any other path.
pub fn report_download(path: &str) -> Option<(String, String)> {
    match link::segments(path)?.as_slice() {
        [kind, name, file] if kind == "periods" => {
            Some((name.clone(), file.strip_prefix("report.")?.to_owned()))
        }
        _ => None,
    }
}

fn missing(site: &Site, here: &str, why: &Missing) -> Page {
    let content = Content::new(Problem::NotFound.title(), said(&why.0));
    html_page(404, &layout::document(Some(site), here, &content))
}

fn said(detail: &str) -> Markup {
    html! { p.lead { (outside(detail)) } }
}

fn redirection(to: String) -> Page {
    Page {
        status: 308,
        content_type: HTML,
        cache_control: NOT_KEPT,
        location: Some(to),
        body: Cow::Borrowed(""),
    }
}

fn html_page(status: u16, document: &Markup) -> Page {
    Page {
        status,
        content_type: HTML,
        cache_control: NOT_KEPT,
        location: None,
        body: Cow::Owned(document.0.clone()),
    }
}
