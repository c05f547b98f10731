//! How bad it is when a control fails.

use crate::closed_enum;

closed_enum! {
    /// How bad it is when the control fails.
    pub enum Severity {
        /// A weakness that needs others to matter.
        Low = "Low",
        /// A weakness to fix in the normal course of work.
        Medium = "Medium",
        /// A weakness that an attacker or an auditor will find.
        High = "High",
        /// A weakness that gives the cluster or its data away.
        Critical = "Critical",
    }
}
