//! Judging an item, if the scope of the control admits it.

use crate::checks::{limit_counts::LimitCounts, scope::Admission};
use crate::{
    checks::{self, Check, CheckContext, Finding, Item, Judgement},
    inventory::{Change, Facts, Inventory, Object, Symbol},
};

/// The rule of a finding about an object of which it is not known whether the scope admits it.
const UNDECIDED: &str = "Undecided";

/// Judges an item, unless the scope leaves it out. `limit_counts` are those of the control's other items.
pub fn judge_in_scope(
    check: &dyn Check,
    context: &CheckContext<'_>,
    item: Item,
    limit_counts: &LimitCounts,
) -> Option<Judgement> {
    let slot = match item {
        Item::Object(slot) => slot,
        Item::Subject(_) | Item::Reported(_) => return check.judge(context, item),
        Item::Cluster(part) => return check.judge_cluster(context, part, limit_counts),
    };
    let object = context.inventory.get(slot)?;
    if context.scope.leaves_out(context.inventory, object) {
        return None;
    }
    let namespace = match &object.facts {
        Facts::Namespace(_) => &object.name,
        _ => &object.namespace,
    };
    match context.scope.admits(context.inventory, namespace) {
        Admission::In => check.judge(context, item),
        Admission::Out => None,
        // What the check would not count anyway is left out, as in a namespace that is known.
        Admission::Unknown => check.judge(context, item).and_then(|_| {
            let finding = Finding {
                rule: UNDECIDED.into(),
                severity: None,
                resource: checks::reference(context.inventory, slot)?,
                subject: None,
                message: format!(
                    "Namespace {namespace} is not known, so it can't be compared with spec.scope.namespaces: add its manifest, or select by kubernetes.io/metadata.name"
                ),
            };
            Some(Judgement { unknown: vec![finding], ..Judgement::default() })
        }),
    }
}

/// The name of the namespace that appeared, changed or went with this change. None for a change of
/// something else.
pub fn changed_namespace(inventory: &Inventory, change: &Change) -> Option<Symbol> {
    let Change::Object { slot, before } = change else {
        return None;
    };
    let is_namespace = |object: &&Object| matches!(object.facts, Facts::Namespace(_));
    inventory
        .get(*slot)
        .filter(is_namespace)
        .or_else(|| before.as_ref().filter(is_namespace))
        .map(|object| object.name.clone())
}
