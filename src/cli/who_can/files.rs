//! Reads manifests: what they grant, and what they leave open.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{
    AnswerBasis, BoxedError, RBAC, WhoCanArgs, WhoCanError,
    answers::{malformed, path},
    builtin,
    query::ResolvedQuery,
    types::QueryTypes,
};
use crate::{cli::scan::sources_of, source::manifest::ManifestDocument};
use comptroller_core::{
    checks::reference,
    inventory::{
        Change, IdentityError, Interner, Inventory, ObjectSource, Projector, catalog,
        rbac::{PROJECTIONS, Subject, unknown_rules},
    },
    nearest::{did_you_mean, nearest},
};

/// The kinds of the RBAC API group.
const KINDS: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
/// The namespaces that every cluster has.
const DEFAULT_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];
/// How many of the subjects that every cluster has are named.
const SHOWN: usize = 4;

/// Why an object can't be used.
#[derive(Debug, thiserror::Error)]
enum ObjectError {
    /// RBAC has no such kind.
    #[error("{kind} {name}: {RBAC} has no such kind{}", did_you_mean(near))]
    NoSuchKind { kind: String, name: String, near: Vec<String> },
    /// RBAC has no such version.
    #[error("{kind} {name}: write apiVersion: {RBAC}/v1, no other is served")]
    Version { kind: String, name: String },
    /// It has no usable name.
    #[error("{kind} {name}: {error}")]
    Identity { kind: String, name: String, error: IdentityError },
    /// Another object has the same name.
    #[error(
        "{kind} {name} is defined twice with different contents: only one of them can be in the cluster, so ask about one environment at a time"
    )]
    Duplicate { kind: String, name: String },
}

/// The roles, bindings and types in the files.
struct ManifestRights {
    inventory: Inventory,
    types: QueryTypes,
    namespaces: BTreeSet<String>,
    errors: Vec<String>,
    interner: Arc<Interner>,
    /// The namespace of objects that name none.
    default_namespace: String,
}

pub(super) fn read(args: &WhoCanArgs) -> Result<AnswerBasis, BoxedError> {
    // There is no kubeconfig whose context could name a namespace.
    let query = args.query(|| "default".to_owned());
    let mut rights = ManifestRights::new(args.namespace.as_deref().filter(|name| !name.is_empty()));
    let unread = sources_of(&args.filename, &mut |found| match found {
        Ok(ManifestDocument::Object(object, _)) => {
            if let Err(error) = rights.take(object) {
                rights.errors.push(error.to_string());
            }
        }
        Ok(ManifestDocument::Other(_)) => {}
        Err(error) => rights.errors.push(error.to_string()),
    });
    rights.errors.extend(unread.into_iter().map(|error| match error.file {
        Some(file) => format!("{file}: {}", error.message),
        None => error.message,
    }));
    // An object that could not be read may be the binding that grants it, so there is no answer at all.
    if !rights.errors.is_empty() {
        return Err(WhoCanError::Manifests(rights.errors).into());
    }
    let resolved = query.resolve(&rights.types, &rights.inventory.rights)?;
    let gaps = rights.gaps(&resolved);
    let notes = default_subjects(&rights.inventory, &resolved).into_iter().collect();
    Ok(AnswerBasis { inventory: rights.inventory, resolved, gaps, notes })
}

impl ManifestRights {
    fn new(default_namespace: Option<&str>) -> Self {
        let mut inventory = Inventory::default();
        inventory.source = ObjectSource::Manifests;
        // Manifests bind cluster-admin and view without defining them: every API server creates them.
        inventory.rights.assume_default_roles();
        Self {
            inventory,
            types: QueryTypes::builtin(),
            namespaces: DEFAULT_NAMESPACES.iter().map(ToString::to_string).collect(),
            errors: Vec::new(),
            interner: Arc::default(),
            default_namespace: default_namespace.unwrap_or("default").to_owned(),
        }
    }

    fn take(&mut self, mut object: Value) -> Result<(), ObjectError> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (group, version) =
            text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let (group, version, kind) =
            (group.to_owned(), version.to_owned(), text("kind").to_owned());
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        if kind == "Namespace" && group.is_empty() {
            self.namespaces.insert(name.clone());
        }
        // The query may be about a custom resource, by any of its names.
        if kind == "CustomResourceDefinition" {
            self.types.add_definition(&object);
        }
        check_kind(&group, &version, &kind, &name)?;
        let row = PROJECTIONS.iter().find(|row| row.group == group && row.kind == kind);
        let Some(resource) = row.and_then(|row| builtin(row.group, row.kind)) else {
            self.learn(&group, &version, &kind, &object);
            return Ok(());
        };
        if resource.namespaced {
            self.set_namespace(&mut object);
        }
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&self.interner));
        let projected = projector.project(&object).map_err(|error| ObjectError::Identity {
            kind: kind.clone(),
            name: name.clone(),
            error,
        })?;
        let id = self.inventory.kind(projector.resource());
        match self.inventory.apply(id, projected) {
            // The same object twice changes nothing, and is no error.
            Some(Change::Object { before: Some(_), .. }) => {
                Err(ObjectError::Duplicate { kind, name })
            }
            _ => Ok(()),
        }
    }

    /// Sets the namespace of an object that names none, and notes the namespace as existing.
    fn set_namespace(&mut self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
            return;
        };
        let named = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
        if named.is_empty() {
            metadata.insert("namespace".to_owned(), self.default_namespace.clone().into());
            self.namespaces.insert(self.default_namespace.clone());
        } else {
            self.namespaces.insert(named.to_owned());
        }
    }

    /// Notes the type and the namespace of an object that is not about RBAC: both exist.
    fn learn(&mut self, group: &str, version: &str, kind: &str, object: &Value) {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        self.namespaces.extend(namespace.filter(|name| !name.is_empty()).map(ToOwned::to_owned));
        // A built-in type is known already, and a file such as kustomization.yaml is no object of a cluster.
        if group.contains('.') && !catalog::is_tool_config(group, kind) {
            let guessed = catalog::guess_type(group, version, kind, namespace.is_some());
            self.types.add_vague(&guessed.resource);
        }
    }

    /// Why the answer from these files is incomplete.
    fn gaps(&self, resolved: &ResolvedQuery) -> Vec<String> {
        let mut gaps: Vec<String> = malformed(&self.inventory);
        gaps.extend(self.unknown_roles(resolved));
        // Files without any binding are more likely the wrong files than a cluster in which nobody may do it.
        let bindings = ["RoleBinding", "ClusterRoleBinding"];
        if bindings.iter().all(|kind| self.inventory.objects_of(RBAC, kind).next().is_none()) {
            gaps.push(
                "there is no RoleBinding or ClusterRoleBinding among the manifests".to_owned(),
            );
        }
        if let Some(namespace) = resolved.namespace().filter(|name| !self.is_namespace(name)) {
            let near = nearest(namespace, self.namespaces.iter().map(String::as_str));
            let near: Vec<String> = near.into_iter().map(ToOwned::to_owned).collect();
            gaps.push(format!(
                "no manifest is in namespace {namespace:?}, so only cluster-wide rights are known{}",
                did_you_mean(&near)
            ));
        }
        gaps
    }

    fn is_namespace(&self, name: &str) -> bool {
        let subjects = self.inventory.rights.subjects();
        self.namespaces.contains(name)
            || subjects
                .filter_map(|(_, node)| node.subject.namespace())
                .any(|namespace| **namespace == *name)
    }

    /// The bindings in effect there that grant a role of which the files have no rules.
    fn unknown_roles(&self, resolved: &ResolvedQuery) -> BTreeSet<String> {
        let rights = &self.inventory.rights;
        let request = resolved.request();
        let namespace = request.target.namespace();
        let grants = rights.subjects().flat_map(|(_, node)| &node.grants);
        let in_effect = grants.filter(|grant| grant.in_cluster() || *grant.namespace == *namespace);
        let unknown = in_effect.filter_map(|grant| {
            let role = rights.role(grant.role)?;
            let gap = unknown_rules(&self.inventory, role)?;
            let binding = path(&reference(&self.inventory, grant.binding)?);
            Some(format!("{binding} {}", gap.of_binding(role.key())))
        });
        unknown.collect()
    }
}

/// Rejects objects that no API server accepts and that would otherwise be skipped silently.
fn check_kind(group: &str, version: &str, kind: &str, name: &str) -> Result<(), ObjectError> {
    let known = KINDS.contains(&kind);
    if group == RBAC && !known {
        let near = nearest(kind, KINDS.iter().copied());
        let near: Vec<String> = near.into_iter().map(ToOwned::to_owned).collect();
        return Err(ObjectError::NoSuchKind { kind: kind.to_owned(), name: name.to_owned(), near });
    }
    if (group == RBAC && version != "v1") || (group.is_empty() && known) {
        return Err(ObjectError::Version { kind: kind.to_owned(), name: name.to_owned() });
    }
    Ok(())
}

/// A note on further subjects that may in every cluster, by the roles and bindings that the API server and its
/// controllers create; None if there are none.
fn default_subjects(inventory: &Inventory, resolved: &ResolvedQuery) -> Option<String> {
    let request = resolved.request();
    let shown: BTreeSet<Subject> = inventory
        .rights
        .who_can(&request)
        .into_iter()
        .map(|entitlement| entitlement.subject)
        .collect();
    let born = inventory.rights.default_subjects(&request);
    let more: Vec<&Subject> = born.difference(&shown).collect();
    let mut named: Vec<String> = more.iter().take(SHOWN).map(ToString::to_string).collect();
    if named.is_empty() {
        return None;
    }
    if more.len() > SHOWN {
        named.push(format!("{} more", more.len() - SHOWN));
    }
    Some(format!("besides these, in every cluster: {}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::who_can::{
        answers::who_can,
        query::{Query, QueryScope},
    };
    use comptroller_core::inventory::rbac::testing::*;

    fn rights(objects: &[Value]) -> ManifestRights {
        let mut rights = ManifestRights::new(None);
        for object in objects {
            let mut object = object.clone();
            object["apiVersion"] = match object["kind"].as_str().unwrap() {
                "Namespace" | "ServiceAccount" => json!("v1"),
                _ => json!("rbac.authorization.k8s.io/v1"),
            };
            rights.take(object).unwrap();
        }
        rights
    }

    fn ask(
        rights: &ManifestRights,
        verb: &str,
        resource: &str,
        namespace: &str,
    ) -> (Vec<String>, Vec<String>) {
        let scope = QueryScope::Named(namespace.to_owned());
        let query = Query { verb: verb.into(), resource: resource.into(), name: None, scope };
        let resolved = query.resolve(&rights.types, &rights.inventory.rights).unwrap();
        let answers = who_can(&rights.inventory, &resolved.request());
        let names = answers.into_iter().map(|answer| answer.name);
        (names.filter(|name| name != "system:masters").collect(), rights.gaps(&resolved))
    }

    #[test]
    fn a_missing_role_leaves_the_answer_incomplete_where_it_is_bound() {
        let files = rights(&[
            role("prod", "reader", &["get core pods"]),
            bind_in("prod", "known", "Role/reader", &["User/jane"]),
            bind_in("prod", "open", "ClusterRole/elsewhere", &["User/joe"]),
            bind_in("dev", "open", "Role/elsewhere", &["User/joe"]),
        ]);
        let (who, gaps) = ask(&files, "get", "pods", "prod");
        assert_eq!(who, ["jane"]);
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].starts_with("RoleBinding/prod/open binds ClusterRole/elsewhere, which is"));
        // What is bound in a namespace says nothing of the cluster.
        assert_eq!(ask(&files, "get", "nodes", "prod"), (vec![], vec![]));
    }

    #[test]
    fn roles_of_every_cluster_are_known_and_those_of_kubeadm_are_not() {
        let reader = "Role/extension-apiserver-authentication-reader";
        let files = rights(&[bind_in("kube-system", "b", reader, &["ServiceAccount/ops/adapter"])]);
        assert_eq!(ask(&files, "list", "configmaps", "kube-system"), (vec![], vec![]));
        let query = Query {
            verb: "get".into(),
            resource: "configmaps".into(),
            name: Some("extension-apiserver-authentication".into()),
            scope: QueryScope::Named("kube-system".into()),
        };
        let resolved = query.resolve(&files.types, &files.inventory.rights).unwrap();
        let answers = who_can(&files.inventory, &resolved.request());
        assert!(answers.iter().any(|answer| answer.name == "adapter"), "{answers:?}");
        let note = default_subjects(&files.inventory, &resolved).unwrap();
        assert!(note.contains("User system:kube-scheduler"), "{note}");

        let config = "Role/kubeadm:nodes-kubeadm-config";
        let files = rights(&[bind_in("kube-system", "b", config, &["User/jane"])]);
        assert_eq!(ask(&files, "get", "configmaps", "kube-system").1.len(), 1);
    }

    #[test]
    fn an_aggregating_role_has_the_rules_of_its_members_only() {
        let mut composed = aggregating("agg", "to-agg");
        composed["rules"] = json!([rule("* * *")]);
        let bound = bind("b", "agg", &["User/jane"]);
        let member = labelled(cluster_role("part", &["get core pods"]), "to-agg");
        let files = rights(&[composed.clone(), bound.clone(), member]);
        assert_eq!(ask(&files, "delete", "nodes", "prod").0, Vec::<String>::new());
        assert_eq!(ask(&files, "get", "pods", "default"), (vec!["jane".to_owned()], vec![]));
        // Its members are elsewhere.
        let files = rights(&[composed.clone(), bound.clone()]);
        let (who, gaps) = ask(&files, "delete", "nodes", "prod");
        assert!(who.is_empty() && gaps[0].contains("aggregates roles"), "{gaps:?}");
        // As an API server holds it, the rules are what they amount to.
        composed["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        let files = rights(&[composed, bound]);
        assert_eq!(ask(&files, "delete", "nodes", "prod"), (vec!["jane".to_owned()], vec![]));
    }

    #[test]
    fn a_namespace_of_no_manifest_is_reported_with_the_nearest() {
        let files = rights(&[bind_in("demo", "b", "ClusterRole/view", &["ServiceAccount/ops/ci"])]);
        for (namespace, part) in
            [("demoo", "did you mean demo?"), ("elsewhere", "only cluster-wide rights")]
        {
            let gaps = ask(&files, "get", "pods", namespace).1;
            assert!(gaps[0].contains(part), "{gaps:?}");
        }
        for namespace in ["demo", "default", "kube-system", "ops"] {
            assert!(ask(&files, "get", "pods", namespace).1.is_empty(), "{namespace}");
        }
    }

    #[test]
    fn empty_or_unreadable_manifests_leave_the_answer_incomplete() {
        let files = rights(&[named("ServiceAccount", "prod", "ci")]);
        assert!(ask(&files, "get", "pods", "prod").1[0].contains("no RoleBinding"));
        let mut broken = bind("b", "r", &[]);
        broken["subjects"] = json!("everyone");
        let files = rights(&[broken, cluster_role("r", &["get core pods"])]);
        let (_, gaps) = ask(&files, "get", "pods", "default");
        assert_eq!(gaps, ["ClusterRoleBinding/b can't be read: subjects is not a list"]);
        for (version, kind, part) in [
            ("rbac.authorization.k8s.io/v1beta1", "Role", "write apiVersion"),
            ("v1", "RoleBinding", "write apiVersion"),
            ("rbac.authorization.k8s.io/v1", "Rolebinding", "did you mean RoleBinding?"),
        ] {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}});
            let error = ManifestRights::new(None).take(object).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn manifests_without_a_namespace_are_in_the_one_that_is_asked_about() {
        let mut files = ManifestRights::new(Some("demo"));
        let mut bound = bind_in("", "b", "ClusterRole/view", &["User/jane"]);
        bound["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        files.take(bound).unwrap();
        assert_eq!(ask(&files, "get", "pods", "demo"), (vec!["jane".to_owned()], vec![]));
    }
}
