//! People against a real API server: imports from HR, what the operator says of them, the control
//! about users, and that nothing which is recorded or told anywhere names anybody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../operator/log.rs"]
mod log;
#[path = "../operator/process.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod process;

mod import;
mod known;
mod traces;
