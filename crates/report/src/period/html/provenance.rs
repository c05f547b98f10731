//! Where the report comes from, how to check it, and how to make it again.

use comptroller_vocabulary::lines_in_full;
use maud::{Markup, html};

use super::{
    page::Page,
    table::HtmlTable,
    text::{count, mono, outside, time},
    words::flag,
};
use crate::period::{
    digest,
    model::{ContradictedCheckpoint, Cosignature, OperatorReport, PeriodReport},
};

/// The most operators, or cosignatures, that are listed.
const MAX_ROWS: usize = 100;

/// The longest command line of an operator that is shown, in flags.
const MAX_FLAGS: usize = 60;

pub fn section(page: &Page<'_>) -> Markup {
    let report = page.report;
    html! {
        section aria-labelledby="provenance" {
            h2.flow id="provenance" { "Provenance and verification" }
            (facts(report))
            (operators(&report.provenance.operators))
            (published(report))
            (contradictions(&report.provenance.contradictions))
            (cosignatures(&report.provenance.cosignatures))
            (instructions(report))
        }
    }
}

/// Who wrote the log.
fn operators(operators: &[OperatorReport]) -> Markup {
    let table = HtmlTable {
        caption: "Who wrote the log: each start of the operator",
        heads: &["From (UTC)", "Image and version", "Command line", "User and node", "Entry"],
        wide: true,
        total: operators.len(),
    };
    let flags = |one: &OperatorReport| {
        one.flags.iter().take(MAX_FLAGS).cloned().collect::<Vec<_>>().join(" ")
    };
    html! {
        @if operators.is_empty() {
            p { "No entry says which program wrote the log." }
        } @else {
            (table.with(operators.iter().take(MAX_ROWS).map(|one| html! {
                tr {
                    th.time scope="row" { (time(one.from)) span.sub { (outside(&one.instance)) } }
                    td {
                        @if let Some(image) = &one.image { (mono(image)) } @else { "image not recorded" }
                        span.sub { "version " (outside(&one.version)) }
                    }
                    td { @if one.flags.is_empty() { "not recorded" } @else { (mono(&flags(one))) } }
                    td {
                        @if let Some(user) = &one.user { (mono(user)) } @else { "user not recorded" }
                        @if let Some(node) = &one.node { span.sub { "node " (outside(node)) } }
                    }
                    td { (one.entry) }
                }
            })))
        }
    }
}

/// Whether the log continues what others knew of it, and on how many days somebody outside did.
fn published(report: &PeriodReport) -> Markup {
    let log = &report.log;
    html! {
        h3 id="verify-log" { "What others know of the log" }
        p {
            @match (log.continues_published, &log.published) {
                (Some(true), Some(_)) => "Each time that the operator opened the log, it continued the checkpoint that was found published.",
                (Some(true), None) => "Each time that the operator opened the log, nothing that was published contradicted it.",
                (Some(false), _) => {
                    (flag("Not continued")) " A checkpoint that was found published is not continued by this log: what it had then is missing here, or was rewritten. Ask for the log that it belongs to."
                },
                (None, Some(_)) => "A checkpoint was found published; no entry says whether the log continues it.",
                (None, None) => "No checkpoint was found published when the log was opened, or no entry says so.",
            }
        }
        @if let Some(published) = &log.published {
            p.note { @if log.continues_published == Some(false) { "The checkpoint that is not continued:" } @else { "The newest that was found:" } }
            pre { (lines_in_full(published)) }
        }
        p {
            (log.vouched_days) " of " (count(usize::try_from(log.days).unwrap_or(usize::MAX), "day is", "days are"))
            " vouched for from outside: on so many a witness signed a checkpoint of this log. "
            (log.policy.words())
            " For the other days, the log shows its order and that nothing was changed after the next signature of somebody else, and not that its key's holder did not make it up."
        }
    }
}

/// What was signed for the log, and that it does not continue.
fn contradictions(contradictions: &[ContradictedCheckpoint]) -> Markup {
    html! {
        @for one in contradictions.iter().take(MAX_ROWS) {
            p {
                (flag("Contradicted")) " A checkpoint of " (one.log_size) " entries that was signed for this log contradicts it: "
                (outside(&one.reason))
            }
            pre { (lines_in_full(&one.checkpoint)) }
        }
        @if contradictions.len() > MAX_ROWS {
            p.note { "and " (contradictions.len() - MAX_ROWS) " more, in the JSON" }
        }
    }
}

fn cosignatures(cosignatures: &[Cosignature]) -> Markup {
    let table = HtmlTable {
        caption: "What witnesses signed",
        heads: &["Signed (UTC)", "Witness", "Entries of the log then"],
        wide: false,
        total: cosignatures.len(),
    };
    html! {
        @if !cosignatures.is_empty() {
            // The newest first: they say most.
            (table.with(cosignatures.iter().rev().take(MAX_ROWS).map(|one| html! {
                tr {
                    th.time scope="row" { (time(one.at)) }
                    td { (mono(&one.witness)) }
                    td { (one.log_size) }
                }
            }).collect::<Vec<_>>().into_iter()))
        }
    }
}

/// Whether the period was over when the report was made.
fn is_final(report: &PeriodReport) -> bool {
    report.period.span.is_over(report.provenance.run_at)
}

fn facts(report: &PeriodReport) -> Markup {
    let from = &report.provenance;
    let label = if is_final(report) {
        "Digest of the report: the same for the same period of the same log, whoever makes it"
    } else {
        "Digest of this report: until the period is over, each later report has another"
    };
    html! {
        dl.facts {
            div.all { dt { "Source" } dd { (mono(&from.source)) } }
            div.all { dt { "Origin of the log" } dd { (mono(&from.origin)) } }
            div.all { dt { "Cluster (uid of kube-system)" } dd { (mono(&from.cluster)) } }
            div { dt { "Entries in the log" } dd { (from.log_size) } }
            div { dt { "First entry read" } dd { (from.first_entry) } }
            div { dt { "Run at (UTC)" } dd { (time(from.run_at)) } }
            div { dt { "Run by" } dd { (outside(&from.run_by)) } }
            div { dt { "Program" } dd { "comptroller " (outside(&from.version)) } }
            div.all { dt { "Completeness" } dd { (outside(&from.completeness)) } }
            div.all { dt { "What was verified" } dd { (outside(&from.verification)) } }
            @if let Ok(digest) = digest(report) {
                div.all {
                    dt { (label) }
                    dd { (mono(&digest)) }
                }
            }
        }
    }
}

fn instructions(report: &PeriodReport) -> Markup {
    let from = &report.provenance;
    html! {
        h3 id="verify" { "To verify it yourself" }
        ol.steps {
            li {
                "Get the verifier key from somebody other than the people who run the operator, and compare it with the one that this report was checked with:"
                pre { (lines_in_full(&from.verifier_key)) }
            }
            li {
                "Verify the log. This needs no cluster; every entry is hashed again, and the first that is wrong is named:"
                pre { (lines_in_full(&from.verify_command)) }
            }
            li {
                "Compare with the checkpoint below, on which this report rests. Save it to a file and give it as " code { "--since" }
                " to the same command: the log of today must then begin with the log of this report."
                pre { (lines_in_full(&from.checkpoint)) }
            }
            li {
                @if is_final(report) {
                    "Make the report again, and compare the digest:"
                } @else {
                    "Make the report again. The period was not over when this one was made: a later report covers the time up to its own making, so its digest differs."
                }
                pre { (lines_in_full(&from.command)) }
            }
            li {
                "The format is C2SP tlog-tiles, so other programs can verify the log too; an entry's number in this report is its index in the log."
            }
        }
        p.note {
            "The log is tamper-evident, not tamper-proof: it shows that an entry was changed, dropped or put in, to whoever holds an older checkpoint. It does not show that what was observed was all there was to observe."
        }
    }
}
