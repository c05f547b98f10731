//! Comptroller keeps a company's SOC 2 controls true on Kubernetes, and proves it.
//!
//! The cluster is read by [`source`] and judged by the engine of `comptroller-core`. Verdicts
//! go to the log of `comptroller-evidence` through `comptroller-recorder`, and only what is
//! recorded is claimed: in statuses by [`controllers`], in metrics by [`telemetry`] and
//! [`server`], in reports by [`cli`].

#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        clippy::too_many_lines,
        reason = "fixtures are written with json!, and a table of cases is one function"
    )
)]

pub(crate) mod audit_stream;
pub mod cli;
pub mod controllers;
pub(crate) mod outbound;
pub mod server;
pub mod source;
pub mod telemetry;
pub(crate) mod ui;
