//! Taking in the objects that the operator is governed by: into the engine, and into the governed objects of
//! what is to be recorded.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, core::error_boundary::InvalidObject};
use serde::Serialize;

use super::Host;
use crate::{
    controllers::{
        guard::{GuardEvent, RIGHT},
        kinds::{EngineEvent, key_of},
        record::{AUDIT_PERIOD, CONTROL, EXCEPTION, RESPONSE},
    },
    source::own_kinds::ObjectEvent,
};
use comptroller_core::api::{AuditPeriod, Control, ControlException, DeviationResponse};

/// How long an event of a healthy watch takes at most, with what clocks may differ in.
const EVENT_DELAY: SignedDuration = SignedDuration::from_secs(2);

/// The object that came, changed or went. None when an event is about no single one.
pub(super) fn name_of<K: ResourceExt>(event: &EngineEvent<K>) -> Option<String> {
    match event {
        ObjectEvent::Applied(Ok(object)) => Some(object.name_any()),
        ObjectEvent::Applied(Err(invalid)) => invalid.metadata.name.clone(),
        ObjectEvent::Deleted(name) => Some(name.clone()),
        ObjectEvent::Listed(_) | ObjectEvent::Confirmed | ObjectEvent::Failing(_) => None,
    }
}

/// The spec as the governed objects keep it.
fn text_of(spec: &impl Serialize) -> Option<Box<str>> {
    serde_json::to_string(spec).ok().map(String::into_boxed_str)
}

impl Host {
    pub(super) fn take_control(&mut self, event: EngineEvent<Control>) {
        self.replan |= !matches!(event, ObjectEvent::Confirmed | ObjectEvent::Failing(_));
        match event {
            ObjectEvent::Applied(Ok(control)) => {
                let key = key_of(&control.metadata);
                let generation = control.metadata.generation.unwrap_or_default();
                let governed = self.record.governed();
                if governed.put(CONTROL, key.clone(), generation, text_of(&control.spec)) {
                    // Deleted and created again: what was found of the old one is none of its.
                    self.forget_control(&key.name);
                }
                let remembered = self.record.see_control(&key, &control);
                let spec = Arc::new(control.spec.clone());
                self.engine.upsert_control(&key.name, generation, spec, remembered);
            }
            ObjectEvent::Applied(Err(InvalidObject { metadata, .. })) => {
                let key = key_of(&metadata);
                let generation = metadata.generation.unwrap_or_default();
                if self.record.governed().put(CONTROL, key.clone(), generation, None) {
                    self.forget_control(&key.name);
                }
                // Its last spec is not what is written now, so it must not be judged any more.
                self.engine.remove_control(&key.name);
                self.metrics.forget_control(&key.name);
                self.record.see_unreadable_control(&key, generation);
            }
            ObjectEvent::Deleted(name) => self.remove_control(&name),
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
            ObjectEvent::Listed(names) => {
                self.loaded.controls = true;
                for name in self.record.governed().listed(CONTROL, &names) {
                    self.remove_control(&name);
                }
            }
        }
    }

    fn remove_control(&mut self, name: &str) {
        self.record.governed().remove(CONTROL, name);
        self.forget_control(name);
    }

    fn forget_control(&mut self, name: &str) {
        self.engine.remove_control(name);
        self.record.forget_control(name);
        self.metrics.forget_control(name);
    }

    pub(super) fn take_exception(&mut self, event: EngineEvent<ControlException>, now: Timestamp) {
        self.exceptions_changed |=
            !matches!(event, ObjectEvent::Confirmed | ObjectEvent::Failing(_));
        self.touched_exceptions.extend(name_of(&event));
        match event {
            ObjectEvent::Applied(Ok(exception)) => {
                let key = key_of(&exception.metadata);
                let since = self.not_written_before(now);
                let governed = self.record.governed();
                let spec = text_of(&exception.spec);
                if governed.put_authored(EXCEPTION, &exception.metadata, spec, since, now) {
                    self.forget_exception(&key.name);
                }
                let created = exception.metadata.creation_timestamp.as_ref().map(|time| time.0);
                self.metrics.observe_exception(&key.name, &exception.spec);
                self.engine.upsert_exception(&key.name, &exception.spec, created);
            }
            ObjectEvent::Applied(Err(InvalidObject { metadata, .. })) => {
                let key = key_of(&metadata);
                let since = self.not_written_before(now);
                let governed = self.record.governed();
                if governed.put_authored(EXCEPTION, &metadata, None, since, now) {
                    self.forget_exception(&key.name);
                }
                // It allows nothing any more. How it stands is said by who can look at it.
                self.engine.remove_exception(&key.name);
                self.metrics.forget_exception(&key.name);
            }
            ObjectEvent::Deleted(name) => self.remove_exception(&name),
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
            ObjectEvent::Listed(names) => {
                self.loaded.exceptions = true;
                self.exceptions_silent_since = None;
                for name in self.record.governed().listed(EXCEPTION, &names) {
                    self.remove_exception(&name);
                }
            }
        }
    }

    /// Periods are recorded and nothing else: no verdict depends on one.
    pub(super) fn take_audit_period(&mut self, event: EngineEvent<AuditPeriod>) {
        let governed = self.record.governed();
        match event {
            ObjectEvent::Applied(Ok(period)) => {
                let key = key_of(&period.metadata);
                let generation = period.metadata.generation.unwrap_or_default();
                governed.put(AUDIT_PERIOD, key, generation, text_of(&period.spec));
            }
            ObjectEvent::Applied(Err(InvalidObject { metadata, .. })) => {
                let generation = metadata.generation.unwrap_or_default();
                governed.put(AUDIT_PERIOD, key_of(&metadata), generation, None);
            }
            ObjectEvent::Deleted(name) => governed.remove(AUDIT_PERIOD, &name),
            ObjectEvent::Listed(names) => {
                governed.listed(AUDIT_PERIOD, &names);
            }
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
        }
    }

    fn remove_exception(&mut self, name: &str) {
        self.record.governed().remove(EXCEPTION, name);
        self.forget_exception(name);
    }

    fn forget_exception(&mut self, name: &str) {
        self.engine.remove_exception(name);
        self.record.forget_exception(name);
        self.metrics.forget_exception(name);
    }

    /// Since when an exception may have been written that comes now: while its watch fails, all that
    /// comes with the next list may be as old as the failure.
    fn not_written_before(&self, now: Timestamp) -> Timestamp {
        let live = now - EVENT_DELAY;
        self.exceptions_silent_since.map_or(live, |since| since.min(live))
    }

    /// A response is recorded, and nothing is judged by it.
    pub(super) fn take_response(&mut self, event: EngineEvent<DeviationResponse>, now: Timestamp) {
        let governed = self.record.governed();
        match event {
            ObjectEvent::Applied(Ok(response)) => {
                let spec = text_of(&response.spec);
                governed.put_authored(RESPONSE, &response.metadata, spec, now - EVENT_DELAY, now);
            }
            ObjectEvent::Applied(Err(InvalidObject { metadata, .. })) => {
                governed.put_authored(RESPONSE, &metadata, None, now - EVENT_DELAY, now);
            }
            ObjectEvent::Deleted(name) => governed.remove(RESPONSE, &name),
            ObjectEvent::Listed(names) => {
                governed.listed(RESPONSE, &names);
            }
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
        }
    }

    /// Something that guards the evidence came, changed or went.
    pub(super) fn take_guard(&mut self, event: GuardEvent, now: Timestamp) {
        let turned = self.guards.as_mut().is_some_and(|guards| guards.take(event, now));
        if turned {
            let governed = self.record.governed();
            governed.compare_kind_again(EXCEPTION);
            governed.compare_kind_again(RESPONSE);
        }
    }

    /// Who holds the rights that get around the guards, if roles or bindings changed.
    pub(super) fn look_at_rights(&mut self) {
        let Some(guards) = self.guards.as_mut().filter(|_| self.rights_changed) else { return };
        self.rights_changed = false;
        let governed = self.record.governed();
        let is_recorded = |name: &str| governed.recorded(RIGHT, name).is_some();
        guards.look(self.engine.inventory(), is_recorded);
    }

    /// What guards the evidence goes the way of all that is recorded, once the log was opened.
    pub(super) fn record_guards(&mut self, now: Timestamp) {
        let Some(guards) = &mut self.guards else { return };
        if self.record.is_taken_over() {
            self.record.read_log(|log| guards.recall(log, now));
        }
        guards.govern(self.record.governed());
        self.record.set_authors(guards.authors());
    }
}
