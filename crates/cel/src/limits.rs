//! What keeps an expression from costing more than it is worth.
//!
//! Parser and evaluation recurse, and a stack overflow cannot be caught; pure code has no clock. So
//! the shape of an expression is bounded while it is read, and evaluation takes steps from a
//! budget, much as the API server counts cost.

use super::expression::ExpressionError;

/// The longest expression, in bytes.
pub const MAX_SOURCE: usize = 8 * 1024;
/// The deepest nesting of brackets.
pub const MAX_BRACKETS: usize = 32;
/// The deepest nesting of an expression: brackets, and chains such as `a.b.c` or `1 + 2 + 3`.
pub const MAX_NESTING: usize = 128;
/// The most nodes of a parsed expression.
pub const MAX_NODES: usize = 2_000;
/// The longest regular expression, in bytes.
pub const MAX_PATTERN: usize = 1_000;
/// The most memory that a compiled regular expression may take, in bytes.
pub const MAX_COMPILED_PATTERN: usize = 1 << 20;
/// The deepest object that is judged, in nested lists and maps.
pub const MAX_OBJECT_DEPTH: usize = 100;
/// The most variables, match conditions or validations of one program.
pub const MAX_EXPRESSIONS: usize = 64;
/// Steps that all expressions of one program may take for one object. The API server allows
/// 1,000,000 units of cost for one expression, and a step here is about one unit there.
pub const MAX_STEPS: u64 = 2_000_000;

/// Refuses a source text that is empty or too long.
pub(super) fn check_source(source: &str) -> Result<(), ExpressionError> {
    if source.trim().is_empty() {
        return Err(ExpressionError::invalid("it is empty"));
    }
    limit("length in bytes", source.len(), MAX_SOURCE)
}

/// Refuses what is more than `limit`.
pub(super) fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), ExpressionError> {
    // An error of its own: the expression is right, and splitting it helps.
    if found > limit {
        return Err(ExpressionError::TooComplex { what, found, limit });
    }
    Ok(())
}
