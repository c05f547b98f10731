//! The grammar of the language, by recursive descent.

use super::expression::ExpressionError;
use super::lexer::{Lexer, Token};
use super::limits::{self, MAX_BRACKETS, MAX_NESTING, MAX_NODES};
use super::node::BinaryOperator;
use super::tree::{SyntaxKind, SyntaxTree};
use super::value::{Value, string};

/// Words that name nothing, though they may name a field.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Parses a whole expression. Recursion is bounded by [`limits`], since a stack overflow cannot be
/// caught.
pub(super) fn parse(source: &str) -> Result<SyntaxTree, ExpressionError> {
    let mut lexer = Lexer::new(source);
    let next = lexer.next()?;
    let mut parser = Parser { source, lexer, next, brackets: 0, levels: 0, nodes: 0 };
    let tree = parser.expression()?;
    match parser.next {
        (_, Token::End) => Ok(tree),
        _ => Err(parser.unexpected("an operator or the end of the expression")),
    }
}

struct Parser<'a> {
    source: &'a str,
    lexer: Lexer<'a>,
    next: (usize, Token),
    brackets: usize,
    /// Expressions that are being read, one in the other.
    levels: usize,
    nodes: usize,
}

type Parsed = Result<SyntaxTree, ExpressionError>;

impl Parser<'_> {
    /// Every node is made here, so that no shape of an expression escapes the limits.
    fn tree(&mut self, at: usize, kind: SyntaxKind) -> Parsed {
        self.nodes += 1;
        limits::limit("number of operators, fields and literals", self.nodes, MAX_NODES)?;
        let tree = SyntaxTree::new(at, kind);
        limits::limit("nesting", tree.depth, MAX_NESTING)?;
        Ok(tree)
    }

    fn error(&self, at: usize, message: &str) -> ExpressionError {
        ExpressionError::invalid_at(self.source, at, message)
    }

    fn unexpected(&self, wanted: &str) -> ExpressionError {
        let found = match &self.next.1 {
            Token::End => "the end of the expression".to_owned(),
            Token::Mark(mark) => (*mark).to_owned(),
            Token::Name(name) => name.clone(),
            _ => "a literal".to_owned(),
        };
        self.error(self.next.0, &format!("expected {wanted}, found {found}"))
    }

    fn advance(&mut self) -> Result<(usize, Token), ExpressionError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn is(&self, mark: &str) -> bool {
        matches!(&self.next.1, Token::Mark(found) if *found == mark)
    }

    /// Takes a mark, if it is the next one.
    fn take(&mut self, mark: &str) -> Result<bool, ExpressionError> {
        let found = self.is(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, mark: &str) -> Result<(), ExpressionError> {
        if self.take(mark)? { Ok(()) } else { Err(self.unexpected(mark)) }
    }

    /// Reads what stands in brackets, up to the closing one.
    fn bracketed<T>(
        &mut self,
        close: &str,
        read: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        self.brackets += 1;
        limits::limit("nesting of brackets", self.brackets, MAX_BRACKETS)?;
        // An error ends parsing, so the count need not be put right on the way out.
        let content = read(self)?;
        self.brackets -= 1;
        self.expect(close)?;
        Ok(content)
    }

    fn expression(&mut self) -> Parsed {
        self.levels += 1;
        limits::limit("nesting", self.levels, MAX_NESTING)?;
        let condition = self.or()?;
        let (at, is_conditional) = (self.next.0, self.take("?")?);
        let parsed = if is_conditional {
            let yes = self.or()?;
            self.expect(":")?;
            let no = self.expression()?;
            self.tree(at, SyntaxKind::Conditional(Box::new([condition, yes, no])))?
        } else {
            condition
        };
        self.levels -= 1;
        Ok(parsed)
    }

    fn or(&mut self) -> Parsed {
        self.logical("||", Self::and, SyntaxKind::Or)
    }

    fn and(&mut self) -> Parsed {
        self.logical("&&", Self::relation, SyntaxKind::And)
    }

    fn logical(
        &mut self,
        mark: &str,
        term: fn(&mut Self) -> Parsed,
        join: fn(Vec<SyntaxTree>) -> SyntaxKind,
    ) -> Parsed {
        // One node for the whole chain: evaluation then recurses by brackets, not by terms.
        let first = term(self)?;
        if !self.is(mark) {
            return Ok(first);
        }
        let at = self.next.0;
        let mut terms = vec![first];
        while self.take(mark)? {
            terms.push(term(self)?);
        }
        self.tree(at, join(terms))
    }

    /// The operator that comes next, if it is one of these. `in` is a word.
    fn operator(&self, marks: &[(&str, BinaryOperator)]) -> Option<BinaryOperator> {
        let found = match &self.next.1 {
            Token::Mark(mark) => mark,
            Token::Name(name) => name.as_str(),
            _ => return None,
        };
        marks.iter().find(|(mark, _)| *mark == found).map(|(_, operator)| *operator)
    }

    fn chain(
        &mut self,
        marks: &[(&str, BinaryOperator)],
        operand: fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut left = operand(self)?;
        while let Some(operator) = self.operator(marks) {
            let (at, _) = self.advance()?;
            let right = operand(self)?;
            left = self.tree(at, SyntaxKind::Binary(operator, Box::new(left), Box::new(right)))?;
        }
        Ok(left)
    }

    fn relation(&mut self) -> Parsed {
        let marks = [
            ("==", BinaryOperator::Equal),
            ("!=", BinaryOperator::NotEqual),
            ("<", BinaryOperator::Less),
            ("<=", BinaryOperator::LessOrEqual),
            (">", BinaryOperator::Greater),
            (">=", BinaryOperator::GreaterOrEqual),
            ("in", BinaryOperator::In),
        ];
        self.chain(&marks, Self::sum)
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&[("+", BinaryOperator::Add), ("-", BinaryOperator::Subtract)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        let marks = [
            ("*", BinaryOperator::Multiply),
            ("/", BinaryOperator::Divide),
            ("%", BinaryOperator::Modulo),
        ];
        self.chain(&marks, Self::unary)
    }

    /// Signs before a member. Two of a kind cancel out.
    fn unary(&mut self) -> Parsed {
        let at = self.next.0;
        for (mark, wrap) in [
            ("!", SyntaxKind::Not as fn(Box<SyntaxTree>) -> SyntaxKind),
            ("-", SyntaxKind::Negate as fn(Box<SyntaxTree>) -> SyntaxKind),
        ] {
            let mut count = 0_usize;
            while self.take(mark)? {
                count += 1;
            }
            if count == 0 {
                continue;
            }
            // One minus before digits belongs to the literal.
            if mark == "-" && count == 1 && matches!(self.next.1, Token::Int(_) | Token::Double(_))
            {
                return self.member(true);
            }
            let operand = self.member(mark == "!" && self.is("-"))?;
            // So it is in the grammar: `!!x` is `x`, whatever its type.
            return if count.is_multiple_of(2) {
                Ok(operand)
            } else {
                self.tree(at, wrap(Box::new(operand)))
            };
        }
        self.member(false)
    }

    fn member(&mut self, negative: bool) -> Parsed {
        let mut operand = self.primary(negative)?;
        loop {
            let at = self.next.0;
            // In a loop and not by recursion: `a.b.c...` is as deep as it is long, and its depth is counted in
            // `tree`.
            if self.take(".")? {
                operand = self.after_dot(at, operand)?;
            } else if self.take("[")? {
                let (optional, index) =
                    self.bracketed("]", |parser| Ok((parser.take("?")?, parser.expression()?)))?;
                let (operand_box, index) = (Box::new(operand), Box::new(index));
                operand =
                    self.tree(at, SyntaxKind::Index { operand: operand_box, index, optional })?;
            } else if self.is("{") && operand.qualified_name().is_some() {
                return self.message(&operand);
            } else {
                return Ok(operand);
            }
        }
    }

    /// `Name{field: value}`: the name decides, so the rest is not read.
    fn message(&mut self, name: &SyntaxTree) -> Parsed {
        let kind = SyntaxKind::Message(name.qualified_name().unwrap_or_default());
        let tree = self.tree(name.at, kind)?;
        while self.next.1 != Token::End {
            self.advance()?;
        }
        Ok(tree)
    }

    fn after_dot(&mut self, at: usize, operand: SyntaxTree) -> Parsed {
        let optional = self.take("?")?;
        let (name_at, field) = self.name("the name of a field")?;
        if !optional && self.is("(") {
            let arguments = self.arguments()?;
            let target = Some(Box::new(operand));
            return self.tree(name_at, SyntaxKind::Call { target, name: field, arguments });
        }
        self.tree(at, SyntaxKind::Select { operand: Box::new(operand), field, optional })
    }

    fn name(&mut self, wanted: &str) -> Result<(usize, String), ExpressionError> {
        match &self.next.1 {
            Token::Name(name) if !matches!(name.as_str(), "in" | "true" | "false" | "null") => {
                let name = name.clone();
                let (at, _) = self.advance()?;
                Ok((at, name))
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn arguments(&mut self) -> Result<Vec<SyntaxTree>, ExpressionError> {
        self.expect("(")?;
        self.bracketed(")", |parser| {
            let mut arguments = Vec::new();
            if !parser.is(")") {
                arguments.push(parser.expression()?);
                while parser.take(",")? {
                    arguments.push(parser.expression()?);
                }
            }
            Ok(arguments)
        })
    }

    fn primary(&mut self, negative: bool) -> Parsed {
        let at = self.next.0;
        if negative {
            self.take("-")?;
        }
        let sign = if negative { "-" } else { "" };
        // The sign belongs to the digits: the smallest int has no positive counterpart.
        let literal = match &self.next.1 {
            Token::Int(digits) => int(sign, digits),
            Token::Double(text) => format!("{sign}{text}")
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Value::Double),
            _ if negative => return Err(self.unexpected("a number")),
            Token::Uint(digits) => uint(digits),
            Token::String(text) => Some(string(text.as_str())),
            Token::Bytes(bytes) => Some(Value::Bytes(bytes.as_slice().into())),
            Token::Name(name) => match name.as_str() {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                "null" => Some(Value::Null),
                _ => return self.name_or_call(at),
            },
            Token::Mark(_) | Token::End => return self.brackets(at),
        };
        let value =
            literal.ok_or_else(|| self.error(at, "this number is too large for its type"))?;
        self.advance()?;
        self.tree(at, SyntaxKind::Literal(value))
    }

    fn name_or_call(&mut self, at: usize) -> Parsed {
        let (_, name) = self.name("a value")?;
        if RESERVED.contains(&name.as_str()) {
            return Err(self.error(at, &format!("{name} is a reserved word")));
        }
        if self.is("(") {
            let arguments = self.arguments()?;
            return self.tree(at, SyntaxKind::Call { target: None, name, arguments });
        }
        self.tree(at, SyntaxKind::Name(name))
    }

    fn brackets(&mut self, at: usize) -> Parsed {
        if self.take("(")? {
            return self.bracketed(")", Self::expression);
        }
        if self.take("[")? {
            let elements = self.bracketed("]", |parser| {
                parser.separated("]", |parser| Ok((parser.take("?")?, parser.expression()?)))
            })?;
            let elements = elements.into_iter().map(|(optional, tree)| (tree, optional)).collect();
            return self.tree(at, SyntaxKind::List(elements));
        }
        if self.take("{")? {
            let entries = self.bracketed("}", |parser| {
                parser.separated("}", |parser| {
                    let (optional, key) = (parser.take("?")?, parser.expression()?);
                    parser.expect(":")?;
                    Ok((key, parser.expression()?, optional))
                })
            })?;
            return self.tree(at, SyntaxKind::Map(entries));
        }
        if self.is(".") {
            return Err(ExpressionError::unsupported("a name with a dot before it (leave it out)"));
        }
        Err(self.unexpected("a value"))
    }

    /// Elements between commas; a last comma may follow the last of them.
    fn separated<T>(
        &mut self,
        close: &str,
        read: impl Fn(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<Vec<T>, ExpressionError> {
        let mut elements = Vec::new();
        // A comma alone: the grammar allows it.
        if self.take(",")? {
            return Ok(elements);
        }
        while !self.is(close) {
            elements.push(read(self)?);
            if !self.take(",")? {
                break;
            }
        }
        Ok(elements)
    }
}

fn int(sign: &str, digits: &str) -> Option<Value> {
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |hex| (16, hex));
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok().map(Value::Int)
}

fn uint(digits: &str) -> Option<Value> {
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |hex| (16, hex));
    u64::from_str_radix(digits, radix).ok().map(Value::Uint)
}
