//! The pages, served by the real programs on a real API server: who may see what, and what a browser
//! makes of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;

#[path = "../operator/process.rs"]
#[allow(dead_code, reason = "other test binaries use the rest of it")]
mod process;

mod browser;
mod local;
mod measured;
mod operator;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::http::{HeaderMap, Request, StatusCode};
use kube::{Client, Config, client::Body};

use controlplane::{ControlPlane, port::Port, wait};
use process::LIMIT;

/// A program of ours as a child process. Dropped, it is killed.
struct Program {
    child: Child,
    /// Where it serves, such as `https://127.0.0.1:8443`.
    url: String,
    output: std::path::PathBuf,
}

impl Program {
    fn start(arguments: &[&str], url: String, output: std::path::PathBuf) -> Self {
        let file = std::fs::File::create(&output).unwrap();
        let folder = output.parent().unwrap().join("keys");
        let child = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(arguments)
            .env("POD_NAME", "comptroller-0")
            .env("COMPTROLLER_KEY_DIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().unwrap()))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("the program starts");
        Self { child, url, output }
    }

    /// The operator over HTTPS, with a log in the folder of the control plane.
    async fn operator(plane: &ControlPlane, more: &[&str]) -> Self {
        let (port, probes) = (Port::reserve().unwrap(), Port::reserve().unwrap());
        let number = port.number();
        let listen = format!("127.0.0.1:{number}");
        let probe_listen = format!("127.0.0.1:{}", probes.number());
        let kubeconfig = plane.kubeconfig("admin").display().to_string();
        let evidence = evidence(plane);
        let mut arguments = vec![
            "run",
            "--listen",
            &listen,
            "--probe-listen",
            &probe_listen,
            "--kubeconfig",
            &kubeconfig,
            "--evidence",
            &evidence,
        ];
        arguments.extend(more);
        let url = format!("https://127.0.0.1:{number}");
        let output = plane.dir().join(format!("operator-{number}.log"));
        let program = Self::start(&arguments, url, output);
        drop((port, probes));
        wait::until("the operator is ready", LIMIT, async || {
            let ready = process::get(&format!("http://{probe_listen}"), "/readyz").await.ok()?;
            (ready.0 == 200).then_some(())
        })
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", program.output()));
        program
    }

    /// `comptroller ui` as a user of the control plane, and the link that it printed.
    async fn ui(plane: &ControlPlane, user: &str, more: &[&str]) -> (Self, String) {
        let kubeconfig = plane.kubeconfig(user).display().to_string();
        let mut arguments = vec!["ui", "--kubeconfig", &kubeconfig];
        arguments.extend(more);
        let mut program = Self::start(&arguments, String::new(), new_file(plane, "ui-", ".log"));
        let link = wait::until("a link", LIMIT, async || {
            let output = program.output();
            let link = output.lines().find(|line| line.starts_with("http://127.0.0.1:"))?;
            Some(link.to_owned())
        })
        .await
        .unwrap_or_else(|error| panic!("{error}: {}", program.output()));
        link.split("/ui/").next().unwrap().clone_into(&mut program.url);
        (program, link)
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Sends a signal, and waits for the end.
    async fn end(&mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success()
        );
        let status = wait::until("the end", Duration::from_secs(30), async || {
            self.child.try_wait().unwrap()
        });
        status.await.unwrap().code()
    }

    /// Asks with headers of a test's own, and follows no redirection.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut config = Config::new(self.url.parse().unwrap());
        config.default_retry = false;
        config.accept_invalid_certs = true;
        let client = Client::try_from(config).unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.as_bytes().to_vec())).unwrap();
        let response = client.send(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect_bytes().await.unwrap().to_vec();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
            bytes: body,
        };
        answer.check_headers(path);
        answer
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "").await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the program's last words:\n{}", self.output());
        }
    }
}

/// A response, whose headers were checked.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    bytes: Vec<u8>,
}

impl Answer {
    /// What every response must have, a refusal too.
    fn check_headers(&self, path: &str) {
        let header = |name: &str| {
            let value = self.headers.get(name).unwrap_or_else(|| panic!("{path} has no {name}"));
            value.to_str().unwrap().to_owned()
        };
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(
            header("cache-control").contains(if path.contains("style.css") {
                "max-age"
            } else {
                "no-store"
            }),
            "{path}"
        );
    }

    /// The cookie that it sets, as a browser would send it back, with its attributes.
    fn cookie(&self) -> (String, String) {
        let cookie = self.headers["set-cookie"].to_str().unwrap();
        let (pair, attributes) = cookie.split_once(';').unwrap();
        (pair.to_owned(), attributes.to_owned())
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// Where the log of a control plane's operator is.
fn evidence(plane: &ControlPlane) -> String {
    plane.dir().join("evidence").display().to_string()
}

/// A file that nothing else of the control plane uses.
fn new_file(plane: &ControlPlane, prefix: &str, suffix: &str) -> std::path::PathBuf {
    let file = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(plane.dir());
    file.unwrap().into_temp_path().keep().unwrap()
}

/// Applies YAML as the administrator.
async fn apply(plane: &ControlPlane, yaml: &str) {
    let file = new_file(plane, "apply-", ".yaml");
    std::fs::write(&file, yaml).unwrap();
    process::kubectl(plane, &["apply", "--server-side", "-f", &file.display().to_string()]).await;
}

/// A token of a new ServiceAccount.
async fn token(plane: &ControlPlane, account: &str) -> String {
    process::kubectl(plane, &["create", "serviceaccount", account, "-n", "default"]).await;
    process::kubectl(plane, &["create", "token", account, "-n", "default"]).await.trim().to_owned()
}

/// A control plane with the CRDs, the roles of the shipped manifests, and some objects.
async fn world() -> ControlPlane {
    let plane =
        ControlPlane::builder().controller_manager(true).start().await.expect("control plane");
    process::install_crds(&plane).await;
    for file in ["user_roles.yaml", "pages_viewer_role.yaml"] {
        let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rbac").join(file);
        process::kubectl(&plane, &["apply", "-f", &roles.display().to_string()]).await;
    }
    apply(&plane, OBJECTS).await;
    plane
}

/// A control that fails, an exception from it, a human control and two periods. The markup in them is
/// what somebody who may write objects, and nothing else, could try.
const OBJECTS: &str = r#"
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: no-loose-config}
spec:
  title: No <script>window.pwned=1</script><img src=x onerror=window.pwned=1> config without a label
  objective: "</p><style>*{display:none}</style> \u202e hidden"
  remedy: "[click](javascript:window.pwned=1) <a href='javascript:window.pwned=1'>here</a>"
  criteria: [CC6.1]
  owner: "<b id=pwned>platform</b>"
  severity: High
  test:
    cel:
      resources: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps]}]
      validations:
      - expression: "has(object.metadata.labels) && 'owner' in object.metadata.labels"
        messageExpression: "'<script>window.pwned=1</script> ' + object.metadata.name + ' has no owner'"
---
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: risks-are-assessed}
spec:
  title: Risks are assessed every year
  criteria: [CC3.2]
  owner: security
  severity: Medium
  test: {attestation: {every: 1y}}
---
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {name: legacy}
spec:
  controls: [no-loose-config]
  resources: [{kind: ConfigMap, name: "legacy-*", namespace: default}]
  reason: "<script>window.pwned=1</script> until it is replaced"
  requestedBy: jane@corp
  expires: "2027-06-30T00:00:00Z"
---
apiVersion: comptroller.dev/v1alpha1
kind: AuditPeriod
metadata: {name: now-2026}
spec: {type: TypeII, from: "2026-01-01T00:00:00Z", to: "2027-12-31T00:00:00Z"}
"#;
