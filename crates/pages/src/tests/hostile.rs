//! Names that somebody chose to break the pages.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::dom::{Document, parse};
use crate::{
    ServedBy, Site, report_download, respond,
    testing::{addresses, hostile, large, sample, unknown},
};

/// Whatever a page is made of: these alone are ours.
const ELEMENTS: &[&str] = &[
    "a",
    "bdi",
    "body",
    "button",
    "caption",
    "circle",
    "code",
    "datalist",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "input",
    "ins",
    "label",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "option",
    "p",
    "path",
    "pre",
    "rect",
    "search",
    "section",
    "select",
    "span",
    "strong",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
    "wbr",
];

/// What must hold of every page, whoever wrote the texts in it.
fn assert_sound(site: &Site, address: &str) -> Document {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let page = respond(site, path, query);
    let document = parse(&page.body);
    assert_eq!(document.errors, Vec::<String>::new(), "{address}");
    let mut ids = BTreeSet::new();
    for element in &document.elements {
        assert!(ELEMENTS.contains(&element.name.as_str()), "{address}: <{}>", element.name);
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && name != "style", "{address}: {name}={value}");
            assert!(
                !value.chars().any(comptroller_vocabulary::is_hidden),
                "{address}: {name}={value:?}"
            );
        }
        if let Some(id) = element.get("id") {
            assert!(ids.insert(id.to_owned()), "{address}: id {id} is there twice");
        }
    }
    for element in &document.elements {
        for name in ["aria-labelledby", "for", "list"] {
            if let Some(id) = element.get(name) {
                assert!(ids.contains(id), "{address}: {name}={id}");
            }
        }
    }
    let hidden = |c: char| comptroller_vocabulary::is_hidden(c) && c != '\n';
    assert!(!document.text.chars().any(hidden), "{address}");
    assert_headings(&document, address);
    document
}

/// One heading of the first level, and none that skips a level.
fn assert_headings(document: &Document, address: &str) {
    let levels: Vec<u32> = document
        .elements
        .iter()
        .filter_map(|element| element.name.strip_prefix('h')?.parse().ok())
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{address}: {levels:?}");
    assert_eq!(levels.first(), Some(&1), "{address}: {levels:?}");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{address}: {levels:?}");
}

/// Every address that a page links to, apart from places on itself.
fn links(document: &Document) -> BTreeSet<String> {
    let targets = document.elements.iter().filter_map(|element| match element.name.as_str() {
        "a" | "link" => element.get("href"),
        "form" => element.get("action"),
        _ => None,
    });
    targets
        .filter(|link| !link.starts_with('#') && *link != "data:,")
        .map(|link| link.split('#').next().unwrap().to_owned())
        .collect()
}

fn assert_links_lead_to_pages(site: &Site, from: &str, document: &Document) {
    for link in links(document) {
        assert!(link.starts_with("/ui/"), "{from}: {link}");
        let (path, query) = link.split_once('?').unwrap_or((&link, ""));
        if let Some((period, format)) = report_download(path) {
            assert!(
                site.periods.items.iter().any(|one| one.metadata.name.as_ref() == Some(&period))
            );
            let formats = comptroller_report::period::FORMATS;
            assert!(formats.iter().any(|known| known.name == format), "{link}");
            continue;
        }
        assert_eq!(respond(site, path, query).status, 200, "{from} links {link}");
    }
}

#[test]
fn every_link_leads_to_a_page() {
    for site in [sample(), unknown(), hostile("a/b?c=d&e#f%<g>\"'")] {
        for (_, address) in addresses(&site) {
            let document = assert_sound(&site, &address);
            assert_links_lead_to_pages(&site, &address, &document);
        }
    }
}

#[test]
fn pages_stay_small_in_a_large_cluster() {
    let site = large(1_000);
    for (name, address) in addresses(&site).into_iter().take(20) {
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let page = respond(&site, path, query);
        assert!(page.body.len() < 400_000, "{name}: {}", page.body.len());
    }
    let document = assert_sound(&site, "/ui/controls/control-00001?page=3&events=2");
    assert_links_lead_to_pages(&site, "control", &document);
}

#[test]
fn addresses_that_nobody_made_are_answered() {
    let site = sample();
    for (path, status) in [
        ("/ui", 308),
        ("/ui/controls/", 308),
        ("/ui/style.css", 200),
        ("/ui//", 404),
        ("/ui/%", 404),
        ("/ui/%ff", 404),
        ("/ui/controls/%2e%2e", 404),
        ("/ui/controls/a/b", 404),
        ("/ui/registers/none", 404),
        ("/ui/registers/controls/x", 404),
        ("/metrics", 404),
        ("", 404),
    ] {
        assert_eq!(respond(&site, path, "").status, status, "{path}");
    }
    assert_eq!(respond(&site, "/ui/controls/", "").location.unwrap(), "/ui/controls");
}

/// Texts with what HTML, URLs, shells and terminals would interpret.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        proptest::collection::vec(
            prop_oneof![
                Just("</td></table>"),
                Just("<script>alert(1)</script>"),
                Just("\" onfocus=\""),
                Just("'"),
                Just("&amp;"),
                Just("&#0;"),
                Just("<!--"),
                Just("]]>"),
                Just("</title>"),
                Just("</textarea>"),
                Just("\u{202e}"),
                Just("\u{0}"),
                Just("\u{1b}[31m"),
                Just("\r\n"),
                Just("\u{feff}"),
                Just("%2e%2e/"),
                Just("javascript:alert(1)"),
                Just("ä"),
                Just("\u{10ffff}"),
                Just("<svg/onload=x>"),
                Just("#"),
                Just("?"),
            ],
            0..6
        )
        .prop_map(|parts| parts.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_text_becomes_markup(text in text()) {
        let mut site = hostile(&text);
        site.served_by = ServedBy::Operator { instance: text.clone(), version: text.clone(), leads: false };
        for (_, address) in addresses(&site) {
            assert_sound(&site, &address);
        }
    }

    #[test]
    fn no_name_breaks_a_page(name in text(), query in text()) {
        let mut site = sample();
        let mut control = (*site.controls.items[0]).clone();
        control.metadata.name = Some(name.clone());
        control.spec.criteria.push(comptroller_core::api::Criterion::new(name.clone()));
        site.controls.items.push(control.into());
        let mut exception = (*site.exceptions.items[0]).clone();
        exception.metadata.name = Some(name.clone());
        exception.spec.controls.push(name.clone());
        site.exceptions.items.push(exception.into());
        for address in ["/ui/", "/ui/controls", "/ui/controls?view=list", "/ui/exceptions", "/ui/registers/controls"] {
            let document = assert_sound(&site, address);
            assert_links_lead_to_pages(&site, address, &document);
        }
        if let Some(path) = crate::html::link::path(&["controls", &name]) {
            prop_assert_eq!(respond(&site, &path, "").status, 200);
            prop_assert_eq!(crate::shown_control(&path), Some(name));
            assert_sound(&site, &path);
        }
        let encoded: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        for key in ["q", "state", "owner", "severity", "criterion", "page", "view"] {
            let document = assert_sound(&site, &format!("/ui/controls?{key}={encoded}"));
            assert_links_lead_to_pages(&site, "a filter", &document);
        }
        respond(&site, &query, &query);
    }
}
