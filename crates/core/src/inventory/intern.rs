//! Strings and values that repeat over thousands of objects, kept once.

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
    /// The text itself, for functions that take a `&str`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
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

/// Not shared: for tests and for words that appear once. Everything that is read from objects goes
/// through an [`Interner`].
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
    /// The shared copy of `value`, which becomes it if there is none.
    pub fn share(&self, value: T) -> Arc<T> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = set.get(&value) {
            return Arc::clone(known);
        }
        let shared = Arc::new(value);
        set.insert(Arc::clone(&shared));
        shared
    }

    /// Drops the values that nobody outside the pool holds.
    pub fn sweep(&self) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.retain(|value| Arc::strong_count(value) > 1);
        set.shrink_to_fit();
    }
}

/// How many strings there may be before the first search for unused ones.
const SWEEP_FROM: usize = 16_384;

/// Strings, and how many there may be until they are swept. Objects that are refused for their size leave
/// many names that nothing uses.
#[derive(Debug)]
struct Strings {
    set: FxHashSet<Symbol>,
    sweep_at: usize,
}

impl Default for Strings {
    fn default() -> Self {
        Self { set: FxHashSet::default(), sweep_at: SWEEP_FROM }
    }
}

impl Strings {
    fn sweep(&mut self) {
        self.set.retain(|symbol| Arc::strong_count(&symbol.0) > 1);
        self.sweep_at = SWEEP_FROM.max(2 * self.set.len());
        self.set.shrink_to(self.sweep_at.min(2 * self.set.len()));
    }
}

/// The strings and pod shapes shared by all facts of one inventory.
#[derive(Debug, Default)]
pub struct Interner {
    strings: Mutex<Strings>,
    /// Pods without their names: the replicas of a workload differ in nothing that a check reads.
    pub pods: Pool<super::workload::PodFacts>,
    /// What Velero backups are about: the same for all backups of a schedule.
    pub velero_scopes: Pool<super::backup::velero_scope::VeleroScope>,
}

impl Interner {
    /// The shared copy of `text`, which is added if there is none.
    pub fn intern(&self, text: &str) -> Symbol {
        let mut strings = self.strings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = strings.set.get(text) {
            return known.clone();
        }
        // Sweeping when the number has doubled makes its cost per string constant.
        if strings.set.len() >= strings.sweep_at {
            strings.sweep();
        }
        let symbol = Symbol(text.into());
        strings.set.insert(symbol.clone());
        symbol
    }

    /// Drops what no fact uses any more. Names of deleted pods would otherwise pile up for ever.
    pub fn sweep(&self) {
        let mut strings = self.strings.lock().unwrap_or_else(PoisonError::into_inner);
        strings.sweep();
        strings.set.shrink_to_fit();
        // The pools have locks of their own; holding two at once could deadlock.
        drop(strings);
        self.pods.sweep();
        self.velero_scopes.sweep();
    }

    /// How many strings are kept.
    pub fn len(&self) -> usize {
        self.strings.lock().unwrap_or_else(PoisonError::into_inner).set.len()
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

    #[test]
    fn strings_that_nothing_uses_do_not_pile_up_until_they_are_swept() {
        let interner = Interner::default();
        let used: Vec<Symbol> = (0..1_000).map(|n| interner.intern(&format!("used-{n}"))).collect();
        for n in 0..200_000 {
            interner.intern(&format!("unused-{n}"));
            assert!(interner.len() <= SWEEP_FROM);
        }
        assert!(used.iter().all(|symbol| Arc::ptr_eq(&interner.intern(symbol).0, &symbol.0)));
    }
}
