//! What is concluded of the criteria in scope: in each interval by the spec of that interval.

use jiff::{SignedDuration, Timestamp};

use super::{Window, timeline::coverage};
use crate::{
    period::model::{
        Conclusion, ControlReport, Coverage, CriterionReport, Interval, MappingInterval,
    },
    standing::{ServingControl, criterion_conclusion},
};
use comptroller_core::api::criteria::{Category, SOC2, Soc2Criterion};

/// The criteria of the categories and of Security, in their order, with the controls that served
/// them at some time from `window.0` to `window.1`.
pub(in crate::period) fn criteria(
    categories: &[Category],
    controls: &[ControlReport],
    window: (Timestamp, Timestamp),
    minimum_observation: u8,
) -> Vec<CriterionReport> {
    let scope = Scope { window, minimum_observation };
    SOC2.iter()
        .filter(|row| row.category == Category::Security || categories.contains(&row.category))
        .map(|row| scope.report(row, controls))
        .collect()
}

struct Scope {
    window: (Timestamp, Timestamp),
    minimum_observation: u8,
}

impl Scope {
    fn report(&self, row: &Soc2Criterion, controls: &[ControlReport]) -> CriterionReport {
        let mut mapping = Vec::new();
        let mut serving = Vec::new();
        let mut names = Vec::new();
        let mut changed = Vec::new();
        let mut elsewhere = None;
        for control in controls {
            let times = served(row.id, control);
            if times.is_empty() {
                continue;
            }
            names.push(control.name.clone());
            if times != existed(control) {
                changed.push(control.name.as_str());
                // It deviated while it served something else: who moved it must say why.
                if control.conclusion == Conclusion::DeviationObserved
                    && !times.iter().any(|time| deviated(control, *time))
                {
                    elsewhere = elsewhere.or(Some(control.name.as_str()));
                }
            }
            for time in times {
                let conclusion = self.within(control, time);
                serving.push(ServingControl {
                    conclusion,
                    attested: control.is_attested(),
                    performed: control.performed.unwrap_or(true),
                });
                let (from, to) = time;
                mapping.push(MappingInterval {
                    control: control.name.clone(),
                    from,
                    to,
                    conclusion,
                });
            }
        }
        let mut conclusion = criterion_conclusion(row.source, &serving);
        let mut basis = self.basis(conclusion, &mapping, &serving, controls);
        if conclusion != Conclusion::DeviationObserved && !mapping.is_empty() {
            if let Some(control) = elsewhere {
                conclusion = Conclusion::NotDeterminable;
                basis = format!(
                    "The control {control} deviated in the period while it did not serve this criterion, which it did before or after."
                );
            } else if !self.is_served_long_enough(&mapping) {
                conclusion = Conclusion::NotDeterminable;
                "No control served it for enough of the period.".clone_into(&mut basis);
            }
        }
        if !changed.is_empty() {
            basis.push_str(" The mapping of ");
            basis.push_str(&changed.join(", "));
            basis.push_str(" changed within the period.");
        }
        CriterionReport {
            id: row.id.to_owned(),
            title: row.title.to_owned(),
            category: row.category,
            controls: names,
            mapping_changed: !changed.is_empty(),
            mapping,
            conclusion,
            basis,
        }
    }

    /// What is concluded of a control in a time in which it served the criterion.
    fn within(&self, control: &ControlReport, time: (Timestamp, Timestamp)) -> Conclusion {
        if control.conclusion != Conclusion::DeviationObserved || deviated(control, time) {
            return control.conclusion;
        }
        let (from, to) = time;
        let clipped: Vec<Interval> = control
            .intervals
            .iter()
            .filter(|one| one.from < to && from < one.to)
            .map(|one| Interval { from: one.from.max(from), to: one.to.min(to), ..one.clone() })
            .collect();
        let window = Window { from, to, instant: false };
        let is_approved = |at: &crate::period::model::Suspension| {
            at.approved_by.is_some() || at.from >= to || from >= at.to
        };
        let excepted = control
            .excepted_findings
            .iter()
            .any(|one| one.from < to && one.to.is_none_or(|end| from < end));
        if !coverage(&clipped, window).reaches(self.minimum_observation)
            || !control.suspensions.iter().all(is_approved)
            || !control.out_of_scope.is_empty()
        {
            Conclusion::NotDeterminable
        } else if excepted || !control.wildcards.is_empty() {
            Conclusion::AcceptedRisk
        } else {
            Conclusion::NoDeviationObserved
        }
    }

    /// Whether some control served it for the share of the period that a conclusion needs.
    fn is_served_long_enough(&self, mapping: &[MappingInterval]) -> bool {
        let (from, to) = self.window;
        let mut times: Vec<(Timestamp, Timestamp)> =
            mapping.iter().map(|one| (one.from, one.to)).collect();
        times.sort_unstable();
        let mut served = SignedDuration::ZERO;
        let mut at = from;
        for (begins, ends) in times {
            let begins = begins.max(at);
            if begins < ends {
                served = served.saturating_add(ends.duration_since(begins));
                at = ends;
            }
        }
        let coverage = Coverage {
            observed_seconds: served.as_secs(),
            expected_seconds: to.duration_since(from).as_secs(),
        };
        coverage.reaches(self.minimum_observation)
    }

    fn basis(
        &self,
        conclusion: Conclusion,
        mapping: &[MappingInterval],
        serving: &[ServingControl],
        controls: &[ControlReport],
    ) -> String {
        if mapping.is_empty() {
            return "No control serves it.".to_owned();
        }
        // A report as of a date says nothing of a period.
        let is_instant = self.window.0 == self.window.1;
        let words =
            |period: &'static str, date: &'static str| if is_instant { date } else { period };
        let list = |what: &str, names: &[&str]| format!("{what}: {}.", names.join(", "));
        let named = named(mapping, conclusion);
        match conclusion {
            Conclusion::NoDeviationObserved => words(
                "No deviation was observed of the controls that serve it.",
                "The controls that serve it were implemented as of the date.",
            )
            .to_owned(),
            Conclusion::DeviationObserved => {
                list(words("Deviated", "Not implemented as designed"), &named)
            }
            Conclusion::AcceptedRisk => list(
                words(
                    "Without a deviation only by accepted risk",
                    "Implemented but for accepted risk",
                ),
                &named,
            ),
            Conclusion::NotDue => words(
                "Nothing that serves it was due in the period.",
                "As of the date, there was nothing to apply what serves it to.",
            )
            .to_owned(),
            Conclusion::NotDeterminable => {
                let never = mapping.iter().zip(serving).filter(|(_, control)| !control.performed);
                let never: Vec<&str> = never.map(|(one, _)| one.control.as_str()).collect();
                if !never.is_empty() {
                    list("Never performed", &never)
                } else if !named.is_empty() {
                    list("Not determinable", &named)
                } else if controls.is_empty() {
                    "No control was in force.".to_owned()
                } else {
                    words(
                        "Only people can show it, and no procedure that serves it was performed in the period.",
                        "Only people can show it, and no procedure that serves it was performed by then.",
                    )
                    .to_owned()
                }
            }
        }
    }
}

/// The controls of which this is concluded, each once.
fn named(mapping: &[MappingInterval], wanted: Conclusion) -> Vec<&str> {
    let concluded = mapping.iter().filter(|one| one.conclusion == wanted);
    let mut names: Vec<&str> = concluded.map(|one| one.control.as_str()).collect();
    names.dedup();
    names
}

/// When a control served a criterion, by time.
fn served(id: &str, control: &ControlReport) -> Vec<(Timestamp, Timestamp)> {
    let times = control
        .specs
        .iter()
        .filter(|version| version.criteria.iter().any(|one| one == id))
        .map(|version| (version.from, version.to));
    joined(times)
}

/// When the log has a spec of a control, by time.
fn existed(control: &ControlReport) -> Vec<(Timestamp, Timestamp)> {
    joined(control.specs.iter().map(|version| (version.from, version.to)))
}

fn joined(times: impl Iterator<Item = (Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    let mut all: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to) in times {
        match all.last_mut() {
            Some(before) if before.1 >= from => before.1 = before.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// Whether a control deviated in a time.
fn deviated(control: &ControlReport, (from, to): (Timestamp, Timestamp)) -> bool {
    let touches = |begins: Timestamp, ends: Option<Timestamp>| {
        (begins < to || (from == to && begins <= to)) && ends.is_none_or(|end| from < end)
    };
    control.deviations.iter().any(|one| touches(one.from, one.to))
        || control.intervals.iter().any(|one| {
            one.state == Some(comptroller_core::api::State::Failing)
                && (touches(one.from, Some(one.to)) || from == to)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::testing::{at, rich};

    fn window() -> (Timestamp, Timestamp) {
        (at("2026-07-01T00:00:00Z"), at("2026-10-01T00:00:00Z"))
    }

    #[test]
    fn what_only_people_can_show_is_not_shown_by_a_cluster_in_order() {
        let mut controls = rich().controls;
        controls.retain(|control| control.conclusion == Conclusion::NoDeviationObserved);
        controls.truncate(1);
        controls[0].specs[0].criteria = vec!["CC6.4".to_owned(), "CC7.1".to_owned()];
        for (test, expected) in [
            ("rbac", Conclusion::NotDeterminable),
            ("attestation", Conclusion::NoDeviationObserved),
        ] {
            test.clone_into(&mut controls[0].test);
            let all = criteria(&[], &controls, window(), 95);
            let of = |id: &str| all.iter().find(|row| row.id == id).unwrap().conclusion;
            assert_eq!((of("CC6.4"), of("CC7.1")), (expected, Conclusion::NoDeviationObserved));
        }
    }
}
