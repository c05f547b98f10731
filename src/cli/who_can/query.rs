//! A question as it is typed, and as the authorizer hears it.

use std::collections::BTreeMap;

use super::{
    mistakes::{QueryError, no_path_verb, no_resource, no_subresource, no_verb},
    types::{Known, Types},
};
use comptroller_core::{
    api::rbac_verbs::{PATH_VERBS, is_known_verb},
    inventory::{
        Symbol,
        rbac::{AccessRequest, Graph, PolicyRule, RequestTarget, RoleNode},
    },
};

/// What is asked, as kubectl writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The verb.
    pub verb: String,
    /// `deployments.apps`, `deploy`, `pods/exec`, `deployments.apps/scale`, or a path such as
    /// `/metrics`.
    pub resource: String,
    /// The name of an object.
    pub name: Option<String>,
    /// Where.
    pub place: Place,
}

/// Where a right is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In this namespace, as the user says.
    Named(String),
    /// In this namespace, since the user says nothing.
    Default(String),
    /// In the whole cluster: in every namespace, those to come included.
    AllNamespaces,
}

/// A query whose words are all known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    path: Option<String>,
}

/// A question, taken apart.
enum Parts<'q> {
    Path(&'q str),
    Resource { name: &'q str, group: Option<&'q str>, subresource: &'q str },
}

impl Query {
    fn parts(&self) -> Result<Parts<'_>, QueryError> {
        if self.resource.starts_with('/') {
            if let Some(name) = &self.name {
                return Err(QueryError::NameOfPath(self.resource.clone(), name.clone()));
            }
            return Ok(Parts::Path(&self.resource));
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
        Ok(Parts::Resource { name, group, subresource })
    }

    /// The namespace whose bindings bear on the answer, besides those of the cluster. A resource
    /// that is not known is taken to be in namespaces.
    pub fn namespace(&self, types: &Types) -> Result<Option<String>, QueryError> {
        let namespace = match self.parts()? {
            Parts::Path(_) => String::new(),
            Parts::Resource { name, group, .. } => match choose(&types.find(name, group), name)? {
                Some(known) => self.namespace_of(known),
                None => self.namespace_of(&unknown(name, group)),
            },
        };
        Ok((!namespace.is_empty()).then_some(namespace))
    }

    fn namespace_of(&self, known: &Known) -> String {
        match (&self.place, &self.name) {
            // The API server looks a Namespace up in itself.
            (_, Some(name)) if is_namespaces(known) => name.clone(),
            (Place::Named(namespace), None) if is_namespaces(known) => namespace.clone(),
            (Place::Named(namespace) | Place::Default(namespace), _) if known.namespaced => {
                namespace.clone()
            }
            _ => String::new(),
        }
    }

    /// Finds every word among those that are known: what types there are, and what roles name. A
    /// resource, subresource or verb of neither is most likely mistyped, and nobody would have it.
    pub fn resolve(&self, types: &Types, rights: &Graph) -> Result<Resolved, QueryError> {
        let (name, group, subresource) = match self.parts()? {
            Parts::Path(path) => return self.resolve_path(path, rights),
            Parts::Resource { name, group, subresource } => (name, group, subresource),
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
        Ok(Resolved {
            verb: self.verb.clone(),
            namespace: self.namespace_of(&known),
            group: known.group,
            resource: known.plural,
            subresource: subresource.to_owned(),
            name: self.name.clone().unwrap_or_default(),
            path: None,
        })
    }

    fn resolve_path(&self, path: &str, rights: &Graph) -> Result<Resolved, QueryError> {
        let named = |rule: &PolicyRule| {
            names(&rule.verbs, &self.verb)
                && rule
                    .allows(&AccessRequest { verb: &self.verb, target: RequestTarget::Path(path) })
        };
        if !PATH_VERBS.contains(&&*self.verb) && !rules(rights).any(named) {
            return Err(no_path_verb(&self.verb, path));
        }
        Ok(Resolved {
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

/// The type of this name; the core group wins, as in kubectl.
fn find_type(
    types: &Types,
    rights: &Graph,
    name: &str,
    group: Option<&str>,
) -> Result<Known, QueryError> {
    if let Some(known) = choose(&types.find(name, group), name)? {
        return Ok(known.clone());
    }
    let silent = group.is_some_and(|group| types.silent.iter().any(|silent| silent == group));
    if name == "*" || silent {
        return Ok(unknown(name, group));
    }
    let named = named_by_roles(rights, name, group);
    let named: Vec<&Known> = named.values().collect();
    match choose(&named, name)? {
        Some(known) => Ok(known.clone()),
        None => Err(no_resource(types, rights, name, group)),
    }
}

impl Resolved {
    /// The request, as the authorizer sees it.
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

    /// As it is typed.
    pub fn as_asked(&self) -> String {
        let below = if self.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{below}{} {}", self.verb, self.resource, self.subresource, self.name)
    }

    /// The namespace that the request is about and that should be there.
    pub fn namespace(&self) -> Option<&str> {
        let to_come = self.verb == "create" && self.resource == "namespaces";
        (!self.namespace.is_empty() && !to_come).then_some(&*self.namespace)
    }

    /// The same of the one Namespace object that is in the namespace, where all of them were asked
    /// about.
    pub fn of_the_namespace(&self) -> Option<Self> {
        let whole = self.resource == "namespaces" && self.group.is_empty() && self.name.is_empty();
        (whole && !self.namespace.is_empty())
            .then(|| Self { name: self.namespace.clone(), ..self.clone() })
    }
}

fn is_namespaces(known: &Known) -> bool {
    known.plural == "namespaces" && known.group.is_empty()
}

/// A type of which nobody knows more than its name.
pub(super) fn unknown(name: &str, group: Option<&str>) -> Known {
    Known {
        group: group.unwrap_or_default().to_owned(),
        plural: name.to_owned(),
        namespaced: true,
        vague: true,
        ..Known::default()
    }
}

/// Types come ordered by group: the core group, which has none, is first.
fn choose<'k>(found: &[&'k Known], name: &str) -> Result<Option<&'k Known>, QueryError> {
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

/// What roles name by this name, by group: resources of definitions that are not here.
fn named_by_roles(rights: &Graph, name: &str, group: Option<&str>) -> BTreeMap<String, Known> {
    let mut found = BTreeMap::new();
    for rule in rules(rights) {
        let parent = |word: &str| word.split_once('/').map_or(word, |(parent, _)| parent) == name;
        let named = rule.resources.iter().any(|word| parent(word));
        // Whoever names a group with all that is in it knows the group.
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

fn has_subresource(known: &Known, subresource: &str, types: &Types, rights: &Graph) -> bool {
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
