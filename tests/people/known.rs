//! The control about users, as people come, go and are mended; and what the operator says of a
//! Person beside the others.

use comptroller_core::api::State;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde_json::Value;

use crate::{
    controlplane::wait,
    process::{Bench, LIMIT, kubectl},
};

pub const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: users}
spec:
  title: Every user is somebody
  objective: Nobody holds rights under a name that is nobody's.
  criteria: [CC6.2]
  owner: security
  severity: High
  heartbeat: 1m
  test: {rbac: {subjects: Known}}
";

/// Applies YAML as the administrator.
pub async fn apply(bench: &Bench, yaml: &str) {
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let output = bench.plane.kubectl_with_input("admin", &arguments, yaml).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A Person by name, user name, and further fields as YAML flow.
pub fn person(name: &str, username: &str, more: &str) -> String {
    format!(
        "---\napiVersion: comptroller.dev/v1alpha1\nkind: Person\nmetadata: {{name: {name}}}\n\
         spec: {{displayName: {name}, identities: {{usernames: [{username}]}}{more}}}\n"
    )
}

pub async fn bind(bench: &Bench, user: &str) {
    let arguments = ["create", "clusterrolebinding", "view-of-users", "--clusterrole=view"];
    let user = format!("--user={user}");
    kubectl(&bench.plane, &[&arguments[..], &[user.as_str()]].concat()).await;
}

/// The condition Ready of a Person, once it has this reason.
async fn until_ready(bench: &Bench, name: &str, reason: &str) -> Value {
    wait::until(&format!("{name} is {reason}"), LIMIT, async || {
        let text = kubectl(&bench.plane, &["get", "person", name, "-o", "json"]).await;
        let object: Value = serde_json::from_str(&text).unwrap();
        let ready = object["status"]["conditions"][0].clone();
        (ready["reason"] == reason).then_some(ready)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_user_is_known_while_one_person_is() {
    let bench = Bench::start().await;
    bind(&bench, "jane@corp").await;
    bench.apply(CONTROL).await;
    let status = bench.until_state("users", State::Unknown).await;
    let told = serde_json::to_string(&status).unwrap();
    assert!(told.contains("comptroller people import"), "{told}");

    apply(&bench, &person("sam", "sam@corp", "")).await;
    let status = bench.until_state("users", State::Failing).await;
    assert_eq!(status.findings[0].rule, "UnknownUser");
    assert_eq!(status.findings[0].subject.as_deref(), Some("User jane@corp"));
    apply(&bench, &person("jane", "jane@corp", ", manager: sam")).await;
    let status = bench.until_state("users", State::Passing).await;
    assert_eq!(status.population, 1);
    until_ready(&bench, "jane", "Judged").await;

    for (more, rule) in [
        (", endDate: '2020-01-01'", "FormerPerson"),
        (", startDate: '2999-01-01'", "NotYetStarted"),
    ] {
        apply(&bench, &person("jane", "jane@corp", more)).await;
        let is_told = |status: &comptroller_core::api::ControlStatus| {
            status.findings.first().is_some_and(|finding| finding.rule == rule)
        };
        bench.until("users", rule, is_told).await;
    }
    apply(&bench, &person("jane", "jane@corp", "")).await;
    apply(&bench, &person("jane-2", "jane@corp", ", manager: nobody")).await;
    let status = bench.until_state("users", State::Failing).await;
    assert_eq!(status.findings[0].rule, "SharedIdentity");
    let ready = until_ready(&bench, "jane", "SharedIdentity").await;
    assert!(ready["message"].as_str().unwrap().contains("jane-2"), "{ready}");
    until_ready(&bench, "jane-2", "ManagerNotFound").await;
    kubectl(&bench.plane, &["delete", "person", "jane-2"]).await;
    until_ready(&bench, "jane", "Judged").await;
    bench.until_state("users", State::Passing).await;

    // Somebody's last day is yesterday only once it is over: today is a day of work.
    let today = Zoned::new(Timestamp::now(), TimeZone::UTC).date();
    apply(&bench, &person("jane", "jane@corp", &format!(", endDate: '{today}'"))).await;
    until_ready(&bench, "jane", "Judged").await;
    apply(&bench, &person("jane", "jane@corp", ", manager: jane")).await;
    until_ready(&bench, "jane", "ManagerCycle").await;

    // Without anybody, nothing is claimed.
    kubectl(&bench.plane, &["delete", "people", "--all"]).await;
    bench.until_state("users", State::Unknown).await;
    // The CRD goes: who works here can't be read at all.
    kubectl(&bench.plane, &["delete", "crd", "people.comptroller.dev"]).await;
    let reason = |status: &comptroller_core::api::ControlStatus| status.reason == "KindNotServed";
    bench.until("users", "says that people are not served", reason).await;
}
