//! `who-can`: every subject that may, and by which binding.

use std::io::Write;

use serde::Serialize;

use crate::{
    api::ResourceRef,
    checks::reference,
    inventory::{
        Catalog, Facts, Inventory,
        rbac::{BUILTIN_TYPES, Entitlement, PROJECTIONS, Request, Role, RoleId, Target},
    },
    report::visible,
};

/// What is asked, as kubectl writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
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
pub enum Place {
    /// In a namespace.
    Namespace(String),
    /// In the whole cluster: in every namespace, those to come included.
    AllNamespaces,
}

/// A query whose resource is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
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
pub enum QueryError {
    /// Nothing to ask about.
    #[error("{0:?} names no resource: write a plural such as pods, deployments.apps or pods/exec")]
    NoResource(String),
    /// Paths have no names.
    #[error("a path such as {0} takes no name: leave {1:?} away")]
    NameOfPath(String, String),
    /// The resource exists in several groups.
    #[error("{name} is served by several API groups: write {}", choices.join(" or "))]
    Ambiguous {
        /// What was asked.
        name: String,
        /// What to write instead.
        choices: Vec<String>,
    },
}

/// A subject that may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// `User`, `Group` or `ServiceAccount`.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// Namespace of a service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Every way it may. Empty for `system:masters` where no binding names it: the API server
    /// lets that group do everything before it asks RBAC.
    pub via: Vec<Via>,
}

/// One way a subject may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Via {
    /// The binding.
    pub binding: ResourceRef,
    /// The role it gives.
    pub role: ResourceRef,
}

/// A resource type, found by one of its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    group: String,
    plural: String,
    namespaced: bool,
}

impl Query {
    /// Finds the resource: first what the catalog serves, then what every API server serves. A
    /// name that nobody knows is taken as it is written, since roles may name resources of CRDs
    /// that are not installed yet.
    pub fn resolve(&self, catalog: &Catalog) -> Result<Resolved, QueryError> {
        if self.resource.starts_with('/') {
            return self.resolve_path();
        }
        let (written, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let (name, group) = match written.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (written, None),
        };
        if name.is_empty() || group == Some("") {
            return Err(QueryError::NoResource(self.resource.clone()));
        }
        let found = find(catalog, name, group)?;
        let object = self.name.clone().unwrap_or_default();
        let namespace = match &self.place {
            // The API server looks a namespace up in itself.
            _ if found.plural == "namespaces" && found.group.is_empty() => object.clone(),
            Place::Namespace(namespace) if found.namespaced => namespace.clone(),
            Place::Namespace(_) | Place::AllNamespaces => String::new(),
        };
        Ok(Resolved {
            verb: self.verb.clone(),
            group: found.group,
            resource: found.plural,
            subresource: subresource.to_owned(),
            namespace,
            name: object,
            path: None,
        })
    }

    fn resolve_path(&self) -> Result<Resolved, QueryError> {
        if let Some(name) = &self.name {
            return Err(QueryError::NameOfPath(self.resource.clone(), name.clone()));
        }
        Ok(Resolved {
            verb: self.verb.clone(),
            group: String::new(),
            resource: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            path: Some(self.resource.clone()),
        })
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
}

/// The type with this plural, singular, kind or short name; the core group wins, as in kubectl.
fn find(catalog: &Catalog, name: &str, group: Option<&str>) -> Result<Found, QueryError> {
    let lower = name.to_ascii_lowercase();
    let in_group =
        |known: &str| group.is_none_or(|group| group == known || is_versioned(group, known));
    let served = catalog.iter().map(|row| &row.resource).filter_map(|resource| {
        let names = [resource.plural.clone(), resource.kind.to_ascii_lowercase()];
        (names.contains(&lower) && in_group(&resource.group)).then(|| Found {
            group: resource.group.clone(),
            plural: resource.plural.clone(),
            namespaced: resource.namespaced,
        })
    });
    let mut found: Vec<Found> = served.collect();
    if found.is_empty() {
        let known = BUILTIN_TYPES.iter().filter(|row| {
            let named = row.plural == lower
                || row.kind.eq_ignore_ascii_case(name)
                || row.short.contains(&lower.as_str());
            named && in_group(row.group)
        });
        found.extend(known.map(|row| Found {
            group: row.group.to_owned(),
            plural: row.plural.to_owned(),
            namespaced: row.namespaced,
        }));
    }
    found.sort();
    found.dedup();
    // Ordered by group: the core group, which has none, comes first.
    match found.as_slice() {
        [] => Ok(Found {
            group: group.unwrap_or_default().to_owned(),
            plural: name.to_owned(),
            namespaced: true,
        }),
        [only] => Ok(only.clone()),
        [first, ..] if first.group.is_empty() => Ok(first.clone()),
        several => Err(QueryError::Ambiguous {
            name: name.to_owned(),
            choices: several.iter().map(|row| format!("{}.{}", row.plural, row.group)).collect(),
        }),
    }
}

/// kubectl also takes `deployments.v1.apps`, and `pods.v1.` for the core group.
fn is_versioned(written: &str, group: &str) -> bool {
    written.split_once('.').is_some_and(|(version, rest)| {
        let digits = version.strip_prefix('v').unwrap_or_default();
        digits.starts_with(|c: char| c.is_ascii_digit()) && rest == group
    })
}

/// Every subject that may, with its paths sorted.
pub fn who_can(inventory: &Inventory, request: &Request<'_>) -> Vec<Answer> {
    let entitled = inventory.rights.who_can(request);
    entitled.iter().map(|entitlement| answer(inventory, entitlement)).collect()
}

/// The roles and bindings that can't be read, each with why: they might give anybody the right, so
/// an answer without them is half an answer.
pub fn unreadable(inventory: &Inventory) -> Vec<String> {
    let mut found: Vec<String> = PROJECTIONS
        .iter()
        .flat_map(|row| inventory.objects_of(row.group, row.kind))
        .filter_map(|(slot, object)| {
            let Facts::Malformed(error) = &object.facts else {
                return None;
            };
            let name = path(&reference(inventory, slot)?);
            Some(format!("{name}: {}", visible(error)))
        })
        .collect();
    found.sort();
    found
}

fn answer(inventory: &Inventory, entitlement: &Entitlement) -> Answer {
    let via = entitlement.via.iter().filter_map(|path| {
        Some(Via {
            binding: reference(inventory, path.binding)?,
            role: role_reference(inventory, path.role)?,
        })
    });
    let mut via: Vec<Via> = via.collect();
    via.sort();
    Answer {
        kind: entitlement.subject.kind(),
        name: entitlement.subject.name().to_string(),
        namespace: entitlement.subject.namespace().map(ToString::to_string),
        via,
    }
}

fn role_reference(inventory: &Inventory, id: RoleId) -> Option<ResourceRef> {
    let key = inventory.rights.role(id).map(Role::key)?;
    Some(ResourceRef {
        api_version: "rbac.authorization.k8s.io/v1".to_owned(),
        kind: key.kind().to_owned(),
        namespace: (!key.namespace.is_empty()).then(|| key.namespace.to_string()),
        name: key.name.to_string(),
    })
}

/// Prints a table for people.
pub fn print_table(answers: &[Answer], out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = tabwriter::TabWriter::new(out).padding(3);
    writeln!(table, "KIND\tNAMESPACE\tNAME\tBINDING\tROLE")?;
    for answer in answers {
        let who = format!(
            "{}\t{}\t{}",
            answer.kind,
            visible(answer.namespace.as_deref().unwrap_or_default()),
            visible(&answer.name)
        );
        if answer.via.is_empty() {
            writeln!(table, "{who}\t(the API server itself)\t")?;
        }
        for via in &answer.via {
            writeln!(table, "{who}\t{}\t{}", path(&via.binding), path(&via.role))?;
        }
    }
    table.flush()
}

/// Prints the answers as JSON, as the contract has them.
pub fn print_json(answers: &[Answer], out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answers)?;
    writeln!(out)
}

fn path(object: &ResourceRef) -> String {
    let namespace =
        object.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
    visible(&format!("{}/{namespace}{}", object.kind, object.name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{ResourceType, ServedResource, rbac::testing::*};

    fn catalog() -> Catalog {
        let row = |group: &str, kind: &str, plural: &str, namespaced| ServedResource {
            resource: ResourceType {
                group: group.to_owned(),
                version: "v1".to_owned(),
                kind: kind.to_owned(),
                plural: plural.to_owned(),
                namespaced,
            },
            versions: vec!["v1".to_owned()],
        };
        Catalog::new(vec![
            row("", "Event", "events", true),
            row("events.k8s.io", "Event", "events", true),
            row("a.example.com", "Widget", "widgets", true),
            row("b.example.com", "Widget", "widgets", false),
        ])
    }

    fn query(text: &str) -> Query {
        let mut parts = text.split(' ');
        let mut next = || parts.next().map(ToOwned::to_owned);
        Query {
            verb: next().unwrap(),
            resource: next().unwrap(),
            name: next(),
            place: Place::Namespace("prod".to_owned()),
        }
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
            ("get nodes", "get nodes"),
            ("get no n1", "get nodes n1"),
            ("get namespaces", "get namespaces"),
            ("get ns dev", "get namespaces dev in dev"),
            ("get events", "get events in prod"),
            ("get events.events.k8s.io", "get events.events.k8s.io in prod"),
            ("get widget.b.example.com", "get widgets.b.example.com"),
            ("get gadgets.example.com", "get gadgets.example.com in prod"),
            ("get /metrics", "get /metrics"),
        ] {
            let found = query(asked).resolve(&catalog()).unwrap();
            assert_eq!(found.request().to_string(), resolved, "{asked}");
        }
        let wide = Query { place: Place::AllNamespaces, ..query("get pods") };
        assert_eq!(wide.resolve(&catalog()).unwrap().request().to_string(), "get pods");
    }

    #[test]
    fn what_can_not_be_asked_says_what_to_write() {
        for (asked, part) in [
            ("get widgets", "write widgets.a.example.com or widgets.b.example.com"),
            ("get /metrics x", "takes no name"),
            ("get .apps", "names no resource"),
            ("get pods.", "names no resource"),
        ] {
            let error = query(asked).resolve(&catalog()).unwrap_err().to_string();
            assert!(error.contains(part), "{asked}: {error}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        let mut broken = bind("b", "r", &[]);
        broken["subjects"] = serde_json::json!("everyone");
        let world = World::of([broken, cluster_role("r", &["get core pods"])]);
        assert_eq!(unreadable(&world.inventory), ["ClusterRoleBinding/b: subjects is no list"]);
    }

    #[test]
    fn answers_print_as_the_contract_has_them() {
        let world = World::of([
            cluster_role("reader", &["get core pods"]),
            bind_in(
                "prod",
                "b",
                "ClusterRole/reader",
                &["ServiceAccount/prod/ci", "User/x\u{1b}[2J"],
            ),
        ]);
        let resolved = query("get pods").resolve(&catalog()).unwrap();
        let answers = who_can(&world.inventory, &resolved.request());
        let mut json = Vec::new();
        print_json(&answers, &mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            json[2],
            serde_json::json!({
                "kind": "ServiceAccount",
                "name": "ci",
                "namespace": "prod",
                "via": [{
                    "binding": {
                        "apiVersion": "rbac.authorization.k8s.io/v1",
                        "kind": "RoleBinding",
                        "namespace": "prod",
                        "name": "b",
                    },
                    "role": {
                        "apiVersion": "rbac.authorization.k8s.io/v1",
                        "kind": "ClusterRole",
                        "name": "reader",
                    },
                }],
            })
        );
        assert_eq!(json[1]["name"], "system:masters");
        assert_eq!(json[1]["via"], serde_json::json!([]));
        let mut table = Vec::new();
        print_table(&answers, &mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(!table.contains('\u{1b}'), "{table}");
        assert!(table.contains("x\\u{1b}[2J"), "{table}");
        assert!(table.contains("RoleBinding/prod/b"), "{table}");
        assert!(table.contains("(the API server itself)"), "{table}");
    }
}
