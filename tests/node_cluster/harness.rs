//! Runs tests one after the other on one cluster that all of them share.

use std::{error::Error, panic::AssertUnwindSafe, pin::Pin, process::ExitCode, time::Instant};

use futures::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{leftovers, node::Node, release};

/// What ends everything early; the text says what to do.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A test, which may change the cluster, and leaves the operator running for the next one.
pub struct Test {
    pub name: &'static str,
    pub run: for<'a> fn(&'a mut Node) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

macro_rules! test {
    ($module:ident::$name:ident) => {
        $crate::harness::Test {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |node| Box::pin($module::$name(node)),
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
    /// A node that a test kills.
    Bare,
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
        if has("bare") {
            return Self::Bare;
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

/// Runs the tests whose names hold `filter`, all of them even if one fails, and then the one that
/// wants the machine without a node.
pub async fn run(tests: &[Test], filter: &str) -> Result<()> {
    let started = Instant::now();
    let mut failed = Vec::new();
    if tests.iter().any(|test| test.name.contains(filter)) {
        let mut node = Node::start().await?;
        node.plane.keep_logs_on_panic();
        println!("node: ready after {:.1} s", started.elapsed().as_secs_f64());
        release::install(&node).await?;
        println!("node: operator ready after {:.1} s", started.elapsed().as_secs_f64());
        for test in tests.iter().filter(|test| test.name.contains(filter)) {
            if !passes(test.name, (test.run)(&mut node)).await {
                release::describe(&node).await;
                failed.push(test.name);
            }
        }
    }
    let alone = "leftovers::the_next_start_removes_them";
    if alone.contains(filter) && !passes(alone, leftovers::the_next_start_removes_them()).await {
        failed.push(alone);
    }
    println!("node: {:.1} s altogether", started.elapsed().as_secs_f64());
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("{} failed: {}", failed.len(), failed.join(", ")).into())
}

/// Runs a test to its end or its panic, and says how it went.
async fn passes(name: &str, test: impl Future<Output = ()>) -> bool {
    let began = Instant::now();
    println!("test {name} ...");
    let passed = AssertUnwindSafe(test).catch_unwind().await.is_ok();
    let outcome = if passed { "ok" } else { "FAILED" };
    println!("test {name} ... {outcome} ({:.1} s)", began.elapsed().as_secs_f64());
    passed
}
