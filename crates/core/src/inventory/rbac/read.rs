//! From objects to facts: roles, bindings, service accounts, quotas.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    rule::{PolicyRule, Words},
    subject::Subject,
};
use crate::{
    api::Selector,
    inventory::{
        Interner, Symbol,
        facts::{
            Facts, Labels, MetadataOnly, ObjectMetadata, Projection, ProjectionError, bounded_text,
        },
        known_word::{KnownWord, from_table},
    },
};

const RBAC: &str = "rbac.authorization.k8s.io";

/// The most subjects that a binding may have: each of them is judged by each control about rights.
pub const MAX_SUBJECTS: usize = 5_000;

/// What checks read of a Role or a `ClusterRole`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleFacts {
    /// The labels of a `ClusterRole`, by which aggregated roles select. Those of a Role mean nothing and are
    /// not read.
    pub labels: Labels,
    /// Its rules, as the manifest or the API server has them.
    pub rules: Box<[PolicyRule]>,
    /// The selectors of an aggregated `ClusterRole`. None for a role that aggregates nothing.
    pub aggregation: Option<Box<[Selector]>>,
    /// Whether it comes from an API server, where its rules include what it aggregates.
    pub stored: bool,
}

impl RoleFacts {
    /// Whether its rules are those of the roles that it selects: the controller that aggregates replaces
    /// its own. Only in manifests; in a cluster the rules are as that controller left them, and the
    /// authorizer looks at nothing else.
    pub fn is_composed(&self) -> bool {
        self.aggregation.is_some() && !self.stored
    }
}

/// What checks read of a `RoleBinding` or a `ClusterRoleBinding`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BindingFacts {
    /// The role that it gives, which cannot change.
    pub role: RoleRef,
    /// The subjects to which it gives the role, as written: one may be repeated.
    pub subjects: Box<[Subject]>,
    /// When the binding was created. None in a manifest that was never applied, and in lists of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
}

/// The role that a binding names, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRef {
    pub kind: RoleKind,
    pub name: Symbol,
}

/// The kind of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleKind {
    /// A Role, in the namespace of the binding.
    Role,
    /// A `ClusterRole`, which a binding in a namespace can give as well.
    ClusterRole,
}

/// What checks read of a `ServiceAccount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccountFacts {
    /// `automountServiceAccountToken`. None leaves it at true.
    pub automount: Option<bool>,
    /// The cloud identities that it may take.
    pub cloud: Box<[CloudIdentity]>,
}

/// An identity in a cloud that a service account may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudIdentity {
    /// The annotation that maps it.
    #[serde(deserialize_with = "cloud_annotation")]
    pub annotation: KnownWord,
    /// Its value: the ARN of a role, the address of an account, a client id.
    pub identity: Symbol,
}

/// Annotations by which EKS, GKE and AKS map a service account to a cloud identity.
const CLOUD_ANNOTATIONS: &[&str] = &[
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
];

fn cloud_annotation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KnownWord, D::Error> {
    from_table(deserializer, CLOUD_ANNOTATIONS)
}

/// The kinds of RBAC, and quotas, which limit what a right to create can do.
pub const PROJECTIONS: &[Projection] = &[
    row(RBAC, "ClusterRole", project_cluster_role),
    row(RBAC, "Role", project_role),
    row(RBAC, "ClusterRoleBinding", project_cluster_binding),
    row(RBAC, "RoleBinding", project_binding),
    row("", "ServiceAccount", project_account),
    row("", "ResourceQuota", |_, _| Ok(Facts::Quota)),
];

const fn row(
    group: &'static str,
    kind: &'static str,
    project: crate::inventory::facts::Project,
) -> Projection {
    Projection { group, kind, versions: &["v1"], project }
}

fn project_cluster_role(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let metadata = metadata(object)?;
    let facts = RoleFacts {
        labels: metadata.interned_labels(interner),
        rules: rules(object, interner)?,
        aggregation: aggregation(object)?,
        stored: metadata.creation_timestamp.is_some(),
    };
    Ok(Facts::Role(facts.into()))
}

fn project_role(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let facts = RoleFacts { rules: rules(object, interner)?, ..RoleFacts::default() };
    Ok(Facts::Role(facts.into()))
}

fn project_cluster_binding(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let facts = binding(object, "", interner)?;
    // The API server refuses it as well; a file has not been there yet.
    if facts.role.kind == RoleKind::Role {
        return Err(ProjectionError(
            "roleRef.kind is Role: a ClusterRoleBinding can only bind a ClusterRole".into(),
        ));
    }
    Ok(Facts::Binding(facts.into()))
}

fn project_binding(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    // As kubectl does: a manifest without a namespace goes to `default`.
    let namespace = metadata(object)?.namespace;
    let namespace = namespace.as_deref().filter(|name| !name.is_empty());
    let facts = binding(object, namespace.unwrap_or("default"), interner)?;
    Ok(Facts::Binding(facts.into()))
}

fn project_account(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let automount = match object.get("automountServiceAccountToken") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(automount)) => Some(*automount),
        Some(_) => {
            return Err(ProjectionError(
                "automountServiceAccountToken is neither true nor false".into(),
            ));
        }
    };
    let annotations = metadata(object)?.annotations.unwrap_or_default();
    let cloud = CLOUD_ANNOTATIONS.iter().filter_map(|annotation| {
        // An empty annotation maps to nothing.
        let identity = annotations.get(*annotation).filter(|text| !text.is_empty())?;
        Some(CloudIdentity { annotation, identity: interner.intern(identity) })
    });
    let facts = ServiceAccountFacts { automount, cloud: cloud.collect() };
    Ok(Facts::ServiceAccount(facts.into()))
}

fn metadata(object: &Value) -> Result<ObjectMetadata, ProjectionError> {
    Ok(MetadataOnly::deserialize(object)?.metadata)
}

/// The elements of a list. Each is read on its own, so that an error has its index.
fn each<'v, T: Deserialize<'v>>(object: &'v Value, field: &str) -> Result<Vec<T>, ProjectionError> {
    let elements = match object.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(elements)) => elements,
        Some(_) => return Err(ProjectionError(format!("{field} is not a list"))),
    };
    elements
        .iter()
        .enumerate()
        .map(|(at, element)| {
            T::deserialize(element)
                .map_err(|error| ProjectionError(format!("{field}[{at}]: {error}")))
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRule {
    verbs: Option<Vec<String>>,
    api_groups: Option<Vec<String>>,
    resources: Option<Vec<String>>,
    resource_names: Option<Vec<String>>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Option<Vec<String>>,
}

fn rules(object: &Value, interner: &Interner) -> Result<Box<[PolicyRule]>, ProjectionError> {
    let words = |at: usize, list: Option<Vec<String>>| -> Result<Words, ProjectionError> {
        let list = list.unwrap_or_default();
        let place = format_args!("a word of rules[{at}]");
        list.iter().map(|word| Ok(interner.intern(bounded_text(&place, word)?))).collect()
    };
    let rules = each::<RawRule>(object, "rules")?.into_iter().enumerate();
    rules
        .map(|(at, raw)| {
            Ok(PolicyRule {
                verbs: words(at, raw.verbs)?,
                groups: words(at, raw.api_groups)?,
                resources: words(at, raw.resources)?,
                names: words(at, raw.resource_names)?,
                urls: words(at, raw.non_resource_urls)?,
            })
        })
        .collect()
}

fn aggregation(object: &Value) -> Result<Option<Box<[Selector]>>, ProjectionError> {
    let rule = match object.get("aggregationRule") {
        None | Some(Value::Null) => return Ok(None),
        Some(rule) => rule,
    };
    let at = |error: String| ProjectionError(format!("aggregationRule.{error}"));
    let selectors = each::<LabelSelector>(rule, "clusterRoleSelectors")
        .map_err(|error| at(error.to_string()))?;
    let compiled: Result<Box<[Selector]>, _> = selectors
        .iter()
        .enumerate()
        .map(|(position, selector)| {
            Selector::compile(selector)
                .map_err(|error| at(format!("clusterRoleSelectors[{position}].{error}")))
        })
        .collect();
    compiled.map(Some)
}

#[derive(Deserialize)]
struct RawReference {
    kind: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
}

impl RawReference {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    fn name(&self, at: &str) -> Result<&str, ProjectionError> {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ProjectionError(format!("{at}.name is missing")))?;
        bounded_text(&format_args!("{at}.name"), name)
    }
}

/// Reads a binding. `home` is its namespace; empty for a `ClusterRoleBinding`.
fn binding(
    object: &Value,
    home: &str,
    interner: &Interner,
) -> Result<BindingFacts, ProjectionError> {
    let reference = object
        .get("roleRef")
        .ok_or_else(|| ProjectionError("roleRef is missing: name the role to bind".into()))?;
    let reference = RawReference::deserialize(reference)
        .map_err(|error| ProjectionError(format!("roleRef: {error}")))?;
    let kind = match reference.kind() {
        "Role" => RoleKind::Role,
        "ClusterRole" => RoleKind::ClusterRole,
        other => {
            return Err(ProjectionError(format!(
                "roleRef.kind is {other:?}: write Role or ClusterRole"
            )));
        }
    };
    let role = RoleRef { kind, name: interner.intern(reference.name("roleRef")?) };
    // Counted before they are read, so that a hostile list costs nothing.
    let named = object.get("subjects").and_then(Value::as_array).map_or(0, Vec::len);
    if named > MAX_SUBJECTS {
        return Err(ProjectionError(format!(
            "it has {named} subjects, more than the {MAX_SUBJECTS} that are supported: bind a group, or write several bindings"
        )));
    }
    let subjects = each::<RawReference>(object, "subjects")?;
    let subjects = subjects
        .iter()
        .enumerate()
        .map(|(at, subject)| self::subject(subject, &format!("subjects[{at}]"), home, interner));
    let created = metadata(object)?.created()?;
    Ok(BindingFacts { role, subjects: subjects.collect::<Result<_, _>>()?, created })
}

fn subject(
    raw: &RawReference,
    at: &str,
    home: &str,
    interner: &Interner,
) -> Result<Subject, ProjectionError> {
    let name = raw.name(at)?;
    match raw.kind() {
        "User" => Ok(Subject::user(name, interner)),
        "Group" => Ok(Subject::Group(interner.intern(name))),
        "ServiceAccount" => {
            // The API server requires the namespace; its authorizer falls back to that of the binding.
            let namespace = raw.namespace.as_deref().filter(|name| !name.is_empty());
            match namespace.unwrap_or(home) {
                "" => Err(ProjectionError(format!(
                    "{at}.namespace is missing: a ServiceAccount needs the namespace it is in"
                ))),
                namespace => Ok(Subject::account(namespace, name, interner)),
            }
        }
        other => Err(ProjectionError(format!(
            "{at}.kind is {other:?}: write User, Group or ServiceAccount"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bind(object: Value) -> Result<BindingFacts, String> {
        match project_binding(&object, &Interner::default()) {
            Ok(Facts::Binding(facts)) => Ok((*facts).clone()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_binding_names_its_role_and_subjects() {
        let facts = bind(json!({
            "metadata": {"name": "x", "namespace": "prod"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "name": "jane"},
                {"kind": "User", "name": "system:serviceaccount:prod:ci"},
                {"kind": "ServiceAccount", "name": "ci"},
                {"kind": "Group", "name": "devs"},
            ],
        }))
        .unwrap();
        assert_eq!(facts.role.kind, RoleKind::ClusterRole);
        let subjects: Vec<String> = facts.subjects.iter().map(ToString::to_string).collect();
        assert_eq!(
            subjects,
            ["User jane", "ServiceAccount prod/ci", "ServiceAccount prod/ci", "Group devs"]
        );
    }

    #[test]
    fn what_can_not_be_read_says_where() {
        let role = json!({"kind": "Role", "name": "r"});
        for (object, part) in [
            (json!({}), "roleRef is missing"),
            (json!({"roleRef": {"kind": "Group", "name": "r"}}), "roleRef.kind is \"Group\""),
            (json!({"roleRef": {"kind": "Role"}}), "roleRef.name is missing"),
            (json!({"roleRef": role, "subjects": {}}), "subjects is not a list"),
            (
                json!({"roleRef": role, "subjects": [{"kind": "Robot", "name": "x"}]}),
                "subjects[0].kind is \"Robot\"",
            ),
            (
                json!({"roleRef": role, "subjects": [{"kind": "User", "name": 3}]}),
                "subjects[0]: invalid type",
            ),
        ] {
            let error = bind(object.clone()).unwrap_err();
            assert!(error.starts_with(part), "{object}: {error}");
        }
        let cluster = json!({
            "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "ci"}],
        });
        let error = project_cluster_binding(&cluster, &Interner::default()).unwrap_err();
        assert!(error.to_string().starts_with("subjects[0].namespace"), "{error}");
    }

    #[test]
    fn a_role_without_rules_is_a_role() {
        for object in [json!({}), json!({"rules": null}), json!({"rules": []})] {
            let Facts::Role(facts) = project_role(&object, &Interner::default()).unwrap() else {
                panic!("no role");
            };
            assert!(facts.rules.is_empty());
        }
    }

    #[test]
    fn cloud_identities_of_the_three_clouds_are_read() {
        let object = json!({"metadata": {"annotations": {
            "iam.gke.io/gcp-service-account": "a@b.iam.gserviceaccount.com",
            "eks.amazonaws.com/role-arn": "",
            "other": "x",
        }}, "automountServiceAccountToken": false});
        let Facts::ServiceAccount(facts) = project_account(&object, &Interner::default()).unwrap()
        else {
            panic!("no service account");
        };
        assert_eq!(facts.automount, Some(false));
        assert_eq!(facts.cloud.len(), 1);
        assert_eq!(facts.cloud[0].annotation, "iam.gke.io/gcp-service-account");
    }
}
