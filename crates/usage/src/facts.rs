//! What was heard so far, of each kind at most so much.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};

use comptroller_evidence::usage::{
    AccessKind, BreakGlassUse, LastUse, ObjectEdit, Requester, SensitiveAccess, ShownWarning,
    UsageFacts, UsedRight,
};

/// How much text a fact may have, in bytes, were as many of one kind as there may be: twice what one has.
const TEXT: usize = 512;

/// Facts that add up. They come in any order: of two days of a use the later counts.
#[derive(Clone, Debug)]
pub struct Facts {
    limit: usize,
    /// How much more text can be kept, in bytes: names are long only if somebody makes them so.
    room: usize,
    last_uses: BTreeMap<(Requester, UsedRight), Date>,
    changes: BTreeMap<(Requester, UsedRight, String), Span>,
    break_glass: BTreeMap<(Requester, String, Date), Span>,
    warnings: BTreeMap<(Requester, String, String, Date), u64>,
    accesses: BTreeMap<(Requester, AccessKind, String, Date), u64>,
    overflow: u64,
}

/// When something was done first and last, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

impl Span {
    fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            count: self.count.saturating_add(other.count),
        }
    }
}

impl Facts {
    /// At most `limit` facts of each kind, and of all of them as much text as so many may have.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            room: limit.saturating_mul(TEXT),
            last_uses: BTreeMap::new(),
            changes: BTreeMap::new(),
            break_glass: BTreeMap::new(),
            warnings: BTreeMap::new(),
            accesses: BTreeMap::new(),
            overflow: 0,
        }
    }

    /// Facts for which there was no room since this was asked last.
    pub fn take_overflow(&mut self) -> u64 {
        std::mem::take(&mut self.overflow)
    }

    /// Takes in facts.
    pub fn add(&mut self, facts: UsageFacts) {
        let UsageFacts { last_uses, changes, break_glass, warnings, accesses } = facts;
        for LastUse { by, right, day } in last_uses {
            self.add_use(by, right, day);
        }
        for ObjectEdit { by, right, name, first, last, count } in changes {
            self.add_span_of_change((by, right, name), Span { first, last, count });
        }
        for BreakGlassUse { by, by_rule, day, first, last, count } in break_glass {
            self.add_span_of_break_glass((by, by_rule, day), Span { first, last, count });
        }
        for ShownWarning { by, policy, binding, day, count } in warnings {
            self.add_warning(by, policy, binding, day, count);
        }
        for SensitiveAccess { by, kind, namespace, day, count } in accesses {
            self.add_access(by, kind, namespace, day, count);
        }
    }

    pub(crate) fn add_use(&mut self, by: Requester, right: UsedRight, day: Date) {
        let (latest, size) = (Date::max, text(&by) + text_of_right(&right));
        let room = (self.limit, &mut self.room, size);
        self.overflow += put(&mut self.last_uses, room, (by, right), day, latest);
    }

    pub(crate) fn add_change(
        &mut self,
        by: Requester,
        right: UsedRight,
        name: String,
        at: Timestamp,
    ) {
        self.add_span_of_change((by, right, name), Span { first: at, last: at, count: 1 });
    }

    pub(crate) fn add_break_glass(&mut self, by: Requester, rule: String, at: (Timestamp, Date)) {
        let (at, day) = at;
        self.add_span_of_break_glass((by, rule, day), Span { first: at, last: at, count: 1 });
    }

    pub(crate) fn add_warning(
        &mut self,
        by: Requester,
        policy: String,
        binding: String,
        day: Date,
        count: u64,
    ) {
        let room = (self.limit, &mut self.room, text(&by) + policy.len() + binding.len());
        let key = (by, policy, binding, day);
        self.overflow += put(&mut self.warnings, room, key, count, u64::saturating_add);
    }

    pub(crate) fn add_access(
        &mut self,
        by: Requester,
        kind: AccessKind,
        namespace: String,
        day: Date,
        count: u64,
    ) {
        let room = (self.limit, &mut self.room, text(&by) + namespace.len());
        let key = (by, kind, namespace, day);
        self.overflow += put(&mut self.accesses, room, key, count, u64::saturating_add);
    }

    fn add_span_of_change(&mut self, key: (Requester, UsedRight, String), span: Span) {
        let size = text(&key.0) + text_of_right(&key.1) + key.2.len();
        let room = (self.limit, &mut self.room, size);
        self.overflow += put(&mut self.changes, room, key, span, Span::and);
    }

    fn add_span_of_break_glass(&mut self, key: (Requester, String, Date), span: Span) {
        let room = (self.limit, &mut self.room, text(&key.0) + key.1.len());
        self.overflow += put(&mut self.break_glass, room, key, span, Span::and);
    }

    /// The day on which a user last used a right; None if that was not heard.
    pub fn last_use(&self, by: &Requester, right: &UsedRight) -> Option<Date> {
        self.last_uses.get(&(by.clone(), right.clone())).copied()
    }

    /// All of them, sorted, and nothing is left.
    pub fn take(&mut self) -> UsageFacts {
        let Self { last_uses, changes, break_glass, warnings, accesses, .. } =
            std::mem::replace(self, Self { overflow: self.overflow, ..Self::new(self.limit) });
        UsageFacts {
            last_uses: last_uses
                .into_iter()
                .map(|((by, right), day)| LastUse { by, right, day })
                .collect(),
            changes: changes
                .into_iter()
                .map(|((by, right, name), Span { first, last, count })| ObjectEdit {
                    by,
                    right,
                    name,
                    first,
                    last,
                    count,
                })
                .collect(),
            break_glass: break_glass
                .into_iter()
                .map(|((by, by_rule, day), Span { first, last, count })| BreakGlassUse {
                    by,
                    by_rule,
                    day,
                    first,
                    last,
                    count,
                })
                .collect(),
            warnings: warnings
                .into_iter()
                .map(|((by, policy, binding, day), count)| ShownWarning {
                    by,
                    policy,
                    binding,
                    day,
                    count,
                })
                .collect(),
            accesses: accesses
                .into_iter()
                .map(|((by, kind, namespace, day), count)| SensitiveAccess {
                    by,
                    kind,
                    namespace,
                    day,
                    count,
                })
                .collect(),
        }
    }
}

fn text(by: &Requester) -> usize {
    by.user.len() + by.impersonator.as_ref().map_or(0, String::len)
}

fn text_of_right(right: &UsedRight) -> usize {
    let UsedRight { verb, group, resource, namespace } = right;
    verb.len() + group.len() + resource.len() + namespace.len()
}

/// Adds a value to what is known under a key. Says how many facts had no room: 0 or 1. There is room for
/// so many facts and so much text, and this one has so much.
fn put<K: Ord, V: Copy>(
    facts: &mut BTreeMap<K, V>,
    (limit, room, size): (usize, &mut usize, usize),
    key: K,
    value: V,
    and: impl FnOnce(V, V) -> V,
) -> u64 {
    if let Some(known) = facts.get_mut(&key) {
        *known = and(*known, value);
        return 0;
    }
    if facts.len() >= limit || *room < size {
        return 1;
    }
    *room -= size;
    facts.insert(key, value);
    0
}
