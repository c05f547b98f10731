//! Names in specs that name nothing: a control or an exception for something that does not exist would
//! look fine for ever.

use crate::{
    api::{ExceptionResource, TestSpec},
    inventory::{Catalog, ObjectSource},
    nearest::{did_you_mean, nearest},
};

/// Kinds that findings are about and no API server serves.
const OWN_KINDS: &[&str] = &["Cluster", "EncryptionConfiguration", "Group", "Occurrence", "User"];

/// What an exception names that does not exist, with the field and the nearest name. `known` are the
/// names of all controls.
pub fn unknown_in_exception<'a>(
    controls: &[String],
    resources: &[ExceptionResource],
    known: &(impl Iterator<Item = &'a str> + Clone),
    catalog: &Catalog,
    source: ObjectSource,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (position, control) in controls.iter().enumerate() {
        if !known.clone().any(|name| name == control) {
            let near = did_you_mean(&nearest(control, known.clone()));
            problems
                .push(format!("spec.controls[{position}]: there is no control {control:?}{near}"));
        }
    }
    for (position, resource) in resources.iter().enumerate() {
        if let Some(problem) = unknown_kind(&resource.kind, catalog, source) {
            problems.push(format!("spec.resources[{position}].kind: {problem}"));
        }
    }
    problems
}

/// Why nothing can be of a kind; None if something can. A cluster may have kinds that manifests do not
/// show, so with manifests a kind is only refused if it is close to a known one.
fn unknown_kind(kind: &str, catalog: &Catalog, source: ObjectSource) -> Option<String> {
    let kinds =
        || catalog.iter().map(|row| row.resource.kind.as_str()).chain(OWN_KINDS.iter().copied());
    if kinds().any(|known| known == kind) {
        return None;
    }
    if kind.contains(['*', '?']) {
        return Some(format!(
            "{kind:?} is not a kind, and kinds cannot be patterns: write each kind"
        ));
    }
    // The plural in place of the kind is the most frequent mistake.
    let by_plural = catalog.iter().find(|row| row.resource.plural == kind.to_lowercase());
    let near = by_plural
        .map(|row| row.resource.kind.as_str())
        .or_else(|| nearest(kind, kinds()).into_iter().next());
    if !is_complete(catalog, source)
        && near.is_none_or(|near| !near.eq_ignore_ascii_case(kind) && by_plural.is_none())
    {
        return None;
    }
    let hint = near.map_or_else(String::new, |near| did_you_mean(&[near]));
    Some(format!("there is no kind {kind:?} here{hint}"))
}

/// What a control names that does not exist, with the field and the nearest name. None if all of it
/// exists.
pub fn unknown_in_test(test: &TestSpec, catalog: &Catalog, source: ObjectSource) -> Option<String> {
    let at_rest = test.encryption.as_ref()?.at_rest.as_ref()?;
    let served: Vec<String> = catalog.iter().map(|row| row.resource.to_string()).collect();
    // Before discovery has answered, nothing can be called missing.
    if served.is_empty() {
        return None;
    }
    let problems: Vec<String> = at_rest
        .resources
        .iter()
        .enumerate()
        .filter(|(_, resource)| !served.contains(resource))
        .filter_map(|(position, resource)| {
            let near = nearest(resource, served.iter().map(String::as_str)).into_iter().next();
            // Another group may be defined by a CRD that no manifest shows; the core group is known.
            if resource.contains('.') && !is_complete(catalog, source) {
                return None;
            }
            let hint = near.map_or_else(
                || "; write the plural, with the group after a dot where it has one, such as secrets".to_owned(),
                |near| did_you_mean(&[near]),
            );
            Some(format!(
                "spec.test.encryption.atRest.resources[{position}]: there is no resource {resource:?}{hint}"
            ))
        })
        .collect();
    (!problems.is_empty()).then(|| problems.join("\n"))
}

/// Whether a kind that is not in the catalog does not exist.
fn is_complete(catalog: &Catalog, source: ObjectSource) -> bool {
    source == ObjectSource::Cluster
        && catalog.unreachable_groups.is_empty()
        && catalog.iter().next().is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::{ResourceType, ServedResource};

    fn catalog() -> Catalog {
        let row = |group: &str, kind: &str, plural: &str| ServedResource {
            resource: ResourceType {
                group: group.into(),
                version: "v1".into(),
                kind: kind.into(),
                plural: plural.into(),
                namespaced: true,
            },
            versions: vec!["v1".into()],
        };
        Catalog::new(vec![
            row("", "Pod", "pods"),
            row("", "Secret", "secrets"),
            row("apps", "Deployment", "deployments"),
        ])
    }

    fn exception(control: &str, kind: &str, source: ObjectSource) -> Vec<String> {
        let resource = serde_json::from_value(json!({"kind": kind, "name": "a"})).unwrap();
        let known = ["no-root", "no-privileged"];
        unknown_in_exception(
            &[control.to_owned()],
            &[resource],
            &known.into_iter(),
            &catalog(),
            source,
        )
    }

    #[test]
    fn exceptions_name_controls_and_kinds() {
        use ObjectSource::{Cluster, Manifests};
        for (control, kind, source, expected) in [
            ("no-root", "Pod", Cluster, &[][..]),
            ("no-root", "Occurrence", Cluster, &[]),
            (
                "no-rot",
                "pod",
                Cluster,
                &[
                    "spec.controls[0]: there is no control \"no-rot\"; did you mean no-root?",
                    "spec.resources[0].kind: there is no kind \"pod\" here; did you mean Pod?",
                ],
            ),
            (
                "no-root",
                "deployments",
                Manifests,
                &[
                    "spec.resources[0].kind: there is no kind \"deployments\" here; did you mean Deployment?",
                ],
            ),
            (
                "no-root",
                "Widget",
                Cluster,
                &["spec.resources[0].kind: there is no kind \"Widget\" here"],
            ),
            ("no-root", "Widget", Manifests, &[]),
            ("no-root", "Pox", Manifests, &[]),
            (
                "no-root",
                "*",
                Manifests,
                &[
                    "spec.resources[0].kind: \"*\" is not a kind, and kinds cannot be patterns: write each kind",
                ],
            ),
        ] {
            assert_eq!(exception(control, kind, source), expected, "{control} {kind}");
        }
    }

    #[test]
    fn resources_at_rest_are_plurals_with_their_group() {
        let test = |resource: &str, source| {
            let test = json!({"encryption": {"atRest": {"resources": ["secrets", resource]}}});
            unknown_in_test(&serde_json::from_value(test).unwrap(), &catalog(), source)
        };
        let at = "spec.test.encryption.atRest.resources[1]: there is no resource";
        assert_eq!(test("deployments.apps", ObjectSource::Cluster), None);
        for (resource, hint) in [
            ("secret", " \"secret\"; did you mean secrets?"),
            ("Secret", " \"Secret\"; did you mean secrets?"),
            ("deployments", " \"deployments\"; did you mean deployments.apps?"),
        ] {
            for source in [ObjectSource::Cluster, ObjectSource::Manifests] {
                assert_eq!(test(resource, source), Some(format!("{at}{hint}")), "{resource}");
            }
        }
        assert!(
            test("widgets.acme.test", ObjectSource::Cluster).unwrap().contains("write the plural")
        );
        assert_eq!(test("widgets.acme.test", ObjectSource::Manifests), None);
    }
}
