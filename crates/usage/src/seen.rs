//! Which events were heard before: the API server sends a batch again when it does not know whether
//! it arrived.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

use crate::event::AuditEvent;

/// The identities of the newest events.
#[derive(Debug)]
pub struct Seen {
    order: VecDeque<u128>,
    known: HashSet<u128>,
    limit: usize,
}

impl Seen {
    /// Remembers so many.
    pub fn new(limit: usize) -> Self {
        Self { order: VecDeque::new(), known: HashSet::new(), limit: limit.max(1) }
    }

    /// Whether an event is new; it is known from now on.
    pub fn is_new(&mut self, event: &AuditEvent<'_>) -> bool {
        let identity = identity(event);
        if !self.known.insert(identity) {
            return false;
        }
        if self.order.len() >= self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(identity);
        true
    }
}

/// What tells an event from others. Its `auditID` alone does not: clients may send one of their own
/// (the header `Audit-ID`), and who sends that of another request would make its event a duplicate.
fn identity(event: &AuditEvent<'_>) -> u128 {
    let mut digest = Sha256::new();
    for field in [
        &event.audit_id,
        &event.stage,
        &event.request_received_timestamp,
        &event.verb,
        &event.request_uri,
        &event.user.username,
    ] {
        // With its length: no two lists of fields have the same bytes.
        digest.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(field.as_bytes());
    }
    digest.finalize().iter().take(16).fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(audit_id: &str, user: &str) -> AuditEvent<'static> {
        let mut event =
            AuditEvent { audit_id: audit_id.to_owned().into(), ..AuditEvent::default() };
        event.user.username = user.to_owned().into();
        event
    }

    #[test]
    fn an_event_is_new_once_and_no_client_hides_that_of_another() {
        let mut seen = Seen::new(10);
        assert!(seen.is_new(&event("a", "jane")));
        assert!(!seen.is_new(&event("a", "jane")));
        assert!(seen.is_new(&event("a", "sam")));
        assert!(seen.is_new(&event("aj", "ane")));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut seen = Seen::new(3);
        for id in 0..100 {
            assert!(seen.is_new(&event(&id.to_string(), "jane")));
            assert!(seen.known.len() <= 3 && seen.order.len() <= 3);
        }
        assert!(!seen.is_new(&event("99", "jane")));
        assert!(seen.is_new(&event("0", "jane")));
    }
}
