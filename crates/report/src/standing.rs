//! What follows for a criterion from what its controls show: one rule for the readiness of today and
//! for the report over a period. Pure.

use super::period::model::Conclusion;
use comptroller_core::api::criteria::EvidenceSource;
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// How a criterion stands today.
    pub enum CriterionStanding {
        /// Every control that serves it and has something to judge is in order.
        Passing = "Passing",
        /// A control that serves it fails.
        Failing = "Failing",
        /// A control serves it, and too little is known to say.
        Unknown = "Unknown",
        /// No control serves it.
        NotCovered = "NotCovered",
    }
}

/// A control that serves a criterion.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServingControl {
    /// What is concluded of it.
    pub conclusion: Conclusion,
    /// Whether people attest it.
    pub attested: bool,
    /// Whether it was ever performed, though it may not be due. Of what the cluster answers for, true.
    pub performed: bool,
}

/// What is concluded of a criterion. A deviation outweighs everything, and what is not known
/// outweighs what is in order. What had nothing to do shows nothing; what only people can show is not
/// shown by a cluster in order; and a procedure that nobody ever performed is not made up for by
/// other controls.
pub(super) fn criterion_conclusion(
    source: EvidenceSource,
    serving: &[ServingControl],
) -> Conclusion {
    let any = |conclusion| serving.iter().any(|one| one.conclusion == conclusion);
    let shows = |one: &ServingControl| {
        matches!(one.conclusion, Conclusion::NoDeviationObserved | Conclusion::AcceptedRisk)
            && (one.attested || source != EvidenceSource::Human)
    };
    if any(Conclusion::DeviationObserved) {
        Conclusion::DeviationObserved
    } else if any(Conclusion::NotDeterminable) || serving.iter().any(|one| !one.performed) {
        Conclusion::NotDeterminable
    } else if !serving.is_empty() && serving.iter().all(|one| one.conclusion == Conclusion::NotDue)
    {
        Conclusion::NotDue
    } else if !serving.iter().any(shows) {
        Conclusion::NotDeterminable
    } else if any(Conclusion::AcceptedRisk) {
        Conclusion::AcceptedRisk
    } else {
        Conclusion::NoDeviationObserved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Conclusion::{
        AcceptedRisk, DeviationObserved, NoDeviationObserved, NotDeterminable, NotDue,
    };

    fn cluster(conclusion: Conclusion) -> ServingControl {
        ServingControl { conclusion, attested: false, performed: true }
    }

    fn people(conclusion: Conclusion) -> ServingControl {
        ServingControl { conclusion, attested: true, performed: true }
    }

    #[test]
    fn the_worst_that_is_known_decides() {
        let cases: [(&[Conclusion], Conclusion); 11] = [
            (&[], NotDeterminable),
            (&[NoDeviationObserved, NoDeviationObserved], NoDeviationObserved),
            (&[NoDeviationObserved, NotDue], NoDeviationObserved),
            (&[NoDeviationObserved, AcceptedRisk], AcceptedRisk),
            (&[AcceptedRisk, NotDue], AcceptedRisk),
            (&[NotDue], NotDue),
            (&[NotDeterminable], NotDeterminable),
            (&[NoDeviationObserved, NotDeterminable], NotDeterminable),
            (&[AcceptedRisk, NotDeterminable], NotDeterminable),
            (&[NotDeterminable, DeviationObserved, NoDeviationObserved], DeviationObserved),
            (&[DeviationObserved], DeviationObserved),
        ];
        for (conclusions, expected) in cases {
            let serving: Vec<ServingControl> =
                conclusions.iter().map(|conclusion| cluster(*conclusion)).collect();
            for source in [EvidenceSource::Cluster, EvidenceSource::Both] {
                assert_eq!(criterion_conclusion(source, &serving), expected, "{conclusions:?}");
            }
        }
    }

    #[test]
    fn what_only_people_can_show_needs_people_who_attested() {
        for (serving, expected) in [
            (vec![cluster(NoDeviationObserved)], NotDeterminable),
            (vec![cluster(NoDeviationObserved), people(NotDue)], NotDeterminable),
            (vec![cluster(NoDeviationObserved), people(NoDeviationObserved)], NoDeviationObserved),
            (vec![people(NoDeviationObserved)], NoDeviationObserved),
            (vec![people(NoDeviationObserved), people(DeviationObserved)], DeviationObserved),
        ] {
            let concluded = criterion_conclusion(EvidenceSource::Human, &serving);
            assert_eq!(concluded, expected, "{serving:?}");
        }
    }

    #[test]
    fn what_nobody_ever_performed_is_not_made_up_for() {
        let never = ServingControl { performed: false, ..people(NotDue) };
        for others in [vec![], vec![cluster(NoDeviationObserved)], vec![people(AcceptedRisk)]] {
            let serving: Vec<ServingControl> = others.into_iter().chain([never]).collect();
            for source in EvidenceSource::ALL {
                assert_eq!(criterion_conclusion(*source, &serving), NotDeterminable);
            }
        }
    }
}
