//! Controls to judge by.

use std::sync::Arc;

use comptroller::cli::pack::PACK;
use comptroller_core::api::{Control, ControlSpec};
use serde_json::{Value, json};

use super::world::Controls;

/// The controls of the SOC 2 pack, by name.
pub fn pack() -> Controls {
    PACK.iter()
        .map(|(name, text)| {
            let control: Control = yaml_serde::from_str(text).unwrap();
            ((*name).to_owned(), Arc::new(control.spec))
        })
        .collect()
}

/// So many controls: some of the pack from its beginning to its end, or all of it again and again.
/// Repeated ones differ in their name only, as the controls of several teams do.
pub fn packs(count: usize) -> Controls {
    let pack = pack();
    (0..count)
        .map(|number| {
            let at = if count < pack.len() { number * pack.len() / count } else { number };
            let (name, spec) = &pack[at % pack.len()];
            (format!("{name}-{number}"), Arc::clone(spec))
        })
        .collect()
}

/// The controls of the pack about rights, with one that limits how many subjects hold them.
pub fn rights() -> Controls {
    let mut controls = pack();
    controls.retain(|(_, spec)| spec.test.rbac.is_some());
    controls.push(("few-read-secrets".to_owned(), few_read_secrets()));
    controls
}

/// A control that limits how many subjects may read Secrets.
pub fn few_read_secrets() -> Arc<ControlSpec> {
    control(&json!({"rbac": {"forbid": ["ReadSecrets", "ClusterAdmin"], "maxSubjects": 50}}))
}

/// A control with this test over the whole cluster.
pub fn control(test: &Value) -> Arc<ControlSpec> {
    let spec = json!({
        "title": "t", "criteria": ["CC6.1"], "owner": "o", "severity": "High", "test": test,
    });
    Arc::new(serde_json::from_value(spec).unwrap())
}
