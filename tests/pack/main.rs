//! The starter pack, the samples and the examples of the documentation: every control is one that
//! the API server accepts, that can be evaluated, and that says what its readers need; and the pack
//! says of a fresh cluster and of the sample company what it is meant to say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod company;
mod controls;
mod files;
mod fresh;
mod stock;
mod world;
