//! What people attest, against a real API server: who may write which record, and what becomes of
//! a human control.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../operator/process.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod process;

mod authors;
mod event_specs;
mod events;
mod guarded;
mod lifecycle;
mod people;
mod recorded;
