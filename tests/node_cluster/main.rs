//! The operator as its users run it: as pods of its Deployment on a real node.
//!
//! `make test-node` runs the tests one after the other on one cluster; `make node` keeps such a
//! cluster up until Ctrl-C. Both need root, which `cargo test` alone does not ask for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../node/mod.rs"]
mod node;

#[path = "../torture/bucket.rs"]
mod bucket;
#[path = "../operator/log.rs"]
mod log;

mod access;
mod chart;
mod harness;
mod image;
mod kept;
mod leftovers;
mod pack;
mod release;
mod replicas;
mod restarts;
mod subject;

use std::process::ExitCode;

use harness::{Mode, test};

#[tokio::main]
async fn main() -> ExitCode {
    match Mode::from_arguments(std::env::args().skip(1)) {
        Mode::Skip => {
            println!("node: skipped: `make test-node` runs these tests, on Linux as root");
            ExitCode::SUCCESS
        }
        Mode::Keep => harness::ended(kept::run()).await,
        Mode::Bare => harness::ended(leftovers::bare()).await,
        Mode::Test(filter) => harness::ended(Box::pin(harness::run(TESTS, &filter))).await,
    }
}

/// In this order, on one cluster.
const TESTS: &[harness::Test] = &[
    test!(release::it_is_ready_within_restricted_pod_security),
    test!(access::exec_verifies_the_log),
    test!(access::logs_are_json),
    test!(access::metrics_come_through_a_port_forward),
    test!(restarts::the_log_goes_on_whatever_ends_the_pod),
    test!(pack::the_pack_has_no_false_alarm),
    test!(chart::it_takes_over_upgrades_and_rolls_back),
    test!(chart::an_uninstall_leaves_only_what_is_proof),
    test!(replicas::two_replicas_hand_over_and_nothing_is_lost),
];
