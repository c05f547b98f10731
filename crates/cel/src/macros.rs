//! The macros: what looks like a call, but has variables of its own.

use super::checker::{CheckResult, TypeChecker, TypedNode};
use super::expression::ExpressionError;
use super::node::{Comprehension, ComprehensionKind, Node};
use super::tree::{SyntaxKind, SyntaxTree};
use super::types::Type;

/// A macro, or the ordinary call that it was not.
pub(super) enum Expanded {
    Macro(Box<TypedNode>),
    Call(Option<Box<SyntaxTree>>, Vec<SyntaxTree>),
}

/// Expands a call that is a macro.
pub(super) fn expand(
    checker: &mut TypeChecker<'_>,
    at: usize,
    target: Option<Box<SyntaxTree>>,
    name: &str,
    mut arguments: Vec<SyntaxTree>,
) -> Result<Expanded, ExpressionError> {
    let count = arguments.len();
    let Some(target) = target else {
        return match (name, count, arguments.pop()) {
            ("has", 1, Some(argument)) => {
                presence(checker, at, argument).map(|typed| Expanded::Macro(Box::new(typed)))
            }
            (_, _, last) => {
                arguments.extend(last);
                Ok(Expanded::Call(None, arguments))
            }
        };
    };
    // By name and number of arguments, as cel-go finds its macros. Any other number makes an
    // ordinary call of it, which is then refused as a function that does not exist.
    let typed = match (name, count) {
        ("optMap" | "optFlatMap", 2) => {
            map_optional(checker, at, *target, arguments, name == "optFlatMap")
        }
        ("sortBy", 2) => sort_by(checker, at, *target, arguments),
        ("map", 2 | 3) => comprehension(checker, *target, arguments, ComprehensionKind::List, 1),
        ("filter", 2) => filter(checker, *target, arguments),
        ("all", 2) => comprehension(checker, *target, arguments, ComprehensionKind::All, 1),
        ("exists", 2) => comprehension(checker, *target, arguments, ComprehensionKind::Exists, 1),
        ("exists_one", 2) => {
            comprehension(checker, *target, arguments, ComprehensionKind::ExistsOne, 1)
        }
        ("all", 3) => comprehension(checker, *target, arguments, ComprehensionKind::All, 2),
        ("exists", 3) => comprehension(checker, *target, arguments, ComprehensionKind::Exists, 2),
        ("existsOne" | "exists_one", 3) => {
            comprehension(checker, *target, arguments, ComprehensionKind::ExistsOne, 2)
        }
        ("transformList", 3 | 4) => {
            comprehension(checker, *target, arguments, ComprehensionKind::List, 2)
        }
        ("transformMap", 3 | 4) => {
            comprehension(checker, *target, arguments, ComprehensionKind::Map, 2)
        }
        ("transformMapEntry", 3 | 4) => {
            comprehension(checker, *target, arguments, ComprehensionKind::MapEntry, 2)
        }
        _ => return Ok(Expanded::Call(Some(target), arguments)),
    };
    typed.map(|typed| Expanded::Macro(Box::new(typed)))
}

fn presence(checker: &mut TypeChecker<'_>, at: usize, argument: SyntaxTree) -> CheckResult {
    match argument.kind {
        SyntaxKind::Select { operand, field, optional: false } => {
            checker.presence(argument.at, *operand, field)
        }
        _ => Err(checker.error(at, "has() takes a field, as in has(object.spec.replicas)")),
    }
}

/// What `filter` keeps is the element itself.
fn filter(
    checker: &mut TypeChecker<'_>,
    target: SyntaxTree,
    mut arguments: Vec<SyntaxTree>,
) -> CheckResult {
    let element = arguments.first().and_then(|name| match &name.kind {
        SyntaxKind::Name(text) => Some(SyntaxTree::new(name.at, SyntaxKind::Name(text.clone()))),
        _ => None,
    });
    arguments.extend(element);
    comprehension(checker, target, arguments, ComprehensionKind::List, 1)
}

/// A macro over a list or a map, with its names, perhaps a condition, and its body.
fn comprehension(
    checker: &mut TypeChecker<'_>,
    target: SyntaxTree,
    arguments: Vec<SyntaxTree>,
    kind: ComprehensionKind,
    variables: usize,
) -> CheckResult {
    let mut arguments = arguments.into_iter();
    let mut names = Vec::with_capacity(variables);
    for _ in 0..variables {
        let name = name_of(checker, arguments.next())?;
        // The second would hide the first, which is never what was meant; cel-go refuses it.
        if names.contains(&name) {
            return Err(ExpressionError::invalid(
                "the two variables of a macro must have different names",
            ));
        }
        names.push(name);
    }
    let missing = || ExpressionError::invalid("a macro has no body");
    // The body is last, and a filter may stand before it: `map(x, condition, body)`.
    let body = arguments.next_back().ok_or_else(missing)?;
    let filter = arguments.next();
    let at = target.at;
    // Outside of the macro's variables: `x.map(x, x)` walks over an outer x.
    let (range, range_type) = checker.resolve(target)?;
    let types = element_types(checker, at, &range_type, variables)?;
    let key = types.first().cloned().unwrap_or(Type::Dyn);
    let locals = names.into_iter().zip(types).collect();
    checker.with_locals(locals, |checker| {
        let filter = filter.map(|filter| checker.condition(filter)).transpose()?;
        let (body, of) = body_of(checker, body, kind, key)?;
        let two_variables = variables == 2;
        Ok((
            Node::Comprehension(Box::new(Comprehension {
                kind,
                range,
                two_variables,
                filter,
                body,
            })),
            of,
        ))
    })
}

/// The body of a macro, and the type of the whole.
fn body_of(
    checker: &mut TypeChecker<'_>,
    body: SyntaxTree,
    kind: ComprehensionKind,
    key: Type,
) -> CheckResult {
    let at = body.at;
    match kind {
        ComprehensionKind::All | ComprehensionKind::Exists | ComprehensionKind::ExistsOne => {
            Ok((checker.condition(body)?, Type::BOOL))
        }
        ComprehensionKind::List => checker.resolve(body).map(|(body, of)| (body, Type::list(of))),
        ComprehensionKind::Map => {
            checker.resolve(body).map(|(body, of)| (body, Type::map(key, of)))
        }
        ComprehensionKind::MapEntry => {
            let (body, of) = checker.resolve(body)?;
            let map = Type::map(checker.unifier.variable(), checker.unifier.variable());
            if checker.unifier.assign(&of, &map) {
                return Ok((body, checker.unifier.resolve(&map)));
            }
            Err(checker.error(at, "transformMapEntry() makes a map, as {key: value}"))
        }
    }
}

/// The types of a macro's variables.
fn element_types(
    checker: &mut TypeChecker<'_>,
    at: usize,
    range: &Type,
    variables: usize,
) -> Result<Vec<Type>, ExpressionError> {
    let types = match checker.unifier.resolve(range) {
        Type::List(element) if variables == 2 => vec![Type::INT, *element],
        Type::List(element) => vec![*element],
        Type::Map(key, value) => vec![*key, *value],
        range @ (Type::Dyn | Type::Variable(_)) => {
            checker.unifier.assign(&Type::Dyn, &range);
            vec![Type::Dyn, Type::Dyn]
        }
        other => {
            let message = format!("a macro walks over a list or a map, not {other}");
            return Err(checker.error(at, &message));
        }
    };
    Ok(types.into_iter().take(variables).collect())
}

fn map_optional(
    checker: &mut TypeChecker<'_>,
    at: usize,
    target: SyntaxTree,
    arguments: Vec<SyntaxTree>,
    flat: bool,
) -> CheckResult {
    let mut arguments = arguments.into_iter();
    let name = name_of(checker, arguments.next())?;
    let body = arguments.next().ok_or_else(|| ExpressionError::invalid("a macro has no body"))?;
    let (operand, of) = checker.resolve(target)?;
    let content = checker.unifier.variable();
    if !checker.unifier.assign(&of, &Type::optional(content.clone())) {
        return Err(checker.error(at, "optMap() and optFlatMap() apply to an optional value"));
    }
    // Of a value that is only known later, the content may be anything.
    let content = match checker.unifier.resolve(&content) {
        Type::Variable(_) if checker.unifier.resolve(&of) == Type::Dyn => Type::Dyn,
        content => content,
    };
    let (body, of) = checker.with_locals(vec![(name, content)], |checker| checker.resolve(body))?;
    let of = if flat {
        let none = Type::optional(checker.unifier.variable());
        checker.overload(at, "?:", &[of, none])?
    } else {
        Type::optional(of)
    };
    Ok((Node::OptMap { operand: Box::new(operand), body: Box::new(body), flat }, of))
}

fn sort_by(
    checker: &mut TypeChecker<'_>,
    at: usize,
    target: SyntaxTree,
    arguments: Vec<SyntaxTree>,
) -> CheckResult {
    let mut arguments = arguments.into_iter();
    let name = name_of(checker, arguments.next())?;
    let key = arguments.next().ok_or_else(|| {
        ExpressionError::invalid(
            "sortBy() needs a variable and a key, as in list.sortBy(x, x.name)",
        )
    })?;
    let (list, of) = checker.resolve(target)?;
    let types = element_types(checker, at, &of, 1)?;
    let locals = std::iter::once(name).zip(types).collect();
    let (key, key_type) = checker.with_locals(locals, |checker| checker.resolve(key))?;
    // The order is over the keys, so their type decides whether the list can be sorted.
    let of = checker.overload(at, "sortBy", &[of, Type::list(key_type)])?;
    Ok((Node::SortBy { list: Box::new(list), key: Box::new(key) }, of))
}

fn name_of(
    checker: &TypeChecker<'_>,
    argument: Option<SyntaxTree>,
) -> Result<String, ExpressionError> {
    let wrong = "the variable of a macro must be a simple name, as x in list.all(x, x > 0)";
    match argument.map(|argument| (argument.at, argument.kind)) {
        Some((_, SyntaxKind::Name(name))) => Ok(name),
        Some((at, _)) => Err(checker.error(at, wrong)),
        None => Err(ExpressionError::invalid(wrong)),
    }
}
