//! What the language means. `semantics.txt` is judged here, and compared with a real API server
//! in `tests/cel_parity.rs`.

use serde_json::{Value, json};

use super::expression::ExpressionError;
use super::limits;
use super::program::{
    AdmissionRequest, NamedSource, PolicyOutcome, PreparedObject, Program, ProgramSource,
    ValidationSource,
};

fn compile(expression: &str) -> Result<Program, ExpressionError> {
    let validations = vec![ValidationSource { expression, ..ValidationSource::default() }];
    let source = ProgramSource { validations, ..ProgramSource::default() };
    Program::compile(&source, "spec.test.cel").map_err(|mut errors| errors.remove(0).error)
}

fn judge(expression: &str, object: &Value) -> &'static str {
    let request = AdmissionRequest {
        group: "apps",
        version: "v1",
        kind: "Deployment",
        resource: "deployments",
        namespace: "shop",
        name: "web",
    };
    match compile(expression) {
        Err(ExpressionError::Invalid { .. }) => "refused",
        Err(ExpressionError::Unsupported { .. }) => "unsupported",
        Err(ExpressionError::TooComplex { .. }) => "complex",
        Ok(program) => match program.judge(&PreparedObject::new(object, &request)) {
            PolicyOutcome::Pass => "true",
            PolicyOutcome::Fail(_) => "false",
            PolicyOutcome::Unknown(_) => "error",
            PolicyOutcome::NotMatched => "not matched",
        },
    }
}

/// The lines of the table: what is expected, and the expression.
fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("semantics.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (expected, expression) = line.split_once(' ').unwrap();
        (expected, expression.trim())
    })
}

#[test]
fn expressions_mean_what_they_mean_in_kubernetes() {
    let object: Value = serde_json::from_str(include_str!("semantics.json")).unwrap();
    let wrong: Vec<_> = table()
        .map(|(expected, expression)| {
            (expected.split('/').next().unwrap(), judge(expression, &object), expression)
        })
        .filter(|(expected, judged, _)| expected != judged)
        .collect();
    assert!(wrong.is_empty(), "expected, judged, expression: {wrong:#?}");
}

/// Parts of a policy, as they are written in a Control.
fn program(source: &ProgramSource<'_>) -> Program {
    Program::compile(source, "spec.test.cel").unwrap()
}

fn validation(expression: &str) -> ValidationSource<'_> {
    ValidationSource { expression, ..ValidationSource::default() }
}

fn prepared(object: &Value) -> PreparedObject {
    PreparedObject::new(object, &AdmissionRequest::default())
}

fn message_of(validation: ValidationSource<'_>, object: &Value) -> String {
    let program =
        program(&ProgramSource { validations: vec![validation], ..ProgramSource::default() });
    match program.judge(&prepared(object)) {
        PolicyOutcome::Fail(failures) => failures[0].message.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn match_conditions_decide_before_validations() {
    let object = json!({"kind": "Pod", "spec": {}});
    let judged = |conditions: &[&'static str]| {
        let match_conditions =
            conditions.iter().map(|expression| NamedSource { name: "c", expression }).collect();
        let validations = vec![validation("object.kind == 'Pod'")];
        program(&ProgramSource { match_conditions, validations, ..ProgramSource::default() })
            .judge(&prepared(&object))
    };
    assert_eq!(judged(&["object.kind == 'Pod'"]), PolicyOutcome::Pass);
    assert_eq!(
        judged(&["object.kind == 'Pod'", "object.kind == 'Node'"]),
        PolicyOutcome::NotMatched
    );
    // A false condition excludes, even after an error; an error alone decides nothing.
    assert_eq!(judged(&["object.absent == 1", "object.kind == 'Node'"]), PolicyOutcome::NotMatched);
    let PolicyOutcome::Unknown(reason) = judged(&["object.kind == 'Pod'", "object.absent == 1"])
    else {
        panic!()
    };
    assert_eq!(reason.to_string(), "matchConditions[1].expression failed: no such field: absent");
}

#[test]
fn variables_are_read_in_order_when_needed() {
    let variables = vec![
        NamedSource { name: "limit", expression: "object.spec.limit" },
        NamedSource { name: "double", expression: "variables.limit * 2" },
        NamedSource { name: "broken", expression: "object.absent" },
    ];
    let judged = |expression: &'static str| {
        let validations = vec![validation(expression)];
        program(&ProgramSource {
            variables: variables.clone(),
            validations,
            ..ProgramSource::default()
        })
        .judge(&prepared(&json!({"spec": {"limit": 4}})))
    };
    assert_eq!(judged("variables.double == 8"), PolicyOutcome::Pass);
    // Inside a macro a variable does not see the macro's names, nor disturb them.
    assert_eq!(judged("[1, 2].all(x, variables.double == 8 && x < 3)"), PolicyOutcome::Pass);
    assert_eq!(judged("variables.limit == 4 || variables.broken == 1"), PolicyOutcome::Pass);
    assert_eq!(judged("has(variables.broken)"), PolicyOutcome::Pass);
    assert!(matches!(judged("variables.broken == 1"), PolicyOutcome::Unknown(_)));
}

#[test]
fn every_wrong_expression_is_reported_with_its_field() {
    let source = ProgramSource {
        match_conditions: vec![NamedSource { name: "c", expression: "variables.a == 1" }],
        variables: vec![
            NamedSource { name: "a", expression: "variables.b" },
            NamedSource { name: "b c", expression: "1" },
            NamedSource { name: "a", expression: "1" },
        ],
        validations: vec![
            validation("true"),
            ValidationSource {
                expression: "object.spec.x ==",
                message_expression: Some("nothing"),
                ..ValidationSource::default()
            },
        ],
    };
    let errors = Program::compile(&source, "spec.test.cel").unwrap_err();
    let paths: Vec<_> =
        errors.iter().map(|error| error.path.trim_start_matches("spec.test.cel.")).collect();
    assert_eq!(
        paths,
        [
            "matchConditions[0].expression",
            "variables[0].expression",
            "variables[1].name",
            "variables[2].name",
            "validations[1].expression",
            "validations[1].messageExpression",
        ]
    );
    assert_eq!(
        errors[5].to_string(),
        "spec.test.cel.validations[1].messageExpression: the expression is not valid: line 1, column 1: \
         nothing is not declared; an expression starts from object, variables.NAME or request"
    );
}

#[test]
fn a_message_expression_goes_before_the_message_when_it_makes_one_line() {
    let object = json!({"n": 7});
    let with = |message, message_expression| {
        message_of(
            ValidationSource {
                expression: "object.n  <\n 5",
                message,
                message_expression,
                reason: None,
            },
            &object,
        )
    };
    assert_eq!(with(None, None), "failed expression: object.n < 5");
    assert_eq!(with(Some(" too many "), None), "too many");
    assert_eq!(with(Some("m"), Some("'n is ' + string(object.n) + ' '")), "n is 7");
    for unusable in [
        "' '",
        "'a' + '\\n' + 'b'",
        "string(object.absent)",
        "'x'.replace('x', lists.range(6000).map(i, 'x').join())",
    ] {
        assert_eq!(with(Some("m"), Some(unusable)), "m", "{unusable}");
    }
}

#[test]
fn what_is_false_fails_even_when_another_rule_is_undecided() {
    let validations = vec![validation("object.absent == 1"), validation("object.n == 1")];
    let program = program(&ProgramSource { validations, ..ProgramSource::default() });
    let PolicyOutcome::Fail(failures) = program.judge(&prepared(&json!({"n": 2}))) else {
        panic!()
    };
    assert_eq!(
        (failures.len(), failures[0].validation, failures[0].reason.as_str()),
        (1, 1, "Invalid")
    );
    let PolicyOutcome::Unknown(reason) = program.judge(&prepared(&json!({"n": 1}))) else {
        panic!()
    };
    assert_eq!(reason.to_string(), "validations[0].expression failed: no such field: absent");
}

#[test]
fn numbers_are_typed_as_kubernetes_decodes_them() {
    let object = json!({"int": 5, "double": 5.0, "big": 18_446_744_073_709_551_615_u64});
    assert_eq!(judge("type(object.int) == int && type(object.double) == double", &object), "true");
    assert_eq!(judge("type(object.big) == double && object.double == 5", &object), "true");
}

#[test]
fn errors_say_where_and_what_to_write() {
    for (expression, expected) in [
        ("true &&\n  replica > 1", "line 2, column 3: replica is not declared"),
        ("object.a.foo()", "foo() is not a function that Kubernetes knows in this form"),
        ("object.a.startsWith()", "startsWith() does not take this many arguments"),
        ("'a' in 'abc'", "ask contains()"),
        ("object.spec.paused", "compare it, as in object.spec.paused == true"),
        ("'\\q' == 'q'", "write a backslash as \\\\"),
        ("'a'.matches('(')", "the regular expression is not valid"),
        ("request.userInfo.username == 'x'", "request.userInfo"),
        ("authorizer.group('').check('x').allowed()", "authorizer"),
        ("namespaceObject.metadata.name == 'x'", "namespaceObject"),
        ("params.x == 1", "params"),
        ("Object{a: 1} == 1", "write a map instead"),
        ("1 + 'a' == 2", "+ does not apply to int and string"),
        ("[1, 'a'] == []", "a literal holds values of one type"),
        ("object.spec.all(x, 1)", "a condition must be a bool, not int"),
        ("timestamp('yesterday') == object.a", "timestamp() takes a time"),
        ("'a'.matches('\\\\p{Nowhere}')", "\\p{Nowhere} in a regular expression"),
    ] {
        let error = compile(expression).unwrap_err().to_string();
        assert!(error.contains(expected), "{expression}: {error}");
    }
}

/// What a text of `count` repetitions between two others compiles to.
fn nested(open: &str, middle: &str, close: &str, count: usize) -> Result<Program, ExpressionError> {
    compile(&format!("dyn({}{middle}{}) == 1", open.repeat(count), close.repeat(count)))
}

#[test]
fn what_could_exhaust_the_parser_is_refused_before_it() {
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1: ", "1", "}"),
        ("-(", "1", ")"),
        ("object[", "1", "]"),
        ("[1].all(x, ", "true", ")"),
        ("true ? 1 : (", "1", ")"),
        ("true ? 1 : ", "1", ""),
        ("1 + ", "1", ""),
        ("1 < ", "1", ""),
        ("", "'a'", ".trim()"),
        ("", "object", ".a"),
        ("", "object", "[0]"),
        ("", "object", "[?0]"),
        ("'x' in ", "object", ""),
    ] {
        let error = nested(open, middle, close, 300).unwrap_err();
        assert!(matches!(error, ExpressionError::TooComplex { .. }), "{open}{close}: {error}");
    }
    let long = format!("object.a == '{}'", "x".repeat(limits::MAX_SOURCE));
    assert!(matches!(compile(&long), Err(ExpressionError::TooComplex { .. })));
    // Side by side is not deep.
    assert!(compile(&["object.a.b == 'c'"; 200].join(" && ")).is_ok());
    let many = ["[1,2,3,4,5,6,7,8,9,0] != [1]"; 250].join(" && ");
    assert!(matches!(compile(&many), Err(ExpressionError::TooComplex { .. })));
}

/// On the stack of a test's thread, which is as small as a worker's.
#[test]
fn the_deepest_expressions_that_compile_can_be_judged() {
    let mut judged = 0;
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1: ", "1", "}"),
        ("-(", "1", ")"),
        ("[1].map(x, ", "1", ")"),
        ("true ? 1 : ", "1", ""),
        ("1 + ", "1", ""),
        ("", "'a'", ".trim()"),
        ("", "object", ".?a"),
        ("", "object", "[?0]"),
    ] {
        for count in [28, 32, 60, 100, 120, 200, 250] {
            if let Ok(program) = nested(open, middle, close, count) {
                program.judge(&prepared(&json!({"a": {"a": {}}})));
                judged += 1;
            }
        }
    }
    assert!(judged > 15, "{judged}");
}

#[test]
fn an_expression_that_is_too_expensive_for_an_object_is_undecided() {
    let items: Vec<_> = (0..2000).collect();
    let object = json!({"items": items, "text": "x".repeat(100_000)});
    for expression in [
        "object.items.all(a, object.items.all(b, object.items.all(c, a + b + c >= 0)))",
        "object.items.all(a, object.items.exists(b, false) || true)",
        "object.items.all(a, object.text.contains('y') == false)",
        "object.items.all(a, object.text + 'y' != '')",
        "object.items.map(a, object.items) == []",
        "object.items.all(a, object.items == object.items)",
        "object.items.all(a, object.text.matches('^x*y$') == false)",
        "lists.range(9000000000).size() == 1",
        "object.text.replace('x', object.text).size() == 1",
        "object.items.distinct().size() == 2000",
        "object.items.map(a, object.items).flatten().size() == 1",
    ] {
        match compile(expression).unwrap().judge(&prepared(&object)) {
            PolicyOutcome::Unknown(reason) => {
                let reason = reason.to_string();
                assert!(reason.contains("too expensive"), "{expression}: {reason}");
            }
            other => panic!("{expression}: {other:?}"),
        }
    }
    // What an ordinary rule costs is far below the limit.
    assert_eq!(judge("object.items.all(a, a >= 0 && object.items[a] == a)", &object), "true");
}

#[test]
fn variables_cannot_double_their_way_out() {
    let expressions: Vec<_> = (0..40)
        .map(|n| (format!("v{n}"), format!("variables.v{} + variables.v{}", n - 1, n - 1)))
        .collect();
    for start in ["'xxxxxxxxxx'", "[1, 2, 3, 4]"] {
        let mut variables = vec![NamedSource { name: "v0", expression: start }];
        variables.extend(
            expressions[1..].iter().map(|(name, expression)| NamedSource { name, expression }),
        );
        let validations = vec![validation("variables.v39.size() > 0")];
        let program =
            program(&ProgramSource { variables, validations, ..ProgramSource::default() });
        let PolicyOutcome::Unknown(reason) = program.judge(&prepared(&json!({}))) else { panic!() };
        let reason = reason.to_string();
        assert!(reason.contains("too expensive"), "{reason}");
    }
}

#[test]
fn a_deep_object_is_undecided() {
    let mut object = json!(1);
    for _ in 0..limits::MAX_OBJECT_DEPTH {
        object = json!({"a": object});
    }
    let PolicyOutcome::Unknown(reason) = compile("true").unwrap().judge(&prepared(&object)) else {
        panic!()
    };
    let reason = reason.to_string();
    assert!(reason.contains("levels deep"), "{reason}");
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();
    shared::<PreparedObject>();
}

/// What an expression is of an object in a file, and why it is not known.
fn of_manifest(expression: &str, kind: &str, object: &Value) -> (&'static str, String) {
    let request =
        AdmissionRequest { version: "v1", kind, resource: "things", ..AdmissionRequest::default() };
    let program = compile(expression).unwrap();
    match program.judge(&PreparedObject::from_manifest(object, &request, true)) {
        PolicyOutcome::Pass => ("true", String::new()),
        PolicyOutcome::Fail(_) => ("false", String::new()),
        PolicyOutcome::Unknown(reason) => ("unknown", reason.to_string()),
        PolicyOutcome::NotMatched => ("not matched", String::new()),
    }
}

#[test]
fn what_only_a_cluster_knows_of_a_manifest_is_undecided_in_every_spelling() {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"b": "c"}},
        "spec": {"containers": []},
    });
    for expression in [
        "has(object.status)",
        "!has(object.status)",
        "has(object.status) ? object.status.ready == true : false",
        "object.?status.x.orValue(0) > 0",
        "object[?'status'].hasValue()",
        "'status' in object",
        "object['sta' + 'tus'] == null",
        "[object][0].?status == optional.none()",
        "dyn({'a': object}).a.?status.hasValue()",
        "object.all(key, key != 'status')",
        "object.size() == 4",
        "size(object) > 0",
        "object == {'a': dyn(1)}",
        "object in [dyn({'a': 1})]",
        "object.map(key, key).join() == 'x'",
        "'%s'.format([object]) == 'x'",
        "optional.ofNonZeroValue(object).hasValue()",
        "has(object.metadata.uid)",
        "object.metadata.?creationTimestamp.hasValue()",
        "timestamp(object.metadata.creationTimestamp) > timestamp(0)",
        "object.metadata.generation == 1",
        "object.metadata.namespace == 'default'",
        "object.metadata.size() == 2",
        "has(object.spec.nodeName)",
        "request.namespace == 'default'",
        "has(request.namespace)",
    ] {
        let (answer, reason) = of_manifest(expression, "Pod", &object);
        assert_eq!(answer, "unknown", "{expression}");
        assert!(reason.contains("only the cluster knows it"), "{expression}: {reason}");
        assert!(matches!(judge(expression, &object), "true" | "false" | "error"), "{expression}");
    }
}

#[test]
fn what_a_manifest_shows_decides() {
    let object = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "ClusterIP"},
    });
    for (expression, answer) in [
        ("object.metadata.name == 'a'", "true"),
        // Whether it has a status or not, the other side decides.
        ("object.spec.type == 'ClusterIP' || has(object.status)", "true"),
        ("has(object.status) && object.spec.type == 'NodePort'", "false"),
        ("!has(object.metadata.ownerReferences)", "true"),
        ("!has(object.metadata.deletionTimestamp)", "true"),
        ("!has(object.spec.nodeName)", "true"),
        ("object.metadata.labels == {'a': 'b'}", "unknown"),
    ] {
        assert_eq!(of_manifest(expression, "Service", &object).0, answer, "{expression}");
    }
    // An export of a cluster says what it says.
    let object = json!({
        "kind": "Pod", "metadata": {"name": "a", "uid": "u"}, "status": {"phase": "Running"},
    });
    assert_eq!(of_manifest("object.status.phase == 'Running'", "Pod", &object).0, "true");
    assert_eq!(of_manifest("has(object.status.x)", "Pod", &object).0, "false");
    assert_eq!(of_manifest("object.metadata.uid == 'u'", "Pod", &object).0, "true");
    assert_eq!(of_manifest("object.size() == 3", "Pod", &object).0, "true");
    assert_eq!(of_manifest("object.metadata.size() == 2", "Pod", &object).0, "unknown");
    let object = json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
    assert_eq!(of_manifest("object.metadata.namespace == 'shop'", "Pod", &object).0, "true");
    assert_eq!(of_manifest("has(object.metadata.uid)", "Pod", &object).0, "unknown");
}

#[test]
fn a_condition_that_asks_for_a_status_leaves_no_manifest_out() {
    let match_conditions = vec![NamedSource {
        name: "ready",
        expression: "object.?status.ready.orValue(false) == true",
    }];
    let validations = vec![validation("true")];
    let program =
        program(&ProgramSource { match_conditions, validations, ..ProgramSource::default() });
    let object = json!({"kind": "Thing", "metadata": {"name": "a"}});
    let manifest = PreparedObject::from_manifest(&object, &AdmissionRequest::default(), true);
    assert!(matches!(program.judge(&manifest), PolicyOutcome::Unknown(_)));
    assert_eq!(program.judge(&prepared(&object)), PolicyOutcome::NotMatched);
}
