//! URLs as Go reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::convert::first;
use super::{EvaluationError, Value, ValueResult, printf, texts};
use crate::operators::no_overload;
use crate::value::{ValueKey, list, map, string};

/// A URL in its parts. The path and the query are as written, the host without escapes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Url {
    /// Whether two URLs print the same.
    pub fn equals(&self, other: &Self) -> Result<bool, EvaluationError> {
        if self.text == other.text {
            return Ok(true);
        }
        let differ =
            (&self.scheme, &self.host, &self.query) != (&other.scheme, &other.host, &other.query);
        if differ {
            return Ok(false);
        }
        Err(EvaluationError::refused(
            "whether these URLs are equal is not computed here; compare their parts",
        ))
    }
}

/// Why a text can't be read as a URL.
enum UrlError {
    /// It is not one, in the words of Go's `net/url`, which `format.uri()` passes on.
    Wrong(String),
    /// It may be one, with a part that is not UTF-8: a Go string holds it, and ours can't.
    Unclear,
}

type UrlResult<T> = Result<T, UrlError>;

fn wrong<T>(message: impl Into<String>) -> UrlResult<T> {
    Err(UrlError::Wrong(message.into()))
}

/// The part of a URL that escapes stand in, which decides what must be escaped (Go's `encoding`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlPart {
    Host,
    Zone,
    Path,
    Query,
    User,
}

/// Whether a byte may stand in a host as it is.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

fn unescape(text: &str, part: UrlPart) -> UrlResult<Vec<u8>> {
    let mut output = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            let in_host = matches!(part, UrlPart::Host | UrlPart::Zone);
            if in_host && byte.is_ascii() && !is_host_byte(*byte) {
                let byte = char::from(*byte).to_string();
                let byte = printf::quoted(&byte).map_err(|_| UrlError::Unclear)?;
                return wrong(format!("invalid character {byte} in host name"));
            }
            // A plus is a space in a query and nowhere else.
            output.push(if *byte == b'+' && part == UrlPart::Query { b' ' } else { *byte });
            continue;
        }
        let digit = |index: usize| after.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        let code = digit(0).zip(digit(1)).map(|(high, low)| high * 16 + low);
        let escape = String::from_utf8_lossy(after.get(..2).unwrap_or(after));
        let invalid = || -> UrlResult<()> {
            let escape = printf::quoted(&format!("%{escape}")).map_err(|_| UrlError::Unclear)?;
            wrong(format!("invalid URL escape {escape}"))
        };
        let Some(code) = code.and_then(|code| u8::try_from(code).ok()) else {
            invalid()?;
            continue;
        };
        let is_percent = escape == "25";
        // In a host only what is not ASCII may be escaped, in a zone what a host may not hold (RFC 6874).
        let forbidden = match part {
            UrlPart::Host => code < 0x80 && !is_percent,
            UrlPart::Zone => !is_percent && code != b' ' && !is_host_byte(code),
            _ => false,
        };
        if forbidden {
            invalid()?;
        }
        output.push(code);
        rest = after.get(2..).unwrap_or(&[]);
    }
    Ok(output)
}

fn as_text(bytes: Vec<u8>) -> UrlResult<String> {
    String::from_utf8(bytes).map_err(|_| UrlError::Unclear)
}

fn scheme_of(text: &str) -> UrlResult<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    match end.map(|end| text.split_at(end)) {
        Some(("", rest)) if rest.starts_with(':') => wrong("missing protocol scheme"),
        Some((scheme, rest))
            if rest.starts_with(':') && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Ok((scheme, rest.get(1..).unwrap_or("")))
        }
        _ => Ok(("", text)),
    }
}

/// Reads a URL; `for_request` it has no fragment and is no relative path.
fn parse(text: &str, for_request: bool) -> UrlResult<Url> {
    // In the order of Go's `url.parse`, since the first thing that is wrong is what the message says.
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return wrong("net/url: invalid control character in URL");
    }
    if text.is_empty() && for_request {
        return wrong("empty url");
    }
    let (scheme, rest) = if text == "*" { ("", "*") } else { scheme_of(text)? };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url {
        text: text.to_owned(),
        scheme: scheme.to_ascii_lowercase(),
        host: String::new(),
        path: String::new(),
        query: query.to_owned(),
    };
    if text == "*" {
        "*".clone_into(&mut url.path);
        return Ok(url);
    }
    if !rest.starts_with('/') {
        // Opaque, such as `mailto:jane`: it has no host and no path.
        if !scheme.is_empty() {
            return Ok(url);
        }
        if for_request {
            return wrong("invalid URI for request");
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return wrong("first path segment in URL cannot contain colon");
        }
    }
    let has_authority = !url.scheme.is_empty() || (!for_request && !rest.starts_with("///"));
    let path = match rest.strip_prefix("//").filter(|_| has_authority) {
        Some(after) => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            url.host = host_of(&url.scheme, authority)?;
            path
        }
        None => rest,
    };
    url.path = escaped_path(path)?;
    Ok(url)
}

fn host_of(scheme: &str, authority: &str) -> UrlResult<String> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return parse_host(scheme, authority);
    };
    let host = parse_host(scheme, host)?;
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(valid) {
        return wrong("net/url: invalid userinfo");
    }
    unescape(user, UrlPart::User)?;
    Ok(host)
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn invalid_port<T>(port: &str) -> UrlResult<T> {
    let port = printf::quoted(port).map_err(|_| UrlError::Unclear)?;
    wrong(format!("invalid port {port} after host"))
}

fn parse_host(scheme: &str, text: &str) -> UrlResult<String> {
    match text.rfind('[') {
        Some(0) => return literal_host(text),
        Some(_) => return wrong("invalid IP-literal"),
        None => {}
    }
    if let Some(first) = text.find(':') {
        // Several colons are for lists of hosts, which the web has not.
        let at = if matches!(scheme, "http" | "https") {
            first
        } else {
            text.rfind(':').unwrap_or(first)
        };
        let port = text.get(at..).unwrap_or("");
        if !is_port(port) {
            return invalid_port(port);
        }
    }
    as_text(unescape(text, UrlPart::Host)?)
}

/// An address in brackets.
fn literal_host(text: &str) -> UrlResult<String> {
    let Some(end) = text.rfind(']') else { return wrong("missing ']' in host") };
    let (address, port) = (text.get(1..end).unwrap_or(""), text.get(end + 1..).unwrap_or(""));
    if !is_port(port) {
        return invalid_port(port);
    }
    let address = match address.find("%25") {
        Some(zone) => {
            let (address, zone) = address.split_at(zone);
            let mut bytes = unescape(address, UrlPart::Host)?;
            bytes.extend(unescape(zone, UrlPart::Zone)?);
            as_text(bytes)?
        }
        None => as_text(unescape(address, UrlPart::Host)?)?,
    };
    let (number, zone) = address.split_once('%').unwrap_or((&address, "zone"));
    let is_v6 = number.parse::<std::net::Ipv6Addr>().is_ok() && !zone.is_empty();
    if !is_v6 && number.parse::<std::net::Ipv4Addr>().is_ok() && number == address {
        return wrong("invalid IP-literal");
    }
    if !is_v6 {
        // The library goes on to say what is wrong with the address.
        return wrong(INVALID_ADDRESS);
    }
    Ok(format!("[{address}]{port}"))
}

const INVALID_ADDRESS: &str = "invalid host: ";

/// The path as it is sent: as written when that is valid, escaped otherwise.
fn escaped_path(path: &str) -> UrlResult<String> {
    let bytes = unescape(path, UrlPart::Path)?;
    let is_valid = path.bytes().all(|byte| is_path_byte(byte) || b"!'()*[]%".contains(&byte));
    if is_valid || path == "*" {
        return Ok(path.to_owned());
    }
    let escape = |byte: u8| {
        if is_path_byte(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    Ok(bytes.into_iter().map(escape).collect())
}

fn unclear() -> EvaluationError {
    EvaluationError::refused("a URL with parts that are not UTF-8 is not computed here")
}

/// What the library says of a text that is no URL for a request.
pub(super) fn request_error(text: &str) -> Result<Option<String>, EvaluationError> {
    match parse(text, true) {
        Ok(_) => Ok(None),
        Err(UrlError::Wrong(message)) if message == INVALID_ADDRESS => {
            Err(EvaluationError::refused("why this URL is not valid is not computed here"))
        }
        Err(UrlError::Wrong(message)) => {
            Ok(Some(format!("parse {}: {message}", printf::quoted(text)?)))
        }
        Err(UrlError::Unclear) => Err(unclear()),
    }
}

pub(super) fn is_url(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    match parse(text, true) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(UrlError::Wrong(_)) => Ok(Value::Bool(false)),
        Err(UrlError::Unclear) => Err(unclear()),
    }
}

pub(super) fn url(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    let read = || {
        // Twice, as the library does: it must be good for a request, and is then read with its fragment.
        parse(text, true)?;
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        unescape(fragment, UrlPart::Path)?;
        Ok(Url { text: text.to_owned(), ..parse(before, false)? })
    };
    match read() {
        Ok(url) => Ok(Value::Url(Arc::new(url))),
        Err(UrlError::Wrong(message)) => Err(EvaluationError::NoValue(format!(
            "url() takes a URL such as https://example.com/path, or an absolute path: {message}"
        ))),
        Err(UrlError::Unclear) => Err(unclear()),
    }
}

fn receiver(values: &[Value]) -> Result<&Url, EvaluationError> {
    match first(values) {
        Value::Url(url) => Ok(url),
        other => Err(no_overload("a part of a URL", other)),
    }
}

pub(super) fn scheme(values: &[Value]) -> ValueResult {
    receiver(values).map(|url| string(url.scheme.as_str()))
}

pub(super) fn host(values: &[Value]) -> ValueResult {
    receiver(values).map(|url| string(url.host.as_str()))
}

/// The name and the port of a host.
fn name_and_port(host: &str) -> (&str, &str) {
    let at = host.rfind(':').filter(|at| host.get(*at..).is_some_and(is_port));
    let (name, port) = at.map_or((host, ""), |at| host.split_at(at));
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    (literal.unwrap_or(name), port.strip_prefix(':').unwrap_or(port))
}

pub(super) fn hostname(values: &[Value]) -> ValueResult {
    receiver(values).map(|url| string(name_and_port(&url.host).0))
}

pub(super) fn port(values: &[Value]) -> ValueResult {
    receiver(values).map(|url| string(name_and_port(&url.host).1))
}

pub(super) fn path(values: &[Value]) -> ValueResult {
    receiver(values).map(|url| string(url.path.as_str()))
}

/// The query as a map of lists, in the order of the URL. What is malformed is left out.
pub(super) fn query(values: &[Value]) -> ValueResult {
    let mut parameters: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for pair in receiver(values)?.query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if pair.is_empty() || pair.contains(';') {
            continue;
        }
        let read = |text| unescape(text, UrlPart::Query).and_then(as_text);
        match (read(key), read(value)) {
            (Ok(key), Ok(value)) => parameters.entry(key).or_default().push(string(value)),
            (Err(UrlError::Unclear), _) | (_, Err(UrlError::Unclear)) => return Err(unclear()),
            _ => {}
        }
    }
    let entry = |(key, values): (String, Vec<Value>)| (ValueKey::String(key.into()), list(values));
    Ok(map(parameters.into_iter().map(entry).collect()))
}
