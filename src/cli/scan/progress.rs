//! Progress of long scans, on standard error and only for a person.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Short scans show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar of the files that were read; it goes away when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// Begins to count.
    pub fn start(files: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now() }
    }

    /// The same files are read again.
    pub fn again(&self) {
        self.bar.inc_length(self.bar.position());
    }

    /// One more file was read.
    pub fn advance(&self) {
        // Standard error that is no terminal stays hidden.
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
