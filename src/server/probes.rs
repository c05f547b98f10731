//! What the kubelet is told.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// Where liveness and readiness come from.
#[derive(Clone)]
pub struct Probes {
    evaluated: watch::Receiver<bool>,
    waiting: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes")
            .field("evaluated", &*self.evaluated.borrow())
            .finish_non_exhaustive()
    }
}

impl Probes {
    /// `evaluated` turns true with the first evaluation, and its sender lives as long as the task
    /// that evaluates. `waiting` says what that task waits for,
    /// and is empty when that is nothing.
    pub fn new(
        evaluated: watch::Receiver<bool>,
        waiting: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self { evaluated, waiting: Arc::new(waiting) }
    }

    /// Why the process should be restarted, if it should.
    pub fn dead(&self) -> Option<&'static str> {
        self.evaluated.has_changed().is_err().then_some("the task that evaluates has ended")
    }

    /// What is missing for the operator to do its work, if anything is: its first evaluation, and
    /// later a word from each of its inputs.
    pub fn pending(&self) -> Option<String> {
        if let Some(dead) = self.dead() {
            return Some(dead.to_owned());
        }
        let waiting = (self.waiting)();
        match (*self.evaluated.borrow(), waiting.is_empty()) {
            (true, true) => None,
            (false, true) => Some("waiting for the first evaluation".to_owned()),
            (_, false) => Some(waiting),
        }
    }
}
