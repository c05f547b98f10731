//! An independent verifier: Go's transparency log packages read what our writer wrote.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use comptroller_evidence::{
    key::SigningKey,
    log::{InclusionProof, LogReader, LogWriter, rotate_key},
    store::{DirectoryStore, Store},
};

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

/// Builds the Go program; Go itself caches what has not changed.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = root.join("target/evidence_go/evidenceverify");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(root.join("tests/evidence_go"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go 1.26 or newer is needed to check the log independently: https://go.dev/dl");
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    binary
}

fn verify(binary: &Path, log: &Path, key: &SigningKey, older: &Path) -> Output {
    Command::new(binary).arg(log).arg(key.verifier().as_str()).arg(older).output().unwrap()
}

async fn append(log: &mut LogWriter, groups: &[u64]) {
    for group in groups {
        let leaves: Vec<Vec<u8>> = (log.size()..log.size() + group)
            .map(|number| format!(r#"{{"entry":{number}}}"#).into_bytes())
            .collect();
        log.append(&leaves).await.unwrap();
    }
}

#[tokio::test]
async fn go_verifies_the_checkpoint_the_tiles_every_leaf_and_consistency() {
    let binary = build();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let key = SigningKey::generate(ORIGIN).unwrap();
    let store: Arc<dyn Store> = Arc::new(DirectoryStore::new(path.clone()));
    let mut log = LogWriter::open(Arc::clone(&store), key.clone(), ORIGIN).await.unwrap();
    append(&mut log, &[1, 1, 5, 250]).await;
    let older = folder.path().join("older");
    std::fs::write(&older, log.checkpoint()).unwrap();
    append(&mut log, &[300, 256, 1]).await;

    let output = verify(&binary, &path, &key, &older);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "verified 814 entries\n");

    let proof = LogReader::open(Arc::clone(&store), None).await.unwrap();
    let proof = InclusionProof::of(&proof, 700).await.unwrap().to_tlog_proof();
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{proof}");
    assert!(proof.contains("\nindex 700\n") && proof.ends_with(log.checkpoint()), "{proof}");

    // The key is replaced, and whoever has the old one follows.
    drop(log);
    let new = SigningKey::from_seed(ORIGIN, &[9; 32]).unwrap();
    let now = "2026-11-30T10:00:00Z".parse().unwrap();
    rotate_key(Arc::clone(&store), &key, &new, now).await.unwrap();
    let mut log = LogWriter::open(Arc::clone(&store), new.clone(), ORIGIN).await.unwrap();
    append(&mut log, &[2]).await;
    let output = verify(&binary, &path, &key, &older);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "verified 817 entries\n");

    // The independent verifier is no rubber stamp.
    let bundle = path.join("tile/entries/001");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let output = verify(&binary, &path, &key, &older);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("entry 256"));
}
