//! `results`: what other engines found, as their reports say it.
//!
//! An item is a resource that a report is about, whether its kind is read or not. With `require` the
//! workloads or namespaces that must have a result are items too, and what is reported of one of them,
//! or of what it controls, is judged there.
//!
//! | rule | it fails when |
//! |---|---|
//! | `POLICY/RULE` | an engine says that the resource fails this rule |
//! | `NoResult` | nothing that counts is said of what must have a result |
//!
//! Unknown is `POLICY/RULE` where the engine could not evaluate it, `ResultTooOld`, and `ReportUnreliable`
//! where a report can't be read, or says of itself that it is not complete. A failure counts at any
//! age: a scanner that stopped does not mend it. Reading nothing at all is unknown, not a pass.
//!
//! Who may write reports can make them say anything. That is so with every engine that reports here, and
//! the log holds what they said.

mod judge;
mod required;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wildmatch::WildMatch;

use super::{
    BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement, LimitMembership,
    Need, limit_counts::LimitCounts, presence::cluster,
};
use crate::{
    api::{
        Duration, Glob, ResourceRef,
        test_spec::{ReportKind, ResultsTest, WarningResults},
    },
    inventory::{
        Change, ObjectSource, Program, ProgramId, Slot,
        reports::{KINDS, ReportApi, ReportReader, ReportedId, ResultFilter, TRIVY, entries_of},
    },
};
use judge::Coverage;
use required::Required;

/// Whether any report counts at all.
const ANYTHING: Item = Item::Cluster(0);

/// A `results` test, compiled.
#[derive(Debug)]
struct ResultsCheck {
    program: ProgramId,
    reports: Vec<ReportKind>,
    max_age: Duration,
    required: Option<Required>,
    /// The engines, for messages.
    engines: String,
}

/// Compiles a `results` test.
pub fn build(test: &ResultsTest) -> Result<Built, BuildError> {
    let matchers = |patterns: &[Glob]| patterns.iter().map(Glob::matcher).collect::<Vec<_>>();
    let lower = |pattern: &Glob| WildMatch::new(&pattern.as_str().to_lowercase());
    let filter = ResultFilter {
        engines: test.sources.iter().map(lower).collect(),
        policies: matchers(&test.policies),
        categories: matchers(&test.categories),
        min_severity: test.min_severity,
        warnings_fail: test.warnings == WarningResults::Fail,
    };
    let program = program_id(test);
    let sources: Vec<&str> = test.sources.iter().map(Glob::as_str).collect();
    let check = ResultsCheck {
        program,
        reports: test.reports.clone(),
        max_age: test.max_age,
        required: test.require.as_ref().map(Required::compile).transpose()?,
        engines: if sources.is_empty() { "any engine".to_owned() } else { sources.join(" or ") },
    };
    let reader = Program::Results(ReportReader { filter });
    Ok(Built { check: Box::new(check), program: Some((program, Arc::new(reader))) })
}

/// The digest of all that decides what the program says of a report.
fn program_id(test: &ResultsTest) -> ProgramId {
    let source = serde_json::json!({
        "sources": test.sources, "policies": test.policies, "categories": test.categories,
        "minSeverity": test.min_severity, "warnings": test.warnings,
    });
    let digest = Sha256::digest(format!("results {source}"));
    ProgramId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
}

/// What to do where no report of a kind is served.
fn remedy(report: ReportKind) -> &'static str {
    match report {
        ReportKind::PolicyReport => {
            "install an engine that writes policy reports, such as Kyverno or Kubewarden, or delete this control"
        }
        _ => "install Trivy Operator, or delete this control",
    }
}

impl Check for ResultsCheck {
    fn reads(&self) -> Vec<Dependency> {
        let mut reads = Vec::new();
        for report in &self.reports {
            let groups = match report {
                ReportKind::PolicyReport => vec!["openreports.io", "wgpolicyk8s.io"],
                _ => vec![TRIVY],
            };
            reads.push(Dependency::AnyGroup { groups, remedy: remedy(*report) });
            let apis = KINDS.iter().filter(|api| api.report == *report);
            reads.extend(apis.map(|api| self.read(api)));
        }
        if let Some(required) = &self.required {
            reads.extend(required.reads());
        }
        reads
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        context.inventory.reports.iter().for_each(|id| visit(Item::Reported(id)));
        match &self.required {
            Some(required) if context.inventory.source == ObjectSource::Cluster => {
                required.items(context.inventory, visit);
            }
            _ => visit(ANYTHING),
        }
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        let Change::Object { slot, before } = change else { return };
        let inventory = context.inventory;
        for object in before.iter().chain(inventory.get(*slot)) {
            for entry in entries_of(object) {
                visit(ANYTHING);
                if let Some(id) = inventory.reports.find(&entry.resource) {
                    visit(Item::Reported(id));
                }
                if let Some(required) = &self.required {
                    required.concerned(inventory, &entry.resource, visit);
                }
            }
        }
        if let Some(required) = &self.required {
            required.affected(inventory, change, visit);
        }
    }

    /// Only a cluster has reports.
    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        match item {
            Item::Reported(id) => self.judge_reported(context, id),
            Item::Object(slot) => self.judge_required(context, slot),
            Item::Subject(_) | Item::Cluster(_) => None,
        }
    }

    fn judge_cluster(
        &self,
        context: &CheckContext<'_>,
        part: u32,
        limit_counts: &LimitCounts,
    ) -> Option<Judgement> {
        if Item::Cluster(part) != ANYTHING {
            return None;
        }
        let message = if context.inventory.source == ObjectSource::Manifests {
            "only the cluster has reports: scan with --cluster, or leave out what manifests can't answer with --only-manifests".to_owned()
        } else if self.required.is_some() || limit_counts.certain() > 0 {
            return None;
        } else {
            format!(
                "no report holds a result of {} that this control asks for: check that the engine runs and reports here, and the filters of spec.test.results",
                self.engines
            )
        };
        let finding = Finding {
            rule: "NoReports".into(),
            severity: None,
            resource: cluster(),
            subject: None,
            message,
        };
        Some(Judgement { unknown: vec![finding], ..Judgement::default() })
    }
}

impl ResultsCheck {
    fn read(&self, api: &ReportApi) -> Dependency {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let plurals: Vec<&str> = api.kinds.iter().map(|(_, plural)| *plural).collect();
        Dependency::Program {
            at: "spec.test.results.reports",
            groups: vec![api.group.to_owned()],
            versions: owned(api.versions),
            resources: owned(&plurals),
            program: self.program,
            need: Need::Optional,
        }
    }

    /// Judges a resource by what is said of it, unless it is judged as one that must have a result.
    fn judge_reported(&self, context: &CheckContext<'_>, id: ReportedId) -> Option<Judgement> {
        let inventory = context.inventory;
        let resource = inventory.reports.resource(id)?;
        if self.required.as_ref().is_some_and(|required| required.takes(inventory, resource)) {
            return None;
        }
        let said = self.said_of(inventory, id, None);
        if said.is_empty() {
            return None;
        }
        let unknown = match judge::admission(context, resource) {
            judge::Scoped::In => None,
            judge::Scoped::Out => return None,
            judge::Scoped::Unknown(message) => Some(message),
        };
        let reference = resource.reference();
        let mut judgement = match unknown {
            Some(message) => Judgement {
                unknown: vec![judge::finding("Undecided", &reference, message)],
                ..Judgement::default()
            },
            None => self.conclude(context.now, &reference, &said),
        };
        judgement.limit_membership = LimitMembership::Yes;
        Some(judgement)
    }

    /// Judges what must have a result: by what is said of it and of what runs for it, or of anything in
    /// the namespace.
    fn judge_required(&self, context: &CheckContext<'_>, slot: Slot) -> Option<Judgement> {
        let required = self.required.as_ref()?;
        let inventory = context.inventory;
        if let Some(judgement) = required.malformed(inventory, slot) {
            return Some(judgement);
        }
        let subject = required.subject(inventory, slot)?;
        let reference: ResourceRef = super::reference(inventory, slot)?;
        let said: Vec<_> = required
            .reported(inventory, slot)
            .into_iter()
            .flat_map(|(id, uid)| self.said_of(inventory, id, uid))
            .collect();
        let mut judgement = self.conclude(context.now, &reference, &said);
        let coverage = if subject.is_namespace {
            self.coverage(context, &subject.name)
        } else if said.iter().any(|said| said.judges() || said.entry.problem.is_some()) {
            Coverage::Recent { until: None }
        } else {
            Coverage::None
        };
        match coverage {
            Coverage::Recent { until } => {
                judgement.valid_until = judgement.valid_until.into_iter().chain(until).min();
                return Some(judgement);
            }
            Coverage::Doubtful { next } => {
                judgement.valid_until = judgement.valid_until.into_iter().chain(next).min();
                let message = format!(
                    "what reports say of anything in it is more than {} old, or unreliable: check that the engine still runs",
                    self.max_age
                );
                judgement.unknown.retain(|finding| finding.rule != judge::TOO_OLD);
                judgement.unknown.push(judge::finding(judge::TOO_OLD, &reference, message));
                return Some(judgement);
            }
            Coverage::None => {}
        }
        if let Some(due) = subject.created.map(|created| self.max_age.add_to(created))
            && context.now < due
        {
            // No engine may have come by yet.
            return Some(Judgement {
                pending: true,
                valid_until: Some(due),
                ..Judgement::default()
            });
        }
        let message = format!(
            "has no result of {} that this control asks for, so nobody looked at it: check that the engine runs, and what it leaves out",
            self.engines
        );
        let failing = vec![judge::finding("NoResult", &reference, message)];
        Some(Judgement { failing, ..Judgement::default() })
    }
}
