//! Reading tiles, each checked against the signed root.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use tlog_tiles::{Hash, record_hash};

use super::{
    LogError, bundle,
    checkpoint::Head,
    path::{self, FULL},
    tree::{self, Edge},
};
use crate::store::Store;

/// For each level the number of a tile, and the tile.
type TileCache = BTreeMap<u32, (u64, Arc<Vec<Hash>>)>;

/// The tiles under a checkpoint. What it returns leads to the root that was signed.
#[derive(Debug)]
pub struct Tiles {
    store: Arc<dyn Store>,
    edge: Edge,
    /// The full tile last read of each level: entries are read in order.
    cache: Mutex<TileCache>,
}

impl Tiles {
    /// Reads the right edge of the tree and checks it against the root.
    pub async fn open(store: Arc<dyn Store>, head: &Head) -> Result<Self, LogError> {
        let mut levels = Vec::new();
        for level in 0.. {
            let items = path::items(head.size, level);
            if items == 0 {
                break;
            }
            let (number, width) = (items / FULL, items % FULL);
            levels.push(match width {
                0 => Vec::new(),
                _ => read_tile(&*store, level, number, width).await?,
            });
        }
        let edge = Edge::new(head.size, levels);
        if edge.root() != head.root {
            return Err(disagreement(&*store, &edge).await?);
        }
        Ok(Self { store, edge, cache: Mutex::default() })
    }

    /// The right edge of the tree, which was checked against the root.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The hashes of a tile, as the root has them.
    pub fn get(&self, level: u32, number: u64) -> BoxFuture<'_, Result<Arc<Vec<Hash>>, LogError>> {
        async move {
            // The edge was checked as a whole when the log was opened.
            if path::width(self.edge.size(), level, number) < FULL {
                return Ok(Arc::new(self.edge.level(level).to_vec()));
            }
            let cached = |cache: &TileCache| {
                cache.get(&level).filter(|(n, _)| *n == number).map(|(_, tile)| Arc::clone(tile))
            };
            if let Some(tile) = cached(&self.cache.lock().unwrap_or_else(PoisonError::into_inner)) {
                return Ok(tile);
            }
            let tile = Arc::new(read_tile(&*self.store, level, number, FULL).await?);
            if tree::subtree(&tile) != self.item(level + 1, number).await? {
                return Err(LogError::Broken {
                    path: path::tile(level, number, FULL),
                    index: path::first_entry(level, number * FULL),
                    reason: "its hashes don't lead to the signed root".to_owned(),
                });
            }
            self.cache
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(level, (number, Arc::clone(&tile)));
            Ok(tile)
        }
        .boxed()
    }

    /// The hash of an item of a level, as the root has it.
    async fn item(&self, level: u32, item: u64) -> Result<Hash, LogError> {
        let tile = self.get(level, item / FULL).await?;
        let position = usize::try_from(item % FULL).unwrap_or(usize::MAX);
        tile.get(position).copied().ok_or_else(|| LogError::Broken {
            path: path::tile(level, item / FULL, tile.len() as u64),
            index: path::first_entry(level, item),
            reason: "it is too short".to_owned(),
        })
    }

    /// The bytes of the bundle of this number, as they are; [`Self::check`] says whether they are
    /// right.
    pub async fn read_bundle(&self, number: u64) -> Result<SizedObject, LogError> {
        read_sized(&*self.store, number * FULL, path::width(self.edge.size(), 0, number), |width| {
            path::bundle(number, width)
        })
        .await
    }

    /// The entries of a bundle with their hashes. This is all that costs time, and needs no store.
    pub fn split(
        &self,
        number: u64,
        read: &SizedObject,
    ) -> Result<(Vec<Bytes>, Vec<Hash>), LogError> {
        let width = path::width(self.edge.size(), 0, number);
        let broken = |index: u64, reason: &str| LogError::Broken {
            path: path::bundle(number, width),
            index: number * FULL + index,
            reason: reason.to_owned(),
        };
        let mut entries = bundle::split(&read.bytes)
            .ok_or_else(|| broken(0, "it is not a bundle of entries: a length in it is wrong"))?;
        if (entries.len() as u64) < width {
            let reason = format!("it has {} of {width} entries", entries.len());
            return Err(broken(entries.len() as u64, &reason));
        }
        // A bundle may be wider since the log has grown, but not wider than its own name says.
        if read.width > width && entries.len() as u64 <= read.width {
            entries.truncate(usize::try_from(width).unwrap_or(usize::MAX));
        }
        let hashes = entries.iter().map(|entry| record_hash(entry)).collect();
        Ok((entries, hashes))
    }

    /// Checks the hashes of a bundle's entries against the root.
    pub async fn check(&self, number: u64, hashes: &[Hash]) -> Result<(), LogError> {
        let size = self.edge.size();
        let width = path::width(size, 0, number);
        if width < FULL {
            return match first_difference(self.edge.level(0), hashes) {
                None => Ok(()),
                Some(index) => Err(changed(number, width, index)),
            };
        }
        if tree::subtree(hashes) == self.item(1, number).await? {
            return Ok(());
        }
        // The root says that one of them is wrong. Which of them it is, the tile can say if it is itself right.
        match self.get(0, number).await {
            Ok(tile) => Err(changed(number, width, first_difference(&tile, hashes).unwrap_or(0))),
            Err(LogError::Broken { .. }) => {
                let (first, last) = (number * FULL, number * FULL + width - 1);
                Err(LogError::Broken {
                    path: path::bundle(number, width),
                    index: first,
                    reason: format!(
                        "entries {first} to {last} and their hash tile don't lead to the signed root"
                    ),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that the stored tile of level 0 has the hashes of the entries.
    pub async fn check_leaf_tile(&self, number: u64, hashes: &[Hash]) -> Result<(), LogError> {
        let width = path::width(self.edge.size(), 0, number);
        let stored = read_tile(&*self.store, 0, number, width).await?;
        match first_difference(&stored, hashes) {
            None => Ok(()),
            Some(position) => Err(LogError::Broken {
                path: path::tile(0, number, width),
                index: number * FULL + position,
                reason: format!(
                    "its hash of entry {} is not that of the entry",
                    number * FULL + position
                ),
            }),
        }
    }
}

/// The position of the first hash that is not the same in both.
fn first_difference(one: &[Hash], other: &[Hash]) -> Option<u64> {
    let shared = one.iter().zip(other).position(|(one, other)| one != other);
    let end = (one.len() != other.len()).then(|| one.len().min(other.len()));
    shared.or(end).map(|position| position as u64)
}

fn changed(number: u64, width: u64, index: u64) -> LogError {
    let index = number * FULL + index;
    LogError::Broken {
        path: path::bundle(number, width),
        index,
        reason: format!("entry {index} is not the one that was logged"),
    }
}

/// Says where the tiles of the right edge contradict what lies below them, since they don't lead to
/// the root.
async fn disagreement(store: &dyn Store, edge: &Edge) -> Result<LogError, LogError> {
    let size = edge.size();
    let leaves = path::width(size, 0, size / FULL);
    if leaves > 0 {
        let read =
            read_sized(store, size / FULL * FULL, leaves, |width| path::bundle(size / FULL, width))
                .await?;
        let hashes: Vec<Hash> = bundle::split(&read.bytes)
            .unwrap_or_default()
            .iter()
            .take(edge.level(0).len())
            .map(|entry| record_hash(entry))
            .collect();
        if let Some(position) = first_difference(edge.level(0), &hashes) {
            return Ok(LogError::Broken {
                path: path::tile(0, size / FULL, leaves),
                index: size / FULL * FULL + position,
                reason: "it differs from the entries, and does not lead to the signed root"
                    .to_owned(),
            });
        }
    }
    for level in 1..64 {
        let items = path::items(size, level);
        let first = items / FULL * FULL;
        for (item, hash) in (first..items).zip(edge.level(level)) {
            let below = read_tile(store, level - 1, item, FULL).await?;
            if tree::subtree(&below) != *hash {
                return Ok(LogError::Broken {
                    path: path::tile(level, items / FULL, items % FULL),
                    index: path::first_entry(level, item),
                    reason: format!(
                        "it differs from {}, and does not lead to the signed root",
                        path::tile(level - 1, item, FULL)
                    ),
                });
            }
        }
    }
    Ok(LogError::Broken {
        path: super::CHECKPOINT.to_owned(),
        index: 0,
        reason: "the entries and tiles agree with one another and not with the signed root: they were rewritten, or the checkpoint is that of another log".to_owned(),
    })
}

async fn read_tile(
    store: &dyn Store,
    level: u32,
    number: u64,
    width: u64,
) -> Result<Vec<Hash>, LogError> {
    let index = path::first_entry(level, number * FULL);
    let name = |width| path::tile(level, number, width);
    let read = read_sized(store, index, width, name).await?;
    let mut hashes = tree::hashes(&read.bytes)
        .filter(|hashes| hashes.len() as u64 == read.width)
        .ok_or_else(|| LogError::Broken {
        path: name(read.width),
        index,
        reason: format!("it has {} bytes and not {}", read.bytes.len(), read.width * 32),
    })?;
    hashes.truncate(usize::try_from(width).unwrap_or(usize::MAX));
    Ok(hashes)
}

/// A tile or bundle as it is stored, and the width that its name says.
pub struct SizedObject {
    pub bytes: Bytes,
    pub width: u64,
}

/// Reads an object of this width, or the full one that has taken its place.
async fn read_sized(
    store: &dyn Store,
    index: u64,
    width: u64,
    name: impl Fn(u64) -> String,
) -> Result<SizedObject, LogError> {
    if let Some(object) = store.get(&name(width)).await? {
        return Ok(SizedObject { bytes: object.bytes, width });
    }
    // The log may have grown since its checkpoint was read, and then the partial tile may be gone.
    if width < FULL
        && let Some(object) = store.get(&name(FULL)).await?
    {
        return Ok(SizedObject { bytes: object.bytes, width: FULL });
    }
    Err(LogError::Broken { path: name(width), index, reason: "it is missing".to_owned() })
}
