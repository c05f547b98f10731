//! From the syntax tree to the tree that is evaluated: names are resolved, macros become one node
//! each, types are checked as the API server checks them, and what cannot be evaluated is refused
//! with the reason.

use super::expression::ExpressionError;
use super::functions::{self, Call, printf};
use super::macros;
use super::node::{BinaryOperator, Node};
use super::tree::{SyntaxKind, SyntaxTree};
use super::types::{Message, Type, Unifier, most_general};
use super::value::{Value, ValueKind};

/// What an expression may refer to.
#[derive(Clone, Copy)]
pub(super) struct DeclaredNames<'a> {
    /// The declared variables; `None` where `variables` does not exist.
    pub variables: Option<&'a [(&'a str, Type)]>,
}

/// Resolves a parsed expression.
pub(super) fn check(
    tree: SyntaxTree,
    source: &str,
    names: &DeclaredNames<'_>,
) -> Result<(Node, Type), ExpressionError> {
    let mut checker = TypeChecker {
        source,
        names,
        locals: Vec::new(),
        unifier: Unifier::default(),
        same: Vec::new(),
        mixing: 0,
    };
    let (node, of) = checker.resolve(tree)?;
    checker.check_literals()?;
    let of = checker.unifier.final_type(&of);
    Ok((node, of))
}

pub(super) struct TypeChecker<'a> {
    source: &'a str,
    names: &'a DeclaredNames<'a>,
    /// The variables of the macros around, the newest last.
    locals: Vec<(String, Type)>,
    pub unifier: Unifier,
    /// Types that must turn out to be the same, since they stand in one literal.
    same: Vec<(usize, Type, Type)>,
    /// Calls around that take values of any types in one literal.
    mixing: usize,
}

/// A node and its type.
pub(super) type TypedNode = (Node, Type);
pub(super) type CheckResult = Result<TypedNode, ExpressionError>;

impl TypeChecker<'_> {
    pub fn resolve(&mut self, tree: SyntaxTree) -> CheckResult {
        let at = tree.at;
        match tree.kind {
            SyntaxKind::Literal(value) => {
                let of = Type::Plain(ValueKind::of(&value));
                Ok((Node::Literal(value), of))
            }
            SyntaxKind::Name(name) => self.name(at, &name),
            SyntaxKind::Select { operand, field, optional } => {
                self.select(at, *operand, field, optional)
            }
            SyntaxKind::Index { operand, index, optional } => {
                self.index(at, *operand, *index, optional)
            }
            SyntaxKind::Call { target, name, arguments } => self.call(at, target, name, arguments),
            SyntaxKind::Not(operand) => {
                let operand = self.condition(*operand)?;
                Ok((Node::Not(Box::new(operand)), Type::BOOL))
            }
            SyntaxKind::Negate(operand) => {
                let (operand, of) = self.resolve(*operand)?;
                let of = self.overload(at, "-", &[of])?;
                Ok((Node::Negate(Box::new(operand)), of))
            }
            SyntaxKind::And(terms) => Ok((Node::And(self.conditions(terms)?), Type::BOOL)),
            SyntaxKind::Or(terms) => Ok((Node::Or(self.conditions(terms)?), Type::BOOL)),
            SyntaxKind::Binary(operator, left, right) => self.binary(at, operator, *left, *right),
            SyntaxKind::Conditional(parts) => self.conditional(at, *parts),
            SyntaxKind::List(elements) => self.list(elements),
            SyntaxKind::Map(entries) => self.map(entries),
            SyntaxKind::Message(name) => Err(ExpressionError::unsupported(format!(
                "the message literal {name}{{...}} (write a map instead)"
            ))),
        }
    }

    pub fn error(&self, at: usize, message: &str) -> ExpressionError {
        ExpressionError::invalid_at(self.source, at, message)
    }

    /// Resolves a body in which `names` are the newest variables.
    pub fn with_locals<T>(
        &mut self,
        names: Vec<(String, Type)>,
        resolve: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        let outer = self.locals.len();
        self.locals.extend(names);
        let resolved = resolve(self);
        self.locals.truncate(outer);
        resolved
    }

    /// Something that must be a bool, or may turn out to be one.
    pub fn condition(&mut self, tree: SyntaxTree) -> Result<Node, ExpressionError> {
        let at = tree.at;
        let (node, of) = self.resolve(tree)?;
        if self.unifier.assign(&of, &Type::BOOL) {
            return Ok(node);
        }
        let of = self.unifier.resolve(&of);
        Err(self.error(at, &format!("a condition must be a bool, not {of}; compare it")))
    }

    fn conditions(&mut self, terms: Vec<SyntaxTree>) -> Result<Vec<Node>, ExpressionError> {
        terms.into_iter().map(|term| self.condition(term)).collect()
    }

    fn name(&self, at: usize, name: &str) -> CheckResult {
        // The innermost wins, and wins over `object` itself: a macro may reuse any name.
        if let Some(position) = self.locals.iter().rposition(|(local, _)| local == name) {
            let of = self.locals.get(position).map_or(Type::Dyn, |(_, of)| of.clone());
            return Ok((Node::Local(position), of));
        }
        match name {
            "object" => Ok((Node::Object, Type::Dyn)),
            "oldObject" => Ok((Node::OldObject, Type::Dyn)),
            "request" => {
                Err(ExpressionError::unsupported("request as a whole (read one of its fields)"))
            }
            "variables" if self.names.variables.is_some() => {
                Err(ExpressionError::unsupported("variables as a whole (write variables.NAME)"))
            }
            "namespaceObject" => Err(ExpressionError::unsupported(
                "namespaceObject (an expression sees one object; select namespaces by their labels outside of it)",
            )),
            "authorizer" | "params" => Err(ExpressionError::unsupported(name)),
            _ => type_name(name).ok_or_else(|| {
                self.error(
                    at,
                    &format!(
                        "{name} is not declared; an expression starts from object, variables.NAME or request"
                    ),
                )
            }),
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|(local, _)| local == name)
    }

    fn select(
        &mut self,
        at: usize,
        operand: SyntaxTree,
        field: String,
        optional: bool,
    ) -> CheckResult {
        if let Some(special) = self.special_field(at, &operand, &field, optional) {
            return special;
        }
        let (operand, of) = self.resolve(operand)?;
        let of = self.field_type(at, &of, &field, optional)?;
        Ok((Node::Select { operand: Box::new(operand), field, optional }, of))
    }

    /// Resolves `has(operand.field)`, whose operand is not selected from but asked.
    pub fn presence(&mut self, at: usize, operand: SyntaxTree, field: String) -> CheckResult {
        match self.special_field(at, &operand, &field, false) {
            // A variable that is declared is there, whatever its value.
            Some(Ok((Node::Variable(_), _))) => {
                return Ok((Node::Literal(Value::Bool(true)), Type::BOOL));
            }
            Some(Ok((Node::Select { operand, field, .. }, _))) => {
                return Ok((Node::Has { operand, field }, Type::BOOL));
            }
            Some(Ok(_)) | None => {}
            Some(Err(error)) => return Err(error),
        }
        let (operand, of) = self.resolve(operand)?;
        self.field_type(at, &of, &field, false)?;
        Ok((Node::Has { operand: Box::new(operand), field }, Type::BOOL))
    }

    /// Fields of what is no value itself: `variables`, `request`, and names with dots.
    fn special_field(
        &self,
        at: usize,
        operand: &SyntaxTree,
        field: &str,
        optional: bool,
    ) -> Option<CheckResult> {
        // Names of types such as `net.IP` parse like the selection of a field.
        if let (Some(prefix), false) = (operand.qualified_name(), optional)
            && let Some(named) = type_name(&format!("{prefix}.{field}"))
        {
            return Some(Ok(named));
        }
        let SyntaxKind::Name(name) = &operand.kind else { return None };
        if self.is_local(name) {
            return None;
        }
        match (name.as_str(), self.names.variables) {
            ("variables", Some(_)) | ("request", _) if optional => {
                Some(Err(ExpressionError::unsupported(
                    "an optional field of request or variables (write has())",
                )))
            }
            ("variables", Some(declared)) => Some(self.variable(at, field, declared)),
            ("request", _) => Some(self.request_field(at, field)),
            _ => None,
        }
    }

    fn variable(&self, at: usize, name: &str, declared: &[(&str, Type)]) -> CheckResult {
        if let Some(index) = declared.iter().position(|(variable, _)| *variable == name) {
            let of = declared.get(index).map_or(Type::Dyn, |(_, of)| of.of_variable());
            return Ok((Node::Variable(index), of));
        }
        // A variable declared later exists, and can't be read here: listing those that can shows the order.
        let names: Vec<_> = declared.iter().map(|(name, _)| *name).collect();
        let known = match names.as_slice() {
            [] => String::new(),
            names => format!("; there are: {}", names.join(", ")),
        };
        let message = format!("variables.{name} is not declared before this expression{known}");
        Err(self.error(at, &message))
    }

    fn request_field(&self, at: usize, field: &str) -> CheckResult {
        if matches!(field, "userInfo" | "options") {
            return Err(ExpressionError::unsupported(format!("request.{field}")));
        }
        let of = Message::Request.field(field).ok_or_else(|| {
            self.error(
                at,
                "a request has no such field; it has kind, resource, name, namespace, operation and dryRun",
            )
        })?;
        let operand = Box::new(Node::Request);
        Ok((Node::Select { operand, field: field.to_owned(), optional: false }, of))
    }

    fn field_type(
        &mut self,
        at: usize,
        operand: &Type,
        field: &str,
        optional: bool,
    ) -> Result<Type, ExpressionError> {
        let operand = self.unifier.resolve(operand);
        let (target, was_optional) = match &operand {
            Type::Optional(content) => (content.as_ref(), true),
            other => (other, false),
        };
        // A selection on an optional is a selection on its content.
        let of = match target {
            Type::Map(_, value) => value.as_ref().clone(),
            Type::Message(message) => message.field(field).ok_or_else(|| {
                self.error(at, &format!("the request has no field {field} there"))
            })?,
            Type::Variable(_) => {
                self.unifier.assign(&Type::Dyn, target);
                Type::Dyn
            }
            Type::Dyn => Type::Dyn,
            other => return Err(self.error(at, &format!("{other} has no fields"))),
        };
        Ok(if was_optional || optional { Type::optional(of) } else { of })
    }

    fn index(
        &mut self,
        at: usize,
        operand: SyntaxTree,
        index: SyntaxTree,
        optional: bool,
    ) -> CheckResult {
        let (operand, operand_type) = self.resolve(operand)?;
        let (index, index_type) = self.resolve(index)?;
        let name = if optional { "[?]" } else { "[]" };
        let of = self.overload(at, name, &[operand_type, index_type])?;
        Ok((Node::Index { operand: Box::new(operand), index: Box::new(index), optional }, of))
    }

    fn binary(
        &mut self,
        at: usize,
        operator: BinaryOperator,
        left: SyntaxTree,
        right: SyntaxTree,
    ) -> CheckResult {
        let (left, left_type) = self.resolve(left)?;
        let (right, right_type) = self.resolve(right)?;
        if operator == BinaryOperator::In && self.unifier.resolve(&right_type) == Type::STRING {
            return Err(self
                .error(at, "in takes a list or a map, not a string; of a string ask contains()"));
        }
        let of = self.overload(at, operator.mark(), &[left_type, right_type])?;
        // The API server does not even look what is to be in an empty list.
        if operator == BinaryOperator::In && matches!(&right, Node::List(items) if items.is_empty())
        {
            return Ok((Node::Literal(Value::Bool(false)), of));
        }
        Ok((Node::Binary(operator, Box::new(left), Box::new(right)), of))
    }

    /// The type of an operator's result.
    pub fn overload(
        &mut self,
        at: usize,
        name: &str,
        operands: &[Type],
    ) -> Result<Type, ExpressionError> {
        let found = functions::operator(name)
            .and_then(|function| function.resolve(&mut self.unifier, operands));
        found.map(|(_, of)| of).ok_or_else(|| self.no_overload(at, name, operands))
    }

    fn no_overload(&self, at: usize, name: &str, operands: &[Type]) -> ExpressionError {
        let types: Vec<_> =
            operands.iter().map(|of| self.unifier.resolve(of).to_string()).collect();
        self.error(at, &format!("{name} does not apply to {}", types.join(" and ")))
    }

    fn conditional(&mut self, at: usize, parts: [SyntaxTree; 3]) -> CheckResult {
        let [condition, yes, no] = parts;
        let condition = self.condition(condition)?;
        let (yes, yes_type) = self.resolve(yes)?;
        let (no, no_type) = self.resolve(no)?;
        let of = self.overload(at, "?:", &[yes_type, no_type])?;
        Ok((Node::Conditional(Box::new([condition, yes, no])), of))
    }

    fn list(&mut self, elements: Vec<(SyntaxTree, bool)>) -> CheckResult {
        let mut nodes = Vec::with_capacity(elements.len());
        let mut joined = None;
        for (element, optional) in elements {
            let at = element.at;
            let (node, of) = self.resolve(element)?;
            let of = if optional { self.content(at, &of)? } else { of };
            joined = Some(self.join(at, joined, of));
            nodes.push((node, optional));
        }
        let of = joined.unwrap_or_else(|| self.unifier.variable());
        Ok((Node::List(nodes), Type::list(of)))
    }

    fn map(&mut self, entries: Vec<(SyntaxTree, SyntaxTree, bool)>) -> CheckResult {
        let mut nodes = Vec::with_capacity(entries.len());
        let (mut keys, mut values) = (None, None);
        for (key, value, optional) in entries {
            let (key_at, value_at) = (key.at, value.at);
            let (key, key_type) = self.resolve(key)?;
            keys = Some(self.join(key_at, keys, key_type));
            let (value, of) = self.resolve(value)?;
            let of = if optional { self.content(value_at, &of)? } else { of };
            values = Some(self.join(value_at, values, of));
            nodes.push((key, value, optional));
        }
        let key = keys.unwrap_or_else(|| self.unifier.variable());
        let value = values.unwrap_or_else(|| self.unifier.variable());
        Ok((Node::Map(nodes), Type::map(key, value)))
    }

    /// The type of what stands after `?`.
    fn content(&self, at: usize, of: &Type) -> Result<Type, ExpressionError> {
        match self.unifier.resolve(of) {
            Type::Optional(content) => Ok(*content),
            // Elsewhere the API server refuses what is only known when it is evaluated.
            Type::Dyn if self.mixing > 0 => Ok(Type::Dyn),
            other => Err(self.error(
                at,
                &format!(
                    "? must stand before an optional value, and {other} is not known to be one"
                ),
            )),
        }
    }

    /// The type of elements of one literal, which should all be of the same.
    fn join(&mut self, at: usize, joined: Option<Type>, of: Type) -> Type {
        let Some(joined) = joined else { return of };
        // Checked at the end, when all type variables that will be known are known.
        if self.mixing == 0 {
            self.same.push((at, joined.clone(), of.clone()));
        }
        if self.unifier.assign(&joined, &of) {
            most_general(&joined, &of).clone()
        } else {
            Type::Dyn
        }
    }

    /// What the API server checks of literals when all types are known.
    fn check_literals(&self) -> Result<(), ExpressionError> {
        for (at, left, right) in &self.same {
            let (left, right) = (self.unifier.final_type(left), self.unifier.final_type(right));
            if left != right {
                let message = format!(
                    "a literal holds values of one type, not {left} and {right}; write dyn(...) around each"
                );
                return Err(self.error(*at, &message));
            }
        }
        Ok(())
    }

    fn call(
        &mut self,
        at: usize,
        target: Option<Box<SyntaxTree>>,
        name: String,
        arguments: Vec<SyntaxTree>,
    ) -> CheckResult {
        let (target, arguments) = match macros::expand(self, at, target, &name, arguments)? {
            macros::Expanded::Macro(typed) => return Ok(*typed),
            macros::Expanded::Call(target, arguments) => (target, arguments),
        };
        let prefix = target.as_ref().and_then(|target| target.qualified_name());
        let qualified = prefix.map(|prefix| format!("{prefix}.{name}"));
        let (name, target) = match qualified {
            Some(qualified) if functions::is_declared(&qualified) => (qualified, None),
            _ => (name, target),
        };
        let is_method = target.is_some();
        let operands = target.map(|target| *target).into_iter().chain(arguments);
        let mixes = usize::from(name == "format");
        self.mixing += mixes;
        let operands = operands
            .map(|operand| self.resolve(operand))
            .collect::<Result<Vec<_>, ExpressionError>>();
        // Taken back before an error leaves.
        self.mixing -= mixes;
        let operands = operands?;
        let (nodes, types): (Vec<_>, Vec<_>) = operands.into_iter().unzip();
        let function = functions::find(&name, is_method, nodes.len())
            .map_err(|problem| problem.into_error(self.source, at))?;
        let (overloads, of) = function
            .resolve(&mut self.unifier, &types)
            .ok_or_else(|| self.no_overload(at, &format!("{name}()"), &types))?;
        // A template that is a literal can be checked against its arguments before anything is evaluated.
        if name == "format" {
            let types: Vec<_> = types.iter().map(|of| self.unifier.resolve(of)).collect();
            printf::check(&nodes, types.get(1))
                .map_err(|error| self.error(at, &error.to_string()))?;
        }
        // Not ordinary calls: the alternative is evaluated only when it is needed, and may be an error.
        if is_method && matches!(name.as_str(), "or" | "orValue") {
            let mut nodes = nodes.into_iter().map(Box::new);
            if let (Some(operand), Some(alternative)) = (nodes.next(), nodes.next()) {
                return Ok((Node::OrElse { operand, alternative, unwrap: name == "orValue" }, of));
            }
            return Err(self.error(at, "or() takes an alternative"));
        }
        let call = Call::new(function, overloads, nodes)
            .map_err(|problem| problem.into_error(self.source, at))?;
        Ok((Node::Call(Box::new(call)), of))
    }
}

/// A type that is named as a value.
fn type_name(name: &str) -> Option<TypedNode> {
    let kind = ValueKind::ALL.into_iter().find(|kind| kind.name() == name)?;
    let parameter = || Box::new(Type::Dyn);
    let of = match kind {
        // The API server declares no names for these.
        ValueKind::Url | ValueKind::Quantity | ValueKind::Semver | ValueKind::Format => {
            return None;
        }
        ValueKind::List => Type::List(parameter()),
        ValueKind::Map => Type::Map(parameter(), parameter()),
        ValueKind::Optional => Type::Optional(parameter()),
        ValueKind::Type => Type::Meta(parameter()),
        plain => Type::Plain(plain),
    };
    Some((Node::Literal(Value::Type(kind)), Type::Meta(Box::new(of))))
}
