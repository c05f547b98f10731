//! The pages in a real browser: Chromium at three widths, light and dark, with axe-core.
//!
//! Skipped where there is no Chromium, which says so; never where `CI` is set.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::json;

use super::{Program, apply, evidence, process, token, wait, world};
use crate::process::LIMIT;

/// Names Chromium, if it is not in PATH under one of its usual names.
const CHROMIUM: &str = "CHROMIUM";

/// The package that has axe-core 4.12 in it, and is otherwise not used.
const AXE: &str = "axe-playwright-python==0.1.8";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(CHROMIUM) {
        return Some(PathBuf::from(path));
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// Fetches axe-core into `target/tools`, once.
fn axe() -> PathBuf {
    static FETCHED: OnceLock<PathBuf> = OnceLock::new();
    FETCHED
        .get_or_init(|| {
            let folder = root().join("target/tools/axe");
            let file = folder.join("axe_playwright_python/axe.min.js");
            if !file.is_file() {
                let output = Command::new("python3")
                    .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                    .args(["--root-user-action", "ignore", "--no-deps", "--target"])
                    .arg(&folder)
                    .arg(AXE)
                    .output()
                    .expect("Python with pip is needed to fetch axe-core");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            file
        })
        .clone()
}

/// Builds the program that drives the browser; Go itself caches what has not changed.
fn driver() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let binary = root().join("target/browser/browser");
            let built = Command::new("go")
                .args(["build", "-trimpath", "-o"])
                .arg(&binary)
                .arg(".")
                .current_dir(root().join("tests/browser"))
                .env("GOWORK", "off")
                .env("GOFLAGS", "-buildvcs=false")
                .env("CGO_ENABLED", "0")
                .output()
                .expect("Go 1.26 or newer is needed to drive a browser: https://go.dev/dl");
            assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
            binary
        })
        .clone()
}

struct Visit<'a> {
    start: &'a str,
    token: &'a str,
    home: String,
    most: usize,
    pages: Vec<&'a str>,
    downloads: BTreeMap<&'a str, &'a str>,
}

/// Walks through the pages; panics with all faults.
fn look(browser: &Path, visit: &Visit<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let pictures = std::env::var_os("PICTURES");
    let place = pictures.as_ref().map_or_else(|| folder.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&place).unwrap();
    let plan = json!({
        "browser": browser, "axe": axe(), "start": visit.start, "token": visit.token,
        "home": visit.home, "most": visit.most, "pages": visit.pages,
        "downloads": visit.downloads, "folder": place, "pictures": pictures.is_some(),
    });
    let mut child = Command::new(driver())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (faults, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{faults}\n{errors}");
}

/// Chromium; None says that the test is skipped.
fn browser() -> Option<PathBuf> {
    let found = chromium();
    if found.is_none() {
        let why = "Chromium is not installed, so the pages are not looked at (Debian: apt-get install chromium)";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("{why}");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_fit_for_every_screen_and_reader() {
    let Some(browser) = browser() else { return };
    let plane = world().await;
    apply(
        &plane,
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: legacy-a, namespace: default}\n",
    )
    .await;
    let _operator = Program::operator(&plane, &[]).await;
    wait::until("the findings", LIMIT, async || {
        let status = process::kubectl(&plane, &["get", "controls", "-o", "json"]).await;
        status.contains("FindingsOpen").then_some(())
    })
    .await
    .unwrap();
    let log = evidence(&plane);
    let (ui, link) = Program::ui(&plane, "admin", &["--evidence", &log]).await;
    let downloads = [
        ("/ui/periods/now-2026/report.html", "comptroller-now-2026.html"),
        ("/ui/periods/now-2026/report.csv", "comptroller-now-2026-csv.zip"),
    ];
    let visit = Visit {
        start: &link,
        token: "",
        home: format!("{}/ui/", ui.url),
        most: 20,
        pages: vec![
            "/ui/",
            "/ui/controls",
            "/ui/controls/no-loose-config",
            "/ui/exceptions",
            "/ui/periods",
            "/ui/periods/now-2026",
        ],
        downloads: BTreeMap::from(downloads),
    };
    tokio::task::block_in_place(|| look(&browser, &visit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_at_the_operator() {
    let Some(browser) = browser() else { return };
    let plane = world().await;
    let operator = Program::operator(&plane, &[]).await;
    let viewer = token(&plane, "browser").await;
    let role = "--clusterrole=comptroller-pages-viewer";
    let account = "--serviceaccount=default:browser";
    process::kubectl(&plane, &["create", "clusterrolebinding", "browser", role, account]).await;
    let bearer = format!("Bearer {viewer}");
    wait::until("the right", LIMIT, async || {
        let page = operator.get("/ui/", &[("authorization", &bearer)]).await;
        (page.status == 200).then_some(())
    })
    .await
    .unwrap();
    let start = format!("{}/ui/login", operator.url);
    let report = ("/ui/periods/now-2026/report.json", "comptroller-now-2026.json");
    let visit = Visit {
        start: &start,
        token: &viewer,
        home: format!("{}/ui/", operator.url),
        most: 2,
        pages: vec!["/ui/"],
        downloads: BTreeMap::from([report]),
    };
    tokio::task::block_in_place(|| look(&browser, &visit));
}
