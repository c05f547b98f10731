//! What was read of the cluster, on its way to an entry: each kind's facts become a list beside the
//! log, compressed, of the same bytes as long as nothing of the kind changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{Evidence, facts::FactsWriter};
use comptroller_core::{
    api::time::whole_seconds,
    engine::{CollectedInventory, CollectedKind, Engine},
    inventory::{Availability, Object, ProgramId, ResourceType},
};
use comptroller_evidence::{
    fold::LogState,
    inventory::{InventoryData, KindInventory, Reading, StoredList, read_key},
};
use comptroller_vocabulary::canonical::{self, CanonicalError};

/// How hard to compress. Replicas differ in their names alone, and a year has 365 lists of each kind.
const LEVEL: i32 = 9;

/// What was read of the cluster, with the lists that it rests on.
#[derive(Clone, Debug)]
pub struct InventoryObservation {
    pub collected: CollectedInventory,
    /// The newest complete list of each kind.
    pub lists: BTreeMap<ResourceType, ListOrigin>,
}

/// A list that was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOrigin {
    /// `metadata.resourceVersion` of the list.
    pub version: String,
    /// When it was complete.
    pub at: Timestamp,
}

/// Why there is no entry about what was read.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("facts have no canonical text: {0}")]
    Canonical(#[from] CanonicalError),
    #[error("a list can't be compressed: {0}")]
    Compress(#[from] std::io::Error),
}

/// The entry, and what is stored beside the log first.
#[derive(Debug)]
pub(crate) struct EncodedInventory {
    pub data: InventoryData,
    pub lists: Vec<Bytes>,
}

/// How long after an inventory another may follow on the same day: controls that are declared one
/// after the other are read by one.
const AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// Whether an inventory is due: the log has none of the day (UTC) that a time is in, or something is
/// read now that the newest one lacks.
pub(crate) fn is_due(
    state: &LogState,
    now: Timestamp,
    read: impl FnOnce() -> BTreeSet<String>,
) -> bool {
    let Some(newest) = state.inventory() else { return true };
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    // The time of a log never falls, but the one that asks may be behind it.
    day(newest.at) < day(now)
        || (now.duration_since(newest.at) >= AGAIN && !read().is_subset(&newest.read))
}

/// What is read of the cluster for the present controls, as an inventory names it.
fn read_by(engine: &Engine) -> BTreeSet<String> {
    let kinds = engine.watch_set().kinds.into_iter().flat_map(|(resource, programs)| {
        let (version, kind) = (resource.api_version(), resource.kind);
        let judged = programs.into_iter().map(|(id, _)| Some(id.to_string()));
        let keys = std::iter::once(None).chain(judged);
        keys.map(move |program| read_key(&version, &kind, program.as_deref())).collect::<Vec<_>>()
    });
    kinds.collect()
}

impl Evidence {
    /// Whether what was read of the cluster is due to be recorded. Never without a log.
    pub fn wants_inventory(&self, engine: &Engine, now: Timestamp) -> bool {
        self.read(|state| is_due(state, now, || read_by(engine))).unwrap_or(false)
    }
}

impl InventoryObservation {
    /// How many bytes each list takes beside the log, by kind: what a day costs.
    pub fn sizes(self, writer: &FactsWriter) -> Result<BTreeMap<String, usize>, EncodeError> {
        let EncodedInventory { data, .. } = self.encode(writer, String::new())?;
        let lists = data.kinds.into_iter().filter_map(|kind| Some((kind.kind, kind.list?)));
        let mut sizes = BTreeMap::new();
        for (kind, list) in lists {
            // Kinds of several groups may have one name.
            *sizes.entry(kind).or_default() += usize::try_from(list.bytes).unwrap_or(usize::MAX);
        }
        Ok(sizes)
    }

    /// The entry of what was read. Kinds are dropped one by one, as they are written.
    pub(crate) fn encode(
        self,
        writer: &FactsWriter,
        collector: String,
    ) -> Result<EncodedInventory, EncodeError> {
        let CollectedInventory { kinds, api_server, catalog, programs } = self.collected;
        let mut lists = Vec::new();
        let kubernetes = catalog.kubernetes.map(|version| version.to_string());
        let catalog = store(&[canonical::to_string(&catalog)?], &mut lists)?;
        let kinds = kinds.into_iter().map(|kind| {
            let origin = self.lists.get(&kind.resource);
            encode_kind(kind, origin, writer, &mut lists)
        });
        let kinds = kinds.collect::<Result<_, EncodeError>>()?;
        let data = InventoryData {
            collector,
            kubernetes,
            api_server: serde_json::to_value(&api_server).map_err(CanonicalError::from)?,
            catalog,
            programs: programs.into_iter().map(|(name, id)| (name, id.to_string())).collect(),
            kinds,
        };
        Ok(EncodedInventory { data, lists })
    }
}

fn encode_kind(
    kind: CollectedKind,
    origin: Option<&ListOrigin>,
    writer: &FactsWriter,
    lists: &mut Vec<Bytes>,
) -> Result<KindInventory, EncodeError> {
    let CollectedKind { resource, availability, programs, mut objects } = kind;
    objects.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let count = u64::try_from(objects.len()).unwrap_or(u64::MAX);
    let list = (count > 0)
        .then(|| store_objects(&resource.kind, &objects, &programs, writer, lists))
        .transpose()?;
    let (reading, reason) = reading(availability);
    Ok(KindInventory {
        api_version: resource.api_version(),
        kind: resource.kind,
        plural: resource.plural,
        namespaced: resource.namespaced,
        reading,
        // An error of the API server may name whom it refuses.
        reason: writer.text(&reason),
        count,
        resource_version: origin.map(|origin| origin.version.clone()),
        listed_at: origin.map(|origin| whole_seconds(origin.at).0),
        programs: programs.iter().map(ToString::to_string).collect(),
        list,
    })
}

pub(crate) fn reading(availability: Availability) -> (Reading, String) {
    match availability {
        Availability::Pending => (Reading::Pending, String::new()),
        Availability::Complete => (Reading::Complete, String::new()),
        Availability::NotServed => (Reading::NotServed, String::new()),
        Availability::Forbidden(error) => (Reading::Forbidden, error),
        Availability::Untaken { object, error } => (Reading::Untaken, format!("{object}: {error}")),
        Availability::Stale { since, error } => {
            (Reading::Stale, format!("since {}: {error}", whole_seconds(since).0))
        }
    }
}

fn store_objects(
    kind: &str,
    objects: &[Object],
    programs: &[ProgramId],
    writer: &FactsWriter,
    lists: &mut Vec<Bytes>,
) -> Result<StoredList, EncodeError> {
    let mut list = ListWriter::new()?;
    for object in objects {
        list.push(&writer.line(kind, object, programs)?)?;
    }
    list.finish(lists)
}

fn store(lines: &[String], lists: &mut Vec<Bytes>) -> Result<StoredList, EncodeError> {
    let mut list = ListWriter::new()?;
    for line in lines {
        list.push(line)?;
    }
    list.finish(lists)
}

/// Compresses lines as they come: those of a large kind are never in memory all at once.
struct ListWriter {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    unpacked: u64,
}

impl ListWriter {
    fn new() -> Result<Self, EncodeError> {
        let encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
        Ok(Self { encoder, unpacked: 0 })
    }

    fn push(&mut self, line: &str) -> Result<(), EncodeError> {
        self.encoder.write_all(line.as_bytes())?;
        self.encoder.write_all(b"\n")?;
        self.unpacked += line.len() as u64 + 1;
        Ok(())
    }

    fn finish(self, lists: &mut Vec<Bytes>) -> Result<StoredList, EncodeError> {
        let bytes = Bytes::from(self.encoder.finish()?);
        let list = StoredList {
            digest: canonical::sha256(&bytes),
            bytes: bytes.len() as u64,
            unpacked: self.unpacked,
        };
        lists.push(bytes);
        Ok(list)
    }
}

#[cfg(test)]
mod tests;
