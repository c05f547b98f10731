//! The log up to a time: how everything stood, the newest inventory, and what changed after it.

use jiff::Timestamp;

use super::ExplainError;
use comptroller_evidence::{
    data::{EntryFinding, PopulationChange},
    entry::{Data, Entry},
    fold::LogState,
    inventory::InventoryData,
    log::LogReader,
    replay::replay,
};

/// What the log says up to a time.
pub struct Past {
    /// The time that was asked for; else that of the last entry.
    pub at: Timestamp,
    /// The fold of the entries up to then.
    pub state: LogState,
    /// The newest inventory up to then. None when there is none, or its data is missing.
    pub inventory: Option<LoggedInventory>,
    /// The first inventory after that time.
    pub later_inventory: Option<(u64, Timestamp)>,
    /// What was recorded of the control after the inventory, up to the time.
    pub since: Vec<Recorded>,
}

/// An inventory, with its entry.
pub struct LoggedInventory {
    pub entry: u64,
    pub at: Timestamp,
    pub data: InventoryData,
}

/// What an entry after the inventory says of the control.
pub struct Recorded {
    pub entry: u64,
    pub at: Timestamp,
    /// Whether the control itself was changed.
    pub is_edit: bool,
    pub added: Vec<EntryFinding>,
    pub removed: Vec<EntryFinding>,
    pub entered: Vec<PopulationChange>,
    pub left: Vec<PopulationChange>,
}

impl Past {
    /// Reads a log up to a time; up to its end for None.
    pub async fn read(
        reader: &LogReader,
        control: &str,
        at: Option<Timestamp>,
    ) -> Result<Self, ExplainError> {
        let mut state = LogState::default();
        let (mut inventory, mut later_inventory) = (None, None);
        let mut since = Vec::new();
        replay(reader, 0..reader.size(), |index, entry| {
            let is_past = at.is_none_or(|at| entry.at <= at);
            match &entry.data {
                Data::Inventory(data) if is_past => {
                    let (at, data) = (entry.at, (**data).clone());
                    inventory = Some(LoggedInventory { entry: index, at, data });
                    since.clear();
                }
                Data::Inventory(_) => {
                    later_inventory.get_or_insert((index, entry.at));
                }
                _ if is_past => since.extend(recorded(index, entry, control)),
                _ => {}
            }
            if is_past {
                state.apply(index, entry);
            }
        })
        .await?;
        let at = match (at, state.last_at()) {
            (Some(at), Some(_)) => at,
            (None, Some(last)) => last,
            (at, None) => return Err(ExplainError::Empty(at.unwrap_or_default())),
        };
        Ok(Self { at, state, inventory, later_inventory, since })
    }
}

fn recorded(index: u64, entry: &Entry, control: &str) -> Option<Recorded> {
    if entry.subject.kind != "Control" || entry.subject.name != control {
        return None;
    }
    let nothing = Recorded {
        entry: index,
        at: entry.at,
        is_edit: false,
        added: Vec::new(),
        removed: Vec::new(),
        entered: Vec::new(),
        left: Vec::new(),
    };
    match &entry.data {
        Data::ControlChanged(_) => Some(Recorded { is_edit: true, ..nothing }),
        Data::Verdict(data) => Some(Recorded {
            added: data.added.clone(),
            removed: data.removed.clone(),
            entered: data.entered.clone(),
            left: data.left.clone(),
            ..nothing
        }),
        Data::Heartbeat(data) => {
            Some(Recorded { entered: data.entered.clone(), left: data.left.clone(), ..nothing })
        }
        _ => None,
    }
}
