//! A sample that anybody can draw again: seeded, by a method that any tool has. Pure.
//!
//! The items of the sample are those with the smallest SHA-256 of the seed, a line feed and the
//! item. Since nobody can choose an item's hash, whoever gives the seed after the population is
//! fixed cannot steer the sample; an auditor gives their own.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use comptroller_vocabulary::{canonical, hex};

/// How large a sample is, by the size of the population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeTable {
    /// Rows by the largest population that they are for, ascending.
    rows: Vec<SizeRow>,
    /// What is drawn from a population beyond the last row.
    beyond: Draw,
}

/// A row of a [`SizeTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRow {
    /// The largest population that the row is for.
    pub up_to: u64,
    /// How many are drawn from it.
    pub draw: Draw,
}

/// How many items are drawn from a population, never more than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// All items of the population.
    All,
    /// This many items of it.
    Fixed(u64),
    /// This share of the population in percent, 1 to 100, rounded up to whole items.
    Percent(u8),
}

/// Why a text is not a size table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeTableError {
    /// A row, which is given, has another form.
    #[error(
        "{0:?} is not a row of a size table: write UP_TO:SIZE, such as 50:5, and the last one \
         without a bound, such as 25; a size is a number, a share such as 10%, or all"
    )]
    Malformed(String),
    /// The bounds do not ascend.
    #[error("the bound {0} does not follow on a smaller one: write the rows by their bounds")]
    Order(u64),
    /// The table has no row without a bound.
    #[error("the last row has a bound: add one without, such as 25, for larger populations")]
    Bounded,
}

impl Draw {
    /// How many of a population.
    pub fn of(self, population: u64) -> u64 {
        match self {
            Self::All => population,
            Self::Fixed(count) => count.min(population),
            Self::Percent(share) => {
                let share = u128::from(share.min(100));
                let count = (u128::from(population) * share).div_ceil(100);
                u64::try_from(count).unwrap_or(population)
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        match text.strip_suffix('%') {
            Some(share) => {
                let share = share.parse().ok()?;
                (1..=100).contains(&share).then_some(Self::Percent(share))
            }
            None => text.parse().ok().filter(|count| *count > 0).map(Self::Fixed),
        }
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Fixed(count) => write!(f, "{count}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

/// What auditors commonly draw: all of up to 4, 5 of up to 50, a tenth of up to 250, and 25 beyond.
impl Default for SizeTable {
    fn default() -> Self {
        Self {
            rows: vec![
                SizeRow { up_to: 4, draw: Draw::All },
                SizeRow { up_to: 50, draw: Draw::Fixed(5) },
                SizeRow { up_to: 250, draw: Draw::Percent(10) },
            ],
            beyond: Draw::Fixed(25),
        }
    }
}

impl SizeTable {
    /// How many are drawn from a population, and by which row.
    pub fn size(&self, population: u64) -> u64 {
        self.draw(population).of(population)
    }

    fn draw(&self, population: u64) -> Draw {
        self.rows.iter().find(|row| population <= row.up_to).map_or(self.beyond, |row| row.draw)
    }
}

/// As [`FromStr`](std::str::FromStr) reads it.
impl fmt::Display for SizeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for SizeRow { up_to, draw } in &self.rows {
            write!(f, "{up_to}:{draw},")?;
        }
        write!(f, "{}", self.beyond)
    }
}

/// Rows parted by commas, `UP_TO:SIZE` by ascending bounds and then one without a bound. The
/// default is `4:all,50:5,250:10%,25`.
impl std::str::FromStr for SizeTable {
    type Err = SizeTableError;

    fn from_str(text: &str) -> Result<Self, SizeTableError> {
        let malformed = |part: &str| SizeTableError::Malformed(part.to_owned());
        let mut rows: Vec<SizeRow> = Vec::new();
        let mut parts = text.split(',').map(str::trim).peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            match part.split_once(':') {
                None if last => {
                    let beyond = Draw::parse(part).ok_or_else(|| malformed(part))?;
                    return Ok(Self { rows, beyond });
                }
                None => return Err(malformed(part)),
                Some((up_to, draw)) => {
                    let up_to = up_to.parse().map_err(|_| malformed(part))?;
                    let draw = Draw::parse(draw).ok_or_else(|| malformed(part))?;
                    if rows.last().is_some_and(|row| row.up_to >= up_to) {
                        return Err(SizeTableError::Order(up_to));
                    }
                    rows.push(SizeRow { up_to, draw });
                }
            }
        }
        Err(SizeTableError::Bounded)
    }
}

/// A sample, with all that is needed to draw it again.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The SHA-256 of the population's text.
    pub population_digest: String,
    /// How many items it has.
    pub population: u64,
    /// The seed that the items were chosen by.
    pub seed: String,
    /// The size table, such as `4:all,50:5,250:10%,25`; None where the size itself was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_table: Option<String>,
    /// How the items were chosen, in one sentence.
    pub method: &'static str,
    /// The items, in the order of the population.
    pub items: Vec<SampledItem>,
}

/// An item of a sample.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SampledItem {
    /// Its line in the population's text, from 1.
    pub line: u64,
    /// The line itself, without its line feed.
    pub item: String,
    /// The SHA-256 by which it was chosen, in hexadecimal digits.
    pub hash: String,
}

/// How many are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// As many as a table has for the size of the population.
    Table(SizeTable),
    /// This many, or all where there are fewer.
    Count(u64),
}

/// A seed that nobody picks: it follows from the time, the control and the population. Whoever draws again
/// from the same population gets the same sample.
pub fn derived_seed(
    from: Timestamp,
    to: Timestamp,
    control: &str,
    population_digest: &str,
) -> String {
    let text = format!("comptroller.dev/sample v1\n{from}\n{to}\n{control}\n{population_digest}\n");
    canonical::sha256(text.as_bytes())
}

/// The sentence in [`Sample::method`].
const METHOD: &str = "the items with the smallest SHA-256 of seed, line feed and item";

/// Draws from a population: a text with a line for each item. Empty lines are not items.
pub fn draw(population: &str, seed: &str, size: &Size) -> Sample {
    let mut chosen: Vec<([u8; 32], u64, &str)> = (1..)
        .zip(population.split('\n'))
        .filter(|(_, item)| !item.is_empty())
        .map(|(line, item)| (hash(seed, item), line, item))
        .collect();
    let count = chosen.len() as u64;
    let (wanted, size_table) = match size {
        Size::Table(table) => (table.size(count), Some(table.to_string())),
        Size::Count(wanted) => (*wanted, None),
    };
    // By hash, which nobody can choose, and only then by line: the order of the population is the
    // operator's, and must not decide what an auditor looks at.
    chosen.sort_unstable();
    chosen.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
    chosen.sort_unstable_by_key(|(_, line, _)| *line);
    Sample {
        population_digest: canonical::sha256(population.as_bytes()),
        population: count,
        seed: seed.to_owned(),
        size_table,
        method: METHOD,
        items: chosen
            .into_iter()
            .map(|(hash, line, item)| SampledItem { line, item: item.to_owned(), hash: hex(&hash) })
            .collect(),
    }
}

fn hash(seed: &str, item: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update("\n").chain_update(item).finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_size_follows_the_table() {
        let table = SizeTable::default();
        for (population, size) in [
            (0, 0),
            (1, 1),
            (4, 4),
            (5, 5),
            (6, 5),
            (50, 5),
            (51, 6),
            (60, 6),
            (61, 7),
            (250, 25),
            (251, 25),
            (1_000_000, 25),
        ] {
            assert_eq!(table.size(population), size, "of {population}");
        }
    }

    #[test]
    fn a_table_reads_back() {
        for text in ["4:all,50:5,250:10%,25", "all", "9:3,100%"] {
            assert_eq!(text.parse::<SizeTable>().unwrap().to_string(), text);
        }
        assert_eq!("4:all,50:5,250:10%,25".parse(), Ok(SizeTable::default()));
        assert_eq!("50:5".parse::<SizeTable>(), Err(SizeTableError::Bounded));
        assert_eq!("50:5,50:6,7".parse::<SizeTable>(), Err(SizeTableError::Order(50)));
        for text in ["", "5,50:5", "0", "101%", "-1", "x:1,2"] {
            assert!(
                matches!(text.parse::<SizeTable>(), Err(SizeTableError::Malformed(_))),
                "{text:?}"
            );
        }
    }

    /// Drawn with `while read -r i; do printf 'seed-1\n%s' "$i" | sha256sum; done`.
    #[test]
    fn the_sample_is_what_any_tool_draws() {
        let population = "a\nb\nc\nd\ne\nf\n";
        let sample = draw(population, "seed-1", &Size::Count(2));
        let drawn: Vec<_> =
            sample.items.iter().map(|item| (item.line, item.item.as_str())).collect();
        assert_eq!(drawn, [(4, "d"), (5, "e")]);
        assert_eq!(sample.population, 6);
        assert_eq!(sample.population_digest, canonical::sha256(population.as_bytes()));
    }

    /// `printf 'comptroller.dev/sample v1\n...' | sha256sum` gives it as well.
    #[test]
    fn a_derived_seed_is_another_for_another_time_control_or_population() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, to) = (at("2026-07-01T00:00:00Z"), at("2026-10-01T00:00:00Z"));
        let seed = derived_seed(from, to, "c", "sha256:00");
        let text =
            "comptroller.dev/sample v1\n2026-07-01T00:00:00Z\n2026-10-01T00:00:00Z\nc\nsha256:00\n";
        assert_eq!(seed, canonical::sha256(text.as_bytes()));
        assert_ne!(seed, derived_seed(from, from, "c", "sha256:00"));
        assert_ne!(seed, derived_seed(from, to, "d", "sha256:00"));
        assert_ne!(seed, derived_seed(from, to, "c", "sha256:01"));
    }

    proptest! {
        #[test]
        fn a_sample_is_a_subset_of_the_right_size_whatever_the_order(
            items in proptest::collection::btree_set("[a-z]{1,6}", 0..80),
            seed in "[a-z0-9]{0,8}",
        ) {
            let forward: Vec<&str> = items.iter().map(String::as_str).collect();
            let backward: Vec<&str> = forward.iter().rev().copied().collect();
            let size = Size::Table(SizeTable::default());
            let one = draw(&forward.join("\n"), &seed, &size);
            let other = draw(&backward.join("\n"), &seed, &size);
            prop_assert_eq!(one.items.len() as u64, SizeTable::default().size(items.len() as u64));
            let names = |sample: &Sample| -> std::collections::BTreeSet<String> {
                sample.items.iter().map(|item| item.item.clone()).collect()
            };
            prop_assert!(names(&one).is_subset(&items));
            prop_assert_eq!(names(&one), names(&other));
        }

        #[test]
        fn one_more_to_draw_keeps_what_was_drawn(count in 0_u64..20, seed in "[a-z0-9]{1,8}") {
            let items: Vec<String> = (0..20).map(|n| format!("item-{n}")).collect();
            let population = items.join("\n") + "\n";
            let fewer = draw(&population, &seed, &Size::Count(count));
            let more = draw(&population, &seed, &Size::Count(count + 1));
            prop_assert_eq!(fewer.items.len() as u64, count);
            prop_assert!(fewer.items.iter().all(|item| more.items.contains(item)));
        }
    }
}
