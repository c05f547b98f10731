//! Objects that anybody may make and nobody should: characters that YAML, terminals and people
//! stumble over, in names that reach a status; very long ones, very many.

use std::time::{Duration, Instant};

use comptroller_core::api::State;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use serde_json::{Value, json};

use crate::{
    case::Case,
    controlplane::wait,
    history::History,
    invariants::Finding,
    operator::LIMIT,
    run::{finish, judge},
    stand,
};

const SEED: u64 = 7;
/// Within this a violation must be known, whatever it is called.
const KNOWN: Duration = Duration::from_secs(10);

/// Names with what is odd about them.
fn names() -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = [
        ("quote", "a\"b'c`d"),
        ("yaml", "- a: {b: [c, &d *e !f #g"),
        ("json", "{\"a\": 1}\\u0000\\n"),
        ("lines", "a\nb\r\nc"),
        ("separators", "a\u{85}b\u{2028}c\u{2029}d"),
        ("bidi", "a\u{202e}b\u{2066}c\u{200f}"),
        ("combining", "a\u{300}\u{301}\u{302}\u{303}"),
        ("emoji", "👩\u{200d}👩\u{200d}👧"),
        ("byte-order", "\u{feff}a\u{feff}"),
        ("noncharacters", "\u{fffe}\u{ffff}\u{fdd0}\u{1fffe}\u{10ffff}"),
        ("private", "\u{e000}\u{f8ff}"),
        ("formula", "=cmd|' /C calc'!A0"),
        ("markup", "<script>alert(1)</script>&amp;"),
        ("path", "../../../etc/passwd"),
        ("blank", "   "),
    ]
    .map(|(what, name)| (what.to_owned(), name.to_owned()))
    .to_vec();
    names.push(("controls".to_owned(), ('\u{1}'..='\u{1f}').collect()));
    names.push(("c1".to_owned(), ('\u{7f}'..='\u{9f}').collect()));
    names.push(("long".to_owned(), "x".repeat(20_000)));
    names.push(("long-wide".to_owned(), "\u{85}".repeat(5_000)));
    names
}

fn binding(case: &str, number: usize, subjects: &Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": { "name": format!("{case}-bad-{number}"), "labels": { "case": case } },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"
        },
        "subjects": subjects,
    });
    serde_json::from_value(object).unwrap()
}

fn subject(kind: &str, name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name })
}

fn deployment(case: &str, number: usize, image: &str) -> DynamicObject {
    let name = format!("bad-{number}");
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": format!("case-{case}") },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": image }] },
            },
        },
    });
    serde_json::from_value(object).unwrap()
}

fn images(case: &str) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {case}-images, labels: {{case: {case}}}}}
spec:
  title: Images come from us
  criteria: [CC6.8]
  owner: platform
  severity: High
  scope: {{namespaces: {{matchLabels: {{kubernetes.io/metadata.name: case-{case}}}}}}}
  test: {{workload: {{registries: [registry.example.com]}}}}
"
    )
}

/// Waits until a control is in one of these states.
async fn is(
    history: &History,
    control: &str,
    states: &[State],
    limit: Duration,
) -> Result<(), String> {
    let what = format!("{control} is one of {states:?}");
    let found = wait::until(&what, limit, async || {
        let state = history.last(control)?.state()?;
        states.contains(&state).then_some(())
    });
    let last =
        || history.last(control).and_then(|seen| seen.status).map(|status| status.conditions);
    found.await.map_err(|error| format!("{error}; {:?}", last()))
}

async fn bear(case: &Case<'_>, control: &str, object: DynamicObject) -> Result<bool, String> {
    let api = case.objects.api(&object);
    let name = object.metadata.name.clone().unwrap_or_default();
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => {}
        // The API server knows better than to take it.
        Err(kube::Error::Api(status)) if status.code < 500 => return Ok(false),
        Err(error) => return Err(error.to_string()),
    }
    let failed = is(case.history, control, &[State::Failing, State::Unknown], KNOWN).await;
    let _ = api.delete(&name, &DeleteParams::default()).await;
    failed?;
    is(case.history, control, &[State::Passing, State::NotApplicable], LIMIT).await?;
    Ok(true)
}

async fn attempt(case: &mut Case<'_>) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    case.objects.apply(&images(&case.name)).await;
    case.begin().await?;
    let (admins, shown) = (format!("{}-admins", case.name), format!("{}-images", case.name));
    let mut taken = 0;
    for (number, (what, name)) in names().into_iter().enumerate() {
        let both = json!([subject("User", &name), subject("Group", &name)]);
        for (control, object) in [
            (&admins, binding(&case.name, number, &both)),
            (&shown, deployment(&case.name, number, &format!("evil.example.com/{name}:1"))),
        ] {
            match bear(case, control, object).await {
                Ok(accepted) => taken += usize::from(accepted),
                Err(text) => findings.push(Finding::new("hostile", format!("{what}: {text}"))),
            }
        }
    }
    if taken < 20 {
        findings.push(Finding::new("plan", format!("only {taken} objects were taken")));
    }
    let many: Vec<Value> =
        (0..2_000).map(|number| subject("User", &format!("u{number}"))).collect();
    if let Err(text) = bear(case, &admins, binding(&case.name, 999, &many.into())).await {
        findings.push(Finding::new("hostile", format!("2,000 subjects: {text}")));
    }
    for control in [&admins, &shown] {
        is(case.history, control, &[State::Passing, State::NotApplicable], LIMIT).await?;
    }
    // What they leave must be all right: changes come one after the other, without a rest.
    findings.extend(finish(case, Instant::now(), Vec::new()).await);
    Ok(findings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_nobody_should_have_hide_nothing() {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let _slot = stand.slots.acquire().await.unwrap();
    let mut case = Case::new(stand, history, "hostile", SEED).await;
    let findings = attempt(&mut case).await;
    judge(&findings.unwrap_or_else(|text| vec![Finding::new("liveness", text)]));
}
