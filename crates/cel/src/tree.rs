//! The syntax tree, as it is written.

use super::node::BinaryOperator;
use super::value::Value;

/// A part of an expression, and where it stands.
#[derive(Debug)]
pub(super) struct SyntaxTree {
    /// The offset in the source, in bytes.
    pub at: usize,
    /// How many parts are nested in it, itself included.
    pub depth: usize,
    pub kind: SyntaxKind,
}

#[derive(Debug)]
pub(super) enum SyntaxKind {
    Literal(Value),
    Name(String),
    Select {
        operand: Box<SyntaxTree>,
        field: String,
        optional: bool,
    },
    Index {
        operand: Box<SyntaxTree>,
        index: Box<SyntaxTree>,
        optional: bool,
    },
    Call {
        target: Option<Box<SyntaxTree>>,
        name: String,
        arguments: Vec<SyntaxTree>,
    },
    Not(Box<SyntaxTree>),
    Negate(Box<SyntaxTree>),
    And(Vec<SyntaxTree>),
    Or(Vec<SyntaxTree>),
    Binary(BinaryOperator, Box<SyntaxTree>, Box<SyntaxTree>),
    Conditional(Box<[SyntaxTree; 3]>),
    /// Elements, and whether `?` stands before each.
    List(Vec<(SyntaxTree, bool)>),
    Map(Vec<(SyntaxTree, SyntaxTree, bool)>),
    /// A message literal, `Name{...}`, by its name. The checker refuses them all, so the fields are
    /// not kept.
    Message(String),
}

impl SyntaxKind {
    fn depth(&self) -> usize {
        let deepest = |trees: &[SyntaxTree]| trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
        match self {
            Self::Literal(_) | Self::Name(_) | Self::Message(_) => 0,
            Self::Select { operand, .. } | Self::Not(operand) | Self::Negate(operand) => {
                operand.depth
            }
            Self::Index { operand, index, .. } => operand.depth.max(index.depth),
            Self::Call { target, arguments, .. } => {
                deepest(arguments).max(target.as_ref().map_or(0, |target| target.depth))
            }
            Self::And(terms) | Self::Or(terms) => deepest(terms),
            Self::Binary(_, left, right) => left.depth.max(right.depth),
            Self::Conditional(parts) => deepest(parts.as_slice()),
            Self::List(elements) => elements.iter().map(|(tree, _)| tree.depth).max().unwrap_or(0),
            Self::Map(entries) => {
                entries.iter().map(|(key, value, _)| key.depth.max(value.depth)).max().unwrap_or(0)
            }
        }
    }
}

impl SyntaxTree {
    pub fn new(at: usize, kind: SyntaxKind) -> Self {
        Self { at, depth: kind.depth() + 1, kind }
    }

    /// `a.b.c` as it is written, when the tree is nothing but names.
    pub fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            SyntaxKind::Name(name) => Some(name.clone()),
            SyntaxKind::Select { operand, field, optional: false } => {
                Some(format!("{}.{field}", operand.qualified_name()?))
            }
            _ => None,
        }
    }
}
