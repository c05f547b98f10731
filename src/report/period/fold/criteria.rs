//! How the criteria in scope are covered.

use crate::{
    api::criteria::{Category, SOC2},
    report::period::model::{Conclusion, ControlReport, CriterionReport, CriterionStanding},
};

/// The criteria of the categories and of Security, in their order, with the controls that serve
/// them.
pub(super) fn standings(
    categories: &[Category],
    controls: &[ControlReport],
) -> Vec<CriterionReport> {
    SOC2.iter()
        .filter(|row| row.category == Category::Security || categories.contains(&row.category))
        .map(|row| {
            let serving: Vec<&ControlReport> = controls
                .iter()
                .filter(|control| control.criteria.iter().any(|id| id == row.id))
                .collect();
            CriterionReport {
                id: row.id.to_owned(),
                title: row.title.to_owned(),
                category: row.category,
                controls: serving.iter().map(|control| control.name.clone()).collect(),
                standing: standing(
                    &serving.iter().map(|control| control.conclusion).collect::<Vec<_>>(),
                ),
            }
        })
        .collect()
}

/// A deviation outweighs what is unknown, and that outweighs what held. What governs nothing shows
/// nothing.
fn standing(conclusions: &[Conclusion]) -> CriterionStanding {
    let has = |wanted| conclusions.contains(&wanted);
    if conclusions.is_empty() {
        CriterionStanding::NotCovered
    } else if has(Conclusion::Deviations) {
        CriterionStanding::Failing
    } else if has(Conclusion::Unknown) || !has(Conclusion::Effective) {
        CriterionStanding::Unknown
    } else {
        CriterionStanding::Passing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_is_known_decides() {
        use Conclusion::{Deviations, Effective, NotApplicable, Unknown};
        let cases: [(&[Conclusion], CriterionStanding); 7] = [
            (&[], CriterionStanding::NotCovered),
            (&[Effective, NotApplicable], CriterionStanding::Passing),
            (&[NotApplicable], CriterionStanding::Unknown),
            (&[Effective, Unknown], CriterionStanding::Unknown),
            (&[Unknown, Deviations, Effective], CriterionStanding::Failing),
            (&[Effective, Effective], CriterionStanding::Passing),
            (&[Unknown], CriterionStanding::Unknown),
        ];
        for (conclusions, expected) in cases {
            assert_eq!(standing(conclusions), expected, "{conclusions:?}");
        }
    }
}
