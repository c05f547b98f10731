//! Who is in a register, as digests: what an entry's digest is compared with, at a cost that grows with
//! what changed and not with the register.

use std::collections::{BTreeMap, BTreeSet};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};
use sha2::{Digest as _, Sha256};

use super::{RegisterCause, RegisterData, RegisterItem};
use comptroller_vocabulary::{canonical::CanonicalError, hex};

/// How many groups the items of a register are parted into, by the first byte of the SHA-256 of their
/// keys. A change computes the digest of one group again, and the digest of all groups.
pub const MEMBER_GROUPS: usize = 256;

/// The SHA-256 of bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The digests of the items of one register, by their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterDigests {
    groups: Vec<Group>,
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    items: BTreeMap<Box<str>, [u8; 32]>,
    digest: [u8; 32],
}

/// Why an entry of a register does not follow from those before it: something was left out, doubled or
/// edited, or the register never began.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterFault {
    #[error("it adds {0}, which is in the register already")]
    AddedTwice(String),
    #[error("it removes {0}, which is not in the register")]
    RemovedTwice(String),
    #[error("it changes {0}, which is not in the register")]
    ChangedAbsent(String),
    #[error("it changes the register before its first list")]
    NotBegun,
    #[error(
        "it lists another register than the entries before it give: {expected} and not {found}"
    )]
    OtherList { expected: String, found: String },
    #[error("after it the register has {found} items, and it says {said}")]
    Total { said: u64, found: u64 },
    #[error("after it the digest of the register is {found}, and it says {said}")]
    Digest { said: String, found: String },
    #[error("an item of it has no digest: {0}")]
    Item(String),
}

impl From<CanonicalError> for RegisterFault {
    fn from(error: CanonicalError) -> Self {
        Self::Item(error.to_string())
    }
}

impl Default for RegisterDigests {
    fn default() -> Self {
        let group = Group { items: BTreeMap::new(), digest: sha256(&[]) };
        Self { groups: vec![group; MEMBER_GROUPS], count: 0 }
    }
}

impl Group {
    /// Takes in what an entry says of one key; how many items there are more after it. What makes no
    /// sense changes nothing.
    fn apply(&mut self, key: &str, moved: &Moved<'_>) -> Result<i64, RegisterFault> {
        let is_there = self.items.contains_key(key);
        match i64::from(is_there) + moved.steps {
            0 if is_there => {
                self.items.remove(key);
                Ok(-1)
            }
            0 if moved.came => Ok(0),
            0 => Err(RegisterFault::ChangedAbsent(key.to_owned())),
            1 => {
                // Something moved it, and what leaves it there is an item.
                let Some(item) = moved.last else { return Ok(0) };
                let digest = item.digest()?;
                match self.items.get_mut(key) {
                    Some(known) => *known = digest,
                    None => drop(self.items.insert(key.into(), digest)),
                }
                Ok(i64::from(!is_there))
            }
            more if more > 1 => Err(RegisterFault::AddedTwice(key.to_owned())),
            _ => Err(RegisterFault::RemovedTwice(key.to_owned())),
        }
    }

    fn refresh(&mut self) {
        let mut hasher = Sha256::new();
        self.items.values().for_each(|digest| hasher.update(digest));
        self.digest = hasher.finalize().into();
    }
}

fn group_of(key: &str) -> usize {
    usize::from(sha256(key.as_bytes())[0])
}

impl RegisterDigests {
    /// How many items there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of an item; None if it is not in the register.
    pub fn get(&self, key: &str) -> Option<&[u8; 32]> {
        self.groups.get(group_of(key))?.items.get(key)
    }

    /// The keys of all items, in no order that means anything.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| group.items.keys().map(AsRef::as_ref))
    }

    /// The SHA-256 of the digests of the 256 groups, of which each is the SHA-256 of the digests of its
    /// items in the order of their keys ([`RegisterItem::digest`]), as `sha256:` and 64 hexadecimal
    /// digits.
    pub fn digest(&self) -> String {
        digest_of(self.groups.iter())
    }

    /// Takes in what an entry says, and compares its total and digest. After an error this is what the
    /// entry would make of the register as far as it makes sense, so that what follows is compared
    /// with it.
    pub fn apply(&mut self, data: &RegisterData) -> Result<(), RegisterFault> {
        let listed = match data.cause {
            RegisterCause::Day if !data.list.is_empty() => self.check_list(&data.list),
            // The other items of a first list are those that the parts before it had.
            RegisterCause::Start | RegisterCause::Reading => self.move_items(&data.list, &[], &[]),
            _ => Ok(()),
        };
        let moved = self.move_items(&data.added, &data.removed, &data.changed);
        listed.and(moved)?;
        let (found, said) = (self.count, data.total);
        if found != said {
            return Err(RegisterFault::Total { said, found });
        }
        let (found, said) = (self.digest(), data.digest.clone());
        if found == said { Ok(()) } else { Err(RegisterFault::Digest { said, found }) }
    }

    /// Takes in what came, went and changed, without comparing anything but that it makes sense. What
    /// does not is left as it is.
    pub fn move_items(
        &mut self,
        added: &[RegisterItem],
        removed: &[RegisterItem],
        changed: &[RegisterItem],
    ) -> Result<(), RegisterFault> {
        let mut touched = BTreeSet::new();
        let mut result = Ok(());
        for (key, moved) in moves(added, removed, changed) {
            let number = group_of(key);
            // A byte is the number of a group: there are as many.
            let Some(group) = self.groups.get_mut(number) else { continue };
            match group.apply(key, &moved) {
                Ok(grown) => {
                    self.count = self.count.saturating_add_signed(grown);
                    touched.insert(number);
                }
                Err(fault) => result = result.and(Err(fault)),
            }
        }
        for number in touched {
            if let Some(group) = self.groups.get_mut(number) {
                group.refresh();
            }
        }
        result
    }

    /// The register with changes on top of it that are not made yet.
    pub fn draft(&self) -> DraftedDigests<'_> {
        DraftedDigests { base: self, groups: BTreeMap::new(), count: self.count }
    }

    /// Whether a list is of exactly what is here.
    fn check_list(&self, list: &[RegisterItem]) -> Result<(), RegisterFault> {
        let mut other = Self::default();
        other.move_items(list, &[], &[])?;
        let (expected, found) = (self.digest(), other.digest());
        if expected == found { Ok(()) } else { Err(RegisterFault::OtherList { expected, found }) }
    }
}

/// A register with changes on top of it, as entries will make them that are not written yet: only the
/// groups that they touch are copied.
#[derive(Debug)]
pub struct DraftedDigests<'a> {
    base: &'a RegisterDigests,
    groups: BTreeMap<usize, Group>,
    count: u64,
}

impl DraftedDigests<'_> {
    /// How many items there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of an item; None if it is not in the register.
    pub fn get(&self, key: &str) -> Option<&[u8; 32]> {
        match self.groups.get(&group_of(key)) {
            Some(group) => group.items.get(key),
            None => self.base.get(key),
        }
    }

    /// As [`RegisterDigests::move_items`] does.
    pub fn move_items(
        &mut self,
        added: &[RegisterItem],
        removed: &[RegisterItem],
        changed: &[RegisterItem],
    ) -> Result<(), RegisterFault> {
        let mut touched = BTreeSet::new();
        let mut result = Ok(());
        for (key, moved) in moves(added, removed, changed) {
            let number = group_of(key);
            let Some(base) = self.base.groups.get(number) else { continue };
            let group = self.groups.entry(number).or_insert_with(|| base.clone());
            match group.apply(key, &moved) {
                Ok(grown) => {
                    self.count = self.count.saturating_add_signed(grown);
                    touched.insert(number);
                }
                Err(fault) => result = result.and(Err(fault)),
            }
        }
        for number in touched {
            if let Some(group) = self.groups.get_mut(&number) {
                group.refresh();
            }
        }
        result
    }

    /// As [`RegisterDigests::digest`] has it.
    pub fn digest(&self) -> String {
        let groups = self.base.groups.iter().enumerate();
        digest_of(groups.map(|(number, group)| self.groups.get(&number).unwrap_or(group)))
    }
}

fn digest_of<'a>(groups: impl Iterator<Item = &'a Group>) -> String {
    let mut hasher = Sha256::new();
    groups.for_each(|group| hasher.update(group.digest));
    format!("sha256:{}", hex(&hasher.finalize()))
}

/// What an entry says, key by key.
fn moves<'a>(
    added: &'a [RegisterItem],
    removed: &'a [RegisterItem],
    changed: &'a [RegisterItem],
) -> BTreeMap<&'a str, Moved<'a>> {
    let mut keys: BTreeMap<&str, Moved<'_>> = BTreeMap::new();
    for item in added {
        let moved = keys.entry(&item.key).or_default();
        moved.steps += 1;
        moved.came = true;
        moved.last = Some(item);
    }
    for item in removed {
        keys.entry(&item.key).or_default().steps -= 1;
    }
    for item in changed {
        keys.entry(&item.key).or_default().last = Some(item);
    }
    keys
}

/// What an entry says of one key.
#[derive(Default)]
struct Moved<'a> {
    /// How often it came, less how often it went.
    steps: i64,
    /// Whether it came at all.
    came: bool,
    /// What it is, if it is there afterwards.
    last: Option<&'a RegisterItem>,
}

/// The digests as a map of keys to digests in base64: the groups are made again from it.
impl Serialize for RegisterDigests {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let items = self.groups.iter().flat_map(|group| &group.items);
        serializer.collect_map(items.map(|(key, digest)| (key, BASE64_STANDARD.encode(digest))))
    }
}

impl<'de> Deserialize<'de> for RegisterDigests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DigestsVisitor)
    }
}

/// Reads them one at a time: there may be hundreds of thousands.
struct DigestsVisitor;

impl<'de> Visitor<'de> for DigestsVisitor {
    type Value = RegisterDigests;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of keys to digests in base64")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegisterDigests, A::Error> {
        let mut digests = RegisterDigests::default();
        while let Some((key, text)) = map.next_entry::<Box<str>, String>()? {
            let bytes = BASE64_STANDARD.decode(text).map_err(A::Error::custom)?;
            let digest = bytes.try_into().map_err(|_| A::Error::custom("a digest has 32 bytes"))?;
            if let Some(group) = digests.groups.get_mut(group_of(&key)) {
                digests.count += u64::from(group.items.insert(key, digest).is_none());
            }
        }
        digests.groups.iter_mut().for_each(Group::refresh);
        Ok(digests)
    }
}
