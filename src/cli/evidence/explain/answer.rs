//! What is said about an item, as JSON and for people.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    past::{LoggedInventory, Past, Recorded},
    world::{Chosen, World, full_name},
};
use comptroller_core::{
    api::{ControlSpec, ResourceRef, Severity, State},
    engine::{ItemFindings, ObservedFinding, RECORDED_FINDINGS, Verdict},
};
use comptroller_evidence::{
    data::EntryFinding,
    fold::{FindingKey, VerdictState},
    inventory::KindInventory,
    log::LogReader,
    population,
};
use comptroller_report::visible;
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

    /// The explanation for people.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let item = full_name(&self.item);
        writeln!(out, "Control:    {}: {}", visible(&self.control), visible(&self.spec.title))?;
        writeln!(out, "Item:       {}", visible(&item))?;
        if let Some(uid) = &self.uid {
            writeln!(out, "            uid {}", visible(uid))?;
        }
        writeln!(out, "At:         {}", self.at)?;
        writeln!(out, "Log:        {}", visible(&self.origin))?;
        match &self.recorded {
            Some(recorded) => recorded.write(out)?,
            None => writeln!(out, "Recorded:   no verdict of the control by then")?,
        }
        let SpecInForce { entry, since, generation, .. } = &self.spec;
        let generation = generation.map_or_else(String::new, |n| format!("generation {n}, "));
        writeln!(out, "Spec:       {generation}entry {entry}, since {since}")?;
        let FactsOrigin { entry, at, collector, list, .. } = &self.inventory;
        writeln!(out, "Facts:      entry {entry} of {at}, read by {}", visible(collector))?;
        if let Some(list) = list {
            let version = list.resource_version.as_deref().unwrap_or("none");
            write!(
                out,
                "            {} {} {}, {}",
                list.count, list.api_version, list.kind, list.reading
            )?;
            writeln!(out, "; resource version {}", visible(version))?;
        }
        if let Some(digest) = &self.facts_digest {
            writeln!(out, "            {digest}")?;
        }
        writeln!(out, "Judgement:  {}: {}", self.judgement.outcome, visible(&self.judgement.why))?;
        for finding in &self.judgement.findings {
            let JudgedFinding { rule, severity, message, exception, .. } = finding;
            write!(out, "            {severity} {}: {}", visible(rule), visible(message))?;
            match exception {
                Some(exception) => writeln!(out, " (excepted by {})", visible(exception))?,
                None => writeln!(out)?,
            }
        }
        writeln!(out, "Log agrees: {}", self.agreement())?;
        for change in &self.changed_since {
            writeln!(
                out,
                "            entry {} of {}: {}",
                change.entry,
                change.at,
                visible(&change.what)
            )?;
        }
        if !self.facts.is_null() {
            writeln!(out, "\nFacts, as they are stored:")?;
            let yaml = yaml_serde::to_string(&self.facts).map_err(|_| std::fmt::Error)?;
            for line in yaml.lines() {
                writeln!(out, "  {}", visible(line))?;
            }
        }
        Ok(())
    }

    fn agreement(&self) -> String {
        let mut text = match (self.agrees, self.changed_since.is_empty()) {
            (Some(true), _) => "yes".to_owned(),
            (Some(false), false) => {
                "no: it was recorded after the facts were that something changed".to_owned()
            }
            (Some(false), true) => {
                "NO, and no entry since the facts were recorded says why".to_owned()
            }
            (None, _) => "that can't be told".to_owned(),
        };
        if self.population_agrees == Some(false) {
            text.push_str(
                "; the items of the control are others than when the facts were recorded",
            );
        }
        text
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

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { entry, at, state, reason, findings } = self;
        let reason = visible(reason);
        write!(out, "Recorded:   the control was {state}")?;
        if !reason.is_empty() {
            write!(out, " ({reason})")?;
        }
        writeln!(out, ", by entry {entry} of {at}")?;
        if findings.is_empty() {
            return writeln!(out, "            nothing was open about this item");
        }
        for finding in findings {
            let RecordedFinding { rule, since, entry, exception, .. } = finding;
            write!(out, "            {} since {since}, by entry {entry}", visible(rule))?;
            match exception {
                Some(exception) => writeln!(out, ", excepted by {}", visible(exception))?,
                None => writeln!(out)?,
            }
        }
        Ok(())
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

/// Whether a finding is about an item: about the object, or about the subject.
fn is_about(item: &ResourceRef, resource: &ResourceRef, subject: Option<&str>) -> bool {
    let as_subject = match &item.namespace {
        Some(namespace) => format!("{} {namespace}/{}", item.kind, item.name),
        None => format!("{} {}", item.kind, item.name),
    };
    item == resource || subject == Some(as_subject.as_str())
}

/// What an entry after the inventory says that bears on the item.
fn changes(entry: &Recorded, item: &ResourceRef, keys: &[FindingKey]) -> Vec<ChangeSince> {
    let about = |finding: &&EntryFinding| {
        is_about(item, &finding.resource, finding.subject.as_deref())
            || keys.contains(&FindingKey::of(finding))
    };
    let mut what = Vec::new();
    if entry.is_edit {
        what.push("the control was edited".to_owned());
    }
    for finding in entry.added.iter().filter(about) {
        what.push(format!("{} was found: {}", finding.rule, finding.message));
    }
    for finding in entry.removed.iter().filter(about) {
        let ending = finding.ending.map_or_else(String::new, |ending| format!(" ({ending})"));
        what.push(format!("{} was gone{ending}", finding.rule));
    }
    for (moved, verb) in [(&entry.entered, "came into"), (&entry.left, "left")] {
        for change in moved.iter().filter(|change| change.item == *item) {
            what.push(format!("the item {verb} the population ({})", change.why));
        }
    }
    let (entry, at) = (entry.entry, entry.at);
    what.into_iter().map(|what| ChangeSince { entry, at, what }).collect()
}

/// Whether a spec selects users by a part of their names, which pseudonyms do not have.
fn matches_people_by_pattern(spec: &Value) -> bool {
    match spec {
        Value::Array(items) => items.iter().any(matches_people_by_pattern),
        Value::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
            (text("kind") == "User" && text("name").contains('*') && text("name") != "*")
                || fields.values().any(matches_people_by_pattern)
        }
        _ => false,
    }
}

/// Whether what the log has of an item is what it came to; None where the log can't tell.
fn agreement(
    recorded: &RecordedOutcome,
    outcome: Outcome,
    keys: &[FindingKey],
    logged: Option<&VerdictState>,
) -> Option<bool> {
    // Of very many findings the log has the worst alone.
    let is_cut = logged.is_some_and(|logged| logged.findings.len() >= RECORDED_FINDINGS);
    let blocked = recorded.state == State::Unknown && recorded.findings.is_empty();
    if is_cut || blocked || outcome == Outcome::Unknown {
        return None;
    }
    let open = |key: &FindingKey| {
        recorded.findings.iter().any(|finding| {
            finding.rule == key.rule
                && finding.resource == key.resource
                && finding.subject == key.subject
        })
    };
    Some(keys.iter().all(open) && recorded.findings.len() == keys.len())
}

/// The digest of the items that are judged again, as entries have it.
fn members(world: &World, control: &str) -> String {
    let items = world.engine.population(control);
    let mut lines: Vec<String> = items
        .iter()
        .map(|item| population::line(&item.resource, item.uid.as_deref(), None) + "\n")
        .collect();
    lines.sort_unstable();
    lines.dedup();
    population::digest_of_list(&lines.concat())
}
