//! Errors of the client as text for a log line: short, and without anything that was sent or read.

use kube::core::Status;

/// The longest text of an error in a line, in characters.
const LONGEST: usize = 400;

/// An answer of the API server in a few words. What it says of an object may quote it, so only the
/// fields are told; what it says of a right names the operator and the resource.
pub fn of_answer(status: &Status) -> String {
    let Status { code, reason, message, .. } = status;
    match code {
        400 | 409 | 410 | 413 | 415 | 422 => {
            let mut fields: Vec<&str> = status
                .details
                .iter()
                .flat_map(|details| &details.causes)
                .map(|cause| cause.field.as_str())
                .filter(|field| !field.is_empty() && !field.contains('"'))
                .collect();
            fields.dedup();
            fields.truncate(5);
            let fields = fields.join(", ");
            let at = if fields.is_empty() { "" } else { " at " };
            bounded(&format!("{code} {reason}{at}{fields}"))
        }
        _ => bounded(&format!("{code} {reason}: {message}")),
    }
}

/// A text of bounded length.
pub fn bounded(text: &str) -> String {
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
    fn a_line_has_the_field_and_nothing_of_what_is_in_it() {
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
        assert_eq!(of_answer(&status), "422 Invalid at status.findings[3].message");
        let denied = Status {
            code: 403,
            reason: "Forbidden".to_owned(),
            message: "pods is forbidden".to_owned(),
            ..Status::default()
        };
        assert_eq!(of_answer(&denied), "403 Forbidden: pods is forbidden");
        assert_eq!(bounded(&"é".repeat(5000)).chars().count(), LONGEST + 1);
    }
}
