//! What the pack says of a cluster on which nothing is wrong yet.

use std::collections::BTreeMap;

use comptroller_core::api::{Control, State};
use kube::{Api, ResourceExt as _, api::ListParams};

use crate::{controlplane::wait, node::Node, release::LIMIT};

pub const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/soc2");

/// What is left to do for whoever installs it, as `control: rule of resource`.
const TO_DO: [&str; 3] = [
    // The pack knows no registry before its user names one, and the test's image has no digest.
    "images-are-pinned-and-known: ImageDigest of comptroller",
    "images-are-pinned-and-known: Registries of comptroller",
    // Nobody has labelled it.
    "pod-security-baseline: EnforceTooLow of default",
];

/// The one whose answer depends on what the API server has shown so far.
const AT_REST: &str = "secrets-encrypted-at-rest";

/// What a cluster cannot show by itself, with what shows it.
const NOT_VISIBLE: [(&str, &str); 1] =
    [("volumes-are-encrypted", "whether the node's disk is encrypted is not visible: attest it")];

/// Each control that fails on a stock cluster names something that its team has to do, and each that is
/// Unknown says how it can be known.
pub async fn the_pack_has_no_false_alarm(node: &mut Node) {
    node.kubectl(&["apply", "--server-side", "-k", PACK]).await.unwrap();
    let controls = Api::<Control>::all(node.client());
    let judged = wait::until("every control of the pack is judged", LIMIT, async || {
        let list = controls.list(&ListParams::default()).await.ok()?.items;
        let judged = |control: &Control| {
            control.status.as_ref().is_some_and(|status| {
                status.since.is_some()
                    && Some(status.observed_generation) == control.metadata.generation
            })
        };
        (list.len() > 40 && list.iter().all(judged)).then_some(list)
    })
    .await
    .unwrap();
    let of_pack = |control: &&Control| {
        control.name_any() != AT_REST && !control.spec.title.starts_with("The namespace names")
    };
    let mut failing = Vec::new();
    let mut unknown = BTreeMap::new();
    for control in judged.iter().filter(of_pack) {
        let (name, status) = (control.name_any(), control.status.as_ref().unwrap());
        for finding in &status.findings {
            failing.push(format!("{name}: {} of {}", finding.rule, finding.resource.name));
        }
        if status.state == State::Unknown {
            let says = status.conditions.iter().map(|condition| condition.message.as_str());
            unknown.insert(name, says.collect::<Vec<_>>().join("; "));
        }
    }
    failing.sort_unstable();
    assert_eq!(failing, TO_DO, "{unknown:#?}");
    // Nothing is encrypted here. The API server shows it some time after the first Secret, if at all.
    let at_rest = judged.iter().find(|control| control.name_any() == AT_REST).unwrap();
    let state = at_rest.status.as_ref().unwrap().state;
    assert!(matches!(state, State::Failing | State::Unknown), "{state:?}");
    assert_eq!(
        unknown.keys().map(String::as_str).collect::<Vec<_>>(),
        NOT_VISIBLE.map(|(control, _)| control)
    );
    for (control, says) in NOT_VISIBLE {
        assert!(unknown[control].contains(says), "{unknown:#?}");
    }
}
