//! One module per test of a control. Pure.

pub mod cel;
