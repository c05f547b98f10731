//! What is planted in Persons is nowhere in the log, the metrics, the events and the operator's own
//! log, in whatever form; and erasing somebody breaks no proof.

use std::{fs, path::Path, process::Command};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use comptroller_core::api::State;
use comptroller_evidence::entry::{Entry, EntryType};

use crate::{
    controlplane::{ControlPlane, wait},
    known::{CONTROL, apply, bind},
    log,
    process::{Bench, LIMIT, get, kubectl},
};

/// Words of which each is a part of something that Persons say of somebody.
const PLANTED: [&str; 6] =
    ["quillfeather", "marzipanova", "Örtlichkeit", "zwiebelkuchen", "grumbleton", "platypusson"];

const PEOPLE: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Person
metadata: {name: quillfeather}
spec:
  displayName: Ada Marzipanova Örtlichkeit
  email: zwiebelkuchen@corp.example
  identities: {usernames: [grumbleton@corp, quillfeather], groups: [platform]}
  department: Office of grumbleton@corp
  manager: platypusson
---
apiVersion: comptroller.dev/v1alpha1
kind: Person
metadata: {name: platypusson}
spec:
  displayName: P
  identities: {usernames: [platypusson]}
  manager: marzipanova
---
apiVersion: comptroller.dev/v1alpha1
kind: Person
metadata: {name: marzipanova}
spec:
  displayName: P
  identities: {usernames: [platypusson]}
  manager: quillfeather
";

/// Every form in which a word may lie in bytes: as it is, escaped, in UTF-16, and in Base64 wherever
/// it begins.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let mut texts = vec![word.to_owned(), word.to_lowercase(), word.to_uppercase()];
    texts.push(word.chars().next().unwrap().to_uppercase().chain(word.chars().skip(1)).collect());
    let mut forms = Vec::new();
    for text in texts {
        forms.push(text.clone().into_bytes());
        forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
        let escaped =
            |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
        forms.push(text.chars().map(escaped).collect::<String>().into_bytes());
        for before in 0..3 {
            // What depends on the bytes around it is cut off.
            let padded = [vec![b'x'; before], text.clone().into_bytes()].concat();
            let code = BASE64_STANDARD.encode(&padded[..padded.len() - padded.len() % 3]);
            forms.push(code.as_bytes()[if before == 0 { 0 } else { 4 }..].to_vec());
        }
    }
    forms
}

fn assert_names_nobody(what: &str, bytes: &[u8]) {
    for word in PLANTED {
        for form in forms(word) {
            let found = bytes.windows(form.len()).position(|window| window == form);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(200)..(at + 60).min(bytes.len())];
                panic!("{what} has {word:?}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// Every file below a folder, also as it is when it is not compressed.
fn assert_no_file_names_anybody(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_names_nobody("the name of a file", path.to_string_lossy().as_bytes());
        if path.is_dir() {
            files += assert_no_file_names_anybody(&path);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let what = path.display().to_string();
        assert_names_nobody(&what, &bytes);
        if let Ok(plain) = zstd::decode_all(&bytes[..]) {
            assert_names_nobody(&what, &plain);
        }
        files += 1;
    }
    files
}

#[test]
fn the_search_finds_every_form() {
    for text in ["x quillfeather", "QUILLFEATHER", "Ada Marzipanova"] {
        for bytes in
            [text.as_bytes().to_vec(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()]
        {
            assert!(
                std::panic::catch_unwind(|| assert_names_nobody("a text", &bytes)).is_err(),
                "{text}"
            );
        }
        let code = BASE64_STANDARD.encode(format!("{text} and more"));
        assert!(
            std::panic::catch_unwind(|| assert_names_nobody("a code", code.as_bytes())).is_err(),
            "{code}"
        );
    }
    assert_names_nobody("nothing", b"person:0123456789 left");
}

#[tokio::test]
async fn nothing_that_is_kept_or_told_names_anybody() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let folder = bench.plane.dir().join("evidence");
    bench
        .start_operator_as(
            bench.plane.kubeconfig("admin"),
            &["--evidence", folder.to_str().unwrap()],
        )
        .await;
    bind(&bench, "grumbleton@corp").await;
    apply(&bench, PEOPLE).await;
    bench.apply(CONTROL).await;
    bench.until_state("users", State::Passing).await;
    wait::until("an inventory with people", LIMIT, async || {
        let entries = log::entries(&folder).await;
        let is_inventory = |entry: &Entry| entry.data.entry_type() == EntryType::Inventory;
        entries.iter().any(is_inventory).then_some(())
    })
    .await
    .unwrap();
    // Somebody leaves, which is a finding, and is erased, which is another.
    let left = PEOPLE.replace("manager: platypusson", "endDate: '2020-01-01'");
    apply(&bench, &left).await;
    bench.until_state("users", State::Failing).await;
    kubectl(&bench.plane, &["delete", "person", "quillfeather"]).await;
    let is_unknown = |status: &comptroller_core::api::ControlStatus| {
        status.findings.first().is_some_and(|finding| finding.rule == "UnknownUser")
    };
    bench.until("users", "says that nobody knows the user", is_unknown).await;

    let events = kubectl(&bench.plane, &["get", "events.events.k8s.io", "-A", "-o", "json"]).await;
    assert!(events.contains("comptroller.dev/operator"), "no event to look at: {events}");
    assert_names_nobody("the events", events.as_bytes());
    let (_, metrics) = get(bench.url(), "/metrics").await.unwrap();
    assert_names_nobody("the metrics", metrics.as_bytes());
    assert_names_nobody("the operator's log", bench.log().as_bytes());
    bench.stop_operator().await;
    assert!(assert_no_file_names_anybody(&folder) > 5);
    // The log is whole without whoever was erased.
    let verified = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["evidence", "verify"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
