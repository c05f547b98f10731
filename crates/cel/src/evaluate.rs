//! Evaluation of a resolved expression, with the semantics of cel-go.
//!
//! An error is a value that `&&`, `||`, `all()` and `exists()` absorb when the other operands
//! decide; a spent budget is not, and ends the evaluation.

use std::collections::BTreeMap;

use super::node::{BinaryOperator, Comprehension, ComprehensionKind, Node};
use super::operators::{
    arithmetic, as_bool, compare, contains, entries, equal, has, index_of, insert, map_key, negate,
    no_overload, select, sort,
};
use super::value::{self, Value, ValueKey, ValueKind, optional, weight};

/// Why evaluation yields no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EvaluationError {
    /// The expression does not fit this object: an absent field, a wrong type. It has no value for
    /// the API server either.
    NoValue(String),
    /// It may have a value, which is not known here, and why.
    Refused(String),
    /// The budget is spent.
    Exhausted,
}

impl EvaluationError {
    pub fn no_value(message: impl Into<String>) -> Self {
        Self::NoValue(message.into())
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    /// What remains of two errors when neither is absorbed: what is not known here might have
    /// absorbed the error.
    fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::NoValue(_), Self::Refused(_)) => other,
            _ => self,
        }
    }
}

pub(super) type ValueResult = Result<Value, EvaluationError>;

/// The evaluation of one program's expressions on one object.
pub(super) struct Evaluator<'a> {
    object: &'a Value,
    request: &'a Value,
    variables: &'a [&'a Node],
    /// The values of `variables`, by index; None until they are first read.
    computed: Vec<Option<ValueResult>>,
    /// The variables of the macros that are running, the innermost last, as the type checker
    /// numbered them.
    locals: Vec<ValueResult>,
    steps_left: u64,
}

impl<'a> Evaluator<'a> {
    pub fn new(
        object: &'a Value,
        request: &'a Value,
        variables: &'a [&'a Node],
        steps: u64,
    ) -> Self {
        let computed = vec![None; variables.len()];
        Self { object, request, variables, computed, locals: Vec::new(), steps_left: steps }
    }

    /// Takes steps from the budget. Called before the work it pays for, so that an expression cannot
    /// do more than the budget allows in one step.
    pub fn charge(&mut self, steps: u64) -> Result<(), EvaluationError> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(EvaluationError::Exhausted)
    }

    fn charge_walk(&mut self, value: &Value) -> Result<(), EvaluationError> {
        let steps = weight(value, self.steps_left.saturating_add(1));
        self.charge(steps)
    }

    pub fn eval(&mut self, node: &Node) -> ValueResult {
        self.charge(1)?;
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Object => Ok(self.object.clone()),
            // Of a CREATE, which is the request that is simulated, there is no old object.
            Node::OldObject => Ok(Value::Null),
            Node::Request => Ok(self.request.clone()),
            Node::Variable(index) => self.variable(*index),
            Node::Local(position) => self
                .locals
                .get(*position)
                .cloned()
                .unwrap_or_else(|| Err(EvaluationError::no_value("unknown local variable"))),
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
            Node::And(terms) => self.logical(terms, false),
            Node::Or(terms) => self.logical(terms, true),
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
                // One more than is left is enough to exhaust the budget: weighing stops there.
                let cost = call.cost(&operands, self.steps_left.saturating_add(1));
                self.charge(cost)?;
                call.run(&operands)
            }
            Node::Comprehension(comprehension) => self.comprehension(comprehension),
            Node::OrElse { operand, alternative, unwrap } => match self.eval(operand)? {
                Value::Optional(None) => self.eval(alternative),
                Value::Optional(Some(content)) if *unwrap => Ok(Value::clone(&content)),
                // What is no optional has a value.
                other => Ok(other),
            },
            Node::OptMap { operand, body, flat } => self.map_optional(operand, body, *flat),
            Node::SortBy { list, key } => self.sort_by(list, key),
        }
    }

    /// Evaluates to a value or an error that may still be absorbed.
    fn contained(&mut self, node: &Node) -> Result<ValueResult, EvaluationError> {
        match self.eval(node) {
            // Were it absorbed, `expensive || true` would go on for free.
            Err(EvaluationError::Exhausted) => Err(EvaluationError::Exhausted),
            evaluated => Ok(evaluated),
        }
    }

    fn boolean(&mut self, node: &Node) -> Result<bool, EvaluationError> {
        as_bool(&self.eval(node)?)
    }

    fn with_locals<T, const N: usize>(
        &mut self,
        values: [ValueResult; N],
        evaluate: impl FnOnce(&mut Self) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let outer = self.locals.len();
        self.locals.extend(values);
        let evaluated = evaluate(self);
        self.locals.truncate(outer);
        evaluated
    }

    /// Variables are evaluated when first read, and once.
    fn variable(&mut self, index: usize) -> ValueResult {
        // Errors are kept, too: the expression would only fail again, at the same cost.
        if let Some(Some(evaluated)) = self.computed.get(index) {
            return evaluated.clone();
        }
        let node = self
            .variables
            .get(index)
            .ok_or_else(|| EvaluationError::no_value("unknown variable"))?;
        // A variable is declared outside of the macro that reads it, and does not see its locals.
        let locals = std::mem::take(&mut self.locals);
        let evaluated = self.eval(node);
        self.locals = locals;
        if let Some(slot) = self.computed.get_mut(index) {
            *slot = Some(evaluated.clone());
        }
        evaluated
    }

    /// `&&` and `||`: the deciding value wins over an error in another term.
    fn logical(&mut self, terms: &[Node], deciding: bool) -> ValueResult {
        let mut error: Option<EvaluationError> = None;
        // Every term is evaluated until one decides: `error || true` is true for cel-go.
        for term in terms {
            match self.contained(term)?.and_then(|value| as_bool(&value)) {
                Ok(value) if value == deciding => return Ok(Value::Bool(deciding)),
                Ok(_) => {}
                Err(found) => {
                    error = Some(match error {
                        Some(earlier) => earlier.or(found),
                        None => found,
                    });
                }
            }
        }
        error.map_or(Ok(Value::Bool(!deciding)), Err)
    }

    fn binary(&mut self, operator: BinaryOperator, left: &Node, right: &Node) -> ValueResult {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        match operator {
            BinaryOperator::Equal | BinaryOperator::NotEqual => {
                // Values of different kinds are told apart without a walk.
                if ValueKind::of(&left) == ValueKind::of(&right) {
                    self.charge_walk(&left)?;
                }
                match equal(&left, &right) {
                    Ok(equal) => Ok(Value::Bool(equal == (operator == BinaryOperator::Equal))),
                    // What cannot be compared is an error to `==`, and unequal to `!=`.
                    Err(EvaluationError::NoValue(_)) if operator == BinaryOperator::NotEqual => {
                        Ok(Value::Bool(true))
                    }
                    Err(error) => Err(error),
                }
            }
            BinaryOperator::In => {
                self.charge_search(&right)?;
                contains(&right, &left).map(Value::Bool)
            }
            BinaryOperator::Less
            | BinaryOperator::LessOrEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterOrEqual => {
                self.charge_walk(&left)?;
                let ordering = compare(&left, &right)?;
                Ok(Value::Bool(match operator {
                    BinaryOperator::Less => ordering.is_lt(),
                    BinaryOperator::LessOrEqual => ordering.is_le(),
                    BinaryOperator::Greater => ordering.is_gt(),
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
                arithmetic(operator, &left, &right)
            }
        }
    }

    fn charge_search(&mut self, container: &Value) -> Result<(), EvaluationError> {
        if let Value::List(_) = container { self.charge_walk(container) } else { Ok(()) }
    }

    fn list(&mut self, elements: &[(Node, bool)]) -> ValueResult {
        let mut items = Vec::with_capacity(elements.len());
        for (element, is_optional) in elements {
            let item = self.eval(element)?;
            if *is_optional {
                let Value::Optional(content) = &item else {
                    return Err(no_overload("? before an element", &item));
                };
                items.extend(content.as_deref().cloned());
            } else {
                items.push(item);
            }
        }
        Ok(value::list(items))
    }

    fn map(&mut self, entries: &[(Node, Node, bool)]) -> ValueResult {
        let mut map = BTreeMap::new();
        for (key, entry, is_optional) in entries {
            let key = self.eval(key)?;
            let mut item = self.eval(entry)?;
            if *is_optional {
                match &item {
                    Value::Optional(Some(content)) => item = Value::clone(content),
                    // It also takes an earlier entry away.
                    Value::Optional(None) => {
                        map.remove(&map_key(key)?);
                        continue;
                    }
                    other => return Err(no_overload("? before a key", other)),
                }
            }
            // Unlike a macro, a literal may repeat a key; the last wins.
            map.insert(map_key(key)?, item);
        }
        Ok(value::map(map.into_iter().collect()))
    }

    fn comprehension(&mut self, comprehension: &Comprehension) -> ValueResult {
        let range = self.eval(&comprehension.range)?;
        let elements = elements(&range, comprehension.two_variables)?;
        self.charge(length(elements.len()))?;
        let mut result = Accumulator::new(comprehension.kind);
        for (first, second) in elements {
            let outer = self.locals.len();
            // Pushed by hand: the body is evaluated in `comprehension_step`, which may absorb its error.
            self.locals.push(Ok(first.clone()));
            if let Some(second) = second {
                self.locals.push(Ok(second));
            }
            let step = self.comprehension_step(comprehension, first, &mut result);
            self.locals.truncate(outer);
            // The locals are gone before an error leaves, since `||` around may go on.
            if step? {
                break;
            }
        }
        result.finish()
    }

    /// Adds one element to the result; true when the rest cannot change it.
    fn comprehension_step(
        &mut self,
        comprehension: &Comprehension,
        key: Value,
        result: &mut Accumulator,
    ) -> Result<bool, EvaluationError> {
        if let Some(filter) = &comprehension.filter
            && !self.boolean(filter)?
        {
            return Ok(false);
        }
        match result {
            Accumulator::Quantifier { deciding, decided, error } => {
                match self.contained(&comprehension.body)?.and_then(|value| as_bool(&value)) {
                    Ok(value) => *decided = value == *deciding,
                    Err(found) => {
                        *error = Some(match error.take() {
                            Some(earlier) => earlier.or(found),
                            None => found,
                        });
                    }
                }
                Ok(*decided)
            }
            Accumulator::Count(count) => {
                *count += u64::from(self.boolean(&comprehension.body)?);
                Ok(false)
            }
            Accumulator::List(items) => {
                items.push(self.eval(&comprehension.body)?);
                Ok(false)
            }
            Accumulator::Map(map) if comprehension.kind == ComprehensionKind::MapEntry => {
                let entry = self.eval(&comprehension.body)?;
                let Value::Map(entry) = &entry else {
                    return Err(no_overload("transformMapEntry", &entry));
                };
                // Of the maker's choosing, so that a repeated one is an error.
                let entries = entries(entry)?;
                self.charge(length(entries.len()))?;
                for (key, value) in entries {
                    insert(map, Value::from(key), value.clone())?;
                }
                Ok(false)
            }
            Accumulator::Map(map) => {
                let item = self.eval(&comprehension.body)?;
                // The key of the entry, or the index of the element: no two are the same.
                insert(map, key, item)?;
                Ok(false)
            }
        }
    }

    fn map_optional(&mut self, operand: &Node, body: &Node, flat: bool) -> ValueResult {
        let operand = self.eval(operand)?;
        let Value::Optional(content) = &operand else {
            return Err(no_overload(if flat { "optFlatMap" } else { "optMap" }, &operand));
        };
        let Some(content) = content.as_deref().cloned() else { return Ok(optional(None)) };
        let mapped = self.with_locals([Ok(content)], |evaluator| evaluator.eval(body))?;
        Ok(if flat { mapped } else { optional(Some(mapped)) })
    }

    fn sort_by(&mut self, list: &Node, key: &Node) -> ValueResult {
        let list = self.eval(list)?;
        let Value::List(items) = &list else { return Err(no_overload("sortBy", &list)) };
        // A sort compares each element some log2(n) times; 16 is that of 65,536 elements.
        self.charge(length(items.len()).saturating_mul(16))?;
        let mut keyed = Vec::with_capacity(items.len());
        for item in items.iter() {
            let key = self.with_locals([Ok(item.clone())], |evaluator| evaluator.eval(key))?;
            keyed.push((key, item.clone()));
        }
        sort(keyed).map(value::list)
    }
}

/// What a comprehension has found so far.
enum Accumulator {
    /// `all()` and `exists()`: one body that is `deciding` decides, and then no error counts.
    Quantifier {
        deciding: bool,
        decided: bool,
        error: Option<EvaluationError>,
    },
    /// `exists_one()`, which absorbs no error: it has to count them all.
    Count(u64),
    List(Vec<Value>),
    Map(BTreeMap<ValueKey, Value>),
}

impl Accumulator {
    fn new(kind: ComprehensionKind) -> Self {
        match kind {
            ComprehensionKind::All => {
                Self::Quantifier { deciding: false, decided: false, error: None }
            }
            ComprehensionKind::Exists => {
                Self::Quantifier { deciding: true, decided: false, error: None }
            }
            ComprehensionKind::ExistsOne => Self::Count(0),
            ComprehensionKind::List => Self::List(Vec::new()),
            ComprehensionKind::Map | ComprehensionKind::MapEntry => Self::Map(BTreeMap::new()),
        }
    }

    fn finish(self) -> ValueResult {
        match self {
            Self::Quantifier { deciding, decided: true, .. } => Ok(Value::Bool(deciding)),
            Self::Quantifier { error: Some(error), .. } => Err(error),
            Self::Quantifier { deciding, .. } => Ok(Value::Bool(!deciding)),
            Self::Count(count) => Ok(Value::Bool(count == 1)),
            Self::List(items) => Ok(value::list(items)),
            Self::Map(map) => Ok(value::map(map.into_iter().collect())),
        }
    }
}

/// What a macro walks over: elements, or keys in their order, so that messages do not vary.
fn elements(
    range: &Value,
    two_variables: bool,
) -> Result<Vec<(Value, Option<Value>)>, EvaluationError> {
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
            let entry = |(key, item): &(ValueKey, Value)| {
                (Value::from(key), two_variables.then(|| item.clone()))
            };
            Ok(entries(map)?.iter().map(entry).collect())
        }
        _ => Err(no_overload("a macro such as all()", range)),
    }
}

fn length(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
