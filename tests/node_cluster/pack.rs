//! What the pack says of a cluster on which nothing is wrong yet.

use std::collections::BTreeMap;

use comptroller_core::api::{Control, State};
use kube::{Api, ResourceExt as _, api::ListParams};

use crate::{controlplane::wait, node::Node, release::LIMIT};

pub const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/soc2");

/// Each control that fails on a stock cluster names something that its team has to do.
pub async fn the_pack_has_no_false_alarm(node: &mut Node) {
    node.kubectl(&["apply", "--server-side", "-k", PACK]).await.unwrap();
    let controls = Api::<Control>::all(node.client());
    let judged = wait::until("every control of the pack is judged", LIMIT, async || {
        let list = controls.list(&ListParams::default()).await.ok()?.items;
        let judged = |control: &Control| {
            control.status.as_ref().is_some_and(|status| {
                status.since.is_some() && Some(status.observed_generation) == control.metadata.generation
            })
        };
        (list.len() > 40 && list.iter().all(judged)).then_some(list)
    })
    .await
    .unwrap();
    let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for control in &judged {
        let status = control.status.as_ref().unwrap();
        if !matches!(status.state, State::Failing | State::Unknown) {
            continue;
        }
        let findings = status.findings.iter().map(|finding| format!("{finding:?}"));
        let message = status.conditions.iter().map(|it| it.message.clone());
        states.insert(
            format!("{} {}", status.state.as_str(), control.name_any()),
            findings.chain(message).collect(),
        );
    }
    println!("{states:#?}");
}
