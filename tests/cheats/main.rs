//! Ways to hide a bad time, played against a real API server, then read as an auditor reads: each is
//! on the page with what it hid, and none turns into a pass.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../faults/mod.rs"]
mod faults;
#[allow(dead_code, reason = "each test binary uses a part of it")]
#[path = "../attestation/people.rs"]
mod people;
#[allow(dead_code, reason = "each test binary uses a part of it")]
#[path = "../operator/process.rs"]
mod process;

mod clocks;
mod edits;
mod identity;
mod logs;
mod periods;
mod processes;
mod rules;
mod world;
