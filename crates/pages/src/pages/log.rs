//! The evidence log: how far it reaches, whether it was verified, who vouches for it, and how to verify
//! it oneself.

use comptroller_report::shell_word;
use comptroller_vocabulary::lines_in_full;
use maud::{Markup, html};

use super::{Missing, PageKind, Request};
use crate::{
    html::{
        layout::Content,
        pager::Paged,
        state::{Tone, badge},
        table::{amount, facts, short, table, text},
        text::{ago, command, length, list, mono, number, outside, time, when},
    },
    model::{LogView, Site, Verification},
};

pub const PAGE: PageKind = PageKind { path: "log", menu: Some("Evidence log"), make };

/// The keys of the query that the pages of a list keep.
const KEEP: &[&str] = &["gaps", "days"];

fn make(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let site = request.site;
    let body = html! {
        @match &site.log {
            None => {
                p.lead { (no_log()) }
                (published(site))
                (verify(None))
            },
            Some(log) => {
                (status(site, log))
                (checkpoints(site, log))
                (witnesses(request, log))
                (gaps(request, log))
                (operators(request, log))
                (verify(Some(log)))
            },
        }
    };
    Ok(Content::new("Evidence log", body))
}

/// What the first page says of the log.
pub fn in_short(site: &Site) -> Markup {
    let Some(log) = &site.log else {
        return html! { p.empty { (no_log()) } };
    };
    html! {
        p {
            (verification(site, log)) " "
            "The log has " (number(log.size)) " entries"
            @if let Some(last) = log.last_at { ", the newest from " (ago(last, site.now)) }
            ". "
            @match log.witnesses.days.last() {
                Some(day) => { "Witnesses last vouched for it on " time datetime=(day.day) { (day.day) } "." }
                None => { "No witness vouches for it: whoever holds its key could have made it up." }
            }
        }
    }
}

fn no_log() -> Markup {
    html! {
        strong { "No evidence log was read." }
        " What these pages show comes from the objects of the cluster as they are now. Nothing of it is proved by a log, and nothing is said of the past."
    }
}

fn verification(site: &Site, log: &LogView) -> Markup {
    match &log.verification {
        Verification::NotTried => badge(Tone::Unknown, "Not verified here"),
        Verification::Verified { size, .. } if *size < log.size => html! {
            (badge(Tone::Warn, "Partly verified"))
        },
        Verification::Verified { key_given: false, .. } => {
            badge(Tone::Warn, "Whole, by its own key")
        }
        Verification::Verified { .. } => badge(Tone::Good, "Verified"),
        Verification::Bad { at, .. } => html! {
            (badge(Tone::Bad, "Wrong")) " found " (ago(*at, site.now))
        },
        Verification::Unreadable { .. } => badge(Tone::Unknown, "Could not be read"),
    }
}

fn status(site: &Site, log: &LogView) -> Markup {
    html! {
        div.standing { p { (verification(site, log)) } p { (meaning(site, log)) } }
        (facts(vec![
            ("Entries", Some(html! { (number(log.size)) })),
            ("Newest entry", Some(html! { @if let Some(last) = log.last_at { (when(last, site.now)) } @else { "none" } })),
            ("Where it lies", Some(mono(&log.location))),
            ("Key that verifies it", log.verifier_key.as_deref().map(mono)),
        ]))
        @if log.controls_from > 0 {
            p.note {
                "The timelines of these pages begin with entry " (number(log.controls_from))
                ": what is older was not read for them. The reports read all of it."
            }
        }
    }
}

fn meaning(site: &Site, log: &LogView) -> Markup {
    html! {
        @match &log.verification {
            Verification::NotTried => { "Nobody has verified it here. The pages show what it says, not that it was not altered; below is how to check that." }
            Verification::Verified { at, size, key_given } => {
                (number(*size)) " entries were verified " (ago(*at, site.now)) ": each is as it was signed."
                @if *size < log.size { " The " (number(log.size - *size)) " after them were not." }
                @if !key_given { " The key was the one beside the log, which proves that the log is whole and not whose it is." }
            }
            Verification::Bad { index, reason, .. } => {
                strong { "The log is wrong" }
                @if let Some(index) = index { " from entry " (number(*index)) " on" }
                ": " (outside(reason)) " Do not rely on what these pages say of the past. Keep a copy of the log as it is and of the checkpoints below."
            }
            Verification::Unreadable { at, reason } => {
                "It was tried " (ago(*at, site.now)) " and failed: " (outside(reason)) " That says nothing of whether the log is right."
            }
        }
    }
}

fn checkpoints(site: &Site, log: &LogView) -> Markup {
    html! {
        section aria-labelledby="checkpoint" {
            h2 id="checkpoint" { "The checkpoint" }
            @match &log.checkpoint {
                Some(text) => {
                    p { "The signed size and root of the log. Whoever keeps a copy can show later that nothing before it was changed." }
                    (checkpoint(text))
                },
                None => p.empty { "The log has none yet." },
            }
        }
        @if site.published_checkpoint.is_some() && site.published_checkpoint != log.checkpoint { (published(site)) }
    }
}

fn published(site: &Site) -> Markup {
    html! {
        section aria-labelledby="published" {
            h2 id="published" { "The checkpoint in the cluster" }
            @match &site.published_checkpoint {
                Some(text) => {
                    p { "As the operator last published it, out of reach of who can write the log. The log must continue it." }
                    (checkpoint(text))
                },
                None => p.empty { "None is published, or it may not be read." },
            }
        }
    }
}

/// A checkpoint to copy, byte for byte.
pub fn checkpoint(text: &str) -> Markup {
    html! { pre.checkpoint { code { (lines_in_full(text)) } } }
}

fn witnesses(request: &Request<'_>, log: &LogView) -> Markup {
    let witnesses = &log.witnesses;
    let newest: Vec<_> = witnesses.days.iter().rev().collect();
    let paged = Paged::new(&newest, request.query.page("days"));
    let rows = paged.rows.iter().map(|day| {
        vec![
            html! { time datetime=(day.day) { (day.day) } },
            html! { (number(day.size)) },
            list(day.witnesses.iter().map(String::as_str), 20),
        ]
    });
    html! {
        section aria-labelledby="witnesses" {
            h2 id="witnesses" { "Witnesses" }
            @for contradiction in &witnesses.contradictions {
                p.wanting { strong { "The log does not continue what others saw." } " " (outside(contradiction)) }
            }
            @if witnesses.names.is_empty() {
                p.empty { "There are none. Without a witness, whoever holds the key of the log can make up a past." }
            } @else {
                p { "Who is believed: " (list(witnesses.names.iter().map(String::as_str), 20)) "." }
            }
            @if newest.is_empty() && !witnesses.names.is_empty() {
                p.empty { "Not enough of them have seen the log on any day." }
            } @else if !newest.is_empty() {
                (table("Days on which enough witnesses saw the log, the newest first", &[short("Day"), amount("Entries"), text("Witnesses")], rows.collect()))
                (paged.links("days", request.pager(KEEP, "days", "witnesses")))
            }
        }
    }
}

fn gaps(request: &Request<'_>, log: &LogView) -> Markup {
    let newest: Vec<_> = log.gaps.iter().rev().collect();
    let paged = Paged::new(&newest, request.query.page("gaps"));
    let now = request.site.now;
    let rows = paged.rows.iter().map(|gap| {
        vec![
            when(gap.from, now),
            time(gap.to),
            html! { (length(gap.to.duration_since(gap.from))) },
            html! {
                (outside(&gap.reason))
                @if let Some(cause) = gap.cause { span.sub { (cause.meaning()) } }
            },
            html! { (number(gap.entry)) },
        ]
    });
    html! {
        section aria-labelledby="gaps" {
            h2 id="gaps" { "Gaps" }
            @if newest.is_empty() {
                p.empty { "The log names no time in which nobody looked at the whole cluster. Gaps of single controls are on their pages." }
            } @else {
                (table(
                    "Times of which nobody can vouch for any control, the newest first",
                    &[short("From"), short("To"), short("Length"), text("Why"), amount("Entry")],
                    rows.collect(),
                ))
                (paged.links("gaps", request.pager(KEEP, "gaps", "gaps")))
                @if log.earlier_gaps > 0 { p.note { "And " (number(log.earlier_gaps)) " earlier ones, in the reports." } }
            }
        }
    }
}

fn operators(request: &Request<'_>, log: &LogView) -> Markup {
    let rows = log.operators.iter().rev().map(|one| {
        vec![
            when(one.from, request.site.now),
            mono(&one.instance),
            outside(&one.version),
            html! { @if let Some(image) = &one.image { (mono(image)) } @else { "–" } },
            html! { (number(one.entry)) },
        ]
    });
    html! {
        section aria-labelledby="operators" {
            h2 id="operators" { "Who wrote it" }
            @if log.operators.is_empty() { p.empty { "No start of an operator is in what was read of the log." } }
            @else {
                (table(
                    "Operators, the newest first",
                    &[short("Since"), text("Instance"), short("Version"), text("Image"), amount("Entry")],
                    rows.collect(),
                ))
            }
        }
    }
}

fn verify(log: Option<&LogView>) -> Markup {
    let location =
        log.map_or("URL-OR-DIRECTORY".into(), |log| shell_word(&log.location).into_owned());
    html! {
        section aria-labelledby="verify" {
            h2 id="verify" { "Verify it yourself" }
            p { "On a machine that you trust, with a key that you did not get from beside the log and a checkpoint that you kept from before:" }
            (command(&format!("comptroller evidence verify {location} --key VERIFIER-KEY --since CHECKPOINT-FILE")))
            p { "It exits with 0 if every entry is as it was signed and the log continues your checkpoint, and with 1 and the first entry that is wrong if not. The published checkpoint is in the cluster:" }
            (command("kubectl get configmap -n comptroller-system comptroller-evidence -o jsonpath='{.data.checkpoint}'"))
            p { code { "comptroller-verify" } " does the same and knows neither Kubernetes nor this product's API." }
        }
    }
}
