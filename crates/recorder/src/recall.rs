//! Since when things are as they are, by the log: it outranks whoever else remembers.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::Evidence;
use comptroller_core::{
    checks::Finding,
    engine::{ObservedFinding, Recollection, Remembered, Verdict},
};
use comptroller_evidence::{
    fold::{FindingKey, LogState, VerdictState},
    key::Pseudonyms,
    privacy::Pseudonymizer,
};

impl Evidence {
    /// What the log remembers of a control, for the engine; nothing of another one of its name, by
    /// the uid. None without a log, and until it was opened first.
    pub fn recollect(&self, control: &str, uid: Option<&str>) -> Option<Remembered> {
        let pseudonyms = self.pseudonyms()?;
        self.read(|state| {
            let Some(verdict) = verdict_of(state, control, uid) else {
                return Remembered::default();
            };
            let findings =
                verdict.findings.iter().map(|(key, open)| (key.clone(), open.since)).collect();
            let recalled = Recalled { findings, pseudonyms };
            Remembered {
                state: Some((verdict.state, verdict.since)),
                findings: Some(Arc::new(recalled)),
                ..Remembered::default()
            }
        })
    }

    /// A verdict that the log holds, with the times that the log has: what statuses and metrics say.
    pub fn as_recorded(&self, control: &str, verdict: &Arc<Verdict>) -> Arc<Verdict> {
        let Some(pseudonyms) = self.pseudonyms() else { return Arc::clone(verdict) };
        let name = |person: &str| pseudonyms.pseudonym(person);
        let pseudonymizer = Pseudonymizer::new(&name);
        let dated = self.read(|state| {
            let known = verdict_of(state, control, None)?;
            let since = if known.state == verdict.state { known.since } else { verdict.since };
            let of = |observed: &ObservedFinding| {
                let open = known.findings.get(&key_of(&observed.finding, &pseudonymizer));
                open.map_or(observed.since, |open| open.since)
            };
            let findings: Vec<Timestamp> = verdict.findings.iter().map(of).collect();
            Some((since, findings))
        });
        let Some((since, findings)) = dated.flatten() else { return Arc::clone(verdict) };
        let known = verdict.findings.iter().map(|observed| observed.since);
        if since == verdict.since && known.eq(findings.iter().copied()) {
            return Arc::clone(verdict);
        }
        let mut dated = Verdict { since, ..Verdict::clone(verdict) };
        for (observed, since) in dated.findings.iter_mut().zip(findings) {
            observed.since = since;
        }
        Arc::new(dated)
    }
}

/// The newest verdict of the control with this uid. Where one of the uids is not known, the name
/// decides.
fn verdict_of<'a>(
    state: &'a LogState,
    control: &str,
    uid: Option<&str>,
) -> Option<&'a VerdictState> {
    let known = state.object("Control", control).and_then(|object| object.uid.as_deref());
    if known.is_some() && uid.is_some() && known != uid {
        return None;
    }
    state.control(control)?.verdict.as_ref()
}

/// A finding as the log knows it, whose people are pseudonyms there.
pub(super) fn key_of(finding: &Finding, pseudonymizer: &Pseudonymizer<'_>) -> FindingKey {
    let mut resource = finding.resource.clone();
    if resource.kind == "User" {
        resource.name = pseudonymizer.user(&resource.name);
    }
    FindingKey {
        rule: finding.rule.clone().into_owned(),
        resource,
        subject: finding.subject.as_deref().map(|subject| pseudonymizer.subject(subject)),
    }
}

/// Since when the log knows findings.
struct Recalled {
    findings: HashMap<FindingKey, Timestamp>,
    pseudonyms: Arc<Pseudonyms>,
}

impl std::fmt::Debug for Recalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recalled").field("findings", &self.findings.len()).finish_non_exhaustive()
    }
}

impl Recollection for Recalled {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        let name = |person: &str| self.pseudonyms.pseudonym(person);
        self.findings.get(&key_of(finding, &Pseudonymizer::new(&name))).copied()
    }
}
