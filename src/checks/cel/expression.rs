//! One compiled expression.
//!
//! `kube_cel` gives the grammar and the Kubernetes function libraries; the tree is evaluated
//! here, because the library's own interpreter cannot be stopped and decides wrongly where a
//! verdict hangs on it (a field of a string is `false` there instead of an error, `all()` stops
//! at an error that a later element would absorb, `a.?b` of an absent field is an error).
//!
//! The language is that of `ValidatingAdmissionPolicy` in Kubernetes 1.36, and a test compares the
//! two. Where they differ, the object is undecided here or the API server refuses the policy:
//! - What needs a request or the server is unsupported: `authorizer`, `params`,
//!   `namespaceObject`, `request.userInfo`, `request.options`.
//! - What the library reads wrongly is unsupported: `!!x`, `- -x`, strings in three quotes, a
//!   quote that is escaped without need.
//! - Not computed: times in a time zone, `\Q` and `\B` in regular expressions, numbers that Go
//!   prints with an exponent, quantities beyond 1n to 10E, URLs with escapes, a user or an IPv6
//!   host, `semver` with normalization, `format.named`.
//! - There is no type checker: `1 + 'a'`, `uint('-1')` and `timestamp('x')` compile and are errors
//!   when they are evaluated; `1 == 1.0`, `[1, 'a']` and `existsOne(x, ...)` compile and have a
//!   value, while the API server refuses them.
//! - The object is judged as it is written: a manifest that was never stored has no defaults.

use super::guard;
use super::node::Node;
use super::syntax::{self, Names};
use super::value::Kind;

/// Where an expression stands in a policy, which decides what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
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
        /// What was measured.
        what: &'static str,
        /// How much there is of it.
        found: usize,
        /// How much there may be.
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
}

impl Expr {
    /// Compiles an expression that may read the given `variables`, in the order of their
    /// declaration: `variables.NAME` becomes the index of the name.
    pub fn compile(source: &str, role: Role, variables: &[&str]) -> Result<Self, ExpressionError> {
        guard::check_source(source)?;
        let names = match role {
            Role::MatchCondition => Names { variables: None },
            Role::Variable | Role::Validation | Role::MessageExpression => {
                Names { variables: Some(variables) }
            }
        };
        let node = syntax::parse(source, &names)?;
        check_type(&node, role)?;
        Ok(Self { node })
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }
}

/// Kubernetes refuses an expression whose type is not declared to be what its place needs.
fn check_type(node: &Node, role: Role) -> Result<(), ExpressionError> {
    let (wanted, remedy) = match role {
        Role::Variable => return Ok(()),
        Role::MatchCondition | Role::Validation => {
            (Kind::Bool, "compare it, as in object.spec.paused == true")
        }
        Role::MessageExpression => (Kind::String, "write string(...) around it"),
    };
    let kind = node.kind();
    if node.is_part_of_object() || (kind != Kind::Any && kind != wanted) {
        let wanted = wanted.name();
        return Err(ExpressionError::invalid(format!("it must be a {wanted}: {remedy}")));
    }
    Ok(())
}
