//! What was heard as entries of the log: bounded, and without the names of people.

use jiff::Timestamp;
use serde::Serialize;

use comptroller_evidence::usage::{
    BreakGlassUse, EventCounts, LastUse, ObjectEdit, Requester, SensitiveAccess, ShownWarning,
    UsageData, UsageFacts,
};
use comptroller_vocabulary::canonical::{self, CanonicalError};

/// The longest facts of an entry, in bytes of JSON: with what stands around them they fit into an
/// entry, so that nothing lies beside the log.
pub const MAX_PART: usize = 56 * 1024;

/// Why what was heard can't be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a fact has no canonical text: {0}")]
    Canonical(#[from] CanonicalError),
    #[error("what was heard makes more entries than can be numbered; record more often")]
    TooMany,
}

/// The entries of a time, one unless it is too long.
pub fn entries(
    covered: (Timestamp, Timestamp),
    facts: UsageFacts,
    events: EventCounts,
) -> Result<Vec<UsageData>, RecordError> {
    let mut parts = Parts::default();
    let UsageFacts { last_uses, changes, break_glass, warnings, accesses } = facts;
    for fact in last_uses {
        parts.room_for(&fact)?.last_uses.push(fact);
    }
    for fact in changes {
        parts.room_for(&fact)?.changes.push(fact);
    }
    for fact in break_glass {
        parts.room_for(&fact)?.break_glass.push(fact);
    }
    for fact in warnings {
        parts.room_for(&fact)?.warnings.push(fact);
    }
    for fact in accesses {
        parts.room_for(&fact)?.accesses.push(fact);
    }
    parts.done.push(parts.current);
    let (from, to) = covered;
    let count = u32::try_from(parts.done.len()).map_err(|_| RecordError::TooMany)?;
    (1..=count)
        .zip(parts.done)
        .map(|(part, facts)| {
            let events = if part == 1 { events } else { EventCounts::default() };
            let digest = facts.digest()?;
            Ok(UsageData { from, to, part, parts: count, digest, events, facts })
        })
        .collect()
}

#[derive(Default)]
struct Parts {
    done: Vec<UsageFacts>,
    current: UsageFacts,
    size: usize,
}

impl Parts {
    /// The facts to which one more can be added.
    fn room_for(&mut self, fact: &impl Serialize) -> Result<&mut UsageFacts, CanonicalError> {
        let size = canonical::to_string(fact)?.len() + 1;
        if self.size + size > MAX_PART && !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
            self.size = 0;
        }
        self.size += size;
        Ok(&mut self.current)
    }
}

/// The same facts with people named by a function, which is the same for a person each time.
#[must_use]
pub fn pseudonymized(facts: UsageFacts, user: &dyn Fn(&str) -> String) -> UsageFacts {
    let named = |by: Requester| Requester {
        user: user(&by.user),
        impersonator: by.impersonator.map(|name| user(&name)),
    };
    let UsageFacts { last_uses, changes, break_glass, warnings, accesses } = facts;
    let mut facts = UsageFacts {
        last_uses: last_uses
            .into_iter()
            .map(|fact| LastUse { by: named(fact.by), ..fact })
            .collect(),
        changes: changes
            .into_iter()
            .map(|fact| ObjectEdit { by: named(fact.by), ..fact })
            .collect(),
        break_glass: break_glass
            .into_iter()
            .map(|fact| {
                // The rule may be a person's own name.
                let by_rule = match fact.by_rule.strip_prefix("user:") {
                    Some(name) => format!("user:{}", user(name)),
                    None => fact.by_rule,
                };
                BreakGlassUse { by: named(fact.by), by_rule, ..fact }
            })
            .collect(),
        warnings: warnings
            .into_iter()
            .map(|fact| ShownWarning { by: named(fact.by), ..fact })
            .collect(),
        accesses: accesses
            .into_iter()
            .map(|fact| SensitiveAccess { by: named(fact.by), ..fact })
            .collect(),
    };
    facts.last_uses.sort();
    facts.changes.sort();
    facts.break_glass.sort();
    facts.warnings.sort();
    facts.accesses.sort();
    facts
}
