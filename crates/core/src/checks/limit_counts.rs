//! How many items count towards a limit, followed as each is judged.

use super::items::ItemSet;
use crate::checks::{Item, LimitMembership};

/// The items of one control that count towards its limit, or may count.
#[derive(Debug, Default)]
pub struct LimitCounts {
    certain: ItemSet,
    possible: ItemSet,
}

impl LimitCounts {
    /// Takes in whether an item counts now, whatever it did before.
    pub fn note(&mut self, item: Item, limit_membership: LimitMembership) {
        match limit_membership {
            LimitMembership::Yes => self.certain.insert(item),
            LimitMembership::Possibly | LimitMembership::No => self.certain.remove(item),
        }
        match limit_membership {
            LimitMembership::Possibly => self.possible.insert(item),
            LimitMembership::Yes | LimitMembership::No => self.possible.remove(item),
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
        let mut limit_counts = LimitCounts::default();
        let mut note = |item, limit_membership| {
            limit_counts.note(item, limit_membership);
            (
                limit_counts.certain(),
                limit_counts.possible(),
                limit_counts.certain_subjects().collect::<Vec<_>>(),
            )
        };
        assert_eq!(note(Item::Subject(7), LimitMembership::Yes), (1, 0, vec![7]));
        assert_eq!(note(Item::Subject(7), LimitMembership::Yes), (1, 0, vec![7]));
        assert_eq!(note(Item::Subject(3), LimitMembership::Possibly), (1, 1, vec![7]));
        assert_eq!(note(Item::Subject(7), LimitMembership::Possibly), (0, 2, vec![]));
        assert_eq!(note(Item::Subject(3), LimitMembership::Yes), (1, 1, vec![3]));
        assert_eq!(note(Item::Subject(9), LimitMembership::No), (1, 1, vec![3]));
        assert_eq!(note(Item::Subject(3), LimitMembership::No), (0, 1, vec![]));
    }
}
