//! What all pages are made of: texts from outside, links, tables, states and the frame around them.

pub mod layout;
pub mod link;
pub mod pager;
pub mod state;
pub mod table;
pub mod text;
