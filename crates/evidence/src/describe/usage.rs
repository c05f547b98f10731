//! Who used which right, by the audit events of the API server, in words.

use super::{Description, counted};
use crate::usage::{Requester, UsageData, UsedRight};

pub(super) fn usage(data: &UsageData) -> Description {
    let UsageData { from, to, part, parts, events, facts, .. } = data;
    let says = format!(
        "The audit events of the API server between {from} and {to} came to {}{}",
        counted(facts.len() as u64, "fact"),
        if *parts > 1 { format!(", part {part} of {parts}") } else { String::new() }
    );
    let heard = format!(
        "{} reduced, {} heard twice, {} refused by the API server, {} of no use here, {} unclear",
        events.taken, events.duplicates, events.refused, events.other, events.unclear
    );
    let overflow = (events.overflow > 0).then(|| {
        let facts = counted(events.overflow, "fact");
        format!("{facts} had no room: nothing of this time is known not to have been used")
    });
    Description::new(says)
        // The numbers are in the first part alone.
        .known("events", (*part == 1).then_some(heard))
        .known("lost", overflow)
        .detail("digest", &format!("{}, of these facts", data.digest))
        .list("break-glass uses", &facts.break_glass, |used| {
            let requests = counted(used.count, "request");
            format!("{} by {} on {}, {requests}", who(&used.by), used.by_rule, used.day)
        })
        .list("reads of Secrets, and sessions in pods", &facts.accesses, |access| {
            let place = place(&access.namespace);
            let by = who(&access.by);
            format!("{} by {by} {place} on {}, {} times", access.kind, access.day, access.count)
        })
        .list("changes", &facts.changes, |edit| {
            let times = counted(edit.count, "time");
            format!(
                "{} {} {} by {}, {times}, last at {}",
                edit.right.verb,
                resource(&edit.right),
                edit.name,
                who(&edit.by),
                edit.last
            )
        })
        .list("warnings of admission policies", &facts.warnings, |shown| {
            let times = counted(shown.count, "time");
            format!("{} to {} on {}, {times}", shown.policy, who(&shown.by), shown.day)
        })
        .list("last uses of rights", &facts.last_uses, |used| {
            let right = &used.right;
            let place = place(&right.namespace);
            format!("{}: {} {} {place} on {}", who(&used.by), right.verb, resource(right), used.day)
        })
}

fn who(by: &Requester) -> String {
    match &by.impersonator {
        Some(impersonator) => format!("{impersonator} as {}", by.user),
        None => by.user.clone(),
    }
}

/// The plural and its group, as the API server writes them.
fn resource(right: &UsedRight) -> String {
    let UsedRight { resource, group, .. } = right;
    if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") }
}

fn place(namespace: &str) -> String {
    if namespace.is_empty() { "in the whole cluster".to_owned() } else { format!("in {namespace}") }
}
