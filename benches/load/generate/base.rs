//! Namespaces, and what belongs to none: storage classes, webhooks, the tools' own.

use rand::Rng;
use serde_json::{Value, json};

use super::{Place, Planter, Purpose};

const TEAMS: [&str; 6] = ["payments", "storefront", "data", "search", "identity", "logistics"];

/// The classes of volumes, and whether what is made from them is encrypted.
pub(super) const CLASSES: [(&str, &str, Option<&str>, bool); 3] = [
    ("gp3-encrypted", "ebs.csi.aws.com", Some("true"), true),
    ("gp2-legacy", "ebs.csi.aws.com", Some("false"), false),
    ("balanced", "pd.csi.storage.gke.io", None, true),
];

impl Planter {
    pub(super) fn cluster_basics(&mut self) {
        for (name, provisioner, encrypted, is_encrypted) in CLASSES {
            let parameters =
                encrypted.map_or_else(|| json!({}), |value| json!({"encrypted": value}));
            self.add(json!({
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": name},
                "provisioner": provisioner,
                "parameters": parameters,
            }));
            let item = format!("StorageClass {name}");
            self.expected.judge("volumes-are-encrypted", &item, !is_encrypted);
        }
        self.webhooks();
        self.velero();
        // A Secret shows the API server's metrics that it encrypts.
        self.add(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "bench", "namespace": "default"},
            "stringData": {"key": "value"},
        }));
        self.expected.judge("secrets-encrypted-at-rest", "secrets", false);
        // Every cluster has this namespace by default, which enforces nothing, and with one Service.
        self.expected.judge("pod-security-baseline", "Namespace default", true);
        self.expected.judge("services-stay-inside", "default/kubernetes", false);
    }

    /// They match no resource that exists, so that the API server calls nobody.
    fn webhooks(&mut self) {
        for (name, policy) in [("admit-widgets", "Fail"), ("label-widgets", "Ignore")] {
            self.add(json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [{
                    "name": format!("{name}.example.com"),
                    "clientConfig": {"url": "https://127.0.0.1:9/none"},
                    "rules": [nowhere()],
                    "failurePolicy": policy,
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                }],
            }));
            self.expected.judge("guards-fail-closed", name, policy == "Ignore");
        }
        self.add(json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "widgets-have-owners"},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [nowhere()]},
                "validations": [{"expression": "has(object.metadata.labels)"}],
            },
        }));
        self.expected.judge("guards-fail-closed", "policy widgets-have-owners", false);
    }

    /// A namespace, described and enforcing as most are.
    pub(super) fn namespace(&mut self, index: usize) -> Place {
        let purpose = match index % 20 {
            0..9 => Purpose::Prod,
            9..13 => Purpose::Staging,
            13..18 => Purpose::Dev,
            18 => Purpose::Tooling,
            _ => Purpose::Unlabelled,
        };
        let team = TEAMS[index % TEAMS.len()];
        let name = format!("{team}-{index:04}");
        let (owned, classified) = (!self.one_in(25), !self.one_in(20));
        let level = match self.rng.random_range(0..10) {
            0 => None,
            1 => Some("privileged"),
            2..5 => Some("baseline"),
            _ => Some("restricted"),
        };
        let backed_up = !self.one_in(8);
        self.plant_namespace(&name, team, purpose, level, (owned, classified));
        Place { name, team, purpose, backed_up, claims: Vec::new() }
    }

    pub(super) fn plant_namespace(
        &mut self,
        name: &str,
        team: &str,
        purpose: Purpose,
        level: Option<&str>,
        (owned, classified): (bool, bool),
    ) {
        let mut labels = serde_json::Map::new();
        let mut label = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                labels.insert(key.to_owned(), Value::from(value));
            }
        };
        label("env", purpose.label());
        label("owner", owned.then_some(team));
        label("data", classified.then_some("confidential"));
        label("pod-security.kubernetes.io/enforce", level);
        self.add(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": {"contact": format!("{team}@example.com")},
            },
        }));
        let described = owned && classified && purpose != Purpose::Unlabelled;
        let item = format!("Namespace {name}");
        self.expected.judge("namespaces-are-described", &item, !described);
        let loose = matches!(level, None | Some("privileged"));
        // The profile of the restore tool leaves its namespace out, whose agent needs the host.
        if name != "velero" {
            self.expected.judge("pod-security-baseline", &item, loose);
        }
        if purpose == Purpose::Prod {
            let restricted = level == Some("restricted");
            self.expected.judge("pod-security-restricted-in-production", &item, !restricted);
        }
    }
}

fn nowhere() -> Value {
    json!({
        "apiGroups": ["widgets.example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["widgets"],
    })
}
