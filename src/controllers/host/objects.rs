//! Taking in the objects that the operator is governed by: into the engine, and into the register of
//! what is to be recorded.

use std::sync::Arc;

use kube::{ResourceExt, core::error_boundary::InvalidObject};
use serde::Serialize;

use super::Host;
use crate::{
    controllers::{
        kinds::{EngineEvent, key_of},
        record::{AUDIT_PERIOD, CONTROL, EXCEPTION},
    },
    source::own_kinds::ObjectEvent,
};
use comptroller_core::api::{AuditPeriod, Control, ControlException};

/// The object that came, changed or went. None when an event is about no single one.
pub(super) fn name_of<K: ResourceExt>(event: &EngineEvent<K>) -> Option<String> {
    match event {
        ObjectEvent::Applied(Ok(object)) => Some(object.name_any()),
        ObjectEvent::Applied(Err(invalid)) => invalid.metadata.name.clone(),
        ObjectEvent::Deleted(name) => Some(name.clone()),
        ObjectEvent::Listed(_) | ObjectEvent::Confirmed | ObjectEvent::Failing(_) => None,
    }
}

/// The spec as the register keeps it.
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
                let register = self.record.register();
                if register.put(CONTROL, key.clone(), generation, text_of(&control.spec)) {
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
                if self.record.register().put(CONTROL, key.clone(), generation, None) {
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
                for name in self.record.register().listed(CONTROL, &names) {
                    self.remove_control(&name);
                }
            }
        }
    }

    fn remove_control(&mut self, name: &str) {
        self.record.register().remove(CONTROL, name);
        self.forget_control(name);
    }

    fn forget_control(&mut self, name: &str) {
        self.engine.remove_control(name);
        self.record.forget_control(name);
        self.metrics.forget_control(name);
    }

    pub(super) fn take_exception(&mut self, event: EngineEvent<ControlException>) {
        self.exceptions_changed |=
            !matches!(event, ObjectEvent::Confirmed | ObjectEvent::Failing(_));
        self.touched_exceptions.extend(name_of(&event));
        match event {
            ObjectEvent::Applied(Ok(exception)) => {
                let key = key_of(&exception.metadata);
                let generation = exception.metadata.generation.unwrap_or_default();
                let register = self.record.register();
                if register.put(EXCEPTION, key.clone(), generation, text_of(&exception.spec)) {
                    self.forget_exception(&key.name);
                }
                let created = exception.metadata.creation_timestamp.as_ref().map(|time| time.0);
                self.metrics.observe_exception(&key.name, exception.spec.expires.0);
                self.engine.upsert_exception(&key.name, &exception.spec, created);
            }
            ObjectEvent::Applied(Err(InvalidObject { metadata, .. })) => {
                let key = key_of(&metadata);
                let generation = metadata.generation.unwrap_or_default();
                if self.record.register().put(EXCEPTION, key.clone(), generation, None) {
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
                for name in self.record.register().listed(EXCEPTION, &names) {
                    self.remove_exception(&name);
                }
            }
        }
    }

    /// Periods are recorded and nothing else: no verdict depends on one.
    pub(super) fn take_audit_period(&mut self, event: EngineEvent<AuditPeriod>) {
        let register = self.record.register();
        match event {
            ObjectEvent::Applied(Ok(period)) => {
                let key = key_of(&period.metadata);
                let generation = period.metadata.generation.unwrap_or_default();
                register.put(AUDIT_PERIOD, key, generation, text_of(&period.spec));
            }
            ObjectEvent::Applied(Err(InvalidObject { metadata, .. })) => {
                let generation = metadata.generation.unwrap_or_default();
                register.put(AUDIT_PERIOD, key_of(&metadata), generation, None);
            }
            ObjectEvent::Deleted(name) => register.remove(AUDIT_PERIOD, &name),
            ObjectEvent::Listed(names) => {
                register.listed(AUDIT_PERIOD, &names);
            }
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
        }
    }

    fn remove_exception(&mut self, name: &str) {
        self.record.register().remove(EXCEPTION, name);
        self.forget_exception(name);
    }

    fn forget_exception(&mut self, name: &str) {
        self.engine.remove_exception(name);
        self.record.forget_exception(name);
        self.metrics.forget_exception(name);
    }
}
