//! All controls: by criterion, those that no control serves among them; or as a list, filtered.

use std::{cmp::Reverse, collections::BTreeMap};

use comptroller_core::api::{
    Severity, State,
    criteria::{Category, EvidenceSource},
};
use comptroller_report::{
    gap::CriterionStanding,
    gap::{CriterionReadiness, ReadinessReport},
};
use maud::{Markup, html};

use super::{Missing, PageKind, Request, parts};
use crate::{
    html::{
        layout::Content,
        link,
        pager::Paged,
        state::{Tone, badge, state_word},
        table::{short, table, text},
        text::{clipped, count, number, outside},
    },
    site::controls::KnownControl,
};

pub const PAGE: PageKind = PageKind { path: "controls", menu: Some("Controls"), make };

/// How many controls a criterion names; the rest is a link away.
const NAMED: usize = 10;

/// How many criteria of other frameworks are shown; the rest is in the list.
const OTHERS: usize = 300;

/// The keys of the query that the pages of a list keep.
const KEEP: &[&str] = &["view", "q", "state", "severity", "owner", "criterion"];

/// What the query asks for.
struct Filter<'s> {
    text: Option<String>,
    state: Option<State>,
    severity: Option<Severity>,
    owner: Option<&'s str>,
    criterion: Option<&'s str>,
    /// Values that mean nothing, so that nothing was filtered by them.
    ignored: Vec<String>,
}

impl<'s> Filter<'s> {
    fn read(request: &Request<'s>) -> Self {
        let query = request.query;
        let mut ignored = Vec::new();
        let state = one_of(query.get("state"), State::ALL, |one| one.as_str(), &mut ignored);
        let severity =
            one_of(query.get("severity"), Severity::ALL, |one| one.as_str(), &mut ignored);
        Self {
            text: query.get("q").map(str::to_lowercase),
            state,
            severity,
            owner: query.get("owner"),
            criterion: query.get("criterion"),
            ignored,
        }
    }

    fn is_set(&self) -> bool {
        self.text.is_some()
            || self.state.is_some()
            || self.severity.is_some()
            || self.owner.is_some()
            || self.criterion.is_some()
    }

    fn admits(&self, control: &KnownControl<'_>) -> bool {
        let spec = &control.control.spec;
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        self.state.is_none_or(|wanted| control.state() == wanted)
            && self.severity.is_none_or(|wanted| spec.severity == wanted)
            && self.owner.is_none_or(|wanted| spec.owner == wanted)
            && self
                .criterion
                .is_none_or(|wanted| spec.criteria.iter().any(|one| one.as_str() == wanted))
            && self.text.as_deref().is_none_or(|part| {
                has(control.name, part)
                    || has(&spec.title, part)
                    || has(&spec.owner, part)
                    || spec.objective.as_deref().is_some_and(|text| has(text, part))
                    || spec.criteria.iter().any(|one| has(one.as_str(), part))
            })
    }
}

/// The value of a name; one that means nothing is remembered.
fn one_of<T: Copy>(
    given: Option<&str>,
    all: &[T],
    name: impl Fn(&T) -> &'static str,
    ignored: &mut Vec<String>,
) -> Option<T> {
    let given = given?;
    let found = all.iter().find(|one| name(one).eq_ignore_ascii_case(given)).copied();
    if found.is_none() {
        ignored.push(given.to_owned());
    }
    found
}

fn make(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let filter = Filter::read(request);
    let as_list = filter.is_set() || request.query.get("view") == Some("list");
    let body = html! {
        (form(request, &filter))
        @for value in &filter.ignored {
            p.empty { "“" (outside(value)) "” is none of the values to choose from, so nothing was filtered by it." }
        }
        @if request.controls.all.is_empty() {
            (parts::nothing(request, &request.site.controls, &html! { "There are no controls. " code { "comptroller pack" } " prints the built-in ones." }))
        }
        @if as_list { (flat(request, &filter)) } @else { (by_criterion(request)) }
    };
    Ok(Content::new("Controls", body))
}

fn form(request: &Request<'_>, filter: &Filter<'_>) -> Markup {
    let mut owners: Vec<&str> =
        request.controls.all.iter().map(|one| one.control.spec.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    html! {
        search {
            form.filter method="get" action="/ui/controls" {
                div {
                    label for="q" { "Text" }
                    input id="q" name="q" type="search" value=[request.query.get("q").map(clipped)] placeholder="Name, title, owner or criterion";
                }
                div {
                    label for="state" { "State" }
                    select id="state" name="state" {
                        option value="" { "Any" }
                        @for one in State::ALL {
                            option value=(one) selected[filter.state == Some(*one)] { (state_word(*one)) }
                        }
                    }
                }
                div {
                    label for="severity" { "Severity" }
                    select id="severity" name="severity" {
                        option value="" { "Any" }
                        @for one in Severity::ALL.iter().rev() {
                            option value=(one) selected[filter.severity == Some(*one)] { (one) }
                        }
                    }
                }
                div {
                    label for="owner" { "Owner" }
                    input id="owner" name="owner" type="text" list="owners" autocomplete="off" value=[filter.owner.map(clipped)];
                    datalist id="owners" {
                        // As many as help; any other can be typed.
                        @for owner in owners.iter().take(200) { option value=(clipped(owner)) {} }
                    }
                }
                @if let Some(criterion) = filter.criterion {
                    div {
                        label for="criterion" { "Criterion" }
                        input id="criterion" name="criterion" type="text" value=(clipped(criterion));
                    }
                }
                div.buttons {
                    button type="submit" { "Show" }
                    @if filter.is_set() { a href="/ui/controls" { "Clear" } }
                }
            }
        }
    }
}

fn flat(request: &Request<'_>, filter: &Filter<'_>) -> Markup {
    let found: Vec<&KnownControl<'_>> =
        request.controls.all.iter().filter(|one| filter.admits(one)).collect();
    let paged = Paged::new(&found, request.query.page("page"));
    let rows = paged.rows.iter().map(|one| parts::control_row(one, request.site.now)).collect();
    html! {
        p.summary {
            (count(found.len(), "control", "controls")) " of " (number(request.controls.all.len()))
            ", what needs attention first. " a href="/ui/controls" { "All by criterion" }
        }
        @if !found.is_empty() {
            (table("Controls", parts::CONTROL_COLUMNS, rows))
            (paged.links("controls", request.pager(KEEP, "page", "")))
        } @else if !request.controls.all.is_empty() {
            p.empty { "No control is like that." }
        }
    }
}

fn by_criterion(request: &Request<'_>) -> Markup {
    let assessed = request.controls.all.iter().map(KnownControl::assessed).collect();
    let readiness = ReadinessReport::assess(assessed, &[], String::new(), Vec::new());
    let summary = &readiness.summary;
    html! {
        p.summary {
            (count(summary.covered, "criterion", "criteria")) " of the " (summary.criteria) " of SOC 2 "
            @if summary.covered == 1 { "is" } @else { "are" } " served by a control; "
            strong { (summary.not_covered) " by none" } ". "
            a href="/ui/controls?view=list" { "All controls as a list" }
        }
        @for category in &readiness.categories {
            @let rows: Vec<&CriterionReadiness> =
                readiness.criteria.iter().filter(|one| one.category == category.category).collect();
            @let id = category.category.as_str();
            section aria-labelledby=(id) {
                h2 id=(id) { (category_words(category.category)) }
                (table(
                    &format!(
                        "{} of {} criteria served, {} in order",
                        category.standings.covered, category.standings.criteria, category.standings.passing,
                    ),
                    &[text("Criterion"), short("Standing"), text("Evidence"), text("Controls that serve it")],
                    rows.into_iter().map(|one| criterion_row(request, one)).collect(),
                ))
            }
        }
        (other_frameworks(request))
    }
}

fn criterion_row(request: &Request<'_>, criterion: &CriterionReadiness) -> Vec<Markup> {
    let standing = match criterion.standing {
        CriterionStanding::Passing => badge(Tone::Good, "In order"),
        CriterionStanding::Failing => badge(Tone::Bad, "Failing"),
        CriterionStanding::Unknown => badge(Tone::Unknown, "Unknown"),
        CriterionStanding::NotCovered => badge(Tone::Neutral, "No control"),
    };
    let mut serving: Vec<&KnownControl<'_>> =
        criterion.controls.iter().filter_map(|one| request.controls.get(&one.name)).collect();
    sort(&mut serving);
    vec![
        html! { span.id { (criterion.id) } " " (criterion.title) },
        standing,
        html! {
            (evidence_words(criterion.evidence))
            @if criterion.without_people { span.sub { "no control asks people" } }
        },
        html! {
            @if serving.is_empty() { "No control serves it." }
            @else { (serving_list(&serving, criterion.id)) }
        },
    ]
}

/// What needs attention first.
fn sort(serving: &mut [&KnownControl<'_>]) {
    use crate::site::controls::urgency;
    serving.sort_by_key(|one| (urgency(one.state()), Reverse(one.severity()), one.name));
}

fn serving_list(serving: &[&KnownControl<'_>], criterion: &str) -> Markup {
    let query = link::Query::default();
    html! {
        ul.plain.states {
            @for one in serving.iter().take(NAMED) {
                li {
                    (crate::html::state::state(one.state())) " "
                    @if let Some(path) = link::path(&["controls", one.name]) {
                        a href=(path) { (outside(&one.control.spec.title)) }
                    } @else { (outside(&one.control.spec.title)) }
                }
            }
            @if serving.len() > NAMED {
                li {
                    a href=(query.link("/ui/controls", &[], "criterion", criterion)) {
                        "All " (number(serving.len())) " that serve it"
                    }
                }
            }
        }
    }
}

/// What the controls serve besides SOC 2.
fn other_frameworks(request: &Request<'_>) -> Markup {
    let mut others: BTreeMap<&str, Vec<&KnownControl<'_>>> = BTreeMap::new();
    for control in &request.controls.all {
        for criterion in &control.control.spec.criteria {
            if criterion.soc2().is_none() {
                others.entry(criterion.as_str()).or_default().push(control);
            }
        }
    }
    let left = others.len().saturating_sub(OTHERS);
    html! {
        @if !others.is_empty() {
            section aria-labelledby="others" {
                h2 id="others" { "Other frameworks" }
                @let rows = others.iter().take(OTHERS).map(|(id, serving)| {
                    vec![html! { span.id { (outside(id)) } }, serving_list(serving, id)]
                });
                (table("What the controls serve besides SOC 2", &[text("Criterion"), text("Controls that serve it")], rows.collect()))
                @if left > 0 {
                    p { "And " (count(left, "more criterion", "more criteria")) ": " a href="/ui/controls?view=list" { "the list" } " names them." }
                }
            }
        }
    }
}

fn category_words(category: Category) -> &'static str {
    match category {
        Category::Security => "Security (the common criteria)",
        Category::ProcessingIntegrity => "Processing integrity",
        category => category.as_str(),
    }
}

fn evidence_words(source: EvidenceSource) -> &'static str {
    match source {
        EvidenceSource::Cluster => "The cluster shows it",
        EvidenceSource::Both => "The cluster and people",
        EvidenceSource::Human => "Only people can show it",
    }
}
