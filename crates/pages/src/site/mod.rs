//! What pages ask of a site again and again.

pub mod controls;
pub mod obligations;
pub mod sources;
