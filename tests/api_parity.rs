//! A spec means the same to the API server and to who reads files: what one takes the other takes,
//! with the same meaning. Every field of every kind is tried with values right, wrong and extreme.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

mod api_cases;
mod controlplane;

use std::collections::BTreeMap;

use api_cases::{
    attestation, audit_period, control, exception, person, response, test, valid_controls, with,
};
use comptroller::cli::crds::render_stream;
use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, DeviationResponse, InvalidSpec, Person,
    structural::{self, unknown_fields},
};
use controlplane::ControlPlane;
use futures::{StreamExt, stream};
use kube::Client;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};

const SEED: u64 = 9_999;

/// How many random durations and times are tried, for each field.
const RANDOM: usize = 60;

/// What is tried in place of any value.
fn replacements(value: &Value) -> Vec<Value> {
    let mut all = vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(16),
        json!(17),
        json!(2_147_483_647),
        json!(2_147_483_648_i64),
        json!(9_223_372_036_854_775_807_i64),
        json!(1e30),
        json!(""),
        json!(" "),
        json!("1"),
        json!("true"),
        json!("null"),
        json!("ä\u{1f600}"),
        json!([]),
        json!([null]),
        json!([""]),
        json!({}),
        json!({"unknown": 1}),
        json!({"unknown": null}),
    ];
    match value {
        Value::String(text) => {
            all.extend([text.to_uppercase(), text.to_lowercase()].map(Value::from));
            all.extend(
                [format!(" {text}"), format!("{text}\n"), format!("{text}x")].map(Value::from),
            );
            all.extend(
                [32, 33, 63, 64, 128, 253, 254, 256, 257, 512, 513, 1024, 1025, 4096, 4097]
                    .map(|length| json!("x".repeat(length))),
            );
        }
        Value::Array(items) => {
            let first = items.first().cloned().unwrap_or_default();
            all.extend([json!([first, first]), json!([first, null]), json!([[first]])]);
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let upper = name.to_uppercase();
                let mut other = fields.clone();
                other.insert(upper, value.clone());
                all.push(Value::Object(other));
            }
        }
        _ => {}
    }
    all
}

const DURATIONS: &[&str] = &[
    "0s",
    "0mo1d",
    "1d0mo",
    "0y1h",
    "0mo",
    "1mo",
    "3mo",
    "12mo",
    "121mo",
    "10y",
    "11y",
    "100y",
    "101y",
    "1y6mo",
    "1.5h",
    "1.5d",
    "0.5w",
    "1.5mo",
    "60s",
    "59s",
    "59.999999999s",
    "60000ms",
    "1m",
    "7d",
    "1w",
    "168h",
    "6d24h",
    "6d24h1ns",
    "1d12h30m",
    "24h6d",
    "999999999w",
    "999999999h",
    "999999999999s",
    "1h1h",
    "1H",
    "1M",
    "+1h",
    "-1h",
    "1",
    "h",
    "1 h",
    "1h ",
    "1.h",
    ".5h",
    "1.2.3h",
    "0.016666666h",
    "0.0000000001h",
    "1us",
    "1µs",
    "60000000us",
    "1e3s",
    "٣h",
];

const TIMES: &[&str] = &[
    "2026-12-31T00:00:00Z",
    "2026-12-31t00:00:00z",
    "2026-12-31T00:00:00z",
    "2026-12-31 00:00:00Z",
    "2026-12-31T00:00:00",
    "2026-12-31",
    "2026-12-31T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-12-31T23:60:00Z",
    "2026-12-31T00:00:00+25:00",
    "2026-12-31T00:00:00+24:00",
    "2026-12-31T00:00:00+23:59",
    "2026-12-31T00:00:00-23:59",
    "2026-12-31T00:00:00+14:60",
    "2026-12-31T00:00:00+0100",
    "2026-12-31T00:00:00-00:00",
    "2026-12-31T00:00:00.Z",
    "2026-12-31T00:00:00.5Z",
    "2026-12-31T00:00:00,5Z",
    "2026-12-31T00:00:00x5Z",
    "2026-12-31T00:00:00.123456789Z",
    "2026-12-31T00:00:00.1234567891Z",
    "2026-02-30T00:00:00Z",
    "2027-02-29T00:00:00Z",
    "2028-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "9999-12-30T22:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "10000-01-01T00:00:00Z",
    "+002026-12-31T00:00:00Z",
    "-2026-12-31T00:00:00Z",
    "20261231T000000Z",
    "2026-12-31T00:00Z",
    "2026-12-31T00:00:00Z ",
    "2026-W01-1T00:00:00Z",
    "2026-12-31T00:00:00Z[UTC]",
    "2026-12-31T00:00:00ZZ",
];

fn random_duration(rng: &mut SmallRng) -> String {
    let part = |rng: &mut SmallRng| {
        let number =
            *["0", "1", "2", "6", "7", "24", "60", "168", "0.5", "0.1", "100"].choose(rng).unwrap();
        let unit = *["ns", "us", "ms", "s", "m", "h", "d", "w", "mo", "y"].choose(rng).unwrap();
        format!("{number}{unit}")
    };
    (0..rng.random_range(1..4)).map(|_| part(rng)).collect()
}

fn random_time(rng: &mut SmallRng) -> String {
    let year = rng.random_range(2024..2030);
    let (month, day) = (rng.random_range(1..=12), rng.random_range(1..=31));
    let hour = rng.random_range(0..=24);
    let zone = *["Z", "+00:00", "-11:30", "+23:00", "+24:01", "z"].choose(rng).unwrap();
    format!("{year}-{month:02}-{day:02}T{hour:02}:59:00{zone}")
}

/// Every place inside a value, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                places(
                    value,
                    &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(items) => {
            for (position, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{position}"), found);
            }
        }
        _ => {}
    }
}

/// An object with every value of its spec replaced in turn.
fn mutations(object: &Value, rng: &mut SmallRng) -> Vec<Value> {
    let mut found = Vec::new();
    places(&object["spec"], "/spec", &mut found);
    // What all controls have is tried with one of them.
    if object["kind"] == "Control" && object["spec"]["test"]["rbac"].is_null() {
        found.retain(|place| place.starts_with("/spec/test/"));
    }
    let mut all = Vec::new();
    for place in found {
        let value = object.pointer(&place).unwrap();
        let mut values = replacements(value);
        if let Value::String(text) = value {
            let is_duration = text.len() < 9
                && text.starts_with(|c: char| c.is_ascii_digit())
                && text.ends_with(['h', 'd', 'o', 'y', 'm']);
            if is_duration {
                values.extend(DURATIONS.iter().map(|text| json!(text)));
                values.extend((0..RANDOM).map(|_| json!(random_duration(rng))));
            } else if text.ends_with(":00Z") {
                values.extend(TIMES.iter().map(|text| json!(text)));
                values.extend((0..RANDOM).map(|_| json!(random_time(rng))));
            }
        }
        for value in values {
            let mut object = object.clone();
            *object.pointer_mut(&place).unwrap() = value;
            all.push(object);
        }
    }
    all
}

fn heads(object: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (place, values) in [
        ("/metadata/name", json!(["A", "a_b", "a.b", "-a", "a".repeat(254), 1, "ä", "a/b"])),
        (
            "/metadata/labels",
            json!([null, {}, {"a": null}, {"a": 1}, {"a b": "c"}, {"A.b/c": "d"}, {"a": "-"}, [], "a"]),
        ),
        (
            "/metadata/annotations",
            json!([null, {}, {"a": null}, {"a": 1}, {"a b": "c"}, {"A.b/c": "d e"}, [], "a"]),
        ),
        ("/spec", json!([null, [], "", {}])),
    ] {
        for value in values.as_array().unwrap() {
            let mut object = object.clone();
            let (parent, field) = place.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[field] = value.clone();
            all.push(object);
        }
    }
    all
}

/// What a file's reader says: the spec, or why it is refused.
fn ours(object: &Value) -> Result<(Value, Result<(), InvalidSpec>), String> {
    fn both<S: serde::Serialize>(
        spec: &S,
        valid: Result<(), InvalidSpec>,
    ) -> (Value, Result<(), InvalidSpec>) {
        (serde_json::to_value(spec).unwrap(), valid)
    }
    let unknown = unknown_fields(object);
    if !unknown.is_empty() {
        return Err(format!("unknown fields {unknown:?}"));
    }
    let read = match object["kind"].as_str().unwrap() {
        "Control" => structural::read::<Control>(object).map(|o| both(&o.spec, o.spec.validate())),
        "ControlException" => structural::read::<ControlException>(object)
            .map(|o| both(&o.spec, o.spec.validate(None))),
        "Attestation" => {
            structural::read::<Attestation>(object).map(|o| both(&o.spec, o.spec.validate()))
        }
        "Person" => structural::read::<Person>(object).map(|o| both(&o.spec, o.spec.validate())),
        "DeviationResponse" => {
            structural::read::<DeviationResponse>(object).map(|o| both(&o.spec, o.spec.validate()))
        }
        _ => structural::read::<AuditPeriod>(object).map(|o| both(&o.spec, o.spec.validate())),
    };
    read.map_err(|error| error.to_string())
}

/// What the API server would store, or why it refuses.
async fn theirs(client: &Client, object: &Value) -> Result<Value, String> {
    let plural = match object["kind"].as_str().unwrap() {
        "Person" => "people".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let path = format!("/apis/comptroller.dev/v1alpha1/{plural}?dryRun=All&fieldValidation=Strict");
    let request = axum::http::Request::post(path)
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(stored) => Ok(stored),
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => Err(status.message),
        Err(error) => panic!("{error}: {object}"),
    }
}

/// Whether a refusal says where the mistake is.
fn names_a_field(refusal: &str) -> bool {
    // The last is how the API server's decoder calls metadata.
    ["spec", "metadata.", "unknown field", "ObjectMeta."].iter().any(|path| refusal.contains(path))
}

fn bases() -> Vec<Value> {
    let mut bases = vec![
        with(
            exception("e"),
            &json!({"compensatingControl": "A human looks.", "approvedBy": "sam@corp",
                    "recordedBy": "bot", "resources": [{"kind": "Pod", "name": "a-*", "namespace": "b-?"}]}),
        ),
        with(attestation("a"), &json!({"recordedBy": "bot", "corrects": "earlier"})),
        response("r"),
        person("n"),
        with(response("s"), &json!({"items": null})),
        audit_period("p"),
        with(
            audit_period("q"),
            &json!({"type": "TypeI", "asOf": "2026-12-31T00:00:00Z", "from": null, "to": null}),
        ),
        with(
            control("cel"),
            &test(&json!({"cel": {
                "resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}],
                "validations": [{"expression": "true"}],
            }})),
        ),
    ];
    let tests = valid_controls().into_iter().filter(|patch| !patch["test"].is_null());
    bases.extend(tests.map(|patch| with(control("c"), &patch)));
    bases
}

#[tokio::test]
async fn files_and_the_api_server_mean_the_same() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let crds = render_stream().unwrap();
    for arguments in [
        &["apply", "-f", "-"][..],
        &["wait", "--for=condition=Established", "--timeout=60s", "-f", "-"],
    ] {
        let output = plane.kubectl_with_input("admin", arguments, &crds).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let client = plane.admin_client();
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut objects: BTreeMap<String, Value> = BTreeMap::new();
    let kinds = [
        exception("e"),
        attestation("a"),
        response("r"),
        person("n"),
        audit_period("p"),
        control("c"),
    ];
    let objects_of = bases().into_iter().flat_map(|base| mutations(&base, &mut rng));
    for object in objects_of.chain(kinds.iter().flat_map(heads)) {
        objects.insert(object.to_string(), object);
    }
    let asked = stream::iter(objects.into_values()).map(|object| {
        let client = &client;
        async move { (theirs(client, &object).await, object) }
    });
    let answers: Vec<_> = asked.buffer_unordered(16).collect().await;
    let mut differences = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    for (theirs, object) in answers {
        let refusals = [theirs.as_ref().err().cloned(), ours(&object).err()];
        for refusal in refusals.into_iter().flatten().filter(|refusal| !names_a_field(refusal)) {
            differences.push(format!("names no field: {object}\n  {refusal}"));
        }
        match (theirs, ours(&object)) {
            (Err(_), Err(_) | Ok((_, Err(_)))) => refused += 1,
            (Err(theirs), Ok((_, Ok(())))) => {
                differences.push(format!("taken: {object}\n  {theirs}"));
            }
            (Ok(_), Err(ours)) => differences.push(format!("refused: {object}\n  {ours}")),
            // What only the operator can judge is refused by it in both.
            (Ok(stored), Ok((spec, valid))) => {
                taken += 1;
                match self::ours(&stored) {
                    Ok(read) if read == (spec.clone(), valid) => {}
                    read => differences.push(format!("meant: {object}\n  {spec} {read:?}")),
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
    assert!(taken > 500 && refused > 1000, "{taken} taken, {refused} refused");
}
