//! The operator's admission policies, of which one binding was deleted and another only warns.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Planter;

/// The files that have policies.
const FILES: [&str; 5] = [
    include_str!("../../../config/admission/attestation_attesters.yaml"),
    include_str!("../../../config/admission/attestation_author.yaml"),
    include_str!("../../../config/admission/exception_approvers.yaml"),
    include_str!("../../../config/admission/exception_author.yaml"),
    include_str!("../../../config/admission/response_author.yaml"),
];

/// The binding that somebody deleted, and the one that somebody weakened.
const DELETED: &str = "comptroller-response-author";
const WARNS: &str = "comptroller-exception-approvers";

impl Planter {
    pub(super) fn record_guards(&mut self) {
        let documents = FILES.iter().flat_map(|file| yaml_serde::Deserializer::from_str(file));
        for mut object in documents.filter_map(|document| Value::deserialize(document).ok()) {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let is_binding = kind == "ValidatingAdmissionPolicyBinding";
            let (deleted, warns) = (is_binding && name == DELETED, is_binding && name == WARNS);
            self.expected.judge("evidence-is-guarded", &format!("{kind} {name}"), deleted || warns);
            if !is_binding {
                self.expected.judge("guards-fail-closed", &format!("policy {name}"), false);
            }
            if warns {
                object["spec"]["validationActions"] = json!(["Warn"]);
            }
            if !deleted {
                self.add(object);
            }
        }
    }
}
