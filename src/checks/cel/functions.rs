//! The functions an expression may call: every overload is declared here with its types, so that
//! nothing is accepted that the API server would refuse.
//!
//! What the library computes as Kubernetes does is called through its context; the rest, where
//! it counts bytes, guesses at wrong types, ignores time zones or takes unbounded time, is
//! implemented in [`text`], [`time`] and [`convert`].

mod convert;
mod declarations;
mod lists;
mod pattern;
mod text;
mod time;
mod url;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use kube_cel::KubeCelExt;
use kube_cel::cel::Context;
use kube_cel::cel::common::ast::{CallExpr, Expr as Tree, IdedExpr};
use regex::Regex;

use self::declarations::{DECLARATIONS, Native, UNSUPPORTED};
use super::evaluate::{Evaluated, Fault};
use super::expression::ExpressionError;
use super::node::Node;
use super::value::{Kind, Value, weight};

/// One overload: the types of the receiver, if any, and of the arguments.
#[derive(Debug)]
struct Overload {
    types: Vec<Kind>,
    native: Option<Native>,
}

impl Overload {
    /// Whether values of these types fit; `Any` fits wherever it may turn out to.
    fn accepts(&self, kinds: impl ExactSizeIterator<Item = Kind>) -> bool {
        let fits = |(kind, wanted): (Kind, &Kind)| {
            *wanted == kind || *wanted == Kind::Any || kind == Kind::Any
        };
        self.types.len() == kinds.len() && kinds.zip(&self.types).all(fits)
    }
}

/// All overloads of a name in one form, as a method or as a function.
#[derive(Debug, Default)]
pub(super) struct Function {
    name: String,
    is_method: bool,
    overloads: Vec<Overload>,
}

static FUNCTIONS: LazyLock<HashMap<(String, bool), Function>> = LazyLock::new(|| {
    let mut functions: HashMap<(String, bool), Function> = HashMap::new();
    for (text, native) in DECLARATIONS {
        let (path, types) = text.trim_end_matches(')').split_once('(').unwrap_or((text, ""));
        let types = types.split(',').filter(|kind| !kind.is_empty());
        let (name, receiver) = match (path.split_once("::"), path.split_once('.')) {
            (Some((namespace, name)), _) => (format!("{namespace}.{name}"), None),
            (None, Some((receiver, name))) => (name.to_owned(), Some(receiver)),
            (None, None) => (path.to_owned(), None),
        };
        let types = receiver.into_iter().chain(types).filter_map(Kind::from_name).collect();
        let function = functions.entry((name.clone(), receiver.is_some())).or_default();
        function.name = name;
        function.is_method = receiver.is_some();
        function.overloads.push(Overload { types, native: *native });
    }
    functions
});

/// The library's functions; building the context once makes a call cheap.
static LIBRARY: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());

/// Every declaration, for tests that call everything.
#[cfg(test)]
pub(super) fn declared() -> impl Iterator<Item = &'static str> {
    DECLARATIONS.iter().map(|(text, _)| *text)
}

/// True for what stands before the dot of a function such as `sets.contains`.
pub(super) fn is_namespace(prefix: &str) -> bool {
    DECLARATIONS
        .iter()
        .any(|(text, _)| text.split_once("::").is_some_and(|(namespace, _)| namespace == prefix))
}

/// Why a call cannot be resolved.
pub(super) enum Problem {
    Unknown(String),
    Unsupported(String),
    WrongCount(String),
    WrongTypes(String, Vec<Kind>),
    Pattern(pattern::PatternError),
}

impl Problem {
    pub fn into_error(self, source: &str, at: usize) -> ExpressionError {
        match self {
            Self::Unsupported(name) => {
                ExpressionError::Unsupported { feature: format!("{name}() as it is called there") }
            }
            Self::Unknown(name) => {
                let message =
                    format!("{name}() is not a function that Kubernetes knows in this form");
                ExpressionError::invalid_at(source, at, &message)
            }
            Self::WrongCount(name) => ExpressionError::invalid_at(
                source,
                at,
                &format!("{name}() does not take this many arguments"),
            ),
            Self::WrongTypes(name, kinds) => {
                let kinds = kinds.into_iter().map(Kind::name).collect::<Vec<_>>().join(", ");
                ExpressionError::invalid_at(
                    source,
                    at,
                    &format!("{name}() does not apply to {kinds}"),
                )
            }
            Self::Pattern(error) => error.into_expression_error(),
        }
    }
}

/// Finds the function of a call by its name, form and number of arguments.
pub(super) fn find(
    name: &str,
    is_method: bool,
    arguments: usize,
) -> Result<&'static Function, Problem> {
    let count = arguments + usize::from(is_method);
    match FUNCTIONS.get(&(name.to_owned(), is_method)) {
        Some(function)
            if function.overloads.iter().any(|overload| overload.types.len() == count) =>
        {
            Ok(function)
        }
        _ if UNSUPPORTED.contains(&name) => Err(Problem::Unsupported(name.to_owned())),
        Some(_) => Err(Problem::WrongCount(name.to_owned())),
        None => Err(Problem::Unknown(name.to_owned())),
    }
}

/// A call with its operands: the receiver first, if there is one.
#[derive(Debug)]
pub(super) struct Call {
    pub operands: Vec<Node>,
    function: &'static Function,
    /// The regular expression of a literal pattern, compiled once.
    pattern: Option<Regex>,
    /// The same call with `@0`, `@1`, ... as operands, for the library.
    tree: IdedExpr,
}

impl Call {
    pub fn new(function: &'static Function, operands: Vec<Node>) -> Result<Self, Problem> {
        if !function
            .overloads
            .iter()
            .any(|overload| overload.accepts(operands.iter().map(Node::kind)))
        {
            return Err(Problem::WrongTypes(
                function.name.clone(),
                operands.iter().map(Node::kind).collect(),
            ));
        }
        let pattern = match (function.name.as_str(), operands.get(1)) {
            ("matches" | "find" | "findAll", Some(Node::Literal(Value::String(text)))) => {
                Some(pattern::compile(text).map_err(Problem::Pattern)?)
            }
            _ => None,
        };
        let tree = library_call(function, operands.len());
        Ok(Self { operands, function, pattern, tree })
    }

    /// The steps that a call takes, at most `limit`.
    pub fn cost(&self, values: &[Value], limit: u64) -> u64 {
        let weights: Vec<u64> = values.iter().map(|value| weight(value, limit)).collect();
        let total: u64 = weights.iter().sum();
        let product =
            weights.iter().fold(1_u64, |product, weight| product.saturating_mul((*weight).max(1)));
        match self.function.name.as_str() {
            "dyn" | "type" | "of" | "hasValue" | "value" | "or" | "orValue" | "size" => 1,
            // These compare everything with everything, or may repeat an argument that often.
            "sets.contains" | "sets.equivalent" | "sets.intersects" | "indexOf" | "lastIndexOf"
            | "contains" | "find" | "findAll" | "replace" | "join" => product.saturating_add(total),
            "matches" if self.pattern.is_none() => product.saturating_add(total),
            "distinct" | "sort" => total.saturating_mul(total),
            "lists.range" => match values {
                [Value::Int(count)] => u64::try_from(*count).unwrap_or(0),
                _ => total,
            },
            _ => total,
        }
        .min(limit)
    }

    pub fn run(&self, values: Vec<Value>) -> Evaluated {
        let kinds = || values.iter().map(Kind::of);
        let Some(overload) =
            self.function.overloads.iter().find(|overload| overload.accepts(kinds()))
        else {
            let kinds: Vec<_> = kinds().map(Kind::name).collect();
            return Err(Fault::Error(format!(
                "{}() does not apply to {}",
                self.function.name,
                kinds.join(", ")
            )));
        };
        match (&self.pattern, overload.native) {
            (Some(regex), _) => pattern::apply(&self.function.name, regex, &values),
            (None, Some(native)) => native(&values),
            (None, None) => call_library(&self.function.name, &self.tree, values),
        }
    }
}

fn library_call(function: &Function, count: usize) -> IdedExpr {
    let ided = |expr| IdedExpr { id: 0, expr };
    let mut operands = (0..count).map(|index| ided(Tree::Ident(format!("@{index}"))));
    let (target, func_name) = match function.name.split_once('.') {
        Some((namespace, name)) => (Some(ided(Tree::Ident(namespace.to_owned()))), name.to_owned()),
        None if function.is_method => (operands.next(), function.name.clone()),
        None => (None, function.name.clone()),
    };
    ided(Tree::Call(CallExpr { func_name, target: target.map(Box::new), args: operands.collect() }))
}

/// Calls the library. It panics on some odd arguments, which must not end the process.
pub(super) fn call_library(name: &str, tree: &IdedExpr, values: Vec<Value>) -> Evaluated {
    let call = AssertUnwindSafe(|| {
        let mut context = LIBRARY.new_inner_scope();
        for (index, value) in values.into_iter().enumerate() {
            context.add_variable_from_value(format!("@{index}"), value);
        }
        context.resolve(tree)
    });
    match catch_unwind(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Fault::Error(format!("{name}() does not accept these values"))),
        Err(_) => Err(Fault::Error(format!("{name}() failed on these values"))),
    }
}
