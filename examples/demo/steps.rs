//! One line for each thing the demo does: what, how it came out, and how long it took.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

/// How often a step that takes long says so where no terminal can show it move.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The width of the column that names the steps, and of what they say.
const TITLE: usize = 16;
const WORDS: usize = 62;

/// The steps of one run.
pub struct Steps {
    terminal: bool,
}

/// A step that is under way.
pub struct Step {
    title: &'static str,
    bar: ProgressBar,
    started: Instant,
}

impl Steps {
    /// Shown as standard output can.
    pub fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal() }
    }

    /// Does one thing. What it says last becomes its line.
    pub async fn step<T>(
        &self,
        title: &'static str,
        work: impl AsyncFnOnce(&Step) -> Result<T>,
    ) -> Result<T> {
        let step = Step { title, bar: self.bar(title), started: Instant::now() };
        let result = tokio::select! {
            result = work(&step) => result,
            never = step.report(self.terminal) => never,
        };
        let words = step.bar.message();
        step.bar.finish_and_clear();
        let result = result.map_err(|error| format!("{title}: {error}"))?;
        step.print(&words);
        Ok(result)
    }

    fn bar(&self, title: &'static str) -> ProgressBar {
        let target =
            if self.terminal { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let template = format!("  {{prefix:{TITLE}}} {{wide_msg}} {{elapsed}}");
        let style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style).with_prefix(title);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

impl Step {
    /// How it stands, for the line of this step.
    pub fn say(&self, words: impl Into<String>) {
        self.bar.set_message(words.into());
    }

    /// Where nothing moves, a line now and then; it never ends.
    async fn report<T>(&self, terminal: bool) -> Result<T> {
        if terminal {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            self.print(&format!("{} ...", self.bar.message()));
        }
    }

    fn print(&self, words: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        println!(
            "  {:TITLE$} {words:WORDS$} {}",
            self.title,
            style(format!("{seconds:5.1} s")).dim()
        );
    }
}

/// A heading between the parts of the output.
pub fn heading(words: &str) {
    println!("\n{}\n", style(words).bold());
}

/// Ends with Ctrl-C or SIGTERM: both mean that all is to be cleared up.
pub async fn stop_requested() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    eprintln!("\nstopping");
    Ok(())
}
