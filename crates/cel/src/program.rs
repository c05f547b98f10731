//! A control's policy, compiled once and judged on any number of objects.

use super::evaluate::{Evaluation, Fault};
use super::expression::{Expr, ExpressionError, Role};
use super::guard::{self, MAX_EXPRESSIONS, MAX_STEPS};
use super::manifest;
use super::types::Type;
use super::value::{self, Key, Value};

/// The longest message that a `messageExpression` may make, in bytes (as the API server).
const MAX_MESSAGE: usize = 5 * 1024;

/// What a policy is compiled from: the expressions of a `cel` test.
#[derive(Debug, Clone, Default)]
pub struct ProgramSource<'a> {
    /// All must be true of an object for it to be judged.
    pub match_conditions: Vec<NamedSource<'a>>,
    /// Read as `variables.NAME` by later variables, validations and message expressions.
    pub variables: Vec<NamedSource<'a>>,
    /// All must be true of an object for it to pass.
    pub validations: Vec<ValidationSource<'a>>,
}

/// An expression with a name.
#[derive(Debug, Clone, Copy)]
pub struct NamedSource<'a> {
    /// The name: of a variable, an identifier.
    pub name: &'a str,
    /// The expression.
    pub expression: &'a str,
}

/// One rule of a policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValidationSource<'a> {
    /// Must be true.
    pub expression: &'a str,
    /// What to say when it is not.
    pub message: Option<&'a str>,
    /// Makes what to say; wins over `message` when it yields one line of text.
    pub message_expression: Option<&'a str>,
    /// A CamelCase reason; `Invalid` when absent.
    pub reason: Option<&'a str>,
}

/// An error and the field it is in, such as `spec.test.cel.validations[0].expression`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {error}")]
pub struct FieldError {
    /// The path of the field in the Control.
    pub path: String,
    /// What is wrong with it.
    pub error: ExpressionError,
}

/// What a policy says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A match condition is false: the object is not in the population.
    NotMatched,
    /// All validations are true.
    Pass,
    /// These validations are false.
    Fail(Vec<Failure>),
    /// The policy could not be decided, and why.
    Unknown(String),
}

/// A validation that is false for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its index in `validations`.
    pub validation: usize,
    /// One line of text.
    pub message: String,
    /// The reason of the validation.
    pub reason: String,
}

/// The simulated request: the CREATE that would bring the object into being.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The API group, empty for core.
    pub group: &'a str,
    /// The API version.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The plural resource name.
    pub resource: &'a str,
    /// The namespace, empty for what is in none.
    pub namespace: &'a str,
    /// The name of the object.
    pub name: &'a str,
}

/// An object and its request as CEL values: prepared once, judged by every program.
#[derive(Debug)]
pub struct Prepared {
    object: Option<Value>,
    request: Value,
}

impl Prepared {
    /// Converts an object, as JSON, and the request it is judged in.
    pub fn new(object: &serde_json::Value, request: &Request<'_>) -> Self {
        Self { object: value::from_json(object), request: request_value(request) }
    }

    /// The same of an object that a file shows: what only a cluster adds is not known.
    pub fn from_manifest(
        object: &serde_json::Value,
        request: &Request<'_>,
        namespaced: bool,
    ) -> Self {
        let namespace = object.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
        let names_it = !namespaced || namespace.is_some_and(|namespace| !namespace.is_empty());
        let prepared = if names_it {
            request_value(request)
        } else {
            manifest::without_namespace(&request_value(&Request { namespace: "", ..*request }))
        };
        let marked =
            |object| manifest::as_manifest(object, request.group, request.kind, namespaced);
        Self { object: value::from_json(object).map(marked), request: prepared }
    }
}

fn request_value(request: &Request<'_>) -> Value {
    let record = |fields: Vec<(&str, Value)>| {
        value::map(
            fields.into_iter().map(|(name, value)| (Key::String(name.into()), value)).collect(),
        )
    };
    let Request { group, version, kind, resource, namespace, name } = *request;
    let text = |text: &str| value::string(text);
    let kind =
        record(vec![("group", text(group)), ("version", text(version)), ("kind", text(kind))]);
    let resource = record(vec![
        ("group", text(group)),
        ("version", text(version)),
        ("resource", text(resource)),
    ]);
    let mut fields = vec![
        ("kind", kind.clone()),
        ("requestKind", kind),
        ("resource", resource.clone()),
        ("requestResource", resource),
        ("operation", text("CREATE")),
        ("dryRun", Value::Bool(false)),
    ];
    // The request's JSON omits what is empty, so that has() can ask for it.
    for (field, content) in [("name", name), ("namespace", namespace)] {
        if !content.is_empty() {
            fields.push((field, text(content)));
        }
    }
    record(fields)
}

#[derive(Debug)]
struct Validation {
    expression: Expr,
    message_expression: Option<Expr>,
    /// What to say without a message expression: the message, or the expression itself.
    message: String,
    reason: String,
}

/// A compiled policy. `Send + Sync`; judging takes no lock and keeps nothing.
#[derive(Debug)]
pub struct Program {
    match_conditions: Vec<Expr>,
    variables: Vec<Expr>,
    validations: Vec<Validation>,
}

impl Program {
    /// Compiles all expressions, and returns all their errors. Paths start at `field`, which is
    /// `spec.test.cel` for a Control.
    pub fn compile(source: &ProgramSource<'_>, field: &str) -> Result<Self, Vec<FieldError>> {
        let mut compiler = Compiler { field, errors: Vec::new() };
        for (list, count) in [
            ("matchConditions", source.match_conditions.len()),
            ("variables", source.variables.len()),
            ("validations", source.validations.len()),
        ] {
            compiler.check(list, guard::limit("number of expressions", count, MAX_EXPRESSIONS));
        }
        let conditions = source.match_conditions.iter().enumerate();
        let match_conditions = conditions
            .filter_map(|(index, condition)| {
                let path = format!("matchConditions[{index}].expression");
                compiler.compile(&path, condition.expression, Role::MatchCondition, &[])
            })
            .collect();
        let mut names: Vec<(&str, Type)> = Vec::with_capacity(source.variables.len());
        let mut variables = Vec::with_capacity(source.variables.len());
        for (index, variable) in source.variables.iter().enumerate() {
            compiler.check(&format!("variables[{index}].name"), check_name(variable.name, &names));
            let path = format!("variables[{index}].expression");
            let expr = compiler.compile(&path, variable.expression, Role::Variable, &names);
            let of = expr.as_ref().map_or(Type::Dyn, |expr| expr.of().clone());
            names.push((variable.name, of));
            variables.extend(expr);
        }
        let validations = source.validations.iter().enumerate();
        let validations = validations
            .filter_map(|(index, validation)| compiler.validation(index, validation, &names))
            .collect();
        if compiler.errors.is_empty() {
            Ok(Self { match_conditions, variables, validations })
        } else {
            Err(compiler.errors)
        }
    }

    /// Judges one object.
    pub fn judge(&self, prepared: &Prepared) -> Outcome {
        let Some(object) = &prepared.object else {
            return Outcome::Unknown(format!(
                "the object is nested more than {} levels deep, too deep to be judged",
                guard::MAX_OBJECT_DEPTH
            ));
        };
        let variables: Vec<_> = self.variables.iter().map(Expr::node).collect();
        let mut evaluation = Evaluation::new(object, &prepared.request, &variables, MAX_STEPS);
        self.match_and_validate(&mut evaluation).unwrap_or_else(Outcome::Unknown)
    }

    fn match_and_validate(&self, evaluation: &mut Evaluation<'_>) -> Result<Outcome, String> {
        let mut undecided = None;
        for (index, condition) in self.match_conditions.iter().enumerate() {
            match truth(evaluation, condition, || format!("matchConditions[{index}]")) {
                Ok(true) => {}
                // One false condition excludes the object, whatever the others say.
                Ok(false) => return Ok(Outcome::NotMatched),
                Err(error) => undecided = undecided.or(Some(error)),
            }
        }
        undecided.map_or(Ok(()), Err)?;
        self.validate(evaluation)
    }

    fn validate(&self, evaluation: &mut Evaluation<'_>) -> Result<Outcome, String> {
        let mut failures = Vec::new();
        let mut undecided = None;
        for (index, validation) in self.validations.iter().enumerate() {
            match truth(evaluation, &validation.expression, || format!("validations[{index}]")) {
                Ok(true) => {}
                Ok(false) => failures.push(Failure {
                    validation: index,
                    message: validation.message(evaluation),
                    reason: validation.reason.clone(),
                }),
                Err(error) => undecided = undecided.or(Some(error)),
            }
        }
        match (failures.is_empty(), undecided) {
            // What is false is false, even when another rule could not be decided.
            (false, _) => Ok(Outcome::Fail(failures)),
            (true, Some(error)) => Err(error),
            (true, None) => Ok(Outcome::Pass),
        }
    }
}

impl Validation {
    fn message(&self, evaluation: &mut Evaluation<'_>) -> String {
        let made = self.message_expression.as_ref().and_then(|expression| {
            match evaluation.eval(expression.node()) {
                Ok(Value::String(text)) => Some(text.trim().to_owned()),
                _ => None,
            }
        });
        made.filter(|text| !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n'))
            .unwrap_or_else(|| self.message.clone())
    }
}

fn truth(
    evaluation: &mut Evaluation<'_>,
    expression: &Expr,
    path: impl Fn() -> String,
) -> Result<bool, String> {
    match evaluation.eval(expression.node()) {
        Ok(Value::Bool(truth)) => Ok(truth),
        Ok(other) => {
            let kind = value::Kind::of(&other).name();
            Err(format!("{}.expression returned a {kind}; it must return a bool", path()))
        }
        Err(Fault::Error(error)) => Err(format!("{}.expression failed: {error}", path())),
        Err(Fault::Refused(reason)) => {
            Err(format!("{}.expression cannot be decided: {reason}", path()))
        }
        Err(Fault::Exhausted) => Err(format!(
            "{}.expression is too expensive for this object: over {MAX_STEPS} steps",
            path()
        )),
    }
}

/// A variable's name must be an identifier, and used once.
fn check_name(name: &str, earlier: &[(&str, Type)]) -> Result<(), ExpressionError> {
    let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !start || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(ExpressionError::invalid(format!(
            "{name:?} is not an identifier; use letters, digits and underscores"
        )));
    }
    if earlier.iter().any(|(earlier, _)| *earlier == name) {
        return Err(ExpressionError::invalid(format!("{name:?} is declared twice")));
    }
    Ok(())
}

fn one_line(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Compiler<'a> {
    field: &'a str,
    errors: Vec<FieldError>,
}

impl Compiler<'_> {
    fn check<T>(&mut self, path: &str, result: Result<T, ExpressionError>) -> Option<T> {
        result
            .map_err(|error| {
                self.errors.push(FieldError { path: format!("{}.{path}", self.field), error });
            })
            .ok()
    }

    fn compile(
        &mut self,
        path: &str,
        source: &str,
        role: Role,
        variables: &[(&str, Type)],
    ) -> Option<Expr> {
        self.check(path, Expr::compile(source, role, variables))
    }

    fn validation(
        &mut self,
        index: usize,
        source: &ValidationSource<'_>,
        variables: &[(&str, Type)],
    ) -> Option<Validation> {
        let path = format!("validations[{index}]");
        let expression = self.compile(
            &format!("{path}.expression"),
            source.expression,
            Role::Validation,
            variables,
        );
        let message_expression = source.message_expression.and_then(|message| {
            self.compile(
                &format!("{path}.messageExpression"),
                message,
                Role::MessageExpression,
                variables,
            )
        });
        let message = source.message.map(str::trim).filter(|message| !message.is_empty());
        let message = message.map_or_else(
            || format!("failed expression: {}", one_line(source.expression)),
            str::to_owned,
        );
        let reason = source.reason.unwrap_or("Invalid").to_owned();
        expression.map(|expression| Validation { expression, message_expression, message, reason })
    }
}
