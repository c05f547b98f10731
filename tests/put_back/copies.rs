//! The log is put back from a copy, or gone, while no operator runs.

use std::path::Path;

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::*;
use crate::process::get;

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Every file of the log with its digest; the lock is none of it, nor are the checkpoints that it
/// does not continue.
fn files(log: &Path) -> String {
    let output = Command::new("sh")
        .args([
            "-c",
            "find . -type f ! -name .lock ! -path './contradicted/*' -exec sha256sum {} + | sort",
        ])
        .current_dir(log)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

async fn start(bench: &mut Bench, log: &Path) {
    let kubeconfig = bench.plane.kubeconfig("admin");
    let arguments = ["--leader-elect-namespace", "default", "--evidence", log.to_str().unwrap()];
    bench.start_operator_as(kubeconfig, &arguments).await;
}

#[tokio::test]
async fn an_older_copy_is_refused_and_another_log_is_begun_only_on_purpose() {
    let (mut bench, log) = bench().await;
    let controls = bench.controls();
    let config_maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::namespaced(bench.client.clone(), "default");
    start(&mut bench, &log).await;
    until_recorded(&bench, 0).await;
    let (older, newest) = (log.with_extension("older"), log.with_extension("newest"));
    copy(&log, &older);
    bench.apply(&config_map("our-b", "{}")).await;
    until_recorded(&bench, 1).await;
    bench.stop_operator().await;
    copy(&log, &newest);
    // What was published last has all of the log, the end of the operator included.
    let published = config_maps.get("comptroller-evidence").await.unwrap().data.unwrap();
    let checkpoint = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    assert_eq!(published["checkpoint"], checkpoint);

    // The statuses alone tell as well: whoever put the log back may have emptied the ConfigMap.
    for emptied in [false, true] {
        if emptied {
            let nothing = Patch::Merge(json!({"data": null}));
            let params = PatchParams::default();
            config_maps.patch("comptroller-evidence", &params, &nothing).await.unwrap();
        }
        copy(&older, &log);
        let before = files(&log);
        start(&mut bench, &log).await;
        let status = until_refused(&controls, LIMIT, "older copy").await;
        assert_eq!(status.failing, 1, "what was claimed stays");
        let (_, metrics) = get(bench.url(), "/metrics").await.unwrap();
        assert!(metrics.contains("comptroller_evidence_log_put_back 1"), "{metrics}");
        assert_eq!(files(&log), before, "nothing is signed");
        // It is mended while the operator runs.
        copy(&newest, &log);
        until_recorded(&bench, 1).await;
        bench.stop_operator().await;
        copy(&log, &newest);
    }
    verify(&log, None);

    // All of it is gone: that is for a person to say.
    std::fs::remove_dir_all(&log).unwrap();
    let keys = log.with_file_name("keys");
    let key = std::fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&key).unwrap();
    start(&mut bench, &log).await;
    until_refused(&controls, LIMIT, "there is no evidence log").await;
    assert!(!key.exists() && !log.exists(), "nothing is begun");
    let consent = Patch::Merge(json!({"data": {"checkpoint": ""}}));
    config_maps.patch("comptroller-evidence", &PatchParams::default(), &consent).await.unwrap();
    until_recorded(&bench, 1).await;
    bench.kill_operator();
    start(&mut bench, &log).await;
    bench.apply(&config_map("our-c", "{}")).await;
    until_recorded(&bench, 2).await;
    bench.stop_operator().await;
    verify(&log, None);
    let published = config_maps.get("comptroller-evidence").await.unwrap().data.unwrap();
    let checkpoint = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    assert_eq!(published["checkpoint"], checkpoint);
}
