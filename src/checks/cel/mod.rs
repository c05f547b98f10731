//! The `cel` test: expressions with the shape and the semantics of ValidatingAdmissionPolicy,
//! evaluated on objects at rest.
//!
//! [`program`] is a control's whole policy, [`expression`] one expression of it, [`guard`] what
//! bounds their cost. `kube_cel` is named in this folder only.

mod evaluate;
pub mod expression;
mod functions;
pub mod guard;
mod macros;
pub mod program;
mod syntax;
mod value;

#[cfg(test)]
mod tests;
