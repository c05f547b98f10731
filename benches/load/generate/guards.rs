//! The operator's admission policies, of which one binding was deleted and another only warns.

use comptroller_core::inventory::guards::{BINDING, shipped};
use serde_json::json;

use super::Planter;

/// The binding that somebody deleted, and the one that somebody weakened.
const DELETED: &str = "comptroller-response-author";
const WARNS: &str = "comptroller-exception-approvers";

impl Planter {
    pub(super) fn record_guards(&mut self) {
        for guard in shipped() {
            let (kind, name) = (&guard.kind, &guard.name);
            let is_binding = kind == BINDING;
            let mut object = json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": name}, "spec": guard.spec,
            });
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
