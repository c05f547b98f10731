//! Asks one witness for its cosignature (C2SP tlog-witness, `add-checkpoint`).

use std::time::Duration;

use futures::FutureExt;
use reqwest::{Client, header::CONTENT_TYPE, redirect::Policy};
use url::Url;

use super::WitnessesError;
use comptroller_evidence::{
    log::LogReader,
    witness::{AddCheckpoint, Answer, Refusal},
};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often the size is corrected in one go: another replica may be asking as well.
const TRIES: usize = 3;

/// More than some cosignatures have.
const MAX_ANSWER: usize = 64 * 1024;

/// What came of asking a witness.
#[derive(Debug)]
pub(super) enum Asked {
    /// Signature lines, which are still to be verified.
    Cosigned(String),
    /// It saw another log.
    Refused(Refusal),
    /// It did not cosign, for another reason.
    Failed(String),
}

/// A witness and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct WitnessClient {
    /// Its submission prefix, as a person gave it.
    url: String,
    endpoint: Url,
    client: Client,
    /// The size that it cosigned last; 0 as long as that is not known.
    size: u64,
}

impl WitnessClient {
    pub fn new(url: &str) -> Result<Self, WitnessesError> {
        let wrong =
            |reason: &str| WitnessesError::Url { url: url.to_owned(), reason: reason.to_owned() };
        let endpoint = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let endpoint = Url::parse(&endpoint).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host().is_none() {
            return Err(wrong("it is not an http or https URL"));
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            // The protocol has none, and a checkpoint is for this witness.
            .redirect(Policy::none())
            .user_agent(concat!("comptroller/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WitnessesError::Client(describe(&error)))?;
        Ok(Self { url: url.to_owned(), endpoint, client, size: 0 })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Shows the log to the witness, from the size that it cosigned last.
    pub async fn ask(&mut self, log: &LogReader) -> Asked {
        // Since it cosigned last the log may have been put back; it says its own size then.
        let mut old = if self.size <= log.size() { self.size } else { 0 };
        for _ in 0..TRIES {
            let proof = match log.consistency_proof(old).boxed().await {
                Ok(proof) => proof,
                Err(error) => return Asked::Failed(error.to_string()),
            };
            let request = AddCheckpoint::new(old, log.size(), &proof, log.checkpoint());
            match self.send(&request).await {
                Err(error) => return Asked::Failed(describe(&error)),
                Ok(Answer::Cosigned(lines)) => {
                    self.size = log.size();
                    return Asked::Cosigned(lines);
                }
                Ok(Answer::LastSize(size)) => old = size,
                Ok(Answer::Refused(refusal)) => return Asked::Refused(refusal),
                Ok(Answer::Failed(why)) => return Asked::Failed(why),
            }
        }
        Asked::Failed(
            "it names another size each time: something else shows it this log".to_owned(),
        )
    }

    async fn send(&self, request: &AddCheckpoint) -> reqwest::Result<Answer> {
        let sent = self.client.post(self.endpoint.clone()).body(request.body.clone());
        let mut response = sent.send().await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type =
            content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                body.truncate(MAX_ANSWER);
                break;
            }
        }
        Ok(request.answer(status, &content_type, &String::from_utf8_lossy(&body)))
    }
}

/// The innermost cause, which says what went wrong; the rest names the URL, which is known.
fn describe(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
