//! The people whom the cluster knows, and where a text names one. Pure.

use std::{cmp::Ordering, sync::Arc};

use super::{PSEUDONYM, is_person, is_word};

/// Kinds whose names any text may hold, a person's too: what follows one is the name of an object, or
/// of a group.
const KINDS: [&str; 6] =
    ["ClusterRole", "ClusterRoleBinding", "Group", "Role", "RoleBinding", "ServiceAccount"];

/// How a text ends that was cut.
const CUT: char = '…';

/// The identities of people that the facts know: users of bindings, authors of records. A cluster may
/// name a hundred thousand, so the lists are shared and hold each name once.
#[derive(Clone, Debug, Default)]
pub struct KnownPeople {
    /// Each in the order of [`order`].
    lists: Vec<Arc<[Arc<str>]>>,
}

impl KnownPeople {
    /// Those with these names; parts of Kubernetes are none.
    pub fn new<S: Into<Arc<str>>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::default().and(names)
    }

    /// These people, too.
    #[must_use]
    pub fn and<S: Into<Arc<str>>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(Into::into);
        let mut people: Vec<Arc<str>> = names.filter(|name| is_person(name)).collect();
        people.sort_unstable_by(|a, b| order(a, b));
        people.dedup();
        if !people.is_empty() {
            self.lists.push(people.into());
        }
        self
    }

    /// The people whose names begin with this word.
    fn beginning_with(&self, word: &str) -> impl Iterator<Item = &Arc<str>> {
        self.lists.iter().flat_map(move |list| {
            let from = list.partition_point(|name| first_word(name) < word);
            list.iter().skip(from).take_while(move |name| first_word(name) == word)
        })
    }

    /// Replaces everybody whom a text names, in one pass.
    pub(super) fn replace(&self, text: &str, pseudonym: &dyn Fn(&str) -> String) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let starts = !replaced.chars().next_back().is_some_and(is_word);
            let found = if starts && !is_name_of_object(&replaced) && !is_pseudonym(&replaced) {
                self.at_start(rest)
            } else {
                None
            };
            // Without a name, the whole word is passed over: nobody begins within it.
            let length =
                found.map_or_else(|| first_word(rest).len().max(first.len_utf8()), str::len);
            let (taken, after) = rest.split_at(length);
            match found {
                Some(name) => replaced.push_str(&pseudonym(name)),
                None => replaced.push_str(taken),
            }
            rest = after;
        }
        replaced
    }

    /// The person whose name a text begins with; of a text that was cut, what is left of the name.
    fn at_start<'t>(&self, text: &'t str) -> Option<&'t str> {
        let is_whole = |name: &&Arc<str>| {
            let after = text.strip_prefix(&***name);
            after.is_some_and(|after| !after.chars().next().is_some_and(is_word))
        };
        // One name may begin with another.
        let found = self.beginning_with(first_word(text)).filter(is_whole).map(|name| name.len());
        if let Some(length) = found.max() {
            return text.get(..length);
        }
        let left = text.strip_suffix(CUT).filter(|left| !left.is_empty())?;
        let mut all = self.lists.iter().flat_map(|list| list.iter());
        all.any(|name| name.len() > left.len() && name.starts_with(left)).then_some(text)
    }
}

/// By the first word, so that the names beginning with one lie together.
fn order(a: &str, b: &str) -> Ordering {
    first_word(a).cmp(first_word(b)).then_with(|| a.cmp(b))
}

/// The word that a text begins with; empty if it begins with another character.
fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    &text[..end]
}

fn last_word(text: &str) -> &str {
    let start = text.rfind(|c: char| !is_word(c)).map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default()
}

/// Whether what follows this text is the name of an object, or of a group.
fn is_name_of_object(before: &str) -> bool {
    let before = before.trim_end_matches('"');
    before.strip_suffix(' ').is_some_and(|before| KINDS.contains(&last_word(before)))
}

/// Whether what follows this text is the rest of a pseudonym.
fn is_pseudonym(before: &str) -> bool {
    before.ends_with(PSEUDONYM)
}

/// Replaces what can only be the address of a person, such as `jane@corp`, whoever that is. Digests of
/// images and addresses of repositories go on with a colon or a slash.
pub(super) fn replace_addresses(text: &str, pseudonym: &dyn Fn(&str) -> String) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let local = before.rfind(|c| !is_local(c)).map_or(before, |end| {
            let next = before[end..].chars().next().map_or(0, char::len_utf8);
            &before[end + next..]
        });
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-');
        let domain = after[..end.unwrap_or(after.len())].trim_end_matches('.');
        let (prefix, follows) =
            (&before[..before.len() - local.len()], after[domain.len()..].chars().next());
        let is_address = local.contains(char::is_alphanumeric)
            && domain.contains(char::is_alphanumeric)
            && !prefix.ends_with(['/', ':', '@'])
            && !matches!(follows, Some(':' | '/' | '@' | '*'))
            && !is_name_of_object(&format!("{replaced}{prefix}"));
        replaced.push_str(prefix);
        if is_address {
            replaced.push_str(&pseudonym(&format!("{local}@{domain}")));
            rest = &after[domain.len()..];
        } else {
            replaced.push_str(local);
            replaced.push('@');
            rest = after;
        }
    }
    replaced.push_str(rest);
    replaced
}

fn is_local(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '%')
}
