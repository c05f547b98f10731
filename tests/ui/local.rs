//! `comptroller ui`: only who has its link sees anything, and only what their kubeconfig shows.

use super::{Program, apply, evidence, wait, world};
use crate::process::LIMIT;

/// Opens a link as a browser does; the cookie.
async fn open(ui: &Program, link: &str) -> String {
    let opened = ui.get(link.strip_prefix(&ui.url).unwrap(), &[]).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    let (cookie, attributes) = opened.cookie();
    assert_eq!(attributes, " Path=/ui; HttpOnly; SameSite=Strict");
    assert_eq!(opened.header("refresh"), "0; url=/ui/");
    cookie
}

#[tokio::test]
async fn only_who_has_the_link_sees_the_pages_and_it_works_once() {
    let plane = world().await;
    let (mut ui, link) = Program::ui(&plane, "admin", &[]).await;
    // Another user of this machine has the port and nothing else.
    for path in
        ["/ui/", "/ui/controls", "/ui/open/", "/ui/open/0000", "/ui/periods/now-2026/report.html"]
    {
        let refused = ui.get(path, &[]).await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(!refused.text.contains("no-loose-config"), "{path}");
    }
    assert_eq!(ui.get("/ui/style.css", &[]).await.status, 200);
    let guessed = format!("comptroller-{}=0000", ui.url.rsplit(':').next().unwrap());
    assert_eq!(ui.get("/ui/", &[("cookie", &guessed)]).await.status, 401);

    // A look ahead at the link does not use it up.
    let path = link.strip_prefix(&ui.url).unwrap().to_owned();
    assert_eq!(ui.ask("HEAD", &path, &[], "").await.status, 405);
    let cookie = open(&ui, &link).await;
    let replayed = ui.get(&path, &[]).await;
    assert_eq!(replayed.status, 401);
    assert!(replayed.text.contains("used before"), "{}", replayed.text);
    assert!(ui.output().contains("A browser opened the link"), "{}", ui.output());

    let mine = [("cookie", cookie.as_str())];
    let page = ui.get("/ui/controls", &mine).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("no-loose-config"), "{}", page.text);
    let head = ui.ask("HEAD", "/ui/controls", &mine, "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(ui.get("/ui/nothing", &mine).await.status, 404);
    assert_eq!(ui.get("/elsewhere", &mine).await.status, 404);
    assert_eq!(ui.get(&format!("/ui/controls?{}", "x".repeat(5_000)), &mine).await.status, 404);
    assert_eq!(ui.get("/", &[]).await.header("location"), "/ui/");

    // Names of somebody else's that lead to this machine, and what other pages make a browser send.
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example"] {
        let rebound = ui.get("/ui/", &[("cookie", &cookie), ("host", host)]).await;
        assert_eq!(rebound.status, 403, "{host}");
        assert!(!rebound.text.contains("no-loose-config"));
    }
    for (method, headers, expected) in [
        ("GET", vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 403),
        ("GET", vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")], 403),
        ("GET", vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], 200),
        ("GET", vec![("sec-fetch-site", "same-origin")], 200),
        ("POST", vec![("sec-fetch-site", "cross-site")], 403),
        ("POST", vec![("origin", "https://evil.example")], 403),
        ("POST", vec![], 403),
        ("POST", vec![("sec-fetch-site", "same-origin")], 405),
        ("DELETE", vec![("sec-fetch-site", "same-origin")], 405),
    ] {
        let headers: Vec<_> = headers.into_iter().chain(mine).collect();
        let answer = ui.ask(method, "/ui/", &headers, "").await;
        assert_eq!(answer.status.as_u16(), expected, "{method} {headers:?}");
    }
    let body = ui.ask("GET", "/ui/", &mine, "x").await;
    assert_eq!(body.status, 405);
    assert_eq!(ui.end("INT").await, Some(0), "Ctrl-C ends it: {}", ui.output());
}

#[tokio::test]
async fn a_user_with_fewer_rights_sees_less_and_is_told_what_is_missing() {
    let plane = world().await;
    apply(
        &plane,
        r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: controls-alone}
rules: [{apiGroups: [comptroller.dev], resources: [controls], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: developer-controls}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: controls-alone}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: developer}]
",
    )
    .await;
    let (ui, link) = Program::ui(&plane, "developer", &[]).await;
    let cookie = open(&ui, &link).await;
    let mine = [("cookie", cookie.as_str())];
    wait::until("the control", LIMIT, async || {
        ui.get("/ui/controls", &mine).await.text.contains("no-loose-config").then_some(())
    })
    .await
    .unwrap();
    let exceptions = ui.get("/ui/exceptions", &mine).await;
    assert_eq!(exceptions.status, 200);
    assert!(
        exceptions.text.contains("you may not list controlexceptions.comptroller.dev"),
        "{}",
        exceptions.text
    );
    assert!(exceptions.text.contains("comptroller-viewer"), "{}", exceptions.text);
    assert!(!exceptions.text.contains(">legacy<"), "{}", exceptions.text);
    assert!(exceptions.text.contains("developer"), "whose rights these are");
}

#[tokio::test]
async fn with_a_log_there_are_timelines_and_reports() {
    let plane = world().await;
    let operator = Program::operator(&plane, &[]).await;
    let log = evidence(&plane);
    let (ui, link) = Program::ui(&plane, "admin", &["--evidence", &log]).await;
    let cookie = open(&ui, &link).await;
    let mine = [("cookie", cookie.as_str())];
    let page = wait::until("the timeline", LIMIT, async || {
        let page = ui.get("/ui/controls/no-loose-config", &mine).await;
        (page.text.contains("Failing") && page.text.contains("FindingsOpen")).then_some(page.text)
    })
    .await
    .unwrap();
    assert!(!page.contains("<script>"), "{page}");

    for (format, type_, name) in [
        ("html", "text/html; charset=utf-8", "comptroller-now-2026.html"),
        ("csv", "application/zip", "comptroller-now-2026-csv.zip"),
        ("json", "application/json", "comptroller-now-2026.json"),
        ("oscal", "application/json", "comptroller-now-2026-oscal.json"),
    ] {
        let path = format!("/ui/periods/now-2026/report.{format}");
        let report = wait::until("the report", LIMIT, async || {
            let report = ui.get(&path, &mine).await;
            (report.status == 200).then_some(report)
        })
        .await
        .unwrap_or_else(|error| panic!("{error}: {format}"));
        assert_eq!(report.header("content-type"), type_);
        assert_eq!(
            report.header("content-disposition"),
            format!("attachment; filename=\"{name}\"")
        );
        match format {
            "csv" => assert_eq!(&report.bytes[..4], b"PK\x03\x04"),
            "html" => {
                assert!(report.text.contains("admin (as the API server knows them)"), "who ran it");
            }
            _ => assert!(serde_json::from_str::<serde_json::Value>(&report.text).is_ok()),
        }
    }
    for path in ["/ui/periods/now-2026/report.exe", "/ui/periods/other/report.html"] {
        assert_eq!(ui.get(path, &mine).await.status, 404, "{path}");
    }

    // A log that is not what was signed: pages say so, and nothing is handed out.
    drop(operator);
    let tile = std::path::Path::new(&log).join("tile/entries");
    // Of bundles that are not full yet, the widest is the newest.
    let width = |file: &std::path::PathBuf| {
        file.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok())
    };
    let file = walk(&tile).into_iter().max_by_key(width).expect("a bundle of entries");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (ui, link) = Program::ui(&plane, "admin", &["--evidence", &log]).await;
    let cookie = open(&ui, &link).await;
    let mine = [("cookie", cookie.as_str())];
    wait::until("the alarm", LIMIT, async || {
        ui.get("/ui/", &mine).await.text.contains("The evidence log is wrong").then_some(())
    })
    .await
    .unwrap();
    let report = ui.get("/ui/periods/now-2026/report.html", &mine).await;
    assert_eq!(report.status, 500, "{}", report.text);
    assert!(report.text.contains("comptroller report now-2026"), "{}", report.text);
}

/// Every file below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[tokio::test]
async fn what_is_wrong_with_the_start_is_told() {
    let plane = world().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let kubeconfig = plane.kubeconfig("admin").display().to_string();
    for (arguments, told) in [
        (vec!["--port", &port], "choose another one with --port"),
        (vec!["--evidence", "x", "--key", "no key"], "key"),
        (vec!["--context", "elsewhere"], "kubeconfig"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["ui", "--kubeconfig", &kubeconfig])
            .args(&arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}
