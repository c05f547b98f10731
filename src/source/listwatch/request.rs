//! Requests with limits on their responses, which are read as a stream of bytes.

use std::{future::Future, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, Request, header::RETRY_AFTER},
};
use bytes::Bytes;
use futures::StreamExt;
use kube::Client;
use serde::Deserialize;

use crate::telemetry::RequestFailure;

/// How much is read of an error response.
const MAX_ERROR: usize = 64 << 10;

/// How many characters are passed on of an error message.
const MAX_TEXT: usize = 512;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The API server answered with an error.
    #[error("{message}")]
    Status {
        /// HTTP status; in a watch, the code of the ERROR event.
        code: u16,
        /// The server's message, one line.
        message: String,
        /// The server's `Retry-After`; None if it gave none.
        retry_after: Option<Duration>,
    },
    /// No response came, or not all of it.
    #[error("{0}")]
    NoAnswer(String),
    /// The response can't be read.
    #[error("{0}")]
    Malformed(String),
}

impl RequestError {
    /// Its class, for the log.
    pub fn failure(&self) -> RequestFailure {
        match self {
            Self::Status { code, .. } => RequestFailure::of_code(*code),
            Self::NoAnswer(_) => RequestFailure::NoAnswer,
            Self::Malformed(_) => RequestFailure::Unavailable,
        }
    }

    /// The HTTP status; None if there was no response, or none that can be read.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// A response that can't be read, for this reason.
    pub fn malformed(error: impl std::fmt::Display) -> Self {
        Self::Malformed(first_line(&format!("the response can't be read: {error}")))
    }
}

impl From<serde_json::Error> for RequestError {
    /// Gives the position, and not the text there, which may be personal data.
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Malformed(format!("the response can't be read (line {line}, column {column})"))
    }
}

/// The body of an error response: `metav1.Status`, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusBody {
    /// `Status`, or empty if the body is something else.
    pub kind: String,
    pub code: u16,
    pub message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

impl StatusBody {
    /// As an error. The HTTP status and header of the response, where there are any, go before
    /// the fields of the body.
    pub fn into_error(self, code: Option<u16>, retry_after: Option<Duration>) -> RequestError {
        let code = code.unwrap_or(self.code);
        let message = if self.message.is_empty() {
            format!("the API server answers {code}")
        } else {
            first_line(&self.message)
        };
        let in_body = self.details.and_then(|details| details.retry_after_seconds);
        RequestError::Status {
            code,
            message,
            retry_after: retry_after.or(in_body.map(Duration::from_secs)),
        }
    }
}

/// The body of a successful response.
#[derive(Debug)]
pub struct ResponseBody(BodyDataStream);

impl ResponseBody {
    /// The next chunk; None at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RequestError> {
        match self.0.next().await {
            None => Ok(None),
            Some(Ok(chunk)) => Ok(Some(chunk)),
            Some(Err(error)) => Err(RequestError::NoAnswer(first_line(&chain(&error)))),
        }
    }
}

/// Sends a request and waits for the head of its response, at most for `limit`.
pub async fn send(
    client: &Client,
    request: Request<Vec<u8>>,
    limit: Duration,
) -> Result<ResponseBody, RequestError> {
    let request = request.map(kube::client::Body::from);
    let response = with_timeout(limit, client.send(request)).await?;
    let response = response.map_err(|error| RequestError::NoAnswer(first_line(&chain(&error))))?;
    let (parts, body) = response.into_parts();
    let mut body = ResponseBody(Body::new(body).into_data_stream());
    if parts.status.is_success() {
        return Ok(body);
    }
    let mut text = Vec::new();
    // The status code alone is enough if the body can't be read.
    let _ = with_timeout(limit, async {
        while let Ok(Some(chunk)) = body.next().await
            && text.len() < MAX_ERROR
        {
            text.extend_from_slice(&chunk);
        }
    })
    .await;
    let status: StatusBody = serde_json::from_slice(&text).unwrap_or_default();
    Err(status.into_error(Some(parts.status.as_u16()), retry_after(&parts.headers)))
}

/// Waits for a future, at most for `limit`.
pub async fn with_timeout<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, RequestError> {
    tokio::time::timeout(limit, future)
        .await
        .map_err(|_| RequestError::NoAnswer(format!("no answer within {} s", limit.as_secs_f32())))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes, since the last one says what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_status_is_one_line() {
        let status: StatusBody = serde_json::from_str(
            r#"{"kind":"Status","code":429,"message":"too many\nrequests","details":{"retryAfterSeconds":7}}"#,
        )
        .unwrap();
        let error = status.into_error(None, None);
        assert_eq!(
            error,
            RequestError::Status {
                code: 429,
                message: "too many".to_owned(),
                retry_after: Some(Duration::from_secs(7)),
            }
        );
        let nothing = StatusBody::default().into_error(Some(503), Some(Duration::from_secs(1)));
        assert_eq!(nothing.to_string(), "the API server answers 503");
    }
}
