//! Campaigns: what networks, API servers, disks and people do to the operator, against a real API
//! server. See docs/testing.md for the long form.

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

mod bucket;
mod case;
mod disasters;
mod files;
mod history;
mod hostile;
mod invariants;
mod kills;
mod long;
mod misuse;
mod mutations;
mod operator;
mod plans;
mod proxied;
mod proxy_faults;
mod record;
mod run;
mod scrape;
mod stand;
mod store;
mod strangers;
