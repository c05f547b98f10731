//! How a criterion stands by what its controls show: one rule for the readiness of today and for
//! the report over a period. Pure.

use super::period::model::CriterionStanding;
use comptroller_core::api::criteria::EvidenceSource;

/// What a control contributes to the criteria that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlOutcome {
    /// Every item that it judged is as it should be, or excepted.
    Held,
    /// Something is, or was, not as it should be.
    Failed,
    /// Too little was observed to say.
    Unknown,
    /// Nothing was in its scope.
    NothingToJudge,
}

/// A control that serves a criterion.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServingOutcome {
    /// What its evaluation came to.
    pub outcome: ControlOutcome,
    /// Whether people attest it.
    pub attested: bool,
}

/// A failure outweighs everything, and what is not known outweighs what holds. What had nothing to
/// judge proves nothing, and what only people can prove is not proved by a cluster in order.
pub(super) fn criterion_standing(
    source: EvidenceSource,
    serving: &[ServingOutcome],
) -> CriterionStanding {
    let any = |outcome| serving.iter().any(|one| one.outcome == outcome);
    let is_proof = |one: &ServingOutcome| {
        one.outcome == ControlOutcome::Held && (one.attested || source != EvidenceSource::Human)
    };
    if serving.is_empty() {
        CriterionStanding::NotCovered
    } else if any(ControlOutcome::Failed) {
        CriterionStanding::Failing
    } else if any(ControlOutcome::Unknown) || !serving.iter().any(is_proof) {
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
        use ControlOutcome::{Failed, Held, NothingToJudge, Unknown};
        let cases: [(&[ControlOutcome], CriterionStanding); 8] = [
            (&[], CriterionStanding::NotCovered),
            (&[Held, Held], CriterionStanding::Passing),
            (&[Held, NothingToJudge], CriterionStanding::Passing),
            (&[NothingToJudge], CriterionStanding::Unknown),
            (&[Unknown], CriterionStanding::Unknown),
            (&[Held, Unknown], CriterionStanding::Unknown),
            (&[Unknown, Failed, Held], CriterionStanding::Failing),
            (&[Failed], CriterionStanding::Failing),
        ];
        for (outcomes, expected) in cases {
            let serving: Vec<ServingOutcome> = outcomes
                .iter()
                .map(|outcome| ServingOutcome { outcome: *outcome, attested: false })
                .collect();
            for source in [EvidenceSource::Cluster, EvidenceSource::Both] {
                assert_eq!(criterion_standing(source, &serving), expected, "{outcomes:?}");
            }
        }
    }

    #[test]
    fn what_only_people_can_prove_needs_people_who_attested() {
        let cluster = ServingOutcome { outcome: ControlOutcome::Held, attested: false };
        let people = |outcome| ServingOutcome { outcome, attested: true };
        for (serving, expected) in [
            (vec![cluster], CriterionStanding::Unknown),
            (vec![cluster, people(ControlOutcome::NothingToJudge)], CriterionStanding::Unknown),
            (vec![cluster, people(ControlOutcome::Held)], CriterionStanding::Passing),
            (vec![people(ControlOutcome::Held)], CriterionStanding::Passing),
            (
                vec![people(ControlOutcome::Held), people(ControlOutcome::Failed)],
                CriterionStanding::Failing,
            ),
        ] {
            assert_eq!(
                criterion_standing(EvidenceSource::Human, &serving),
                expected,
                "{serving:?}"
            );
        }
    }
}
