//! What must be there: which objects are, and how they are.

mod health;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wildmatch::WildMatch;

pub use self::health::Health;
use super::{
    IndexUpdate, KindId, Object, Slot, Symbol,
    facts::MetadataOnly,
    program::{ProgramResult, WholeObject, shortened},
    time::parse_time,
};
use crate::api::Selector;
use comptroller_cel::PolicyOutcome;

/// Tells whether an object is one that must be there, how it is, and of when.
#[derive(Debug)]
pub struct PresenceProbe {
    /// Patterns of which one must match the name. Empty for any name.
    pub names: Vec<WildMatch>,
    pub selector: Selector,
    /// The expression that says whether it is healthy. None where that depends on the kind.
    pub healthy: Option<comptroller_cel::Program>,
    /// Whether its time counts at all. Where it does not, none is kept, since it may change often.
    pub dated: bool,
    /// The path of the field with its time. None where that depends on the kind.
    pub timestamp: Option<String>,
}

/// An object that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    pub health: Health,
    /// When it was created, last succeeded, or whatever its age counts from. None where nobody asks.
    pub at: Option<Timestamp>,
}

impl PresenceProbe {
    /// What there is to say of an object. One that is being deleted or has not ended yet is not there.
    pub(super) fn probe(&self, whole: &WholeObject<'_>) -> ProgramResult {
        // The projector read the metadata already, so this can't fail.
        let Ok(MetadataOnly { metadata }) = MetadataOnly::deserialize(whole.object) else {
            return ProgramResult::NotMatched;
        };
        let named = self.names.is_empty() || self.names.iter().any(|name| name.matches(whole.name));
        let labels = metadata.labels.as_ref();
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
        if !named || !self.selector.matches(label) || metadata.deletion_timestamp.is_some() {
            return ProgramResult::NotMatched;
        }
        let kind = (whole.resource.group.as_str(), whole.resource.kind.as_str());
        if health::is_under_way(kind, whole.object) {
            return ProgramResult::NotMatched;
        }
        let health = match &self.healthy {
            Some(expression) => by_expression(expression, whole),
            None => health::of(kind, whole.object),
        };
        let (health, at) = match self.time(kind, whole.object) {
            Ok(at) => (health, at),
            // What is unhealthy is so at any age.
            Err(why) if health == Health::Healthy => (Health::Undecided(shortened(why)), None),
            Err(_) => (health, None),
        };
        ProgramResult::Presence(Box::new(Presence { health, at }))
    }

    fn time(&self, kind: (&str, &str), object: &Value) -> Result<Option<Timestamp>, String> {
        if !self.dated {
            return Ok(None);
        }
        let path = self.timestamp.as_deref().unwrap_or_else(|| health::time_field(kind));
        let mut value = object;
        for field in path.split('.') {
            value = value.get(field).unwrap_or(&Value::Null);
        }
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.as_str()),
            _ => return Err(format!("{path} is not a text with a time")),
        };
        let at = parse_time(path, text).map_err(|error| error.to_string())?;
        at.map(Some).ok_or_else(|| format!("has no {path}, so its age is not known"))
    }
}

fn by_expression(expression: &comptroller_cel::Program, whole: &WholeObject<'_>) -> Health {
    const FIELD: &str = "spec.test.presence.healthy";
    match expression.judge(whole.prepared()) {
        PolicyOutcome::Pass | PolicyOutcome::NotMatched => Health::Healthy,
        PolicyOutcome::Fail(_) => Health::Unhealthy(format!("{FIELD} is false of it").into()),
        PolicyOutcome::Unknown(why) => {
            let why = why.to_string().replace("validations[0].expression", FIELD);
            Health::Undecided(shortened(why))
        }
    }
}

impl Presence {
    pub(super) fn weight(&self) -> usize {
        match &self.health {
            Health::Healthy => 0,
            Health::Unhealthy(text) | Health::Undecided(text) => text.len(),
        }
    }

    pub(super) fn refuse(&mut self, why: &str) {
        *self = Self { health: Health::Undecided(why.into()), at: None };
    }
}

/// The objects that some test asks for, by kind and namespace.
#[derive(Debug, Default)]
pub struct PresenceIndex(FxHashMap<KindId, FxHashMap<Symbol, FxHashSet<Slot>>>);

impl PresenceIndex {
    pub(super) fn update(&mut self, update: &IndexUpdate<'_>) {
        let filed = |object: Option<&Object>| {
            let object = object.filter(|object| is_filed(object))?;
            Some((object.kind, object.namespace.clone()))
        };
        let (before, after) = (filed(update.before), filed(update.after));
        if before == after {
            return;
        }
        if let Some((kind, namespace)) = before
            && let Some(places) = self.0.get_mut(&kind)
            && let Some(slots) = places.get_mut(&namespace)
        {
            slots.remove(&update.slot);
            if slots.is_empty() {
                places.remove(&namespace);
            }
        }
        if let Some((kind, namespace)) = after {
            self.0.entry(kind).or_default().entry(namespace).or_default().insert(update.slot);
        }
    }

    /// The objects of a kind in a namespace, for whatever test, in no order.
    pub fn in_namespace(&self, kind: KindId, namespace: &str) -> impl Iterator<Item = Slot> {
        let slots = self.0.get(&kind).and_then(|places| places.get(namespace));
        slots.into_iter().flatten().copied()
    }

    /// The objects of a kind, for whatever test, in no order.
    pub fn of_kind(&self, kind: KindId) -> impl Iterator<Item = Slot> {
        self.0.get(&kind).into_iter().flat_map(FxHashMap::values).flatten().copied()
    }
}

/// Whether an object is one that some test asks for.
pub fn is_filed(object: &Object) -> bool {
    object.results.iter().any(|result| matches!(result, ProgramResult::Presence(_)))
}

#[cfg(test)]
mod tests;
