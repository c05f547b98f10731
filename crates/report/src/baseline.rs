//! The findings of an earlier report. A company that adopts controls late lives with them for a while,
//! and wants to be told of new ones only.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::model::{EvaluationReport, ReportedFinding};
use comptroller_core::api::ResourceRef;

/// What makes a finding the same one, wherever its object is written and however its message is worded:
/// the control, the rule, the object and the subject.
type FindingIdentity = (String, String, ResourceRef, Option<String>);

/// The findings of an earlier report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingBaseline(BTreeSet<FindingIdentity>);

/// The part of the JSON report that a baseline is made of.
#[derive(Deserialize)]
struct BaselineDocument {
    controls: Vec<BaselineControl>,
}

#[derive(Deserialize)]
struct BaselineControl {
    name: String,
    findings: Vec<BaselineFinding>,
}

#[derive(Deserialize)]
struct BaselineFinding {
    rule: String,
    resource: ResourceRef,
    subject: Option<String>,
}

impl FindingBaseline {
    /// Reads a report that a scan wrote as JSON.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        let document: BaselineDocument = serde_json::from_str(json)?;
        let findings = document.controls.into_iter().flat_map(|control| {
            let name = control.name;
            control
                .findings
                .into_iter()
                .map(move |finding| (name.clone(), finding.rule, finding.resource, finding.subject))
        });
        Ok(Self(findings.collect()))
    }

    /// Marks each finding as known or new, and adds a note on how much of the baseline is gone.
    pub fn apply(&self, evaluation: &mut EvaluationReport) {
        let mut seen = BTreeSet::new();
        for control in &mut evaluation.controls {
            for finding in &mut control.findings {
                let identity = identity(&control.name, finding);
                finding.known = Some(self.0.contains(&identity));
                seen.insert(identity);
            }
        }
        let gone = self.0.difference(&seen).count();
        if gone > 0 {
            evaluation.notes.push(format!(
                "{gone} of {} findings of the baseline are gone: write it again, so that they can't come back unnoticed",
                self.0.len()
            ));
        }
    }
}

fn identity(control: &str, finding: &ReportedFinding) -> FindingIdentity {
    (control.to_owned(), finding.rule.clone(), finding.resource.clone(), finding.subject.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TableStyle, json::FORMAT, tests::evaluation};

    fn json(evaluation: &EvaluationReport) -> String {
        let mut text = Vec::new();
        FORMAT.write(evaluation, TableStyle::default(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_an_earlier_report_has_does_not_count() {
        let mut now = evaluation();
        now.errors.clear();
        let baseline = FindingBaseline::read(&json(&now)).unwrap();
        assert_eq!(now.exit_code(true), 1);
        // Words and places may change; the finding is the same.
        for control in &mut now.controls {
            for finding in &mut control.findings {
                finding.message.push_str(", still");
                finding.location = None;
            }
        }
        baseline.apply(&mut now);
        assert_eq!((now.exit_code(true), now.notes.len()), (0, 0), "{:?}", now.notes);

        let failing = now.controls.iter_mut().find(|control| !control.findings.is_empty());
        failing.unwrap().findings[0].resource.name.push_str("-2");
        baseline.apply(&mut now);
        assert_eq!(now.exit_code(true), 1, "another object is a new finding");
        assert!(
            now.notes[0].starts_with("1 of 2 findings of the baseline are gone"),
            "{:?}",
            now.notes
        );
    }

    #[test]
    fn another_file_is_no_baseline() {
        for text in ["", "[]", "{}", r#"{"controls": [{"name": "c"}]}"#] {
            assert!(FindingBaseline::read(text).is_err(), "{text}");
        }
    }
}
