//! Each page of the sample, as it is.

use crate::{
    Problem, problem, respond,
    testing::{addresses, sample, unknown},
};

/// The page with a line for each element that begins one, so that a change of it can be read.
fn readable(body: &str) -> String {
    // The version of the stylesheet is another after each change of it.
    let (before, after) = body.split_once("?v=").unwrap();
    let mut text = format!("{before}?v=VERSION{}", &after[16..]);
    for tag in [
        "<tr", "<td", "<th ", "<li", "<p", "<h1", "<h2", "<h3", "<section", "<main", "<div", "<dt",
        "<table", "<footer", "<nav", "<pre",
    ] {
        text = text.replace(tag, &format!("\n{tag}"));
    }
    text
}

#[test]
fn the_pages_of_the_sample() {
    let site = sample();
    for (name, address) in addresses(&site) {
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let page = respond(&site, path, query);
        assert_eq!(page.status, if name == "missing" { 404 } else { 200 }, "{address}");
        insta::assert_snapshot!(name, readable(&page.body));
    }
}

#[test]
fn the_pages_of_a_cluster_of_which_nothing_is_known() {
    let site = unknown();
    for (name, path) in [("overview", "/ui/"), ("controls", "/ui/controls"), ("log", "/ui/log")] {
        let page = respond(&site, path, "");
        insta::assert_snapshot!(format!("unknown-{name}"), readable(&page.body));
    }
}

#[test]
fn a_problem_without_a_site() {
    let page = problem(&Problem::Forbidden(
        "Ask for the ClusterRole <b>comptroller-viewer</b>.".to_owned(),
    ));
    assert_eq!(page.status, 403);
    insta::assert_snapshot!("problem", readable(&page.body));
}
