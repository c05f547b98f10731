//! The OSCAL that a period report is written as, read by compliance-trestle: a program that is not
//! ours, with NIST's model in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails must say where")]

mod python;

use std::{fs, path::Path};

/// Reads the document into the model, which refuses what it does not know, and then runs the
/// validators of a workspace: duplicate ids, broken references, links.
const VALIDATE: &str = r#"
import os, pathlib, subprocess, sys
from trestle.oscal.assessment_results import AssessmentResults

document = pathlib.Path(sys.argv[1])
results = AssessmentResults.oscal_read(document)
assert results.metadata.oscal_version.root.root == "1.2.1"
assert all(f.target.status for r in results.results for f in r.findings or [])

from trestle.cli import Trestle
workspace = pathlib.Path(sys.argv[2])
os.chdir(workspace)
def trestle(*arguments):
    sys.argv = ["trestle", *arguments]
    code = Trestle().run()
    assert code == 0, (arguments, code)
trestle("init", "--local")
trestle("import", "-f", str(document), "-o", "report")
trestle("validate", "-t", "assessment-results", "-n", "report")
print("valid")
"#;

/// The document that the unit tests of the writer hold it to.
fn agreed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("crates/report/src/period/oscal/snapshots")
        .join(format!("comptroller_report__period__oscal__tests__{name}.snap"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // A snapshot has a head between two lines of dashes.
    text.splitn(3, "---\n").nth(2).unwrap().to_owned()
}

fn validate(document: &str) -> Result<(), String> {
    let trestle = python::package("compliance-trestle==5.2.0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assessment-results.json");
    let workspace = folder.path().join("workspace");
    fs::create_dir(&workspace).unwrap();
    fs::write(&file, document).unwrap();
    let output = python::run(&trestle, VALIDATE, &[&file, &workspace]);
    let printed = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && printed.trim_end().ends_with("valid") {
        return Ok(());
    }
    Err(format!("{printed}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn another_program_finds_the_documents_valid() {
    for name in ["validated", "the_document_is_as_agreed"] {
        validate(&agreed(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_other_program_would_have_found_a_mistake() {
    let document = agreed("the_document_is_as_agreed");
    let broken = document.replacen("\"import-ap\"", "\"import-plan\"", 1);
    assert_ne!(broken, document);
    assert!(validate(&broken).is_err());
}
