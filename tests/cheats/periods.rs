//! Cheats by the audit period.
