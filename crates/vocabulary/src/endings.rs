//! Why an item came into a population or left it, and why a finding is gone.

use crate::closed_enum;

closed_enum! {
    /// Why an item came into a population, or left it.
    pub enum PopulationCause {
        /// The object was created or deleted.
        Object = "Object",
        /// The object changed, and the test selects it by what changed.
        Selection = "Selection",
        /// The labels of its namespace changed, by which the scope selects.
        NamespaceLabels = "NamespaceLabels",
        /// The scope or the test of the control was edited.
        RuleChanged = "RuleChanged",
        /// The control was declared, deleted, suspended or resumed.
        Control = "Control",
    }
}

closed_enum! {
    /// Why a finding is gone.
    pub enum FindingEnding {
        /// The item is judged as before, and is in order.
        Mended = "Mended",
        /// The object was deleted.
        ObjectGone = "ObjectGone",
        /// The item is no longer in the scope of the control, or no longer selected by its test.
        LeftScope = "LeftScope",
        /// The test was edited, such as its `allow`, and no longer asks for it.
        RuleChanged = "RuleChanged",
        /// An exception allows it.
        Excepted = "Excepted",
        /// The control was suspended.
        Suspended = "Suspended",
    }
}
