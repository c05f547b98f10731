//! The commands of the documentation, run as a reader would run them.
//!
//! Every block of commands (`sh`, `console`) of every page is run in order, in a folder of its own with
//! `config`, `crds` and the like, with `comptroller` and `kubectl` in PATH; what a `console` block shows
//! after a command must be in its output. A comment before a block says what can't be seen in it
//! (blocks that only build this repository, by `make` or `cargo`, need none):
//!
//! - `<!-- docs: skip REASON -->`: it can't run here, and why. Then its options must exist all the same.
//! - `<!-- docs: file NAME -->`: it is written to this file, whatever its language.
//! - `<!-- docs: exit CODE -->`: its last command ends with this code.
//! - `<!-- docs: run ... -->`: commands that the reader does not see, such as what brings about a finding.
//! - `<!-- docs: needs cluster -->` or `needs operator`, anywhere on the page: it runs against a control
//!   plane, in the second case with the operator and the policies of `config/admission`; its log is `LOG`, and
//!   the key of the log is `FILE`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
mod links;
mod options;
mod page;
#[allow(dead_code, reason = "the pages need a part of it")]
#[path = "../operator/process.rs"]
mod process;
mod sandbox;

use std::{collections::BTreeSet, fs, path::Path};

use controlplane::ControlPlane;
use page::Page;
use process::install_crds;
use sandbox::Sandbox;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn run(path: &str) {
    let page = Page::read(path);
    let sandbox = Sandbox::new(page.needs).await;
    for step in &page.steps {
        sandbox.run(path, step);
    }
}

macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        const PAGES: &[&str] = &[$($path),*];
        $(
            #[tokio::test]
            async fn $name() {
                run($path).await;
            }
        )*
    };
}

pages! {
    readme: "README.md",
    changelog: "CHANGELOG.md",
    contributing: "CONTRIBUTING.md",
    security: "SECURITY.md",
    the_pack: "config/soc2/README.md",
    the_samples: "config/samples/README.md",
    index: "docs/README.md",
    architecture: "docs/architecture.md",
    auditors: "docs/auditors.md",
    ci: "docs/ci.md",
    controls: "docs/controls.md",
    evidence: "docs/evidence.md",
    install: "docs/install.md",
    migrate: "docs/migrate.md",
    operations: "docs/operations.md",
    people: "docs/people.md",
    performance: "docs/performance.md",
    self_assessment: "docs/security-self-assessment.md",
    testing: "docs/testing.md",
    ui: "docs/ui.md",
    write_a_control: "docs/write-a-control.md",
}

/// The pages that readers find, runbooks apart: those are for a cluster in trouble.
fn existing() -> BTreeSet<String> {
    let mut found: BTreeSet<String> = PAGES
        .iter()
        .filter(|path| path.starts_with("config/"))
        .map(|path| (*path).to_owned())
        .collect();
    for folder in ["", "docs/"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|end| end == "md") {
                found.insert(format!("{folder}{name}"));
            }
        }
    }
    found
}

/// Pages without a test of their own.
#[tokio::test]
async fn every_other_page() {
    let all = existing();
    for path in all.iter().filter(|path| !PAGES.contains(&path.as_str())) {
        run(path).await;
    }
    assert!(PAGES.iter().all(|path| all.contains(*path)), "a page is gone");
}

/// Runbooks are for a cluster in trouble, which is not at hand.
#[tokio::test]
async fn commands_of_runbooks_exist() {
    let sandbox = Sandbox::new(page::Needs::Nothing).await;
    let mut count = 0;
    for entry in fs::read_dir(repository().join("docs/runbooks")).unwrap() {
        let path = format!("docs/runbooks/{}", entry.unwrap().file_name().to_str().unwrap());
        for step in Page::unrun(&path) {
            sandbox.run(&path, &step);
            count += 1;
        }
    }
    assert!(count > 10, "only {count} blocks");
}

/// The resources on a page are written to be copied.
#[tokio::test]
async fn every_resource_of_ours_is_accepted() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    install_crds(&plane).await;
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in existing() {
        for (line, text) in Page::read(&path).yaml {
            let whole = ["apiVersion: comptroller.dev/", "\nmetadata:", "\nspec:"];
            if !whole.iter().all(|part| text.contains(part)) {
                continue;
            }
            count += 1;
            let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
            let output = plane.kubectl_with_input("admin", &arguments, &text).await.unwrap();
            if !output.status.success() {
                wrong.push(format!("{path}:{line}: {}", String::from_utf8_lossy(&output.stderr)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 15, "only {count} resources");
}

/// Words in backticks in the last column of the tables of the migration.
#[test]
fn what_findings_are_mapped_to_exists() {
    let controls = fs::read_to_string(repository().join("docs/controls.md")).unwrap();
    let migration = fs::read_to_string(repository().join("docs/migrate.md")).unwrap();
    let mut count = 0;
    for line in migration.lines().filter(|line| line.starts_with("| ")) {
        let answer = line.rsplit('|').nth(1).unwrap();
        for name in answer.split('`').skip(1).step_by(2) {
            let (test, requirements) = name.split_once(": ").unwrap_or((name, ""));
            let is_control = repository().join(format!("config/soc2/{test}.yaml")).is_file();
            let is_test = controls.contains(&format!("\n## {test}: "));
            assert!(is_control || is_test || test == "cel", "{name}");
            for requirement in requirements.split(", ").filter(|one| !one.is_empty()) {
                assert!(controls.contains(&format!("| `{requirement}` |")), "{name}");
                count += 1;
            }
        }
    }
    assert!(count > 10, "only {count}");
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = existing();
    for entry in fs::read_dir(repository().join("docs/runbooks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        pages.insert(format!("docs/runbooks/{name}"));
    }
    let wrong: Vec<String> = pages.iter().flat_map(|path| links::broken(path)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
