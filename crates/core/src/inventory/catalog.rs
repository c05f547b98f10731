//! The resource types that a scan of files knows without a cluster to ask.

mod type_mistake;

use serde_json::Value;

pub use self::type_mistake::{TypeMistake, find_type_mistake, is_kubernetes_group};
use super::resource::{Catalog, ResourceType, ServedResource};

/// A group's kinds: the versions still served by a supported API server, preferred first.
type Row = (&'static str, &'static [&'static str], Scope, &'static [(&'static str, &'static str)]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Cluster,
    Namespaced,
}

use Scope::{Cluster, Namespaced};

/// Kubernetes 1.33 to 1.37 (API reference), and the third-party kinds that checks or controls of
/// the starter pack read, as their projects publish them.
const KNOWN: &[Row] = &[
    (
        "",
        &["v1"],
        Namespaced,
        &[
            ("ConfigMap", "configmaps"),
            ("Endpoints", "endpoints"),
            ("Event", "events"),
            ("LimitRange", "limitranges"),
            ("PersistentVolumeClaim", "persistentvolumeclaims"),
            ("Pod", "pods"),
            ("PodTemplate", "podtemplates"),
            ("ReplicationController", "replicationcontrollers"),
            ("ResourceQuota", "resourcequotas"),
            ("Secret", "secrets"),
            ("Service", "services"),
            ("ServiceAccount", "serviceaccounts"),
        ],
    ),
    (
        "",
        &["v1"],
        Cluster,
        &[
            ("Namespace", "namespaces"),
            ("Node", "nodes"),
            ("PersistentVolume", "persistentvolumes"),
        ],
    ),
    (
        "apps",
        &["v1"],
        Namespaced,
        &[
            ("ControllerRevision", "controllerrevisions"),
            ("DaemonSet", "daemonsets"),
            ("Deployment", "deployments"),
            ("ReplicaSet", "replicasets"),
            ("StatefulSet", "statefulsets"),
        ],
    ),
    ("batch", &["v1"], Namespaced, &[("CronJob", "cronjobs"), ("Job", "jobs")]),
    (
        "autoscaling",
        &["v2", "v1"],
        Namespaced,
        &[("HorizontalPodAutoscaler", "horizontalpodautoscalers")],
    ),
    ("policy", &["v1"], Namespaced, &[("PodDisruptionBudget", "poddisruptionbudgets")]),
    (
        "rbac.authorization.k8s.io",
        &["v1"],
        Namespaced,
        &[("Role", "roles"), ("RoleBinding", "rolebindings")],
    ),
    (
        "rbac.authorization.k8s.io",
        &["v1"],
        Cluster,
        &[("ClusterRole", "clusterroles"), ("ClusterRoleBinding", "clusterrolebindings")],
    ),
    (
        "networking.k8s.io",
        &["v1"],
        Namespaced,
        &[("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies")],
    ),
    ("networking.k8s.io", &["v1"], Cluster, &[("IngressClass", "ingressclasses")]),
    (
        "networking.k8s.io",
        &["v1", "v1beta1"],
        Cluster,
        &[("IPAddress", "ipaddresses"), ("ServiceCIDR", "servicecidrs")],
    ),
    (
        "storage.k8s.io",
        &["v1"],
        Cluster,
        &[
            ("CSIDriver", "csidrivers"),
            ("CSINode", "csinodes"),
            ("StorageClass", "storageclasses"),
            ("VolumeAttachment", "volumeattachments"),
        ],
    ),
    (
        "storage.k8s.io",
        &["v1", "v1beta1"],
        Cluster,
        &[("VolumeAttributesClass", "volumeattributesclasses")],
    ),
    ("storage.k8s.io", &["v1"], Namespaced, &[("CSIStorageCapacity", "csistoragecapacities")]),
    ("scheduling.k8s.io", &["v1"], Cluster, &[("PriorityClass", "priorityclasses")]),
    (
        "scheduling.k8s.io",
        &["v1beta1", "v1alpha3", "v1alpha2", "v1alpha1"],
        Namespaced,
        &[
            ("CompositePodGroup", "compositepodgroups"),
            ("PodGroup", "podgroups"),
            ("Workload", "workloads"),
        ],
    ),
    ("node.k8s.io", &["v1"], Cluster, &[("RuntimeClass", "runtimeclasses")]),
    ("discovery.k8s.io", &["v1"], Namespaced, &[("EndpointSlice", "endpointslices")]),
    ("coordination.k8s.io", &["v1"], Namespaced, &[("Lease", "leases")]),
    (
        "coordination.k8s.io",
        &["v1beta1", "v1alpha2"],
        Namespaced,
        &[("LeaseCandidate", "leasecandidates")],
    ),
    ("events.k8s.io", &["v1"], Namespaced, &[("Event", "events")]),
    (
        "apiextensions.k8s.io",
        &["v1"],
        Cluster,
        &[("CustomResourceDefinition", "customresourcedefinitions")],
    ),
    ("apiregistration.k8s.io", &["v1"], Cluster, &[("APIService", "apiservices")]),
    (
        "admissionregistration.k8s.io",
        &["v1"],
        Cluster,
        &[
            ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
            ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &["v1", "v1beta1"],
        Cluster,
        &[
            ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
            ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &["v1", "v1beta1", "v1alpha1"],
        Cluster,
        &[
            ("MutatingAdmissionPolicy", "mutatingadmissionpolicies"),
            ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
        ],
    ),
    (
        "certificates.k8s.io",
        &["v1"],
        Cluster,
        &[("CertificateSigningRequest", "certificatesigningrequests")],
    ),
    (
        "certificates.k8s.io",
        &["v1", "v1beta1", "v1alpha1"],
        Cluster,
        &[("ClusterTrustBundle", "clustertrustbundles")],
    ),
    (
        "certificates.k8s.io",
        &["v1", "v1beta1", "v1alpha1"],
        Namespaced,
        &[("PodCertificateRequest", "podcertificaterequests")],
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        &["v1"],
        Cluster,
        &[
            ("FlowSchema", "flowschemas"),
            ("PriorityLevelConfiguration", "prioritylevelconfigurations"),
        ],
    ),
    (
        "resource.k8s.io",
        &["v1", "v1beta2", "v1beta1"],
        Namespaced,
        &[("ResourceClaim", "resourceclaims"), ("ResourceClaimTemplate", "resourceclaimtemplates")],
    ),
    (
        "resource.k8s.io",
        &["v1", "v1beta2", "v1beta1"],
        Cluster,
        &[("DeviceClass", "deviceclasses"), ("ResourceSlice", "resourceslices")],
    ),
    (
        "resource.k8s.io",
        &["v1", "v1beta2", "v1alpha3"],
        Cluster,
        &[
            ("DeviceTaintRule", "devicetaintrules"),
            ("ResourcePoolStatusRequest", "resourcepoolstatusrequests"),
        ],
    ),
    ("internal.apiserver.k8s.io", &["v1alpha1"], Cluster, &[("StorageVersion", "storageversions")]),
    (
        "lifecycle.k8s.io",
        &["v1alpha1"],
        Namespaced,
        &[("Eviction", "evictions"), ("EvictionRequest", "evictionrequests")],
    ),
    (
        "storagemigration.k8s.io",
        &["v1", "v1beta1", "v1alpha1"],
        Cluster,
        &[("StorageVersionMigration", "storageversionmigrations")],
    ),
    (
        "velero.io",
        &["v1"],
        Namespaced,
        &[
            ("Backup", "backups"),
            ("BackupStorageLocation", "backupstoragelocations"),
            ("PodVolumeBackup", "podvolumebackups"),
            ("Restore", "restores"),
            ("Schedule", "schedules"),
        ],
    ),
    ("velero.io", &["v2alpha1"], Namespaced, &[("DataUpload", "datauploads")]),
    ("snapshot.storage.k8s.io", &["v1"], Namespaced, &[("VolumeSnapshot", "volumesnapshots")]),
    (
        "snapshot.storage.k8s.io",
        &["v1"],
        Cluster,
        &[
            ("VolumeSnapshotClass", "volumesnapshotclasses"),
            ("VolumeSnapshotContent", "volumesnapshotcontents"),
        ],
    ),
    (
        "k8up.io",
        &["v1"],
        Namespaced,
        &[
            ("Backup", "backups"),
            ("Restore", "restores"),
            ("Schedule", "schedules"),
            ("Snapshot", "snapshots"),
        ],
    ),
    (
        "postgresql.cnpg.io",
        &["v1"],
        Namespaced,
        &[("Backup", "backups"), ("Cluster", "clusters"), ("ScheduledBackup", "scheduledbackups")],
    ),
    ("barmancloud.cnpg.io", &["v1"], Namespaced, &[("ObjectStore", "objectstores")]),
    (
        "longhorn.io",
        &["v1beta2"],
        Namespaced,
        &[
            ("Backup", "backups"),
            ("BackupTarget", "backuptargets"),
            ("BackupVolume", "backupvolumes"),
            ("RecurringJob", "recurringjobs"),
            ("Volume", "volumes"),
        ],
    ),
    (
        "volsync.backube",
        &["v1alpha1"],
        Namespaced,
        &[
            ("ReplicationDestination", "replicationdestinations"),
            ("ReplicationSource", "replicationsources"),
        ],
    ),
    ("config.kio.kasten.io", &["v1alpha1"], Namespaced, &[("Policy", "policies")]),
    (
        "actions.kio.kasten.io",
        &["v1alpha1"],
        Namespaced,
        &[("BackupAction", "backupactions"), ("RestoreAction", "restoreactions")],
    ),
    ("apps.kio.kasten.io", &["v1alpha1"], Namespaced, &[("RestorePoint", "restorepoints")]),
    ("acid.zalan.do", &["v1"], Namespaced, &[("postgresql", "postgresqls")]),
    ("apps.kubeblocks.io", &["v1", "v1alpha1"], Namespaced, &[("Cluster", "clusters")]),
    (
        "app.redislabs.com",
        &["v1alpha1"],
        Namespaced,
        &[("RedisEnterpriseDatabase", "redisenterprisedatabases")],
    ),
    (
        "cassandra.datastax.com",
        &["v1beta1"],
        Namespaced,
        &[("CassandraDatacenter", "cassandradatacenters")],
    ),
    (
        "clickhouse.altinity.com",
        &["v1"],
        Namespaced,
        &[("ClickHouseInstallation", "clickhouseinstallations")],
    ),
    ("couchbase.com", &["v2"], Namespaced, &[("CouchbaseCluster", "couchbaseclusters")]),
    ("crdb.cockroachlabs.com", &["v1alpha1"], Namespaced, &[("CrdbCluster", "crdbclusters")]),
    (
        "database.arangodb.com",
        &["v1", "v1alpha"],
        Namespaced,
        &[("ArangoDeployment", "arangodeployments")],
    ),
    ("databases.spotahome.com", &["v1"], Namespaced, &[("RedisFailover", "redisfailovers")]),
    ("dragonflydb.io", &["v1alpha1"], Namespaced, &[("Dragonfly", "dragonflies")]),
    (
        "elasticsearch.k8s.elastic.co",
        &["v1", "v1beta1"],
        Namespaced,
        &[("Elasticsearch", "elasticsearches")],
    ),
    ("k8s.mariadb.com", &["v1alpha1"], Namespaced, &[("MariaDB", "mariadbs")]),
    ("k8ssandra.io", &["v1alpha1"], Namespaced, &[("K8ssandraCluster", "k8ssandraclusters")]),
    (
        "kubedb.com",
        &["v1", "v1alpha2"],
        Namespaced,
        &[
            ("Elasticsearch", "elasticsearches"),
            ("MariaDB", "mariadbs"),
            ("MongoDB", "mongodbs"),
            ("MySQL", "mysqls"),
            ("Postgres", "postgreses"),
            ("Redis", "redises"),
        ],
    ),
    ("mongodb.com", &["v1"], Namespaced, &[("MongoDB", "mongodb")]),
    (
        "mongodbcommunity.mongodb.com",
        &["v1"],
        Namespaced,
        &[("MongoDBCommunity", "mongodbcommunity")],
    ),
    ("mysql.oracle.com", &["v2"], Namespaced, &[("InnoDBCluster", "innodbclusters")]),
    ("opensearch.opster.io", &["v1"], Namespaced, &[("OpenSearchCluster", "opensearchclusters")]),
    ("pgv2.percona.com", &["v2"], Namespaced, &[("PerconaPGCluster", "perconapgclusters")]),
    ("pingcap.com", &["v1alpha1"], Namespaced, &[("TidbCluster", "tidbclusters")]),
    ("planetscale.com", &["v2"], Namespaced, &[("VitessCluster", "vitessclusters")]),
    (
        "postgres-operator.crunchydata.com",
        &["v1", "v1beta1"],
        Namespaced,
        &[("PostgresCluster", "postgresclusters")],
    ),
    (
        "ps.percona.com",
        &["v1", "v1alpha1"],
        Namespaced,
        &[("PerconaServerMySQL", "perconaservermysqls")],
    ),
    (
        "psmdb.percona.com",
        &["v1"],
        Namespaced,
        &[("PerconaServerMongoDB", "perconaservermongodbs")],
    ),
    ("pxc.percona.com", &["v1"], Namespaced, &[("PerconaXtraDBCluster", "perconaxtradbclusters")]),
    (
        "redis.redis.opstreelabs.in",
        &["v1beta2", "v1beta1"],
        Namespaced,
        &[("Redis", "redis"), ("RedisCluster", "redisclusters")],
    ),
    ("scylla.scylladb.com", &["v1"], Namespaced, &[("ScyllaCluster", "scyllaclusters")]),
    ("stackgres.io", &["v1"], Namespaced, &[("SGCluster", "sgclusters")]),
    (
        "cert-manager.io",
        &["v1"],
        Namespaced,
        &[
            ("Certificate", "certificates"),
            ("CertificateRequest", "certificaterequests"),
            ("Issuer", "issuers"),
        ],
    ),
    ("comptroller.dev", &["v1alpha1"], Cluster, &[("Attestation", "attestations")]),
    ("cert-manager.io", &["v1"], Cluster, &[("ClusterIssuer", "clusterissuers")]),
    (
        "gateway.networking.k8s.io",
        &["v1", "v1beta1"],
        Namespaced,
        &[("Gateway", "gateways"), ("HTTPRoute", "httproutes")],
    ),
    (
        "gateway.networking.k8s.io",
        &["v1"],
        Namespaced,
        &[("GRPCRoute", "grpcroutes"), ("ListenerSet", "listenersets")],
    ),
    (
        "gateway.networking.k8s.io",
        &["v1", "v1beta1"],
        Cluster,
        &[("GatewayClass", "gatewayclasses")],
    ),
    (
        "security.istio.io",
        &["v1", "v1beta1"],
        Namespaced,
        &[
            ("AuthorizationPolicy", "authorizationpolicies"),
            ("PeerAuthentication", "peerauthentications"),
        ],
    ),
    (
        "networking.istio.io",
        &["v1", "v1beta1", "v1alpha3"],
        Namespaced,
        &[
            ("DestinationRule", "destinationrules"),
            ("Gateway", "gateways"),
            ("VirtualService", "virtualservices"),
        ],
    ),
    ("policy.linkerd.io", &["v1beta3", "v1beta2", "v1beta1"], Namespaced, &[("Server", "servers")]),
    (
        "policy.linkerd.io",
        &["v1beta1"],
        Namespaced,
        &[("ServerAuthorization", "serverauthorizations")],
    ),
    (
        "policy.linkerd.io",
        &["v1alpha1"],
        Namespaced,
        &[("AuthorizationPolicy", "authorizationpolicies")],
    ),
    (
        "monitoring.coreos.com",
        &["v1"],
        Namespaced,
        &[("PrometheusRule", "prometheusrules"), ("ServiceMonitor", "servicemonitors")],
    ),
];

impl Catalog {
    /// What a scan knows before it reads anything. A kind that no file has is empty, not unknown:
    /// the files are the world.
    pub fn builtin() -> Self {
        let rows = KNOWN.iter().flat_map(|(group, versions, scope, kinds)| {
            kinds.iter().map(|(kind, plural)| ServedResource {
                resource: ResourceType {
                    group: (*group).to_owned(),
                    version: versions
                        .first()
                        .map(|version| (*version).to_owned())
                        .unwrap_or_default(),
                    kind: (*kind).to_owned(),
                    plural: (*plural).to_owned(),
                    namespaced: *scope == Namespaced,
                },
                versions: versions.iter().map(|version| (*version).to_owned()).collect(),
            })
        });
        Self::new(rows.collect())
    }
}

/// What a `CustomResourceDefinition` adds to a catalog; None when it has not the shape of one or
/// serves no version.
pub fn from_crd(definition: &Value) -> Option<ServedResource> {
    let spec = definition.get("spec")?;
    let names = spec.get("names")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut versions: Vec<(bool, String)> = spec
        .get("versions")?
        .as_array()?
        .iter()
        .filter(|version| version.get("served").and_then(Value::as_bool) == Some(true))
        .filter_map(|version| {
            let stored = version.get("storage").and_then(Value::as_bool) == Some(true);
            Some((stored, text(version.get("name"))?))
        })
        .collect();
    // Discovery prefers by stability; what is stored comes close and needs no parsing of names.
    versions.sort_by_key(|(stored, _)| !stored);
    let versions: Vec<String> = versions.into_iter().map(|(_, name)| name).collect();
    Some(ServedResource {
        resource: ResourceType {
            group: text(spec.get("group"))?,
            version: versions.first()?.clone(),
            kind: text(names.get("kind"))?,
            plural: text(names.get("plural"))?,
            namespaced: spec.get("scope").and_then(Value::as_str) == Some("Namespaced"),
        },
        versions,
    })
}

/// A type that nothing describes: its plural by the usual rule, and in a namespace when the object
/// is in one.
pub fn guess_type(group: &str, version: &str, kind: &str, namespaced: bool) -> ServedResource {
    ServedResource {
        resource: ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural(kind),
            namespaced,
        },
        versions: vec![version.to_owned()],
    }
}

/// The plural by the rules of English, as generators of definitions form it.
fn plural(kind: &str) -> String {
    let singular = kind.to_lowercase();
    let sibilant = ["s", "x", "z", "ch", "sh"].iter().any(|end| singular.ends_with(end));
    if sibilant {
        return format!("{singular}es");
    }
    match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{singular}s"),
    }
}

/// Whether the objects of a group are configuration files of tools, which no API server takes.
pub fn is_tool_config(group: &str, kind: &str) -> bool {
    const SUFFIXES: &[&str] = &[".config.k8s.io"];
    const GROUPS: &[&str] = &[
        "audit.k8s.io",
        "client.authentication.k8s.io",
        "ctlptl.dev",
        "imagepolicy.k8s.io",
        "kind.x-k8s.io",
        "krew.googlecontainertools.github.com",
        "kubeadm.k8s.io",
        "kustomize.config.k8s.io",
        "skaffold",
    ];
    GROUPS.contains(&group)
        || SUFFIXES.iter().any(|suffix| group.ends_with(suffix))
        || (group.is_empty() && kind == "Config")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inventory::facts;

    #[test]
    fn every_kind_with_facts_is_known_in_a_version_that_is_understood() {
        let catalog = Catalog::builtin();
        let missing: Vec<String> = facts::projections()
            .filter(|projection| {
                let row = catalog.find_kind(projection.group, projection.kind);
                !row.is_some_and(|row| {
                    projection
                        .versions
                        .iter()
                        .any(|version| row.versions.contains(&(*version).to_owned()))
                })
            })
            .map(|row| format!("{}/{} {:?}", row.group, row.kind, row.versions))
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn no_kind_is_listed_twice() {
        let count: usize = KNOWN.iter().map(|(_, _, _, kinds)| kinds.len()).sum();
        let catalog = Catalog::builtin();
        assert_eq!(catalog.iter().count(), count);
        for row in catalog.iter() {
            assert_eq!(
                catalog
                    .iter()
                    .filter(|other| other.resource.group == row.resource.group
                        && other.resource.kind == row.resource.kind)
                    .count(),
                1,
                "{}",
                row.resource
            );
        }
    }

    #[test]
    fn a_definition_adds_its_kind() {
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "spec": {
                "group": "example.com", "scope": "Cluster",
                "names": {"kind": "Widget", "plural": "widgetz"},
                "versions": [
                    {"name": "v1alpha1", "served": false, "storage": false},
                    {"name": "v1beta1", "served": true, "storage": false},
                    {"name": "v1", "served": true, "storage": true},
                ],
            },
        });
        let row = from_crd(&definition).expect("a row");
        assert_eq!(row.resource.to_string(), "widgetz.example.com");
        assert_eq!(row.resource.version, "v1");
        assert_eq!(row.versions, ["v1", "v1beta1"]);
        assert!(!row.resource.namespaced);
        assert_eq!(from_crd(&json!({"spec": {"names": {}}})), None);
    }

    #[test]
    fn plurals_are_guessed_by_the_rules_of_english() {
        for (kind, expected) in [
            ("Widget", "widgets"),
            ("Policy", "policies"),
            ("Gateway", "gateways"),
            ("Ingress", "ingresses"),
            ("Mailbox", "mailboxes"),
            ("Branch", "branches"),
        ] {
            assert_eq!(plural(kind), expected);
        }
    }
}
