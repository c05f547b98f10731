//! What the benchmarks judge: objects, clusters, controls. Seeded, so that every run sees the same.

#![allow(dead_code, reason = "each benchmark takes what it needs of this")]

pub mod company;
pub mod controls;
pub mod process;
pub mod rights;
pub mod samples;
pub mod world;

use jiff::Timestamp;

/// The time of every judgement.
pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}
