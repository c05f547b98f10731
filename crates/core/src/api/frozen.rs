//! Fields that stay as they were written, as transition rules of the API server
//! (`x-kubernetes-validations` that compare with `oldSelf`).

use kube_core::{Reason, Rule};

/// A required field that stays as it was written. `instead` is what the refusal tells to do, such
/// as `write another AuditPeriod`.
pub(super) fn immutable(field: &str, instead: &str) -> Rule {
    refusing(Rule::new("self == oldSelf"), field, instead)
}

/// An optional field that stays as it was written, or absent. It is a rule of the object that holds
/// the field: one on the field itself would not see it come or go.
pub(super) fn unchanging(field: &str, instead: &str) -> Rule {
    let rule = format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    );
    refusing(Rule::new(rule), field, instead).field_path(format!(".{field}"))
}

fn refusing(rule: Rule, field: &str, instead: &str) -> Rule {
    rule.message(format!("{field} cannot change; {instead}").as_str())
        .reason(Reason::FieldValueForbidden)
}
