//! The policies that this version ships are those of config/admission.

use comptroller_core::inventory::guards::{ShippedGuard, shipped};
use serde::Deserialize;
use serde_json::{Value, json};

/// The files of config/admission that have policies.
const FILES: [&str; 5] = [
    include_str!("../../../config/admission/attestation_attesters.yaml"),
    include_str!("../../../config/admission/attestation_author.yaml"),
    include_str!("../../../config/admission/exception_approvers.yaml"),
    include_str!("../../../config/admission/exception_author.yaml"),
    include_str!("../../../config/admission/response_author.yaml"),
];

#[test]
fn what_is_compared_with_is_what_is_shipped() {
    let files: Vec<ShippedGuard> = FILES
        .iter()
        .flat_map(|file| yaml_serde::Deserializer::from_str(file))
        .map(|document| Value::deserialize(document).unwrap())
        .map(|object| {
            let guard = json!({
                "kind": object["kind"], "name": object["metadata"]["name"], "spec": object["spec"],
            });
            serde_json::from_value(guard).unwrap()
        })
        .collect();
    assert_eq!(files, shipped(), "write crates/core/src/inventory/guards.json anew");
}
