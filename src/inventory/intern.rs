//! Strings and values that repeat endlessly in a cluster, kept once.

use std::{
    borrow::Borrow,
    fmt,
    hash::Hash,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashSet;

/// An interned string: cheap to clone, compares and orders by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Symbol {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// For tests and for words that appear once; everything read from objects goes through an [`Interner`].
impl From<&str> for Symbol {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A set of values of which equal ones are shared.
///
/// A mutex, since watches of several kinds project at the same time; it is held for one look-up.
#[derive(Debug)]
pub struct Pool<T: Eq + Hash>(Mutex<FxHashSet<Arc<T>>>);

impl<T: Eq + Hash> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Eq + Hash> Pool<T> {
    /// The one shared copy of `value`.
    pub fn share(&self, value: T) -> Arc<T> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = set.get(&value) {
            return Arc::clone(known);
        }
        let shared = Arc::new(value);
        set.insert(Arc::clone(&shared));
        shared
    }

    /// Drops what nobody but the pool holds.
    pub fn sweep(&self) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.retain(|value| Arc::strong_count(value) > 1);
        set.shrink_to_fit();
    }
}

/// The strings and pod shapes shared by all facts of one inventory.
#[derive(Debug, Default)]
pub struct Interner {
    strings: Mutex<FxHashSet<Symbol>>,
    /// Pod shapes: the replicas of a workload differ in nothing that a check reads.
    pub pods: Pool<super::workload::PodFacts>,
    /// What Velero backups are about: the same for all backups of a schedule.
    pub velero_scopes: Pool<super::backup::velero_scope::Scope>,
}

impl Interner {
    /// The shared copy of `text`.
    pub fn intern(&self, text: &str) -> Symbol {
        let mut set = self.strings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = set.get(text) {
            return known.clone();
        }
        let symbol = Symbol(text.into());
        set.insert(symbol.clone());
        symbol
    }

    /// Drops what no fact uses any more: names of dead pods would otherwise pile up for ever.
    pub fn sweep(&self) {
        let mut set = self.strings.lock().unwrap_or_else(PoisonError::into_inner);
        set.retain(|symbol| Arc::strong_count(&symbol.0) > 1);
        set.shrink_to_fit();
        drop(set);
        self.pods.sweep();
        self.velero_scopes.sweep();
    }

    /// How many strings are kept.
    pub fn len(&self) -> usize {
        self.strings.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_and_dead_ones_are_swept() {
        let interner = Interner::default();
        let a = interner.intern("prod");
        let b = interner.intern("prod");
        assert!(Arc::ptr_eq(&a.0, &b.0));
        interner.intern("gone");
        interner.sweep();
        assert_eq!(interner.len(), 1);
    }
}
