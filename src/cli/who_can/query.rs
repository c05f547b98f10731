//! A question as it is typed, and as the authorizer hears it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    nearest::{did_you_mean, either, nearest},
    types::{Known, Types},
};
use crate::inventory::rbac::{
    Graph, PATH_VERBS, RESOURCE_VERBS, Request, Role, Rule, Target, is_known_verb,
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

/// Why a query can't be answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum QueryError {
    /// Nothing to ask about.
    #[error("{0:?} names no resource: write a plural such as pods, deployments.apps or pods/exec")]
    NoResource(String),
    /// Paths have no names.
    #[error("a path such as {0} takes no name: leave {1:?} away")]
    NameOfPath(String, String),
    /// The resource exists in several groups.
    #[error("{name} is in several API groups: write {}", either(choices))]
    Ambiguous {
        /// What was asked.
        name: String,
        /// What to write instead.
        choices: Vec<String>,
    },
    /// Nobody knows the resource.
    #[error(
        "there is no resource {name:?}: it is neither served nor defined, and no role names it{hint}{}",
        did_you_mean(near)
    )]
    Resource {
        /// What was asked.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
        /// What else to do.
        hint: String,
    },
    /// Nobody knows the subresource.
    #[error(
        "{resource} has no subresource {subresource:?}, and no role names it{}",
        instead(near, known, resource, subresource)
    )]
    Subresource {
        /// The resource.
        resource: String,
        /// What was asked below it.
        subresource: String,
        /// What may have been meant.
        near: Vec<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// Nobody knows the verb.
    #[error(
        "there is no verb {verb:?} for {what}: API servers do not ask for it, and no role names it{}",
        did_you_mean(near)
    )]
    Verb {
        /// What was asked.
        verb: String,
        /// Of what.
        what: String,
        /// What may have been meant.
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
            Parts::Resource { name, group, .. } => match choose(types.find(name, group), name)? {
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
        let known = self.find(types, rights, name, group)?;
        if !subresource.is_empty() && !has_subresource(&known, subresource, types, rights) {
            return Err(no_subresource(&known, subresource));
        }
        let named = |rule: &Rule| {
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
        let named = |rule: &Rule| {
            names(&rule.verbs, &self.verb)
                && rule.allows(&Request { verb: &self.verb, target: Target::Path(path) })
        };
        if !PATH_VERBS.contains(&&*self.verb) && !rules(rights).any(named) {
            let near = near_verbs(&self.verb, PATH_ALIASES, PATH_VERBS);
            return Err(QueryError::Verb { verb: self.verb.clone(), what: path.to_owned(), near });
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

    /// The type of this name; the core group wins, as in kubectl.
    fn find(
        &self,
        types: &Types,
        rights: &Graph,
        name: &str,
        group: Option<&str>,
    ) -> Result<Known, QueryError> {
        if let Some(known) = choose(types.find(name, group), name)? {
            return Ok(known.clone());
        }
        let silent = group.is_some_and(|group| types.silent.iter().any(|silent| silent == group));
        if name == "*" || silent {
            return Ok(unknown(name, group));
        }
        let named = named_by_roles(rights, name, group);
        match choose(named.values().collect(), name)? {
            Some(known) => Ok(known.clone()),
            None => Err(no_resource(types, rights, name, group)),
        }
    }
}

impl Resolved {
    /// The request, as the authorizer sees it.
    pub fn request(&self) -> Request<'_> {
        let target = match &self.path {
            Some(path) => Target::Path(path),
            None => Target::Resource {
                group: &self.group,
                resource: &self.resource,
                subresource: &self.subresource,
                namespace: &self.namespace,
                name: &self.name,
            },
        };
        Request { verb: &self.verb, target }
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
fn unknown(name: &str, group: Option<&str>) -> Known {
    Known {
        group: group.unwrap_or_default().to_owned(),
        plural: name.to_owned(),
        namespaced: true,
        vague: true,
        ..Known::default()
    }
}

/// Types come ordered by group: the core group, which has none, is first.
fn choose<'k>(found: Vec<&'k Known>, name: &str) -> Result<Option<&'k Known>, QueryError> {
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        [first, ..] if first.group.is_empty() => Ok(Some(first)),
        several => Err(QueryError::Ambiguous {
            name: name.to_owned(),
            choices: several.iter().map(|known| known.name()).collect(),
        }),
    }
}

fn rules(rights: &Graph) -> impl Iterator<Item = &Rule> {
    rights.roles().flat_map(Role::rules)
}

fn names(words: &[crate::inventory::Symbol], wanted: &str) -> bool {
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
    let named = |rule: &Rule| {
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

fn no_subresource(known: &Known, subresource: &str) -> QueryError {
    let names = known.subresources.iter().map(String::as_str);
    let near = nearest(subresource, names);
    QueryError::Subresource {
        resource: known.name(),
        subresource: subresource.to_owned(),
        near: near.into_iter().map(|near| format!("{}/{near}", known.name())).collect(),
        known: known.subresources.clone(),
    }
}

/// Verbs of people and of HTTP, and what authorizers are asked for instead.
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

fn no_verb(verb: &str, known: &Known, subresource: &str) -> QueryError {
    let lower = verb.to_lowercase();
    let below =
        known.subresources.iter().find(|below| **below == lower || format!("{below}s") == lower);
    let near = match below.filter(|_| subresource.is_empty()) {
        // Running a command is creating an exec, and so on.
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

fn no_resource(types: &Types, rights: &Graph, name: &str, group: Option<&str>) -> QueryError {
    let mut candidates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |candidate: String, meant: &Known| {
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
        if !near.contains(meant) {
            near.push(meant.clone());
        }
    }
    if near.is_empty() {
        near.extend(types.find(name, None).into_iter().map(Known::name));
    }
    near.truncate(MAX_NEAR);
    QueryError::Resource { name: written, near, hint: types.hint() }
}

/// How many resources are proposed.
const MAX_NEAR: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{ResourceType, rbac::testing::*};

    fn types() -> Types {
        let mut types = Types::builtin();
        for (group, plural, namespaced) in
            [("a.example.com", "widgets", true), ("b.example.com", "widgets", false)]
        {
            types.add_vague(&ResourceType {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: "Widget".to_owned(),
                plural: plural.to_owned(),
                namespaced,
            });
        }
        types
    }

    fn query(text: &str) -> Query {
        let mut parts = text.split(' ');
        let mut next = || parts.next().map(ToOwned::to_owned);
        Query {
            verb: next().unwrap(),
            resource: next().unwrap(),
            name: next(),
            place: Place::Named("prod".to_owned()),
        }
    }

    /// What roles name besides.
    fn rights() -> World {
        World::of([
            cluster_role(
                "custom",
                &[
                    "get,frob example.com gadgets",
                    "get,list all.example.com *",
                    "get apps deployments/rollback",
                    "update * */resize",
                    "get core pods/*",
                ],
            ),
            serde_json::json!({
                "kind": "ClusterRole", "metadata": {"name": "paths"},
                "rules": [{"verbs": ["trace"], "nonResourceURLs": ["/debug/*"]}],
            }),
        ])
    }

    fn resolve(query: &Query) -> Result<String, String> {
        let world = rights();
        let resolved = query.resolve(&types(), &world.inventory.rights);
        resolved.map(|found| found.request().to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn resources_are_found_by_every_name() {
        for (asked, resolved) in [
            ("get pods", "get pods in prod"),
            ("get pod web", "get pods web in prod"),
            ("get po", "get pods in prod"),
            ("get Pod", "get pods in prod"),
            ("get deploy", "get deployments.apps in prod"),
            ("get deployments.apps", "get deployments.apps in prod"),
            ("get deployment.v1.apps", "get deployments.apps in prod"),
            ("update deployments.apps/scale web", "update deployments.apps/scale web in prod"),
            ("create pods/exec", "create pods/exec in prod"),
            ("update deployments/finalizers", "update deployments.apps/finalizers in prod"),
            ("get nodes", "get nodes"),
            ("get no n1", "get nodes n1"),
            ("get nodes/metrics", "get nodes/metrics"),
            ("get namespaces", "get namespaces in prod"),
            ("update namespaces/finalize", "update namespaces/finalize in prod"),
            ("get ns dev", "get namespaces dev in dev"),
            ("get events", "get events in prod"),
            ("get events.events.k8s.io", "get events.events.k8s.io in prod"),
            ("get widget.b.example.com", "get widgets.b.example.com"),
            ("get widgets.a.example.com/status", "get widgets.a.example.com/status in prod"),
            ("impersonate users jane", "impersonate users jane"),
            (
                "impersonate userextras/scopes",
                "impersonate userextras.authentication.k8s.io/scopes",
            ),
            ("impersonate-on:user-info:list pods", "impersonate-on:user-info:list pods in prod"),
            ("approve signers", "approve signers.certificates.k8s.io"),
            ("* *", "* * in prod"),
            ("get *.*", "get *.* in prod"),
            ("get */scale", "get */scale in prod"),
            ("get /metrics", "get /metrics"),
            // Only roles know these.
            ("get gadgets", "get gadgets.example.com in prod"),
            ("get gadgets.example.com", "get gadgets.example.com in prod"),
            ("frob gadgets", "frob gadgets.example.com in prod"),
            ("get things.all.example.com", "get things.all.example.com in prod"),
            ("get deployments/rollback", "get deployments.apps/rollback in prod"),
            ("update gadgets/resize", "update gadgets.example.com/resize in prod"),
            ("get pods/*", "get pods/* in prod"),
            ("trace /debug/pprof", "trace /debug/pprof"),
        ] {
            assert_eq!(resolve(&query(asked)).as_deref(), Ok(resolved), "{asked}");
        }
    }

    #[test]
    fn a_namespace_is_asked_about_in_itself() {
        let at = |asked: &str, place: Place| resolve(&Query { place, ..query(asked) }).unwrap();
        let prod = || "prod".to_owned();
        assert_eq!(at("get pods", Place::AllNamespaces), "get pods");
        assert_eq!(at("get pods", Place::Default(prod())), "get pods in prod");
        assert_eq!(at("patch namespaces", Place::AllNamespaces), "patch namespaces");
        assert_eq!(at("patch namespaces", Place::Default(prod())), "patch namespaces");
        assert_eq!(at("patch namespaces", Place::Named(prod())), "patch namespaces in prod");
        assert_eq!(at("patch ns dev", Place::Named(prod())), "patch namespaces dev in dev");
        let world = rights();
        let whole = query("patch namespaces").resolve(&types(), &world.inventory.rights).unwrap();
        let one = whole.of_the_namespace().unwrap();
        assert_eq!(one.request().to_string(), "patch namespaces prod in prod");
        assert_eq!(one.of_the_namespace(), None);
        let to_come = query("create ns new").resolve(&types(), &world.inventory.rights).unwrap();
        assert_eq!((to_come.namespace(), whole.namespace()), (None, Some("prod")));
    }

    #[test]
    fn what_can_not_be_asked_says_what_to_write() {
        for (asked, part) in [
            ("get widgets", "write widgets.a.example.com or widgets.b.example.com"),
            ("get /metrics x", "takes no name"),
            ("get .apps", "names no resource"),
            ("get pods.", "names no resource"),
            ("get pods/", "names no resource"),
            ("get podz", "no resource \"podz\""),
            ("get podz", "did you mean pods?"),
            ("get deployments.app", "did you mean deployments.apps?"),
            ("get deployments.extension", "did you mean deployments.apps?"),
            ("get gadget", "did you mean gadgets.example.com?"),
            ("get pods/logs", "did you mean pods/log?"),
            ("get pods/web", "the object of that name is pods web"),
            ("get pods/web", "it has attach, binding"),
            ("update configmaps/resize", "configmaps has no subresource \"resize\""),
            ("exec pods", "did you mean create pods/exec?"),
            ("logs pods", "did you mean get pods/log?"),
            ("GET pods", "did you mean get?"),
            ("post pods", "did you mean create?"),
            ("lst pods", "did you mean list?"),
            ("frob pods", "did you mean get, list, watch"),
            ("frob gadgets.other.com", "no resource \"gadgets.other.com\""),
            ("create /metrics", "did you mean post?"),
            ("GET /metrics", "did you mean get?"),
            ("trace /metrics", "no verb \"trace\" for /metrics"),
        ] {
            let error = resolve(&query(asked)).unwrap_err();
            assert!(error.contains(part), "{asked}: {error}");
        }
    }

    #[test]
    fn a_group_that_does_not_answer_may_have_anything() {
        let mut types = Types::builtin();
        types.silent.push("metrics.k8s.io".to_owned());
        let world = rights();
        let ask = |asked: &str| query(asked).resolve(&types, &world.inventory.rights);
        assert!(ask("get pods.metrics.k8s.io").is_ok());
        let error = ask("get nodemetrics").unwrap_err().to_string();
        assert!(error.contains("metrics.k8s.io does not answer"), "{error}");
    }
}
