//! A progress bar for long scans, on standard error if that is a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A shorter scan shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that counts files. Dropping it removes it.
#[derive(Debug)]
pub(super) struct ScanProgress {
    bar: ProgressBar,
    started: Instant,
}

impl ScanProgress {
    /// Starts to count up to `files`.
    pub fn start(files: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} files") {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now() }
    }

    /// Starts a second pass over the same files.
    pub fn again(&self) {
        self.bar.inc_length(self.bar.position());
    }

    pub fn advance(&self) {
        // The target stays hidden if standard error is not a terminal.
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}

impl Drop for ScanProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
