//! Evaluation of a resolved expression, with the semantics of cel-go.
//!
//! An error is a value that `&&`, `||`, `all()` and `exists()` absorb when the other operands
//! decide; a spent budget is not, and ends the evaluation.

use std::collections::HashMap;

use kube_cel::cel::objects::Key;

use super::node::{Fold, FoldKind, Node, Operator};
use super::operators::{
    arithmetic, as_bool, compare, contains, has, index_of, insert, map_key, negate, no_overload,
    select, sort,
};
use super::value::{self, Kind, Value, as_optional, optional, weight};

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The expression does not fit this object: an absent field, a wrong type.
    Error(String),
    /// The budget is spent.
    Exhausted,
}

impl Fault {
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error(message.into())
    }
}

pub(super) type Evaluated = Result<Value, Fault>;

/// The evaluation of one program's expressions on one object.
pub(super) struct Evaluation<'a> {
    object: &'a Value,
    request: &'a Value,
    variables: &'a [&'a Node],
    computed: Vec<Option<Evaluated>>,
    locals: Vec<Evaluated>,
    steps_left: u64,
}

impl<'a> Evaluation<'a> {
    pub fn new(
        object: &'a Value,
        request: &'a Value,
        variables: &'a [&'a Node],
        steps: u64,
    ) -> Self {
        let computed = vec![None; variables.len()];
        Self { object, request, variables, computed, locals: Vec::new(), steps_left: steps }
    }

    /// Takes steps from the budget.
    pub fn charge(&mut self, steps: u64) -> Result<(), Fault> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Fault::Exhausted)
    }

    fn charge_walk(&mut self, value: &Value) -> Result<(), Fault> {
        let steps = weight(value, self.steps_left.saturating_add(1));
        self.charge(steps)
    }

    pub fn eval(&mut self, node: &Node) -> Evaluated {
        self.charge(1)?;
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Object => Ok(self.object.clone()),
            Node::OldObject => Ok(Value::Null),
            Node::Request => Ok(self.request.clone()),
            Node::Variable(index) => self.variable(*index),
            Node::Local(position) => self
                .locals
                .get(*position)
                .cloned()
                .unwrap_or_else(|| Err(Fault::error("unknown local variable"))),
            Node::Select { operand, field, optional } => {
                let operand = self.eval(operand)?;
                select(&operand, field, *optional)
            }
            Node::Has { operand, field } => {
                let operand = self.eval(operand)?;
                has(&operand, field)
            }
            Node::Index { operand, index, optional } => {
                let operand = self.eval(operand)?;
                let index = self.eval(index)?;
                index_of(&operand, &index, *optional)
            }
            Node::And(left, right) => self.logical(left, right, false),
            Node::Or(left, right) => self.logical(left, right, true),
            Node::Not(operand) => self.boolean(operand).map(|value| Value::Bool(!value)),
            Node::Negate(operand) => negate(&self.eval(operand)?),
            Node::Conditional(parts) => {
                let [condition, yes, no] = parts.as_ref();
                if self.boolean(condition)? { self.eval(yes) } else { self.eval(no) }
            }
            Node::Binary(operator, left, right) => self.binary(*operator, left, right),
            Node::List(elements) => self.list(elements),
            Node::Map(entries) => self.map(entries),
            Node::Call(call) => {
                let operands = call
                    .operands
                    .iter()
                    .map(|operand| self.eval(operand))
                    .collect::<Result<Vec<_>, _>>()?;
                let cost = call.cost(&operands, self.steps_left.saturating_add(1));
                self.charge(cost)?;
                call.run(operands)
            }
            Node::Fold(fold) => self.fold(fold),
            Node::OptMap { operand, body, flat } => self.map_optional(operand, body, *flat),
            Node::SortBy { list, key } => self.sort_by(list, key),
        }
    }

    /// Evaluates to a value or an error that may still be absorbed.
    fn contained(&mut self, node: &Node) -> Result<Evaluated, Fault> {
        match self.eval(node) {
            Err(Fault::Exhausted) => Err(Fault::Exhausted),
            evaluated => Ok(evaluated),
        }
    }

    fn boolean(&mut self, node: &Node) -> Result<bool, Fault> {
        as_bool(&self.eval(node)?)
    }

    fn with_locals<T, const N: usize>(
        &mut self,
        values: [Evaluated; N],
        evaluate: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let outer = self.locals.len();
        self.locals.extend(values);
        let evaluated = evaluate(self);
        self.locals.truncate(outer);
        evaluated
    }

    /// Variables are evaluated when first read, and once.
    fn variable(&mut self, index: usize) -> Evaluated {
        if let Some(Some(evaluated)) = self.computed.get(index) {
            return evaluated.clone();
        }
        let node = self.variables.get(index).ok_or_else(|| Fault::error("unknown variable"))?;
        let locals = std::mem::take(&mut self.locals);
        let evaluated = self.eval(node);
        self.locals = locals;
        if let Some(slot) = self.computed.get_mut(index) {
            *slot = Some(evaluated.clone());
        }
        evaluated
    }

    /// `&&` and `||`: the deciding value wins over an error on the other side.
    fn logical(&mut self, left: &Node, right: &Node, deciding: bool) -> Evaluated {
        let left = self.contained(left)?.and_then(|value| as_bool(&value));
        if left == Ok(deciding) {
            return Ok(Value::Bool(deciding));
        }
        let right = self.contained(right)?.and_then(|value| as_bool(&value));
        match (left, right) {
            (_, Ok(right)) if right == deciding => Ok(Value::Bool(deciding)),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
            (Ok(_), Ok(_)) => Ok(Value::Bool(!deciding)),
        }
    }

    fn binary(&mut self, operator: Operator, left: &Node, right: &Node) -> Evaluated {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        match operator {
            Operator::Equal | Operator::NotEqual => {
                if Kind::of(&left) == Kind::of(&right) {
                    self.charge_walk(&left)?;
                }
                Ok(Value::Bool((left == right) == (operator == Operator::Equal)))
            }
            Operator::In => {
                self.charge_search(&right)?;
                contains(&right, &left).map(Value::Bool)
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                self.charge_walk(&left)?;
                let ordering = compare(&left, &right)?;
                Ok(Value::Bool(match operator {
                    Operator::Less => ordering.is_lt(),
                    Operator::LessOrEqual => ordering.is_le(),
                    Operator::Greater => ordering.is_gt(),
                    _ => ordering.is_ge(),
                }))
            }
            _ => {
                // A sum of lists shares the elements, so only the outer list is copied.
                if let (Value::List(left), Value::List(right)) = (&left, &right) {
                    self.charge(length(left.len()) + length(right.len()))?;
                } else if let (Value::String(_), Value::String(_)) = (&left, &right) {
                    self.charge_walk(&left)?;
                    self.charge_walk(&right)?;
                }
                arithmetic(operator, left, right)
            }
        }
    }

    fn charge_search(&mut self, container: &Value) -> Result<(), Fault> {
        if let Value::List(_) = container { self.charge_walk(container) } else { Ok(()) }
    }

    fn list(&mut self, elements: &[(Node, bool)]) -> Evaluated {
        let mut items = Vec::with_capacity(elements.len());
        for (element, is_optional) in elements {
            let item = self.eval(element)?;
            if *is_optional {
                let content =
                    as_optional(&item).ok_or_else(|| no_overload("? before an element", &item))?;
                items.extend(content.cloned());
            } else {
                items.push(item);
            }
        }
        Ok(value::list(items))
    }

    fn map(&mut self, entries: &[(Node, Node, bool)]) -> Evaluated {
        let mut map = HashMap::with_capacity(entries.len());
        for (key, entry, is_optional) in entries {
            let key = self.eval(key)?;
            let mut item = self.eval(entry)?;
            if *is_optional {
                match as_optional(&item).map(Option::<&Value>::cloned) {
                    Some(Some(content)) => item = content,
                    Some(None) => continue,
                    None => return Err(no_overload("? before a key", &item)),
                }
            }
            // Unlike a macro, a literal may repeat a key; the last wins.
            map.insert(map_key(key)?, item);
        }
        Ok(value::map(map))
    }

    fn fold(&mut self, fold: &Fold) -> Evaluated {
        let range = self.eval(&fold.range)?;
        let elements = elements(&range, fold.two_variables)?;
        self.charge(length(elements.len()))?;
        let mut result = Accumulator::new(fold.kind);
        for (first, second) in elements {
            let outer = self.locals.len();
            self.locals.push(Ok(first.clone()));
            if let Some(second) = second {
                self.locals.push(Ok(second));
            }
            let step = self.fold_step(fold, first, &mut result);
            self.locals.truncate(outer);
            if step? {
                break;
            }
        }
        result.finish()
    }

    /// Adds one element to the result; true when the rest cannot change it.
    fn fold_step(
        &mut self,
        fold: &Fold,
        key: Value,
        result: &mut Accumulator,
    ) -> Result<bool, Fault> {
        if let Some(filter) = &fold.filter
            && !self.boolean(filter)?
        {
            return Ok(false);
        }
        match result {
            Accumulator::Quantifier { deciding, decided, error } => {
                match self.contained(&fold.body)?.and_then(|value| as_bool(&value)) {
                    Ok(value) => *decided = value == *deciding,
                    Err(fault) => *error = error.take().or(Some(fault)),
                }
                Ok(*decided)
            }
            Accumulator::Count(count) => {
                *count += u64::from(self.boolean(&fold.body)?);
                Ok(false)
            }
            Accumulator::List(items) => {
                items.push(self.eval(&fold.body)?);
                Ok(false)
            }
            Accumulator::Map(map) if fold.kind == FoldKind::MapEntry => {
                let entry = self.eval(&fold.body)?;
                let Value::Map(entry) = &entry else {
                    return Err(no_overload("transformMapEntry", &entry));
                };
                self.charge(length(entry.map.len()))?;
                for (key, value) in entry.map.iter() {
                    insert(map, Value::from(key), value.clone())?;
                }
                Ok(false)
            }
            Accumulator::Map(map) => {
                let item = self.eval(&fold.body)?;
                insert(map, key, item)?;
                Ok(false)
            }
        }
    }

    fn map_optional(&mut self, operand: &Node, body: &Node, flat: bool) -> Evaluated {
        let operand = self.eval(operand)?;
        let Some(content) = as_optional(&operand) else {
            return Err(no_overload(if flat { "optFlatMap" } else { "optMap" }, &operand));
        };
        let Some(content) = content.cloned() else { return Ok(optional(None)) };
        let mapped = self.with_locals([Ok(content)], |evaluation| evaluation.eval(body))?;
        match (flat, as_optional(&mapped)) {
            (false, _) => Ok(optional(Some(mapped))),
            (true, Some(_)) => Ok(mapped),
            (true, None) => Err(no_overload("optFlatMap", &mapped)),
        }
    }

    fn sort_by(&mut self, list: &Node, key: &Node) -> Evaluated {
        let list = self.eval(list)?;
        let Value::List(items) = &list else { return Err(no_overload("sortBy", &list)) };
        let mut keyed = Vec::with_capacity(items.len());
        for item in items.iter() {
            let key = self.with_locals([Ok(item.clone())], |evaluation| evaluation.eval(key))?;
            keyed.push((key, item.clone()));
        }
        sort(&mut keyed).map(|()| value::list(keyed.into_iter().map(|(_, item)| item).collect()))
    }
}

enum Accumulator {
    Quantifier { deciding: bool, decided: bool, error: Option<Fault> },
    Count(u64),
    List(Vec<Value>),
    Map(HashMap<Key, Value>),
}

impl Accumulator {
    fn new(kind: FoldKind) -> Self {
        match kind {
            FoldKind::All => Self::Quantifier { deciding: false, decided: false, error: None },
            FoldKind::Exists => Self::Quantifier { deciding: true, decided: false, error: None },
            FoldKind::ExistsOne => Self::Count(0),
            FoldKind::List => Self::List(Vec::new()),
            FoldKind::Map | FoldKind::MapEntry => Self::Map(HashMap::new()),
        }
    }

    fn finish(self) -> Evaluated {
        match self {
            Self::Quantifier { deciding, decided: true, .. } => Ok(Value::Bool(deciding)),
            Self::Quantifier { error: Some(fault), .. } => Err(fault),
            Self::Quantifier { deciding, .. } => Ok(Value::Bool(!deciding)),
            Self::Count(count) => Ok(Value::Bool(count == 1)),
            Self::List(items) => Ok(value::list(items)),
            Self::Map(map) => Ok(value::map(map)),
        }
    }
}

/// What a macro walks over: elements, or keys in their order, so that messages do not vary.
fn elements(range: &Value, two_variables: bool) -> Result<Vec<(Value, Option<Value>)>, Fault> {
    match range {
        Value::List(items) if two_variables => Ok(items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                (Value::Int(i64::try_from(index).unwrap_or(i64::MAX)), Some(item.clone()))
            })
            .collect()),
        Value::List(items) => Ok(items.iter().map(|item| (item.clone(), None)).collect()),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entry = |(key, item): (&Key, &Value)| {
                (Value::from(key), two_variables.then(|| item.clone()))
            };
            Ok(entries.into_iter().map(entry).collect())
        }
        _ => Err(no_overload("a macro such as all()", range)),
    }
}

fn length(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
