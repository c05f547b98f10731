//! Signs events as Standard Webhooks does: HMAC-SHA256 of the id, the time and the body.

use std::path::Path;

use axum::http::HeaderMap;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::outbound::{TargetError, header, secret};

/// What a key in base64 begins with; any other is taken as it is.
const PREFIX: &str = "whsec_";

/// The headers by which a receiver knows who sent an event.
pub fn headers(key: &Path, id: &str, at: Timestamp, body: &[u8]) -> Result<HeaderMap, TargetError> {
    let text = secret(key)?;
    let decoded = text.strip_prefix(PREFIX).and_then(|coded| BASE64_STANDARD.decode(coded).ok());
    let bytes = decoded.unwrap_or_else(|| text.into_bytes());
    let seconds = at.as_second().to_string();
    let wrong =
        |_| TargetError::Credential { path: key.to_owned(), reason: "what it has is not a key" };
    let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).map_err(wrong)?;
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    Ok(HeaderMap::from_iter([
        header("webhook-id", id),
        header("webhook-timestamp", &seconds),
        header("webhook-signature", &signature),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification of Standard Webhooks has.
    #[test]
    fn the_published_example_is_signed_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let headers =
            headers(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
