//! Where the report comes from, how to check it, and how to make it again.

use maud::{Markup, html};

use super::text::{lines, mono, outside, time};
use crate::period::{digest, model::PeriodReport};

pub fn section(report: &PeriodReport) -> Markup {
    html! {
        section aria-labelledby="provenance" {
            h2 id="provenance" { "Provenance and verification" }
            (facts(report))
            (instructions(report))
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
                pre { (lines(&from.verifier_key)) }
            }
            li {
                "Verify the log. This needs no cluster; every entry is hashed again, and the first that is wrong is named:"
                pre { (lines(&from.verify_command)) }
            }
            li {
                "Compare with the checkpoint below, on which this report rests. Save it to a file and give it as " code { "--since" }
                " to the same command: the log of today must then begin with the log of this report."
                pre { (lines(&from.checkpoint)) }
            }
            li {
                @if is_final(report) {
                    "Make the report again, and compare the digest:"
                } @else {
                    "Make the report again. The period was not over when this one was made: a later report covers the time up to its own making, so its digest differs."
                }
                pre { (lines(&from.command)) }
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
