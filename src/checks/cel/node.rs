//! The tree that is evaluated.

use super::functions::Call;
use super::value::{Kind, Value};

/// A resolved expression. Names of macro variables have become positions on the stack.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    Object,
    OldObject,
    Request,
    Variable(usize),
    Local(usize),
    Select { operand: Box<Node>, field: String, optional: bool },
    Has { operand: Box<Node>, field: String },
    Index { operand: Box<Node>, index: Box<Node>, optional: bool },
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Conditional(Box<[Node; 3]>),
    Binary(Operator, Box<Node>, Box<Node>),
    List(Vec<(Node, bool)>),
    Map(Vec<(Node, Node, bool)>),
    Call(Box<Call>),
    Fold(Box<Fold>),
    OptMap { operand: Box<Node>, body: Box<Node>, flat: bool },
    SortBy { list: Box<Node>, key: Box<Node> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// A macro over the elements of a list or the entries of a map.
#[derive(Debug)]
pub(super) struct Fold {
    pub kind: FoldKind,
    pub range: Node,
    /// With two variables the first is the index or key and the second the element.
    pub two_variables: bool,
    pub filter: Option<Node>,
    pub body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldKind {
    All,
    Exists,
    ExistsOne,
    List,
    Map,
    MapEntry,
}

impl Node {
    /// The type of the value, as far as it is plain from the text; `Any` otherwise.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Literal(value) => Kind::of(value),
            Self::List(_) | Self::SortBy { .. } => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Has { .. } | Self::And(..) | Self::Or(..) | Self::Not(_) => Kind::Bool,
            Self::OptMap { .. } => Kind::Optional,
            Self::Select { optional: true, .. } | Self::Index { optional: true, .. } => {
                Kind::Optional
            }
            Self::Fold(fold) => match fold.kind {
                FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne => Kind::Bool,
                FoldKind::List => Kind::List,
                FoldKind::Map | FoldKind::MapEntry => Kind::Map,
            },
            Self::Binary(operator, ..) => match operator {
                Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo => Kind::Any,
                _ => Kind::Bool,
            },
            _ => Kind::Any,
        }
    }

    /// Whether the value is a part of the object, whose types nobody declares.
    pub fn is_part_of_object(&self) -> bool {
        match self {
            Self::Object | Self::OldObject => true,
            Self::Select { operand, .. } | Self::Index { operand, .. } => {
                operand.is_part_of_object()
            }
            _ => false,
        }
    }
}
