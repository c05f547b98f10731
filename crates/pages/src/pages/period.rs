//! One audit period: what its status says, by which threshold, and the report to download.

use comptroller_core::api::{AuditPeriod, PeriodControls, PeriodPhase, ReportType};
use comptroller_report::shell_word;
use maud::{Markup, html};

use super::{Missing, PageKind, Request, log::checkpoint, periods};
use crate::html::{
    layout::Content,
    link,
    state::{Tone, badge, period_phase},
    table::{amount, facts, table, text},
    text::{ago, clipped, command, list, mono, number, outside, paragraphs},
};

pub const PAGE: PageKind = PageKind { path: "periods/*", menu: None, make };

/// The formats of the report that a browser can download, with what each is for.
const DOWNLOADS: &[(&str, &str, &str)] = &[
    ("html", "HTML", "One page to read and to print"),
    ("csv", "CSV", "Tables for a spreadsheet"),
    ("json", "JSON", "Everything, for a program"),
    ("oscal", "OSCAL", "Assessment results for a GRC tool"),
];

fn make(request: &Request<'_>, names: &[&str]) -> Result<Content, Missing> {
    let name = names.first().copied().unwrap_or_default();
    let source = &request.site.periods;
    let Some(period) = source.items.iter().find(|one| one.metadata.name.as_deref() == Some(name))
    else {
        return Err(Missing::object("audit period", name, source));
    };
    let status = period.status.clone().unwrap_or_default();
    let spec = &period.spec;
    let categories: Vec<&str> = spec.categories().iter().map(|one| one.as_str()).collect();
    let body = html! {
        div.standing {
            (period_phase(status.phase))
            p { (status.phase.meaning()) }
        }
        @for one in status.conditions.iter().filter(|one| one.status != "True" || one.type_ != "Ready") {
            p.wanting {
                strong { (outside(&one.type_)) " is " (outside(&one.status)) } ", "
                (ago(one.last_transition_time.0, request.site.now)) ": " (outside(&one.message))
            }
        }
        (facts(vec![
            ("Time", Some(periods::span(period))),
            ("Company", spec.description.company.as_deref().map(outside)),
            ("System", spec.description.system.as_ref().map(|system| outside(&system.name))),
            ("Categories", Some(html! { (categories.join(", ")) })),
            ("For", (!spec.auditors.is_empty()).then(|| list(spec.auditors.iter().map(String::as_str), 20))),
        ]))
        @if let Some(description) = spec.description.system.as_ref().and_then(|system| system.description.as_deref()) {
            (paragraphs(description))
        }
        (conclusions(period))
        (downloads(request, name))
        section aria-labelledby="proof" {
            h2 id="proof" { "What it rests on" }
            (facts(vec![
                ("Entries of the log", status.log_size.map(|size| html! { (number(size)) })),
                ("Digest of the report", status.report_digest.as_deref().map(mono)),
            ]))
            @match &status.checkpoint {
                Some(text) => {
                    p { "The signed checkpoint that the summary is based on. Keep a copy elsewhere: on any later day the log must begin with what it covers." }
                    (checkpoint(text))
                },
                None => p.empty { "No checkpoint of a log is named, so nothing here is proved by one." },
            }
        }
        section aria-labelledby="commands" {
            h2 id="commands" { "On the command line" }
            @let word = shell_word(name);
            (command(&format!("kubectl get auditperiod {word} -o yaml")))
            (command(&format!("comptroller report {word} -o html > report.html")))
        }
    };
    let above = html! { p.eyebrow { a href="/ui/periods" { "Audit periods" } } };
    Ok(Content { title: clipped(name), above, body })
}

fn conclusions(period: &AuditPeriod) -> Markup {
    let Some(status) = &period.status else {
        return html! { p.empty { "Nobody has summed it up yet, so nothing is concluded." } };
    };
    let spec = &period.spec;
    html! {
        section aria-labelledby="conclusions" {
            h2 id="conclusions" { "What the log says" }
            @if status.phase == PeriodPhase::Open { p { "The period is open: these numbers are of now, and will change." } }
            @match &status.controls {
                None => p.empty { strong { "Nothing is concluded." } " The status has no numbers; the conditions say why." },
                Some(controls) => (table(
                    "Controls by what was concluded",
                    &[text("Conclusion"), amount("Controls"), text("What it means")],
                    rows(controls),
                )),
            }
            (facts(vec![
                ("Time with evidence", status.coverage.as_deref().map(outside)),
                ("Deviations", status.deviations.map(|amount| html! { (number(amount)) })),
                ("Of them open", status.open_deviations.map(|amount| html! { (number(amount)) })),
            ]))
            @if spec.type_ == ReportType::TypeII {
                p.note {
                    "By the threshold of this period, nothing is concluded of a control that was observed for less than "
                    (spec.minimum_observation()) " % of the time"
                    @if spec.minimum_observation.is_none() { " (the default)" }
                    ": it is not determinable, and not a pass."
                }
            }
        }
    }
}

fn rows(controls: &PeriodControls) -> Vec<Vec<Markup>> {
    let row = |tone, word, amount: i64, meaning: &str| {
        vec![badge(tone, word), html! { (number(amount)) }, html! { (meaning) }]
    };
    vec![
        row(
            Tone::Bad,
            "Deviation observed",
            controls.deviation_observed,
            "They did not hold at least once.",
        ),
        row(
            Tone::Unknown,
            "Not determinable",
            controls.not_determinable,
            "Too little was observed to say whether they held.",
        ),
        row(
            Tone::Accepted,
            "Accepted risk",
            controls.accepted_risk,
            "They did not deviate only because exceptions accept what was found.",
        ),
        row(
            Tone::Good,
            "No deviation observed",
            controls.no_deviation_observed,
            "Enough was observed, and nothing else than what they ask.",
        ),
        row(
            Tone::Neutral,
            "Not due",
            controls.not_due,
            "They had nothing to judge, or fell due at another time.",
        ),
    ]
}

fn downloads(request: &Request<'_>, name: &str) -> Markup {
    let path = link::path(&["periods", name]);
    html! {
        section aria-labelledby="report" {
            h2 id="report" { "The report" }
            @match (&request.site.log, path) {
                (Some(_), Some(path)) => ul.downloads {
                    @for (format, word, what) in DOWNLOADS {
                        li {
                            a href={ (path) "/report." (format) } download { "Download as " (word) }
                            span.sub { (what) }
                        }
                    }
                },
                _ => p.empty {
                    strong { "No log was read." } " A report is made from the evidence log alone; the command below makes it where the log is."
                },
            }
        }
    }
}
