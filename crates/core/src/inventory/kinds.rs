//! The one table of kinds that are known without a cluster to ask: those of Kubernetes, and those of
//! add-ons that checks or controls of the starter pack read.
//!
//! A scan of files takes from it what can be in a manifest ([`Catalog::builtin`](super::Catalog)), the
//! graph of rights by which names a rule may name a resource. In a cluster discovery says more.

mod subresources;

pub use self::subresources::{subresources, subresources_for_authorizers};

/// A kind, by all the names that kubectl takes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// The kind as manifests write it; kubectl takes it in lower case as the singular.
    pub kind: &'static str,
    /// The plural, as RBAC and admission rules write it.
    pub plural: &'static str,
    /// Short names, such as `po` for pods.
    pub short: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Who serves it, and in which versions.
    pub served: Served,
}

/// Who serves a kind. Versions are those that a supported API server still serves, or that the add-on
/// publishes, the preferred one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Every supported API server; its objects are stored.
    Kubernetes(&'static [&'static str]),
    /// An API server with an alpha feature gate on.
    FeatureGate(&'static [&'static str]),
    /// The CRD or API server of an add-on.
    AddOn(&'static [&'static str]),
    /// Every API server, which answers a request at once and stores nothing: reviews, bindings.
    NotStored,
    /// Nobody: only authorizers are asked about it, for impersonation and for signers.
    Authorizers,
}

impl KnownKind {
    /// The versions in which objects are stored; empty for a kind of which none are.
    pub fn versions(&self) -> &'static [&'static str] {
        match self.served {
            Served::Kubernetes(versions)
            | Served::FeatureGate(versions)
            | Served::AddOn(versions) => versions,
            Served::NotStored | Served::Authorizers => &[],
        }
    }

    /// Whether manifests can hold objects of it.
    pub fn is_stored(&self) -> bool {
        !self.versions().is_empty()
    }

    /// Whether it belongs to every API server, so that a rule of RBAC can name it in any cluster.
    pub fn is_builtin(&self) -> bool {
        matches!(self.served, Served::Kubernetes(_) | Served::NotStored | Served::Authorizers)
    }

    /// Whether no API server serves it: what impersonation and signing are authorized for.
    pub fn is_only_authorized(&self) -> bool {
        self.served == Served::Authorizers
    }
}

/// The kinds that manifests can hold.
pub fn stored() -> impl Iterator<Item = &'static KnownKind> {
    KNOWN.iter().filter(|known| known.is_stored())
}

/// The kinds of every API server, the core group first.
pub fn builtin() -> impl Iterator<Item = &'static KnownKind> {
    KNOWN.iter().filter(|known| known.is_builtin())
}

/// Whether a resource of Kubernetes is known to have no namespace; false for one that is not known.
pub fn is_cluster_scoped(group: &str, plural: &str) -> bool {
    builtin().any(|known| !known.namespaced && known.group == group && known.plural == plural)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Cluster,
    Namespaced,
}

use Scope::{Cluster, Namespaced};
use Served::{AddOn, Authorizers, FeatureGate, Kubernetes, NotStored};

const V1: &[&str] = &["v1"];

const fn row(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    scope: Scope,
    served: Served,
) -> KnownKind {
    // A row reads as a line of a table; the scope as a word is clearer there than a bool.
    KnownKind { group, kind, plural, short, namespaced: matches!(scope, Namespaced), served }
}

/// Kubernetes 1.33 to 1.37 (its API reference), then add-ons as their projects publish them. The order
/// decides which of several equally near kinds is proposed first for a misspelled one.
#[rustfmt::skip]
const KNOWN: &[KnownKind] = &[
    row("", "ConfigMap", "configmaps", &["cm"], Namespaced, Kubernetes(V1)),
    row("", "Endpoints", "endpoints", &["ep"], Namespaced, Kubernetes(V1)),
    row("", "Event", "events", &["ev"], Namespaced, Kubernetes(V1)),
    row("", "LimitRange", "limitranges", &["limits"], Namespaced, Kubernetes(V1)),
    row("", "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], Namespaced, Kubernetes(V1)),
    row("", "Pod", "pods", &["po"], Namespaced, Kubernetes(V1)),
    row("", "PodTemplate", "podtemplates", &[], Namespaced, Kubernetes(V1)),
    row("", "ReplicationController", "replicationcontrollers", &["rc"], Namespaced, Kubernetes(V1)),
    row("", "ResourceQuota", "resourcequotas", &["quota"], Namespaced, Kubernetes(V1)),
    row("", "Secret", "secrets", &[], Namespaced, Kubernetes(V1)),
    row("", "Service", "services", &["svc"], Namespaced, Kubernetes(V1)),
    row("", "ServiceAccount", "serviceaccounts", &["sa"], Namespaced, Kubernetes(V1)),
    row("", "Namespace", "namespaces", &["ns"], Cluster, Kubernetes(V1)),
    row("", "Node", "nodes", &["no"], Cluster, Kubernetes(V1)),
    row("", "PersistentVolume", "persistentvolumes", &["pv"], Cluster, Kubernetes(V1)),
    row("", "Binding", "bindings", &[], Namespaced, NotStored),
    row("", "ComponentStatus", "componentstatuses", &["cs"], Cluster, NotStored),
    row("", "User", "users", &[], Cluster, Authorizers),
    row("", "Group", "groups", &[], Cluster, Authorizers),
    row("apps", "ControllerRevision", "controllerrevisions", &[], Namespaced, Kubernetes(V1)),
    row("apps", "DaemonSet", "daemonsets", &["ds"], Namespaced, Kubernetes(V1)),
    row("apps", "Deployment", "deployments", &["deploy"], Namespaced, Kubernetes(V1)),
    row("apps", "ReplicaSet", "replicasets", &["rs"], Namespaced, Kubernetes(V1)),
    row("apps", "StatefulSet", "statefulsets", &["sts"], Namespaced, Kubernetes(V1)),
    row("batch", "CronJob", "cronjobs", &["cj"], Namespaced, Kubernetes(V1)),
    row("batch", "Job", "jobs", &[], Namespaced, Kubernetes(V1)),
    row("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], Namespaced, Kubernetes(&["v2", "v1"])),
    row("policy", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], Namespaced, Kubernetes(V1)),
    row("rbac.authorization.k8s.io", "Role", "roles", &[], Namespaced, Kubernetes(V1)),
    row("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", &[], Namespaced, Kubernetes(V1)),
    row("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", &[], Cluster, Kubernetes(V1)),
    row("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", &[], Cluster, Kubernetes(V1)),
    row("networking.k8s.io", "Ingress", "ingresses", &["ing"], Namespaced, Kubernetes(V1)),
    row("networking.k8s.io", "NetworkPolicy", "networkpolicies", &["netpol"], Namespaced, Kubernetes(V1)),
    row("networking.k8s.io", "IngressClass", "ingressclasses", &[], Cluster, Kubernetes(V1)),
    row("networking.k8s.io", "IPAddress", "ipaddresses", &["ip"], Cluster, Kubernetes(&["v1", "v1beta1"])),
    row("networking.k8s.io", "ServiceCIDR", "servicecidrs", &[], Cluster, Kubernetes(&["v1", "v1beta1"])),
    row("storage.k8s.io", "CSIDriver", "csidrivers", &[], Cluster, Kubernetes(V1)),
    row("storage.k8s.io", "CSINode", "csinodes", &[], Cluster, Kubernetes(V1)),
    row("storage.k8s.io", "StorageClass", "storageclasses", &["sc"], Cluster, Kubernetes(V1)),
    row("storage.k8s.io", "VolumeAttachment", "volumeattachments", &[], Cluster, Kubernetes(V1)),
    row("storage.k8s.io", "VolumeAttributesClass", "volumeattributesclasses", &["vac"], Cluster, Kubernetes(&["v1", "v1beta1"])),
    row("storage.k8s.io", "CSIStorageCapacity", "csistoragecapacities", &[], Namespaced, Kubernetes(V1)),
    row("scheduling.k8s.io", "PriorityClass", "priorityclasses", &["pc"], Cluster, Kubernetes(V1)),
    row("scheduling.k8s.io", "CompositePodGroup", "compositepodgroups", &[], Namespaced, FeatureGate(&["v1beta1", "v1alpha3", "v1alpha2", "v1alpha1"])),
    row("scheduling.k8s.io", "PodGroup", "podgroups", &[], Namespaced, Kubernetes(&["v1beta1", "v1alpha3", "v1alpha2", "v1alpha1"])),
    row("scheduling.k8s.io", "Workload", "workloads", &[], Namespaced, Kubernetes(&["v1beta1", "v1alpha3", "v1alpha2", "v1alpha1"])),
    row("node.k8s.io", "RuntimeClass", "runtimeclasses", &[], Cluster, Kubernetes(V1)),
    row("discovery.k8s.io", "EndpointSlice", "endpointslices", &[], Namespaced, Kubernetes(V1)),
    row("coordination.k8s.io", "Lease", "leases", &[], Namespaced, Kubernetes(V1)),
    row("coordination.k8s.io", "LeaseCandidate", "leasecandidates", &[], Namespaced, Kubernetes(&["v1beta1", "v1alpha2"])),
    row("events.k8s.io", "Event", "events", &["ev"], Namespaced, Kubernetes(V1)),
    row("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", &["crd", "crds"], Cluster, Kubernetes(V1)),
    row("apiregistration.k8s.io", "APIService", "apiservices", &[], Cluster, Kubernetes(V1)),
    row("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", &[], Cluster, Kubernetes(V1)),
    row("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", &[], Cluster, Kubernetes(V1)),
    row("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", &[], Cluster, Kubernetes(&["v1", "v1beta1"])),
    row("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", &[], Cluster, Kubernetes(&["v1", "v1beta1"])),
    row("admissionregistration.k8s.io", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", &[], Cluster, Kubernetes(&["v1", "v1beta1", "v1alpha1"])),
    row("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", &[], Cluster, Kubernetes(&["v1", "v1beta1", "v1alpha1"])),
    row("certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", &["csr"], Cluster, Kubernetes(V1)),
    row("certificates.k8s.io", "ClusterTrustBundle", "clustertrustbundles", &[], Cluster, Kubernetes(&["v1", "v1beta1", "v1alpha1"])),
    row("certificates.k8s.io", "PodCertificateRequest", "podcertificaterequests", &[], Namespaced, Kubernetes(&["v1", "v1beta1", "v1alpha1"])),
    row("certificates.k8s.io", "Signer", "signers", &[], Cluster, Authorizers),
    row("flowcontrol.apiserver.k8s.io", "FlowSchema", "flowschemas", &[], Cluster, Kubernetes(V1)),
    row("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "prioritylevelconfigurations", &[], Cluster, Kubernetes(V1)),
    row("resource.k8s.io", "ResourceClaim", "resourceclaims", &[], Namespaced, Kubernetes(&["v1", "v1beta2", "v1beta1"])),
    row("resource.k8s.io", "ResourceClaimTemplate", "resourceclaimtemplates", &[], Namespaced, Kubernetes(&["v1", "v1beta2", "v1beta1"])),
    row("resource.k8s.io", "DeviceClass", "deviceclasses", &[], Cluster, Kubernetes(&["v1", "v1beta2", "v1beta1"])),
    row("resource.k8s.io", "ResourceSlice", "resourceslices", &[], Cluster, Kubernetes(&["v1", "v1beta2", "v1beta1"])),
    row("resource.k8s.io", "DeviceTaintRule", "devicetaintrules", &[], Cluster, Kubernetes(&["v1", "v1beta2", "v1alpha3"])),
    row("resource.k8s.io", "ResourcePoolStatusRequest", "resourcepoolstatusrequests", &[], Cluster, Kubernetes(&["v1", "v1beta2", "v1alpha3"])),
    row("internal.apiserver.k8s.io", "StorageVersion", "storageversions", &[], Cluster, Kubernetes(&["v1alpha1"])),
    row("lifecycle.k8s.io", "Eviction", "evictions", &[], Namespaced, FeatureGate(&["v1alpha1"])),
    row("lifecycle.k8s.io", "EvictionRequest", "evictionrequests", &[], Namespaced, FeatureGate(&["v1alpha1"])),
    row("storagemigration.k8s.io", "StorageVersionMigration", "storageversionmigrations", &[], Cluster, Kubernetes(&["v1", "v1beta1", "v1alpha1"])),
    row("authentication.k8s.io", "User", "users", &[], Cluster, Authorizers),
    row("authentication.k8s.io", "Group", "groups", &[], Cluster, Authorizers),
    row("authentication.k8s.io", "ServiceAccount", "serviceaccounts", &[], Namespaced, Authorizers),
    row("authentication.k8s.io", "Node", "nodes", &[], Cluster, Authorizers),
    row("authentication.k8s.io", "Uid", "uids", &[], Cluster, Authorizers),
    row("authentication.k8s.io", "UserExtra", "userextras", &[], Cluster, Authorizers),
    row("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", &[], Cluster, NotStored),
    row("authentication.k8s.io", "TokenReview", "tokenreviews", &[], Cluster, NotStored),
    row("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", &[], Namespaced, NotStored),
    row("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", &[], Cluster, NotStored),
    row("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", &[], Cluster, NotStored),
    row("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", &[], Cluster, NotStored),
    // Add-ons.
    row("velero.io", "Backup", "backups", &[], Namespaced, AddOn(V1)),
    row("velero.io", "BackupStorageLocation", "backupstoragelocations", &[], Namespaced, AddOn(V1)),
    row("velero.io", "PodVolumeBackup", "podvolumebackups", &[], Namespaced, AddOn(V1)),
    row("velero.io", "Restore", "restores", &[], Namespaced, AddOn(V1)),
    row("velero.io", "Schedule", "schedules", &[], Namespaced, AddOn(V1)),
    row("velero.io", "DataUpload", "datauploads", &[], Namespaced, AddOn(&["v2alpha1"])),
    row("snapshot.storage.k8s.io", "VolumeSnapshot", "volumesnapshots", &[], Namespaced, AddOn(V1)),
    row("snapshot.storage.k8s.io", "VolumeSnapshotClass", "volumesnapshotclasses", &[], Cluster, AddOn(V1)),
    row("snapshot.storage.k8s.io", "VolumeSnapshotContent", "volumesnapshotcontents", &[], Cluster, AddOn(V1)),
    row("k8up.io", "Backup", "backups", &[], Namespaced, AddOn(V1)),
    row("k8up.io", "Restore", "restores", &[], Namespaced, AddOn(V1)),
    row("k8up.io", "Schedule", "schedules", &[], Namespaced, AddOn(V1)),
    row("k8up.io", "Snapshot", "snapshots", &[], Namespaced, AddOn(V1)),
    row("postgresql.cnpg.io", "Backup", "backups", &[], Namespaced, AddOn(V1)),
    row("postgresql.cnpg.io", "Cluster", "clusters", &[], Namespaced, AddOn(V1)),
    row("postgresql.cnpg.io", "ScheduledBackup", "scheduledbackups", &[], Namespaced, AddOn(V1)),
    row("barmancloud.cnpg.io", "ObjectStore", "objectstores", &[], Namespaced, AddOn(V1)),
    row("longhorn.io", "Backup", "backups", &[], Namespaced, AddOn(&["v1beta2"])),
    row("longhorn.io", "BackupTarget", "backuptargets", &[], Namespaced, AddOn(&["v1beta2"])),
    row("longhorn.io", "BackupVolume", "backupvolumes", &[], Namespaced, AddOn(&["v1beta2"])),
    row("longhorn.io", "RecurringJob", "recurringjobs", &[], Namespaced, AddOn(&["v1beta2"])),
    row("longhorn.io", "Volume", "volumes", &[], Namespaced, AddOn(&["v1beta2"])),
    row("volsync.backube", "ReplicationDestination", "replicationdestinations", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("volsync.backube", "ReplicationSource", "replicationsources", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("config.kio.kasten.io", "Policy", "policies", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("actions.kio.kasten.io", "BackupAction", "backupactions", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("actions.kio.kasten.io", "RestoreAction", "restoreactions", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("apps.kio.kasten.io", "RestorePoint", "restorepoints", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("acid.zalan.do", "postgresql", "postgresqls", &[], Namespaced, AddOn(V1)),
    row("apps.kubeblocks.io", "Cluster", "clusters", &[], Namespaced, AddOn(&["v1", "v1alpha1"])),
    row("app.redislabs.com", "RedisEnterpriseDatabase", "redisenterprisedatabases", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("cassandra.datastax.com", "CassandraDatacenter", "cassandradatacenters", &[], Namespaced, AddOn(&["v1beta1"])),
    row("clickhouse.altinity.com", "ClickHouseInstallation", "clickhouseinstallations", &[], Namespaced, AddOn(V1)),
    row("couchbase.com", "CouchbaseCluster", "couchbaseclusters", &[], Namespaced, AddOn(&["v2"])),
    row("crdb.cockroachlabs.com", "CrdbCluster", "crdbclusters", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("database.arangodb.com", "ArangoDeployment", "arangodeployments", &[], Namespaced, AddOn(&["v1", "v1alpha"])),
    row("databases.spotahome.com", "RedisFailover", "redisfailovers", &[], Namespaced, AddOn(V1)),
    row("dragonflydb.io", "Dragonfly", "dragonflies", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("elasticsearch.k8s.elastic.co", "Elasticsearch", "elasticsearches", &[], Namespaced, AddOn(&["v1", "v1beta1"])),
    row("k8s.mariadb.com", "MariaDB", "mariadbs", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("k8ssandra.io", "K8ssandraCluster", "k8ssandraclusters", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("kubedb.com", "Elasticsearch", "elasticsearches", &[], Namespaced, AddOn(&["v1", "v1alpha2"])),
    row("kubedb.com", "MariaDB", "mariadbs", &[], Namespaced, AddOn(&["v1", "v1alpha2"])),
    row("kubedb.com", "MongoDB", "mongodbs", &[], Namespaced, AddOn(&["v1", "v1alpha2"])),
    row("kubedb.com", "MySQL", "mysqls", &[], Namespaced, AddOn(&["v1", "v1alpha2"])),
    row("kubedb.com", "Postgres", "postgreses", &[], Namespaced, AddOn(&["v1", "v1alpha2"])),
    row("kubedb.com", "Redis", "redises", &[], Namespaced, AddOn(&["v1", "v1alpha2"])),
    row("mongodb.com", "MongoDB", "mongodb", &[], Namespaced, AddOn(V1)),
    row("mongodbcommunity.mongodb.com", "MongoDBCommunity", "mongodbcommunity", &[], Namespaced, AddOn(V1)),
    row("mysql.oracle.com", "InnoDBCluster", "innodbclusters", &[], Namespaced, AddOn(&["v2"])),
    row("opensearch.opster.io", "OpenSearchCluster", "opensearchclusters", &[], Namespaced, AddOn(V1)),
    row("pgv2.percona.com", "PerconaPGCluster", "perconapgclusters", &[], Namespaced, AddOn(&["v2"])),
    row("pingcap.com", "TidbCluster", "tidbclusters", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("planetscale.com", "VitessCluster", "vitessclusters", &[], Namespaced, AddOn(&["v2"])),
    row("postgres-operator.crunchydata.com", "PostgresCluster", "postgresclusters", &[], Namespaced, AddOn(&["v1", "v1beta1"])),
    row("ps.percona.com", "PerconaServerMySQL", "perconaservermysqls", &[], Namespaced, AddOn(&["v1", "v1alpha1"])),
    row("psmdb.percona.com", "PerconaServerMongoDB", "perconaservermongodbs", &[], Namespaced, AddOn(V1)),
    row("pxc.percona.com", "PerconaXtraDBCluster", "perconaxtradbclusters", &[], Namespaced, AddOn(V1)),
    row("redis.redis.opstreelabs.in", "Redis", "redis", &[], Namespaced, AddOn(&["v1beta2", "v1beta1"])),
    row("redis.redis.opstreelabs.in", "RedisCluster", "redisclusters", &[], Namespaced, AddOn(&["v1beta2", "v1beta1"])),
    row("scylla.scylladb.com", "ScyllaCluster", "scyllaclusters", &[], Namespaced, AddOn(V1)),
    row("stackgres.io", "SGCluster", "sgclusters", &[], Namespaced, AddOn(V1)),
    row("cert-manager.io", "Certificate", "certificates", &[], Namespaced, AddOn(V1)),
    row("cert-manager.io", "CertificateRequest", "certificaterequests", &[], Namespaced, AddOn(V1)),
    row("cert-manager.io", "Issuer", "issuers", &[], Namespaced, AddOn(V1)),
    row("comptroller.dev", "Attestation", "attestations", &[], Cluster, AddOn(&["v1alpha1"])),
    row("comptroller.dev", "Person", "people", &[], Cluster, AddOn(&["v1alpha1"])),
    row("cert-manager.io", "ClusterIssuer", "clusterissuers", &[], Cluster, AddOn(V1)),
    row("gateway.networking.k8s.io", "Gateway", "gateways", &[], Namespaced, AddOn(&["v1", "v1beta1"])),
    row("gateway.networking.k8s.io", "HTTPRoute", "httproutes", &[], Namespaced, AddOn(&["v1", "v1beta1"])),
    row("gateway.networking.k8s.io", "GRPCRoute", "grpcroutes", &[], Namespaced, AddOn(V1)),
    row("gateway.networking.k8s.io", "ListenerSet", "listenersets", &[], Namespaced, AddOn(V1)),
    row("gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", &[], Cluster, AddOn(&["v1", "v1beta1"])),
    row("security.istio.io", "AuthorizationPolicy", "authorizationpolicies", &[], Namespaced, AddOn(&["v1", "v1beta1"])),
    row("security.istio.io", "PeerAuthentication", "peerauthentications", &[], Namespaced, AddOn(&["v1", "v1beta1"])),
    row("networking.istio.io", "DestinationRule", "destinationrules", &[], Namespaced, AddOn(&["v1", "v1beta1", "v1alpha3"])),
    row("networking.istio.io", "Gateway", "gateways", &[], Namespaced, AddOn(&["v1", "v1beta1", "v1alpha3"])),
    row("networking.istio.io", "VirtualService", "virtualservices", &[], Namespaced, AddOn(&["v1", "v1beta1", "v1alpha3"])),
    row("policy.linkerd.io", "Server", "servers", &[], Namespaced, AddOn(&["v1beta3", "v1beta2", "v1beta1"])),
    row("policy.linkerd.io", "ServerAuthorization", "serverauthorizations", &[], Namespaced, AddOn(&["v1beta1"])),
    row("policy.linkerd.io", "AuthorizationPolicy", "authorizationpolicies", &[], Namespaced, AddOn(&["v1alpha1"])),
    row("monitoring.coreos.com", "PrometheusRule", "prometheusrules", &[], Namespaced, AddOn(V1)),
    row("monitoring.coreos.com", "ServiceMonitor", "servicemonitors", &[], Namespaced, AddOn(V1)),
    row("openreports.io", "Report", "reports", &["reps"], Namespaced, AddOn(&["v1alpha1"])),
    row("openreports.io", "ClusterReport", "clusterreports", &["creps"], Cluster, AddOn(&["v1alpha1"])),
    row("wgpolicyk8s.io", "PolicyReport", "policyreports", &["polr"], Namespaced, AddOn(&["v1alpha2"])),
    row("wgpolicyk8s.io", "ClusterPolicyReport", "clusterpolicyreports", &["cpolr"], Cluster, AddOn(&["v1alpha2"])),
    row("aquasecurity.github.io", "VulnerabilityReport", "vulnerabilityreports", &["vuln", "vulns"], Namespaced, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "ClusterVulnerabilityReport", "clustervulnerabilityreports", &["clustervuln"], Cluster, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "ConfigAuditReport", "configauditreports", &["configaudit", "configaudits"], Namespaced, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "ClusterConfigAuditReport", "clusterconfigauditreports", &["clusterconfigaudit"], Cluster, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "ExposedSecretReport", "exposedsecretreports", &["exposedsecret", "exposedsecrets"], Namespaced, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "RbacAssessmentReport", "rbacassessmentreports", &["rbacassessment", "rbacassessments"], Namespaced, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "ClusterRbacAssessmentReport", "clusterrbacassessmentreports", &["clusterrbacassessmentreport"], Cluster, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "InfraAssessmentReport", "infraassessmentreports", &["infraassessment", "infraassessments"], Namespaced, AddOn(&["v1alpha1"])),
    row("aquasecurity.github.io", "ClusterInfraAssessmentReport", "clusterinfraassessmentreports", &["clusterinfraassessment"], Cluster, AddOn(&["v1alpha1"])),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_kind_is_listed_twice() {
        let kinds: BTreeSet<(&str, &str)> = KNOWN.iter().map(|row| (row.group, row.kind)).collect();
        assert_eq!(kinds.len(), KNOWN.len());
    }

    #[test]
    fn plurals_and_short_names_are_unambiguous_within_a_group() {
        let mut names: Vec<(&str, &str)> = KNOWN
            .iter()
            .flat_map(|row| {
                let names = row.short.iter().chain([&row.plural]);
                names.map(|name| (row.group, *name))
            })
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn scopes() {
        assert!(is_cluster_scoped("", "nodes"));
        assert!(is_cluster_scoped("rbac.authorization.k8s.io", "clusterroles"));
        assert!(!is_cluster_scoped("", "pods"));
        assert!(!is_cluster_scoped("example.com", "nodes"));
    }
}
