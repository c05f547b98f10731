//! The expressions of a `ValidatingAdmissionPolicy`, evaluated on objects outside of an admission
//! request: in a file, in a cache, at rest.
//!
//! ```
//! use comptroller_cel::{
//!     AdmissionRequest, PolicyOutcome, PreparedObject, Program, ProgramSource, ValidationSource,
//! };
//!
//! let source = ProgramSource {
//!     validations: vec![ValidationSource {
//!         expression: "object.spec.replicas <= 5",
//!         message: Some("at most 5 replicas"),
//!         ..ValidationSource::default()
//!     }],
//!     ..ProgramSource::default()
//! };
//! let program = Program::compile(&source, "spec").map_err(|errors| format!("{errors:?}"))?;
//! let object = serde_json::json!({"spec": {"replicas": 9}});
//! let object = PreparedObject::new(&object, &AdmissionRequest::default());
//! assert!(matches!(program.judge(&object), PolicyOutcome::Fail(_)));
//! # Ok::<(), String>(())
//! ```
//!
//! A [`Program`] is a whole policy. It holds compiled expressions ([`ExpressionError`] says why one
//! is refused, [`limits`] what bounds their cost) and keeps nothing between two objects.
//!
//! An expression goes from the lexer to the parser, whose syntax tree the type checker resolves to
//! the nodes that are evaluated. The engine is our own because its verdicts are evidence: it must
//! say what the API server says, or that it does not know. kube-cel's evaluator, whose parser is a
//! good one, decided 34 of 281 expressions of our parity test differently from the API server, and
//! eight of those let through what the API server refuses.
//!
//! The crate knows the API server and nothing else: neither where objects come from nor what is
//! done with a verdict.

mod checker;
mod evaluate;
mod expression;
mod functions;
mod instant;
mod lexer;
pub(crate) mod limits;
mod macros;
mod manifest;
mod node;
mod operators;
mod parser;
mod program;
#[cfg(test)]
mod properties;
mod standalone;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod value;

pub use self::{
    expression::ExpressionError,
    program::{
        AdmissionRequest, FailedValidation, FieldError, NamedSource, PolicyOutcome, PreparedObject,
        Program, ProgramSource, Undecided, ValidationSource,
    },
    standalone::{ExpressionResult, declarations, evaluate_expression},
};
