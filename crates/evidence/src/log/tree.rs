//! The Merkle tree of RFC 6962, cut into tiles of 256 hashes. Pure.

use bytes::Bytes;
use tlog_tiles::{EMPTY_HASH, HASH_SIZE, Hash, node_hash};

use super::path::{self, FULL};

/// The hash of a subtree whose items are these; the last item may be a subtree that is not full.
pub fn subtree(items: &[Hash]) -> Hash {
    match items {
        [] => EMPTY_HASH,
        [item] => *item,
        _ => {
            // The largest power of two below their number.
            let middle = items.len().div_ceil(2).next_power_of_two();
            let (left, right) = items.split_at(middle.min(items.len()));
            node_hash(subtree(left), subtree(right))
        }
    }
}

/// The hashes of a tile from its bytes; None if their length is not a multiple of a hash's.
pub fn hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_SIZE>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// The bytes of a tile.
pub fn bytes(hashes: &[Hash]) -> Bytes {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The right edge of a tree: for each level the hashes of its last tile, if that is not full. It is
/// all that is needed to append and to compute the root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// A tile that an append made: its level, number and hashes.
pub type NewTile = (u32, u64, Vec<Hash>);

impl Edge {
    /// The edge of these last tiles, lowest level first. Their widths must be those of the size.
    pub fn new(size: u64, levels: Vec<Vec<Hash>>) -> Self {
        Self { size, levels }
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the last tile of a level; none if that is full.
    pub fn level(&self, level: u32) -> &[Hash] {
        self.levels.get(level as usize).map_or(&[], Vec::as_slice)
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let below = self.levels.iter().fold(None, |below: Option<Hash>, level| {
            let items: Vec<Hash> = level.iter().copied().chain(below).collect();
            (!items.is_empty()).then(|| subtree(&items))
        });
        below.unwrap_or(EMPTY_HASH)
    }

    /// Appends leaves and says which tiles are to be written, full ones and the last of each level
    /// that changed.
    pub fn append(&mut self, leaves: impl IntoIterator<Item = Hash>) -> Vec<NewTile> {
        let mut tiles = Vec::new();
        let before = self.size;
        for leaf in leaves {
            self.size += 1;
            self.push(0, leaf, &mut tiles);
        }
        for (level, hashes) in (0..).zip(&self.levels) {
            let items = path::items(self.size, level);
            if items != path::items(before, level) && !hashes.is_empty() {
                tiles.push((level, items / FULL, hashes.clone()));
            }
        }
        tiles
    }

    fn push(&mut self, level: u32, hash: Hash, tiles: &mut Vec<NewTile>) {
        if self.levels.len() <= level as usize {
            self.levels.push(Vec::new());
        }
        let Some(hashes) = self.levels.get_mut(level as usize) else { return };
        hashes.push(hash);
        if hashes.len() as u64 == FULL {
            let full = std::mem::take(hashes);
            let parent = subtree(&full);
            tiles.push((level, path::items(self.size, level) / FULL - 1, full));
            self.push(level + 1, parent, tiles);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog_tiles::record_hash;

    use super::*;

    /// RFC 6962, section 2.1, as it is written there.
    fn reference(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => EMPTY_HASH,
            1 => leaves[0],
            n => {
                let mut k = 1;
                while k * 2 < n {
                    k *= 2;
                }
                node_hash(reference(&leaves[..k]), reference(&leaves[k..]))
            }
        }
    }

    fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| record_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn the_root_is_that_of_rfc_6962_at_every_boundary() {
        let all = leaves(66_200);
        for n in [0, 1, 2, 3, 5, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_200] {
            let mut edge = Edge::default();
            edge.append(all[..n].iter().copied());
            assert_eq!(edge.root(), reference(&all[..n]), "{n}");
        }
    }

    #[test]
    fn an_append_writes_what_changed_and_no_more() {
        let mut edge = Edge::default();
        let names = |tiles: Vec<NewTile>| -> Vec<String> {
            tiles.iter().map(|(l, n, hashes)| path::tile(*l, *n, hashes.len() as u64)).collect()
        };
        assert_eq!(names(edge.append(leaves(3))), ["tile/0/000.p/3"]);
        assert_eq!(names(edge.append(leaves(253))), ["tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(names(edge.append(leaves(1))), ["tile/0/001.p/1"]);
        assert_eq!(
            names(edge.append(leaves(600))),
            ["tile/0/001", "tile/0/002", "tile/0/003.p/89", "tile/1/000.p/3"]
        );
        assert!(edge.append([]).is_empty());
    }

    proptest! {
        #[test]
        fn however_leaves_are_grouped_the_tree_is_the_same(
            groups in prop::collection::vec(0u64..300, 1..8),
        ) {
            let all = leaves(groups.iter().sum());
            let mut edge = Edge::default();
            let mut rest = all.as_slice();
            for group in groups {
                let (now, later) = rest.split_at(usize::try_from(group).unwrap());
                edge.append(now.iter().copied());
                rest = later;
            }
            prop_assert_eq!(edge.root(), reference(&all));
        }
    }
}
