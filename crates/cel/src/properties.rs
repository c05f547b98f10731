//! Whatever is written and whatever the object is, there is an answer, and always the same one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::program::{
    AdmissionRequest, PolicyOutcome, PreparedObject, Program, ProgramSource, ValidationSource,
};
use super::types::split_types;

fn judge(expression: &str, object: &Value) -> Option<PolicyOutcome> {
    let message_expression = Some("string(object.name) + 'x'");
    let validation =
        ValidationSource { expression, message_expression, ..ValidationSource::default() };
    let source = ProgramSource { validations: vec![validation], ..ProgramSource::default() };
    let program = Program::compile(&source, "spec.test.cel").ok()?;
    Some(program.judge(&PreparedObject::new(object, &AdmissionRequest::default())))
}

fn leaf() -> impl Strategy<Value = String> {
    let written = [
        "object",
        "object.a",
        "object.list",
        "object.map",
        "object.text",
        "object.absent",
        "object.?a",
        "oldObject",
        "request.name",
        "x",
        "1",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775807",
        "1u",
        "1.5",
        "1e308",
        "true",
        "null",
        "''",
        "'née'",
        "b'\\377'",
        "[]",
        "[1, 2]",
        "['a', 'b']",
        "[[1], [2]]",
        "{}",
        "{'a': 1}",
        "optional.none()",
        "int",
        "timestamp('2026-11-21T08:00:00Z')",
        "timestamp('9999-12-31T23:59:59Z')",
        "timestamp('0001-01-01T00:00:00Z')",
        "duration('1h')",
        "duration('-2562047h')",
        "duration('2562047h')",
        "quantity('1.5Gi')",
        "quantity('9E')",
        "quantity('-1n')",
        "ip('::1')",
        "cidr('10.0.0.0/8')",
        "url('https://a.b/c')",
        "semver('1.2.3')",
        "semver('18446744073709551615.0.0')",
        "format.dns1123Label()",
        "'%s %d'",
        "'%.99999999999f'",
        "'1h'",
        "'10.0.0.0/8'",
        "'99999999999999999999999Ei'",
        "'1e999999999'",
        "'2026-11-21T08:00:00Z'",
        "'(a|b)*'",
        "'[[:alpha:]]+'",
    ];
    prop_oneof![
        8 => proptest::sample::select(written.to_vec()).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => "'[ -&(-\\[\\]-~]{0,20}'",
        1 => any::<f64>().prop_map(|number| format!("{number:e}")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 40, 3, |inner| {
        let operators = ["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"];
        let macros = [
            "all(x, ",
            "exists(x, ",
            "exists_one(x, ",
            "map(x, ",
            "filter(x, ",
            "optMap(x, ",
            "optFlatMap(x, ",
            "sortBy(x, ",
            "all(k, x, ",
            "existsOne(k, x, ",
            "transformList(k, x, ",
            "transformMap(k, x, ",
            "transformMapEntry(k, x, ",
        ];
        let calls = crate::declarations().map(str::to_owned).collect::<Vec<_>>();
        prop_oneof![
            (inner.clone(), proptest::sample::select(operators.to_vec()), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), proptest::sample::select(macros.to_vec()), inner.clone())
                .prop_map(|(range, call, body)| format!("{range}.{call}{body})")),
            (proptest::sample::select(calls), proptest::collection::vec(inner.clone(), 3))
                .prop_map(|(call, operands)| call_text(&call, &operands)),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone())
                .prop_map(|(operand, index)| format!("{operand}[{index}]")),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| format!("{{{key}: {value}}}")),
            inner.clone().prop_map(|operand| format!("{operand}.?a.b")),
            inner.clone().prop_map(|operand| format!("!({operand})")),
            inner.prop_map(|operand| format!("[{operand}, ?{operand}]")),
        ]
    })
}

/// A call of a declaration such as `string.split(string)->list<string>`.
fn call_text(declaration: &str, operands: &[String]) -> String {
    let (call, _) = declaration.split_once("->").unwrap();
    let (path, types) = call.trim_end_matches(')').split_once('(').unwrap();
    let count = split_types(types).len();
    let (path, arguments) = match (path.split_once("::"), path.rsplit_once('.')) {
        (Some((namespace, name)), _) => (format!("{namespace}.{name}"), operands),
        (None, Some((_, name))) => (format!("{}.{name}", operands[0]), &operands[1..]),
        (None, None) => (path.to_owned(), operands),
    };
    format!("{path}({})", arguments.get(..count).unwrap_or(arguments).join(", "))
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    (value.clone(), value.clone(), value, "\\PC{0,12}").prop_map(|(a, list, map, text)| {
        json!({"a": a, "list": [list, 1, "b"], "map": {"a": map, "née": 2}, "text": text, "name": "n"})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_expression_has_one_answer(expression in expression(), object in object()) {
        let condition = format!("{expression} == true");
        prop_assert_eq!(judge(&condition, &object), judge(&condition, &object));
    }

    #[test]
    fn any_text_compiles_or_is_refused(text in "\\PC{0,60}", object in object()) {
        judge(&text, &object);
    }

    #[test]
    fn torn_expressions_compile_or_are_refused(expression in expression(), cut in any::<proptest::sample::Index>()) {
        let chars: Vec<char> = expression.chars().collect();
        let at = cut.index(chars.len());
        judge(&chars[..at].iter().collect::<String>(), &json!({}));
        judge(&chars[at..].iter().collect::<String>(), &json!({}));
    }

    #[test]
    fn any_pattern_matches_or_is_refused(pattern in "[\\[\\]\\\\(){}a-c0-9*+?|^$.&~:dwsbQ-]{0,20}", text in "[a-c0-9 ]{0,20}") {
        judge("object.text.matches(object.a)", &json!({"text": text, "a": pattern}));
    }
}
