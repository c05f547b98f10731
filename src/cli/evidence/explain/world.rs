//! An engine as it was: filled from the lists of an inventory, with the controls and exceptions that
//! were in force at a time.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use super::{ExplainError, past::LoggedInventory};
use comptroller_core::{
    api::{ControlSpec, ResourceRef},
    checks::{self, Item},
    engine::{Engine, JudgedItem, Remembered},
    inventory::{
        ApiServer, Availability, Catalog, Facts, Object, ProgramId, ResourceType, line,
        rbac::Subject,
    },
    nearest::nearest,
};
use comptroller_evidence::{
    fold::LogState,
    inventory::{KindInventory, Reading, StoredList},
    log::{LogError, LogReader},
};

/// The largest list that is unpacked, in bytes: of half a million objects.
const MAX_UNPACKED: u64 = 1 << 30;

/// The engine at a time, evaluated.
pub struct World {
    pub engine: Engine,
    pub at: Timestamp,
    /// The lines of the objects, by apiVersion, kind, namespace and name: as they are stored.
    lines: HashMap<String, String>,
}

/// An item that was asked for.
pub struct Chosen {
    pub named: JudgedItem,
    /// Its number in the engine. None if the control did not judge it.
    pub item: Option<Item>,
}

impl World {
    /// Reads the lists of an inventory, checks them, and judges everything at a time, by the controls and
    /// exceptions that the log has up to then.
    pub async fn build(
        reader: &LogReader,
        state: &LogState,
        at: Timestamp,
        inventory: &LoggedInventory,
    ) -> Result<Self, ExplainError> {
        let entry = inventory.entry;
        let data = &inventory.data;
        let mut engine = Engine::default();
        let what = "the list of the types that are served";
        let catalog = unpack(reader, entry, what, &data.catalog).await?;
        let catalog: Catalog = serde_json::from_str(&catalog)
            .map_err(|error| fault(entry, what, format!("it can't be read: {error}")))?;
        engine.set_catalog(catalog, at);
        let mut specs = HashMap::new();
        for (name, object) in state.objects_of("Control") {
            let Some(spec) = object.spec.clone() else { continue };
            // One of another version has no verdict here; that of the control itself was read before.
            let Ok(spec) = serde_json::from_value::<ControlSpec>(spec) else { continue };
            let spec = Arc::new(spec);
            let generation = object.generation.unwrap_or_default();
            engine.upsert_control(name, generation, Arc::clone(&spec), Remembered::default());
            specs.insert(name.to_owned(), spec);
        }
        for (name, object) in state.exceptions() {
            let Some(spec) = object.spec.clone() else { continue };
            if let Ok(spec) = serde_json::from_value(spec) {
                engine.upsert_exception(name, &spec, None);
            }
        }
        let programs = programs(&data.programs, &specs);
        let mut lines = HashMap::new();
        for kind in &data.kinds {
            let text = match &kind.list {
                Some(list) => {
                    let what = format!("the list of {} {}", kind.api_version, kind.kind);
                    unpack(reader, entry, &what, list).await?
                }
                None => String::new(),
            };
            fill(&mut engine, entry, kind, &text, &programs, at)?;
            for line in text.lines() {
                if let Some(key) = key_of_line(kind, line) {
                    lines.insert(key, line.to_owned());
                }
            }
        }
        let api_server: ApiServer = serde_json::from_value(data.api_server.clone())
            .map_err(|error| fault(entry, "what the API server said", error.to_string()))?;
        engine.observe_api_server(api_server, at);
        engine.evaluate(at);
        Ok(Self { engine, at, lines })
    }

    /// The item that a text means.
    pub fn choose(&self, control: &str, item: &str) -> Result<Chosen, ExplainError> {
        let judged = self.engine.items(control);
        let named = |judged: &JudgedItem| names(&judged.resource).iter().any(|name| name == item);
        let mut found: Vec<Chosen> = judged
            .iter()
            .filter(|(_, judged)| named(judged))
            .map(|(item, judged)| Chosen { named: judged.clone(), item: Some(*item) })
            .collect();
        let inventory = self.engine.inventory();
        let objects = || {
            let objects = inventory.iter().filter_map(|(_, object)| {
                let resource = checks::reference_of(inventory, object)?;
                Some(JudgedItem { resource, uid: object.uid.clone(), facts: None })
            });
            objects.chain(self.engine.subjects())
        };
        // What is not judged is worth an answer too: that it is not judged.
        if found.is_empty() {
            found = objects()
                .filter(|object| named(object))
                .map(|named| Chosen { named, item: None })
                .collect();
        }
        if found.len() > 1 {
            let mut which: Vec<String> =
                found.iter().map(|chosen| full_name(&chosen.named.resource)).collect();
            which.sort();
            return Err(ExplainError::Ambiguous { item: item.to_owned(), which });
        }
        found.pop().ok_or_else(|| {
            let known: Vec<[String; 4]> = judged
                .iter()
                .map(|(_, judged)| names(&judged.resource))
                .chain(objects().map(|object| names(&object.resource)))
                .collect();
            // By the form in which it was written; they are then named in full.
            let near = nearest(item, known.iter().flatten().map(String::as_str));
            let full = |near: &str| {
                let of = known.iter().find(|names| names.iter().any(|name| name == near));
                of.map_or_else(|| near.to_owned(), |[full, ..]| full.clone())
            };
            let mut near: Vec<String> = near.into_iter().map(full).collect();
            near.dedup();
            ExplainError::NoItem { control: control.to_owned(), item: item.to_owned(), near }
        })
    }

    /// The facts that an item was judged on, as they are stored: those of the object, or the bindings
    /// that name the subject. Null where there are none.
    pub fn facts(&self, chosen: &Chosen) -> Value {
        if let Some(line) = self.line(&chosen.named.resource) {
            return serde_json::from_str(line).unwrap_or_default();
        }
        let Some(Item::Subject(id)) = chosen.item else { return Value::Null };
        let inventory = self.engine.inventory();
        let Some(subject) = inventory.rights.subject(id).map(|node| node.subject.clone()) else {
            return Value::Null;
        };
        let mut bindings: Vec<String> = inventory
            .iter()
            .filter(|(_, object)| is_bound(object, &subject))
            .filter_map(|(_, object)| {
                let resource = checks::reference_of(inventory, object)?;
                Some(full_name(&resource))
            })
            .collect();
        bindings.sort();
        serde_json::json!({ "boundBy": bindings })
    }

    /// The stored line of an object.
    pub fn line(&self, resource: &ResourceRef) -> Option<&str> {
        self.lines.get(&key(resource)).map(String::as_str)
    }
}

/// As it is written in full: kind, namespace and name.
pub fn full_name(resource: &ResourceRef) -> String {
    let [full, ..] = names(resource);
    full
}

/// The names that an item goes by, the full one first.
fn names(resource: &ResourceRef) -> [String; 4] {
    let ResourceRef { kind, namespace, name, .. } = resource;
    match namespace {
        Some(namespace) => [
            format!("{kind}/{namespace}/{name}"),
            format!("{namespace}/{name}"),
            name.clone(),
            format!("{kind}/{name}"),
        ],
        None => [format!("{kind}/{name}"), name.clone(), name.clone(), name.clone()],
    }
}

fn key(resource: &ResourceRef) -> String {
    let ResourceRef { api_version, kind, namespace, name } = resource;
    [api_version, kind, namespace.as_deref().unwrap_or_default(), name].join("\t")
}

fn key_of_line(kind: &KindInventory, line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| line.get(field).and_then(Value::as_str).unwrap_or_default();
    Some([&kind.api_version, &kind.kind, text("namespace"), text("name")].join("\t"))
}

fn is_bound(object: &Object, subject: &Subject) -> bool {
    matches!(&object.facts, Facts::Binding(binding) if binding.subjects.contains(subject))
}

/// Programs by the number that they were recorded under, as they are compiled from the specs of the
/// log: a name in a message is a pseudonym there, and the program another by that.
fn programs(
    recorded: &std::collections::BTreeMap<String, String>,
    specs: &HashMap<String, Arc<ControlSpec>>,
) -> HashMap<ProgramId, ProgramId> {
    let compiled = |name: &String| {
        let built = checks::build(&specs.get(name)?.test).ok()?;
        built.program.map(|(id, _)| id)
    };
    recorded.iter().filter_map(|(name, id)| Some((id.parse().ok()?, compiled(name)?))).collect()
}

fn fill(
    engine: &mut Engine,
    entry: u64,
    kind: &KindInventory,
    text: &str,
    programs: &HashMap<ProgramId, ProgramId>,
    at: Timestamp,
) -> Result<(), ExplainError> {
    let what = || format!("the list of {} {}", kind.api_version, kind.kind);
    let wrong = |why: String| fault(entry, &what(), why);
    let (group, version) = kind.api_version.rsplit_once('/').unwrap_or(("", &kind.api_version));
    let id = engine.kind(&ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.kind.clone(),
        plural: kind.plural.clone(),
        namespaced: kind.namespaced,
    });
    let judged: Vec<ProgramId> = kind
        .programs
        .iter()
        .map(|id| id.parse().map_err(|_| wrong(format!("{id:?} is not a program"))))
        .collect::<Result<_, _>>()?;
    engine.begin(id);
    let mut count = 0;
    for line in text.lines() {
        let object = line::parse(line.as_bytes(), &judged)
            .map_err(|error| wrong(format!("line {}: {error}", count + 1)))?;
        engine.stage(id, object);
        count += 1;
    }
    if count != kind.count {
        return Err(wrong(format!("it has {count} objects, and the entry says {}", kind.count)));
    }
    let known = judged.iter().map(|id| programs.get(id).copied().unwrap_or(*id)).collect();
    engine.commit(id, known, at);
    let reason = kind.reason.clone();
    let availability = match kind.reading {
        Reading::Complete => return Ok(()),
        Reading::Pending | Reading::NotRead => Availability::Pending,
        Reading::NotServed => Availability::NotServed,
        Reading::Forbidden => Availability::Forbidden(reason),
        Reading::Untaken => Availability::Untaken { object: String::new(), error: reason },
        Reading::Stale => Availability::Stale { since: at, error: reason },
    };
    engine.set_availability(id, availability, at);
    Ok(())
}

/// The text of a list, once its bytes are found to be what was stored.
async fn unpack(
    reader: &LogReader,
    entry: u64,
    what: &str,
    list: &StoredList,
) -> Result<String, ExplainError> {
    let bytes = match reader.stored(&list.digest).await {
        Ok(bytes) => bytes,
        Err(error @ LogError::Stored { .. }) => {
            return Err(fault(entry, what, error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    let wrong = |why: &str| fault(entry, what, format!("{} {why}", list.digest));
    if list.unpacked > MAX_UNPACKED {
        return Err(wrong("is larger than this program unpacks"));
    }
    let size = usize::try_from(list.unpacked).unwrap_or(usize::MAX);
    let text = zstd::bulk::decompress(&bytes, size)
        .map_err(|_| wrong("does not unpack to what the entry says"))?;
    if text.len() != size {
        return Err(wrong("does not unpack to what the entry says"));
    }
    String::from_utf8(text).map_err(|_| wrong("is not text"))
}

fn fault(entry: u64, what: &str, why: String) -> ExplainError {
    ExplainError::List { entry, what: what.to_owned(), why }
}
