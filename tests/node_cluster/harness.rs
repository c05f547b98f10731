//! Runs tests one after the other on one cluster that all of them share.

use std::{
    error::Error,
    panic::AssertUnwindSafe,
    pin::Pin,
    process::ExitCode,
    time::Instant,
};

use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{node::Node, release};

/// What ends everything early; the text says what to do.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A test, which may change the cluster, and leaves the operator running for the next one.
pub struct Test {
    pub name: &'static str,
    pub run: for<'a> fn(&'a mut Node) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

macro_rules! test {
    ($($name:ident)::+) => {
        $crate::harness::Test {
            name: stringify!($($name)::+),
            run: |node| Box::pin($($name)::+(node)),
        }
    };
}
pub(crate) use test;

/// What the command line asks for.
pub enum Mode {
    /// Nothing that needs root.
    Skip,
    /// A cluster until Ctrl-C.
    Keep,
    /// The tests whose names hold this text.
    Test(String),
}

impl Mode {
    /// `--ignored` or `--include-ignored`, as of any test that is ignored by default, and a name; or
    /// `keep`. A flag that the usual harness knows does not matter here.
    pub fn from_arguments(arguments: impl Iterator<Item = String>) -> Self {
        let arguments: Vec<String> = arguments.collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        if has("keep") {
            return Self::Keep;
        }
        if has("--list") || !(has("--ignored") || has("--include-ignored")) {
            return Self::Skip;
        }
        let name = arguments.iter().find(|argument| !argument.starts_with('-'));
        Self::Test(name.cloned().unwrap_or_default())
    }
}

/// Until it has ended, or Ctrl-C or SIGTERM: either way the machine is cleared up.
pub async fn ended(work: impl Future<Output = Result<()>>) -> ExitCode {
    let result = tokio::select! {
        result = work => result,
        result = stop_requested() => result,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("node: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn stop_requested() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Err("stopped; clearing up".into())
}

/// Runs the tests whose names hold `filter`, all of them even if one fails.
pub async fn run(tests: &[Test], filter: String) -> Result<()> {
    let started = Instant::now();
    let mut node = Node::start().await?;
    node.plane.keep_logs_on_panic();
    println!("node: ready after {:.1} s", started.elapsed().as_secs_f64());
    release::install(&node, &release::Options::default()).await?;
    println!("node: operator ready after {:.1} s", started.elapsed().as_secs_f64());
    let mut failed = Vec::new();
    for test in tests.iter().filter(|test| test.name.contains(&filter)) {
        let began = Instant::now();
        println!("test {} ...", test.name);
        let ended = AssertUnwindSafe((test.run)(&mut node)).catch_unwind().await;
        let outcome = if ended.is_ok() { "ok" } else { "FAILED" };
        println!("test {} ... {outcome} ({:.1} s)", test.name, began.elapsed().as_secs_f64());
        if ended.is_err() {
            release::describe(&node).await;
            failed.push(test.name);
        }
    }
    println!("node: {:.1} s altogether", started.elapsed().as_secs_f64());
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("{} failed: {}", failed.len(), failed.join(", ")).into())
}
