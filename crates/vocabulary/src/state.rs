//! What the evaluation of a control came to.

use crate::closed_enum;

closed_enum! {
    /// What the evaluation of a control came to.
    #[derive(Default)]
    pub enum State {
        /// Everything in scope was judged and is as it should be.
        Passing = "Passing",
        /// Something in scope is not as it should be.
        Failing = "Failing",
        /// What is not as it should be is covered by approved exceptions.
        Excepted = "Excepted",
        /// Something could not be judged, so nothing can be claimed.
        #[default]
        Unknown = "Unknown",
        /// Nothing is in scope.
        NotApplicable = "NotApplicable",
    }
}
