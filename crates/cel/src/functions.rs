//! The functions an expression may call: every overload is declared here with its types, so that
//! nothing is accepted that the API server would refuse. Each is computed as the API server does,
//! by subject: texts in [`text`], times in [`time`], and so on. A test compares the values.

pub(super) mod cidr;
mod convert;
mod declarations;
pub(super) mod format;
mod lists;
mod number;
mod optional;
mod pattern;
pub(super) mod printf;
pub(super) mod quantity;
mod re2;
pub(super) mod semver;
mod text;
mod time;
pub(super) mod url;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(super) use self::declarations::DECLARATIONS;
use self::declarations::{Native, OPERATORS};
use super::evaluate::{EvaluationError, ValueResult};
use super::expression::ExpressionError;
use super::node::Node;
use super::types::{Type, Unifier, split_types};
use super::value::{Value, ValueKind, weight};

/// One overload: the types of the receiver, if any, of the arguments, and of the result.
#[derive(Debug)]
pub(super) struct Overload {
    types: Vec<Type>,
    result: Type,
    native: Native,
}

impl Overload {
    /// Whether values fit, as far as the API server asks when it evaluates.
    fn accepts(&self, values: &[Value]) -> bool {
        let fits = |(value, wanted): (&Value, &Type)| fits(value, wanted);
        self.types.len() == values.len() && values.iter().zip(&self.types).all(fits)
    }
}

/// Whether a value is of a type: of a list or a map the first element decides.
fn fits(value: &Value, wanted: &Type) -> bool {
    match (wanted, value) {
        (Type::List(of), Value::List(items)) => items.first().is_none_or(|item| fits(item, of)),
        (Type::Map(key, of), Value::Map(map)) => map
            .entries()
            .first()
            .is_none_or(|(first, item)| fits(&Value::from(first), key) && fits(item, of)),
        _ => wanted.kind().is_none_or(|wanted| wanted == ValueKind::of(value)),
    }
}

/// All overloads of a name in one form, as a method or as a function.
#[derive(Debug, Default)]
pub(super) struct Function {
    name: String,
    is_method: bool,
    overloads: Vec<Overload>,
}

impl Function {
    /// The overloads that operands of these types may meet, and the type of the result.
    pub fn resolve(
        &'static self,
        unifier: &mut Unifier,
        operands: &[Type],
    ) -> Option<(Vec<&'static Overload>, Type)> {
        let mut found = Vec::new();
        let mut result: Option<Type> = None;
        for overload in &self.overloads {
            if overload.types.len() != operands.len() {
                continue;
            }
            let mut variables = Vec::new();
            let mut instance = |unifier: &mut Unifier, of| unifier.instance(of, &mut variables);
            let types: Vec<_> = overload.types.iter().map(|of| instance(unifier, of)).collect();
            let declared = instance(unifier, &overload.result);
            if !unifier.assign_all(operands, &types) {
                continue;
            }
            // All that fit are kept: of a `dyn` operand only the value decides.
            found.push(overload);
            let of = unifier.resolve(&declared);
            result = Some(match result {
                None => of,
                Some(earlier) if earlier == of => earlier,
                // Overloads with different results: only the value tells which it will be.
                Some(_) => Type::Dyn,
            });
        }
        result.map(|of| (found, of))
    }
}

fn parse(text: &str, native: Native) -> (Function, Overload) {
    let (call, result) = text.split_once("->").unwrap_or((text, "dyn"));
    let (path, types) = call.split_once('(').unwrap_or((call, ""));
    let types = split_types(types.strip_suffix(')').unwrap_or(types));
    // `sets::contains(...)` is a function with a dot in its name, `string.split(...)` a method of strings.
    let (name, receiver) = match (path.split_once("::"), path.rsplit_once('.')) {
        (Some((namespace, name)), _) => (format!("{namespace}.{name}"), None),
        (None, Some((receiver, name))) => (name.to_owned(), Some(receiver)),
        (None, None) => (path.to_owned(), None),
    };
    let types = receiver.into_iter().chain(types).map(Type::parse).collect();
    let overload = Overload { types, result: Type::parse(result), native };
    (Function { name, is_method: receiver.is_some(), overloads: Vec::new() }, overload)
}

static FUNCTIONS: LazyLock<HashMap<(String, bool), Function>> = LazyLock::new(|| {
    let mut functions: HashMap<(String, bool), Function> = HashMap::new();
    // Read from the same texts that a test compares, one by one, with the API server's own library.
    for (text, native) in DECLARATIONS {
        let (function, overload) = parse(text, *native);
        let key = (function.name.clone(), function.is_method);
        functions.entry(key).or_insert(function).overloads.push(overload);
    }
    functions
});

static OPERATOR_FUNCTIONS: LazyLock<HashMap<&'static str, Function>> = LazyLock::new(|| {
    let native: Native = |_| Err(EvaluationError::no_value("an operator is not a function"));
    let overloads = |signatures: &[&str]| {
        signatures.iter().map(|signature| parse(signature, native).1).collect()
    };
    let function = |(mark, signatures): &(&'static str, &[&str])| {
        let name = (*mark).to_owned();
        (*mark, Function { name, is_method: false, overloads: overloads(signatures) })
    };
    OPERATORS.iter().map(function).collect()
});

/// The overloads of an operator.
pub(super) fn operator(mark: &str) -> Option<&'static Function> {
    OPERATOR_FUNCTIONS.get(mark)
}

/// Whether a name with dots, such as `sets.contains`, is a function.
pub(super) fn is_declared(qualified: &str) -> bool {
    FUNCTIONS.contains_key(&(qualified.to_owned(), false))
}

/// Why a call cannot be resolved.
pub(super) enum CallError {
    Unknown(String),
    WrongCount(String),
    WrongLiteral(String),
    Pattern(pattern::PatternError),
}

impl CallError {
    pub fn into_error(self, source: &str, at: usize) -> ExpressionError {
        let invalid = |message: String| ExpressionError::invalid_at(source, at, &message);
        match self {
            Self::Unknown(name) => {
                invalid(format!("{name}() is not a function that Kubernetes knows in this form"))
            }
            Self::WrongCount(name) => {
                invalid(format!("{name}() does not take this many arguments"))
            }
            Self::WrongLiteral(message) => invalid(message),
            Self::Pattern(error) => error.into_expression_error(),
        }
    }
}

/// Finds the function of a call by its name, form and number of arguments.
pub(super) fn find(
    name: &str,
    is_method: bool,
    count: usize,
) -> Result<&'static Function, CallError> {
    match FUNCTIONS.get(&(name.to_owned(), is_method)) {
        Some(function)
            if function.overloads.iter().any(|overload| overload.types.len() == count) =>
        {
            Ok(function)
        }
        Some(_) => Err(CallError::WrongCount(name.to_owned())),
        None => Err(CallError::Unknown(name.to_owned())),
    }
}

/// A call with its operands: the receiver first, if there is one.
#[derive(Debug)]
pub(super) struct Call {
    pub operands: Vec<Node>,
    name: &'static str,
    function: &'static Function,
    /// Those that the types of the operands left.
    overloads: Vec<&'static Overload>,
    /// The regular expression of a literal pattern, compiled once.
    pattern: Option<pattern::Pattern>,
}

impl Call {
    pub fn new(
        function: &'static Function,
        overloads: Vec<&'static Overload>,
        operands: Vec<Node>,
    ) -> Result<Self, CallError> {
        let name = function.name.as_str();
        let pattern = match (name, operands.get(1)) {
            ("matches" | "find" | "findAll", Some(Node::Literal(Value::String(text)))) => {
                Some(pattern::compile(text).map_err(CallError::Pattern)?)
            }
            _ => None,
        };
        // As a function it has its first argument checked, though the second is the pattern.
        if let ("matches", false, Some(Node::Literal(Value::String(text)))) =
            (name, function.is_method, operands.first())
        {
            pattern::compile(text).map_err(CallError::Pattern)?;
        }
        let call = Self { operands, name, function, overloads, pattern };
        call.constant().transpose()?;
        Ok(call)
    }

    /// The value of a conversion of a literal, which the API server computes when it compiles, or
    /// why it refuses it. None for any other call.
    fn constant(&self) -> Option<Result<Value, CallError>> {
        let [operand] = self.operands.as_slice() else { return None };
        if !CONVERSIONS.contains(&self.name) {
            return None;
        }
        let value = match operand {
            Node::Literal(value) => value.clone(),
            Node::Call(call) => call.constant()?.ok()?,
            _ => return None,
        };
        match self.run(&[value]) {
            Ok(value) => Some(Ok(value)),
            Err(EvaluationError::NoValue(message)) => Some(Err(CallError::WrongLiteral(message))),
            // What is not known here may be a value there: it is refused when it is evaluated.
            Err(_) => None,
        }
    }

    /// The steps that a call takes, at most `limit`.
    pub fn cost(&self, values: &[Value], limit: u64) -> u64 {
        // After the API server's own estimates (k8s.io/apiserver/pkg/cel/library/cost.go), which
        // count about the same units; what follows differs from a walk over all operands.
        let weights: Vec<u64> = values.iter().map(|value| weight(value, limit)).collect();
        let total: u64 = weights.iter().sum();
        let product =
            weights.iter().fold(1_u64, |product, weight| product.saturating_mul((*weight).max(1)));
        match self.name {
            "dyn" | "type" | "optional.of" | "hasValue" | "value" | "size" => 1,
            // These compare everything with everything, or may repeat an argument that often.
            "sets.contains" | "sets.equivalent" | "sets.intersects" | "indexOf" | "lastIndexOf"
            | "contains" | "find" | "findAll" | "replace" | "join" => product.saturating_add(total),
            "matches" if self.pattern.is_none() => product.saturating_add(total),
            "distinct" => total.saturating_mul(total),
            // Every level counts, whether there is one or not.
            "flatten" => match values {
                [_, Value::Int(depth)] => {
                    total.saturating_mul(u64::try_from(*depth).unwrap_or(1).max(1))
                }
                _ => total,
            },
            "sort" => total.saturating_mul(16),
            "lists.range" => match values {
                [Value::Int(count)] => u64::try_from(*count).unwrap_or(0),
                _ => total,
            },
            _ => total,
        }
        // The caller stops there anyway, and a sum must not overflow.
        .min(limit)
    }

    pub fn run(&self, values: &[Value]) -> ValueResult {
        let overload = self.overload(values)?;
        let computed = match &self.pattern {
            Some(pattern) => pattern::apply(self.name, pattern, values),
            None => (overload.native)(values),
        };
        // The functions themselves don't know by which name they were called.
        computed.map_err(|error| match error {
            EvaluationError::Refused(reason) => {
                EvaluationError::Refused(format!("{}(): {reason}", self.name))
            }
            error => error,
        })
    }

    /// The overload that values meet.
    fn overload(&self, values: &[Value]) -> Result<&'static Overload, EvaluationError> {
        // These are declared without a look at the elements.
        let is_free = matches!(self.name, "flatten" | "sort");
        let accepted = |overload: &&&'static Overload| is_free || overload.accepts(values);
        if let Some(overload) = self.overloads.iter().find(accepted) {
            return Ok(overload);
        }
        let kinds: Vec<_> = values.iter().map(|value| ValueKind::of(value).name()).collect();
        let message = format!("{}() does not apply to {}", self.name, kinds.join(", "));
        // The checker narrowed the overloads by declared types, and a value may turn out to be of another.
        match self.function.overloads.iter().find(|overload| overload.accepts(values)) {
            None => Err(EvaluationError::NoValue(message)),
            // The standard functions look at values only; of others this is not certain.
            Some(overload) if STANDARD.contains(&self.name) => Ok(overload),
            Some(_) => {
                Err(EvaluationError::Refused(format!("{message}, whose types say otherwise")))
            }
        }
    }
}

/// The functions that the API server computes when it compiles, of a literal.
const CONVERSIONS: [&str; 9] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "uint"];

/// The functions that the API server chooses by value alone.
const STANDARD: [&str; 13] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "uint",
];

/// The texts among the arguments of a function whose types were checked.
fn texts<const N: usize>(values: &[Value]) -> Result<[&str; N], EvaluationError> {
    let mut texts = [""; N];
    for (text, value) in texts.iter_mut().zip(values) {
        match value {
            Value::String(found) => *text = found,
            other => return Err(super::operators::no_overload("this function", other)),
        }
    }
    Ok(texts)
}

/// The list that a function is called on.
fn items(values: &[Value]) -> &[Value] {
    match values.first() {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}
