//! The items that a control judged, by the newest list in the log.

use maud::{Markup, html};

use crate::{
    html::{
        pager::Paged,
        table::{short, table, text},
        text::{mono, number, outside, when},
    },
    model::PopulationItem,
    pages::Request,
    site::controls::KnownControl,
};

pub fn section(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    html! {
        section aria-labelledby="population" {
            h2 id="population" { "What it judges" }
            (body(request, control))
        }
    }
}

fn body(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let Some(log) = &request.site.log else {
        return html! {
            p.empty { strong { "No log was read." } " The lists of what was judged lie beside the evidence log; the status only has their length." }
        };
    };
    let listed = log.controls.get(control.name).and_then(|history| history.population.as_ref());
    let Some(listed) = listed else {
        return html! {
            p.empty {
                "The log has no list of what this control judged"
                @if log.controls_from > 0 { " in what was read of it, which begins with entry " (number(log.controls_from)) }
                "."
            }
        };
    };
    let read = request.site.population.as_ref();
    let read = read.filter(|read| read.control == control.name && read.digest == listed.digest);
    html! {
        p {
            "A list of " (number(listed.count)) " items was recorded at " (when(listed.at, request.site.now))
            " by entry " (number(listed.entry)) ". It lies beside the log under its SHA-256, "
            (mono(&listed.digest)) "."
        }
        @match read.map(|read| &read.items) {
            None => p.empty { "The list was not read." },
            Some(Err(why)) => p.empty { strong { "The list can't be read." } " " (outside(why)) },
            Some(Ok(items)) => (table_of(request, items)),
        }
    }
}

fn table_of(request: &Request<'_>, items: &[PopulationItem]) -> Markup {
    let paged = Paged::new(items, request.query.page("page"));
    let rows = paged.rows.iter().map(|item| {
        let resource = &item.resource;
        vec![
            outside(&resource.name),
            outside(&resource.kind),
            html! { @if let Some(namespace) = &resource.namespace { (outside(namespace)) } @else { "–" } },
            outside(&resource.api_version),
            html! { @if let Some(uid) = &item.uid { (mono(uid)) } @else { "–" } },
        ]
    });
    let columns =
        [text("Name"), short("Kind"), text("Namespace"), text("API version"), text("UID")];
    html! {
        (table("Items that were judged", &columns, rows.collect()))
        (paged.links("items", request.pager(&["events"], "page", "population")))
    }
}
