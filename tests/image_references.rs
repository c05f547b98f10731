//! Image references are what the reference grammar of container runtimes says.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

mod published;

use comptroller_core::checks::workload::ImageRef;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};

const REFERENCES: usize = 20_000;
const SEED: u64 = 3_986;

/// What references are made of, right and wrong.
const PIECES: &[&str] = &[
    "a",
    "app",
    "A",
    "0",
    "1.27",
    "latest",
    "localhost",
    "docker.io",
    "index.docker.io",
    "r.test",
    "R.test",
    "[::1]",
    ":5000",
    "/",
    "/",
    "/",
    ":",
    ":",
    "@",
    "@sha256:",
    "@sha384:",
    "@sha512:",
    "@md5:",
    ".",
    "_",
    "__",
    "___",
    "-",
    "--",
    " ",
    "library",
    "ä",
    "*",
];

fn reference(rng: &mut SmallRng) -> String {
    let pieces = rng.random_range(1..8);
    let mut text: String = (0..pieces).map(|_| *PIECES.choose(rng).unwrap()).collect();
    if rng.random_bool(0.4) {
        let digits = *[3, 32, 63, 64, 64, 64, 96, 128].choose(rng).unwrap();
        let alphabet: &[u8] =
            if rng.random_bool(0.9) { b"0123456789abcdef" } else { b"0123456789abcdefgF" };
        text.extend((0..digits).map(|_| char::from(*alphabet.choose(rng).unwrap())));
    }
    text
}

fn ours(text: &str) -> Value {
    let Some(image) = ImageRef::parse(text) else {
        return Value::Null;
    };
    let tag = image.tag.unwrap_or_default();
    json!([image.registry, image.repository, tag, image.digest.unwrap_or_default()])
}

/// Hosts are told apart by no capitals anywhere; the grammar keeps them as written.
fn lower_case_host(mut theirs: Value) -> Value {
    if let Some(Value::String(host)) = theirs.get_mut(0) {
        host.make_ascii_lowercase();
    }
    theirs
}

#[test]
fn references_are_taken_apart_as_container_runtimes_do() {
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut texts: Vec<String> = (0..REFERENCES).map(|_| reference(&mut rng)).collect();
    texts.extend([127, 128, 129].map(|length| format!("a:{}", "t".repeat(length))));
    texts.extend([247, 248, 255, 256].map(|length| "p".repeat(length)));
    texts.extend([255, 256].map(|length| format!("r.test/{}", "p".repeat(length))));
    let questions: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    let mut valid = 0;
    for (text, theirs) in texts.iter().zip(published::ask("images", &questions)) {
        valid += usize::from(!theirs.is_null());
        assert_eq!(ours(text), lower_case_host(theirs), "{text:?}");
    }
    assert!(valid * 20 > texts.len() && valid * 2 < texts.len(), "{valid} valid");
}
