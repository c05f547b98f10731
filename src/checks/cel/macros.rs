//! The macros that the library's parser leaves as plain calls: two-variable comprehensions,
//! `optMap`, `optFlatMap` and `sortBy`.

use kube_cel::cel::common::ast::{CallExpr, Expr as Tree, IdedExpr};

use super::expression::ExpressionError;
use super::node::{Fold, FoldKind, Node};
use super::syntax::Resolver;

/// Expands a method call that is a macro; `None` when it is an ordinary call.
pub(super) fn expand(
    resolver: &mut Resolver<'_>,
    call: &mut CallExpr,
) -> Option<Result<Node, ExpressionError>> {
    let count = call.args.len();
    let fold = match call.func_name.as_str() {
        "optMap" | "optFlatMap" | "sortBy" if count == 2 => return with_target(resolver, call),
        "all" if count == 3 => FoldKind::All,
        "exists" if count == 3 => FoldKind::Exists,
        "existsOne" | "exists_one" if count == 3 => FoldKind::ExistsOne,
        "transformList" if count == 3 || count == 4 => FoldKind::List,
        "transformMap" if count == 3 || count == 4 => FoldKind::Map,
        "transformMapEntry" if count == 3 || count == 4 => FoldKind::MapEntry,
        _ => return None,
    };
    let range = *call.target.take()?;
    Some(two_variable_fold(resolver, fold, range, std::mem::take(&mut call.args)))
}

fn two_variable_fold(
    resolver: &mut Resolver<'_>,
    kind: FoldKind,
    range: IdedExpr,
    arguments: Vec<IdedExpr>,
) -> Result<Node, ExpressionError> {
    let mut arguments = arguments.into_iter();
    let names = vec![name_of(arguments.next())?, name_of(arguments.next())?];
    if names.first() == names.get(1) {
        return Err(ExpressionError::invalid(
            "the two variables of a macro must have different names",
        ));
    }
    let range = resolver.resolve(range)?;
    let body =
        arguments.next_back().ok_or_else(|| ExpressionError::invalid("a macro has no body"))?;
    let filter = arguments.next();
    resolver.with_locals(names, |resolver| {
        let filter = filter.map(|filter| resolver.resolve(filter)).transpose()?;
        let body = resolver.resolve(body)?;
        Ok(Node::Fold(Box::new(Fold { kind, range, two_variables: true, filter, body })))
    })
}

fn with_target(
    resolver: &mut Resolver<'_>,
    call: &mut CallExpr,
) -> Option<Result<Node, ExpressionError>> {
    let operand = *call.target.take()?;
    let mut arguments = std::mem::take(&mut call.args).into_iter();
    let (name, body) = (arguments.next(), arguments.next()?);
    let resolve = || {
        let name = name_of(name)?;
        let operand = resolver.boxed(operand)?;
        let body = resolver.with_locals(vec![name], |resolver| resolver.boxed(body))?;
        Ok((operand, body))
    };
    Some(resolve().map(|(operand, body)| match call.func_name.as_str() {
        "sortBy" => Node::SortBy { list: operand, key: body },
        name => Node::OptMap { operand, body, flat: name == "optFlatMap" },
    }))
}

fn name_of(argument: Option<IdedExpr>) -> Result<String, ExpressionError> {
    match argument.map(|argument| argument.expr) {
        Some(Tree::Ident(name)) => Ok(name),
        _ => Err(ExpressionError::invalid(
            "the variable of a macro must be a simple name, as x in list.all(x, x > 0)",
        )),
    }
}
