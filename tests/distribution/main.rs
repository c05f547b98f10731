//! What users get beside the program: schemas for editors, manual pages, completion, the manifest for krew,
//! hooks and recipes for CI, and reports for other tools. Each is read by what it is for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod completion;
#[path = "../controlplane/mod.rs"]
mod controlplane;
mod krew;
mod man;
mod policy_reports;
mod pre_commit;
#[path = "../python/mod.rs"]
mod python;
mod recipes;
mod schemas;
mod support;
