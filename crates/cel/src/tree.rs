//! The syntax tree, as it is written.

use super::node::Operator;
use super::value::Value;

/// A part of an expression, and where it stands.
#[derive(Debug)]
pub(super) struct Tree {
    /// The offset in the source, in bytes.
    pub at: usize,
    /// How many parts are nested in it, itself included.
    pub depth: usize,
    pub kind: TreeKind,
}

#[derive(Debug)]
pub(super) enum TreeKind {
    Literal(Value),
    Name(String),
    Select {
        operand: Box<Tree>,
        field: String,
        optional: bool,
    },
    Index {
        operand: Box<Tree>,
        index: Box<Tree>,
        optional: bool,
    },
    Call {
        target: Option<Box<Tree>>,
        name: String,
        arguments: Vec<Tree>,
    },
    Not(Box<Tree>),
    Negate(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Binary(Operator, Box<Tree>, Box<Tree>),
    Conditional(Box<[Tree; 3]>),
    /// Elements, and whether `?` stands before each.
    List(Vec<(Tree, bool)>),
    Map(Vec<(Tree, Tree, bool)>),
    /// `Name{...}`: its name.
    Message(String),
}

impl TreeKind {
    fn depth(&self) -> usize {
        let deepest = |trees: &[Tree]| trees.iter().map(|tree| tree.depth).max().unwrap_or(0);
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

impl Tree {
    pub fn new(at: usize, kind: TreeKind) -> Self {
        Self { at, depth: kind.depth() + 1, kind }
    }

    /// `a.b.c` as it is written, when the tree is nothing but names.
    pub fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            TreeKind::Name(name) => Some(name.clone()),
            TreeKind::Select { operand, field, optional: false } => {
                Some(format!("{}.{field}", operand.qualified_name()?))
            }
            _ => None,
        }
    }
}
