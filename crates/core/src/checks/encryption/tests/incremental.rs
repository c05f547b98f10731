//! What the engine relies on: a change affects no item that the check does not name, and a
//! judgement holds until the time that it says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    CERTIFICATES, GATEWAYS, GRPC, INGRESS, LINKERD, MESH, NOW, STORAGE, apply, at, check,
    documents, inventory, judge, remove,
};
use crate::checks::{CheckContext, Item, Judgement, scope::ScopeFilter};

const EVERYTHING: &str = "{atRest: {resources: [secrets]}, storageClasses: {}, ingress: {minValidity: 30d}, gateways: {}, mesh: {}, certificates: {minValidity: 1mo}}";

fn all_documents() -> Vec<Value> {
    [CERTIFICATES, CLASSES, GATEWAYS, GRPC, INGRESS, LINKERD, MESH, STORAGE]
        .iter()
        .flat_map(|file| documents(file))
        .collect()
}

/// Who serves decides about an Ingress, and may be exchanged under it.
const CLASSES: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: edge}
spec: {controller: nginx.org/ingress-controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: by-class, namespace: shop, annotations: {nginx.ingress.kubernetes.io/ssl-redirect: "false"}}
spec:
  ingressClassName: edge
  tls: [{hosts: [shop.example.com], secretName: shop-tls}]
  rules: [{host: shop.example.com}]
"#;

/// What may happen to an object.
#[derive(Clone, Copy, Debug)]
enum Step {
    Apply,
    Break,
    Remove,
}

fn broken(object: &Value) -> Value {
    let mut object = object.clone();
    object["spec"] = json!("broken");
    object["parameters"] = json!("broken");
    object
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => Just(Step::Apply), 1 => Just(Step::Break), 2 => Just(Step::Remove)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Judging only what each batch of changes affects comes to the same as judging everything.
    #[test]
    fn affected_is_complete(
        batches in prop::collection::vec(
            prop::collection::vec((any::<prop::sample::Index>(), step()), 1..12),
            1..12,
        ),
    ) {
        let documents = all_documents();
        let check = check(EVERYTHING);
        let mut inventory = inventory(&[]);
        let mut kept: BTreeMap<Item, Judgement> = judge(check.as_ref(), &inventory, at(NOW));
        for batch in batches {
            let mut changes = Vec::new();
            for (index, step) in batch {
                let object = index.get(&documents);
                changes.extend(match step {
                    Step::Apply => apply(&mut inventory, object),
                    Step::Break => apply(&mut inventory, &broken(object)),
                    Step::Remove => remove(&mut inventory, object),
                });
            }
            let scope = ScopeFilter::default();
            let context = CheckContext { inventory: &inventory, scope: &scope, now: at(NOW), occurrences: &[] };
            let mut items = BTreeSet::new();
            for change in &changes {
                check.affected(&context, change, &mut |item| {
                    items.insert(item);
                });
            }
            for item in items {
                match check.judge(&context, item) {
                    Some(judgement) => kept.insert(item, judgement),
                    None => kept.remove(&item),
                };
            }
            prop_assert_eq!(&kept, &judge(check.as_ref(), &inventory, at(NOW)));
        }
    }

    #[test]
    fn judgements_hold_until_they_say(start in 0_i64..100 * 86_400, share in 0.0_f64..1.0) {
        let inventory = inventory(&all_documents());
        let check = check(EVERYTHING);
        let now = at(NOW).checked_add(SignedDuration::from_secs(start)).unwrap();
        let first = judge(check.as_ref(), &inventory, now);
        for (item, judgement) in &first {
            // Whatever has no end holds for a year as well.
            let until = judgement
                .valid_until
                .unwrap_or_else(|| now.checked_add(SignedDuration::from_hours(24 * 365)).unwrap());
            prop_assert!(until > now);
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            let nanos = (until.duration_since(now).as_nanos() as f64 * share * 0.999) as i128;
            let later = now.checked_add(SignedDuration::from_nanos_i128(nanos)).unwrap();
            prop_assert_eq!(judge(check.as_ref(), &inventory, later).remove(item), Some(judgement.clone()));
            if judgement.valid_until.is_some() {
                prop_assert_ne!(judge(check.as_ref(), &inventory, until).remove(item), Some(judgement.clone()));
            }
        }
    }
}
