//! A query as the user types it, and the request that the authorizer would get.

use std::collections::BTreeMap;

use super::{
    mistakes::{QueryError, no_path_verb, no_resource, no_subresource, no_verb},
    types::{KnownType, QueryTypes},
};
use comptroller_core::{
    api::rbac_verbs::{PATH_VERBS, is_known_verb},
    inventory::{
        Symbol,
        rbac::{AccessRequest, Graph, PolicyRule, RequestTarget, RoleNode},
    },
};

/// A query in kubectl's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub verb: String,
    /// `deployments.apps`, `deploy`, `pods/exec`, `deployments.apps/scale`, or a path such as
    /// `/metrics`.
    pub resource: String,
    /// The name of an object; None for all of them.
    pub name: Option<String>,
    /// Where the right must hold.
    pub scope: QueryScope,
}

/// Where a right must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QueryScope {
    /// In this namespace, which the user gave.
    Named(String),
    /// In this namespace, since the user gave none.
    Default(String),
    /// In the whole cluster, which includes namespaces yet to be created.
    AllNamespaces,
}

/// A query in which every word is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResolvedQuery {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    path: Option<String>,
}

/// The parts of a query's resource.
enum QueryParts<'q> {
    Path(&'q str),
    Resource { name: &'q str, group: Option<&'q str>, subresource: &'q str },
}

impl Query {
    fn parts(&self) -> Result<QueryParts<'_>, QueryError> {
        if self.resource.starts_with('/') {
            if let Some(name) = &self.name {
                return Err(QueryError::NameOfPath(self.resource.clone(), name.clone()));
            }
            return Ok(QueryParts::Path(&self.resource));
        }
        let (written, subresource) = match self.resource.split_once('/') {
            Some((_, "")) => return Err(QueryError::NoResource(self.resource.clone())),
            Some(parts) => parts,
            None => (self.resource.as_str(), ""),
        };
        let (name, group) = match written.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (written, None),
        };
        if name.is_empty() || group == Some("") {
            return Err(QueryError::NoResource(self.resource.clone()));
        }
        Ok(QueryParts::Resource { name, group, subresource })
    }

    /// The namespace whose bindings matter, in addition to cluster-wide ones; None if only those matter. An
    /// unknown resource counts as namespaced.
    pub fn namespace(&self, types: &QueryTypes) -> Result<Option<String>, QueryError> {
        let namespace = match self.parts()? {
            QueryParts::Path(_) => String::new(),
            QueryParts::Resource { name, group, .. } => {
                match choose(&types.find(name, group), name)? {
                    Some(known) => self.namespace_of(known),
                    None => self.namespace_of(&unknown(name, group)),
                }
            }
        };
        Ok((!namespace.is_empty()).then_some(namespace))
    }

    fn namespace_of(&self, known: &KnownType) -> String {
        match (&self.scope, &self.name) {
            // A request for a Namespace is authorized in that namespace.
            (_, Some(name)) if is_namespaces(known) => name.clone(),
            (QueryScope::Named(namespace), None) if is_namespaces(known) => namespace.clone(),
            (QueryScope::Named(namespace) | QueryScope::Default(namespace), _)
                if known.namespaced =>
            {
                namespace.clone()
            }
            _ => String::new(),
        }
    }

    /// Resolves every word against the known types and the words of roles. A resource, subresource or verb
    /// that is in neither is most likely mistyped, and the answer would be that nobody may.
    pub fn resolve(&self, types: &QueryTypes, rights: &Graph) -> Result<ResolvedQuery, QueryError> {
        let (name, group, subresource) = match self.parts()? {
            QueryParts::Path(path) => return self.resolve_path(path, rights),
            QueryParts::Resource { name, group, subresource } => (name, group, subresource),
        };
        let known = find_type(types, rights, name, group)?;
        if !subresource.is_empty() && !has_subresource(&known, subresource, types, rights) {
            return Err(no_subresource(&known, subresource));
        }
        let named = |rule: &PolicyRule| {
            names(&rule.verbs, &self.verb)
                && rule.has_group(&known.group)
                && rule.has_resource(&known.plural, subresource)
        };
        if !is_known_verb(&self.verb) && !rules(rights).any(named) {
            return Err(no_verb(&self.verb, &known, subresource));
        }
        Ok(ResolvedQuery {
            verb: self.verb.clone(),
            namespace: self.namespace_of(&known),
            group: known.group,
            resource: known.plural,
            subresource: subresource.to_owned(),
            name: self.name.clone().unwrap_or_default(),
            path: None,
        })
    }

    fn resolve_path(&self, path: &str, rights: &Graph) -> Result<ResolvedQuery, QueryError> {
        let named = |rule: &PolicyRule| {
            names(&rule.verbs, &self.verb)
                && rule
                    .allows(&AccessRequest { verb: &self.verb, target: RequestTarget::Path(path) })
        };
        if !PATH_VERBS.contains(&&*self.verb) && !rules(rights).any(named) {
            return Err(no_path_verb(&self.verb, path));
        }
        Ok(ResolvedQuery {
            verb: self.verb.clone(),
            group: String::new(),
            resource: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            path: Some(path.to_owned()),
        })
    }
}

/// The type of this name. The core group takes precedence, as in kubectl.
fn find_type(
    types: &QueryTypes,
    rights: &Graph,
    name: &str,
    group: Option<&str>,
) -> Result<KnownType, QueryError> {
    if let Some(known) = choose(&types.find(name, group), name)? {
        return Ok(known.clone());
    }
    // A group whose server does not answer may well have the resource.
    let silent = group.is_some_and(|group| types.silent.iter().any(|silent| silent == group));
    if name == "*" || silent {
        return Ok(unknown(name, group));
    }
    let named = named_by_roles(rights, name, group);
    let named: Vec<&KnownType> = named.values().collect();
    match choose(&named, name)? {
        Some(known) => Ok(known.clone()),
        None => Err(no_resource(types, rights, name, group)),
    }
}

impl ResolvedQuery {
    /// The request that the authorizer would get.
    pub fn request(&self) -> AccessRequest<'_> {
        let target = match &self.path {
            Some(path) => RequestTarget::Path(path),
            None => RequestTarget::Resource {
                group: &self.group,
                resource: &self.resource,
                subresource: &self.subresource,
                namespace: &self.namespace,
                name: &self.name,
            },
        };
        AccessRequest { verb: &self.verb, target }
    }

    /// The query as a user would type it.
    pub fn as_typed(&self) -> String {
        let below = if self.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{below}{} {}", self.verb, self.resource, self.subresource, self.name)
    }

    /// The namespace of the request, which should exist; None for a cluster-scoped request, or one that
    /// creates the namespace.
    pub fn namespace(&self) -> Option<&str> {
        let to_come = self.verb == "create" && self.resource == "namespaces";
        (!self.namespace.is_empty() && !to_come).then_some(&*self.namespace)
    }

    /// For a query about all namespaces in one namespace, the same query about that Namespace object; None
    /// for any other query.
    pub fn for_namespace_object(&self) -> Option<Self> {
        let whole = self.resource == "namespaces" && self.group.is_empty() && self.name.is_empty();
        (whole && !self.namespace.is_empty())
            .then(|| Self { name: self.namespace.clone(), ..self.clone() })
    }
}

fn is_namespaces(known: &KnownType) -> bool {
    known.plural == "namespaces" && known.group.is_empty()
}

/// A type of which only the name is known.
pub(super) fn unknown(name: &str, group: Option<&str>) -> KnownType {
    KnownType {
        group: group.unwrap_or_default().to_owned(),
        plural: name.to_owned(),
        namespaced: true,
        vague: true,
        ..KnownType::default()
    }
}

/// Chooses among types of one name. They are sorted by group, so the core group, which has no name, is first.
/// None if there are none.
fn choose<'k>(found: &[&'k KnownType], name: &str) -> Result<Option<&'k KnownType>, QueryError> {
    match found {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        [first, ..] if first.group.is_empty() => Ok(Some(first)),
        several => Err(QueryError::Ambiguous {
            name: name.to_owned(),
            choices: several.iter().map(|known| known.name()).collect(),
        }),
    }
}

/// The rules of every role.
pub(super) fn rules(rights: &Graph) -> impl Iterator<Item = &PolicyRule> {
    rights.roles().flat_map(RoleNode::rules)
}

fn names(words: &[Symbol], wanted: &str) -> bool {
    words.iter().any(|word| **word == *wanted)
}

/// The types of this name that roles mention, by group. Their CRDs may not be among the manifests.
fn named_by_roles(rights: &Graph, name: &str, group: Option<&str>) -> BTreeMap<String, KnownType> {
    let mut found = BTreeMap::new();
    for rule in rules(rights) {
        let parent = |word: &str| word.split_once('/').map_or(word, |(parent, _)| parent) == name;
        let named = rule.resources.iter().any(|word| parent(word));
        // A role over everything in a group shows that the group exists.
        let all = names(&rule.resources, "*");
        match group {
            Some(group)
                if (named && rule.has_group(group)) || (all && names(&rule.groups, group)) =>
            {
                found.insert(group.to_owned(), unknown(name, Some(group)));
            }
            None if named => {
                let groups = rule.groups.iter().filter(|group| ***group != *"*");
                found.extend(groups.map(|of| (of.to_string(), unknown(name, Some(of)))));
            }
            _ => {}
        }
    }
    found
}

fn has_subresource(
    known: &KnownType,
    subresource: &str,
    types: &QueryTypes,
    rights: &Graph,
) -> bool {
    let named = |rule: &PolicyRule| {
        rule.has_group(&known.group)
            && rule.resources.iter().filter_map(|word| word.split_once('/')).any(
                |(parent, below)| {
                    let any = parent == "*" && known.vague;
                    below == subresource && (any || parent == known.plural)
                },
            )
    };
    known.has(subresource)
        || (known.plural == "*" && types.iter().any(|of| of.has(subresource)))
        || rules(rights).any(named)
}
