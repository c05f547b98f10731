//! What the recorder tells whoever counts.

use jiff::Timestamp;

/// Is told what becomes of the log: the operator turns it into metrics.
///
/// Called from the recorder's task, so an implementation returns at once and never blocks.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// The task has begun; nothing is counted yet.
    fn begun(&self);

    /// Entries are durable under a signed checkpoint of this time. The log has `size` entries now.
    fn appended(&self, size: u64, at: Timestamp);

    /// An entry of a register is durable, after which it has so many items, with so many that came, went
    /// or changed.
    fn register_recorded(&self, register: &str, items: u64, changes: usize);

    /// The log could not be opened or written.
    fn failed(&self);

    /// Whether the log is known not to be, or not all of, what was recorded before.
    fn put_back(&self, is: bool);

    /// What was found when the log was opened: so many entries that an earlier writer had begun to
    /// append and that were finished, and so many objects that could not be explained and were moved
    /// to quarantine. Not called when there were none.
    fn recovered(&self, finished: u64, quarantined: usize);

    /// This process writes no more: another one says how the log is.
    fn ended(&self);
}
