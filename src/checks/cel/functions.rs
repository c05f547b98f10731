//! The functions an expression may call: every overload is declared here with its types, so that
//! nothing is accepted that the API server would refuse.
//!
//! What the library computes as Kubernetes does is called through its context; the rest, where
//! it counts bytes, guesses at wrong types, ignores time zones or takes unbounded time, is
//! implemented in [`text`], [`time`] and [`convert`].

mod convert;
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

use super::evaluate::{Evaluated, Fault};
use super::expression::ExpressionError;
use super::syntax::Node;
use super::value::{Kind, Value, weight};

type Native = fn(&[Value]) -> Evaluated;

/// `Some` is our own implementation, `None` the library's.
type Declaration = (&'static str, Option<Native>);

/// Every overload as `RECEIVER.NAME(TYPES)`, or `NAMESPACE::NAME(TYPES)`.
const DECLARATIONS: &[Declaration] = &[
    // The standard library.
    ("size(string)", Some(text::size)),
    ("size(bytes)", Some(text::size)),
    ("size(list)", Some(text::size)),
    ("size(map)", Some(text::size)),
    ("string.size()", Some(text::size)),
    ("bytes.size()", Some(text::size)),
    ("list.size()", Some(text::size)),
    ("map.size()", Some(text::size)),
    ("string.contains(string)", None),
    ("string.startsWith(string)", None),
    ("string.endsWith(string)", None),
    ("string.matches(string)", Some(pattern::matches)),
    ("matches(string,string)", Some(pattern::matches)),
    ("dyn(any)", Some(convert::identity)),
    ("type(any)", Some(convert::type_of)),
    ("bool(bool)", Some(convert::identity)),
    ("bool(string)", Some(convert::to_bool)),
    ("int(int)", Some(convert::identity)),
    ("int(uint)", Some(convert::to_int)),
    ("int(double)", Some(convert::to_int)),
    ("int(string)", Some(convert::to_int)),
    ("int(timestamp)", Some(convert::to_int)),
    ("uint(uint)", Some(convert::identity)),
    ("uint(int)", Some(convert::to_uint)),
    ("uint(double)", Some(convert::to_uint)),
    ("uint(string)", Some(convert::to_uint)),
    ("double(double)", Some(convert::identity)),
    ("double(int)", Some(convert::to_double)),
    ("double(uint)", Some(convert::to_double)),
    ("double(string)", Some(convert::to_double)),
    ("string(string)", Some(convert::identity)),
    ("string(bool)", Some(convert::to_string)),
    ("string(int)", Some(convert::to_string)),
    ("string(uint)", Some(convert::to_string)),
    ("string(double)", Some(convert::to_string)),
    ("string(bytes)", Some(convert::to_string)),
    ("string(timestamp)", Some(time::timestamp_text)),
    ("string(duration)", Some(time::duration_text)),
    ("string(ip)", None),
    ("string(cidr)", None),
    ("bytes(bytes)", Some(convert::identity)),
    ("bytes(string)", Some(convert::to_bytes)),
    ("timestamp(timestamp)", Some(convert::identity)),
    ("timestamp(string)", Some(time::timestamp)),
    ("duration(duration)", Some(convert::identity)),
    ("duration(string)", Some(time::duration)),
    ("timestamp.getFullYear()", Some(time::full_year)),
    ("timestamp.getMonth()", Some(time::month)),
    ("timestamp.getDate()", Some(time::date)),
    ("timestamp.getDayOfMonth()", Some(time::day_of_month)),
    ("timestamp.getDayOfWeek()", Some(time::day_of_week)),
    ("timestamp.getDayOfYear()", Some(time::day_of_year)),
    ("timestamp.getHours()", Some(time::hours)),
    ("timestamp.getMinutes()", Some(time::minutes)),
    ("timestamp.getSeconds()", Some(time::seconds)),
    ("timestamp.getMilliseconds()", Some(time::milliseconds)),
    ("duration.getHours()", Some(time::hours)),
    ("duration.getMinutes()", Some(time::minutes)),
    ("duration.getSeconds()", Some(time::seconds)),
    ("duration.getMilliseconds()", Some(time::milliseconds)),
    // Optionals.
    ("optional::none()", Some(convert::optional_none)),
    ("optional::of(any)", Some(convert::optional_of)),
    ("optional::ofNonZeroValue(any)", Some(convert::optional_of_non_zero)),
    ("optional.hasValue()", Some(convert::has_value)),
    ("optional.value()", Some(convert::optional_value)),
    ("optional.or(optional)", Some(convert::or)),
    ("optional.orValue(any)", Some(convert::or_value)),
    // Strings.
    ("string.charAt(int)", None),
    ("string.indexOf(string)", None),
    ("string.indexOf(string,int)", Some(text::index_of_from)),
    ("string.lastIndexOf(string)", None),
    ("string.lowerAscii()", None),
    ("string.upperAscii()", None),
    ("string.replace(string,string)", Some(text::replace)),
    ("string.replace(string,string,int)", Some(text::replace)),
    ("string.split(string)", Some(text::split)),
    ("string.split(string,int)", Some(text::split)),
    ("string.substring(int)", None),
    ("string.substring(int,int)", None),
    ("string.trim()", None),
    ("string.format(list)", Some(text::format)),
    ("strings::quote(string)", None),
    ("list.join()", Some(text::join)),
    ("list.join(string)", Some(text::join)),
    // Regular expressions.
    ("string.find(string)", Some(pattern::find)),
    ("string.findAll(string)", Some(pattern::find_all)),
    ("string.findAll(string,int)", Some(pattern::find_all)),
    // Lists and sets.
    ("list.isSorted()", Some(lists::is_sorted)),
    ("list.sum()", Some(lists::sum)),
    ("list.min()", Some(lists::min)),
    ("list.max()", Some(lists::max)),
    ("list.indexOf(any)", None),
    ("list.lastIndexOf(any)", None),
    ("list.slice(int,int)", None),
    ("list.flatten()", None),
    ("list.flatten(int)", None),
    ("list.reverse()", None),
    ("list.distinct()", None),
    ("list.sort()", Some(lists::sort)),
    ("list.first()", None),
    ("list.last()", None),
    ("lists::range(int)", None),
    ("sets::contains(list,list)", None),
    ("sets::equivalent(list,list)", None),
    ("sets::intersects(list,list)", None),
    // The Kubernetes libraries.
    ("quantity(string)", Some(convert::quantity)),
    ("isQuantity(string)", Some(convert::is_quantity)),
    ("quantity.isInteger()", None),
    ("quantity.asInteger()", None),
    ("quantity.asApproximateFloat()", None),
    // Not a method: Kubernetes declares it so.
    ("sign(quantity)", None),
    ("quantity.add(quantity)", None),
    ("quantity.add(int)", None),
    ("quantity.sub(quantity)", None),
    ("quantity.sub(int)", None),
    ("quantity.isGreaterThan(quantity)", None),
    ("quantity.isLessThan(quantity)", None),
    ("quantity.compareTo(quantity)", None),
    ("semver(string)", None),
    ("isSemver(string)", None),
    ("semver.major()", None),
    ("semver.minor()", None),
    ("semver.patch()", None),
    ("semver.isGreaterThan(semver)", None),
    ("semver.isLessThan(semver)", None),
    ("semver.compareTo(semver)", None),
    ("url(string)", Some(url::url)),
    ("isURL(string)", Some(url::is_url)),
    ("url.getScheme()", Some(url::scheme)),
    ("url.getHost()", Some(url::host)),
    ("url.getHostname()", Some(url::hostname)),
    ("url.getPort()", Some(url::port)),
    ("url.getEscapedPath()", Some(url::path)),
    ("url.getQuery()", Some(url::query)),
    ("ip(string)", None),
    ("isIP(string)", None),
    ("ip::isCanonical(string)", None),
    ("ip.family()", None),
    ("ip.isLoopback()", None),
    ("ip.isUnspecified()", None),
    ("ip.isLinkLocalMulticast()", None),
    ("ip.isLinkLocalUnicast()", None),
    ("ip.isGlobalUnicast()", None),
    ("cidr(string)", None),
    ("isCIDR(string)", None),
    ("cidr.containsIP(ip)", None),
    ("cidr.containsIP(string)", None),
    ("cidr.containsCIDR(cidr)", None),
    ("cidr.containsCIDR(string)", None),
    ("cidr.prefixLength()", None),
    ("cidr.masked()", None),
    ("cidr.ip()", None),
    ("format::dns1123Label()", None),
    ("format::dns1123Subdomain()", None),
    ("format::dns1035Label()", None),
    ("format::dns1123LabelPrefix()", None),
    ("format::dns1123SubdomainPrefix()", None),
    ("format::dns1035LabelPrefix()", None),
    ("format::qualifiedName()", None),
    ("format::labelValue()", None),
    ("format::uri()", None),
    ("format::uuid()", None),
    ("format::byte()", None),
    ("format::date()", None),
    ("format::datetime()", None),
    ("format.validate(string)", None),
];

/// What Kubernetes declares and nothing here computes as it does.
const UNSUPPORTED: &[&str] = &[
    "format.named",
    "optional.unwrap",
    "unwrapOpt",
    "lastIndexOf",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "semver",
    "isSemver",
];

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
