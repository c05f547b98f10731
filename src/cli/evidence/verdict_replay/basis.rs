//! On which inventory a verdict can be judged again: one that holds the facts as they were for its control.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use crate::cli::evidence::explain::past::LoggedInventory;
use comptroller_core::api::State;
use comptroller_evidence::{
    data::{Heartbeat, VerdictData},
    entry::{Data, Entry},
    log::LogReader,
    replay::{ReplayError, replay},
};

/// A verdict or heartbeat, and the facts that it can be judged on again.
pub struct Basis {
    pub entry: u64,
    pub at: Timestamp,
    pub control: String,
    pub recorded: RecordedVerdict,
    /// The inventory; the error says why there is none.
    pub inventory: Result<Arc<LoggedInventory>, String>,
}

/// What an entry says of its control, as far as it can be compared.
#[derive(Clone, Debug)]
pub struct RecordedVerdict {
    pub state: State,
    /// None of a heartbeat, which does not say why.
    pub reason: Option<String>,
    /// Items, failing, excepted and unknown ones.
    pub counts: [u64; 4],
    pub findings: String,
    pub population_digest: Option<String>,
}

impl RecordedVerdict {
    fn of_verdict(data: &VerdictData) -> Self {
        Self {
            state: data.state,
            reason: Some(data.reason.clone()),
            counts: [data.population, data.failing, data.excepted, data.unknown],
            findings: data.findings.clone(),
            population_digest: data.population_digest.clone(),
        }
    }

    fn of_heartbeat(data: &Heartbeat) -> Self {
        Self {
            state: data.state,
            reason: None,
            counts: [data.population, data.failing, data.excepted, data.unknown],
            findings: data.findings.clone(),
            population_digest: data.population_digest.clone(),
        }
    }
}

/// The bases of entries, in the order of the log. What the log records of a control says when its facts changed: an
/// inventory with no such entry between it and the verdict has the facts of the verdict.
pub async fn find(reader: &LogReader, wanted: &[u64]) -> Result<Vec<Basis>, ReplayError> {
    let mut search = Search {
        wanted: wanted.iter().copied().collect(),
        newest: None,
        changed: HashMap::new(),
        bases: Vec::new(),
        open: Vec::new(),
    };
    replay(reader, 0..reader.size(), |index, entry| search.apply(index, entry)).await?;
    Ok(search.bases)
}

struct Search {
    wanted: BTreeSet<u64>,
    /// The newest inventory so far.
    newest: Option<Arc<LoggedInventory>>,
    /// The newest entry by which something of a control changed.
    changed: HashMap<String, u64>,
    bases: Vec<Basis>,
    /// Those bases that wait for an inventory after them.
    open: Vec<usize>,
}

impl Search {
    fn apply(&mut self, index: u64, entry: &Entry) {
        if let Data::Inventory(data) = &entry.data {
            let (at, data) = (entry.at, (**data).clone());
            let inventory = Arc::new(LoggedInventory { entry: index, at, data });
            for place in self.open.drain(..) {
                if let Some(basis) = self.bases.get_mut(place) {
                    basis.inventory = Ok(Arc::clone(&inventory));
                }
            }
            self.newest = Some(inventory);
            return;
        }
        if entry.subject.kind != "Control" {
            return;
        }
        let control = &entry.subject.name;
        if changes(&entry.data) {
            self.changed.insert(control.clone(), index);
            self.close(control, index);
        }
        let recorded = match &entry.data {
            Data::Verdict(data) => RecordedVerdict::of_verdict(data),
            Data::Heartbeat(data) => RecordedVerdict::of_heartbeat(data),
            _ => return,
        };
        if self.wanted.contains(&index) {
            self.add(index, entry, recorded);
        }
    }

    /// Those that wait for an inventory get none: the control changed first.
    fn close(&mut self, control: &str, index: u64) {
        let Self { bases, open, .. } = self;
        open.retain(|place| {
            let Some(basis) = bases.get_mut(*place).filter(|basis| basis.control == control) else {
                return true;
            };
            basis.inventory = Err(format!(
                "the log does not hold the facts as of this entry: what was judged changed again by entry {index}, before the next inventory"
            ));
            false
        });
    }

    fn add(&mut self, index: u64, entry: &Entry, recorded: RecordedVerdict) {
        let control = entry.subject.name.clone();
        let changed = self.changed.get(&control).copied();
        let before = self
            .newest
            .as_ref()
            .filter(|inventory| changed.is_none_or(|changed| changed < inventory.entry));
        let inventory = before.map(Arc::clone).ok_or_else(|| {
            "the log does not hold the facts as of this entry: no inventory follows it".to_owned()
        });
        if inventory.is_err() {
            self.open.push(self.bases.len());
        }
        self.bases.push(Basis { entry: index, at: entry.at, control, recorded, inventory });
    }
}

/// Whether an entry says that something of its control is another than before.
fn changes(data: &Data) -> bool {
    match data {
        // A verdict is written because something changed.
        Data::Verdict(_) | Data::ControlChanged(_) | Data::Stored(..) => true,
        Data::Heartbeat(data) => !data.entered.is_empty() || !data.left.is_empty(),
        _ => false,
    }
}
