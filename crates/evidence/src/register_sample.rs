//! Samples of a register: drawn from everything that was in it at some time of a window, if asked for by
//! strata of the dates. Pure.
//!
//! A line of the population is the key of an item, the time at which it was seen to come, and the number
//! of the entry that says so, parted by tabs; one that went and came back has a line for each time. So a
//! line does not change when the item goes later, and the sample of a window stays the same.

use std::collections::BTreeMap;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde::Serialize;

use crate::{
    fold::register_windows::RegisterRow,
    sample::{Sample, SampledItem, Size, draw},
};
use comptroller_vocabulary::{canonical, closed_enum};

closed_enum! {
    /// By what the items are parted before they are drawn: when they were seen to come, in UTC.
    pub enum Stratify {
        /// ISO 8601 weeks, such as `2026-W31`.
        Week = "week",
        /// Months, such as `2026-07`.
        Month = "month",
        /// Quarters, such as `2026-Q3`.
        Quarter = "quarter",
    }
}

/// The stratum of what was there at the start of the window, or when the register began.
pub const STANDING: &str = "standing";

/// A sample of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterSample {
    /// The SHA-256 of the population's text.
    pub population_digest: String,
    /// How many items were in the register at some time of the window.
    pub population: u64,
    pub seed: String,
    /// The size table; None where the size itself was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_table: Option<String>,
    /// How the items were chosen, in one sentence.
    pub method: &'static str,
    /// By what they were parted; None: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratify: Option<Stratify>,
    /// The strata, in the order of time, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strata: Vec<Stratum>,
    /// The items, in the order of the population.
    pub items: Vec<DrawnItem>,
}

/// A part of the population.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stratum {
    pub name: String,
    /// How many items it has.
    pub population: u64,
    /// How many of them were drawn.
    pub drawn: u64,
}

/// An item that was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DrawnItem {
    /// Its line in the population's text, from 1.
    pub line: u64,
    /// The SHA-256 by which it was chosen, in hexadecimal digits.
    pub hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratum: Option<String>,
    #[serde(flatten)]
    pub item: RegisterRow,
}

/// The sentence in [`RegisterSample::method`], where there are strata.
const STRATIFIED: &str = "in each stratum, the items with the smallest SHA-256 of seed, line feed and item; a stratum gets one if \
     there are enough, and then its share by the largest remainder";

/// The population's text: a line for each item.
pub fn population_text(rows: &[RegisterRow]) -> String {
    rows.iter().map(|row| line(row) + "\n").collect()
}

/// The SHA-256 of the population's text.
pub fn population_digest(rows: &[RegisterRow]) -> String {
    canonical::sha256(population_text(rows).as_bytes())
}

fn line(row: &RegisterRow) -> String {
    // A tab or the end of a line in a key would make it two.
    let key = row.key.replace(char::is_control, "\u{fffd}");
    format!("{key}\t{}\t{}", row.came.at, row.came.entry)
}

/// Draws from what was in a register in a window that begins at `from`.
pub fn draw_register(
    rows: &[RegisterRow],
    from: Timestamp,
    seed: &str,
    size: &Size,
    stratify: Option<Stratify>,
) -> RegisterSample {
    let population = population_text(rows);
    let whole = draw(&population, seed, size);
    let (items, strata) = match stratify {
        None => (whole.items.clone(), Vec::new()),
        Some(by) => by_strata(rows, from, &whole, by),
    };
    let drawn = |sampled: SampledItem| {
        let place = usize::try_from(sampled.line).ok()?.checked_sub(1)?;
        let item = rows.get(place)?.clone();
        let stratum = stratify.map(|by| stratum_of(&item, from, by).1);
        Some(DrawnItem { line: sampled.line, hash: sampled.hash, stratum, item })
    };
    RegisterSample {
        population_digest: whole.population_digest,
        population: whole.population,
        seed: whole.seed,
        size_table: whole.size_table,
        method: if stratify.is_some() { STRATIFIED } else { whole.method },
        stratify,
        strata,
        items: items.into_iter().filter_map(drawn).collect(),
    }
}

fn by_strata(
    rows: &[RegisterRow],
    from: Timestamp,
    whole: &Sample,
    by: Stratify,
) -> (Vec<SampledItem>, Vec<Stratum>) {
    let mut strata: BTreeMap<(u8, String), Vec<(u64, &RegisterRow)>> = BTreeMap::new();
    for (number, row) in (1..).zip(rows) {
        strata.entry(stratum_of(row, from, by)).or_default().push((number, row));
    }
    let sizes: Vec<u64> = strata.values().map(|rows| rows.len() as u64).collect();
    let shares = shares(&sizes, whole.items.len() as u64);
    let (mut items, mut drawn_of) = (Vec::new(), Vec::new());
    for (((_, name), rows), share) in strata.into_iter().zip(shares) {
        let text: String = rows.iter().map(|(_, row)| line(row) + "\n").collect();
        let drawn = draw(&text, &whole.seed, &Size::Count(share)).items;
        drawn_of.push(Stratum { name, population: rows.len() as u64, drawn: drawn.len() as u64 });
        // By its line in the whole population and not in the stratum.
        items.extend(drawn.into_iter().filter_map(|item| {
            let place = usize::try_from(item.line).ok()?.checked_sub(1)?;
            let (line, _) = rows.get(place)?;
            Some(SampledItem { line: *line, ..item })
        }));
    }
    items.sort_unstable_by_key(|item| item.line);
    (items, drawn_of)
}

/// The stratum of an item, with what orders it: what was standing is the first.
fn stratum_of(row: &RegisterRow, from: Timestamp, by: Stratify) -> (u8, String) {
    if row.came.in_first_list || row.came.at <= from {
        return (0, STANDING.to_owned());
    }
    let date = Zoned::new(row.came.at, TimeZone::UTC).date();
    let name = match by {
        Stratify::Week => {
            let week = date.iso_week_date();
            format!("{:04}-W{:02}", week.year(), week.week())
        }
        Stratify::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Stratify::Quarter => format!("{:04}-Q{}", date.year(), (date.month() + 2) / 3),
    };
    (1, name)
}

/// How many of each stratum are drawn, `count` in all or as many as there are: one of each if there are
/// enough, and the rest by the share that the stratum has of the others, its whole part first and then one
/// by the largest remainders, of equal ones to the earlier.
fn shares(sizes: &[u64], count: u64) -> Vec<u64> {
    let strata = sizes.len() as u64;
    let count = count.min(sizes.iter().sum());
    let each = u64::from(count >= strata);
    let left: Vec<u64> = sizes.iter().map(|size| size.saturating_sub(each)).collect();
    let (whole, rest) = (left.iter().sum::<u64>(), count - each * strata);
    if whole == 0 {
        return vec![each; sizes.len()];
    }
    let part = |size: u64| u128::from(rest) * u128::from(size);
    let floor = |size: u64| u64::try_from(part(size) / u128::from(whole)).unwrap_or(size);
    let mut shares: Vec<u64> = left.iter().map(|size| each + floor(*size)).collect();
    let mut by_remainder: Vec<usize> = (0..left.len()).collect();
    let remainder = |at: &usize| left.get(*at).map_or(0, |size| part(*size) % u128::from(whole));
    by_remainder.sort_by_key(|at| std::cmp::Reverse(remainder(at)));
    let missing = count - shares.iter().sum::<u64>();
    for at in by_remainder.into_iter().take(usize::try_from(missing).unwrap_or(usize::MAX)) {
        if let Some(share) = shares.get_mut(at) {
            *share += 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{fold::register_windows::SeenRow, register::Fields};

    const FROM: &str = "2026-07-01T00:00:00Z";

    fn row(key: &str, came: &str, entry: u64, in_first_list: bool) -> RegisterRow {
        RegisterRow {
            key: key.to_owned(),
            fields: Fields::new(),
            came: SeenRow { at: came.parse().unwrap(), entry, between: None, in_first_list },
            went: None,
            changes: Vec::new(),
        }
    }

    /// 40 that stood, one in July, 9 in September.
    fn rows() -> Vec<RegisterRow> {
        let mut rows: Vec<RegisterRow> = (0..40)
            .map(|number| row(&format!("old-{number:02}"), "2026-06-30T00:00:00Z", number, true))
            .collect();
        rows.push(row("short", "2026-07-20T10:00:00Z", 50, false));
        rows.extend((0..9).map(|number| {
            row(&format!("autumn-{number}"), "2026-09-02T10:00:00Z", 60 + number, false)
        }));
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        rows
    }

    fn from() -> Timestamp {
        FROM.parse().unwrap()
    }

    #[test]
    fn a_stratum_with_one_item_is_drawn_from() {
        let by = Some(Stratify::Month);
        let sample = draw_register(&rows(), from(), "s", &Size::Count(5), by);
        let strata: Vec<_> = sample
            .strata
            .iter()
            .map(|one| (one.name.as_str(), one.population, one.drawn))
            .collect();
        assert_eq!(strata, [(STANDING, 40, 3), ("2026-07", 1, 1), ("2026-09", 9, 1)]);
        let short = sample.items.iter().find(|item| item.item.key == "short").unwrap();
        assert_eq!(short.stratum.as_deref(), Some("2026-07"));
        // As a shell draws it: `printf 's\nshort\t2026-07-20T10:00:00Z\t50' | sha256sum`.
        let text = "s\nshort\t2026-07-20T10:00:00Z\t50";
        assert_eq!(format!("sha256:{}", short.hash), canonical::sha256(text.as_bytes()));
        assert_eq!(sample.population_digest, population_digest(&rows()));
    }

    #[test]
    fn weeks_and_quarters_have_their_names() {
        let one = row("a", "2027-01-02T10:00:00Z", 1, false);
        assert_eq!(stratum_of(&one, from(), Stratify::Week).1, "2026-W53");
        assert_eq!(stratum_of(&one, from(), Stratify::Quarter).1, "2027-Q1");
        assert_eq!(stratum_of(&one, from(), Stratify::Month).1, "2027-01");
    }

    #[test]
    fn what_comes_back_is_another_item_and_what_goes_later_is_the_same() {
        let mut rows = vec![row("a", "2026-07-02T00:00:00Z", 1, false)];
        let digest = population_digest(&rows);
        rows[0].went = Some(rows[0].came.clone());
        assert_eq!(population_digest(&rows), digest);
        rows.push(row("a", "2026-07-03T00:00:00Z", 3, false));
        assert_eq!(draw_register(&rows, from(), "s", &Size::Count(9), None).items.len(), 2);
    }

    #[test]
    fn a_key_can_not_make_two_lines() {
        let rows = [row("a\nb\tc", "2026-07-02T00:00:00Z", 1, false)];
        assert_eq!(population_text(&rows).lines().count(), 1);
        assert_eq!(draw_register(&rows, from(), "s", &Size::Count(9), None).items[0].line, 1);
    }

    proptest! {
        #[test]
        fn shares_add_up_and_none_is_larger_than_its_stratum(
            sizes in proptest::collection::vec(1_u64..50, 1..12),
            count in 0_u64..400,
        ) {
            let shares = shares(&sizes, count);
            prop_assert_eq!(shares.iter().sum::<u64>(), count.min(sizes.iter().sum()));
            prop_assert!(shares.iter().zip(&sizes).all(|(share, size)| share <= size));
            if count >= sizes.len() as u64 {
                prop_assert!(shares.iter().all(|share| *share >= 1));
            }
        }
    }
}
