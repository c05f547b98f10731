//! The control plane that other tests rely on does what it promises.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

mod controlplane;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use controlplane::{ControlPlane, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

const AUDIT_POLICY: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{ "level": "Metadata" }]
}"#;

/// A typed object from its JSON.
fn from<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn each_user_is_who_they_are() {
    let plane = ControlPlane::builder()
        .user("alice", &["team-a", "team-b"])
        .api_server_file("audit-policy-file", AUDIT_POLICY)
        .api_server_arg("--audit-log-path={dir}/audit.log")
        .start()
        .await
        .unwrap();
    for (name, group) in [
        ("admin", "system:masters"),
        ("reviewer", "reviewers"),
        ("developer", "developers"),
        ("auditor", "auditors"),
        ("alice", "team-b"),
    ] {
        let reviews = Api::<SelfSubjectReview>::all(plane.client(name));
        let review =
            reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.unwrap();
        let user = review.status.unwrap().user_info.unwrap();
        assert_eq!(user.username.as_deref(), Some(name));
        assert!(user.groups.unwrap().contains(&group.to_owned()));

        let printed = plane
            .kubectl(name, &["auth", "whoami", "-o=jsonpath={.status.userInfo.username}"])
            .await
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout), name);
    }
    let refused = plane
        .kubectl_with_input(
            "developer",
            &["apply", "-f", "-"],
            r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}}"#,
        )
        .await
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("forbidden"));

    let log = plane.dir().join("audit.log");
    wait::until("the refusal in the audit log", LIMIT, async || {
        let log = std::fs::read_to_string(&log).ok()?;
        let refused =
            |line: &str| line.contains(r#""username":"developer""#) && line.contains("403");
        log.lines().any(refused).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn workloads_run_and_jobs_end() {
    let plane = ControlPlane::builder()
        .controller_manager(true)
        .scheduler(true)
        .kwok(true)
        .start()
        .await
        .unwrap();
    plane.create_node("node-1").await.unwrap();
    let client = plane.admin_client();

    let deployments = Api::<Deployment>::default_namespaced(client.clone());
    let template = json!({ "containers": [{ "name": "app", "image": "registry.example/app:1" }] });
    let deployment = from(json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": template },
        },
    }));
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    wait::until("2 of 2 replicas", LIMIT, async || {
        let status = deployments.get("web").await.ok()?.status?;
        (status.ready_replicas == Some(2)).then_some(())
    })
    .await
    .unwrap();

    let cron_jobs = Api::<CronJob>::default_namespaced(client.clone());
    let mut pod = template;
    pod["restartPolicy"] = json!("Never");
    let cron_job = from(json!({
        "metadata": { "name": "backup" },
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": { "spec": { "template": { "spec": pod } } },
        },
    }));
    cron_jobs.create(&PostParams::default(), &cron_job).await.unwrap();
    let started =
        plane.kubectl("admin", &["create", "job", "now", "--from=cronjob/backup"]).await.unwrap();
    assert!(started.status.success(), "{started:?}");
    wait::until("the CronJob's last success", LIMIT, async || {
        cron_jobs.get("backup").await.ok()?.status?.last_successful_time
    })
    .await
    .unwrap();

    let jobs = Api::<Job>::default_namespaced(client);
    let failing = from(json!({
        "metadata": { "name": "failing" },
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": { "labels": { "controlplane/outcome": "failure" } },
                "spec": pod,
            },
        },
    }));
    jobs.create(&PostParams::default(), &failing).await.unwrap();
    wait::until("the failure of a Job", LIMIT, async || {
        jobs.get("failing").await.ok()?.status?.failed
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_shared_control_plane_deletes_namespaces() {
    let plane = controlplane::shared().await;
    let namespaces = Api::<Namespace>::all(plane.admin_client());
    let namespace = from(json!({ "metadata": { "name": "short-lived" } }));
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    namespaces.delete("short-lived", &DeleteParams::default()).await.unwrap();
    wait::until("the end of the namespace", LIMIT, async || {
        let gone = namespaces.get_opt("short-lived").await.ok()?;
        gone.is_none().then_some(())
    })
    .await
    .unwrap();
    assert_eq!(plane.server_url(), controlplane::shared().await.server_url());
}

#[tokio::test]
async fn an_outage_loses_nothing() {
    let mut plane = ControlPlane::builder().encryption(&["secrets"]).start().await.unwrap();
    let secrets = Api::<Secret>::default_namespaced(plane.admin_client());
    let secret = from(json!({ "metadata": { "name": "kept" } }));
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let metrics = plane.kubectl("admin", &["get", "--raw", "/metrics"]).await.unwrap();
    assert!(
        String::from_utf8_lossy(&metrics.stdout)
            .lines()
            .any(|line| line.starts_with("apiserver_storage_transformation_operations_total")
                && line.contains("k8s:enc:aescbc:v1:"))
    );

    plane.stop_api_server();
    assert!(secrets.get("kept").await.is_err());
    plane.start_api_server().await.unwrap();
    secrets.get("kept").await.unwrap();
}

#[tokio::test]
async fn a_failed_start_quotes_the_log_and_keeps_it() {
    let error =
        ControlPlane::builder().api_server_arg("--no-such-flag").start().await.err().unwrap();
    let controlplane::Error::Component { name, log, tail, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*name, "kube-apiserver");
    assert!(tail.contains("unknown flag: --no-such-flag"));
    assert!(error.to_string().contains(tail));
    let dir = log.ancestors().nth(2).unwrap();
    assert!(log.exists() && dir.join("logs/etcd.log").exists());
    assert!(!dir.join("etcd").exists(), "etcd's data is of no use");
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn logs_stay_after_a_panic_only() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let dir = plane.dir().to_owned();
    drop(plane);
    assert!(!dir.exists());

    let plane = ControlPlane::builder().start().await.unwrap();
    let dir = plane.dir().to_owned();
    let test = std::thread::spawn(move || {
        let _plane = plane;
        // As a panic unwinds, but without the message and the hook that other tests share.
        std::panic::resume_unwind(Box::new("a failing test"));
    });
    assert!(test.join().is_err());
    assert!(dir.join("logs/kube-apiserver.log").exists());
    std::fs::remove_dir_all(dir).unwrap();
}

/// A control plane in a process of its own, which tests end in ways that no test survives.
struct Owner {
    process: Child,
    dir: PathBuf,
    ports: BTreeSet<u16>,
}

impl Owner {
    fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "owner", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let owned = output
            .lines()
            .find_map(|line| line.unwrap().strip_prefix(OWNED).map(str::to_owned))
            .unwrap();
        let owned: Value = serde_json::from_str(&owned).unwrap();
        Self {
            process,
            dir: PathBuf::from(owned["dir"].as_str().unwrap()),
            ports: from(owned["ports"].clone()),
        }
    }

    fn ports_are_free(&self) -> bool {
        self.ports.iter().all(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
    }
}

const OWNED: &str = "owned: ";

/// What `Owner` runs. It panics and leaves without dropping anything when its input ends.
#[test]
#[ignore = "a part of the tests below, which run it in another process"]
fn owner() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = ControlPlane::builder().controller_manager(true).scheduler(true).kwok(true);
    let plane = runtime.block_on(builder.start()).unwrap();
    plane.keep_logs_on_panic();
    let owned = json!({ "dir": plane.dir(), "ports": plane.ports() });
    println!("\n{OWNED}{owned}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let failing = std::thread::spawn(|| panic!("a failing test"));
    assert!(failing.join().is_err());
    std::process::exit(1);
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn nothing_outlives_a_killed_owner() {
    let mut owner = Owner::start();
    assert_eq!(owner.ports.len(), 6);
    assert!(!owner.ports_are_free());
    assert!(processes_of(&owner.dir) >= 10, "5 components, each with a watchdog");

    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    wait::until("the end of processes, ports and files", LIMIT, async || {
        let ended = processes_of(&owner.dir) == 0 && owner.ports_are_free() && !owner.dir.exists();
        ended.then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn logs_outlive_a_process_in_which_a_test_panicked() {
    let mut owner = Owner::start();
    drop(owner.process.stdin.take());
    owner.process.wait().unwrap();
    wait::until("free ports and no data", LIMIT, async || {
        let ended = owner.ports_are_free() && !owner.dir.join("etcd").exists();
        ended.then_some(())
    })
    .await
    .unwrap();
    assert!(owner.dir.join("logs/kwok.log").exists());
    std::fs::remove_dir_all(&owner.dir).unwrap();
}

/// How many living processes name `dir` in their command line.
#[cfg(target_os = "linux")]
fn processes_of(dir: &Path) -> usize {
    let dir = dir.to_str().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|command| String::from_utf8_lossy(command).contains(dir))
        .count()
}

#[tokio::test]
async fn a_port_that_stays_taken_is_an_error() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let error = ControlPlane::builder()
        .api_server_arg(&format!("--secure-port={port}"))
        .start()
        .await
        .err()
        .unwrap();
    assert!(error.is_port_taken(), "{error}");
    let controlplane::Error::Component { log, .. } = error else {
        panic!("{error}");
    };
    std::fs::remove_dir_all(log.ancestors().nth(2).unwrap()).unwrap();
}

#[tokio::test]
async fn two_control_planes_live_side_by_side() {
    let (one, two) = tokio::join!(ControlPlane::builder().start(), ControlPlane::builder().start());
    let (one, two) = (one.unwrap(), two.unwrap());
    let ports: BTreeSet<u16> = one.ports().into_iter().chain(two.ports()).collect();
    assert_eq!(ports.len(), 6);

    let map: ConfigMap = from(json!({ "metadata": { "name": "mine" } }));
    let maps = Api::<ConfigMap>::default_namespaced(one.admin_client());
    maps.create(&PostParams::default(), &map).await.unwrap();
    let others = Api::<ConfigMap>::default_namespaced(two.admin_client());
    assert!(others.get_opt("mine").await.unwrap().is_none());
}
