//! What a reader must not overlook: whatever in the log makes a conclusion weaker than it looks. Each
//! line counts, and leads to where it is told in full.

use std::collections::BTreeSet;

use jiff::Timestamp;
use maud::{Markup, html};

use super::{page::Page, text::count};
use crate::period::model::{AttestationReport, Deviation, Ending};

/// A line: how many there are, of one and of many, what that means, and where they are.
struct Warning {
    number: usize,
    one: &'static str,
    many: &'static str,
    so: &'static str,
    anchor: &'static str,
}

pub fn list(page: &Page<'_>) -> Markup {
    let warnings: Vec<Warning> = all(page).into_iter().filter(|one| one.number > 0).collect();
    html! {
        @if !warnings.is_empty() {
            div.warnings {
                h3 id="warnings" { "Not to be overlooked" }
                ul {
                    @for warning in &warnings {
                        li {
                            a href={ "#" (warning.anchor) } { (count(warning.number, warning.one, warning.many)) }
                            ". " (warning.so)
                        }
                    }
                }
            }
        }
    }
}

#[allow(clippy::too_many_lines, reason = "a table, which reads best in one piece")]
fn all(page: &Page<'_>) -> Vec<Warning> {
    let report = page.report;
    let controls = || report.controls.iter();
    let records = || controls().flat_map(|one| &one.occurrences).flat_map(|one| &one.records);
    let attested = |of: fn(&AttestationReport) -> bool| records().filter(|one| of(one)).count();
    let deviations = || controls().flat_map(|one| &one.deviations);
    let unapproved =
        controls().flat_map(|one| &one.suspensions).filter(|one| one.approved_by.is_none());
    let responses = deviations().filter_map(|one| one.response.as_ref());
    let unbound = attested(|one| one.author_bound == Some(false))
        + responses.filter(|one| one.author_bound == Some(false)).count()
        + report
            .exceptions
            .iter()
            .flat_map(|one| [one.author_bound, one.approver_bound])
            .filter(|bound| *bound == Some(false))
            .count();
    // Several policies that were gone together are one time.
    let unbound_times: BTreeSet<(Timestamp, Option<Timestamp>)> = report
        .identity
        .iter()
        .filter(|one| one.author_not_bound)
        .map(|one| (one.from, one.to))
        .collect();
    let has_wildcard = |spec: &&crate::period::model::ControlReport| !spec.wildcards.is_empty();
    let silent =
        deviations().filter(|one| one.response.is_none() && one.ending != Ending::Excepted);
    vec![
        Warning {
            number: usize::from(report.log.continues_published == Some(false)),
            one: "published checkpoint is not continued by the log",
            many: "published checkpoints are not continued by the log",
            so: "What was recorded before it was published is not in this log, or was rewritten.",
            anchor: "verify-log",
        },
        Warning {
            number: report.provenance.contradictions.len(),
            one: "checkpoint that was signed for this log contradicts it",
            many: "checkpoints that were signed for this log contradict it",
            so: "Its key signed another history.",
            anchor: "verify-log",
        },
        Warning {
            number: report.log.time_anomalies.len(),
            one: "entry has times that can't all be right",
            many: "entries have times that can't all be right",
            so: "A clock was wrong or was set.",
            anchor: "time",
        },
        Warning {
            number: unbound_times.len(),
            one: "time in which records were not bound to their authors",
            many: "times in which records were not bound to their authors",
            so: "Who attested or approved then is what the record says, and nothing confirms it.",
            anchor: "identity",
        },
        Warning {
            number: unbound,
            one: "record was written while nothing bound it to its author",
            many: "records were written while nothing bound them to their authors",
            so: "They are marked where they are told, and nothing is concluded from them.",
            anchor: "criteria",
        },
        Warning {
            number: unapproved.count(),
            one: "suspension was approved by nobody",
            many: "suspensions were approved by nobody",
            so: "Nothing is concluded of that time.",
            anchor: "suspensions",
        },
        Warning {
            number: deviations().filter(|one| is_unseen(one)).count(),
            one: "deviation is no longer found and was not seen mended",
            many: "deviations are no longer found and were not seen mended",
            so: "They count as open.",
            anchor: "scope",
        },
        Warning {
            number: controls().map(|one| one.out_of_scope.len()).sum(),
            one: "item left the scope of a control",
            many: "items left the scope of a control",
            so: "Nobody judged them while they were outside.",
            anchor: "scope",
        },
        Warning {
            number: controls().filter(has_wildcard).count(),
            one: "control accepts or leaves out everything by a wildcard",
            many: "controls accept or leave out everything by a wildcard",
            so: "That no deviation was observed there says little.",
            anchor: "criteria",
        },
        Warning {
            number: report.exceptions.iter().filter(|one| one.after_the_fact).count(),
            one: "exception was approved after what it covers was found",
            many: "exceptions were approved after what they cover was found",
            so: "",
            anchor: "exceptions",
        },
        Warning {
            number: report.exceptions.iter().filter(|one| one.late).count(),
            one: "exception was asked for after what it covers was found",
            many: "exceptions were asked for after what they cover was found",
            so: "",
            anchor: "exceptions",
        },
        Warning {
            number: report
                .exceptions
                .iter()
                .filter(|one| one.wildcard && !one.active.is_empty())
                .count(),
            one: "exception names what it covers by a wildcard",
            many: "exceptions name what they cover by a wildcard",
            so: "It covers what is created later, too.",
            anchor: "exceptions",
        },
        Warning {
            number: attested(|one| one.backdated),
            one: "attestation is backdated",
            many: "attestations are backdated",
            so: "When it was performed is what the record says; when it was recorded is what the API server says.",
            anchor: "criteria",
        },
        Warning {
            number: report.criteria.iter().filter(|one| one.mapping_changed).count(),
            one: "criterion was served by other controls at the end than at the start",
            many: "criteria were served by other controls at the end than at the start",
            so: "Each is judged by the controls that served it at the time.",
            anchor: "criteria",
        },
        Warning {
            number: report.period_changes.iter().filter(|one| one.change == "Deleted").count(),
            one: "audit period about this time was deleted",
            many: "audit periods about this time were deleted",
            so: "Another report about it may have told more.",
            anchor: "periods",
        },
        Warning {
            number: silent.count(),
            one: "deviation has no response of management",
            many: "deviations have no response of management",
            so: "",
            anchor: "criteria",
        },
    ]
}

/// Whether a deviation is gone from sight without anybody having seen its end.
fn is_unseen(deviation: &Deviation) -> bool {
    deviation.is_open() && deviation.ending != Ending::Open
}
