//! Comptroller keeps a company's SOC 2 controls true on Kubernetes, and proves it.
//!
//! Data flows one way: the cluster is projected into facts ([`inventory`]), checks judge facts
//! ([`checks`]), the engine keeps what was judged and says when it changes ([`engine`]). These
//! three are pure. What users write is [`api`]. Around them lies the shell: [`controllers`] feed
//! the engine from watches and write statuses, once what they say is [`evidence`]; [`telemetry`]
//! counts.

#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        clippy::too_many_lines,
        reason = "fixtures are written with json!, and a table of cases is one function"
    )
)]

pub mod api;
pub mod checks;
pub mod cli;
pub mod controllers;
pub mod engine;
pub mod evidence;
pub mod inventory;
pub mod nearest;
pub mod report;
pub mod server;
pub mod telemetry;
