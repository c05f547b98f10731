//! What both servers of the pages have in common: responses with their headers, and whether a browser
//! sent a request of its own accord. Pure.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};

use super::Answer;
use comptroller_pages::{Page, Problem, SECURITY_HEADERS, problem};

/// The longest path with its query, in bytes. A name has at most 253.
const TARGET: usize = 2048;

/// Turns an answer into a response.
pub fn response(answer: Answer) -> Response {
    match answer {
        Answer::Page(page) => page_response(page),
        Answer::File(file) => {
            let mut response = Response::new(Body::from(file.bytes));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
            let disposition = format!("attachment; filename=\"{}\"", file.name);
            if let Ok(disposition) = HeaderValue::try_from(disposition) {
                headers.insert(header::CONTENT_DISPOSITION, disposition);
            }
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            secured(response)
        }
    }
}

/// A page that says why there is none.
pub fn problem_response(what: &Problem) -> Response {
    page_response(problem(what))
}

/// A page with its headers.
pub fn page_response(page: Page) -> Response {
    let mut response = Response::new(Body::from(page.body.into_owned()));
    *response.status_mut() =
        StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(page.cache_control));
    if let Some(location) = page.location.and_then(|at| HeaderValue::try_from(at).ok()) {
        headers.insert(header::LOCATION, location);
    }
    secured(response)
}

/// Adds the headers that every response has.
pub fn secured(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// A redirection to a path of ours.
pub fn redirect(status: StatusCode, to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::try_from(to) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    secured(response)
}

/// Whether the address of a request is longer than any of ours.
pub fn is_too_long(uri: &Uri) -> bool {
    uri.path_and_query().is_some_and(|target| target.as_str().len() > TARGET)
}

/// Whether a page of somebody else made the browser send this request. A link that a person followed is
/// not: it changes nothing, and the browser tells the other page nothing of it.
///
/// Cookies alone don't tell: to a browser all ports of a host are the same site.
pub fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let is_read = method == Method::GET || method == Method::HEAD;
    match text(headers, "sec-fetch-site") {
        // Entered into the address bar, or opened by another program.
        Some("none") => !is_read,
        Some("same-origin") => false,
        Some(_) => !(is_read && text(headers, "sec-fetch-mode") == Some("navigate")),
        // An old browser, or no browser at all.
        None => match text(headers, "origin") {
            Some(origin) => !is_of_host(origin, headers),
            // Whoever changes something must say where it comes from.
            None => !is_read,
        },
    }
}

/// Whether an origin is that of the server that was asked.
fn is_of_host(origin: &str, headers: &HeaderMap) -> bool {
    let (Some((_, host)), Some(asked)) = (origin.split_once("://"), text(headers, "host")) else {
        return false;
    };
    host.eq_ignore_ascii_case(asked)
}

/// Whether a request names this machine by one of its own names. A name of somebody's that leads here
/// (DNS rebinding) is none of them, whatever the port: it may be forwarded.
pub fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = text(headers, "host") else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The value of a cookie. Of several of this name none counts: one of them was slipped in.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        // Others that serve on this machine may have set cookies in any script.
        let Ok(text) = std::str::from_utf8(value.as_bytes()) else { continue };
        for pair in text.split(';') {
            let Some((key, value)) = pair.trim().split_once('=') else { continue };
            if key == name && found.replace(value).is_some() {
                return None;
            }
        }
    }
    found.filter(|value| !value.is_empty())
}

/// The text of a header that is there once.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_another_page_makes_a_browser_send_is_foreign() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:8080");
        for (method, pairs, foreign) in [
            (Method::GET, vec![HOST], false),
            (Method::GET, vec![HOST, ("sec-fetch-site", "none")], false),
            (Method::GET, vec![HOST, ("sec-fetch-site", "same-origin")], false),
            (Method::GET, vec![HOST, ("sec-fetch-site", "cross-site")], true),
            // Another port of this machine.
            (
                Method::GET,
                vec![HOST, ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")],
                true,
            ),
            (
                Method::GET,
                vec![HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                false,
            ),
            (
                Method::POST,
                vec![HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                true,
            ),
            (Method::POST, vec![HOST, ("sec-fetch-site", "none")], true),
            (Method::POST, vec![HOST, ("sec-fetch-site", "same-origin")], false),
            (Method::POST, vec![HOST], true),
            (Method::POST, vec![HOST, ("origin", "http://127.0.0.1:8080")], false),
            (Method::POST, vec![HOST, ("origin", "http://127.0.0.1:8081")], true),
            (Method::POST, vec![HOST, ("origin", "https://evil.example")], true),
            (Method::POST, vec![HOST, ("origin", "null")], true),
            (Method::POST, vec![("origin", "http://127.0.0.1:8080")], true),
            (Method::DELETE, vec![HOST, ("sec-fetch-site", "cross-site")], true),
        ] {
            assert_eq!(is_foreign(&method, &headers(&pairs)), foreign, "{method} {pairs:?}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for (host, ours) in [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("localhost:1", true),
            ("LOCALHOST:1", true),
            ("[::1]:8080", true),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:80", false),
            ("127.0.0.1:8080@evil.example", false),
            ("", false),
        ] {
            assert_eq!(names_loopback(&headers(&[("host", host)])), ours, "{host}");
        }
        assert!(!names_loopback(&HeaderMap::new()));
        let twice = headers(&[("host", "127.0.0.1"), ("host", "evil.example")]);
        assert!(!names_loopback(&twice));
    }

    #[test]
    fn a_cookie_is_read_unless_there_are_two() {
        for (values, expected) in [
            (vec!["a=1"], Some("1")),
            (vec!["b=2; a=1;c=3"], Some("1")),
            (vec!["b=2", "a=1"], Some("1")),
            (vec!["a=1; a=2"], None),
            (vec!["a=1", "a=2"], None),
            (vec!["aa=1; xa=2"], None),
            (vec!["a="], None),
            (vec![], None),
        ] {
            let pairs: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
            assert_eq!(cookie(&headers(&pairs), "a"), expected, "{values:?}");
        }
    }

    #[test]
    fn every_response_has_the_headers() {
        for response in [
            problem_response(&Problem::NotFound),
            redirect(StatusCode::SEE_OTHER, "/ui/"),
            response(Answer::File(super::super::Download {
                name: "a.html".to_owned(),
                content_type: "text/html",
                bytes: b"x".to_vec(),
            })),
        ] {
            let csp = response.headers()["content-security-policy"].to_str().unwrap();
            assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{csp}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
    }
}
