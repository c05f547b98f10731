//! Profiles: what a distribution or an add-on installs and is responsible for. The kustomize components
//! under `config/soc2/profiles` are their only source. This reads the part of kustomize that they use:
//! additions to lists of controls, by name.

use serde::Deserialize;
use serde_json::Value;

/// A component; its folder is named after it.
macro_rules! profile {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../config/soc2/profiles/", $name, "/kustomization.yaml")),
        )
    };
}

/// Each profile's name and component, by name.
pub const PROFILES: &[(&str, &str)] = &[
    profile!("aks"),
    profile!("argocd"),
    profile!("aws-load-balancer-controller"),
    profile!("calico"),
    profile!("cert-manager"),
    profile!("cilium"),
    profile!("cluster-autoscaler"),
    profile!("eks"),
    profile!("external-dns"),
    profile!("external-secrets"),
    profile!("flannel"),
    profile!("flux"),
    profile!("gke"),
    profile!("ingress-nginx"),
    profile!("istio"),
    profile!("k3s"),
    profile!("karpenter"),
    profile!("keda"),
    profile!("kube-prometheus-stack"),
    profile!("kubeadm"),
    profile!("kyverno"),
    profile!("longhorn"),
    profile!("metrics-server"),
    profile!("rke2"),
    profile!("traefik"),
    profile!("velero"),
];

/// Why a profile can't be applied.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not a component, or uses more of kustomize than is supported here.
    #[error("config/soc2/profiles/{profile}/kustomization.yaml can't be read: {source}")]
    Unreadable {
        profile: String,
        /// The error of the parser.
        #[source]
        source: yaml_serde::Error,
    },
    /// It adds to a list that a control does not have.
    #[error(
        "config/soc2/profiles/{profile}/kustomization.yaml adds to {path} of the control {control}, which has no such list: add an empty one there"
    )]
    NoList {
        profile: String,
        control: String,
        /// The path of the list.
        path: String,
    },
    /// There is no such profile. The command line rejects it earlier, and suggests the nearest name.
    #[error("there is no profile {0}: comptroller pack --list lists them")]
    Unknown(String),
    /// Two profiles are of distributions, of which a cluster has one.
    #[error(
        "{0} and {1} are both distributions, and a cluster has only one: print the pack for each of them"
    )]
    TwoDistributions(String, String),
}

/// The changes of a distribution or an add-on to the pack.
#[derive(Clone, Debug)]
pub struct PackProfile {
    pub name: &'static str,
    /// One line for people.
    pub title: String,
    /// Whether it is of a distribution rather than an add-on.
    pub distribution: bool,
    additions: Vec<Additions>,
}

/// Additions to the controls of these names.
#[derive(Clone, Debug)]
struct Additions {
    controls: Vec<String>,
    operations: Vec<PatchOperation>,
}

/// One operation of a JSON patch (RFC 6902). Its `path` ends in `/-`, which is the end of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchOperation {
    op: PatchOp,
    path: String,
    value: Value,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PatchOp {
    Add,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KustomizeComponent {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: ComponentMetadata,
    patches: Vec<ComponentPatch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentMetadata {
    #[serde(rename = "name")]
    _name: String,
    annotations: Annotations,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    #[serde(rename = "comptroller.dev/title")]
    title: String,
    #[serde(rename = "comptroller.dev/distribution", default)]
    distribution: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentPatch {
    target: PatchTarget,
    patch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchTarget {
    #[serde(rename = "kind")]
    _kind: String,
    /// A pattern for kustomize; the profiles write names separated by `|`.
    name: String,
}

impl PackProfile {
    /// Reads a profile; None if there is none of this name.
    pub fn find(name: &str) -> Option<Result<Self, ProfileError>> {
        let (name, text) = PROFILES.iter().find(|(known, _)| *known == name)?;
        Some(Self::read(name, text))
    }

    /// All profiles, by name.
    pub fn all() -> Result<Vec<Self>, ProfileError> {
        PROFILES.iter().map(|(name, text)| Self::read(name, text)).collect()
    }

    fn read(name: &'static str, text: &str) -> Result<Self, ProfileError> {
        let unreadable = |source| ProfileError::Unreadable { profile: name.to_owned(), source };
        let component: KustomizeComponent = yaml_serde::from_str(text).map_err(unreadable)?;
        let additions = component.patches.into_iter().map(|patch| {
            Ok(Additions {
                controls: patch.target.name.split('|').map(str::to_owned).collect(),
                operations: yaml_serde::from_str(&patch.patch).map_err(unreadable)?,
            })
        });
        Ok(Self {
            name,
            title: component.metadata.annotations.title,
            distribution: component.metadata.annotations.distribution.is_some(),
            additions: additions.collect::<Result<_, _>>()?,
        })
    }

    /// The controls that it adds to.
    pub fn controls(&self) -> impl Iterator<Item = &str> {
        self.additions.iter().flat_map(|additions| &additions.controls).map(String::as_str)
    }

    /// Adds what the profile has for a control, if anything.
    pub fn apply(&self, name: &str, control: &mut Value) -> Result<(), ProfileError> {
        // Each operation adds to the end of a list, so profiles do not undo each other in any order.
        let own = self
            .additions
            .iter()
            .filter(|additions| additions.controls.iter().any(|control| control == name));
        for PatchOperation { op: PatchOp::Add, path, value } in own.flat_map(|own| &own.operations)
        {
            let list = path.strip_suffix("/-").and_then(|path| control.pointer_mut(path));
            let Some(list) = list.and_then(Value::as_array_mut) else {
                return Err(ProfileError::NoList {
                    profile: self.name.to_owned(),
                    control: name.to_owned(),
                    path: path.clone(),
                });
            };
            list.push(value.clone());
        }
        Ok(())
    }
}

/// Checks that at most one profile is of a distribution.
pub fn check_combination(profiles: &[PackProfile]) -> Result<(), ProfileError> {
    let mut distributions = profiles.iter().filter(|profile| profile.distribution);
    match (distributions.next(), distributions.next()) {
        (Some(one), Some(other)) => {
            Err(ProfileError::TwoDistributions(one.name.to_owned(), other.name.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;
    use crate::cli::pack::PACK;

    #[test]
    fn the_profiles_are_the_folders_and_add_to_controls_of_the_pack() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/soc2/profiles");
        let folders: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let names: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, folders.iter().map(String::as_str).collect::<Vec<_>>());
        for profile in PackProfile::all().unwrap() {
            assert!(profile.title.chars().count() <= 80, "{}: {}", profile.name, profile.title);
            for control in profile.controls() {
                assert!(
                    PACK.iter().any(|(name, _)| *name == control),
                    "{}: {control}",
                    profile.name
                );
            }
        }
    }

    #[test]
    fn a_cluster_has_one_distribution() {
        let of = |names: &[&str]| -> Vec<PackProfile> {
            names.iter().map(|name| PackProfile::find(name).unwrap().unwrap()).collect()
        };
        assert!(check_combination(&of(&["eks", "argocd", "velero"])).is_ok());
        let error = check_combination(&of(&["eks", "argocd", "gke"])).unwrap_err().to_string();
        assert!(error.starts_with("eks and gke are both distributions"), "{error}");
    }

    #[test]
    fn the_list_that_a_profile_adds_to_must_exist() {
        let profile = PackProfile::find("velero").unwrap().unwrap();
        let name = profile.controls().next().unwrap().to_owned();
        let error = profile.apply(&name, &mut serde_json::json!({"spec": {}})).unwrap_err();
        assert!(error.to_string().contains("which has no such list"), "{error}");
        let mut untouched = serde_json::json!({});
        profile.apply("workloads-are-operable-not", &mut untouched).unwrap();
        assert_eq!(untouched, serde_json::json!({}));
    }
}
