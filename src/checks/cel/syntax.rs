//! From the library's syntax tree to the tree that is evaluated here: names are resolved,
//! macros become one node each, and what cannot be evaluated is refused with the reason.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr as Tree, IdedExpr, LiteralValue, SelectExpr,
    operators,
};
use kube_cel::cel::parser::{ParseErrors, Parser};

use super::expression::ExpressionError;
use super::functions::{self, Call};
use super::guard::{self, MAX_NODES};
use super::macros;
use super::node::{Fold, FoldKind, Node, Operator};
use super::value::{self, Kind, TypeValue, Value};

/// What an expression may refer to.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// The declared variables; `None` where `variables` does not exist.
    pub variables: Option<&'a [&'a str]>,
}

/// Parses and resolves an expression whose size was checked, on a thread of its own: for its
/// stack, and because the generated parser panics on some malformed inputs.
pub(super) fn parse(source: &str, names: &Names<'_>) -> Result<Node, ExpressionError> {
    let broken =
        || ExpressionError::invalid("it cannot be parsed; check its brackets and operators");
    std::thread::scope(|scope| {
        let parse = || parse_here(source, names);
        let parser =
            std::thread::Builder::new().stack_size(guard::PARSER_STACK).spawn_scoped(scope, parse);
        let parser =
            parser.map_err(|_| ExpressionError::invalid("there is no memory to parse it"))?;
        parser.join().unwrap_or_else(|_| Err(broken()))
    })
}

fn parse_here(source: &str, names: &Names<'_>) -> Result<Node, ExpressionError> {
    // The depth is bounded already, and more tightly than the parser counts it.
    let parser = Parser::new().enable_optional_syntax(true).max_recursion_depth(250);
    let tree = parser.parse(source).map_err(|errors| syntax_error(&errors))?;
    Resolver { source, names, locals: Vec::new(), nodes: 0 }.resolve(tree)
}

fn syntax_error(errors: &ParseErrors) -> ExpressionError {
    ExpressionError::invalid(match errors.errors.first() {
        Some(error) if error.pos.0 > 0 => {
            format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg)
        }
        _ => "it cannot be parsed; check its brackets and operators".to_owned(),
    })
}

pub(super) struct Resolver<'a> {
    source: &'a str,
    names: &'a Names<'a>,
    locals: Vec<String>,
    nodes: usize,
}

type Resolved = Result<Node, ExpressionError>;

impl Resolver<'_> {
    pub(super) fn resolve(&mut self, tree: IdedExpr) -> Resolved {
        self.nodes += 1;
        guard::limit("number of operators, fields and literals", self.nodes, MAX_NODES)?;
        match tree.expr {
            Tree::Literal(literal) => Ok(Node::Literal(literal_value(literal))),
            Tree::Ident(name) => self.identifier(&name),
            Tree::Select(select) => self.select(select),
            Tree::Call(call) => self.call(call),
            Tree::Comprehension(comprehension) => self.comprehension(*comprehension),
            Tree::List(list) => {
                let optional = list.optional_indices;
                let elements = list.elements.into_iter().enumerate();
                let resolve =
                    |(index, element)| Ok((self.resolve(element)?, optional.contains(&index)));
                elements.map(resolve).collect::<Result<_, _>>().map(Node::List)
            }
            Tree::Map(map) => self.map_literal(map.entries.into_iter().map(|entry| entry.expr)),
            Tree::Struct(message) => Err(ExpressionError::Unsupported {
                feature: format!(
                    "the message literal {}{{...}} (write a map instead)",
                    message.type_name
                ),
            }),
            Tree::Unspecified => Err(ExpressionError::invalid("a part of it is missing")),
        }
    }

    pub(super) fn boxed(&mut self, tree: IdedExpr) -> Result<Box<Node>, ExpressionError> {
        self.resolve(tree).map(Box::new)
    }

    /// Resolves a body in which `names` are the newest variables.
    pub(super) fn with_locals<T>(
        &mut self,
        names: Vec<String>,
        resolve: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        let outer = self.locals.len();
        self.locals.extend(names);
        let resolved = resolve(self);
        self.locals.truncate(outer);
        resolved
    }

    fn identifier(&mut self, name: &str) -> Resolved {
        if let Some(position) = self.locals.iter().rposition(|local| local == name) {
            return Ok(Node::Local(position));
        }
        match name {
            "object" => Ok(Node::Object),
            "oldObject" => Ok(Node::OldObject),
            "request" => {
                Err(ExpressionError::unsupported("request as a whole (read one of its fields)"))
            }
            "variables" if self.names.variables.is_some() => {
                Err(ExpressionError::unsupported("variables as a whole (write variables.NAME)"))
            }
            "authorizer" | "params" | "namespaceObject" => Err(ExpressionError::unsupported(name)),
            _ => match Kind::from_name(name) {
                Some(kind) if is_type_name(kind, name) => {
                    Ok(Node::Literal(Value::Opaque(std::sync::Arc::new(TypeValue(kind)))))
                }
                _ => Err(self.undeclared(name)),
            },
        }
    }

    fn select(&mut self, select: SelectExpr) -> Resolved {
        if let Tree::Ident(name) = &select.operand.expr
            && !self.locals.contains(name)
        {
            match (name.as_str(), self.names.variables) {
                ("variables", Some(declared)) => {
                    let index = declared.iter().position(|variable| *variable == select.field);
                    return match index {
                        Some(_) if select.test => Ok(Node::Literal(Value::Bool(true))),
                        Some(index) => Ok(Node::Variable(index)),
                        None => Err(self.undeclared_variable(&select.field, declared)),
                    };
                }
                ("request", _) => {
                    self.check_request_field(&select.field)?;
                    return Ok(field_of(Node::Request, select.field, select.test));
                }
                _ => {}
            }
        }
        let operand = self.resolve(*select.operand)?;
        Ok(field_of(operand, select.field, select.test))
    }

    fn check_request_field(&self, field: &str) -> Result<(), ExpressionError> {
        match field {
            "kind" | "resource" | "subResource" | "requestKind" | "requestResource"
            | "requestSubResource" | "name" | "namespace" | "operation" | "dryRun" => Ok(()),
            "userInfo" | "options" => Err(ExpressionError::unsupported(format!("request.{field}"))),
            _ => Err(ExpressionError::invalid_at(
                self.source,
                self.position_of(field),
                "a request has no such field; it has kind, resource, name, namespace, operation and dryRun",
            )),
        }
    }

    fn map_literal(&mut self, entries: impl Iterator<Item = EntryExpr>) -> Resolved {
        let mut resolved = Vec::new();
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry else {
                return Err(ExpressionError::invalid("a message field stands in a map"));
            };
            resolved.push((self.resolve(entry.key)?, self.resolve(entry.value)?, entry.optional));
        }
        Ok(Node::Map(resolved))
    }

    fn call(&mut self, mut call: CallExpr) -> Resolved {
        if call.target.is_none() {
            let arguments = std::mem::take(&mut call.args);
            return match <[IdedExpr; 2]>::try_from(arguments) {
                Ok([left, right]) => match binary(&call.func_name) {
                    Some(build) => checked_container(build(self.boxed(left)?, self.boxed(right)?)),
                    None if call.func_name == operators::OPT_SELECT => {
                        self.optional_select(left, right)
                    }
                    None => self.function(call.func_name, None, vec![left, right]),
                },
                Err(arguments) => self.prefix_or_function(call.func_name, arguments),
            };
        }
        if let Some(expanded) = macros::expand(self, &mut call) {
            return expanded;
        }
        self.function(call.func_name, call.target, call.args)
    }

    fn prefix_or_function(&mut self, name: String, arguments: Vec<IdedExpr>) -> Resolved {
        match (name.as_str(), arguments.len()) {
            (operators::LOGICAL_NOT | operators::NEGATE, 1) => {
                let negate = name == operators::NEGATE;
                let operand =
                    arguments.into_iter().next().map_or(Tree::Unspecified, |tree| tree.expr);
                let operand = self.boxed(IdedExpr { id: 0, expr: operand })?;
                Ok(if negate { Node::Negate(operand) } else { Node::Not(operand) })
            }
            (operators::CONDITIONAL, 3) => {
                let nodes = arguments.into_iter().map(|tree| self.resolve(tree)).collect::<Result<
                    Vec<_>,
                    _,
                >>(
                )?;
                <[Node; 3]>::try_from(nodes)
                    .map(|nodes| Node::Conditional(Box::new(nodes)))
                    .map_err(|_| ExpressionError::invalid("a conditional is not complete"))
            }
            _ => self.function(name, None, arguments),
        }
    }

    fn optional_select(&mut self, operand: IdedExpr, field: IdedExpr) -> Resolved {
        let Tree::Literal(LiteralValue::String(field)) = field.expr else {
            return Err(ExpressionError::invalid("a field name must follow .?"));
        };
        if matches!(&operand.expr, Tree::Ident(name) if name == "request" || name == "variables") {
            return Err(ExpressionError::unsupported(
                "an optional field of request or variables (write has())",
            ));
        }
        Ok(Node::Select {
            operand: self.boxed(operand)?,
            field: field.into_inner(),
            optional: true,
        })
    }

    fn function(
        &mut self,
        name: String,
        target: Option<Box<IdedExpr>>,
        arguments: Vec<IdedExpr>,
    ) -> Resolved {
        let namespace = match target.as_deref() {
            Some(IdedExpr { expr: Tree::Ident(prefix), .. }) if !self.locals.contains(prefix) => {
                functions::is_namespace(prefix).then(|| prefix.clone())
            }
            _ => None,
        };
        let (full_name, target) = match namespace {
            Some(prefix) => (format!("{prefix}.{name}"), None),
            None => (name, target),
        };
        let (is_method, count) = (target.is_some(), arguments.len());
        let operands = target.map(|target| *target).into_iter().chain(arguments);
        let operands = operands.map(|operand| self.resolve(operand)).collect::<Result<_, _>>()?;
        functions::find(&full_name, is_method, count)
            .and_then(|function| Call::new(function, operands))
            .map(|call| Node::Call(Box::new(call)))
            .map_err(|problem| problem.into_error(self.source, self.position_of(&full_name)))
    }

    /// The library has already expanded the macros of one variable; the shape of the
    /// accumulator says which one it was.
    fn comprehension(&mut self, tree: ComprehensionExpr) -> Resolved {
        let range = self.resolve(tree.iter_range)?;
        let (kind, filter, body) = recognize(&tree.accu_init.expr, tree.loop_step)
            .ok_or_else(|| ExpressionError::invalid("a macro has an unexpected shape"))?;
        self.with_locals(vec![tree.iter_var], |resolver| {
            let filter = filter.map(|filter| resolver.resolve(filter)).transpose()?;
            let body = resolver.resolve(body)?;
            Ok(Node::Fold(Box::new(Fold { kind, range, two_variables: false, filter, body })))
        })
    }

    fn undeclared(&self, name: &str) -> ExpressionError {
        let message = format!(
            "{name} is not declared; an expression starts from object, variables.NAME or request"
        );
        ExpressionError::invalid_at(self.source, self.position_of(name), &message)
    }

    fn undeclared_variable(&self, name: &str, declared: &[&str]) -> ExpressionError {
        let message = if declared.is_empty() {
            format!("variables.{name} is not declared before this expression")
        } else {
            format!(
                "variables.{name} is not declared before this expression; there are: {}",
                declared.join(", ")
            )
        };
        ExpressionError::invalid_at(self.source, self.position_of(name), &message)
    }

    /// Where a name first stands as a whole word; the library keeps no positions of its nodes.
    fn position_of(&self, name: &str) -> usize {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let found = self.source.match_indices(name).find(|(at, _)| {
            !word(self.source[..*at].chars().next_back())
                && !word(self.source[at + name.len()..].chars().next())
        });
        found.map_or(0, |(at, _)| at)
    }
}

fn field_of(operand: Node, field: String, test: bool) -> Node {
    let operand = Box::new(operand);
    if test {
        Node::Has { operand, field }
    } else {
        Node::Select { operand, field, optional: false }
    }
}

fn checked_container(node: Node) -> Resolved {
    match &node {
        Node::Binary(Operator::In, _, container)
            if !matches!(container.kind(), Kind::Any | Kind::List | Kind::Map) =>
        {
            let kind = container.kind().name();
            Err(ExpressionError::invalid(format!(
                "in takes a list or a map, not a {kind}; of a string ask contains()"
            )))
        }
        _ => Ok(node),
    }
}

fn is_type_name(kind: Kind, name: &str) -> bool {
    kind != Kind::Any && kind.name() == name && !name.contains('.')
        || matches!(name, "timestamp" | "duration")
}

type Build = fn(Box<Node>, Box<Node>) -> Node;

fn binary(name: &str) -> Option<Build> {
    macro_rules! operator {
        ($operator:ident) => {
            |left, right| Node::Binary(Operator::$operator, left, right)
        };
    }
    Some(match name {
        operators::LOGICAL_AND => Node::And,
        operators::LOGICAL_OR => Node::Or,
        operators::INDEX => |operand, index| Node::Index { operand, index, optional: false },
        operators::OPT_INDEX => |operand, index| Node::Index { operand, index, optional: true },
        operators::ADD => operator!(Add),
        operators::SUBSTRACT => operator!(Subtract),
        operators::MULTIPLY => operator!(Multiply),
        operators::DIVIDE => operator!(Divide),
        operators::MODULO => operator!(Modulo),
        operators::EQUALS => operator!(Equal),
        operators::NOT_EQUALS => operator!(NotEqual),
        operators::LESS => operator!(Less),
        operators::LESS_EQUALS => operator!(LessOrEqual),
        operators::GREATER => operator!(Greater),
        operators::GREATER_EQUALS => operator!(GreaterOrEqual),
        operators::IN => operator!(In),
        _ => return None,
    })
}

fn literal_value(literal: LiteralValue) -> Value {
    match literal {
        LiteralValue::Boolean(value) => Value::Bool(value.into_inner()),
        LiteralValue::Bytes(value) => Value::Bytes(std::sync::Arc::new(value.into_inner())),
        LiteralValue::Double(value) => Value::Float(value.into_inner()),
        LiteralValue::Int(value) => Value::Int(value.into_inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(value) => value::string(value.into_inner()),
        LiteralValue::UInt(value) => Value::UInt(value.into_inner()),
    }
}

type Parts = (FoldKind, Option<IdedExpr>, IdedExpr);

/// Takes a macro's predicate or transformation back out of its expansion.
fn recognize(init: &Tree, step: IdedExpr) -> Option<Parts> {
    let Tree::Call(mut step) = step.expr else { return None };
    match init {
        Tree::Literal(LiteralValue::Boolean(all)) => {
            let kind = if *all.inner() { FoldKind::All } else { FoldKind::Exists };
            Some((kind, None, step.args.pop()?))
        }
        Tree::Literal(LiteralValue::Int(_)) => {
            Some((FoldKind::ExistsOne, None, step.args.into_iter().next()?))
        }
        Tree::List(_) if step.func_name == operators::CONDITIONAL => {
            let mut parts = step.args.into_iter();
            let filter = parts.next()?;
            Some((FoldKind::List, Some(filter), appended(parts.next()?)?))
        }
        Tree::List(_) => Some((FoldKind::List, None, step.args.pop().and_then(only_element)?)),
        _ => None,
    }
}

fn appended(step: IdedExpr) -> Option<IdedExpr> {
    let Tree::Call(mut step) = step.expr else { return None };
    only_element(step.args.pop()?)
}

fn only_element(list: IdedExpr) -> Option<IdedExpr> {
    let Tree::List(list) = list.expr else { return None };
    list.elements.into_iter().next()
}
