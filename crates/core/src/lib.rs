//! What Comptroller knows and how it judges, without a client, a clock or a runtime.
//!
//! Data flows one way: objects are projected into facts ([`inventory`]), checks judge facts
//! ([`checks`]), the engine keeps what was judged and says when it changes ([`engine`]). What users
//! write is [`api`]. What the company has is derived from the same facts ([`registers`]).

#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        clippy::too_many_lines,
        reason = "fixtures are written with json!, and a table of cases is one function"
    )
)]

pub mod api;
pub mod checks;
pub mod engine;
pub mod inventory;
pub mod nearest;
pub mod registers;
