//! From what is observed to what has to be written, given what the log already holds. Pure.

mod passed;
mod population;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use self::{passed::Course, population::PopulationDraft};
pub use self::{passed::PassedDraft, population::PopulationObservation};
use crate::{GuardHistory, HeartbeatObservation, VerdictObservation, WrittenWithin};
use comptroller_core::{
    api::{State, time::whole_seconds},
    engine::{Ending, ObservedFinding, Reason, Verdict},
};
use comptroller_evidence::{
    data::{
        ChangeKind, EntryFinding, FindingEnding, GapCause, GapData, Heartbeat, ObjectChange,
        VerdictData,
    },
    entry::{Data, EntrySubject, EntryType},
    fold::{FindingKey, LogState, ObjectState, VerdictState, diff, findings_digest},
    privacy::Pseudonymizer,
};
use comptroller_vocabulary::canonical;

/// Entries with what they are about, in the order of the log.
pub type Entries = Vec<(EntrySubject, Data)>;

/// The verdict of a control, on its way to entries.
#[derive(Clone, Debug)]
pub struct VerdictDraft {
    /// The name of the control.
    pub control: String,
    /// What was so since the last record and is over, in order.
    pub passed: Vec<PassedDraft>,
    /// The entry, without what the log decides.
    pub data: VerdictData,
    /// Everything that is wrong.
    pub findings: Vec<EntryFinding>,
    /// Why findings are gone, as far as it is known.
    pub endings: Endings,
    /// Who was judged.
    pub population: PopulationDraft,
    /// Why the control could not be evaluated until now.
    pub blocked: Option<String>,
}

/// That what the log holds of a control is still so.
#[derive(Clone, Debug)]
pub struct HeartbeatDraft {
    /// The name of the control.
    pub control: String,
    /// The entry, without what the log decides.
    pub data: Heartbeat,
    /// Who was judged.
    pub population: PopulationDraft,
}

/// An object that the operator is governed by.
#[derive(Clone, Debug)]
pub struct ObjectDraft {
    /// Its kind and name.
    pub subject: EntrySubject,
    /// The generation of its spec: what tells two specs apart that can't be read.
    pub generation: i64,
    /// Its spec without people; None when it can't be read.
    pub spec: Option<Value>,
    /// Its phase, for kinds that have one.
    pub phase: Option<String>,
    /// What tells it from another object of its name. None where it passed no API server.
    pub uid: Option<String>,
    /// Whether this process saw that it was deleted and created again since it was recorded last.
    /// It counts where the log has no uid to tell it by.
    pub recreated: bool,
    /// When the API server created it. None where it is not told, and for kinds where nobody asks.
    pub created_at: Option<Timestamp>,
    /// When its spec was written, for kinds whose author is bound.
    pub written: Option<WrittenWithin>,
    /// The policies that bind its author, in force or not.
    pub authors: GuardHistory,
}

/// What a draft comes to. Nothing to write means that the log says so already.
#[derive(Debug, Default)]
pub struct DraftedEntries {
    /// What to write; the last of them is what a status cites.
    pub entries: Entries,
    /// Texts to store beside the log first, under their digests.
    pub stored: Vec<String>,
}

impl VerdictDraft {
    /// The draft of what was observed, without what was over before.
    pub fn new(observed: &VerdictObservation, pseudonymizer: &Pseudonymizer<'_>) -> Self {
        let findings: Vec<EntryFinding> = observed
            .findings
            .iter()
            .map(|observed| entry_finding(observed, pseudonymizer))
            .collect();
        Self {
            control: observed.control.name.clone(),
            passed: Vec::new(),
            data: verdict_data(&observed.verdict, &findings, pseudonymizer),
            findings,
            endings: Endings::default(),
            population: PopulationDraft::new(&observed.population, pseudonymizer),
            blocked: None,
        }
    }

    /// What has to be written, given the newest verdict that the log has of the control.
    pub fn resolve(mut self, logged: Option<&VerdictState>, now: Timestamp) -> DraftedEntries {
        let subject = EntrySubject::control(&self.control);
        let mut resolved = DraftedEntries::default();
        let course = (!self.passed.is_empty()).then(|| {
            let mut course = Course::new(logged, self.blocked.take());
            for passed in std::mem::take(&mut self.passed) {
                resolved.entries.extend(course.step(&subject, passed, now));
            }
            self.blocked.clone_from(&course.blocked);
            course
        });
        let known = course.as_ref().map_or(logged, |course| course.known.as_ref());
        if known.is_some_and(|known| self.says_what(known)) {
            return resolved;
        }
        if let Some(known) = known {
            self.data.since = since(known, self.data.state, self.data.since, now);
            let gap = blind(known, &self.data.reason, self.blocked.as_deref(), now);
            resolved.entries.extend(gap.map(|gap| (subject.clone(), gap)));
        }
        self.compare(known, now);
        if !is_blocked(&self.data) {
            let part = self.population.resolve(known, &mut resolved.stored);
            self.data.population_digest = part.digest;
            self.data.population_list = part.list;
            (self.data.entered, self.data.left) = (part.entered, part.left);
        }
        resolved.entries.push((subject, Data::Verdict(Box::new(self.data))));
        resolved
    }

    fn says_what(&self, known: &VerdictState) -> bool {
        !self.population.is_steered
            && known.state == self.data.state
            && known.reason == self.data.reason
            && known.generation == self.data.generation
            && known.findings_digest == self.data.findings
            // What could not be judged is in no finding, and a status says how much it is.
            && known.unknown == self.data.unknown
            // Where more is wrong than is listed, the counts tell.
            && known.failing == self.data.failing
            && known.excepted == self.data.excepted
    }

    /// What was found and what is gone since the last verdict.
    fn compare(&mut self, known: Option<&VerdictState>, now: Timestamp) {
        let mut present: BTreeMap<FindingKey, EntryFinding> = std::mem::take(&mut self.findings)
            .into_iter()
            .map(|finding| (FindingKey::of(&finding), finding))
            .collect();
        for mut finding in known.into_iter().flat_map(VerdictState::open_findings) {
            let key = FindingKey::of(&finding);
            match present.get_mut(&key) {
                None => {
                    let ending = unjudged(&self.data).or_else(|| self.endings.get(&key).cloned());
                    end(&mut finding, ending);
                    self.data.removed.push(finding);
                }
                Some(same) if same.exception == finding.exception => {
                    present.remove(&key);
                }
                Some(changed) => changed.since = finding.since,
            }
        }
        for (key, finding) in &mut present {
            if known.is_none_or(|known| !known.findings.contains_key(key)) {
                finding.since = found(known, finding.since, now);
            }
        }
        self.data.added = present.into_values().collect();
    }
}

/// Why findings are gone, by the log's names.
pub type Endings = BTreeMap<FindingKey, Ending>;

/// Whether nothing is judged, so that nothing is claimed of findings or of the population.
fn is_blocked(data: &VerdictData) -> bool {
    data.state == State::Unknown && data.population == 0
}

/// Why nothing is claimed of a finding any more, where nothing is judged. None where it is.
fn unjudged(data: &VerdictData) -> Option<Ending> {
    if !is_blocked(data) {
        return None;
    }
    if data.reason == Reason::Suspended.as_str() {
        return Some(Ending::plain(FindingEnding::Suspended));
    }
    let detail = format!("the control could not be evaluated ({})", data.reason);
    Some(Ending { kind: None, detail: detail.into() })
}

/// Says of a finding that is gone why.
fn end(finding: &mut EntryFinding, ending: Option<Ending>) {
    if let Some(Ending { kind, detail }) = ending {
        finding.ending = kind;
        finding.ending_detail = detail.to_string();
    }
}

/// The entry of a verdict, without what it changed.
fn verdict_data(
    verdict: &Verdict,
    findings: &[EntryFinding],
    pseudonymizer: &Pseudonymizer<'_>,
) -> VerdictData {
    let undecided = verdict.unknown_items.first();
    let subject = undecided.and_then(|observed| observed.finding.subject.as_deref());
    VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: verdict.generation,
        state: verdict.state,
        reason: verdict.reason.as_str().to_owned(),
        message: pseudonymizer.message(&verdict.message, subject),
        since: whole_seconds(verdict.since).0,
        population: count(verdict.population),
        failing: count(verdict.failing),
        excepted: count(verdict.excepted),
        unknown: count(verdict.unknown),
        findings: findings_digest(findings),
        population_list: None,
        added: Vec::new(),
        removed: Vec::new(),
    }
}

/// Since when a control is in a state, which its log may know.
fn since(known: &VerdictState, state: State, since: Timestamp, now: Timestamp) -> Timestamp {
    if known.state == state { known.since } else { since.max(known.since).max(vouched(known, now)) }
}

/// When a finding that the log does not know was found. While nobody could look, it may have been
/// there all along.
fn found(known: Option<&VerdictState>, since: Timestamp, now: Timestamp) -> Timestamp {
    known
        .filter(|known| known.state != State::Unknown)
        .map_or(since, |known| since.max(vouched(known, now)))
}

/// Until when the log says that what it knows held: what is new began no earlier, whatever a status
/// of before says.
fn vouched(known: &VerdictState, now: Timestamp) -> Timestamp {
    known.last_at.min(whole_seconds(now).0)
}

/// That nobody could look for a time that ends here, if so.
pub(crate) fn blind(
    known: &VerdictState,
    reason: &str,
    blocked: Option<&str>,
    now: Timestamp,
) -> Option<Data> {
    let cause = cause_of_blindness(&known.reason).filter(|_| known.state == State::Unknown)?;
    // One gap, however often the reason for the same cause was another.
    if cause_of_blindness(reason) == Some(cause) {
        return None;
    }
    let why = if cause == GapCause::Suspended {
        "the control was suspended".to_owned()
    } else {
        format!("the control could not be evaluated: {}", blocked.unwrap_or(&known.reason))
    };
    Some(Data::Gap(GapData::between(known.since, now, cause, why)))
}

/// Why nobody looked while a control was unknown for this reason. None: somebody did.
fn cause_of_blindness(reason: &str) -> Option<GapCause> {
    let is = |one: Reason| one.as_str() == reason;
    if is(Reason::Suspended) {
        return Some(GapCause::Suspended);
    }
    let is_unreadable = [Reason::Forbidden, Reason::KindNotServed, Reason::WatchStale];
    is_unreadable.into_iter().any(is).then_some(GapCause::InputsUnreadable)
}

impl HeartbeatDraft {
    /// The draft of what was observed.
    pub fn new(observed: &HeartbeatObservation, pseudonymizer: &Pseudonymizer<'_>) -> Self {
        let HeartbeatObservation { control, verdict, population } = observed;
        Self {
            control: control.name.clone(),
            data: Heartbeat {
                entered: Vec::new(),
                left: Vec::new(),
                population_digest: None,
                generation: verdict.generation,
                state: verdict.state,
                population: count(verdict.population),
                failing: count(verdict.failing),
                excepted: count(verdict.excepted),
                unknown: count(verdict.unknown),
                findings: String::new(),
                population_list: None,
            },
            population: PopulationDraft::new(population, pseudonymizer),
        }
    }

    /// What has to be written. None when the log has another verdict of the control, or none:
    /// nothing is said to hold still that was never said.
    pub fn resolve(mut self, known: Option<&VerdictState>) -> Option<DraftedEntries> {
        let known = known.filter(|known| {
            known.state == self.data.state && known.generation == self.data.generation
        })?;
        let mut resolved = DraftedEntries::default();
        self.data.findings.clone_from(&known.findings_digest);
        let part = self.population.resolve(Some(known), &mut resolved.stored);
        self.data.population_digest = part.digest;
        self.data.population_list = part.list;
        (self.data.entered, self.data.left) = (part.entered, part.left);
        let data = Data::Heartbeat(Box::new(self.data));
        resolved.entries.push((EntrySubject::control(&self.control), data));
        Some(resolved)
    }
}

impl ObjectDraft {
    /// Whether the log knows another object of this name, which is gone.
    fn is_another(&self, known: &ObjectState) -> bool {
        match (&known.uid, &self.uid) {
            (Some(known), Some(uid)) => known != uid,
            _ => self.recreated,
        }
    }

    fn digest(&self) -> Option<String> {
        self.spec.as_ref().and_then(|spec| canonical::digest(spec).ok())
    }

    fn same_spec(&self, known: &ObjectState, digest: Option<&String>) -> bool {
        match digest {
            Some(_) => known.spec_digest.as_ref() == digest,
            // What can't be read is told apart by its generation.
            None => known.generation == Some(self.generation),
        }
    }

    /// Whether whoever wrote the spec was bound to say so.
    fn author_bound(&self, known: Option<&ObjectState>, same: bool) -> Option<bool> {
        let WrittenWithin { from, to, seen } = self.written?;
        match known {
            // It was judged when it was recorded; when it was written is not known any better now.
            Some(_) if same && !seen => None,
            // Whoever changed it did so after the log saw it last.
            Some(known) if !seen => self.authors.covers(from.max(known.at), to),
            _ => self.authors.covers(from, to),
        }
    }

    /// What has to be written, given the log: nothing, a change, or the end of another object of
    /// this name and the beginning of this one.
    pub fn resolve(self, state: &LogState) -> Entries {
        let digest = self.digest();
        let mut known = state.object(&self.subject.kind, &self.subject.name);
        let mut entries = Entries::new();
        if known.is_some_and(|known| self.is_another(known)) {
            entries.extend(deletion(state, &self.subject));
            known = None;
        }
        let same = known.is_some_and(|known| self.same_spec(known, digest.as_ref()));
        let same_phase =
            self.phase.is_none() || known.is_some_and(|known| self.phase == known.phase);
        let author_bound = self.author_bound(known, same);
        // That the author was not bound may turn out after the record was seen.
        let turned_out = author_bound == Some(false)
            && known.is_some_and(|known| known.author_bound == Some(true));
        if same && same_phase && !turned_out {
            return entries;
        }
        let Self { subject, generation, spec, phase, uid, created_at, .. } = self;
        let mut change = ObjectChange {
            change: ChangeKind::Created,
            uid,
            generation: Some(generation),
            phase,
            spec_digest: None,
            previous_digest: None,
            spec: None,
            created_at,
            author_bound,
            fields: Vec::new(),
        };
        if same {
            change.change = ChangeKind::Phase;
            change.author_bound = author_bound.filter(|_| turned_out);
        } else {
            if let Some(known) = known {
                change.change = ChangeKind::Updated;
                change.fields = diff(known.spec.as_ref(), spec.as_ref());
                change.previous_digest.clone_from(&known.spec_digest);
            }
            (change.spec_digest, change.spec) = (digest, spec);
        }
        entries.push(changed(subject, change));
        entries
    }
}

/// That an object is gone. None if the log does not have it, or knows that already.
pub fn deletion(state: &LogState, subject: &EntrySubject) -> Option<(EntrySubject, Data)> {
    let known = state.object(&subject.kind, &subject.name)?;
    let change = ObjectChange {
        change: ChangeKind::Deleted,
        uid: known.uid.clone(),
        generation: None,
        phase: None,
        spec_digest: None,
        previous_digest: known.spec_digest.clone(),
        spec: None,
        created_at: None,
        author_bound: None,
        fields: Vec::new(),
    };
    Some(changed(subject.clone(), change))
}

/// The kind of exceptions, which have a type of entry of their own.
pub(crate) const EXCEPTION: &str = "ControlException";
/// The kinds of what guards the evidence: policies, what they read, and rights over them.
pub(crate) const GUARDS: [&str; 4] =
    ["ConfigMap", "Right", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
/// The kind of management's responses.
pub(crate) const RESPONSE: &str = "DeviationResponse";

/// The kind of audit periods, as entries name it.
pub const AUDIT_PERIOD: &str = "AuditPeriod";

/// The kind of namespaces, whose labels have a type of entry of their own.
pub const NAMESPACE: &str = "Namespace";

/// The entry of a change, of the type that its kind has.
pub fn changed(subject: EntrySubject, mut change: ObjectChange) -> (EntrySubject, Data) {
    if subject.kind == NAMESPACE {
        // The API server gives namespaces none.
        change.generation = None;
    }
    let change = Box::new(change);
    let data = match subject.kind.as_str() {
        EXCEPTION => Data::Exception(change),
        AUDIT_PERIOD => Data::Object(EntryType::AuditPeriod, change),
        NAMESPACE => Data::Object(EntryType::Namespace, change),
        RESPONSE => Data::Object(EntryType::Response, change),
        kind if GUARDS.contains(&kind) => Data::Object(EntryType::Guard, change),
        _ => Data::ControlChanged(change),
    };
    (subject, data)
}

/// A finding as the log keeps it.
pub fn entry_finding(
    observed: &ObservedFinding,
    pseudonymizer: &Pseudonymizer<'_>,
) -> EntryFinding {
    let ObservedFinding { finding, severity, since, exception } = observed;
    let subject = finding.subject.as_deref();
    EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: finding.rule.clone().into_owned(),
        resource: pseudonymizer.resource(&finding.resource),
        subject: subject.map(|subject| pseudonymizer.subject(subject)),
        message: pseudonymizer.message(&finding.message, subject),
        severity: *severity,
        since: whole_seconds(*since).0,
        exception: exception.clone(),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
