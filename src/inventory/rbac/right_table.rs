//! Which requests exercise which right.

use super::right::{
    ANY, Access,
    Names::{self, Irrelevant, Narrow, Unless},
    Right,
};

type Strs = &'static [&'static str];

const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";
const OURS: &str = crate::api::GROUP;

const READ: Strs = &["get", "list", "watch"];
const PUT: Strs = &["create", "update", "patch"];
const CHANGE: Strs = &["update", "patch"];
const DELETE: Strs = &["delete", "deletecollection"];
const WRITE: Strs = &["create", "update", "patch", "delete", "deletecollection"];
const CREATE: Strs = &["create"];
/// Clients that open a `WebSocket` are authorised for get, all others for create.
const CONNECT: Strs = &["create", "get"];
const IMPERSONATE: Strs = &["impersonate"];

/// Signers whose certificates the API server takes as anybody's identity.
const CLIENT_SIGNERS: Names = Unless(&[
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/legacy-unknown",
    "kubernetes.io/*",
]);
/// Whoever may be these may be anybody.
const POWERFUL_IDENTITIES: Names = Unless(&[
    "system:masters",
    "system:admin",
    "system:kube-controller-manager",
    "kubernetes-admin",
]);
/// Roles that every cluster has and that lead far.
const POWERFUL_ROLES: Names = Unless(&["cluster-admin", "admin", "edit"]);

/// On namespaced resources, or on both: effective in a namespace too.
const fn any(verbs: Strs, group: &'static str, resources: Strs, names: Names) -> Access {
    Access { verbs, group, resources, names, cluster_scoped: false }
}

/// On cluster-scoped resources: without effect in a `RoleBinding`.
const fn cluster(verbs: Strs, group: &'static str, resources: Strs, names: Names) -> Access {
    Access { verbs, group, resources, names, cluster_scoped: true }
}

const fn everything(verb: Strs) -> [Access; 1] {
    [any(verb, "*", &["*"], Narrow)]
}

const GET_ALL: &[Access] = &everything(&["get"]);
const LIST_ALL: &[Access] = &everything(&["list"]);
const WATCH_ALL: &[Access] = &everything(&["watch"]);
const CREATE_ALL: &[Access] = &everything(&["create"]);
const UPDATE_ALL: &[Access] = &everything(&["update"]);
const PATCH_ALL: &[Access] = &everything(&["patch"]);
const DELETE_ALL: &[Access] = &everything(&["delete"]);
const DELETE_COLLECTION_ALL: &[Access] = &everything(&["deletecollection"]);

const ESCALATE: &[Access] = &[
    cluster(&["escalate"], RBAC, &["clusterroles"], Irrelevant),
    any(&["escalate"], RBAC, &["roles"], Irrelevant),
];
const BIND: &[Access] = &[any(
    &["bind"],
    RBAC,
    // A RoleBinding that grants bind on clusterroles is effective: what is asked is whether the
    // writer may bind that ClusterRole in the namespace of the new binding.
    &["clusterroles", "roles"],
    POWERFUL_ROLES,
)];
const WRITE_BINDINGS: &[Access] = &[
    cluster(PUT, RBAC, &["clusterrolebindings"], Narrow),
    any(PUT, RBAC, &["rolebindings"], Narrow),
];
const WRITE_ROLES: &[Access] =
    &[cluster(PUT, RBAC, &["clusterroles"], Narrow), any(PUT, RBAC, &["roles"], Narrow)];
const IMPERSONATION: &[Access] = &[
    cluster(IMPERSONATE, "", &["users", "groups"], POWERFUL_IDENTITIES),
    any(IMPERSONATE, "", &["serviceaccounts"], Narrow),
    cluster(IMPERSONATE, AUTHENTICATION, &["userextras/", "uids"], Narrow),
];
const CONSTRAINED_WHOM: &[Access] = &[
    cluster(
        &["impersonate:user-info", "impersonate:arbitrary-node", "impersonate:associated-node"],
        AUTHENTICATION,
        &["users", "groups", "nodes"],
        POWERFUL_IDENTITIES,
    ),
    any(&["impersonate:serviceaccount"], AUTHENTICATION, &["serviceaccounts"], Narrow),
];
const CONSTRAINED_WHAT: &[Access] = &[any(&["impersonate-on:"], ANY, &[ANY], Irrelevant)];
const READ_SECRETS: &[Access] = &[any(READ, "", &["secrets"], Narrow)];
const WRITE_SECRETS: &[Access] = &[any(PUT, "", &["secrets"], Narrow)];
const MINT_TOKENS: &[Access] = &[any(CREATE, "", &["serviceaccounts/token"], Narrow)];
const UPDATE_APPROVAL: &[Access] =
    &[cluster(CHANGE, CERTIFICATES, &["certificatesigningrequests/approval"], Irrelevant)];
const APPROVE_SIGNER: &[Access] =
    &[cluster(&["approve"], CERTIFICATES, &["signers"], CLIENT_SIGNERS)];
const SIGN_SIGNER: &[Access] = &[cluster(&["sign"], CERTIFICATES, &["signers"], CLIENT_SIGNERS)];
const UPDATE_CERTIFICATES: &[Access] =
    &[cluster(CHANGE, CERTIFICATES, &["certificatesigningrequests/status"], Irrelevant)];
const REQUEST_CERTIFICATES: &[Access] =
    &[cluster(CREATE, CERTIFICATES, &["certificatesigningrequests"], Irrelevant)];
const NODES_PROXY: &[Access] = &[cluster(&["get", "create"], "", &["nodes/proxy"], Irrelevant)];
const CREATE_PODS: &[Access] = &[any(CREATE, "", &["pods"], Irrelevant)];
const WORKLOADS: Strs = &["deployments", "statefulsets", "daemonsets", "replicasets"];
const JOBS: Strs = &["jobs", "cronjobs"];
const WRITE_WORKLOADS: &[Access] = &[
    // A pod template can name any service account, so one workload is as good as all.
    any(PUT, "apps", WORKLOADS, Irrelevant),
    any(PUT, "batch", JOBS, Irrelevant),
    any(PUT, "", &["replicationcontrollers"], Irrelevant),
];
const WRITE_PODS: &[Access] = &[any(CHANGE, "", &["pods"], Irrelevant)];
const EXEC: &[Access] = &[any(CONNECT, "", &["pods/exec"], Irrelevant)];
const ATTACH: &[Access] = &[any(CONNECT, "", &["pods/attach"], Irrelevant)];
const EPHEMERAL: &[Access] = &[any(CHANGE, "", &["pods/ephemeralcontainers"], Irrelevant)];
const PORT_FORWARD: &[Access] = &[
    any(CONNECT, "", &["pods/portforward"], Narrow),
    any(
        &["get", "create", "update", "patch", "delete"],
        "",
        &["pods/proxy", "services/proxy"],
        Narrow,
    ),
];
const CREATE_VOLUMES: &[Access] = &[cluster(CREATE, "", &["persistentvolumes"], Irrelevant)];
const WRITE_WEBHOOKS: &[Access] = &[cluster(
    WRITE,
    ADMISSION,
    &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
    Irrelevant,
)];
const WRITE_ADMISSION_POLICIES: &[Access] = &[cluster(
    WRITE,
    ADMISSION,
    &[
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ],
    Irrelevant,
)];
const WRITE_POLICY_ENGINES: &[Access] = &[
    any(WRITE, "kyverno.io", &["policies", "policyexceptions", "cleanuppolicies"], Narrow),
    cluster(
        WRITE,
        "kyverno.io",
        &["clusterpolicies", "clustercleanuppolicies", "globalcontextentries"],
        Narrow,
    ),
    any(WRITE, "policies.kyverno.io", &[ANY], Narrow),
    cluster(WRITE, "templates.gatekeeper.sh", &[ANY], Narrow),
    cluster(WRITE, "constraints.gatekeeper.sh", &[ANY], Narrow),
    cluster(WRITE, "mutations.gatekeeper.sh", &[ANY], Narrow),
    cluster(WRITE, "expansion.gatekeeper.sh", &[ANY], Narrow),
    cluster(WRITE, "externaldata.gatekeeper.sh", &[ANY], Narrow),
    any(WRITE, "config.gatekeeper.sh", &["configs"], Narrow),
];
const WRITE_NAMESPACES: &[Access] = &[
    // The API server looks a namespace up in itself, so a RoleBinding inside is effective.
    any(CHANGE, "", &["namespaces"], Irrelevant),
];
const WRITE_NODES: &[Access] = &[cluster(CHANGE, "", &["nodes", "nodes/status"], Irrelevant)];
const REMOVE_PODS: &[Access] =
    &[any(DELETE, "", &["pods"], Narrow), any(CREATE, "", &["pods/eviction"], Narrow)];
const WRITE_OBJECT_STATUS: &[Access] =
    &[any(CHANGE, "", &["pods/status", "services/status"], Narrow)];
const REDIRECT_TRAFFIC: &[Access] = &[
    any(WRITE, "", &["services", "endpoints"], Narrow),
    any(WRITE, "discovery.k8s.io", &["endpointslices"], Narrow),
    any(WRITE, "networking.k8s.io", &["ingresses", "networkpolicies"], Narrow),
    any(
        WRITE,
        "gateway.networking.k8s.io",
        &["gateways", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "udproutes"],
        Narrow,
    ),
];
const WRITE_DNS_CONFIG: &[Access] = &[any(CHANGE, "", &["configmaps"], Unless(&["coredns"]))];
const WRITE_IDENTITY_MAP: &[Access] = &[any(CHANGE, "", &["configmaps"], Unless(&["aws-auth"]))];
const EXTEND_API: &[Access] = &[
    cluster(WRITE, "apiextensions.k8s.io", &["customresourcedefinitions"], Narrow),
    cluster(WRITE, "apiregistration.k8s.io", &["apiservices"], Narrow),
];
const MASS_DELETE: &[Access] = &[
    any(DELETE, "*", &["*"], Narrow),
    any(DELETE, "apps", WORKLOADS, Narrow),
    any(DELETE, "batch", JOBS, Narrow),
    any(DELETE, "", &["replicationcontrollers", "secrets", "persistentvolumeclaims"], Narrow),
    cluster(DELETE, "", &["namespaces", "persistentvolumes"], Narrow),
];
const HIDE_TRACES: &[Access] = &[
    any(DELETE, "", &["events"], Narrow),
    any(DELETE, "events.k8s.io", &["events"], Narrow),
    any(WRITE, "logging.banzaicloud.io", &[ANY], Narrow),
    any(WRITE, "fluentbit.fluent.io", &[ANY], Narrow),
    any(WRITE, "fluentd.fluent.io", &[ANY], Narrow),
    any(WRITE, "logging.openshift.io", &[ANY], Narrow),
    any(WRITE, "observability.openshift.io", &[ANY], Narrow),
    // People write attestations and decide review tasks; nobody but the operator writes these.
    cluster(PUT, OURS, &["accessreviewcampaigns", "trainingrecords"], Irrelevant),
    cluster(
        DELETE,
        OURS,
        &[
            "attestations",
            "controlexceptions",
            "accessreviewcampaigns",
            "accessreviewtasks",
            "trainingrecords",
            "trainingattempts",
            "auditperiods",
        ],
        Irrelevant,
    ),
    cluster(
        CHANGE,
        OURS,
        &[
            "controls/status",
            "controlexceptions/status",
            "attestations/status",
            "accessreviews/status",
            "accessreviewcampaigns/status",
            "accessreviewtasks/status",
            "trainingpolicies/status",
            "trainingattempts/status",
            "auditperiods/status",
        ],
        Irrelevant,
    ),
];
const WRITE_DELIVERY: &[Access] = &[
    any(
        PUT,
        "argoproj.io",
        &["applications", "applicationsets", "workflows", "cronworkflows"],
        Irrelevant,
    ),
    any(PUT, "kustomize.toolkit.fluxcd.io", &["kustomizations"], Irrelevant),
    any(PUT, "helm.toolkit.fluxcd.io", &["helmreleases"], Irrelevant),
    any(PUT, "tekton.dev", &["pipelineruns", "taskruns", "pipelines", "tasks"], Irrelevant),
];
const CREATE_OBJECTS: &[Access] = &[
    any(CREATE, "", &["configmaps", "secrets", "pods", "services", "events"], Irrelevant),
    any(CREATE, "batch", &["jobs"], Irrelevant),
];

/// The requests that exercise a right. [`Right::Wildcard`] is in the shape of a rule instead.
pub(super) const fn accesses(right: Right) -> &'static [Access] {
    match right {
        Right::GetAll => GET_ALL,
        Right::ListAll => LIST_ALL,
        Right::WatchAll => WATCH_ALL,
        Right::CreateAll => CREATE_ALL,
        Right::UpdateAll => UPDATE_ALL,
        Right::PatchAll => PATCH_ALL,
        Right::DeleteAll => DELETE_ALL,
        Right::DeleteCollectionAll => DELETE_COLLECTION_ALL,
        Right::Wildcard => &[],
        Right::Escalate => ESCALATE,
        Right::Bind => BIND,
        Right::WriteBindings => WRITE_BINDINGS,
        Right::WriteRoles => WRITE_ROLES,
        Right::Impersonate => IMPERSONATION,
        Right::ConstrainedWhom => CONSTRAINED_WHOM,
        Right::ConstrainedWhat => CONSTRAINED_WHAT,
        Right::ReadSecrets => READ_SECRETS,
        Right::WriteSecrets => WRITE_SECRETS,
        Right::MintTokens => MINT_TOKENS,
        Right::UpdateApproval => UPDATE_APPROVAL,
        Right::ApproveSigner => APPROVE_SIGNER,
        Right::SignSigner => SIGN_SIGNER,
        Right::UpdateCertificates => UPDATE_CERTIFICATES,
        Right::RequestCertificates => REQUEST_CERTIFICATES,
        Right::NodesProxy => NODES_PROXY,
        Right::CreatePods => CREATE_PODS,
        Right::WriteWorkloads => WRITE_WORKLOADS,
        Right::WritePods => WRITE_PODS,
        Right::Exec => EXEC,
        Right::Attach => ATTACH,
        Right::EphemeralContainers => EPHEMERAL,
        Right::PortForward => PORT_FORWARD,
        Right::CreateVolumes => CREATE_VOLUMES,
        Right::WriteWebhooks => WRITE_WEBHOOKS,
        Right::WriteAdmissionPolicies => WRITE_ADMISSION_POLICIES,
        Right::WritePolicyEngines => WRITE_POLICY_ENGINES,
        Right::WriteNamespaces => WRITE_NAMESPACES,
        Right::WriteNodes => WRITE_NODES,
        Right::RemovePods => REMOVE_PODS,
        Right::WriteObjectStatus => WRITE_OBJECT_STATUS,
        Right::RedirectTraffic => REDIRECT_TRAFFIC,
        Right::WriteDnsConfig => WRITE_DNS_CONFIG,
        Right::WriteIdentityMap => WRITE_IDENTITY_MAP,
        Right::ExtendApi => EXTEND_API,
        Right::MassDelete => MASS_DELETE,
        Right::HideTraces => HIDE_TRACES,
        Right::WriteDelivery => WRITE_DELIVERY,
        Right::CreateObjects => CREATE_OBJECTS,
    }
}
