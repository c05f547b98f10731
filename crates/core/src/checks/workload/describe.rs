//! Parts of messages about pods: bounded, whatever the manifest holds, since they go into a status.

use crate::inventory::workload::{ContainerFacts, PodFacts};

/// How many names a message lists.
const MAX_NAMES: usize = 4;
/// How many characters of a name a message shows; an image reference may well be this long.
const MAX_CHARS: usize = 120;

/// `container app`, or `containers app, proxy`; None when no container is meant.
pub(crate) fn containers<'a>(
    pod: &'a PodFacts,
    meant: impl Fn(&'a ContainerFacts) -> bool,
) -> Option<String> {
    let names = pod.containers.iter().filter(|container| meant(container));
    named("container", names.map(|container| container.name.as_str()))
}

/// A noun with the names it stands for; None when there are none.
pub(crate) fn named<'a>(noun: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    (!names.is_empty()).then(|| format!("{noun}{plural} {}", list(&names)))
}

/// The first names, and how many more there are.
pub(crate) fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| short(name)).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A text cut to what a message shows.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The parts that are there, in one sentence; None when none is.
pub(crate) fn sentence(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_and_cut() {
        assert_eq!(named("volume", [].into_iter()), None);
        assert_eq!(named("volume", ["a"].into_iter()).unwrap(), "volume a");
        assert_eq!(named("volume", ["a", "b"].into_iter()).unwrap(), "volumes a, b");
        let many = ["a", "b", "c", "d", "e", "f"];
        assert_eq!(list(&many), "a, b, c, d and 2 more");
        assert_eq!(short(&"é".repeat(500)).chars().count(), MAX_CHARS + 1);
    }
}
