//! A policy: compiled once, judged on any number of objects.

use super::evaluate::{EvaluationError, Evaluator};
use super::expression::{Expr, ExpressionError, ExpressionRole};
use super::limits::{self, MAX_EXPRESSIONS, MAX_STEPS};
use super::manifest;
use super::types::Type;
use super::value::{self, Value, ValueKey};

/// The longest message that a `messageExpression` may make, in bytes (as the API server).
const MAX_MESSAGE: usize = 5 * 1024;

/// What a policy is compiled from: the fields of a `ValidatingAdmissionPolicy` that hold expressions.
#[derive(Debug, Clone, Default)]
pub struct ProgramSource<'a> {
    /// All must be true of an object for it to be judged.
    pub match_conditions: Vec<NamedSource<'a>>,
    /// Read as `variables.NAME` by later variables, validations and message expressions.
    pub variables: Vec<NamedSource<'a>>,
    /// All must be true of an object for it to pass.
    pub validations: Vec<ValidationSource<'a>>,
}

/// A match condition or a variable.
#[derive(Debug, Clone, Copy)]
pub struct NamedSource<'a> {
    /// Of a variable, the identifier by which later expressions read it: `variables.NAME`. Of a
    /// match condition, a label that nothing here reads.
    pub name: &'a str,
    pub expression: &'a str,
}

/// One rule of a policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValidationSource<'a> {
    /// The object passes when it is true, and fails when it is false.
    pub expression: &'a str,
    /// What to say of an object that fails; without one, the expression itself.
    pub message: Option<&'a str>,
    /// Computes what to say; wins over `message` when it yields one line of text.
    pub message_expression: Option<&'a str>,
    /// A CamelCase reason; `Invalid` when absent, as for the API server.
    pub reason: Option<&'a str>,
}

/// An error and the field it is in, such as `spec.validations[0].expression`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {error}")]
pub struct FieldError {
    /// The path of the field, which starts with what [`Program::compile`] was told.
    pub path: String,
    pub error: ExpressionError,
}

/// What a policy says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyOutcome {
    /// A match condition is false: the policy is not about the object.
    NotMatched,
    /// All validations are true.
    Pass,
    /// These validations are false, in the order of the policy. Others may be undecided.
    Fail(Vec<FailedValidation>),
    /// No validation is false, and at least one expression has no value that is known here.
    Unknown(Undecided),
}

/// Why a policy says nothing of an object. The text names the field of the first expression that
/// could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Walking the object might overflow the stack.
    #[error(
        "the object is nested more than {} levels deep, too deep to be judged",
        limits::MAX_OBJECT_DEPTH
    )]
    TooDeep,
    /// The type checker lets through what may be a bool; this was none.
    #[error("{path}.expression returned a {kind}; it must return a bool")]
    NotABool { path: String, kind: &'static str },
    /// The expression has no value for this object, for the API server neither.
    #[error("{path}.expression failed: {error}")]
    Failed { path: String, error: String },
    /// The expression may have a value for the API server, and it is not known here.
    #[error("{path}.expression cannot be decided: {reason}")]
    Refused { path: String, reason: String },
    #[error("{path}.expression is too expensive for this object: over {MAX_STEPS} steps")]
    TooExpensive { path: String },
}

/// A validation that is false for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedValidation {
    /// Its index in `validations`.
    pub validation: usize,
    /// One line of text, at most 5 KiB.
    pub message: String,
    /// As [`ValidationSource::reason`], with its default filled in.
    pub reason: String,
}

/// The simulated request: the CREATE that would bring the object into being.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdmissionRequest<'a> {
    /// The API group, empty for core.
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
    /// The plural resource name.
    pub resource: &'a str,
    /// Empty for what is in no namespace.
    pub namespace: &'a str,
    pub name: &'a str,
}

/// An object and its request as CEL values: prepared once, judged by every program.
#[derive(Debug)]
pub struct PreparedObject {
    /// None when it is nested too deep to be judged.
    object: Option<Value>,
    request: Value,
}

impl PreparedObject {
    /// An object that the API server serves: what it lacks is known to be absent.
    pub fn new(object: &serde_json::Value, request: &AdmissionRequest<'_>) -> Self {
        Self { object: value::from_json(object), request: request_value(request) }
    }

    /// An object as a file shows it: what only a cluster adds to it (its status, its uid) is not
    /// known to be absent, so that an expression that asks for it is undecided. `namespaced` says
    /// whether objects of this kind live in namespaces.
    pub fn from_manifest(
        object: &serde_json::Value,
        request: &AdmissionRequest<'_>,
        namespaced: bool,
    ) -> Self {
        let namespace = object.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
        // A manifest without a namespace goes wherever kubectl points, and that is not in the file.
        let names_it = !namespaced || namespace.is_some_and(|namespace| !namespace.is_empty());
        let prepared = if names_it {
            request_value(request)
        } else {
            manifest::without_namespace(&request_value(&AdmissionRequest {
                namespace: "",
                ..*request
            }))
        };
        let marked =
            |object| manifest::as_manifest(object, request.group, request.kind, namespaced);
        Self { object: value::from_json(object).map(marked), request: prepared }
    }
}

fn request_value(request: &AdmissionRequest<'_>) -> Value {
    let record = |fields: Vec<(&str, Value)>| {
        value::map(
            fields
                .into_iter()
                .map(|(name, value)| (ValueKey::String(name.into()), value))
                .collect(),
        )
    };
    let AdmissionRequest { group, version, kind, resource, namespace, name } = *request;
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
    /// Compiles all expressions, and returns all their errors. The paths of errors start with
    /// `field`: `spec` for a `ValidatingAdmissionPolicy`.
    pub fn compile(source: &ProgramSource<'_>, field: &str) -> Result<Self, Vec<FieldError>> {
        let mut compiler = Compiler { field, errors: Vec::new() };
        for (list, count) in [
            ("matchConditions", source.match_conditions.len()),
            ("variables", source.variables.len()),
            ("validations", source.validations.len()),
        ] {
            compiler.check(list, limits::limit("number of expressions", count, MAX_EXPRESSIONS));
        }
        let conditions = source.match_conditions.iter().enumerate();
        let match_conditions = conditions
            .filter_map(|(index, condition)| {
                let path = format!("matchConditions[{index}].expression");
                compiler.compile(&path, condition.expression, ExpressionRole::MatchCondition, &[])
            })
            .collect();
        let mut names: Vec<(&str, Type)> = Vec::with_capacity(source.variables.len());
        let mut variables = Vec::with_capacity(source.variables.len());
        for (index, variable) in source.variables.iter().enumerate() {
            compiler.check(&format!("variables[{index}].name"), check_name(variable.name, &names));
            let path = format!("variables[{index}].expression");
            let expr =
                compiler.compile(&path, variable.expression, ExpressionRole::Variable, &names);
            // One that does not compile is still declared, so that it is the only error.
            let of = expr.as_ref().map_or(Type::Dyn, |expr| expr.of().clone());
            names.push((variable.name, of));
            variables.extend(expr);
        }
        let validations = source.validations.iter().enumerate();
        let validations = validations
            .filter_map(|(index, validation)| compiler.validation(index, validation, &names))
            .collect();
        // All errors at once: whoever writes a policy fixes them in one go.
        if compiler.errors.is_empty() {
            Ok(Self { match_conditions, variables, validations })
        } else {
            Err(compiler.errors)
        }
    }

    /// Judges one object. The same object gets the same outcome every time, at a cost of at most
    /// [`limits::MAX_STEPS`].
    pub fn judge(&self, prepared: &PreparedObject) -> PolicyOutcome {
        let Some(object) = &prepared.object else {
            return PolicyOutcome::Unknown(Undecided::TooDeep);
        };
        // One budget for all expressions of the program: it is what one object may cost.
        let variables: Vec<_> = self.variables.iter().map(Expr::node).collect();
        let mut evaluator = Evaluator::new(object, &prepared.request, &variables, MAX_STEPS);
        self.match_and_validate(&mut evaluator).unwrap_or_else(PolicyOutcome::Unknown)
    }

    fn match_and_validate(
        &self,
        evaluator: &mut Evaluator<'_>,
    ) -> Result<PolicyOutcome, Undecided> {
        let mut undecided = None;
        for (index, condition) in self.match_conditions.iter().enumerate() {
            match truth(evaluator, condition, || format!("matchConditions[{index}]")) {
                Ok(true) => {}
                // One false condition excludes the object, whatever the others say.
                Ok(false) => return Ok(PolicyOutcome::NotMatched),
                // The first is enough to say why, and a later condition may still exclude the object.
                Err(error) => undecided = undecided.or(Some(error)),
            }
        }
        undecided.map_or(Ok(()), Err)?;
        self.validate(evaluator)
    }

    fn validate(&self, evaluator: &mut Evaluator<'_>) -> Result<PolicyOutcome, Undecided> {
        let mut failures = Vec::new();
        let mut undecided = None;
        for (index, validation) in self.validations.iter().enumerate() {
            match truth(evaluator, &validation.expression, || format!("validations[{index}]")) {
                Ok(true) => {}
                Ok(false) => failures.push(FailedValidation {
                    validation: index,
                    message: validation.message(evaluator),
                    reason: validation.reason.clone(),
                }),
                Err(error) => undecided = undecided.or(Some(error)),
            }
        }
        match (failures.is_empty(), undecided) {
            // What is false is false, even when another rule could not be decided.
            (false, _) => Ok(PolicyOutcome::Fail(failures)),
            (true, Some(error)) => Err(error),
            (true, None) => Ok(PolicyOutcome::Pass),
        }
    }
}

impl Validation {
    /// A message expression that fails, or says nothing, too much or several lines, is passed over
    /// as the API server passes it over: the object fails all the same.
    fn message(&self, evaluator: &mut Evaluator<'_>) -> String {
        let made = self.message_expression.as_ref().and_then(|expression| {
            match evaluator.eval(expression.node()) {
                Ok(Value::String(text)) => Some(text.trim().to_owned()),
                _ => None,
            }
        });
        made.filter(|text| !text.is_empty() && text.len() <= MAX_MESSAGE && !text.contains('\n'))
            .unwrap_or_else(|| self.message.clone())
    }
}

fn truth(
    evaluator: &mut Evaluator<'_>,
    expression: &Expr,
    path: impl Fn() -> String,
) -> Result<bool, Undecided> {
    match evaluator.eval(expression.node()) {
        Ok(Value::Bool(truth)) => Ok(truth),
        Ok(other) => {
            Err(Undecided::NotABool { path: path(), kind: value::ValueKind::of(&other).name() })
        }
        Err(EvaluationError::NoValue(error)) => Err(Undecided::Failed { path: path(), error }),
        Err(EvaluationError::Refused(reason)) => Err(Undecided::Refused { path: path(), reason }),
        Err(EvaluationError::Exhausted) => Err(Undecided::TooExpensive { path: path() }),
    }
}

/// Refuses the name of a variable that is not an identifier, or taken.
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
        role: ExpressionRole,
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
            ExpressionRole::Validation,
            variables,
        );
        let message_expression = source.message_expression.and_then(|message| {
            self.compile(
                &format!("{path}.messageExpression"),
                message,
                ExpressionRole::MessageExpression,
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
