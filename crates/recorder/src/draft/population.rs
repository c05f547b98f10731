//! Who was judged, on its way to entries: the digest of all of them, those that came and left, and the
//! whole list where that is due or tells more.

use comptroller_core::{
    api::time::whole_seconds,
    engine::{JudgedItem, Movement},
};
use comptroller_evidence::{
    data::{PopulationChange, PopulationList},
    fold::VerdictState,
    population,
    privacy::Pseudonymizer,
};
use comptroller_vocabulary::canonical;

/// How the population of a control stands, as far as the log may not know it.
#[derive(Clone, Debug, Default)]
pub struct PopulationObservation {
    /// The items that were judged. None when they are those of the last record, and no list is due.
    pub items: Option<Vec<JudgedItem>>,
    /// Whether the list is due, whatever moved.
    pub list_due: bool,
    /// What came and left since the last record. None when that can't be told one by one.
    pub movements: Option<Vec<Movement>>,
    /// Whether something else than objects that come and go moved it, which is worth an entry.
    pub is_steered: bool,
}

/// The population of an entry.
#[derive(Clone, Debug, Default)]
pub struct PopulationDraft {
    items: Option<DraftedList>,
    list_due: bool,
    told: bool,
    entered: Vec<PopulationChange>,
    left: Vec<PopulationChange>,
    /// Whether it is worth an entry of its own.
    pub is_steered: bool,
}

#[derive(Clone, Debug)]
struct DraftedList {
    text: String,
    list: PopulationList,
    members: String,
}

/// What an entry says of the population.
#[derive(Debug, Default)]
pub struct PopulationPart {
    pub digest: Option<String>,
    pub list: Option<PopulationList>,
    pub entered: Vec<PopulationChange>,
    pub left: Vec<PopulationChange>,
}

impl PopulationDraft {
    /// The draft of what was observed.
    pub fn new(observed: &PopulationObservation, pseudonymizer: &Pseudonymizer<'_>) -> Self {
        let PopulationObservation { items, list_due, movements, is_steered } = observed;
        let moved = |entered: bool| {
            let moved = movements.iter().flatten().filter(|movement| movement.entered == entered);
            moved.map(|movement| change(movement, pseudonymizer)).collect()
        };
        Self {
            items: items.as_deref().map(|items| DraftedList::new(items, pseudonymizer)),
            list_due: *list_due,
            told: movements.is_some(),
            entered: moved(true),
            left: moved(false),
            is_steered: *is_steered,
        }
    }

    /// What the entry says, given the newest one of the control. A list goes into `stored`.
    pub fn resolve(self, known: Option<&VerdictState>, stored: &mut Vec<String>) -> PopulationPart {
        let known_members = known.and_then(|known| known.population_digest.as_ref());
        let Some(DraftedList { text, list, members }) = self.items else {
            return PopulationPart { digest: known_members.cloned(), ..PopulationPart::default() };
        };
        let same = known_members == Some(&members);
        // Without the members before, what came and left leads to nobody knows whom.
        let told = self.told && known_members.is_some();
        let last = known.and_then(|known| known.population_list.as_ref());
        // Facts of an item change more often than who is in, and each day's inventory has them.
        let listed = last.is_some_and(|(last, _)| *last == list)
            || known.and_then(|known| known.listed_digest.as_ref()) == Some(&members);
        let wanted = self.list_due || (!same && !told);
        let mut part = PopulationPart { digest: Some(members), ..PopulationPart::default() };
        if wanted && !listed && list.count > 0 {
            stored.push(text);
            part.list = Some(list);
        }
        if told {
            (part.entered, part.left) = (self.entered, self.left);
        }
        part
    }
}

impl DraftedList {
    fn new(items: &[JudgedItem], pseudonymizer: &Pseudonymizer<'_>) -> Self {
        let line = |item: &JudgedItem| {
            let resource = pseudonymizer.resource(&item.resource);
            population::line(&resource, item.uid.as_deref(), item.facts.as_deref())
        };
        let mut lines: Vec<String> = items.iter().map(line).collect();
        lines.sort_unstable();
        lines.dedup();
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut text = lines.join("\n");
        if count > 0 {
            text.push('\n');
        }
        let members = population::digest_of_list(&text);
        let list = PopulationList { digest: canonical::sha256(text.as_bytes()), count };
        Self { text, list, members }
    }
}

fn change(movement: &Movement, pseudonymizer: &Pseudonymizer<'_>) -> PopulationChange {
    PopulationChange {
        item: pseudonymizer.resource(&movement.item.resource),
        uid: movement.item.uid.as_deref().map(str::to_owned),
        at: whole_seconds(movement.at).0,
        why: movement.why,
        detail: pseudonymizer.message(&movement.detail, None),
    }
}
