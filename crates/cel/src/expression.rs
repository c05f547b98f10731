//! Expressions: compiled once, evaluated on any number of objects.
//!
//! The language is that of `ValidatingAdmissionPolicy` in Kubernetes 1.36, types included. What
//! cannot be exact is refused with the reason, when it is compiled or when it is evaluated; the
//! object is then undecided:
//! - What needs a request or the server: `authorizer`, `params`, `namespaceObject`,
//!   `request.userInfo`, `request.options`.
//! - Time zones by name: they change from release to release. Offsets such as `+02:00` are exact.
//! - In regular expressions, classes of rare scripts, and characters newer than the API server's
//!   tables.
//! - Quantities of more than 37 digits, hexadecimal doubles, `%e` of what is not a number, maps with
//!   keys that JSON does not have, the order of `sortBy()` with equal keys in long lists.
//! - `Type{...}`, and a name with a dot before it.
//!
//! The object is judged as it is written: a manifest that was never stored has no defaults.

use super::checker::{self, DeclaredNames};
use super::limits;
use super::node::Node;
use super::parser;
use super::types::Type;

/// Where an expression stands in a policy, which decides what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionRole {
    /// Decides whether an object is judged at all; must be a bool, has no `variables`.
    MatchCondition,
    /// The value of `variables.NAME`; reads the variables declared before it.
    Variable,
    /// Must be true of an object.
    Validation,
    /// Makes the message of a failed validation; must be a string.
    MessageExpression,
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The expression is wrong, for Kubernetes too.
    #[error("the expression is not valid: {message}")]
    Invalid {
        /// What is wrong, where, and what to write instead.
        message: String,
    },
    /// Kubernetes knows the feature, and nothing here can stand for it.
    #[error(
        "the expression uses {feature}, which cannot be evaluated outside an admission request or by this engine"
    )]
    Unsupported {
        /// The feature as written, with a way around it where there is one.
        feature: String,
    },
    /// The expression is larger than what is evaluated for every object.
    #[error(
        "the expression is too complex: its {what} is {found}, at most {limit} is allowed; split it into variables or validations"
    )]
    TooComplex {
        /// What was counted: its length, its nesting, ...
        what: &'static str,
        found: usize,
        limit: usize,
    },
}

impl ExpressionError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into() }
    }

    pub(super) fn unsupported(feature: impl Into<String>) -> Self {
        Self::Unsupported { feature: feature.into() }
    }

    /// An error at a byte offset of the source.
    pub(super) fn invalid_at(source: &str, at: usize, message: &str) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self::invalid(format!("line {line}, column {column}: {message}"))
    }
}

/// A compiled expression. Cheap to share, and evaluated any number of times.
#[derive(Debug)]
pub struct Expr {
    node: Node,
    of: Type,
}

impl Expr {
    /// Compiles an expression that may read the given `variables`, in the order of their
    /// declaration: `variables.NAME` becomes the index of the name.
    pub(super) fn compile(
        source: &str,
        role: ExpressionRole,
        variables: &[(&str, Type)],
    ) -> Result<Self, ExpressionError> {
        // Before the text is parsed, so that a huge one costs nothing.
        limits::check_source(source)?;
        let names = match role {
            // They decide whether variables are evaluated at all, so they can't read any.
            ExpressionRole::MatchCondition => DeclaredNames { variables: None },
            ExpressionRole::Variable
            | ExpressionRole::Validation
            | ExpressionRole::MessageExpression => DeclaredNames { variables: Some(variables) },
        };
        let (node, of) = checker::check(parser::parse(source)?, source, &names)?;
        check_type(&of, role)?;
        Ok(Self { node, of })
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The type of its value.
    pub(super) fn of(&self) -> &Type {
        &self.of
    }
}

/// Kubernetes refuses an expression whose type is not declared to be what its place needs.
fn check_type(of: &Type, role: ExpressionRole) -> Result<(), ExpressionError> {
    let (wanted, remedy) = match role {
        // Whatever it is, the expressions that read it are checked against it.
        ExpressionRole::Variable => return Ok(()),
        ExpressionRole::MatchCondition | ExpressionRole::Validation => {
            (Type::BOOL, "compare it, as in object.spec.paused == true")
        }
        ExpressionRole::MessageExpression => (Type::STRING, "write string(...) around it"),
    };
    if *of == wanted {
        return Ok(());
    }
    Err(ExpressionError::invalid(format!("it must be a {wanted}, not {of}: {remedy}")))
}
