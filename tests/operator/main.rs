//! The operator binary against a real API server.

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

#[path = "../chart/helm.rs"]
#[allow(dead_code, reason = "the tests of the charts use the rest of it")]
mod helm;

mod cosigning;
mod evidence;
mod inventory;
mod log;
mod notify;
mod other_engines;
mod outage;
mod passing;
mod periods;
mod populations;
#[allow(dead_code, reason = "other test binaries use the rest of it")]
mod process;
mod register_command;
mod registers;
mod reports;
mod reports_rights;
mod rights;
mod time;
mod verdicts;
