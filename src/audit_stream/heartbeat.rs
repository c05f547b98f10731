//! The operator's own requests, by which it knows that the stream is alive.
//!
//! A heartbeat is a `SelfSubjectReview`, which every user may make of themselves and which changes
//! nothing. Its `fieldManager` has a number, and a mark that nobody outside can guess: the audit event
//! has the address of the request.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};

use comptroller_vocabulary::hex;

/// What a mark begins with.
const PREFIX: &str = "comptroller-audit-";

/// How long the API server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(4);

/// What tells the requests of this process from all others.
#[derive(Clone, Debug)]
pub struct Mark(String);

impl Mark {
    /// A mark that nobody can guess.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        Ok(Self(format!("{PREFIX}{}-", hex(&random))))
    }

    /// The number of a heartbeat, by the address of a request. None if it is another request.
    pub fn number(&self, request_uri: &str) -> Option<u64> {
        let (_, rest) = request_uri.split_once(self.0.as_str())?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Makes the request of a number. Says whether the API server answered, however it did.
    pub async fn send(&self, client: Client, number: u64) -> bool {
        let params = PostParams {
            field_manager: Some(format!("{}{number}", self.0)),
            ..PostParams::default()
        };
        let review = SelfSubjectReview::default();
        let reviews: Api<SelfSubjectReview> = Api::all(client);
        let answer = tokio::time::timeout(TIMEOUT, reviews.create(&params, &review)).await;
        matches!(answer, Ok(Ok(_) | Err(kube::Error::Api(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_known_by_its_mark_and_number() {
        let (mark, other) = (Mark::new().unwrap(), Mark::new().unwrap());
        let uri = |mark: &Mark, rest: &str| {
            format!(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews?&fieldManager={}{rest}",
                mark.0
            )
        };
        for (uri, expected) in [
            (uri(&mark, "17"), Some(17)),
            (uri(&mark, "17&pretty=true"), Some(17)),
            (uri(&mark, ""), None),
            (uri(&mark, "x"), None),
            (uri(&other, "17"), None),
            (format!("/api/v1/pods?fieldManager={PREFIX}17"), None),
        ] {
            assert_eq!(mark.number(&uri), expected, "{uri}");
        }
        // The API server takes up to 128 characters.
        assert!(mark.0.len() + 20 <= 128);
    }
}
