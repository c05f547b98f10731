//! Liveness and readiness.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// The sources of liveness and readiness. Clones share them.
#[derive(Clone)]
pub struct ProbeState {
    evaluated: watch::Receiver<bool>,
    waiting: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for ProbeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeState")
            .field("evaluated", &*self.evaluated.borrow())
            .finish_non_exhaustive()
    }
}

impl ProbeState {
    /// `evaluated` turns true with the first evaluation, and its sender must live as long as the task
    /// that evaluates. `waiting` says what that task waits for; empty if it waits for nothing.
    pub fn new(
        evaluated: watch::Receiver<bool>,
        waiting: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self { evaluated, waiting: Arc::new(waiting) }
    }

    /// Why the process should be restarted; None if it is alive.
    pub fn dead(&self) -> Option<&'static str> {
        self.evaluated.has_changed().is_err().then_some("the task that evaluates has ended")
    }

    /// What the operator is waiting for: its first evaluation, and later any input that is silent. None
    /// if it is ready.
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
