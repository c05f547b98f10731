//! litewitness beside the operator, on a real API server: the log is cosigned, published and kept so;
//! a log that was put back is refused by the witness, and the operator says so; and a witness that is
//! down holds up nothing.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use comptroller_evidence::{
    data::OperatorEvent,
    entry::{Data, Entry},
    witness::{OutsideView, Policy},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    controlplane::{ControlPlane, wait},
    log::{entries, reader},
    process::{Bench, get},
};

/// How long a state may take: checkpoints are shown and published once in a while.
const LIMIT: Duration = Duration::from_mins(3);

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: labelled}
spec:
  title: Config maps say who owns them
  criteria: [CC6.1]
  owner: platform
  severity: Low
  test:
    cel:
      resources: [{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]
      matchConditions: [{name: ours, expression: \"object.metadata.name.startsWith('our-')\"}]
      validations: [{expression: \"'owner' in object.metadata.labels\", message: say who owns it}]
";

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// litewitness and what it needs, built once; Go itself caches what has not changed.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binaries = root.join("target/witness_go");
    fs::create_dir_all(&binaries).unwrap();
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&binaries)
        .args([".", "filippo.io/torchwood/cmd/litewitness"])
        .current_dir(root.join("tests/witness_go"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go 1.26 or newer is needed for the witness: https://go.dev/dl");
    assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
    binaries
}

/// A witness with a key of its own, and the agent that has the key.
struct Litewitness {
    binaries: PathBuf,
    folder: PathBuf,
    fingerprint: String,
    address: String,
    _agent: Running,
    witness: Option<Running>,
}

impl Litewitness {
    fn start(folder: &Path) -> Self {
        let binaries = build();
        let mut agent = Command::new(binaries.join("witnesstest"))
            .arg("agent")
            .arg(folder.join("agent.sock"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut fingerprint = String::new();
        BufReader::new(agent.stdout.take().unwrap()).read_line(&mut fingerprint).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut witness = Self {
            binaries,
            folder: folder.to_owned(),
            fingerprint: fingerprint.trim().to_owned(),
            address: port.to_string(),
            _agent: Running(agent),
            witness: None,
        };
        witness.run();
        witness
    }

    fn run(&mut self) {
        let log = fs::File::create(self.folder.join("witness.log")).unwrap();
        let child = Command::new(self.binaries.join("litewitness"))
            .args(["-name", "witness.example/w1", "-listen", &self.address])
            .args(["-key", &self.fingerprint])
            .arg("-db")
            .arg(self.folder.join("witness.db"))
            .arg("-ssh-agent")
            .arg(self.folder.join("agent.sock"))
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.witness = Some(Running(child));
    }

    fn stop(&mut self) {
        self.witness = None;
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key of the witness, which it says when it starts.
    async fn key(&self) -> String {
        let log = self.folder.join("witness.log");
        let key = wait::until("the key of the witness", LIMIT, async || {
            let said = fs::read_to_string(&log).ok()?;
            let (_, rest) = said.split_once("vkey=")?;
            Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
        });
        key.await.unwrap()
    }

    /// Tells the witness of a log.
    fn add_log(&self, origin: &str, key: &str) {
        let added = Command::new(self.binaries.join("witnesstest"))
            .arg("add")
            .arg(self.folder.join("witness.db"))
            .args([origin, key])
            .status();
        assert!(added.unwrap().success());
    }
}

struct Place {
    bench: Bench,
    log: PathBuf,
    policy: PathBuf,
    witness: Litewitness,
}

impl Place {
    async fn start_operator(&mut self) {
        let url = self.witness.url();
        let kubeconfig = self.bench.plane.kubeconfig("admin");
        let arguments = [
            "--leader-elect-namespace",
            "default",
            "--evidence",
            self.log.to_str().unwrap(),
            "--witness",
            &url,
            "--witness-policy",
            self.policy.to_str().unwrap(),
        ];
        self.bench.start_operator_as(kubeconfig, &arguments).await;
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.bench.client.clone(), "default")
    }

    async fn metric(&self, name: &str) -> Option<f64> {
        let (_, metrics) = get(self.bench.url(), "/metrics").await.ok()?;
        let line = metrics.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    async fn until_metric(&self, name: &str, is: impl Fn(f64) -> bool) {
        let found =
            wait::until(name, LIMIT, async || self.metric(name).await.filter(|value| is(*value)));
        found.await.unwrap_or_else(|error| panic!("{error}\n{}", self.bench.log()));
    }

    fn verify(&self, log: &Path) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["evidence", "verify"])
            .arg(log)
            .arg("--policy")
            .arg(&self.policy)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// How `EvidenceRecorded` stands, and why.
    async fn until_recorded(&self, status: &str, reason: &str) -> String {
        let controls = self.bench.controls();
        let mut last = None;
        let found = wait::until(reason, LIMIT, async || {
            last = controls.get("labelled").await.ok()?.status;
            let conditions = &last.as_ref()?.conditions;
            let known = conditions.iter().find(|known| known.type_ == "EvidenceRecorded")?;
            (known.status.as_str() == status && known.reason == reason)
                .then(|| known.message.clone())
        });
        found.await.unwrap_or_else(|error| panic!("{error}: {last:#?}\n{}", self.bench.log()))
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[tokio::test]
async fn a_log_is_cosigned_and_one_that_was_put_back_is_refused_and_named() {
    let cluster = ControlPlane::builder().start().await.unwrap();
    let bench = Bench::without_operator(cluster).await;
    let folder = bench.plane.dir().to_owned();
    let witness = Litewitness::start(&folder);
    let key = witness.key().await;
    let policy = folder.join("policy");
    fs::write(&policy, format!("witness w1 {key} {}\nquorum w1\n", witness.url())).unwrap();
    let mut place = Place { bench, log: folder.join("evidence"), policy, witness };
    place.bench.apply(CONTROL).await;

    // The witness does not know the log yet: that is told, and holds up nothing.
    place.start_operator().await;
    place.until_recorded("True", "Recorded").await;
    place.until_metric("comptroller_evidence_witness_failures_total", |count| count > 0.0).await;
    let log = reader(&place.log).await;
    place.witness.add_log(log.origin(), log.verifier_key());
    let last = "comptroller_evidence_witness_last_cosignature_timestamp_seconds";
    place.until_metric(last, |at| at > 0.0).await;

    // Kept beside the log, counted as a day, and published with the cosignature.
    let given = Policy::load(&place.policy).unwrap();
    let log = reader(&place.log).await;
    let view = OutsideView::read(&log, Some(given.clone())).await.unwrap();
    assert_eq!((view.days.len(), view.contradicted.len()), (1, 0), "{view:?}");
    let (verified, said) = place.verify(&place.log);
    assert!(verified && said.contains("A quorum of witnesses saw"), "{said}");
    let maps = place.config_maps();
    let published = wait::until("a cosigned checkpoint", LIMIT, async || {
        let data = maps.get("comptroller-evidence").await.ok()?.data?;
        let checkpoint = data.get("checkpoint")?;
        (given.cosignatures(checkpoint.as_bytes()).len() == 1).then(|| checkpoint.clone())
    });
    let published =
        published.await.unwrap_or_else(|error| panic!("{error}\n{}", place.bench.log()));
    assert!(log.open_checkpoint(published.as_bytes()).is_ok());

    // A witness that is down holds up nothing.
    place.witness.stop();
    place.bench.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: our-a, namespace: default, labels: {a: b}}}").await;
    let failing = |status: &comptroller_core::api::ControlStatus| status.failing == 1;
    place.bench.until("labelled", "fails", failing).await;
    place.bench.stop_operator().await;
    let first = entries(&place.log).await;
    let started = |entry: &&Entry| matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::Started);
    let Data::Operator(data) = &first.iter().find(started).unwrap().data else { unreachable!() };
    let found = data.published.as_ref().unwrap();
    assert_eq!((found.checkpoint.as_deref(), found.continues), (None, true));

    // All that the cluster knows is taken away with the newest entries: only the witness knows.
    let (older, newest) = (folder.join("older"), folder.join("newest"));
    place.witness.run();
    copy(&place.log, &older);
    place.start_operator().await;
    place.until_metric(last, |at| at > 0.0).await;
    place.bench.stop_operator().await;
    let second = entries(&place.log).await;
    let Data::Operator(data) = &second.iter().rfind(started).unwrap().data else { unreachable!() };
    let found = data.published.as_ref().unwrap();
    assert!(found.checkpoint.is_some() && found.continues, "{found:?}");
    copy(&place.log, &newest);
    copy(&older, &place.log);
    let nothing = Patch::Merge(json!({"data": null}));
    maps.patch("comptroller-evidence", &PatchParams::default(), &nothing).await.unwrap();
    place.bench.delete(CONTROL).await;
    place.bench.apply(CONTROL).await;
    place.start_operator().await;
    let message = place.until_recorded("False", "LogDiscontinued").await;
    assert!(message.contains(&place.witness.url()), "{message}");
    // It has grown again meanwhile, so that it is another log of that size.
    assert!(message.contains("another log") || message.contains("put back"), "{message}");
    place.until_metric("comptroller_evidence_log_put_back", |is| is > 0.5).await;
    place.until_metric("comptroller_evidence_witness_refuses", |is| is > 0.5).await;
    place.bench.stop_operator().await;
    let told = entries(&place.log).await;
    let told = told.iter().any(|entry| {
        matches!(&entry.data, Data::Operator(data)
            if data.event == OperatorEvent::LogDiscontinued && data.detail.is_some())
    });
    assert!(told, "an entry says so");
    // An auditor who has what was cosigned sees it, too.
    copy(&newest.join("cosigned"), &place.log.join("cosigned"));
    let (verified, said) = place.verify(&place.log);
    assert!(!verified && said.contains("does not continue"), "{said}");
}
