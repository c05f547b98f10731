//! How fresh the facts are that a site is made of.

use jiff::{SignedDuration, Timestamp};

use crate::model::{Site, Source};

/// How long a source may be silent before what it said is called out of date: watches see to it that a
/// healthy one is heard from every 45 s.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);

/// A source with how well it is known.
#[derive(Clone, Debug)]
pub struct NamedSource<'s> {
    /// What is read from it, to begin a sentence with.
    pub name: String,
    /// How many objects are known; None for what controls are judged by.
    pub count: Option<usize>,
    /// When it was last heard from; None if never.
    pub heard: Option<Timestamp>,
    /// Whether that is good enough.
    pub state: SourceState<'s>,
}

/// Whether a source can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState<'s> {
    /// It was heard from of late.
    Fresh,
    /// It was not; None if it never was.
    Stale(Option<Timestamp>),
    /// It can't be read, for this reason.
    Unreadable(&'s str),
}

/// Every source of a site: our own kinds first, then what the controls are judged by.
pub fn all(site: &Site) -> Vec<NamedSource<'_>> {
    let mut all = vec![
        named(site, "The list of controls", &site.controls),
        named(site, "The list of exceptions", &site.exceptions),
        named(site, "The list of attestations", &site.attestations),
        named(site, "The list of responses", &site.responses),
        named(site, "The list of audit periods", &site.periods),
    ];
    all.extend(site.inputs.iter().map(|input| NamedSource {
        name: input.name.clone(),
        count: None,
        heard: input.heard,
        state: state(input.heard, input.trouble.as_deref(), site.now),
    }));
    all
}

/// How well a kind is known.
pub fn of<'s, T>(site: &Site, source: &'s Source<T>) -> SourceState<'s> {
    state(source.heard, source.trouble.as_deref(), site.now)
}

fn named<'s, T>(site: &'s Site, name: &str, source: &'s Source<T>) -> NamedSource<'s> {
    NamedSource {
        name: name.to_owned(),
        count: Some(source.items.len()),
        heard: source.heard,
        state: of(site, source),
    }
}

fn state(heard: Option<Timestamp>, trouble: Option<&str>, now: Timestamp) -> SourceState<'_> {
    match (trouble, heard) {
        (Some(trouble), _) => SourceState::Unreadable(trouble),
        (None, Some(heard)) if now.duration_since(heard) <= SILENCE => SourceState::Fresh,
        (None, heard) => SourceState::Stale(heard),
    }
}
