//! What an evaluation came to: the model behind every format, and the JSON contract itself.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use comptroller_core::{
    api::{ResourceRef, Severity, State, TestKind},
    engine::{Engine, ObservedFinding, Verdict},
};

/// One evaluation of all controls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// Every control, by name.
    pub controls: Vec<ControlResult>,
    /// How many controls are in each state, and how much was read.
    pub summary: EvaluationSummary,
    /// What could not be read.
    pub errors: Vec<ReportedError>,
    /// What was assumed, and what had no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// When it was evaluated, for formats that are kept. JSON leaves it out, so that the same input gives
    /// the same bytes.
    #[serde(skip)]
    pub evaluated_at: Option<Timestamp>,
    /// What was scanned, in the words of the command line, such as `the cluster of prod-eu`.
    #[serde(skip)]
    pub scanned: Option<String>,
}

/// What one control came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlResult {
    /// Name of the Control.
    pub name: String,
    /// What it says, in a sentence.
    pub title: String,
    /// The criteria it serves.
    pub criteria: Vec<String>,
    /// How bad a failure is.
    pub severity: Severity,
    /// The kind of its test; None when the spec has none, or several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestKind>,
    /// What the evaluation came to.
    pub state: State,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in one sentence.
    pub message: String,
    /// What to do when it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// How many items were judged.
    pub population: usize,
    /// How many of them fail.
    pub failing: usize,
    /// How many of them fail only in what exceptions allow.
    pub excepted: usize,
    /// How many of them could not be judged.
    pub unknown: usize,
    /// What fails and no exception allows, in full.
    pub findings: Vec<ReportedFinding>,
    /// What fails and is allowed by an exception.
    pub excepted_findings: Vec<ReportedFinding>,
    /// What could not be judged, and why.
    pub unknown_items: Vec<ReportedFinding>,
    /// Whether people attest it, so that only their records show anything.
    #[serde(skip)]
    pub attested: bool,
}

/// A finding, with where its object is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedFinding {
    /// The rule, in one CamelCase word.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The object that it is about.
    pub resource: ResourceRef,
    /// Who, where it is about somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The exception that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Whether the baseline has it, so that it does not count; None without a baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<bool>,
    /// Where the object is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<SourceLocation>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceLocation {
    /// The file as the user named it; `-` is standard input.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

/// How many controls are in each state, and how much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationSummary {
    /// Controls that are Passing.
    pub passing: usize,
    /// Controls that are Failing.
    pub failing: usize,
    /// Controls of which all that fails is excepted.
    pub excepted: usize,
    /// Controls that are Unknown.
    pub unknown: usize,
    /// Controls with nothing to judge.
    pub not_applicable: usize,
    /// Objects that were read.
    pub objects: usize,
    /// Documents that are not Kubernetes objects.
    pub skipped: usize,
}

/// Something that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReportedError {
    /// The file, as the user named it; None for what a cluster could not give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// Which document of it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The object, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ResourceRef>,
    /// What is wrong and what to do.
    pub message: String,
}

impl EvaluationReport {
    /// What an engine found at its last evaluation. `locate` says where an object is written.
    pub fn collect(
        engine: &Engine,
        now: Timestamp,
        locate: &dyn Fn(&ResourceRef) -> Option<SourceLocation>,
    ) -> Self {
        let reported = |observed: Vec<ObservedFinding>| -> Vec<ReportedFinding> {
            observed.into_iter().map(|one| report(one, locate)).collect()
        };
        let mut evaluation = Self { evaluated_at: Some(now), ..Self::default() };
        for (name, spec) in engine.controls() {
            let pending;
            let verdict = if let Some(verdict) = engine.verdict(name) {
                verdict
            } else {
                let message = "was not evaluated: not all it needs could be read".to_owned();
                pending = Verdict::blocked(
                    0,
                    comptroller_core::engine::Reason::ItemsUnknown,
                    message,
                    now,
                );
                &pending
            };
            evaluation.summary.count(verdict.state);
            evaluation.controls.push(ControlResult {
                name: name.to_owned(),
                title: spec.title.clone(),
                criteria: spec.criteria.iter().map(|id| id.as_str().to_owned()).collect(),
                severity: spec.severity,
                test: spec.test.kind().ok(),
                state: verdict.state,
                reason: verdict.reason.to_string(),
                message: verdict.message.clone(),
                remedy: spec.remedy.clone(),
                population: verdict.population,
                failing: verdict.failing,
                excepted: verdict.excepted,
                unknown: verdict.unknown,
                findings: reported(engine.findings(name, now)),
                excepted_findings: reported(engine.excepted(name, now)),
                unknown_items: reported(engine.undecided(name, now)),
                attested: spec.test.attestation.is_some(),
            });
        }
        evaluation
    }

    /// 1 when a control fails by a finding that no baseline has. Otherwise 2 when there is something
    /// that can't be judged: a control is Unknown (unless that is allowed), something could not be
    /// read, or there is no control. Otherwise 0.
    pub fn exit_code(&self, allow_unknown: bool) -> u8 {
        let any = |state| self.controls.iter().any(|control| control.state == state);
        // A failure comes first: what is known to be wrong is not made uncertain by what is not known.
        if self.controls.iter().any(ControlResult::has_new_failures) {
            1
        } else if (any(State::Unknown) && !allow_unknown)
            || !self.errors.is_empty()
            || self.controls.is_empty()
        {
            2
        } else {
            0
        }
    }
}

impl ReportedFinding {
    /// Whether no baseline has it, so that it counts as a failure.
    pub fn is_new(&self) -> bool {
        self.known != Some(true)
    }
}

impl ControlResult {
    /// Whether it fails by a finding that no baseline has.
    pub fn has_new_failures(&self) -> bool {
        self.state == State::Failing
            && (self.findings.is_empty() || self.findings.iter().any(ReportedFinding::is_new))
    }

    /// How many of its findings are in the baseline.
    pub fn baseline_findings(&self) -> usize {
        self.findings.iter().filter(|finding| !finding.is_new()).count()
    }
}

impl EvaluationSummary {
    /// Adds a control of this state.
    pub fn count(&mut self, state: State) {
        let place = match state {
            State::Passing => &mut self.passing,
            State::Failing => &mut self.failing,
            State::Excepted => &mut self.excepted,
            State::Unknown => &mut self.unknown,
            State::NotApplicable => &mut self.not_applicable,
        };
        *place += 1;
    }
}

fn report(
    observed: ObservedFinding,
    locate: &dyn Fn(&ResourceRef) -> Option<SourceLocation>,
) -> ReportedFinding {
    let finding = observed.finding;
    ReportedFinding {
        rule: finding.rule.into_owned(),
        severity: observed.severity,
        location: locate(&finding.resource),
        resource: finding.resource,
        subject: finding.subject,
        message: finding.message,
        exception: observed.exception,
        known: None,
    }
}
