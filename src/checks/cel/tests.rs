//! What the language means, on one line each; the same table is compared with a real API server
//! in `tests/cel_parity.rs`.

use serde_json::json;

use super::expression::ExpressionError;
use super::program::{Outcome, Prepared, Program, ProgramSource, Request, ValidationSource};

fn compile(expression: &str) -> Result<Program, ExpressionError> {
    let validations = vec![ValidationSource { expression, ..ValidationSource::default() }];
    let source = ProgramSource { validations, ..ProgramSource::default() };
    Program::compile(&source, "spec.test.cel").map_err(|mut errors| errors.remove(0).error)
}

#[test]
fn stack() {
    let n: usize = std::env::var("N").unwrap().parse().unwrap();
    let shape = std::env::var("SHAPE").unwrap();
    let text = match shape.as_str() {
        "parens" => format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        "lists" => format!("{}1{}", "[".repeat(n), "]".repeat(n)),
        "maps" => format!("{}1{}", "{1:".repeat(n), "}".repeat(n)),
        "cond" => format!("{}1{}", "true?1:(".repeat(n), ")".repeat(n)),
        "cond2" => format!("{}1", "true?1:".repeat(n)),
        "all" => format!("{}true{}", "[1].all(x,".repeat(n), ")".repeat(n)),
        "neg" => format!("{}1{}", "-(".repeat(n), ")".repeat(n)),
        "index" => format!("{}1{}", "object[".repeat(n), "]".repeat(n)),
        "opt" => format!("{}1{}", "[?optional.of(".repeat(n), ")]".repeat(n)),
        "plus" => format!("1{}", "+1".repeat(n)),
        "dots" => format!("object{}", ".a".repeat(n)),
        "calls" => format!("'a'{}", ".trim()".repeat(n)),
        "index2" => format!("object{}", "[0]".repeat(n)),
        "cmp" => format!("1{}", "<1".repeat(n)),
        "and" => format!("true{}", "&&true".repeat(n)),
        _ => panic!(),
    };
    let start = std::time::Instant::now();
    let result = super::syntax::parse(&text, &super::syntax::Names { variables: Some(&[]) });
    eprintln!("RESULT {shape} {n} {:?} {:?}", start.elapsed(), result.err());
}
