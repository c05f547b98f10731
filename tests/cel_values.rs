//! Every function and operator of the expressions has the value that it has for the API server.
//!
//! Thousands of random expressions, of the right types and now and then of wrong ones, and the same
//! with a character torn out, are judged by the API server's own compiler and library, in a small
//! Go program, and by us. Where we do not know, we may say so, but not often: what is refused is
//! counted for each function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails there fails the test"
)]

#[path = "cel_values/generator.rs"]
mod generator;
#[path = "cel_values/judge.rs"]
mod judge;
#[path = "cel_values/tables.rs"]
mod tables;

use std::collections::BTreeMap;

use comptroller_cel::{ExpressionResult, declarations, evaluate_expression};
use generator::Generator;
use serde_json::{Value, json};

/// The same expressions every time; another seed finds others: `CEL_SEED=2 cargo test ...`.
const SEED: u64 = 20_261_129;
/// Expressions for each line of the table of functions.
const EACH: usize = 60;
/// The template of what is tried as it is written.
const EDGE: &str = "odd";
/// How many of a function's values may be unknown here, of a hundred.
const REFUSED_OF_ONE: usize = 40;
/// How many of all values may be unknown here, of a thousand.
const REFUSED_OF_ALL: usize = 25;

fn object() -> Value {
    json!({
        "text": "née Üß", "number": 7, "negative": -3, "half": 0.5, "big": 1e21, "flag": true, "none": null,
        "list": [3, 1, 2], "names": ["b", "a", "ñ", "a"], "mixed": [1, "a", 2.5, null, [1]], "empty": [],
        "map": {"a": 1, "b": 2}, "deep": {"list": [{"name": "x"}, {"name": "y", "n": 2}]},
        "time": "9999-12-31T23:59:59Z", "span": "1h30m", "address": "10.1.2.3", "memory": "1536Mi"
    })
}

/// Whether another digit might keep the API server's library busy for hours.
fn is_dangerous(expression: &str) -> bool {
    expression.contains("range(") || expression.contains("uantity(")
}

/// What is wrong with our answer, or whether it is known at all.
enum Verdict {
    Same,
    Refused(String),
    Differs(String),
}

fn compare(theirs: &judge::Answer, ours: ExpressionResult) -> Verdict {
    match (theirs, ours) {
        (judge::Answer::Value(theirs), ExpressionResult::Value(ours)) if *theirs == ours => {
            Verdict::Same
        }
        (judge::Answer::Value(_), ExpressionResult::Refused(reason)) => Verdict::Refused(reason),
        (judge::Answer::Value(theirs), ours) => Verdict::Differs(format!("{ours:?}, not {theirs}")),
        (theirs, ExpressionResult::Value(ours)) => {
            Verdict::Differs(format!("{ours}, not {theirs:?}"))
        }
        // No value there, and none here.
        _ => Verdict::Same,
    }
}

#[test]
fn every_function_has_the_value_that_it_has_for_the_api_server() {
    let seed = std::env::var("CEL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let mut generator = Generator::new(seed);
    let mut samples: Vec<(&str, String)> = tables::templates()
        .flat_map(|(_, template)| {
            let sample = |_| (template, generator.fill(template));
            (0..EACH).map(sample).collect::<Vec<_>>()
        })
        .chain(tables::edges().map(|edge| (EDGE, edge)))
        .collect();
    let torn: Vec<_> = samples.iter().filter(|(_, expression)| !is_dangerous(expression)).collect();
    let torn: Vec<_> =
        torn.into_iter().map(|(_, expression)| ("torn", generator.torn(expression))).collect();
    samples.extend(torn);
    let object = object();
    let answers = judge::ask(&object, samples.iter().map(|(_, expression)| expression.as_str()));
    assert_eq!(answers.len(), samples.len());

    let mut differences = Vec::new();
    let mut refused: BTreeMap<&str, (usize, usize, String)> = BTreeMap::new();
    for ((template, expression), theirs) in samples.iter().zip(&answers) {
        let count = refused.entry(template).or_default();
        count.1 += 1;
        match compare(theirs, evaluate_expression(expression, &object)) {
            Verdict::Same => {}
            Verdict::Refused(reason) => {
                count.0 += 1;
                count.2 = format!("{reason}: {expression}");
            }
            Verdict::Differs(how) => differences.push(format!("{expression}\n  is {how}")),
        }
    }
    let values = answers.iter().filter(|answer| matches!(answer, judge::Answer::Value(_))).count();
    let all: usize = refused.values().map(|(refused, ..)| refused).sum();
    println!("{} expressions, {values} with a value, {all} of them not known here:", samples.len());
    for (template, (refused, of, reason)) in
        refused.iter().filter(|(_, (refused, ..))| *refused > 0)
    {
        println!("  {refused} of {of} {template}: {reason}");
    }
    let shown = differences.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences:\n{shown}", differences.len());
    assert!(values * 3 > samples.len(), "too few expressions have a value to say anything");
    assert!(all * 1000 <= values * REFUSED_OF_ALL, "too much is refused: {all} of {values}");
    for (template, (refused, of, reason)) in refused {
        let is_odd = template == EDGE;
        assert!(is_odd || refused * 100 <= of * REFUSED_OF_ONE, "{template} is refused: {reason}");
    }
}

#[test]
fn every_declared_function_is_compared() {
    let templates: Vec<_> = tables::templates().map(|(_, template)| template).collect();
    for declaration in declarations() {
        let (path, _) = declaration.split_once('(').unwrap();
        let call = match (path.split_once("::"), path.rsplit_once('.')) {
            (Some((namespace, name)), _) => format!("{namespace}.{name}("),
            (None, Some((_, name))) => format!(".{name}("),
            (None, None) => format!("{path}("),
        };
        assert!(templates.iter().any(|template| template.contains(&call)), "{declaration}");
    }
}
