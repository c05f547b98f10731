//! Words of a query that do not exist, and what may have been meant.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    query::{rules, unknown},
    types::{KnownType, QueryTypes},
};
use comptroller_core::{
    api::rbac_verbs::{PATH_VERBS, RESOURCE_VERBS},
    inventory::rbac::Graph,
    nearest::{did_you_mean, either, nearest},
};

/// How many resources are suggested.
const MAX_NEAR: usize = 5;

/// Why a query can't be answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum QueryError {
    /// The resource is empty.
    #[error("{0:?} names no resource: write a plural such as pods, deployments.apps or pods/exec")]
    NoResource(String),
    /// A path has a name.
    #[error("a path such as {0} takes no name: leave out {1:?}")]
    NameOfPath(String, String),
    /// The resource exists in several groups.
    #[error("{name} is in several API groups: write {}", either(choices))]
    Ambiguous {
        name: String,
        /// The names with their groups.
        choices: Vec<String>,
    },
    /// The resource does not exist.
    #[error(
        "there is no resource {name:?}: it is neither served nor defined, and no role names it{hint}{}",
        did_you_mean(near)
    )]
    Resource {
        name: String,
        near: Vec<String>,
        /// A hint; may be empty.
        hint: String,
    },
    /// The subresource does not exist.
    #[error(
        "{resource} has no subresource {subresource:?}, and no role names it{}",
        instead(near, known, resource, subresource)
    )]
    Subresource {
        resource: String,
        subresource: String,
        near: Vec<String>,
        /// The subresources that exist.
        known: Vec<String>,
    },
    /// The verb does not exist.
    #[error(
        "there is no verb {verb:?} for {what}: API servers do not ask for it, and no role names it{}",
        did_you_mean(near)
    )]
    Verb {
        verb: String,
        /// The resource or path.
        what: String,
        near: Vec<String>,
    },
}

fn instead(near: &[String], known: &[String], resource: &str, subresource: &str) -> String {
    if !near.is_empty() {
        return did_you_mean(near);
    }
    let object = format!("the object of that name is {resource} {subresource}");
    match known {
        [] => format!("; {object}"),
        known => format!("; it has {}, and {object}", known.join(", ")),
    }
}

pub(super) fn no_subresource(known: &KnownType, subresource: &str) -> QueryError {
    let names = known.subresources.iter().map(String::as_str);
    let near = nearest(subresource, names);
    QueryError::Subresource {
        resource: known.name(),
        subresource: subresource.to_owned(),
        near: near.into_iter().map(|near| format!("{}/{near}", known.name())).collect(),
        known: known.subresources.clone(),
    }
}

/// Verbs that people and HTTP use, and the verbs that authorizers are asked for instead.
const ALIASES: &[(&str, &[&str])] = &[
    ("apply", &["patch", "create"]),
    ("describe", &["get"]),
    ("edit", &["update", "patch"]),
    ("head", &["get"]),
    ("post", &["create"]),
    ("put", &["update"]),
    ("read", &["get", "list"]),
    ("remove", &["delete"]),
    ("write", &["create", "update", "patch"]),
];
const PATH_ALIASES: &[(&str, &[&str])] = &[
    ("create", &["post"]),
    ("list", &["get"]),
    ("read", &["get"]),
    ("update", &["put"]),
    ("watch", &["get"]),
];

pub(super) fn no_path_verb(verb: &str, path: &str) -> QueryError {
    let near = near_verbs(verb, PATH_ALIASES, PATH_VERBS);
    QueryError::Verb { verb: verb.to_owned(), what: path.to_owned(), near }
}

fn near_verbs(verb: &str, aliases: &[(&str, &[&str])], known: &[&'static str]) -> Vec<String> {
    let lower = verb.to_lowercase();
    let alias = aliases.iter().find(|(alias, _)| *alias == lower);
    let meant: Vec<&str> = match alias {
        Some((_, verbs)) => verbs.to_vec(),
        None => nearest(verb, known.iter().copied()),
    };
    let mut meant: Vec<String> = meant.into_iter().map(ToOwned::to_owned).collect();
    if meant.is_empty() {
        let plain = known.iter().filter(|verb| verb.chars().all(char::is_alphabetic));
        meant.extend(plain.map(ToString::to_string));
    }
    meant
}

pub(super) fn no_verb(verb: &str, known: &KnownType, subresource: &str) -> QueryError {
    let lower = verb.to_lowercase();
    let below =
        known.subresources.iter().find(|below| **below == lower || format!("{below}s") == lower);
    let near = match below.filter(|_| subresource.is_empty()) {
        // A subresource was used as a verb: to exec is to create pods/exec, and so on.
        Some(below) => {
            let verb =
                if matches!(&**below, "log" | "status" | "scale") { "get" } else { "create" };
            vec![format!("{verb} {}/{below}", known.name())]
        }
        None => near_verbs(verb, ALIASES, RESOURCE_VERBS),
    };
    let what = match subresource {
        "" => known.name(),
        below => format!("{}/{below}", known.name()),
    };
    QueryError::Verb { verb: verb.to_owned(), what, near }
}

pub(super) fn no_resource(
    types: &QueryTypes,
    rights: &Graph,
    name: &str,
    group: Option<&str>,
) -> QueryError {
    let mut candidates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |candidate: String, meant: &KnownType| {
        candidates.entry(candidate).or_default().insert(meant.name());
    };
    for known in types.iter() {
        let names = [&known.plural].into_iter().chain(&known.aliases);
        match group {
            None => names.for_each(|name| add(name.clone(), known)),
            Some(_) => names.for_each(|name| add(format!("{name}.{}", known.group), known)),
        }
    }
    for rule in rules(rights).filter(|_| group.is_none()) {
        let words = rule.resources.iter().filter(|word| !word.contains(['*', '/']));
        for (word, group) in words.flat_map(|word| rule.groups.iter().map(move |of| (word, of))) {
            if **group != *"*" {
                add(word.to_string(), &unknown(word, Some(group)));
            }
        }
    }
    let written = group.map_or_else(|| name.to_owned(), |group| format!("{name}.{group}"));
    let found = nearest(&written, candidates.keys().map(String::as_str));
    let mut near: Vec<String> = Vec::new();
    for meant in found.into_iter().filter_map(|found| candidates.get(found)).flatten() {
        // A suggestion without group covers the same plural in other groups.
        let suggested = |known: &String| {
            meant
                .strip_prefix(known.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if !near.iter().any(suggested) {
            near.push(meant.clone());
        }
    }
    if near.is_empty() {
        near.extend(types.find(name, None).into_iter().map(KnownType::name));
    }
    near.truncate(MAX_NEAR);
    QueryError::Resource { name: written, near, hint: types.hint() }
}
