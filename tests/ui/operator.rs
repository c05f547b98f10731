//! The operator's pages: for whoever the cluster lets read them, and for nobody else.

use super::{Program, process, token, wait, world};
use crate::process::LIMIT;

#[tokio::test]
async fn the_cluster_decides_who_reads_and_a_browser_can_sign_in() {
    let plane = world().await;
    let operator = Program::operator(&plane, &["--cluster-name", "prod-eu"]).await;
    let stranger = token(&plane, "stranger").await;
    let viewer = token(&plane, "viewer").await;
    let role = "--clusterrole=comptroller-pages-viewer";
    let account = "--serviceaccount=default:viewer";
    process::kubectl(&plane, &["create", "clusterrolebinding", "pages", role, account]).await;

    let nobody = operator.get("/ui/controls", &[]).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), "Bearer realm=\"comptroller\"");
    assert!(nobody.text.contains("name=\"token\"") && !nobody.text.contains("no-loose-config"));
    assert!(nobody.text.contains("name=\"next\" value=\"/ui/controls\""), "{}", nobody.text);
    assert_eq!(operator.get("/ui/", &[("authorization", "Bearer made-up")]).await.status, 401);
    assert_eq!(operator.get("/ui/style.css", &[]).await.status, 200);
    let forbidden = operator.get("/ui/", &[("authorization", &format!("Bearer {stranger}"))]).await;
    assert_eq!(forbidden.status, 403);
    let told = "may not get /ui/: grant it with a ClusterRole for nonResourceURLs [/ui/*]";
    assert!(forbidden.text.contains(told), "{}", forbidden.text);

    // The API server's own view of a new binding lags a little, and a refusal is kept for 30 s.
    let bearer = format!("Bearer {viewer}");
    let program = [("authorization", bearer.as_str())];
    let page = wait::until("a page", LIMIT, async || {
        let page = operator.get("/ui/controls", &program).await;
        (page.status == 200 && page.text.contains("no-loose-config")).then_some(page)
    })
    .await
    .unwrap();
    assert!(page.text.contains("prod-eu") && page.text.contains("comptroller-0"), "{}", page.text);
    let head = operator.ask("HEAD", "/ui/controls", &program, "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(operator.get("/ui", &program).await.header("location"), "/ui/");
    // The right to read the pages gives no other.
    assert_eq!(raw(&operator, "/metrics", &bearer).await, 403);

    let form = format!("token={viewer}&next=%2Fui%2Fcontrols");
    let type_ = ("content-type", "application/x-www-form-urlencoded");
    let ours = ("sec-fetch-site", "same-origin");
    for (headers, body, expected) in [
        (vec![type_, ("sec-fetch-site", "cross-site")], form.clone(), 403),
        (vec![type_, ("origin", "https://evil.example")], form.clone(), 403),
        (vec![type_], form.clone(), 403),
        (vec![("content-type", "text/plain"), ours], form.clone(), 415),
        (vec![type_, ours], format!("token={}", "x".repeat(16_500)), 413),
        (vec![type_, ours], "token=made-up".to_owned(), 401),
        (vec![type_, ours], "token=".to_owned(), 401),
        (vec![type_, ours], format!("token={stranger}"), 403),
    ] {
        let answer = operator.ask("POST", "/ui/login", &headers, &body).await;
        assert_eq!(answer.status.as_u16(), expected, "{headers:?} {}", answer.text);
        assert!(!answer.headers.contains_key("set-cookie"), "{headers:?}");
    }
    let signed_in = operator.ask("POST", "/ui/login", &[type_, ours], &form).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text);
    assert_eq!(signed_in.header("location"), "/ui/controls");
    let (cookie, attributes) = signed_in.cookie();
    assert_eq!(attributes, " Path=/ui; HttpOnly; Secure; SameSite=Strict");
    let browser = [("cookie", cookie.as_str())];
    assert_eq!(operator.get("/ui/controls", &browser).await.status, 200);
    // A cookie is for the pages alone.
    assert_eq!(raw_with(&operator, "/metrics", "cookie", &cookie).await, 401);
    let foreign = [browser[0], ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(operator.get("/ui/controls", &foreign).await.status, 403);
    for (method, path) in [("POST", "/ui/controls"), ("PUT", "/ui/"), ("DELETE", "/ui/login")] {
        let answer = operator.ask(method, path, &[browser[0], ours], "").await;
        assert_eq!(answer.status, 405, "{method} {path}");
    }
    let signed_out = operator.ask("POST", "/ui/logout", &[browser[0], ours], "").await;
    assert!(signed_out.header("set-cookie").contains("Max-Age=0"));

    let report = wait::until("a report", LIMIT, async || {
        let report = operator.get("/ui/periods/now-2026/report.html", &program).await;
        (report.status == 200).then_some(report)
    })
    .await
    .unwrap();
    let disposition = "attachment; filename=\"comptroller-now-2026.html\"";
    assert_eq!(report.header("content-disposition"), disposition);
    assert!(report.text.contains("system:serviceaccount:default:viewer (as the API server"));
}

/// The status of a request for something else than a page.
async fn raw(operator: &Program, path: &str, token: &str) -> u16 {
    raw_with(operator, path, "authorization", token).await
}

async fn raw_with(operator: &Program, path: &str, name: &str, value: &str) -> u16 {
    let mut config = kube::Config::new(operator.url.parse().unwrap());
    config.accept_invalid_certs = true;
    let client = kube::Client::try_from(config).unwrap();
    let request = axum::http::Request::get(path).header(name, value);
    let request = request.body(kube::client::Body::empty()).unwrap();
    client.send(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn without_authentication_only_names_of_this_machine_are_answered() {
    let mut bench = process::Bench::without_operator(
        crate::controlplane::ControlPlane::builder().start().await.unwrap(),
    )
    .await;
    bench.start_operator_as(bench.plane.kubeconfig("admin"), &["--leader-elect"]).await;
    let program = |url: &str| Asked { url: url.to_owned() };
    let open = program(bench.url());
    assert_eq!(open.status("127.0.0.1").await, 200);
    assert_eq!(open.status("localhost:1").await, 200);
    assert_eq!(open.status("evil.example").await, 403);
    // One that does not lead shows what it sees, and says so.
    let standby = bench.begin_another_operator(&["--leader-elect"]);
    let text = wait::until("the standby's page", LIMIT, async || {
        let (status, text) = process::get(&standby.url, "/ui/").await.ok()?;
        (status == 200).then_some(text)
    })
    .await
    .unwrap();
    assert!(text.contains("on standby"), "{text}");
}

struct Asked {
    url: String,
}

impl Asked {
    async fn status(&self, host: &str) -> u16 {
        let client = kube::Client::try_from(kube::Config::new(self.url.parse().unwrap())).unwrap();
        let request = axum::http::Request::get("/ui/").header("host", host);
        let request = request.body(kube::client::Body::empty()).unwrap();
        client.send(request).await.unwrap().status().as_u16()
    }
}
