//! Sites for tests: one with something of everything, one that nothing is known of, one whose every text
//! is hostile, and one as large as asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests use it, and a fixture that is wrong must say where"
)]

mod large;
mod log;
mod objects;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::{large::large, log::log_view};
use crate::model::{Input, PopulationItem, ReadPopulation, ServedBy, Site, Source};

/// A time, as `2026-07-01T00:00:00Z`.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When the sites were put together.
pub fn now() -> Timestamp {
    at("2026-11-30T13:00:00Z")
}

/// A cluster with something of everything that a page can show.
pub fn sample() -> Site {
    site("prod-eu-1", "Audit & <review>")
}

/// The same, with a text from outside wherever there can be one.
pub fn hostile(text: &str) -> Site {
    site(text, text)
}

fn site(cluster: &str, text: &str) -> Site {
    let now = now();
    let log = log_view(text);
    let listed = log.controls["no-standing-cluster-admin"].population.clone().unwrap();
    let items: String = (0..230)
        .map(|number| format!("rbac.authorization.k8s.io/v1\tClusterRoleBinding\t\tbinding-{number:03}\tuid-{number}\tf\n"))
        .chain([format!("v1\tPod\tns\t{}\tu\tf\n", text.replace(char::is_control, "?"))])
        .collect();
    Site {
        cluster: cluster.to_owned(),
        now,
        served_by: ServedBy::Operator {
            instance: "comptroller-7d9f8b6c5-x2x7k".to_owned(),
            version: "0.1.0".to_owned(),
            leads: true,
        },
        controls: Source::read(objects::controls(text), now),
        exceptions: Source::read(objects::exceptions(text), now),
        attestations: Source::read(objects::attestations(text), now),
        responses: Source::read(objects::responses(text), now),
        periods: Source::read(objects::periods(text), now),
        inputs: vec![
            Input {
                name: "pods".to_owned(),
                heard: Some(at("2026-11-30T12:59:41Z")),
                trouble: None,
            },
            Input {
                name: "clusterroles.rbac.authorization.k8s.io".to_owned(),
                heard: Some(at("2026-11-30T12:31:00Z")),
                trouble: None,
            },
            Input {
                name: "certificates.cert-manager.io".to_owned(),
                heard: None,
                trouble: Some(format!(
                    "certificates.cert-manager.io is forbidden: grant list and watch on it. {text}"
                )),
            },
        ],
        published_checkpoint: log.checkpoint.clone(),
        log: Some(Arc::new(log)),
        population: Some(ReadPopulation {
            control: "no-standing-cluster-admin".to_owned(),
            digest: listed.digest,
            items: Ok(PopulationItem::of_list(&items)),
        }),
    }
}

/// A cluster of which nothing could be read, without a log, served on a person's machine.
pub fn unknown() -> Site {
    Site {
        cluster: String::new(),
        now: now(),
        served_by: ServedBy::Person { user: "jane@corp".to_owned(), version: "0.1.0".to_owned() },
        controls: Source::unreadable(
            "controls.comptroller.dev is forbidden for jane@corp: ask for the ClusterRole comptroller-viewer.".to_owned(),
        ),
        exceptions: Source { items: Vec::new(), heard: None, trouble: None },
        attestations: Source::read(Vec::new(), now()),
        responses: Source::read(Vec::new(), now()),
        periods: Source::read(Vec::new(), now()),
        inputs: Vec::new(),
        log: None,
        published_checkpoint: None,
        population: None,
    }
}

/// The addresses of all pages of a site, as a menu and its objects give them, with a name for each.
pub fn addresses(site: &Site) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = [
        ("overview", "/ui/"),
        ("controls", "/ui/controls"),
        ("controls-list", "/ui/controls?view=list"),
        ("controls-filtered", "/ui/controls?state=Failing&q=secret"),
        ("exceptions", "/ui/exceptions"),
        ("obligations", "/ui/obligations"),
        ("periods", "/ui/periods"),
        ("registers", "/ui/registers"),
        ("register-controls", "/ui/registers/controls"),
        ("register-exceptions", "/ui/registers/exceptions"),
        ("register-attestations", "/ui/registers/attestations"),
        ("register-responses", "/ui/registers/responses"),
        ("log", "/ui/log"),
        ("missing", "/ui/controls/no-such-control"),
    ]
    .map(|(name, path)| (name.to_owned(), path.to_owned()))
    .into();
    let mut add = |kind: &str, collection: &str, name: &Option<String>| {
        let name = name.clone().unwrap_or_default();
        if let Some(path) = crate::html::link::path(&[collection, &name]) {
            all.push((format!("{kind}-{name}"), path));
        }
    };
    site.controls.items.iter().for_each(|one| add("control", "controls", &one.metadata.name));
    site.exceptions.items.iter().for_each(|one| add("exception", "exceptions", &one.metadata.name));
    site.periods.items.iter().for_each(|one| add("period", "periods", &one.metadata.name));
    for (name, register) in site
        .attestations
        .items
        .iter()
        .map(|one| (&one.metadata.name, "attestations"))
        .chain(site.responses.items.iter().map(|one| (&one.metadata.name, "responses")))
    {
        let name = name.clone().unwrap_or_default();
        if let Some(path) = crate::html::link::path(&["registers", register, &name]) {
            all.push((format!("record-{name}"), path));
        }
    }
    all
}
