//! Requests to receivers that a person named: webhooks, Alertmanager, a GRC tool.
//!
//! What may go where is narrow: HTTPS, or HTTP where that is allowed; no redirect, so that nothing is
//! sent to where nobody said; and no link-local address, where clouds keep credentials.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{
    Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 << 10;

/// Why a receiver can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is not the address of a receiver.
    #[error("{flag} {url}: {reason}")]
    Url { flag: &'static str, url: String, reason: &'static str },
    /// A file with a credential can't be read.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    /// What a file has can't be sent.
    #[error("{}: {reason}", path.display())]
    Credential { path: PathBuf, reason: &'static str },
    /// HTTP does not work at all.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Whether a receiver may be asked over plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// On this machine only.
    Loopback,
    /// Anywhere: what is sent is no secret.
    Anywhere,
}

/// A receiver.
#[derive(Clone, Debug)]
pub struct Target {
    url: Url,
    client: Client,
    /// A file with a bearer token, read for each request since tokens are rotated.
    token: Option<PathBuf>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Accepted,
    /// It answered that it will not take this, however often it is sent.
    Refused(String),
    /// It does not know who asks, or for what: somebody may put that right.
    Denied(String),
    /// It did not answer, or can't for now.
    Failed(String),
}

impl Target {
    /// A receiver at a URL, which the command line has as `flag`.
    pub fn new(
        flag: &'static str,
        url: &str,
        plain: PlainHttp,
        timeout: Duration,
    ) -> Result<Self, TargetError> {
        // What follows a user's name could be a password.
        let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
        let wrong = |reason| TargetError::Url { flag, url: shown.to_owned(), reason };
        let url = Url::parse(url).map_err(|_| {
            wrong("this is not a URL; write one such as https://receiver.example/path")
        })?;
        let host = url.host_str().ok_or_else(|| wrong("the URL has no host"))?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_loopback =
            host == "localhost" || address.is_some_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if plain == PlainHttp::Anywhere || is_loopback => {}
            "http" => return Err(wrong("plain HTTP is for this machine only: use https")),
            _ => return Err(wrong("use https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "a URL with a user is shown in process lists: put the token into a file",
            ));
        }
        if address.is_some_and(is_off_limits) {
            return Err(wrong(
                "a link-local address is not a receiver: clouds keep credentials there",
            ));
        }
        let client = Client::builder()
            .timeout(timeout)
            .redirect(Policy::none())
            .dns_resolver(Arc::new(GuardedResolver))
            .user_agent(concat!("comptroller/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| TargetError::Client(cause(&error)))?;
        Ok(Self { url, client, token: None })
    }

    /// The receiver, to be shown a bearer token from a file.
    ///
    /// # Errors
    /// If the file can't be read now.
    pub fn with_token(mut self, token: Option<PathBuf>) -> Result<Self, TargetError> {
        if let Some(path) = &token {
            secret(path)?;
        }
        self.token = token;
        Ok(self)
    }

    /// The receiver at another path below this one.
    pub fn below(mut self, path: &str) -> Self {
        let base = self.url.path().trim_end_matches('/').to_owned();
        self.url.set_path(&format!("{base}{path}"));
        self
    }

    /// Who it is, for the log: without path and query, which may have a secret.
    pub fn host(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.url.host_str().unwrap_or_default())
    }

    /// Sends a body by POST.
    pub async fn post(&self, headers: HeaderMap, body: Vec<u8>) -> Sent {
        let mut request = self.client.post(self.url.clone()).headers(headers).body(body);
        if let Some(path) = &self.token {
            match secret(path) {
                Ok(token) => request = request.bearer_auth(token),
                Err(error) => return Sent::Failed(error.to_string()),
            }
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Sent::Failed(cause(&error.without_url())),
        };
        let status = answer.status();
        if status.is_success() {
            return Sent::Accepted;
        }
        let mut text = Vec::new();
        while let (true, Ok(Some(chunk))) = (text.len() < MAX_ANSWER, answer.chunk().await) {
            text.extend_from_slice(&chunk);
        }
        text.truncate(MAX_ANSWER);
        sent(status, &String::from_utf8_lossy(&text))
    }
}

/// A header for all requests to a receiver.
pub fn header(name: &'static str, value: &str) -> (HeaderName, HeaderValue) {
    let mut value = HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    (HeaderName::from_static(name), value)
}

/// What a file with one secret has.
pub fn secret(path: &std::path::Path) -> Result<String, TargetError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| TargetError::File { path: path.to_owned(), error })?;
    let wrong = |reason| TargetError::Credential { path: path.to_owned(), reason };
    let text = text.trim();
    if text.is_empty() {
        return Err(wrong("the file is empty: write the secret into it"));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong("the file has more than one line: write only the secret into it"));
    }
    Ok(text.to_owned())
}

fn sent(status: StatusCode, text: &str) -> Sent {
    // A receiver is a stranger: its words are shown as one short line.
    let text: String = comptroller_vocabulary::visible(text.trim()).chars().take(200).collect();
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    if status.is_redirection() {
        return Sent::Refused(format!(
            "{status}, a redirect, which is not followed: give the URL that it leads to"
        ));
    }
    let answer = format!("{status}{said}");
    match status.as_u16() {
        401 | 403 | 404 => Sent::Denied(answer),
        408 | 425 | 429 | 500.. => Sent::Failed(answer),
        _ => Sent::Refused(answer),
    }
}

/// The innermost cause, which says what went wrong.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Resolves names, and leaves out addresses that are off limits: a name may lead anywhere.
struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| !is_off_limits(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name leads to a link-local address only".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether clouds keep credentials of the machine at an address of this kind.
fn is_off_limits(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_multicast(),
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // fe80::/10, and fd00:ec2::/32 of one cloud.
            (first & 0xffc0) == 0xfe80
                || (first, second) == (0xfd00, 0x0ec2)
                || v6.is_unspecified()
                || v6.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_receivers_that_are_meant_are_asked() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let at = |url: &str, plain| {
            Target::new("--notify", url, plain, Duration::from_secs(1)).map(drop)
        };
        for (url, loopback, anywhere) in [
            ("https://hooks.example/x?y", true, true),
            ("http://127.0.0.1:8080/", true, true),
            ("http://localhost/", true, true),
            ("http://[::1]:80/", true, true),
            ("http://alertmanager.monitoring.svc:9093", false, true),
            ("ftp://hooks.example", false, false),
            ("hooks.example", false, false),
            ("https://user:password@hooks.example", false, false),
            ("https://169.254.169.254/latest", false, false),
            ("https://[fe80::1]/", false, false),
            ("https://[fd00:ec2::254]/", false, false),
            ("https://[::ffff:169.254.169.254]/", false, false),
            ("https://0.0.0.0/", false, false),
        ] {
            assert_eq!(at(url, PlainHttp::Loopback).is_ok(), loopback, "{url}");
            assert_eq!(at(url, PlainHttp::Anywhere).is_ok(), anywhere, "{url}");
        }
        let error = at("https://user:password@hooks.example", PlainHttp::Loopback).unwrap_err();
        assert!(!error.to_string().contains("password"), "{error}");
    }

    #[test]
    fn an_answer_says_whether_to_try_again() {
        let kind = |status: u16| match sent(StatusCode::from_u16(status).unwrap(), "\u{1b}[2J") {
            Sent::Accepted => "accepted",
            Sent::Refused(_) => "refused",
            Sent::Denied(_) => "denied",
            Sent::Failed(text) => {
                assert!(!text.contains('\u{1b}'), "{text}");
                "failed"
            }
        };
        for (status, expected) in [
            (302, "refused"),
            (400, "refused"),
            (413, "refused"),
            (401, "denied"),
            (429, "failed"),
            (503, "failed"),
        ] {
            assert_eq!(kind(status), expected, "{status}");
        }
    }
}
