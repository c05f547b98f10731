//! The policy reports of a scan: its findings as objects for `kubectl apply`, in either of the two groups
//! that [`policy_report`](crate::policy_report) knows. The operator's reports are apart from them, by name and
//! label: a scan has no log that its reports could cite, and knows files and baselines.
//!
//! What could not be judged is `error` and what is excepted is `skip`: neither is ever `pass`.

mod evaluation;
mod object;

#[cfg(test)]
mod tests;

pub(super) use evaluation::{OPEN_REPORTS, POLICY_REPORT};
