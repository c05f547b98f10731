//! Types, as far as an expression shows them before it is evaluated: the API server refuses an
//! expression whose types cannot fit.

use std::fmt;

use super::value::ValueKind;

/// A type with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Anything: what the object holds.
    Dyn,
    /// A type without parameters.
    Plain(ValueKind),
    /// The type of `type(x)`.
    Meta(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    Message(Message),
    /// A type that is not known yet.
    Variable(usize),
    /// A parameter of a declaration, which every call replaces by a variable of its own.
    Parameter(char),
}

/// A record with declared fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Request,
    GroupVersionKind,
    GroupVersionResource,
}

impl Message {
    /// The type of a field; `None` when the record has no such field.
    pub fn field(self, name: &str) -> Option<Type> {
        Some(match (self, name) {
            (Self::Request, "kind" | "requestKind") => Type::Message(Self::GroupVersionKind),
            (Self::Request, "resource" | "requestResource") => {
                Type::Message(Self::GroupVersionResource)
            }
            (Self::Request, "dryRun") => Type::Plain(ValueKind::Bool),
            (
                Self::Request,
                "subResource" | "requestSubResource" | "name" | "namespace" | "operation",
            )
            | (Self::GroupVersionKind, "group" | "version" | "kind")
            | (Self::GroupVersionResource, "group" | "version" | "resource") => {
                Type::Plain(ValueKind::String)
            }
            _ => return None,
        })
    }
}

impl Type {
    pub const BOOL: Self = Self::Plain(ValueKind::Bool);
    pub const INT: Self = Self::Plain(ValueKind::Int);
    pub const STRING: Self = Self::Plain(ValueKind::String);

    pub fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub fn optional(content: Self) -> Self {
        Self::Optional(Box::new(content))
    }

    /// Reads a type of a declaration, such as `map<A,list<string>>`.
    pub fn parse(text: &str) -> Self {
        let (name, parameters) = match text.split_once('<') {
            Some((name, rest)) => (name, rest.strip_suffix('>').unwrap_or(rest)),
            None => (text, ""),
        };
        let parameters = split_types(parameters);
        let parameter = |index: usize| {
            Box::new(parameters.get(index).map_or(Self::Dyn, |text| Self::parse(text)))
        };
        let plain = |wanted: &str| {
            let short = |kind: &ValueKind| kind.name().rsplit('.').next().unwrap_or("");
            ValueKind::ALL.into_iter().find(|kind| short(kind).eq_ignore_ascii_case(wanted))
        };
        match name {
            "dyn" => Self::Dyn,
            "list" => Self::List(parameter(0)),
            "map" => Self::Map(parameter(0), parameter(1)),
            "optional" => Self::Optional(parameter(0)),
            "type" => Self::Meta(parameter(0)),
            "null" => Self::Plain(ValueKind::Null),
            "format" => Self::Plain(ValueKind::Format),
            name => match (plain(name), name.chars().next()) {
                (Some(kind), _) => Self::Plain(kind),
                (None, first) => Self::Parameter(first.unwrap_or('A')),
            },
        }
    }

    /// The kind of its values; `None` when that is not known.
    pub fn kind(&self) -> Option<ValueKind> {
        Some(match self {
            Self::Plain(kind) => *kind,
            Self::Meta(_) => ValueKind::Type,
            Self::List(_) => ValueKind::List,
            Self::Map(..) | Self::Message(_) => ValueKind::Map,
            Self::Optional(_) => ValueKind::Optional,
            Self::Dyn | Self::Variable(_) | Self::Parameter(_) => return None,
        })
    }

    /// The type that a variable of a policy has: what is neither a plain type nor a list or a
    /// map of such is anything.
    pub fn of_variable(&self) -> Self {
        match self {
            Self::Plain(
                ValueKind::Null
                | ValueKind::Bool
                | ValueKind::Int
                | ValueKind::Uint
                | ValueKind::Double
                | ValueKind::String
                | ValueKind::Bytes
                | ValueKind::Timestamp
                | ValueKind::Duration,
            ) => self.clone(),
            Self::List(element) => Self::list(element.of_variable()),
            Self::Map(key, value) => Self::map(key.of_variable(), value.of_variable()),
            _ => Self::Dyn,
        }
    }

    fn parameters(&self) -> Vec<&Self> {
        match self {
            Self::List(inner) | Self::Optional(inner) | Self::Meta(inner) => vec![inner],
            Self::Map(key, value) => vec![key, value],
            _ => Vec::new(),
        }
    }

    /// The type with every part replaced.
    fn map_parts(&self, replace: &mut impl FnMut(&Self) -> Self) -> Self {
        match self {
            Self::List(inner) => Self::list(replace(inner)),
            Self::Optional(inner) => Self::optional(replace(inner)),
            Self::Meta(inner) => Self::Meta(Box::new(replace(inner))),
            Self::Map(key, value) => Self::map(replace(key), replace(value)),
            other => other.clone(),
        }
    }
}

/// Splits `A,map<B,C>` at the outer comma.
pub(super) fn split_types(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..).filter(|part| !part.is_empty()));
    parts
}

impl fmt::Display for Type {
    fn fmt(&self, output: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn | Self::Variable(_) | Self::Parameter(_) => output.write_str("any"),
            Self::Plain(kind) => output.write_str(kind.name()),
            Self::Meta(_) => output.write_str("type"),
            Self::List(element) => write!(output, "list({element})"),
            Self::Map(key, value) => write!(output, "map({key}, {value})"),
            Self::Optional(content) => write!(output, "optional({content})"),
            Self::Message(_) => output.write_str("a part of the request"),
        }
    }
}

/// What is known of the types that were not known at first.
#[derive(Debug, Default)]
pub(super) struct Unifier {
    bound: Vec<Option<Type>>,
    /// What was changed, and what was there before: for taking it back.
    trail: Vec<(usize, Option<Type>)>,
}

impl Unifier {
    pub fn variable(&mut self) -> Type {
        self.bound.push(None);
        Type::Variable(self.bound.len() - 1)
    }

    fn find(&self, variable: usize) -> Option<&Type> {
        self.bound.get(variable).and_then(Option::as_ref)
    }

    fn bind(&mut self, variable: usize, bound: Type) {
        if let Some(slot) = self.bound.get_mut(variable) {
            self.trail.push((variable, slot.replace(bound)));
        }
    }

    /// Does something, and undoes what it learned when it fails.
    fn attempt(&mut self, attempt: impl FnOnce(&mut Self) -> bool) -> bool {
        let start = self.trail.len();
        // A variable that is bound before the mismatch is found would decide later calls.
        if attempt(self) {
            return true;
        }
        while self.trail.len() > start {
            if let Some((variable, before)) = self.trail.pop()
                && let Some(slot) = self.bound.get_mut(variable)
            {
                *slot = before;
            }
        }
        false
    }

    /// Whether a value of one type may stand where another is wanted.
    pub fn assign(&mut self, from: &Type, to: &Type) -> bool {
        self.attempt(|unifier| unifier.fits(from, to))
    }

    /// Whether all of one list may stand where those of another are wanted.
    pub fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        from.len() == to.len()
            && self.attempt(|unifier| from.iter().zip(to).all(|(from, to)| unifier.fits(from, to)))
    }

    /// In the order of cel-go's `internalIsAssignable`: another order binds other variables.
    fn fits(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Variable(variable) = to {
            // A variable that is still open may yet be bound from the other side.
            let (fits, was_known) = self.substitutes(from, *variable);
            if fits || was_known {
                return fits;
            }
        }
        if let Type::Variable(variable) = from {
            return self.substitutes(to, *variable).0;
        }
        match (from, to) {
            (Type::Dyn, _) | (_, Type::Dyn) | (Type::Meta(_), Type::Meta(_)) => true,
            (Type::Plain(ValueKind::Null), other) | (other, Type::Plain(ValueKind::Null)) => {
                is_nullable(other)
            }
            (Type::Plain(from), Type::Plain(to)) => from == to,
            (Type::Message(from), Type::Message(to)) => from == to,
            (Type::List(from), Type::List(to)) | (Type::Optional(from), Type::Optional(to)) => {
                self.fits(from, to)
            }
            (Type::Map(key, value), Type::Map(to_key, to_value)) => {
                self.fits(key, to_key) && self.fits(value, to_value)
            }
            _ => false,
        }
    }

    /// Whether a variable may stand for a type, and whether it was known before.
    fn substitutes(&mut self, of: &Type, variable: usize) -> (bool, bool) {
        if *of == Type::Variable(variable) {
            return (true, true);
        }
        if let Some(known) = self.find(variable).cloned() {
            if *of == known {
                return (true, true);
            }
            if self.fits(of, &known) {
                let general = most_general(of, &known).clone();
                // A type that held itself would never end when it is resolved.
                if !self.occurs(variable, &general) {
                    self.bind(variable, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.occurs(variable, of) {
            return (false, false);
        }
        self.bind(variable, of.clone());
        (true, false)
    }

    fn occurs(&self, variable: usize, within: &Type) -> bool {
        match within {
            Type::Variable(other) if *other == variable => true,
            Type::Variable(other) => {
                self.find(*other).is_some_and(|bound| self.occurs(variable, bound))
            }
            other => other.parameters().into_iter().any(|part| self.occurs(variable, part)),
        }
    }

    /// The type with all that is known filled in.
    pub fn resolve(&self, of: &Type) -> Type {
        match of {
            Type::Variable(variable) => {
                self.find(*variable).map_or_else(|| of.clone(), |bound| self.resolve(bound))
            }
            other => other.map_parts(&mut |part| self.resolve(part)),
        }
    }

    /// The type when all is known: what is still open may be anything.
    pub fn final_type(&self, of: &Type) -> Type {
        match self.resolve(of) {
            Type::Variable(_) => Type::Dyn,
            other => other.map_parts(&mut |part| self.final_type(part)),
        }
    }

    /// A declared type for one call: its parameters become new variables.
    pub fn instance(&mut self, declared: &Type, variables: &mut Vec<(char, Type)>) -> Type {
        if let Type::Parameter(name) = declared {
            if let Some((_, variable)) = variables.iter().find(|(known, _)| known == name) {
                return variable.clone();
            }
            let variable = self.variable();
            variables.push((*name, variable.clone()));
            return variable;
        }
        declared.map_parts(&mut |part| self.instance(part, variables))
    }
}

/// The types that null may stand for.
fn is_nullable(of: &Type) -> bool {
    match of {
        Type::Plain(kind) => !matches!(
            kind,
            ValueKind::Bool
                | ValueKind::Int
                | ValueKind::Uint
                | ValueKind::Double
                | ValueKind::String
                | ValueKind::Bytes
        ),
        Type::Optional(_) | Type::Message(_) => true,
        _ => false,
    }
}

/// The more general of two types that fit each other.
pub(super) fn most_general<'a>(left: &'a Type, right: &'a Type) -> &'a Type {
    if is_less_specific(left, right) { left } else { right }
}

fn is_less_specific(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Dyn | Type::Variable(_), _) | (Type::Meta(_), Type::Meta(_)) => true,
        (_, Type::Dyn | Type::Variable(_)) => false,
        (Type::List(left), Type::List(right)) | (Type::Optional(left), Type::Optional(right)) => {
            is_less_specific(left, right)
        }
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            is_less_specific(key, other_key) && is_less_specific(value, other_value)
        }
        _ => left == right,
    }
}
