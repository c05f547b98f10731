//! The manual pages, read by man and by the strictest of its readers.

use std::{fs, process::Command};

use crate::support::{comptroller, text, tool};

fn pages() -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let output = comptroller(&["man", "--dir", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    (folder, names)
}

#[test]
fn every_command_has_a_page_that_says_what_help_says() {
    let (folder, names) = pages();
    for wanted in [
        "comptroller.1",
        "comptroller-scan.1",
        "comptroller-who-can.1",
        "comptroller-evidence.1",
        "comptroller-evidence-verify.1",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
    }
    let scan = fs::read_to_string(folder.path().join("comptroller-scan.1")).unwrap();
    for told in ["only\\-manifests", "EXTRA", "a control fails"] {
        assert!(scan.contains(told), "{told}: {scan}");
    }
}

#[test]
fn readers_find_nothing_wrong_with_them() {
    let (folder, names) = pages();
    if let Some(man) = tool("man") {
        for name in &names {
            let output = Command::new(&man)
                .args(["--warnings=w", "--local-file", "--encoding=UTF-8"])
                .arg(folder.path().join(name))
                .env("MANWIDTH", "80")
                .env("MANPAGER", "cat")
                .output()
                .unwrap();
            assert!(output.status.success(), "{name}: {}", text(&output.stderr));
            assert_eq!(text(&output.stderr), "", "{name}");
            assert!(text(&output.stdout).contains("SYNOPSIS"), "{name}");
        }
    }
}
