//! The cluster, two replicas and Prometheus, and what happens to them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    ask_everything,
    controlplane::{ControlPlane, wait},
    objects,
    process::{Bench, kubectl},
    replica::{Deployment, Replica},
    rules::Rules,
    runbooks,
    server::{LIMIT, Prometheus},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The controls of this test are about these, which the shipped roles don't read.
const READS_CONFIG_MAPS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reads-config-maps, labels: {comptroller.dev/aggregate-to-reader: 'true'}}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [list, watch]}]
";

/// An act, and the alerts that it must make fire.
pub type Act = (&'static str, &'static [&'static str]);

pub struct Stage {
    // Dropped in order: nobody should scrape or write to what is gone.
    prometheus: Prometheus,
    leader: Replica,
    standby: Replica,
    deployment: Deployment,
    bench: Bench,
}

impl Stage {
    /// A cluster with the shipped roles, two replicas of the operator with nothing more than these, and
    /// Prometheus with a token that may read metrics.
    pub async fn set(binary: &Path, groups: &Value) -> Self {
        let plane = ControlPlane::builder().controller_manager(true).start().await.unwrap();
        let bench = Bench::without_operator(plane).await;
        let plane = &bench.plane;
        for namespace in ["comptroller-system", "monitoring"] {
            kubectl(plane, &["create", "namespace", namespace]).await;
        }
        kubectl(plane, &["apply", "-k", &format!("{ROOT}/config/rbac")]).await;
        for file in ["evidence", "deployment"] {
            kubectl(plane, &["apply", "-f", &format!("{ROOT}/config/manager/{file}.yaml")]).await;
        }
        kubectl(plane, &["create", "serviceaccount", "prometheus", "-n", "monitoring"]).await;
        let role = "--clusterrole=comptroller-metrics-reader";
        let account = "--serviceaccount=monitoring:prometheus";
        kubectl(plane, &["create", "clusterrolebinding", "scrapes", role, account]).await;
        bench.apply(READS_CONFIG_MAPS).await;
        reader_role(plane).await;
        // The API of reports is served, and the role that may write them was forgotten.
        let reports = format!("{ROOT}/tests/fixtures/policy-reports/openreports.yaml");
        kubectl(plane, &["apply", "--server-side", "-f", &reports]).await;

        let folder = plane.dir().to_owned();
        let deployment = Deployment {
            kubeconfig: kubeconfig(plane).await,
            evidence: folder.join("evidence"),
            witness_policy: folder.join("witness.policy"),
            folder,
        };
        fs::write(&deployment.witness_policy, objects::WITNESS_POLICY).unwrap();
        let (leader, standby) = (Replica::new("a"), Replica::new("b"));
        let token = token(plane, "prometheus", "monitoring").await;
        let targets = [leader.target(), standby.target()];
        let prometheus =
            Prometheus::start(binary, &deployment.folder, &token, &targets, groups).await;
        let mut stage = Self { prometheus, leader, standby, deployment, bench };
        stage.leader.start(&stage.deployment);
        stage.until(r#"comptroller_leader{pod="a"} == 1"#).await;
        stage.standby.start(&stage.deployment);
        stage.until(r#"comptroller_leader{pod="b"} == 0"#).await;
        stage
    }

    /// All acts in their order: each leaves the stage as the next needs it.
    pub async fn perform(mut self) -> Vec<Act> {
        let begun = Instant::now();
        let noted = |act: Act| {
            eprintln!("{:5.1} s  {}: {}", begun.elapsed().as_secs_f64(), act.0, act.1.join(", "));
            act
        };
        vec![
            noted(self.mistakes().await),
            noted(self.no_right_to_write().await),
            noted(self.stricter_definition().await),
            noted(self.volume_gone().await),
            noted(self.older_copy().await),
            noted(self.frozen_api_server().await),
            noted(self.leader_killed().await),
            noted(self.crash_loop().await),
            noted(self.nobody_left().await),
            noted(self.foreign_object().await),
        ]
    }

    /// What is wrong in a cluster, and what is due: nothing is broken yet.
    async fn mistakes(&self) -> Act {
        const ALERTS: &[&str] = &[
            "ComptrollerControlFailing",
            "ComptrollerBackupTooOld",
            "ComptrollerAttestationOverdue",
            "ComptrollerControlUnknown",
            "ComptrollerExceptionEnds",
            "ComptrollerAttestationDue",
            "ComptrollerKindsUnreadable",
            "ComptrollerWatchFailing",
            "ComptrollerWitnessSilent",
            "ComptrollerCheckpointOld",
            "ComptrollerDetectionSlow",
            "ComptrollerAuditStreamSilent",
            "ComptrollerNotificationsFail",
            "ComptrollerReportsNotWritten",
        ];
        self.bench.apply(&objects::all()).await;
        self.fires(ALERTS).await;
        let firing = self.prometheus.firing().await;
        for alert in &firing {
            // What a replica is called must tell no two alerts apart, or each would ring for itself.
            for replica in ["pod", "instance"] {
                assert!(alert["labels"].get(replica).is_none(), "{alert}");
            }
        }
        let about = |control: &str| {
            let about = firing.iter().filter(move |alert| alert["labels"]["control"] == control);
            about.map(|alert| alert["labels"].clone()).collect::<Vec<_>>()
        };
        for control in objects::SILENT {
            assert!(about(control).is_empty(), "{:?}", about(control));
        }
        let failing = about("labelled");
        let failing =
            failing.iter().find(|labels| labels["alertname"] == "ComptrollerControlFailing");
        assert_eq!(
            failing,
            Some(&json!({
                "alertname": "ComptrollerControlFailing", "severity": "critical",
                "cluster": "test", "namespace": "comptroller-system", "job": "comptroller",
                "control": "labelled", "owner": "platform", "control_severity": "Critical",
            }))
        );
        let unknown = firing.iter().find(|alert| {
            alert["labels"]["alertname"] == "ComptrollerControlUnknown"
                && alert["labels"]["control"] == "unreadable"
        });
        let description = &unknown.unwrap()["annotations"]["description"];
        assert!(
            description.as_str().unwrap().starts_with("The reason is Forbidden."),
            "{description}"
        );
        ask_everything(&self.prometheus, &Rules::shipped()).await;
        let kubeconfig = self.bench.plane.kubeconfig("admin");
        let wrong = tokio::task::spawn_blocking(move || runbooks::run(&kubeconfig)).await.unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        ("mistakes", ALERTS)
    }

    async fn no_right_to_write(&self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerStatusNotWritten"];
        let plane = &self.bench.plane;
        let role =
            kubectl(plane, &["get", "clusterrole", "comptroller-operator", "-o", "json"]).await;
        let role: Value = serde_json::from_str(&role).unwrap();
        let rules = role["rules"].as_array().unwrap();
        let at = rules.iter().position(|rule| rule["resources"].to_string().contains("/status"));
        let patch = json!([{"op": "remove", "path": format!("/rules/{}", at.unwrap())}]);
        let patch = patch.to_string();
        let what = ["patch", "clusterrole", "comptroller-operator", "--type=json", "-p", &patch];
        kubectl(plane, &what).await;
        self.bench.apply(&objects::unlabelled("b")).await;
        self.fires(ALERTS).await;
        kubectl(plane, &["apply", "-k", &format!("{ROOT}/config/rbac")]).await;
        self.bench.until("labelled", "has two findings", |status| status.failing == 2).await;
        ("the right to write a status is gone", ALERTS)
    }

    async fn stricter_definition(&self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerStatusRefused"];
        let findings = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/findings/maxItems";
        let patch = async |limit: u32| {
            let patch = json!([{"op": "replace", "path": findings, "value": limit}]).to_string();
            let crd = "controls.comptroller.dev";
            kubectl(&self.bench.plane, &["patch", "crd", crd, "--type=json", "-p", &patch]).await;
        };
        patch(1).await;
        // The API server takes a moment to serve it so.
        wait::until("a refused status", LIMIT, async || {
            self.bench.apply(&objects::unlabelled("c")).await;
            self.bench.delete(&objects::unlabelled("c")).await;
            self.is_firing(ALERTS[0]).await.then_some(())
        })
        .await
        .unwrap();
        patch(20).await;
        ("a definition that does not take the findings", ALERTS)
    }

    async fn volume_gone(&self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerEvidenceNotWritten"];
        let log = &self.deployment.evidence;
        copy(log, &log.with_extension("older"));
        self.bench.apply(&objects::unlabelled("d")).await;
        self.bench.until("labelled", "has three findings", |status| status.failing == 3).await;
        // Permissions would not stop a test that runs as root.
        fs::rename(log, log.with_extension("newest")).unwrap();
        fs::write(log, "not a directory").unwrap();
        self.bench.apply(&objects::unlabelled("e")).await;
        self.fires(ALERTS).await;
        ("the volume of the log is gone", ALERTS)
    }

    async fn older_copy(&self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerEvidenceLogPutBack"];
        let log = &self.deployment.evidence;
        fs::remove_file(log).unwrap();
        fs::rename(log.with_extension("older"), log).unwrap();
        self.fires(ALERTS).await;
        fs::remove_dir_all(log).unwrap();
        fs::rename(log.with_extension("newest"), log).unwrap();
        self.bench.until("labelled", "is recorded again", |status| status.failing == 4).await;
        ("an older copy of the log was put back", ALERTS)
    }

    async fn frozen_api_server(&self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerControlNotEvaluated"];
        self.bench.plane.freeze_api_server().unwrap();
        self.fires(ALERTS).await;
        self.bench.plane.thaw_api_server().unwrap();
        ("the API server stands still", ALERTS)
    }

    /// Nobody leads until the lease has run out; what fires goes on firing, and is not told anew.
    async fn leader_killed(&mut self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerLeaderMissing"];
        self.until(r#"sum(comptroller_control_state{control="labelled",state="Failing"}) == 1"#)
            .await;
        self.until("sum(comptroller_leader) == 1").await;
        if self.holds(r#"comptroller_leader{pod="b"} == 1"#).await {
            std::mem::swap(&mut self.leader, &mut self.standby);
        }
        let begun = self.failing_since().await.expect("the control fails");
        self.leader.kill();
        self.fires(ALERTS).await;
        let next = r#"comptroller_control_state{control="labelled",state="Failing"} == 1"#;
        wait::until("the standby says how controls stand", LIMIT, async || {
            assert_eq!(
                self.failing_since().await.as_ref(),
                Some(&begun),
                "it ended and began anew"
            );
            self.holds(next).await.then_some(())
        })
        .await
        .unwrap();
        ("the leader is killed", ALERTS)
    }

    async fn crash_loop(&mut self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerRestarts"];
        let started = format!("process_start_time_seconds{{pod={:?}}}", self.leader.target().pod);
        let starts = format!("changes({started}[30m])");
        for count in 1..=3 {
            self.leader.start(&self.deployment);
            self.until(&format!("{starts} >= {count}")).await;
            // Starts are told in whole seconds, of a clock that may be a second off.
            self.until(&format!("time() - {started} > 3")).await;
            self.leader.kill();
        }
        self.fires(ALERTS).await;
        ("a container that keeps restarting", ALERTS)
    }

    async fn nobody_left(&mut self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerAbsent"];
        // It gives up the lease, so that the next start does not wait for its end.
        self.standby.terminate().await;
        self.fires(ALERTS).await;
        ("no operator is left", ALERTS)
    }

    async fn foreign_object(&mut self) -> Act {
        const ALERTS: &[&str] = &["ComptrollerEvidenceQuarantined"];
        fs::write(self.deployment.evidence.join("pending"), "not ours").unwrap();
        self.leader.start(&self.deployment);
        self.fires(ALERTS).await;
        ("something foreign in the log's store", ALERTS)
    }

    /// Waits until all of them fire.
    async fn fires(&self, alerts: &[&str]) {
        let mut missing = Vec::new();
        let all = wait::until("the alerts", LIMIT, async || {
            let firing = self.names().await;
            missing = alerts.iter().filter(|&&alert| !firing.contains(alert)).collect();
            missing.is_empty().then_some(())
        })
        .await;
        all.unwrap_or_else(|error| {
            panic!("{error}; silent: {missing:?}\n{}", self.prometheus.log())
        });
    }

    async fn is_firing(&self, alert: &str) -> bool {
        self.names().await.contains(alert)
    }

    async fn names(&self) -> BTreeSet<String> {
        let firing = self.prometheus.firing().await;
        let names = firing.iter().filter_map(|alert| alert["labels"]["alertname"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Since when the alert about the control `labelled` has been active; it changes if that begins anew.
    async fn failing_since(&self) -> Option<Value> {
        let firing = self.prometheus.firing().await;
        let alert = firing.iter().find(|alert| {
            alert["labels"]["alertname"] == "ComptrollerControlFailing"
                && alert["labels"]["control"] == "labelled"
        });
        alert.map(|alert| alert["activeAt"].clone())
    }

    async fn holds(&self, expression: &str) -> bool {
        self.prometheus.query(expression).await.is_ok_and(|series| series > 0)
    }

    async fn until(&self, expression: &str) {
        let held = async || self.holds(expression).await.then_some(());
        let held = wait::until(expression, LIMIT, held).await;
        held.unwrap_or_else(|error| panic!("{error}\n{}", self.prometheus.log()));
    }
}

/// Waits until the controller manager has added up the role of what is judged.
async fn reader_role(plane: &ControlPlane) {
    let rules =
        ["get", "clusterrole", "comptroller-reader", "-o", "jsonpath={.rules[*].resources}"];
    wait::until("the reader role", LIMIT, async || {
        let rules = kubectl(plane, &rules).await;
        ["configmaps", "persistentvolumeclaims", "attestations"]
            .iter()
            .all(|resource| rules.contains(resource))
            .then_some(())
    })
    .await
    .unwrap();
}

async fn token(plane: &ControlPlane, account: &str, namespace: &str) -> String {
    kubectl(plane, &["create", "token", account, "-n", namespace]).await.trim().to_owned()
}

/// With a token of the operator's service account.
async fn kubeconfig(plane: &ControlPlane) -> PathBuf {
    let authority = plane.dir().join("ca.crt");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {
            "server": plane.server_url(), "certificate-authority": authority,
        }}],
        "users": [{"name": "u", "user": {
            "token": token(plane, "comptroller", "comptroller-system").await,
        }}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let path = plane.dir().join("kubeconfig/operator");
    fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}
