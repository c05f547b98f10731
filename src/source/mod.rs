//! Where objects come from: the watches of the operator, one look at a live cluster, and files.

pub mod api_server;
pub mod discovery;
pub mod listwatch;
pub mod live;
pub mod manifest;
pub mod rewinds;
pub mod watched;
