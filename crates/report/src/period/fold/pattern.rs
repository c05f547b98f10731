//! Whether deviations are isolated, recurring or systematic, by the published rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::period::model::{Deviation, DeviationPattern, DeviationRule, ReportedItem};

/// Tells the deviations of a control over this many items apart, and what they amount to together;
/// None without one.
pub(super) fn classify(
    rule: &DeviationRule,
    deviations: &mut [Deviation],
    population: u64,
) -> Option<DeviationPattern> {
    let mut of_item: BTreeMap<ReportedItem, usize> = BTreeMap::new();
    let mut of_cause: BTreeMap<String, usize> = BTreeMap::new();
    for deviation in deviations.iter() {
        *of_item.entry(key(deviation)).or_default() += 1;
        if let Some(cause) = &deviation.cause {
            *of_cause.entry(cause.clone()).or_default() += 1;
        }
    }
    let items = of_item.len() as u64;
    let population = population.max(items);
    let is_small = population < rule.smallest_population;
    let is_large_share = !is_small
        && items.saturating_mul(100) > population.saturating_mul(rule.systematic_above_percent);
    let mut worst = BTreeSet::new();
    for deviation in deviations.iter_mut() {
        let count = |known: Option<&usize>| known.copied().unwrap_or_default();
        let same_cause = deviation.cause.as_ref().map_or(0, |cause| count(of_cause.get(cause)));
        let same_item = count(of_item.get(&key(deviation)));
        deviation.pattern = if is_large_share || same_cause >= rule.systematic_same_cause {
            DeviationPattern::Systematic
        } else if same_item >= rule.recurring_same_item {
            DeviationPattern::Recurring
        } else if is_small {
            DeviationPattern::Judgement
        } else {
            DeviationPattern::Isolated
        };
        worst.insert(weight(deviation.pattern));
    }
    let heaviest = worst.pop_last()?;
    DeviationPattern::ALL.iter().copied().find(|pattern| weight(*pattern) == heaviest)
}

fn weight(pattern: DeviationPattern) -> u8 {
    match pattern {
        DeviationPattern::Isolated => 0,
        DeviationPattern::Judgement => 1,
        DeviationPattern::Recurring => 2,
        DeviationPattern::Systematic => 3,
    }
}

/// The object, whatever its uid: one that was deleted and created again is the same to an auditor.
fn key(deviation: &Deviation) -> ReportedItem {
    ReportedItem { uid: None, ..deviation.item.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::{
        model::DEVIATION_RULE,
        testing::{rich, with_deviations},
    };

    fn some(count: usize) -> Vec<Deviation> {
        let report = with_deviations(count);
        let control = report.controls.into_iter().find(|one| one.name == "images-are-pinned");
        control.unwrap().deviations
    }

    #[test]
    fn the_rule_tells_deviations_apart() {
        use DeviationPattern::{Isolated, Judgement, Recurring, Systematic};
        for (count, population, expected) in [
            (0, 100, None),
            (1, 100, Some(Isolated)),
            (5, 100, Some(Isolated)),
            (6, 100, Some(Systematic)),
            (1, 9, Some(Judgement)),
        ] {
            let mut deviations = some(count);
            assert_eq!(classify(&DEVIATION_RULE, &mut deviations, population), expected, "{count}");
        }
        let mut again = [some(1), some(1)].concat();
        assert_eq!(classify(&DEVIATION_RULE, &mut again, 100), Some(Recurring));
        let mut caused = some(2);
        for deviation in &mut caused {
            deviation.cause = Some("the pipeline".to_owned());
        }
        assert_eq!(classify(&DEVIATION_RULE, &mut caused, 100), Some(Systematic));
        assert_eq!(rich().deviation_rule, DEVIATION_RULE);
    }
}
