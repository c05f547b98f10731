//! The Helm charts: they are what `config/` is, they render for every value, and the API server takes what
//! they render.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;

mod cluster;
mod generated;
mod helm;
mod pack;
mod parity;
mod release;
mod rendering;
mod values;
