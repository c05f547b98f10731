//! What people write into our objects: whatever the API server takes is answered within a deadline,
//! and what is taken back is as if it had never been.

use std::time::{Duration, Instant};

use comptroller_core::api::State;
use futures::{StreamExt as _, stream};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use serde_json::{Value, json};

use crate::{
    case::Case,
    controlplane::wait,
    history::History,
    invariants::Finding,
    mutations::{self, Mutation},
    operator::Operator,
    run::{finish, judge},
    stand::{self, Objects, documents},
};

const SEED: u64 = 7;
/// How many changes of each object are tried in every run of the tests.
const SAMPLE: usize = 14;
/// Within this whatever was taken must be answered.
const ANSWER: Duration = Duration::from_secs(20);
/// Nothing of it may be in the operator's log.
const PERSON: &str = "marked-person@corp";

const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/soc2");

/// A control for each kind of test.
const CONTROLS: [&str; 13] = [
    "no-standing-cluster-admin",
    "evidence-cannot-be-hidden",
    "evidence-is-guarded",
    "services-stay-inside",
    "secrets-encrypted-at-rest",
    "certificates-do-not-expire",
    "gateways-have-tls",
    "ingress-has-tls",
    "volumes-are-encrypted",
    "pod-security-baseline",
    "images-are-pinned-and-known",
    "volumes-are-backed-up",
    "risks-are-assessed",
];

fn seeds(case: &str) -> Vec<Value> {
    let mut seeds: Vec<Value> = CONTROLS
        .iter()
        .map(|name| {
            let text = std::fs::read_to_string(format!("{PACK}/{name}.yaml")).unwrap();
            documents(&text).into_iter().find(|it| it["kind"] == "Control").unwrap()
        })
        .collect();
    for (kind, spec) in [
        (
            "ControlException",
            json!({
                "controls": ["nobody-knows"],
                "resources": [{ "kind": "ClusterRoleBinding", "name": "legacy-*" }],
                "reason": "It goes away in January.",
                "ticket": "SEC-42",
                "requestedBy": PERSON,
                "expires": "2027-01-31T00:00:00Z",
            }),
        ),
        (
            "Attestation",
            json!({
                "control": "nobody-knows",
                "period": "2026",
                "attestedBy": PERSON,
                "performedAt": "2026-11-20T09:00:00Z",
                "summary": "Assessed.",
                "participants": [PERSON],
                "outcome": "Completed",
            }),
        ),
        (
            "AuditPeriod",
            json!({
                "type": "TypeII",
                "from": "2026-07-01T00:00:00Z",
                "to": "2026-10-01T00:00:00Z",
                "categories": ["Security"],
                "auditors": ["Ledger & Partners"],
            }),
        ),
        (
            "DeviationResponse",
            json!({
                "control": "nobody-knows",
                "from": "2026-11-20T09:00:00Z",
                "cause": "The migration left its old binding behind.",
                "response": "The binding is deleted.",
                "owner": "platform-security",
                "respondedBy": PERSON,
            }),
        ),
    ] {
        seeds.push(json!({
            "apiVersion": "comptroller.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": kind.to_lowercase() },
            "spec": spec,
        }));
    }
    for seed in &mut seeds {
        let name = seed["metadata"]["name"].as_str().unwrap();
        seed["metadata"] = json!({ "name": format!("{case}-{name}"), "labels": { "case": case } });
    }
    seeds
}

/// Whether the operator has answered this generation.
fn answered(object: &DynamicObject) -> bool {
    let types = object.types.as_ref().map_or("", |types| types.kind.as_str());
    // A record is answered by its control, or by the report.
    matches!(types, "Attestation" | "DeviationResponse")
        || object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
            && object.data["status"]["conditions"].as_array().is_some_and(|all| !all.is_empty())
}

/// What a status says, without times and without who says it where.
fn said(object: &DynamicObject) -> Value {
    let status = &object.data["status"];
    let list = |field: &str, keep: &[&str]| -> Vec<Value> {
        let items = status[field].as_array().into_iter().flatten();
        items.map(|item| keep.iter().map(|&key| item[key].clone()).collect()).collect()
    };
    json!([
        status["state"],
        status["reason"],
        status["phase"],
        status["population"],
        status["failing"],
        status["excepted"],
        status["unknown"],
        list("conditions", &["type", "status", "reason"]),
        list("findings", &["rule", "resource", "subject"]),
    ])
}

fn object_of(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("an object")
}

struct Subject {
    api: Api<DynamicObject>,
    seed: Value,
    kind: String,
    name: String,
}

impl Subject {
    fn new(objects: &Objects, seed: Value) -> Self {
        let object: DynamicObject = serde_json::from_value(seed.clone()).unwrap();
        let kind = object.types.as_ref().unwrap().kind.clone();
        Self { api: objects.api(&object), name: object.name_any(), seed, kind }
    }

    async fn answer(&self, name: &str) -> Result<DynamicObject, String> {
        let mut last = None;
        let what = format!("{name} is answered");
        let found = wait::until(&what, ANSWER, async || {
            let object = self.api.get(name).await.ok()?;
            last = Some(object.data["status"].to_string());
            answered(&object).then_some(object)
        });
        found.await.map_err(|error| {
            let text: String = last.unwrap_or_default().chars().take(400).collect();
            format!("{error}: {text}")
        })
    }

    /// Changes that are taken are answered; how many those were.
    async fn suffer(&self, mutations: &[Mutation], findings: &mut Vec<Finding>) -> usize {
        let born = self.api.create(&PostParams::default(), &object_of(&self.seed)).await.unwrap();
        let initial = match self.answer(&born.name_any()).await {
            Ok(object) => said(&object),
            Err(text) => {
                findings.push(Finding::new("unanswered", text));
                return 0;
            }
        };
        let mut taken = 0;
        for (number, mutation) in mutations.iter().enumerate() {
            let Some(spec) = mutation.apply(&self.seed["spec"]) else { continue };
            let ended = if self.kind == "Control" {
                self.change(&spec, &initial).await
            } else {
                self.bear(&spec, number).await
            };
            match ended {
                Ok(accepted) => taken += usize::from(accepted),
                Err((class, text)) => {
                    findings.push(Finding::new(class, format!("{} {mutation}: {text}", self.name)));
                }
            }
        }
        taken
    }

    /// Sets, waits for an answer, and takes it back.
    async fn change(&self, spec: &Value, initial: &Value) -> Result<bool, (&'static str, String)> {
        if !self.set(spec).await? {
            return Ok(false);
        }
        let answer = self.answer(&self.name).await.map_err(|text| ("unanswered", text));
        self.set(&self.seed["spec"]).await?;
        let mut last = Value::Null;
        let back = wait::until("it is as before", ANSWER, async || {
            let object = self.api.get(&self.name).await.ok()?;
            last = said(&object);
            (answered(&object) && last == *initial).then_some(())
        });
        back.await
            .map_err(|error| ("rolled back", format!("{error}: {last} instead of {initial}")))?;
        answer.map(|_| true)
    }

    /// Whether the API server takes it.
    async fn set(&self, spec: &Value) -> Result<bool, (&'static str, String)> {
        let patch = serde_json::from_value(json!([
            { "op": "replace", "path": "/spec", "value": spec }
        ]))
        .expect("a patch");
        let patch: Patch<()> = Patch::Json(patch);
        match self.api.patch(&self.name, &PatchParams::default(), &patch).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code < 500 => Ok(false),
            Err(error) => Err(("API server", error.to_string())),
        }
    }

    /// Makes another one, since what is written into it stays: waits for an answer, and deletes it.
    async fn bear(&self, spec: &Value, number: usize) -> Result<bool, (&'static str, String)> {
        let mut object = self.seed.clone();
        let name = format!("{}-{number}", self.name);
        object["metadata"]["name"] = name.clone().into();
        object["spec"] = spec.clone();
        match self.api.create(&PostParams::default(), &object_of(&object)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code < 500 => return Ok(false),
            Err(error) => return Err(("API server", error.to_string())),
        }
        let answer = self.answer(&name).await.map_err(|text| ("unanswered", text));
        let _ = self.api.delete(&name, &DeleteParams::default()).await;
        answer.map(|_| true)
    }
}

/// Tries so many changes of each object.
pub async fn run(seed: u64, sample: usize) -> Vec<Finding> {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let _slot = stand.slots.acquire().await.unwrap();
    let mut case = Case::new(stand, history, "misuse", seed).await;
    case.begin().await.unwrap();
    let began = Instant::now();
    let mut random = SmallRng::seed_from_u64(seed);
    let plans: Vec<(Subject, Vec<Mutation>)> = seeds(&case.name)
        .into_iter()
        .map(|object| {
            let schema = mutations::schema(object["kind"].as_str().unwrap());
            let mut all = mutations::of_spec(&schema, &object["spec"]);
            all.shuffle(&mut random);
            all.truncate(sample);
            (Subject::new(&case.objects, object), all)
        })
        .collect();
    let suffered = plans.iter().map(|(subject, mutations)| async move {
        let mut findings = Vec::new();
        let taken = subject.suffer(mutations, &mut findings).await;
        eprintln!("{}: {taken} of {} changes are taken", subject.name, mutations.len());
        findings
    });
    let mut findings: Vec<Finding> =
        stream::iter(suffered).buffer_unordered(4).collect::<Vec<_>>().await.concat();
    if !case.operator.as_mut().is_some_and(Operator::running) {
        findings.push(Finding::new("end", "the operator has ended"));
        return findings;
    }
    for control in case.controls() {
        for seen in history.of(&control).iter().filter(|seen| seen.at > began) {
            if seen.state() != Some(State::Passing) {
                let text = format!("{control} was {:?} at {}", seen.state(), seen.time);
                findings.push(Finding::new("bystander", text));
            }
        }
    }
    if case.log().contains(PERSON) {
        findings.push(Finding::new("person", "the log names a person"));
    }
    for (subject, _) in &plans {
        let _ = subject.api.delete(&subject.name, &DeleteParams::default()).await;
    }
    // Changing objects as fast as the API server takes them is no steady state: no rate is expected.
    findings.extend(finish(&mut case, Instant::now(), Vec::new()).await);
    case.clear().await;
    findings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_written_is_answered_and_can_be_taken_back() {
    let sample = std::env::var("COMPTROLLER_TORTURE_SAMPLE").ok();
    let sample = sample.and_then(|sample| sample.parse().ok()).unwrap_or(SAMPLE);
    judge(&run(SEED, sample).await);
}
