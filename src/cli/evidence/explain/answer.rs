//! What is said about an item, as JSON and for people.

pub(in crate::cli::evidence) mod compare;
mod text;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use self::compare::{agreement, changes, is_about, matches_people_by_pattern, members};
use super::{
    past::{LoggedInventory, Past},
    world::{Chosen, World},
};
use comptroller_core::{
    api::{ControlSpec, ResourceRef, Severity, State},
    engine::{ItemFindings, ObservedFinding, Verdict},
};
use comptroller_evidence::{
    fold::{FindingKey, VerdictState},
    inventory::KindInventory,
    log::LogReader,
};
use comptroller_vocabulary::{canonical, closed_enum};

closed_enum! {
    /// What one item came to.
    pub enum Outcome {
        /// Nothing was found.
        Passes = "Passes",
        /// Something was found that no exception allows.
        Fails = "Fails",
        /// Exceptions allow all that was found.
        Excepted = "Excepted",
        /// It could not be judged.
        Unknown = "Unknown",
        /// The control did not judge it.
        NotJudged = "NotJudged",
    }
}

/// An item of a control at a time: as it was recorded, and judged again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The origin line of the log.
    origin: String,
    control: String,
    item: ResourceRef,
    uid: Option<String>,
    at: Timestamp,
    /// What the log recorded by then. None before the first verdict.
    recorded: Option<RecordedOutcome>,
    /// The spec that was in force.
    spec: SpecInForce,
    /// Where the facts come from.
    inventory: FactsOrigin,
    /// The facts as they are stored, with people as pseudonyms; null of what is no object.
    facts: Value,
    /// The digest of the facts, as lists of populations have it.
    facts_digest: Option<String>,
    judgement: JudgedAgain,
    /// What was recorded of the item after the inventory, up to the time.
    changed_since: Vec<ChangeSince>,
    /// Whether the items that are judged again are those of the log; null where the log does not say.
    population_agrees: Option<bool>,
    /// Whether the judgement is what the log has; null where that can't be told.
    agrees: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordedOutcome {
    /// The entry of the verdict or heartbeat.
    entry: u64,
    at: Timestamp,
    /// How the control stood.
    state: State,
    reason: String,
    /// The findings about the item that were open.
    findings: Vec<RecordedFinding>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordedFinding {
    rule: String,
    resource: ResourceRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<String>,
    /// The entry that opened it.
    entry: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpecInForce {
    entry: u64,
    /// Since when it was so, by that entry.
    since: Timestamp,
    generation: Option<i64>,
    title: String,
    spec: Option<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FactsOrigin {
    entry: u64,
    at: Timestamp,
    collector: String,
    kubernetes: Option<String>,
    /// The list of the item's kind; null of what is no object.
    list: Option<KindInventory>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JudgedAgain {
    outcome: Outcome,
    /// Why, in one sentence.
    why: String,
    findings: Vec<JudgedFinding>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JudgedFinding {
    rule: String,
    severity: Severity,
    resource: ResourceRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeSince {
    entry: u64,
    at: Timestamp,
    what: String,
}

impl Explanation {
    pub fn new(
        reader: &LogReader,
        control: &str,
        past: &Past,
        inventory: &LoggedInventory,
        world: &World,
        spec: &ControlSpec,
        chosen: &Chosen,
    ) -> Self {
        let verdict = world.engine.verdict(control);
        let found = match chosen.item {
            Some(item) => world.engine.findings_about(control, item, world.at),
            None => ItemFindings::default(),
        };
        let judgement = JudgedAgain::new(verdict, &found, chosen.item.is_some(), spec);
        let resource = &chosen.named.resource;
        let keys: Vec<FindingKey> = found
            .failing
            .iter()
            .chain(&found.excepted)
            .map(|observed| FindingKey {
                rule: observed.finding.rule.clone().into_owned(),
                resource: observed.finding.resource.clone(),
                subject: observed.finding.subject.clone(),
            })
            .collect();
        let logged = past.state.verdict(control);
        let recorded = logged.map(|logged| RecordedOutcome::new(logged, resource, &keys));
        let changed_since: Vec<ChangeSince> =
            past.since.iter().flat_map(|entry| changes(entry, resource, &keys)).collect();
        let object = past.state.object("Control", control);
        let facts_digest = world.line(resource).map(|line| canonical::sha256(line.as_bytes()));
        let population_agrees = logged
            .and_then(|logged| logged.population_digest.as_deref())
            .map(|digest| digest == members(world, control));
        let specification = object.and_then(|object| object.spec.clone());
        let by_pattern = specification.as_ref().is_some_and(matches_people_by_pattern);
        let agrees = recorded
            .as_ref()
            .filter(|_| !by_pattern)
            .and_then(|recorded| agreement(recorded, judgement.outcome, &keys, logged));
        Self {
            origin: reader.origin().to_owned(),
            control: control.to_owned(),
            item: resource.clone(),
            uid: chosen.named.uid.as_deref().map(str::to_owned),
            at: past.at,
            recorded,
            spec: SpecInForce {
                entry: object.map_or(0, |object| object.entry),
                since: object.map_or(past.at, |object| object.at),
                generation: object.and_then(|object| object.generation),
                title: spec.title.clone(),
                spec: specification,
            },
            inventory: FactsOrigin {
                entry: inventory.entry,
                at: inventory.at,
                collector: inventory.data.collector.clone(),
                kubernetes: inventory.data.kubernetes.clone(),
                list: inventory
                    .data
                    .kinds
                    .iter()
                    .find(|kind| {
                        kind.api_version == resource.api_version && kind.kind == resource.kind
                    })
                    .cloned(),
            },
            facts: world.facts(chosen),
            facts_digest,
            judgement,
            changed_since,
            population_agrees,
            agrees,
        }
    }

    /// 1 where the log recorded something else, and no entry says why.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.agrees == Some(false) && self.changed_since.is_empty())
    }
}

impl RecordedOutcome {
    fn new(logged: &VerdictState, resource: &ResourceRef, keys: &[FindingKey]) -> Self {
        let about = |key: &FindingKey| is_about(resource, &key.resource, key.subject.as_deref());
        let findings =
            logged.findings.iter().filter(|(key, _)| about(key) || keys.contains(key)).map(
                |(key, finding)| RecordedFinding {
                    rule: key.rule.clone(),
                    resource: key.resource.clone(),
                    subject: key.subject.clone(),
                    since: finding.since,
                    exception: finding.exception.clone(),
                    entry: finding.entry,
                },
            );
        Self {
            entry: logged.last_entry,
            at: logged.last_at,
            state: logged.state,
            reason: logged.reason.clone(),
            findings: findings.collect(),
        }
    }
}

impl JudgedAgain {
    fn new(
        verdict: Option<&Verdict>,
        found: &ItemFindings,
        is_judged: bool,
        spec: &ControlSpec,
    ) -> Self {
        let ItemFindings { failing, excepted, unknown } = found;
        let all = failing.iter().chain(excepted).chain(unknown);
        let findings = all.map(judged_finding).collect();
        let test = spec.test.kind().map_or_else(|_| String::new(), |kind| kind.to_string());
        let (outcome, why) = match verdict {
            None => (
                Outcome::Unknown,
                "what the control needs was not in the inventory, such as the results of its program"
                    .to_owned(),
            ),
            Some(verdict) if verdict.state == State::Unknown && verdict.population == 0 => {
                (Outcome::Unknown, verdict.message.clone())
            }
            Some(_) if !is_judged => (
                Outcome::NotJudged,
                "the control does not look at it: its scope leaves it out, or its test is not about it"
                    .to_owned(),
            ),
            Some(_) if !failing.is_empty() => {
                (Outcome::Fails, format!("the test {test} finds {}", counted(failing.len())))
            }
            Some(_) if !unknown.is_empty() => {
                (Outcome::Unknown, format!("the test {test} can't decide"))
            }
            Some(_) if !excepted.is_empty() => (
                Outcome::Excepted,
                format!("the test {test} finds {}, which exceptions allow", counted(excepted.len())),
            ),
            Some(verdict) => (
                Outcome::Passes,
                format!(
                    "the test {test} was applied to it, one of {} items, and found nothing",
                    verdict.population
                ),
            ),
        };
        Self { outcome, why, findings }
    }
}

fn counted(findings: usize) -> String {
    if findings == 1 { "1 thing".to_owned() } else { format!("{findings} things") }
}

fn judged_finding(observed: &ObservedFinding) -> JudgedFinding {
    let ObservedFinding { finding, severity, exception, .. } = observed;
    JudgedFinding {
        rule: finding.rule.clone().into_owned(),
        severity: *severity,
        resource: finding.resource.clone(),
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        exception: exception.clone(),
    }
}
