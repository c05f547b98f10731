//! Which requests exercise which right. One table, so that a new kind of Kubernetes is one word here.

use super::right::{
    ANY,
    NameEffect::{self, Irrelevant, Narrow, Unless, UnlessUser},
    RequestPattern, Right,
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
const GET: Strs = &["get"];
const IMPERSONATE: Strs = &["impersonate"];
const AS_USER: Strs = &["impersonate:user-info"];

/// Signers whose certificates the API server takes as anybody's identity.
const CLIENT_SIGNERS: NameEffect = Unless(&[
    "kubernetes.io/kube-apiserver-client",
    "kubernetes.io/legacy-unknown",
    "kubernetes.io/*",
]);
/// For namespaced resources, or both: also effective if the role is bound in a namespace.
const fn any(
    verbs: Strs,
    group: &'static str,
    resources: Strs,
    names: NameEffect,
) -> RequestPattern {
    RequestPattern { verbs, group, resources, names, cluster_scoped: false }
}

/// For cluster-scoped resources: without effect in a `RoleBinding`.
const fn cluster(
    verbs: Strs,
    group: &'static str,
    resources: Strs,
    names: NameEffect,
) -> RequestPattern {
    RequestPattern { verbs, group, resources, names, cluster_scoped: true }
}

const fn everything(verb: Strs) -> [RequestPattern; 1] {
    [any(verb, "*", &["*"], Narrow)]
}

const READ_ALL: &[RequestPattern] = &everything(READ);
const CREATE_ALL: &[RequestPattern] = &everything(CREATE);
const CHANGE_ALL: &[RequestPattern] = &everything(CHANGE);
const DELETE_ALL: &[RequestPattern] = &everything(DELETE);

// Names narrow these rights to what is named: see `naming`.
const ESCALATE_CLUSTER_ROLES: &[RequestPattern] =
    &[cluster(&["escalate"], RBAC, &["clusterroles"], Narrow)];
const ESCALATE_ROLES: &[RequestPattern] = &[any(&["escalate"], RBAC, &["roles"], Narrow)];
// A RoleBinding that grants bind on clusterroles is effective: what is asked is whether the writer
// may bind that ClusterRole in the namespace of the new binding.
const BIND_CLUSTER_ROLES: &[RequestPattern] = &[any(&["bind"], RBAC, &["clusterroles"], Narrow)];
const BIND_ROLES: &[RequestPattern] = &[any(&["bind"], RBAC, &["roles"], Narrow)];
const WRITE_CLUSTER_BINDINGS: &[RequestPattern] =
    &[cluster(PUT, RBAC, &["clusterrolebindings"], Narrow)];
const WRITE_ROLE_BINDINGS: &[RequestPattern] = &[any(PUT, RBAC, &["rolebindings"], Narrow)];
const WRITE_CLUSTER_ROLES: &[RequestPattern] = &[cluster(PUT, RBAC, &["clusterroles"], Narrow)];
const WRITE_ROLES: &[RequestPattern] = &[any(PUT, RBAC, &["roles"], Narrow)];
const IMPERSONATE_USERS: &[RequestPattern] = &[cluster(IMPERSONATE, "", &["users"], Narrow)];
const IMPERSONATE_GROUPS: &[RequestPattern] = &[cluster(IMPERSONATE, "", &["groups"], Narrow)];
const IMPERSONATE_ACCOUNTS: &[RequestPattern] =
    &[any(IMPERSONATE, "", &["serviceaccounts"], Narrow)];
const IMPERSONATE_SOMEBODY: &[RequestPattern] = &[
    cluster(IMPERSONATE, "", &["users"], UnlessUser),
    any(IMPERSONATE, "", &["serviceaccounts"], Irrelevant),
];
const CONSTRAINED_USERS: &[RequestPattern] =
    &[cluster(AS_USER, AUTHENTICATION, &["users"], Narrow)];
const CONSTRAINED_GROUPS: &[RequestPattern] =
    &[cluster(AS_USER, AUTHENTICATION, &["groups"], Narrow)];
const CONSTRAINED_SOMEBODY: &[RequestPattern] =
    &[cluster(AS_USER, AUTHENTICATION, &["users"], UnlessUser)];
const CONSTRAINED_ACCOUNTS: &[RequestPattern] =
    &[any(&["impersonate:serviceaccount"], AUTHENTICATION, &["serviceaccounts"], Narrow)];
const CONSTRAINED_NODES: &[RequestPattern] = &[
    cluster(&["impersonate:arbitrary-node"], AUTHENTICATION, &["nodes"], Irrelevant),
    // What is asked for is the name `*`, whichever node it is.
    cluster(&["impersonate:associated-node"], AUTHENTICATION, &["nodes"], Unless(&["*"])),
];
const ON_USERS: &[RequestPattern] = &[any(&["impersonate-on:user-info:"], ANY, &[ANY], Irrelevant)];
const ON_ACCOUNTS: &[RequestPattern] =
    &[any(&["impersonate-on:serviceaccount:"], ANY, &[ANY], Irrelevant)];
const ON_NODES: &[RequestPattern] = &[any(
    &["impersonate-on:arbitrary-node:", "impersonate-on:associated-node:"],
    ANY,
    &[ANY],
    Irrelevant,
)];
const READ_SECRETS: &[RequestPattern] = &[any(READ, "", &["secrets"], Narrow)];
const WRITE_SECRETS: &[RequestPattern] = &[any(PUT, "", &["secrets"], Narrow)];
const CHANGE_SECRETS: &[RequestPattern] = &[any(CHANGE, "", &["secrets"], Narrow)];
const MINT_TOKENS: &[RequestPattern] = &[any(CREATE, "", &["serviceaccounts/token"], Narrow)];
const UPDATE_APPROVAL: &[RequestPattern] =
    &[cluster(CHANGE, CERTIFICATES, &["certificatesigningrequests/approval"], Irrelevant)];
const APPROVE_SIGNER: &[RequestPattern] =
    &[cluster(&["approve"], CERTIFICATES, &["signers"], CLIENT_SIGNERS)];
const SIGN_SIGNER: &[RequestPattern] =
    &[cluster(&["sign"], CERTIFICATES, &["signers"], CLIENT_SIGNERS)];
const UPDATE_CERTIFICATES: &[RequestPattern] =
    &[cluster(CHANGE, CERTIFICATES, &["certificatesigningrequests/status"], Irrelevant)];
const REQUEST_CERTIFICATES: &[RequestPattern] =
    &[cluster(CREATE, CERTIFICATES, &["certificatesigningrequests"], Irrelevant)];
const NODES_PROXY: &[RequestPattern] =
    &[cluster(&["get", "create"], "", &["nodes/proxy"], Irrelevant)];
const CREATE_PODS: &[RequestPattern] = &[any(CREATE, "", &["pods"], Irrelevant)];
const WORKLOADS: Strs = &["deployments", "statefulsets", "daemonsets", "replicasets"];
const JOBS: Strs = &["jobs", "cronjobs"];
const WRITE_WORKLOADS: &[RequestPattern] = &[
    // A pod template can name any service account, so one workload is as good as all.
    any(PUT, "apps", WORKLOADS, Irrelevant),
    any(PUT, "batch", JOBS, Irrelevant),
    any(PUT, "", &["replicationcontrollers"], Irrelevant),
];
const WRITE_PODS: &[RequestPattern] = &[any(CHANGE, "", &["pods"], Irrelevant)];
// A WebSocket is opened by GET. Since 1.35 the API server asks for create as well (feature gate
// AuthorizePodWebsocketUpgradeCreatePermission, on by default).
const EXEC: &[RequestPattern] = &[any(CREATE, "", &["pods/exec"], Irrelevant)];
const EXEC_BY_GET: &[RequestPattern] = &[any(GET, "", &["pods/exec"], Irrelevant)];
const ATTACH: &[RequestPattern] = &[any(CREATE, "", &["pods/attach"], Irrelevant)];
const ATTACH_BY_GET: &[RequestPattern] = &[any(GET, "", &["pods/attach"], Irrelevant)];
const PORT_FORWARD_BY_GET: &[RequestPattern] = &[any(GET, "", &["pods/portforward"], Narrow)];
const EPHEMERAL: &[RequestPattern] = &[any(CHANGE, "", &["pods/ephemeralcontainers"], Irrelevant)];
const PORT_FORWARD: &[RequestPattern] = &[
    any(CREATE, "", &["pods/portforward"], Narrow),
    any(
        &["get", "create", "update", "patch", "delete"],
        "",
        &["pods/proxy", "services/proxy"],
        Narrow,
    ),
];
const CREATE_VOLUMES: &[RequestPattern] =
    &[cluster(CREATE, "", &["persistentvolumes"], Irrelevant)];
const WRITE_WEBHOOKS: &[RequestPattern] = &[cluster(
    WRITE,
    ADMISSION,
    &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
    Irrelevant,
)];
const WRITE_ADMISSION_POLICIES: &[RequestPattern] = &[cluster(
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
const WRITE_POLICY_ENGINES: &[RequestPattern] = &[
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
const WRITE_NAMESPACES: &[RequestPattern] = &[
    // The API server looks a namespace up in itself, so a RoleBinding inside is effective.
    any(CHANGE, "", &["namespaces"], Irrelevant),
];
const WRITE_NODES: &[RequestPattern] =
    &[cluster(CHANGE, "", &["nodes", "nodes/status"], Irrelevant)];
const REMOVE_PODS: &[RequestPattern] =
    &[any(DELETE, "", &["pods"], Narrow), any(CREATE, "", &["pods/eviction"], Narrow)];
const WRITE_OBJECT_STATUS: &[RequestPattern] =
    &[any(CHANGE, "", &["pods/status", "services/status"], Narrow)];
const REDIRECT_TRAFFIC: &[RequestPattern] = &[
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
const WRITE_DNS_CONFIG: &[RequestPattern] =
    &[any(CHANGE, "", &["configmaps"], Unless(&["coredns"]))];
const WRITE_IDENTITY_MAP: &[RequestPattern] =
    &[any(CHANGE, "", &["configmaps"], Unless(&["aws-auth"]))];
const EXTEND_API: &[RequestPattern] = &[
    cluster(WRITE, "apiextensions.k8s.io", &["customresourcedefinitions"], Narrow),
    cluster(WRITE, "apiregistration.k8s.io", &["apiservices"], Narrow),
];
const MASS_DELETE: &[RequestPattern] = &[
    any(DELETE, "*", &["*"], Narrow),
    any(DELETE, "apps", WORKLOADS, Narrow),
    any(DELETE, "batch", JOBS, Narrow),
    any(DELETE, "", &["replicationcontrollers", "secrets", "persistentvolumeclaims"], Narrow),
    cluster(DELETE, "", &["namespaces", "persistentvolumes"], Narrow),
];
const HIDE_TRACES: &[RequestPattern] = &[
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
const WRITE_DELIVERY: &[RequestPattern] = &[
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
const CREATE_OBJECTS: &[RequestPattern] = &[
    any(CREATE, "", &["configmaps", "secrets", "pods", "services", "events"], Irrelevant),
    any(CREATE, "batch", &["jobs"], Irrelevant),
];

/// The requests that exercise a right. Empty for [`Right::Wildcard`] and [`Right::Named`], which follow
/// from the form of a rule instead.
pub(super) const fn accesses(right: Right) -> &'static [RequestPattern] {
    match right {
        Right::ReadAll => READ_ALL,
        Right::CreateAll => CREATE_ALL,
        Right::ChangeAll => CHANGE_ALL,
        Right::DeleteAll => DELETE_ALL,
        Right::Wildcard | Right::Named => &[],
        Right::EscalateClusterRoles => ESCALATE_CLUSTER_ROLES,
        Right::EscalateRoles => ESCALATE_ROLES,
        Right::BindClusterRoles => BIND_CLUSTER_ROLES,
        Right::BindRoles => BIND_ROLES,
        Right::WriteClusterBindings => WRITE_CLUSTER_BINDINGS,
        Right::WriteRoleBindings => WRITE_ROLE_BINDINGS,
        Right::WriteClusterRoles => WRITE_CLUSTER_ROLES,
        Right::WriteRoles => WRITE_ROLES,
        Right::ImpersonateUsers => IMPERSONATE_USERS,
        Right::ImpersonateGroups => IMPERSONATE_GROUPS,
        Right::ImpersonateAccounts => IMPERSONATE_ACCOUNTS,
        Right::ImpersonateSomebody => IMPERSONATE_SOMEBODY,
        Right::ConstrainedUsers => CONSTRAINED_USERS,
        Right::ConstrainedGroups => CONSTRAINED_GROUPS,
        Right::ConstrainedSomebody => CONSTRAINED_SOMEBODY,
        Right::ConstrainedAccounts => CONSTRAINED_ACCOUNTS,
        Right::ConstrainedNodes => CONSTRAINED_NODES,
        Right::OnUsers => ON_USERS,
        Right::OnAccounts => ON_ACCOUNTS,
        Right::OnNodes => ON_NODES,
        Right::ReadSecrets => READ_SECRETS,
        Right::WriteSecrets => WRITE_SECRETS,
        Right::ChangeSecrets => CHANGE_SECRETS,
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
        Right::ExecByGet => EXEC_BY_GET,
        Right::Attach => ATTACH,
        Right::AttachByGet => ATTACH_BY_GET,
        Right::EphemeralContainers => EPHEMERAL,
        Right::PortForward => PORT_FORWARD,
        Right::PortForwardByGet => PORT_FORWARD_BY_GET,
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
