//! The cluster benchmark: the operator on seeded clusters of several sizes, on a real API server.
//!
//! `make bench-load` runs it. `OBJECTS` names the sizes, `REST` the seconds of rest, `SEED` another
//! cluster than the usual one. It ends with an error when a verdict is wrong or a goal is missed.

#[path = "../../tests/controlplane/mod.rs"]
mod controlplane;

mod changes;
mod control_watch;
mod expect;
mod generate;
mod goals;
mod latency;
mod operator;
mod percentiles;
mod populate;
mod report;
mod resources;
mod run;

use std::{env, error::Error, process::ExitCode, time::Duration};

/// What ends the benchmark early; the text says what to do.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OBJECTS: &str = "1000 10000 50000";
const REST: &str = "600";
const SEED: &str = "7";

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks as well, without this argument.
    if !env::args().any(|argument| argument == "--bench") {
        println!("load: run by `make bench-load`");
        return ExitCode::SUCCESS;
    }
    match bench().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<ExitCode> {
    let sizes = numbers("OBJECTS", OBJECTS)?;
    let rest = Duration::from_secs(number("REST", REST)?.max(1));
    let seed = number("SEED", SEED)?;
    let mut runs = Vec::new();
    for size in sizes {
        let size = usize::try_from(size)?;
        let measured =
            run::run(size, seed, rest).await.map_err(|e| format!("{size} objects: {e}"))?;
        runs.push(measured);
        // After each, since the next may take a quarter of an hour.
        report::write(&runs)?;
    }
    print!("{}", report::text(&runs));
    let failures: Vec<String> = runs.iter().flat_map(goals::failures).collect();
    for failure in &failures {
        eprintln!("load: {failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn numbers(name: &str, default: &str) -> Result<Vec<u64>> {
    let text = env::var(name).ok().filter(|text| !text.trim().is_empty());
    let text = text.as_deref().unwrap_or(default);
    let parse = |word: &str| {
        word.parse().map_err(|_| format!("{name}={text}: {word:?} is no whole number").into())
    };
    text.split_whitespace().map(parse).collect()
}

fn number(name: &str, default: &str) -> Result<u64> {
    numbers(name, default)?.first().copied().ok_or_else(|| format!("{name} is empty").into())
}
