//! Taking over: since when things are as they are is known best to who wrote it down until now.

use std::{collections::HashMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use rustc_hash::FxHashMap;

use super::status::{EVIDENCE_RECORDED, OBSTACLES};
use comptroller_core::{
    api::{Control, Occurrence, StatusFinding},
    checks::Finding,
    engine::{Engine, PeopleOfLog, Recollection, Remembered, memory::FindingHash},
};
use comptroller_evidence::{fold::LogState, key::Pseudonyms};
use comptroller_recorder::{
    Evidence, ObjectKey, Writing, open_event_occurrences, remembered_occurrences,
};

/// For how long before it began to lead a process may know what nobody recorded: longer than a
/// Lease is held by a leader that is gone.
const LEASE_HELD: SignedDuration = SignedDuration::from_mins(1);

/// What an engine takes over each time that the log was opened: the log outranks the statuses, and
/// what the engine remembers, since an append that was given up may be in it.
#[derive(Debug)]
pub struct Takeover {
    evidence: Evidence,
    /// The opening of the log that the engine has taken over.
    opening: u64,
    /// The epoch of the log then: as long as it stays, nobody else wrote.
    epoch: Option<u64>,
    controls: HashMap<String, KnownControl>,
}

/// What is known of a control beside its spec.
#[derive(Debug)]
struct KnownControl {
    key: ObjectKey,
    /// What its status said last, while another writes it. None once it was taken over.
    status: Option<FromStatus>,
    /// Whether another process records it, by its status.
    recorded_by_another: bool,
}

/// What a status remembers.
#[derive(Clone, Debug, Default)]
struct FromStatus {
    all: Remembered,
    /// Since when what could not be judged is so: no entry says that.
    undecided: Arc<FxHashMap<FindingHash, Timestamp>>,
}

impl Takeover {
    /// Nothing is taken over yet.
    pub fn new(evidence: Evidence) -> Self {
        Self { evidence, opening: 0, epoch: None, controls: HashMap::new() }
    }

    /// Whether the engine has taken over what the log said when it was opened, and the log is open.
    pub fn is_done(&self) -> bool {
        self.evidence.writing() == Writing::Open(self.opening)
    }

    /// What is remembered of a control that is new to the engine, or whose status changed.
    pub fn see(&mut self, key: &ObjectKey, control: &Control) -> Remembered {
        let status = from_status(control);
        let done = self.is_done();
        let remembered = if done { self.recall(key, status.clone()) } else { status.all.clone() };
        let known = KnownControl {
            key: key.clone(),
            status: (!done).then_some(status),
            recorded_by_another: self.is_recorded_by_another(control),
        };
        self.controls.insert(key.name.clone(), known);
        remembered
    }

    /// Whether the status cites an entry that this process does not know, and its writer does not
    /// say that the log fails. While this process has recorded last, or while the leader can't
    /// record, what this one knows may be in no log.
    fn is_recorded_by_another(&self, control: &Control) -> bool {
        let Some(status) = &control.status else { return false };
        let known = self.evidence.read(LogState::size).unwrap_or_default();
        let cited = status.evidence.and_then(|cited| u64::try_from(cited.log_size).ok());
        let fails = status.conditions.iter().any(|condition| {
            condition.type_ == EVIDENCE_RECORDED && OBSTACLES.contains(&condition.reason.as_str())
        });
        cited.is_some_and(|cited| cited > known) && !fails
    }

    /// Lets a standby forget what the leader has recorded: all but the newest, which the leader
    /// can't have if it is gone. What nobody recorded is kept, and handed over with the lead.
    pub fn leave_to_leader(&self, engine: &mut Engine, now: Timestamp) {
        let recorded = self.controls.iter().filter(|(_, known)| known.recorded_by_another);
        for (name, _) in recorded {
            engine.recorded_elsewhere(name, now - LEASE_HELD);
        }
    }

    /// What the log says, with what only the status knows.
    fn recall(&self, key: &ObjectKey, status: FromStatus) -> Remembered {
        let Some(log) = self.evidence.recollect(key) else { return status.all };
        let Remembered { created, occurrences, .. } = status.all;
        let occurrences = self
            .evidence
            .read(|state| remembered_occurrences(state.occurrences(&key.name), &occurrences))
            .unwrap_or_default();
        let findings = LogThenStatus { log: log.findings.clone(), undecided: status.undecided };
        Remembered { created, occurrences, findings: Some(Arc::new(findings)), ..log }
    }

    /// Forgets a control that is gone or can't be read.
    pub fn forget(&mut self, control: &str) {
        self.controls.remove(control);
    }

    /// Lets the engine take over what is remembered, once for each opening of the log. Says which
    /// opening that is; None when there is nothing new to take over.
    pub fn take_over(&mut self, engine: &mut Engine) -> Option<u64> {
        let Writing::Open(opening) = self.evidence.writing() else { return None };
        if opening == self.opening {
            return None;
        }
        self.opening = opening;
        if let Some(pseudonyms) = self.evidence.pseudonyms() {
            let people: Arc<dyn PeopleOfLog> = Arc::new(LogPseudonyms(pseudonyms));
            engine.set_people(&people);
        }
        let epoch = self.evidence.read(LogState::epoch);
        // Nobody else moved the occurrences, and no entry has all that the engine knows of them.
        let ours = epoch.is_some() && std::mem::replace(&mut self.epoch, epoch) == epoch;
        let mut controls = std::mem::take(&mut self.controls);
        for (name, known) in &mut controls {
            known.recorded_by_another = false;
            let status = known.status.take().unwrap_or_default();
            if ours {
                self.take_over_one(engine, &known.key);
                // An append that was given up may be in the log, with what events opened.
                engine.open_occurrences(name, self.opened_by_events(name));
            } else {
                self.leave_recorded(engine, name);
                engine.take_over(name, self.recall(&known.key, status));
            }
        }
        self.controls = controls;
        Some(opening)
    }

    /// The occurrences that events opened and that are open, by the log.
    fn opened_by_events(&self, control: &str) -> Vec<Occurrence> {
        self.evidence
            .read(|state| open_event_occurrences(state.occurrences(control)))
            .unwrap_or_default()
    }

    /// What was over when another recorded the control last, it has recorded.
    fn leave_recorded(&self, engine: &mut Engine, name: &str) {
        let last = self.evidence.read(|state| Some(state.verdict(name)?.last_at));
        if let Some(last) = last.flatten() {
            engine.recorded_elsewhere(name, last);
        }
    }

    /// Lets the engine take over when the log says that the state and the findings of a control
    /// began: which findings are shown, and in which order, depends on it.
    pub fn take_over_one(&self, engine: &mut Engine, key: &ObjectKey) {
        let remembered = self.recall(key, FromStatus::default());
        engine.take_over(&key.name, Remembered { occurrences: Vec::new(), ..remembered });
    }
}

/// The pseudonyms of the log, for the engine.
#[derive(Debug)]
struct LogPseudonyms(Arc<Pseudonyms>);

impl PeopleOfLog for LogPseudonyms {
    fn pseudonym(&self, user: &str) -> String {
        self.0.pseudonym(user)
    }
}

/// The findings of the log, and beside them what only a status tells of.
#[derive(Debug)]
struct LogThenStatus {
    log: Option<Arc<dyn Recollection>>,
    undecided: Arc<FxHashMap<FindingHash, Timestamp>>,
}

impl Recollection for LogThenStatus {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        let logged = self.log.as_ref().and_then(|log| log.since(finding));
        logged.or_else(|| self.undecided.since(finding))
    }
}

/// What a status remembers, so that `since` and occurrences survive a restart.
pub fn remembered(control: &Control) -> Remembered {
    from_status(control).all
}

fn from_status(control: &Control) -> FromStatus {
    let created = control.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let Some(status) = &control.status else {
        let all = Remembered { created, ..Remembered::default() };
        return FromStatus { all, ..FromStatus::default() };
    };
    let undecided: FxHashMap<_, _> = status.unknown_items.iter().filter_map(since).collect();
    let mut findings: FxHashMap<_, _> = status.findings.iter().filter_map(since).collect();
    findings.extend(&undecided);
    FromStatus {
        all: Remembered {
            state: status.since.as_ref().map(|since| (status.state, since.0)),
            findings: Some(Arc::new(findings)),
            created,
            occurrences: status.occurrences.clone(),
        },
        undecided: Arc::new(undecided),
    }
}

fn since(finding: &StatusFinding) -> Option<(FindingHash, Timestamp)> {
    let key = FindingHash::new(&finding.rule, &finding.resource, finding.subject.as_deref());
    Some((key, finding.since.as_ref()?.0))
}
