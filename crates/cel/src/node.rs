//! The tree that is evaluated.

use super::functions::Call;
use super::value::Value;

/// A resolved expression. Names of macro variables have become positions on the stack.
#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    Object,
    OldObject,
    Request,
    Variable(usize),
    Local(usize),
    Select {
        operand: Box<Node>,
        field: String,
        optional: bool,
    },
    Has {
        operand: Box<Node>,
        field: String,
    },
    Index {
        operand: Box<Node>,
        index: Box<Node>,
        optional: bool,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    Conditional(Box<[Node; 3]>),
    Binary(BinaryOperator, Box<Node>, Box<Node>),
    List(Vec<(Node, bool)>),
    Map(Vec<(Node, Node, bool)>),
    Call(Box<Call>),
    Comprehension(Box<Comprehension>),
    /// `or()` and `orValue()`, whose second operand counts only when the first is empty.
    OrElse {
        operand: Box<Node>,
        alternative: Box<Node>,
        unwrap: bool,
    },
    OptMap {
        operand: Box<Node>,
        body: Box<Node>,
        flat: bool,
    },
    SortBy {
        list: Box<Node>,
        key: Box<Node>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOperator {
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

impl BinaryOperator {
    pub fn mark(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

/// A macro over the elements of a list or the entries of a map.
#[derive(Debug)]
pub(super) struct Comprehension {
    pub kind: ComprehensionKind,
    pub range: Node,
    /// With two variables the first is the index or key and the second the element.
    pub two_variables: bool,
    pub filter: Option<Node>,
    pub body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ComprehensionKind {
    All,
    Exists,
    ExistsOne,
    List,
    Map,
    MapEntry,
}
