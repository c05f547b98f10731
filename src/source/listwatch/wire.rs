//! Requests with limits on their answers, read as a stream of bytes.

use std::{future::Future, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, Request, header::RETRY_AFTER},
};
use bytes::Bytes;
use futures::StreamExt;
use kube::Client;
use serde::Deserialize;

use crate::telemetry::Failure;

/// As much as is read of an answer that is an error.
const MAX_ERROR: usize = 64 << 10;

/// As much as is told of an error.
const MAX_TEXT: usize = 512;

/// Why there is no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The server said so.
    #[error("{message}")]
    Status {
        /// HTTP status, or that of an error within a watch.
        code: u16,
        /// What it said, one line.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Nothing came, or not all of it.
    #[error("{0}")]
    NoAnswer(String),
    /// What came can't be read.
    #[error("{0}")]
    Garbled(String),
}

impl Problem {
    /// What it means for the log.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Status { code, .. } => Failure::of_code(*code),
            Self::NoAnswer(_) => Failure::NoAnswer,
            Self::Garbled(_) => Failure::Unwell,
        }
    }

    /// The status of the server; None when it said nothing.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// An answer that can't be read, and why.
    pub fn garbled(error: impl std::fmt::Display) -> Self {
        Self::Garbled(first_line(&format!("the answer can't be read: {error}")))
    }
}

impl From<serde_json::Error> for Problem {
    /// Without what is written there, which may be of a person.
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Garbled(format!("the answer can't be read (line {line}, column {column})"))
    }
}

/// What the server says of an error, as far as it is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// `Status` when it is one.
    pub kind: String,
    /// HTTP status.
    pub code: u16,
    /// For people.
    pub message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u64>,
}

impl Status {
    /// As a problem; `code` is that of the answer, when it has one.
    pub fn problem(self, code: Option<u16>, retry_after: Option<Duration>) -> Problem {
        let code = code.unwrap_or(self.code);
        let message = if self.message.is_empty() {
            format!("the API server answers {code}")
        } else {
            first_line(&self.message)
        };
        let asked = self.details.and_then(|details| details.retry_after_seconds);
        Problem::Status {
            code,
            message,
            retry_after: retry_after.or(asked.map(Duration::from_secs)),
        }
    }
}

/// The body of a good answer.
#[derive(Debug)]
pub struct Answer(BodyDataStream);

impl Answer {
    /// The next piece; None at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.0.next().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(error)) => Err(Problem::NoAnswer(first_line(&chain(&error)))),
        }
    }
}

/// Asks, and waits for the head of the answer.
pub async fn ask(
    client: &Client,
    request: Request<Vec<u8>>,
    head: Duration,
) -> Result<Answer, Problem> {
    let request = request.map(kube::client::Body::from);
    let response = within(head, client.send(request)).await?;
    let response = response.map_err(|error| Problem::NoAnswer(first_line(&chain(&error))))?;
    let (parts, body) = response.into_parts();
    let mut answer = Answer(Body::new(body).into_data_stream());
    if parts.status.is_success() {
        return Ok(answer);
    }
    let mut text = Vec::new();
    // What can't be read of an error changes nothing about it.
    let _ = within(head, async {
        while let Ok(Some(piece)) = answer.next().await
            && text.len() < MAX_ERROR
        {
            text.extend_from_slice(&piece);
        }
    })
    .await;
    let status: Status = serde_json::from_slice(&text).unwrap_or_default();
    Err(status.problem(Some(parts.status.as_u16()), retry_after(&parts.headers)))
}

/// Waits no longer than this.
pub async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(limit, answer)
        .await
        .map_err(|_| Problem::NoAnswer(format!("no answer within {} s", limit.as_secs_f32())))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// An error with its causes: the last says what happened.
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
    fn a_status_is_told_in_one_line() {
        let status: Status = serde_json::from_str(
            r#"{"kind":"Status","code":429,"message":"too many\nrequests","details":{"retryAfterSeconds":7}}"#,
        )
        .unwrap();
        let problem = status.problem(None, None);
        assert_eq!(
            problem,
            Problem::Status {
                code: 429,
                message: "too many".to_owned(),
                retry_after: Some(Duration::from_secs(7)),
            }
        );
        let nothing = Status::default().problem(Some(503), Some(Duration::from_secs(1)));
        assert_eq!(nothing.to_string(), "the API server answers 503");
    }
}
