//! What a page may never say.

use comptroller_core::api::State;

use super::dom::parse;
use crate::{
    Site, Source, respond,
    site::controls::KnownControls,
    testing::{large, now, sample, unknown},
};

fn text(site: &Site, path: &str) -> String {
    parse(&respond(site, path, "").body).text
}

#[test]
fn a_status_that_can_not_be_believed_is_unknown() {
    let site = sample();
    let controls = KnownControls::of(&site);
    for (name, state) in [
        ("secrets-are-encrypted", State::Passing),
        // Eleven hours without a word, at a heartbeat of one.
        ("volumes-are-backed-up", State::Unknown),
        // Another generation of its spec was judged.
        ("pods-are-restricted", State::Unknown),
        ("new-and-not-evaluated", State::Unknown),
    ] {
        assert_eq!(controls.get(name).unwrap().state(), state, "{name}");
    }
    assert!(text(&site, "/ui/controls/volumes-are-backed-up").contains("not confirmed since"));
}

#[test]
fn nothing_known_is_never_calm() {
    let overview = text(&unknown(), "/ui/");
    assert!(overview.contains("nothing can be said"), "{overview}");
    assert!(overview.contains("No evidence log was read"), "{overview}");
    assert!(!overview.contains("No control fails"), "{overview}");
    for path in ["/ui/controls", "/ui/obligations", "/ui/registers/controls"] {
        assert!(text(&unknown(), path).contains("Not known."), "{path}");
    }
    let missing = text(&unknown(), "/ui/controls/any");
    assert!(missing.contains("Whether there is a control any is not known"), "{missing}");
}

#[test]
fn calm_is_said_only_when_everything_was_read_and_is_in_order() {
    let mut site = sample();
    site.controls.items.retain(|one| one.metadata.name.as_deref() == Some("secrets-are-encrypted"));
    site.exceptions = Source::read(Vec::new(), now());
    assert!(text(&site, "/ui/").contains("Not everything could be"));
    site.inputs.clear();
    assert!(text(&site, "/ui/").contains("Nothing at the moment"));
    site.periods.heard = None;
    assert!(!text(&site, "/ui/").contains("Nothing at the moment"));
}

#[test]
fn without_a_log_the_pages_say_so() {
    let mut site = sample();
    site.log = None;
    site.population = None;
    for path in
        ["/ui/", "/ui/log", "/ui/controls/no-standing-cluster-admin", "/ui/periods/soc2-2026-h2"]
    {
        assert!(text(&site, path).contains("log was read"), "{path}");
    }
    let period = respond(&site, "/ui/periods/soc2-2026-h2", "").body;
    assert!(!period.contains("report.html\""));
}

#[test]
fn all_criteria_are_there_and_those_without_a_control_are_told() {
    let controls = text(&sample(), "/ui/controls");
    for criterion in comptroller_core::api::criteria::SOC2 {
        assert!(controls.contains(criterion.id), "{}", criterion.id);
    }
    assert!(controls.contains("No control serves it."));
}

#[test]
fn a_checkpoint_is_copied_from_the_page_as_it_was() {
    let site = sample();
    let log = text(&site, "/ui/log");
    assert!(log.contains(site.published_checkpoint.as_deref().unwrap()));
}

#[test]
fn every_row_of_a_long_list_is_on_one_of_its_pages() {
    let site = large(250);
    let mut seen = 0;
    for number in 1..=3 {
        let page = respond(&site, "/ui/controls", &format!("view=list&page={number}")).body;
        seen += page.matches("<tbody").count() * page.matches("role=\"rowheader\"").count();
    }
    assert_eq!(seen, 250);
}
