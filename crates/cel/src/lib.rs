//! Expressions with the shape and the semantics of `ValidatingAdmissionPolicy`, evaluated on
//! objects at rest.
//!
//! [`program`] is a whole policy, [`expression`] one expression of it, [`guard`] what bounds their
//! cost.
//!
//! An expression goes from [`lexer`] to [`parser`], whose [`tree`] the [`checker`] resolves to the
//! [`node`]s that are [`evaluate`]d. The engine is our own because its answers are evidence: it
//! must say what the API server says, or that it does not know, and no library does.

pub mod answer;
mod checker;
mod evaluate;
pub mod expression;
mod functions;
pub mod guard;
mod instant;
mod lexer;
mod macros;
mod manifest;
mod node;
mod operators;
mod parser;
pub mod program;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod value;

pub use expression::ExpressionError;
pub use program::Program;
