//! What a report concludes of a control, and why.

use crate::period::model::{
    Conclusion, Coverage, Deviation, ExceptedFinding, Interval, OutOfScope, Suspension, Wildcard,
};
use comptroller_core::api::State;
use comptroller_evidence::data::PopulationCause;
use jiff::Timestamp;

use super::{occurrences::Performance, timeline::is_evidence};

/// What a conclusion rests on.
pub(super) struct Grounds<'a> {
    pub(super) intervals: &'a [Interval],
    pub(super) coverage: Coverage,
    pub(super) deviations: &'a [Deviation],
    pub(super) excepted: &'a [ExceptedFinding],
    pub(super) out_of_scope: &'a [OutOfScope],
    /// When many items left and no entry tells which, and how many; None where all are told.
    pub(super) untold: Option<(Timestamp, u64)>,
    pub(super) suspensions: &'a [Suspension],
    pub(super) wildcards: &'a [Wildcard],
    /// Why what people did or approved is not known to be theirs; None where it is.
    pub(super) unbound: Option<String>,
    /// A time for which another rule was in force than before and after; None where there is none.
    pub(super) in_between: Option<(Timestamp, Timestamp)>,
    /// When the rule was edited, if neither was in force for most of the period.
    pub(super) divided: Option<Timestamp>,
    /// A time between two controls of the name of which nobody approved; None where there is none.
    pub(super) recreated: Option<(Timestamp, Timestamp)>,
    /// How people performed it; None of what the cluster answers for.
    pub(super) performance: Option<Performance>,
    pub(super) minimum_observation: u8,
    /// Whether it is about a moment: then nothing is said of a period.
    pub(super) instant: bool,
}

/// A deviation is one however little was observed. Everything else is said only on enough evidence,
/// by the one rule, about all items.
pub(super) fn conclude(grounds: &Grounds<'_>) -> (Conclusion, String) {
    if let Some(basis) = deviated(grounds) {
        return (Conclusion::DeviationObserved, basis);
    }
    if let Some(basis) = undetermined(grounds) {
        return (Conclusion::NotDeterminable, basis);
    }
    match grounds.performance {
        Some(Performance::NotDue) => {
            let basis = if grounds.instant {
                "As of the date, no occurrence was due."
            } else {
                "No occurrence was due in the period."
            };
            return (Conclusion::NotDue, basis.to_owned());
        }
        Some(Performance::Waived) => {
            let basis = "An occurrence was waived rather than performed.";
            return (Conclusion::AcceptedRisk, basis.to_owned());
        }
        Some(Performance::Performed | Performance::Unfinished) | None => {}
    }
    if let Some(basis) = accepted(grounds) {
        return (Conclusion::AcceptedRisk, basis);
    }
    if let Some(at) = grounds.divided {
        let basis = format!(
            "Its scope or test was edited at {at}, and neither was in force for most of the period: conclude on the time before and after by itself (--from, --to)."
        );
        return (Conclusion::NotDeterminable, basis);
    }
    if grounds.performance.is_some() || was(grounds, State::Passing) {
        let basis = match (grounds.instant, grounds.performance) {
            (false, _) => "Enough was observed, and nothing in it was a deviation.",
            (true, Some(_)) => "As of the date, every occurrence that was due was performed.",
            (true, None) => "As of the date, every item that it judges was as its spec asks.",
        };
        return (Conclusion::NoDeviationObserved, basis.to_owned());
    }
    let basis = if grounds.instant {
        "As of the date, nothing was in its scope."
    } else {
        "Nothing was in its scope in the period."
    };
    (Conclusion::NotDue, basis.to_owned())
}

fn was(grounds: &Grounds<'_>, state: State) -> bool {
    grounds.intervals.iter().any(|interval| interval.state == Some(state))
}

fn deviated(grounds: &Grounds<'_>) -> Option<String> {
    let count = grounds.deviations.len();
    if count > 0 {
        let open = grounds.deviations.iter().filter(|one| one.is_open()).count();
        let all = if count == 1 {
            "1 deviation was".to_owned()
        } else {
            format!("{count} deviations were")
        };
        return Some(if grounds.instant {
            format!("{all} open as of the date.")
        } else {
            format!("{all} observed, of which {open} nobody saw mended by the end.")
        });
    }
    let failed =
        if grounds.instant { "As of the date it failed." } else { "It failed for a time." };
    was(grounds, State::Failing).then(|| failed.to_owned())
}

fn undetermined(grounds: &Grounds<'_>) -> Option<String> {
    if let Some(one) = grounds.suspensions.iter().find(|one| one.approved_by.is_none()) {
        return Some(format!(
            "It was suspended from {} to {} and nobody approved that.",
            one.from, one.to
        ));
    }
    if let Some(basis) = &grounds.unbound {
        return Some(basis.clone());
    }
    if let Some((from, to)) = grounds.recreated {
        return Some(format!(
            "It was deleted at {from} and created again at {to}, and nobody approved that."
        ));
    }
    if let Some((from, to)) = grounds.in_between {
        return Some(format!(
            "From {from} to {to} another scope or test was in force than before and after."
        ));
    }
    if let Some(basis) = left(grounds.out_of_scope) {
        return Some(basis);
    }
    if let Some((at, count)) = grounds.untold {
        return Some(format!(
            "{count} items left its population at {at}, and no entry tells which: compare the lists of before and after."
        ));
    }
    if !grounds.coverage.reaches(grounds.minimum_observation) {
        return Some(format!(
            "{} of the period was observed, and {} % are needed to conclude.",
            grounds.coverage.text(),
            grounds.minimum_observation
        ));
    }
    if grounds.performance == Some(Performance::Unfinished) {
        return Some("An occurrence was due, and the log does not say how it ended.".to_owned());
    }
    // A procedure is known by its records, however seldom anybody looks.
    let is_seen = grounds.intervals.iter().any(is_evidence);
    (!is_seen).then(|| "Nobody could look.".to_owned())
}

/// Items that exist and were not looked at, but for those that an edit of the control left out for
/// good: that is a risk which its owner accepted.
fn left(out_of_scope: &[OutOfScope]) -> Option<String> {
    let hidden = out_of_scope.iter().filter(|out| !is_left_out_for_good(out));
    let (count, first) =
        hidden.fold((0_usize, None), |(count, first), out| (count + 1, first.or(Some(out))));
    let first = first?;
    let name = &first.item.resource.name;
    let items = match count {
        1 => format!("{} {name}", first.item.resource.kind),
        _ => format!("{} {name} and {} more", first.item.resource.kind, count - 1),
    };
    let until = first.to.map_or_else(|| "the end".to_owned(), |to| to.to_string());
    Some(format!(
        "Nobody looked at {items} from {} to {until}: out of scope, though it existed.",
        first.from
    ))
}

fn is_left_out_for_good(out: &OutOfScope) -> bool {
    out.cause == PopulationCause::RuleChanged && out.to.is_none()
}

fn accepted(grounds: &Grounds<'_>) -> Option<String> {
    if let Some(one) = grounds.excepted.first() {
        let exceptions: std::collections::BTreeSet<&str> =
            grounds.excepted.iter().map(|one| one.exception.as_str()).collect();
        let more = match exceptions.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more exceptions", count - 1),
        };
        return Some(format!(
            "There is no deviation only because the exception {}{more} accepts {}.",
            one.exception,
            if grounds.excepted.len() == 1 {
                "a finding".to_owned()
            } else {
                format!("{} findings", grounds.excepted.len())
            }
        ));
    }
    if was(grounds, State::Excepted) {
        return Some("There is no deviation only because exceptions accept findings.".to_owned());
    }
    if let Some(one) = grounds.wildcards.first() {
        return Some(format!(
            "The spec accepts everything by the pattern {} in {}.",
            one.pattern, one.field
        ));
    }
    let out = grounds.out_of_scope.iter().find(|out| is_left_out_for_good(out))?;
    Some(format!(
        "The control was edited at {} and leaves out since then what it judged before.",
        out.from
    ))
}
