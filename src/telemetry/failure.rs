//! What an error of the client means, and how it reads in a log line: short, and without anything that
//! was sent or received, which may be personal data.

use kube::core::Status;

/// How a request failed, as far as it matters for what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// There was no response.
    NoAnswer,
    /// The API server, or a proxy in front of it, can't serve for now (408, 429 and 5xx), or its response
    /// can't be read.
    Unavailable,
    /// It does not accept the operator's credentials (401).
    Unauthorized,
    /// Somebody else keeps changing the same object (409).
    Conflict,
    /// A permission is missing (403).
    Denied,
    /// It rejected the request, and will do so until somebody acts.
    Rejected,
}

impl RequestFailure {
    /// The class of a client error.
    pub fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_code(status.code),
            // A proxy answers in HTML while the API server is away.
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Unavailable,
            // The request was never sent, and will not be however often it is tried.
            kube::Error::BuildRequest(_)
            | kube::Error::InferConfig(_)
            | kube::Error::Discovery(_) => Self::Rejected,
            _ => Self::NoAnswer,
        }
    }

    /// The class of a response with this HTTP status.
    pub fn of_code(code: u16) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Denied,
            409 => Self::Conflict,
            408 | 429 => Self::Unavailable,
            code if code >= 500 => Self::Unavailable,
            _ => Self::Rejected,
        }
    }

    /// A client error in a few words.
    pub fn describe(error: &kube::Error) -> String {
        match error {
            kube::Error::Api(status) => describe_status(status),
            kube::Error::SerdeError(error) => {
                format!(
                    "the response can't be read (line {}, column {})",
                    error.line(),
                    error.column()
                )
            }
            kube::Error::FromUtf8(_) => "the response is not text".to_owned(),
            error => bounded(&error.to_string()),
        }
    }

    /// What it means if an outage begins with this failure, and what to do.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "the API server no longer accepts the operator's credentials. The operator retries, and controls turn Unknown after a minute. Check that the token or certificate of its ServiceAccount is valid and that the clocks agree"
            }
            Self::Conflict => {
                "the API server answers with conflicts. The operator retries. Check who else writes the status of controls, such as a second operator"
            }
            _ => {
                "the API server can't be reached or is unhealthy. The operator retries; verdicts hold for a minute, and then controls turn Unknown. Check that the API server runs, that the network lets the operator through, and for an aggregated API its APIService"
            }
        }
    }
}

/// The longest text of an error in a log line, in characters.
const LONGEST: usize = 400;

/// An error response in a few words. Messages about an object may quote its contents, so only the fields
/// are named; messages about permissions name the operator and the resource.
fn describe_status(status: &Status) -> String {
    let Status { code, reason, message, .. } = status;
    match code {
        400 | 409 | 410 | 413 | 415 | 422 => {
            let mut fields: Vec<&str> = status
                .details
                .iter()
                .flat_map(|details| &details.causes)
                .map(|cause| cause.field.as_str())
                // A quoted part is a key of a map, which a user chose.
                .filter(|field| !field.is_empty() && !field.contains('"'))
                .collect();
            fields.dedup();
            // One wrong value may be reported once for each of hundreds of findings.
            fields.truncate(5);
            let fields = fields.join(", ");
            let at = if fields.is_empty() { "" } else { " at " };
            bounded(&format!("{code} {reason}{at}{fields}"))
        }
        _ => bounded(&format!("{code} {reason}: {message}")),
    }
}

/// A text cut to [`LONGEST`] characters.
pub(super) fn bounded(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    #[test]
    fn a_line_names_the_field_and_not_its_contents() {
        let cause = |field: &str| StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: "Invalid value: \"jane@corp\"".to_owned(),
            field: field.to_owned(),
        };
        let details = StatusDetails {
            causes: vec![cause("status.findings[3].message"), cause("")],
            name: "x".to_owned(),
            group: String::new(),
            kind: "Control".to_owned(),
            uid: String::new(),
            retry_after_seconds: 0,
        };
        let status = Status {
            code: 422,
            reason: "Invalid".to_owned(),
            message: "Control \"x\" is invalid: jane@corp".to_owned(),
            details: Some(details),
            ..Status::default()
        };
        assert_eq!(describe_status(&status), "422 Invalid at status.findings[3].message");
        let denied = Status {
            code: 403,
            reason: "Forbidden".to_owned(),
            message: "pods is forbidden".to_owned(),
            ..Status::default()
        };
        assert_eq!(describe_status(&denied), "403 Forbidden: pods is forbidden");
        assert_eq!(bounded(&"é".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
