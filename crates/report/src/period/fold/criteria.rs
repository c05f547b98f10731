//! How the criteria in scope are covered.

use crate::{
    period::model::{Conclusion, ControlReport, CriterionReport},
    standing::{ControlOutcome, ServingOutcome, criterion_standing},
};
use comptroller_core::api::criteria::{Category, SOC2, Soc2Criterion};

/// The criteria of the categories and of Security, in their order, with the controls that serve
/// them.
pub(in crate::period) fn standings(
    categories: &[Category],
    controls: &[ControlReport],
) -> Vec<CriterionReport> {
    SOC2.iter()
        .filter(|row| row.category == Category::Security || categories.contains(&row.category))
        .map(|row| report(row, controls))
        .collect()
}

fn report(row: &Soc2Criterion, controls: &[ControlReport]) -> CriterionReport {
    let serving: Vec<&ControlReport> =
        controls.iter().filter(|control| control.criteria.iter().any(|id| id == row.id)).collect();
    let served_by: Vec<ServingOutcome> = serving
        .iter()
        .map(|control| ServingOutcome {
            outcome: outcome(control.conclusion),
            attested: control.is_attested(),
        })
        .collect();
    CriterionReport {
        id: row.id.to_owned(),
        title: row.title.to_owned(),
        category: row.category,
        controls: serving.iter().map(|control| control.name.clone()).collect(),
        standing: criterion_standing(row.source, &served_by),
    }
}

fn outcome(conclusion: Conclusion) -> ControlOutcome {
    match conclusion {
        Conclusion::Effective => ControlOutcome::Held,
        Conclusion::Deviations => ControlOutcome::Failed,
        Conclusion::Unknown => ControlOutcome::Unknown,
        Conclusion::NotApplicable => ControlOutcome::NothingToJudge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::{model::CriterionStanding, testing::rich};

    #[test]
    fn what_only_people_can_prove_is_not_proved_by_a_cluster_in_order() {
        let mut controls = rich().controls;
        controls.retain(|control| control.conclusion == Conclusion::Effective);
        controls.truncate(1);
        controls[0].criteria = vec!["CC6.4".to_owned(), "CC7.1".to_owned()];
        for (test, expected) in
            [("rbac", CriterionStanding::Unknown), ("attestation", CriterionStanding::Passing)]
        {
            test.clone_into(&mut controls[0].test);
            let all = standings(&[], &controls);
            let of = |id: &str| all.iter().find(|row| row.id == id).unwrap().standing;
            assert_eq!((of("CC6.4"), of("CC7.1")), (expected, CriterionStanding::Passing));
        }
    }
}
