//! Since when things are as they are, by the log: it outranks whoever else remembers.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::{Current, Evidence, ObjectKey, Recorded, lapsed, reference};
use comptroller_core::{
    api::ResourceRef,
    checks::Finding,
    engine::{ObservedFinding, Recollection, Remembered, Verdict, memory::FindingHash},
};
use comptroller_evidence::{
    fold::{FindingKey, LogState, VerdictState},
    key::Pseudonyms,
    privacy::{Pseudonymizer, names_a_person},
};

impl Evidence {
    /// What the log remembers of a control, for the engine; nothing of another one of its name.
    /// None without a log, and until it was opened first.
    pub fn recollect(&self, control: &ObjectKey) -> Option<Remembered> {
        let pseudonyms = self.pseudonyms()?;
        self.read(|state| {
            let Some(verdict) = verdict_of(state, control) else {
                return Remembered::default();
            };
            let findings =
                verdict.findings.iter().map(|(key, open)| (key.clone(), open.since)).collect();
            let generation = verdict.generation;
            let recalled = LoggedFindings { since: findings, generation, pseudonyms };
            Remembered {
                state: Some((verdict.state, verdict.since)),
                findings: Some(Arc::new(recalled)),
                ..Remembered::default()
            }
        })
    }

    /// Another verdict of a control as a recorded one, without an entry of its own. None when the
    /// log does not hold all that it says: then it is to be recorded.
    pub fn restate(
        &self,
        control: &ObjectKey,
        known: &Recorded<Verdict>,
        verdict: &Arc<Verdict>,
    ) -> Option<Recorded<Verdict>> {
        if !known.covers(verdict) {
            return None;
        }
        let Some(log) = &self.log else {
            return Some(Recorded::new(Arc::clone(verdict), None, known.at()));
        };
        recorded(&log.current(), control, verdict)
    }
}

/// A verdict that the log holds, with the times that the log has. None when it holds none.
pub(crate) fn recorded(
    current: &Current,
    control: &ObjectKey,
    verdict: &Arc<Verdict>,
) -> Option<Recorded<Verdict>> {
    let pseudonyms = current.pseudonyms.as_ref()?;
    let pseudonym = |person: &str| pseudonyms.pseudonym(person);
    let pseudonymizer = Pseudonymizer::new(&pseudonym);
    let known = verdict_of(&current.state, control)?;
    let state_since = if known.state == verdict.state { known.since } else { verdict.since };
    let finding_since = |observed: &ObservedFinding| {
        let open = known.findings.get(&key_of(&observed.finding, &pseudonymizer));
        open.map_or(observed.since, |open| open.since)
    };
    let findings: Vec<Timestamp> = verdict.findings.iter().map(finding_since).collect();
    let same = state_since == verdict.since
        && verdict.findings.iter().map(|observed| observed.since).eq(findings.iter().copied());
    // Nearly always the engine has the same times, and the verdict is shared rather than copied.
    let dated = if same {
        Arc::clone(verdict)
    } else {
        let mut dated = Verdict { since: state_since, ..Verdict::clone(verdict) };
        for (observed, since) in dated.findings.iter_mut().zip(findings) {
            observed.since = since;
        }
        Arc::new(dated)
    };
    Some(Recorded::new(dated, Some(reference(known.last_entry)), known.last_at))
}

/// The newest verdict of a control. Where the log or the object has no uid, the name decides.
fn verdict_of<'a>(state: &'a LogState, control: &ObjectKey) -> Option<&'a VerdictState> {
    let known = state.object("Control", &control.name).and_then(|object| object.uid.as_deref());
    let uid = control.uid.as_deref();
    if known.is_some() && uid.is_some() && known != uid {
        return None;
    }
    state.verdict(&control.name)
}

/// A finding as the log knows it, whose people are pseudonyms there.
pub(crate) fn key_of(finding: &Finding, pseudonymizer: &Pseudonymizer<'_>) -> FindingKey {
    FindingKey {
        rule: finding.rule.clone().into_owned(),
        resource: pseudonymizer.resource(&finding.resource),
        subject: finding.subject.as_deref().map(|subject| pseudonymizer.subject(subject)),
    }
}

/// Since when the log knows findings, by its own names of people.
struct LoggedFindings {
    since: HashMap<FindingKey, Timestamp>,
    /// The generation of the control that they were found by.
    generation: i64,
    pseudonyms: Arc<Pseudonyms>,
}

impl std::fmt::Debug for LoggedFindings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedFindings")
            .field("findings", &self.since.len())
            .finish_non_exhaustive()
    }
}

impl Recollection for LoggedFindings {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        let pseudonym = |person: &str| self.pseudonyms.pseudonym(person);
        self.since.get(&key_of(finding, &Pseudonymizer::new(&pseudonym))).copied()
    }

    /// Without those about people, whom the engine knows by other names.
    fn open(&self) -> Vec<(FindingHash, ResourceRef)> {
        let objects = self.since.keys().filter(|key| !names_a_person(&key.resource.kind));
        objects.map(|key| (lapsed::engine_key(key), key.resource.clone())).collect()
    }

    fn generation(&self) -> Option<i64> {
        Some(self.generation)
    }
}
