//! Policy reports: the findings as the objects that Policy Reporter, Headlamp and other tools show, in
//! either of the two groups that define them. Both have the same fields; OpenReports continues what the
//! Kubernetes policy working group began.
//!
//! What could not be judged is `error` and what is excepted is `skip`: neither is ever `pass`.

mod evaluation;
mod object;

#[cfg(test)]
mod tests;

pub use self::{
    evaluation::{OPEN_REPORTS, POLICY_REPORT, results},
    object::{Outcome, OutcomeCounts, PolicyReport, PolicyResult, ReportApi, split},
};
