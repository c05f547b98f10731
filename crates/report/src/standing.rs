//! How a criterion stands by what its controls show: one rule for the readiness of today and for
//! the report over a period. Pure.

use super::period::model::CriterionStanding;
use comptroller_core::api::criteria::EvidenceSource;

/// What a control shows of the criteria that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// It held.
    Held,
    /// It failed.
    Failed,
    /// Nobody can say.
    Unknown,
    /// It had nothing to judge.
    Nothing,
}

/// A control that serves a criterion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serving {
    /// What it shows.
    pub shown: Shown,
    /// Whether people attest it.
    pub attested: bool,
}

/// A failure outweighs everything, and what is not known outweighs what holds. What had nothing to
/// judge proves nothing, and what only people can prove is not proved by a cluster in order.
pub(super) fn standing(source: EvidenceSource, serving: &[Serving]) -> CriterionStanding {
    let any = |shown| serving.iter().any(|one| one.shown == shown);
    let is_proof = |one: &Serving| {
        one.shown == Shown::Held && (one.attested || source != EvidenceSource::Human)
    };
    if serving.is_empty() {
        CriterionStanding::NotCovered
    } else if any(Shown::Failed) {
        CriterionStanding::Failing
    } else if any(Shown::Unknown) || !serving.iter().any(is_proof) {
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
        use Shown::{Failed, Held, Nothing, Unknown};
        let cases: [(&[Shown], CriterionStanding); 8] = [
            (&[], CriterionStanding::NotCovered),
            (&[Held, Held], CriterionStanding::Passing),
            (&[Held, Nothing], CriterionStanding::Passing),
            (&[Nothing], CriterionStanding::Unknown),
            (&[Unknown], CriterionStanding::Unknown),
            (&[Held, Unknown], CriterionStanding::Unknown),
            (&[Unknown, Failed, Held], CriterionStanding::Failing),
            (&[Failed], CriterionStanding::Failing),
        ];
        for (shown, expected) in cases {
            let serving: Vec<Serving> =
                shown.iter().map(|shown| Serving { shown: *shown, attested: false }).collect();
            for source in [EvidenceSource::Cluster, EvidenceSource::Both] {
                assert_eq!(standing(source, &serving), expected, "{shown:?}");
            }
        }
    }

    #[test]
    fn what_only_people_can_prove_needs_people_who_attested() {
        let cluster = Serving { shown: Shown::Held, attested: false };
        let people = |shown| Serving { shown, attested: true };
        for (serving, expected) in [
            (vec![cluster], CriterionStanding::Unknown),
            (vec![cluster, people(Shown::Nothing)], CriterionStanding::Unknown),
            (vec![cluster, people(Shown::Held)], CriterionStanding::Passing),
            (vec![people(Shown::Held)], CriterionStanding::Passing),
            (vec![people(Shown::Held), people(Shown::Failed)], CriterionStanding::Failing),
        ] {
            assert_eq!(standing(EvidenceSource::Human, &serving), expected, "{serving:?}");
        }
    }
}
