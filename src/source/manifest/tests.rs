use serde_json::json;

use super::*;

/// What a file holds: objects with their lines, other documents, errors as text.
#[derive(Debug, Default)]
struct Read {
    objects: Vec<(Value, DocumentLine)>,
    others: Vec<DocumentLine>,
    errors: Vec<String>,
}

impl Read {
    fn names(&self) -> Vec<&str> {
        self.objects
            .iter()
            .filter_map(|(object, _)| object.pointer("/metadata/name").and_then(Value::as_str))
            .collect()
    }

    fn lines(&self) -> Vec<usize> {
        self.objects.iter().map(|(_, at)| at.line).collect()
    }
}

fn read_bytes(bytes: &[u8], limits: Limits) -> Read {
    let mut found = Read::default();
    read("f.yaml", bytes, limits, &mut |one| match one {
        Ok(ManifestDocument::Object(object, at)) => found.objects.push((object, at)),
        Ok(ManifestDocument::Other(at)) => found.others.push(at),
        Err(error) => found.errors.push(error.to_string()),
    });
    found
}

fn read_text(text: &str) -> Read {
    read_bytes(text.as_bytes(), Limits::default())
}

/// The value of `a` in a `ConfigMap` with this line.
fn value_of(line: &str) -> Result<Value, String> {
    let found = read_text(&format!("apiVersion: v1\nkind: ConfigMap\n{line}\n"));
    match (found.objects.into_iter().next(), found.errors.into_iter().next()) {
        (Some((Value::Object(mut fields), _)), None) => {
            fields.remove("apiVersion");
            fields.remove("kind");
            Ok(Value::Object(fields))
        }
        (_, error) => Err(error.unwrap_or_default()),
    }
}

/// The right column is what `sigs.k8s.io/yaml` 1.6 (kubectl 1.36) makes of the left one.
#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    for (line, expected) in [
        ("a: yes", json!({"a": true})),
        ("a: y", json!({"a": true})),
        ("a: N", json!({"a": false})),
        ("a: On", json!({"a": true})),
        ("a: OFF", json!({"a": false})),
        ("a: yEs", json!({"a": "yEs"})),
        ("a: 'yes'", json!({"a": "yes"})),
        ("a: \"no\"", json!({"a": "no"})),
        ("a: |\n  yes", json!({"a": "yes\n"})),
        ("a: >-\n  yes", json!({"a": "yes"})),
        ("a: !!str yes", json!({"a": "yes"})),
        ("a: !!str &x yes", json!({"a": "yes"})),
        ("a: !!str", json!({"a": ""})),
        ("a: !<tag:yaml.org,2002:str> yes", json!({"a": "yes"})),
        ("a: {\"b\":!!str yes, 'c':!!str 1}", json!({"a": {"b": "yes", "c": "1"}})),
        ("a: !!str\n  yes", json!({"a": "yes"})),
        ("a: !!str # of text\n  yes", json!({"a": "yes"})),
        ("a: # not !important\n  yes", json!({"a": true})),
        ("a: b !c\nyes: 1", json!({"a": "b !c", "true": 1})),
        ("a: !c\n  yes: 1", json!({"a": {"true": 1}})),
        ("a: [&x 1, &x 2, *x, &y !!str yes, *y]", json!({"a": [1, 2, 2, "yes", "yes"]})),
        ("a: !own b", json!({"a": "b"})),
        ("a: !own '1'", json!({"a": "1"})),
        ("a: yes # really", json!({"a": true})),
        ("a: [yes,no, 'no']", json!({"a": [true, false, "no"]})),
        ("a: {b: on,c: \"on\"}", json!({"a": {"b": true, "c": "on"}})),
        ("ä: ü\na: yes", json!({"ä": "ü", "a": true})),
        ("a: True", json!({"a": true})),
        ("a: ~", json!({"a": null})),
        ("a:", json!({"a": null})),
        ("a: NULL", json!({"a": null})),
        ("a: 010", json!({"a": 8})),
        ("a: +012", json!({"a": 10})),
        ("a: -012", json!({"a": -10})),
        ("a: 08", json!({"a": 8})),
        ("a: 09.5", json!({"a": 9.5})),
        ("a: 0777", json!({"a": 511})),
        ("a: '0777'", json!({"a": "0777"})),
        ("a: 0o17", json!({"a": 15})),
        ("a: 0o8", json!({"a": "0o8"})),
        ("a: 0x1F", json!({"a": 31})),
        ("a: 0X1F", json!({"a": 31})),
        ("a: 0x_1F", json!({"a": 31})),
        ("a: -0x1f", json!({"a": -31})),
        ("a: 0b101", json!({"a": 5})),
        ("a: 0b_1", json!({"a": 1})),
        ("a: 0b12", json!({"a": "0b12"})),
        ("a: 1_000", json!({"a": 1000})),
        ("a: 1__0", json!({"a": 10})),
        ("a: 1_", json!({"a": 1})),
        ("a: _1", json!({"a": "_1"})),
        ("a: 1_0.5", json!({"a": 10.5})),
        ("a: .5_0", json!({"a": 0.5})),
        ("a: ._5", json!({"a": "._5"})),
        ("a: .5e1_", json!({"a": ".5e1_"})),
        ("a: 1:30", json!({"a": "1:30"})),
        ("a: 2001-01-01", json!({"a": "2001-01-01"})),
        ("a: 2001-01-01T00:00:00Z", json!({"a": "2001-01-01T00:00:00Z"})),
        ("a: 10.0.0.1", json!({"a": "10.0.0.1"})),
        ("a: 1e3", json!({"a": 1000})),
        ("a: 1.0", json!({"a": 1})),
        ("a: 1.e5", json!({"a": 100_000})),
        ("a: .5e1", json!({"a": 5})),
        ("a: 0.1", json!({"a": 0.1})),
        ("a: 1e400", json!({"a": "1e400"})),
        ("a: 1e21", json!({"a": 1e21})),
        ("a: inf", json!({"a": "inf"})),
        ("a: +inf", json!({"a": "+inf"})),
        ("a: nan", json!({"a": "nan"})),
        ("a: 0x1p4", json!({"a": "0x1p4"})),
        ("a: 18446744073709551615", json!({"a": 18_446_744_073_709_551_615_u64})),
        ("a: 18446744073709551616", json!({"a": 18_446_744_073_709_551_616_f64})),
        ("a: =", json!({"a": "="})),
        ("a: <<", json!({"a": "<<"})),
        ("yes: 1", json!({"true": 1})),
        ("'yes': 1", json!({"yes": 1})),
        ("y: 1", json!({"true": 1})),
        ("010: 1", json!({"8": 1})),
        ("1.50: 1", json!({"1.5": 1})),
        ("1e3: 1", json!({"1000": 1})),
        ("1e6: 1", json!({"1e+06": 1})),
        ("0.00001: 1", json!({"1e-05": 1})),
        ("16777217.0: 1", json!({"1.6777216e+07": 1})),
        ("'': 1", json!({"": 1})),
    ] {
        assert_eq!(value_of(line).as_ref(), Ok(&expected), "{line}");
    }
}

#[test]
fn what_json_cannot_carry_is_an_error() {
    for (line, needle) in [
        ("a: .inf", "infinite"),
        ("a: -.Inf", "infinite"),
        ("a: .nan", "not a number"),
        ("~: 1", "a key is null"),
        ("? [a]\n: 1", "where a key is expected"),
        ("a: !!int x", "does not fit its tag"),
        ("a: ! 1", "a tag makes text of a number"),
        ("a: !own yes", "a tag makes text of a number, a boolean"),
        ("a: !own", "a tag makes text of a number, a boolean or null"),
        ("a: &x [-, *x]\nb: &x 1", "a lone `-` stands between brackets"),
        ("a: &x \u{feff}b\nb: &x 1\nc: *x", "a byte order mark"),
        ("a: !!binary aGk=", "tagged !!binary"),
        ("a: !<tag:yaml.org,2002:binary> aGk=", "tagged !!binary"),
        ("a: *nowhere", "unknown anchor"),
        ("a: &x [*x]", "nested more than"),
        ("a: {b: 1, b: 2}", "appears twice in one map: remove one of them (the key is `b`)"),
        ("<<: 1", "`<<` merges something that is not a map"),
    ] {
        let error = value_of(line).expect_err(line);
        assert!(error.contains(needle), "{line}: {error}");
    }
}

#[test]
fn merges_follow_kubectl() {
    for (lines, expected) in [
        ("b: &b {x: 1}\na: {<<: *b, e: 2}", json!({"b": {"x": 1}, "a": {"x": 1, "e": 2}})),
        ("a: {<<: {x: 2}, x: 1}", json!({"a": {"x": 1}})),
        ("a: {x: 1, <<: {x: 2}}", json!({"a": {"x": 2}})),
        ("a: {<<: [{x: 1}, {x: 2, z: 3}]}", json!({"a": {"x": 1, "z": 3}})),
        ("a: {'<<': {x: 1}}", json!({"a": {"<<": {"x": 1}}})),
        ("b: &b yes\na: *b", json!({"b": true, "a": true})),
        ("b: &b 'yes'\na: *b", json!({"b": "yes", "a": "yes"})),
    ] {
        assert_eq!(value_of(lines).as_ref(), Ok(&expected), "{lines}");
    }
}

#[test]
fn an_alias_means_the_last_anchor_of_its_name_before_it() {
    for (lines, expected) in [
        ("b: &x 1\nc: &x 2\nd: &y 3\na: *x", json!({"b": 1, "c": 2, "d": 3, "a": 2})),
        ("b: &x 1\na: *x\nc: &x 2\nd: &y 3", json!({"b": 1, "a": 1, "c": 2, "d": 3})),
        (
            "b: &x {v: 1}\nc: &x\n  v: 2\na: {<<: *x}",
            json!({"b": {"v": 1}, "c": {"v": 2}, "a": {"v": 2}}),
        ),
        ("b: [&x 1, *x, &x 2, *x]", json!({"b": [1, 1, 2, 2]})),
        ("&x b: &x 1\n? *x\n: 2", json!({"b": 1, "1": 2})),
        ("b: &x !!str 1\nc: !!str &x 2\na: *x", json!({"b": "1", "c": "2", "a": "2"})),
        (
            "b: &x '&x'\nc: \"*x\"\nd: &x 2 # &x\na: *x",
            json!({"b": "&x", "c": "*x", "d": 2, "a": 2}),
        ),
        ("ä: &x ü\nb: &x ö\na: *x", json!({"ä": "ü", "b": "ö", "a": "ö"})),
        ("b: &x 1\nc: &x 2", json!({"b": 1, "c": 2})),
        (
            "a: |\n  f(&x);\n  &y\n  &y\n  *p = 1;\nb: &z 1\nc: *z",
            json!({"a": "f(&x);\n&y\n&y\n*p = 1;\n", "b": 1, "c": 1}),
        ),
        ("a: run &x *x\nb: run &x", json!({"a": "run &x *x", "b": "run &x"})),
    ] {
        assert_eq!(value_of(lines).as_ref(), Ok(&expected), "{lines}");
    }
    assert!(value_of("b: run &x &x\nc: *nothing").is_err());
    // Lines are told as they are in the file.
    let error =
        value_of("b: &first 1\nc: &first 2\na: *first\nd: 1\nd: 2").expect_err("a key twice");
    assert!(error.starts_with("f.yaml:7: "), "{error}");
}

#[test]
fn deep_documents_are_refused_in_linear_time() {
    // The square of these would be minutes.
    for part in ["[", "{a: ", "[{a: ", "{\"a\": [", "[\"]\", ", "[']', #]\n", "{? "] {
        let error =
            value_of(&format!("a: {}", part.repeat(1_000_000 / part.len()))).expect_err(part);
        assert!(
            error.contains("nested more than 128") || error.contains("can't be followed"),
            "{part}: {error}"
        );
    }
    for part in
        ["- ", "? ", "[],", "a: ", "- - ", "&a ", "!a ", "'", "\"", "{}", "|", "#", "%", "[a: b, "]
    {
        let found = read_text(&part.repeat(300_000 / part.len()));
        assert!(found.objects.is_empty(), "{part}");
    }
    let wide = format!("a: [{}]", "{b: [1, 2]}, ".repeat(20_000));
    assert!(value_of(&wide).is_ok());
}

#[test]
fn aliases_expand_within_bounds() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let below = format!("*a{},", level - 1).repeat(10);
        bomb.extend([format!("a{level}: &a{level} [{below}]\n")]);
    }
    let error = value_of(&bomb).expect_err("a bomb");
    assert!(error.contains("aliases expand") || error.contains("repetition"), "{error}");

    let flat = format!("b: &b \"{}\"\na: [{}]", "x".repeat(1 << 20), "*b,".repeat(100));
    let error = value_of(&flat).expect_err("a flat bomb");
    assert!(error.contains("aliases expand"), "{error}");

    let honest = format!("b: &b {{cpu: 1, memory: 1Gi}}\na: [{}]", "*b,".repeat(500));
    assert!(value_of(&honest).is_ok());
}

const PODS: &str = "# first
apiVersion: v1
kind: Pod
metadata: {name: one}
---
# only a comment
---
---  # the second
apiVersion: v1
kind: Pod
metadata: {name: two}
...
# between
--- {apiVersion: v1, kind: Pod, metadata: {name: three}}
---
";

#[test]
fn documents_are_split_at_their_markers() {
    let marked = PODS.replace("---", "\u{feff}---");
    let inside = PODS.replace("apiVersion", "\u{feff}apiVersion").replace("{\u{feff}", "{");
    for text in [
        PODS.to_owned(),
        PODS.replace('\n', "\r\n"),
        format!("\u{feff}{PODS}"),
        format!("\u{feff}{marked}"),
        marked.replace('\n', "\r\n"),
        inside,
    ] {
        let found = read_text(&text);
        assert_eq!(found.names(), ["one", "two", "three"]);
        assert_eq!(found.lines(), [2, 9, 14]);
        assert_eq!(found.objects[2].1.document, 3);
        assert!(found.errors.is_empty() && found.others.is_empty(), "{found:?}");
    }
}

#[test]
fn markers_inside_scalars_stay_there() {
    let found = read_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: |\n    ---\n    ...\n  z: \"---\"\n",
    );
    assert_eq!(found.objects[0].0["data"], json!({"x": "---\n...\n", "z": "---"}));
}

#[test]
fn a_bad_document_has_its_line_and_hides_no_other() {
    let found = read_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\n---\nkind: Pod\n  bad: [\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: two}\n---\na: 1\nb: {c: 1, c: 2}\n",
    );
    assert_eq!(found.names(), ["one", "two"]);
    assert_eq!(found.errors.len(), 2, "{found:?}");
    assert_eq!(
        found.errors[0],
        "f.yaml:6: document 2: mapping values are not allowed in this context"
    );
    assert!(found.errors[1].starts_with("f.yaml:13: document 4: a key appears twice"));
}

#[test]
fn templates_say_how_to_render_them() {
    for text in [
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n",
        "{{- if .Values.enabled }}\napiVersion: v1\n{{- end }}\n",
    ] {
        let found = read_text(text);
        assert_eq!(found.errors.len(), 1, "{text}: {found:?}");
        assert!(found.errors[0].contains("helm template CHART | comptroller scan -"));
    }
    let chart = "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .x }}}\n---\nkind: {{ .y }}\n---\n"
        .repeat(200);
    let found = read_text(&format!("{chart}apiVersion: v1\nkind: Pod\nmetadata: {{name: last}}\n"));
    assert_eq!(found.errors.len(), 1, "a template has one error");
    assert_eq!(found.names(), ["last"]);
}

#[test]
fn lists_are_unpacked() {
    let found = read_text(
        "apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: one}
- metadata:
    name: two
- apiVersion: v1
  kind: List
  items:
  - {apiVersion: v1, kind: Pod, metadata: {name: three}}
  - {metadata: {name: lost}}
kind: PodList
",
    );
    assert_eq!(found.names(), ["one", "three", "two"]);
    assert_eq!(found.lines(), [3, 8, 6]);
    assert_eq!(found.objects[2].0["kind"], "Pod");
    assert_eq!(found.errors.len(), 1, "{found:?}");
    assert!(found.errors[0].contains("an item of the list has no kind"));

    let empty = read_text(
        "apiVersion: v1\nkind: List\nitems: []\n---\napiVersion: v1\nkind: PodList\nitems: null\n",
    );
    assert!(empty.errors.is_empty() && empty.objects.is_empty());

    let wrong = read_text(
        "apiVersion: v1\nkind: List\nitems: {a: 1}\n---\napiVersion: v1\nkind: PodList\nitems: pods\n---\napiVersion: v1\nkind: List\nitems: [null, pod]\n",
    );
    assert_eq!(wrong.errors.len(), 4, "{wrong:?}");
    assert!(wrong.errors[0].contains("items is not a list"), "{wrong:?}");
    // A list by its name alone.
    let named =
        read_text("apiVersion: e.com/v1\nkind: AllowList\nmetadata: {name: a}\nitems: {b: 1}\n");
    assert_eq!(named.objects[0].0["items"], json!({"b": 1}));
}

#[test]
fn json_comes_single_concatenated_in_lines_or_between_markers() {
    let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}});
    let (one, two) = (pod("one"), pod("two"));
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    for text in [
        format!("{one}{two}"),
        format!("{one}\n{two}\n"),
        format!("\n  {}\n{}", pretty(&one), pretty(&two)),
        format!("{one}\n---\n{two}"),
        format!("---\n{}\n--- {two}", pretty(&one)),
        format!("{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n{one},\n{two}]}}"),
    ] {
        let found = read_text(&text);
        assert_eq!(found.names(), ["one", "two"], "{text}: {found:?}");
        assert!(found.errors.is_empty(), "{text}: {found:?}");
    }
    let flow = read_text("{apiVersion: v1, kind: Pod, metadata: {name: flow}, a: yes}");
    assert_eq!(flow.objects[0].0["a"], true);
    let strict = read_text(
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "b": "yes", "c": 1.0}"#,
    );
    assert_eq!(strict.objects[0].0["b"], "yes");
    assert!(strict.objects[0].0["c"].is_f64());
}

#[test]
fn a_bad_json_value_hides_no_other() {
    let found = read_text(
        "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"one\"}}\n{\"apiVersion\": \"v1\", \n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"two\"}}\n{\"a\": 1, \"a\": 2}\n",
    );
    assert_eq!(found.names(), ["one", "two"], "{found:?}");
    assert_eq!(found.errors.len(), 2, "{found:?}");
    assert!(found.errors[0].starts_with("f.yaml:3: document 2: "), "{found:?}");
    assert!(found.errors[1].starts_with("f.yaml:4: document 4: a key appears twice"));
}

#[test]
fn documents_without_a_kind_are_no_objects() {
    let found = read_text(
        "image: nginx\nreplicas: 1\n---\n- a\n---\napiVersion: v2\nname: chart\n---\n42\n",
    );
    assert_eq!(found.others.len(), 4, "{found:?}");
    assert!(found.errors.is_empty() && found.objects.is_empty());

    let found = read_text("kind: Pod\nmetadata: {name: a}\n---\nkind: [Pod]\n");
    assert!(found.errors[0].contains("kind Pod without apiVersion"), "{found:?}");
    assert!(found.errors[1].contains("kind is not text"), "{found:?}");
}

const HIDDEN: &str = "c3VwZXI=";

#[test]
fn what_a_secret_says_is_dropped_at_once() {
    let found = read_text(&format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: a
  annotations: {{kubectl.kubernetes.io/last-applied-configuration: '{HIDDEN}', keep: me}}
data: {{password: {HIDDEN}}}
stringData: {{password: {HIDDEN}}}
---
apiVersion: v1
kind: SecretList
items:
- metadata: {{name: b}}
  data: {{password: {HIDDEN}}}
"
    ));
    assert_eq!(found.names(), ["a", "b"]);
    let kept =
        serde_json::to_string(&found.objects.iter().map(|(object, _)| object).collect::<Vec<_>>())
            .expect("JSON");
    assert!(!kept.contains(HIDDEN), "{kept}");
    assert!(kept.contains("\"keep\":\"me\""));
}

#[test]
fn errors_never_quote_a_secret() {
    for broken in [
        "data: {password: !!int c3VwZXI=}",
        "data: {c3VwZXI=: 1, c3VwZXI=: 2}",
        "data: {password: c3VwZXI=\n",
        "data: {? [c3VwZXI=] : 1}",
        "data: {password: *c3VwZXI=}",
        "data: {password: \"c3VwZXI=\\q\"}",
    ] {
        let found = read_text(&format!("apiVersion: v1\nkind: Secret\n{broken}\n"));
        assert_eq!(found.errors.len(), 1, "{broken}: {found:?}");
        assert!(!found.errors[0].contains(HIDDEN), "{}", found.errors[0]);
    }
    let json = read_text("{\"kind\": \"Secret\", \"data\": {\"c3VwZXI=\": 1, \"c3VwZXI=\": 2}}");
    assert!(!json.errors[0].contains(HIDDEN), "{}", json.errors[0]);
}

#[test]
fn length_and_errors_are_bounded() {
    let limits = Limits { document_bytes: 200, errors_per_file: 3 };
    let long = format!(
        "a: {}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: one}}\n---\n{}",
        "x".repeat(500),
        "b: 1\n".repeat(100)
    );
    let found = read_bytes(long.as_bytes(), limits);
    assert_eq!(found.names(), ["one"]);
    assert_eq!(found.lines(), [3]);
    assert_eq!(found.errors.len(), 2, "{found:?}");
    assert!(found.errors[0].starts_with("f.yaml:1: document 1: longer than 200 bytes"));

    let found = read_bytes("a: [\n---\n".repeat(50).as_bytes(), limits);
    assert_eq!(found.errors.len(), 4);
    assert!(found.errors[3].contains("the rest of it is not read"), "{found:?}");
}

#[test]
fn other_encodings_and_binary_files_are_errors() {
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain("a: 1".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert!(read_bytes(&utf16, Limits::default()).errors[0].contains("save it as UTF-8"));
    assert_eq!(read_bytes(b"a: \xC3\x28\n", Limits::default()).errors.len(), 1);
    assert_eq!(read_bytes(b"\x7FELF\x02\x01\x00\x00", Limits::default()).errors.len(), 1);
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        read_bytes(&bytes, Limits::default());
    }

    #[test]
    fn yaml_like_text_never_makes_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "a", ":", " ", "\n", "- ", "&x", "*x", "<<: ", "---", "...", "|", "{", "}", "[", "]", ",",
            "'", "\"", "!t", "items:", "kind: ", "List", "apiVersion: ", "v1", "\t", "#", "? ", "%",
        ]), 0..60)) {
        read_text(&words.concat());
    }

    #[test]
    fn json_reads_as_itself(value in json_value()) {
        let object = json!({"apiVersion": "v1", "kind": "X", "spec": value});
        let found = read_text(&object.to_string());
        proptest::prop_assert_eq!(&found.objects[0].0, &object);
        // JSON is YAML, too.
        let found = read_text(&format!("# YAML\n{object}"));
        proptest::prop_assert_eq!(&found.objects[0].0, &object);
    }
}

fn json_value() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~äß]{0,12}".prop_map(Value::from),
        proptest::sample::select(vec!["yes", "010", "1_0", "~", "null", "<<", ".inf"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z0-9~<]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
