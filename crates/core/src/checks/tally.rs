//! How many items count towards a limit, followed as each is judged.

use super::items::ItemSet;
use crate::checks::{Counted, Item};

/// The items that a check limits the number of.
#[derive(Debug, Default)]
pub struct Tally {
    certain: ItemSet,
    possible: ItemSet,
}

impl Tally {
    /// Notes whether an item counts now.
    pub fn note(&mut self, item: Item, counted: Counted) {
        match counted {
            Counted::Yes => self.certain.insert(item),
            Counted::Possibly | Counted::No => self.certain.remove(item),
        }
        match counted {
            Counted::Possibly => self.possible.insert(item),
            Counted::Yes | Counted::No => self.possible.remove(item),
        }
    }

    /// How many count for certain.
    pub fn certain(&self) -> usize {
        self.certain.len()
    }

    /// How many more may count.
    pub fn possible(&self) -> usize {
        self.possible.len()
    }

    /// The subjects that count for certain.
    pub fn certain_subjects(&self) -> impl Iterator<Item = u32> {
        self.certain.subjects()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_counts_as_it_was_noted_last() {
        let mut tally = Tally::default();
        let mut note = |item, counted| {
            tally.note(item, counted);
            (tally.certain(), tally.possible(), tally.certain_subjects().collect::<Vec<_>>())
        };
        assert_eq!(note(Item::Subject(7), Counted::Yes), (1, 0, vec![7]));
        assert_eq!(note(Item::Subject(7), Counted::Yes), (1, 0, vec![7]));
        assert_eq!(note(Item::Subject(3), Counted::Possibly), (1, 1, vec![7]));
        assert_eq!(note(Item::Subject(7), Counted::Possibly), (0, 2, vec![]));
        assert_eq!(note(Item::Subject(3), Counted::Yes), (1, 1, vec![3]));
        assert_eq!(note(Item::Subject(9), Counted::No), (1, 1, vec![3]));
        assert_eq!(note(Item::Subject(3), Counted::No), (0, 1, vec![]));
    }
}
