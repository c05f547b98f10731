//! Every risk made of rights: who carries it and who does not, and what is said.

use super::*;

#[test]
fn every_risk_of_rights_is_found_where_it_is_and_only_there() {
    use Severity::{Critical, High, Low, Medium};
    type Case = (Risk, &'static str, &'static [&'static str], Option<Severity>);
    let cases: &[Case] = &[
        (Risk::ClusterAdmin, "*", &["* * *"], Some(Critical)),
        (
            Risk::ClusterAdmin,
            "*",
            &["get,list,watch,create,update,patch,delete,deletecollection * *"],
            Some(Critical),
        ),
        (Risk::ClusterAdmin, "*", &["get,list,watch,create,update,patch * *"], Some(Critical)),
        (Risk::ClusterAdmin, "*", &["create * *"], Some(Critical)),
        (Risk::ClusterAdmin, "*", &["get,list,watch,update,patch,delete * *"], None),
        (Risk::ClusterAdmin, "kube-system", &["create * *"], Some(Critical)),
        (Risk::ClusterAdmin, "*", &["* dex.coreos.com *"], None),
        (Risk::ClusterAdmin, "*", &["* core *"], None),
        (Risk::ClusterAdmin, "*", &["* * * some"], None),
        (Risk::ClusterAdmin, "prod", &["* * *"], None),
        (Risk::NamespaceAdmin, "prod", &["* * *"], Some(High)),
        (Risk::NamespaceAdmin, "prod", &["get,create,patch * *"], Some(High)),
        (Risk::NamespaceAdmin, "prod", &["get,list,watch,delete * *"], None),
        (Risk::NamespaceAdmin, "prod", &["* core,apps *"], None),
        (Risk::NamespaceAdmin, "*", &["* * *"], Some(High)),
        (Risk::Wildcard, "*", &["get apps *"], Some(Medium)),
        (Risk::Wildcard, "prod", &["* core pods"], Some(Medium)),
        (Risk::Wildcard, "*", &["get core pods/*"], None),
        (
            Risk::Escalate,
            "*",
            &["escalate,patch rbac.authorization.k8s.io clusterroles"],
            Some(Critical),
        ),
        (Risk::Escalate, "prod", &["escalate,create rbac.authorization.k8s.io roles"], Some(High)),
        (Risk::Escalate, "*", &["escalate rbac.authorization.k8s.io clusterroles"], None),
        (
            Risk::Escalate,
            "*",
            &[
                "escalate rbac.authorization.k8s.io clusterroles",
                "update rbac.authorization.k8s.io roles",
            ],
            None,
        ),
        (Risk::Escalate, "prod", &["escalate,patch rbac.authorization.k8s.io clusterroles"], None),
        (Risk::Escalate, "*", &["escalate,patch core clusterroles"], None),
        (
            Risk::Bind,
            "*",
            &["bind,create rbac.authorization.k8s.io clusterroles,clusterrolebindings"],
            Some(Critical),
        ),
        (Risk::Bind, "*", &["bind rbac.authorization.k8s.io clusterroles"], None),
        (
            Risk::Bind,
            "*",
            &["bind,create rbac.authorization.k8s.io roles,clusterrolebindings"],
            None,
        ),
        (
            Risk::Bind,
            "prod",
            &["bind,create rbac.authorization.k8s.io clusterroles,rolebindings"],
            Some(High),
        ),
        (
            Risk::Bind,
            "prod",
            &["bind,create rbac.authorization.k8s.io clusterroles,clusterrolebindings"],
            None,
        ),
        (Risk::Bind, "*", &["bind,create rbac.authorization.k8s.io clusterrolebindings"], None),
        (
            Risk::WriteBindings,
            "*",
            &["create rbac.authorization.k8s.io rolebindings"],
            Some(Medium),
        ),
        (Risk::WriteBindings, "*", &["delete rbac.authorization.k8s.io rolebindings"], None),
        (Risk::WriteRoles, "prod", &["patch rbac.authorization.k8s.io roles"], Some(Medium)),
        (Risk::WriteRoles, "prod", &["patch rbac.authorization.k8s.io clusterroles"], None),
        (Risk::Impersonate, "*", &["impersonate core users,groups"], Some(Critical)),
        (Risk::Impersonate, "prod", &["impersonate core serviceaccounts"], Some(High)),
        (Risk::Impersonate, "*", &["impersonate core users joe"], None),
        (Risk::Impersonate, "*", &["impersonate core groups"], None),
        (
            Risk::Impersonate,
            "*",
            &["impersonate core groups", "impersonate core users joe"],
            Some(Critical),
        ),
        (
            Risk::Impersonate,
            "*",
            &["impersonate authentication.k8s.io userextras/scopes,uids"],
            None,
        ),
        (Risk::Impersonate, "*", &["* * */scale,*/status"], None),
        (Risk::Impersonate, "prod", &["impersonate core users"], None),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &[
                "impersonate:user-info authentication.k8s.io users",
                "impersonate-on:user-info:list core pods",
            ],
            Some(High),
        ),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &["impersonate:user-info authentication.k8s.io users"],
            None,
        ),
        (
            Risk::ConstrainedImpersonate,
            "*",
            &[
                "impersonate:serviceaccount authentication.k8s.io serviceaccounts",
                "impersonate-on:user-info:list core pods",
            ],
            None,
        ),
        (Risk::ReadSecrets, "*", &["watch core secrets"], Some(Critical)),
        (Risk::ReadSecrets, "prod", &["list core secrets"], Some(High)),
        (Risk::ReadSecrets, "kube-system", &["list core secrets"], Some(Critical)),
        (Risk::ReadSecrets, "*", &["get core secrets tls"], None),
        (Risk::ReadSecrets, "*", &["get example.com secrets"], None),
        (Risk::WriteSecrets, "*", &["create core secrets"], Some(High)),
        (Risk::WriteSecrets, "*", &["create,patch core secrets"], Some(Critical)),
        (Risk::WriteSecrets, "prod", &["create core secrets"], Some(Medium)),
        (Risk::WriteSecrets, "prod", &["delete core secrets"], None),
        (Risk::MintTokens, "prod", &["create core serviceaccounts/token"], Some(High)),
        (Risk::MintTokens, "prod", &["create core serviceaccounts/token ci"], None),
        (Risk::MintTokens, "prod", &["create core serviceaccounts"], None),
        (
            Risk::ApproveCertificates,
            "*",
            &[
                "update certificates.k8s.io certificatesigningrequests/approval",
                "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client",
            ],
            Some(Critical),
        ),
        (
            Risk::ApproveCertificates,
            "*",
            &[
                "update certificates.k8s.io certificatesigningrequests/approval",
                "approve certificates.k8s.io signers kubernetes.io/kubelet-serving",
            ],
            None,
        ),
        (
            Risk::SignCertificates,
            "*",
            &[
                "patch certificates.k8s.io certificatesigningrequests/status",
                "sign certificates.k8s.io signers",
            ],
            Some(Critical),
        ),
        (Risk::SignCertificates, "*", &["sign certificates.k8s.io signers"], None),
        (Risk::NodesProxy, "*", &["get core nodes/proxy"], Some(Critical)),
        (Risk::NodesProxy, "*", &["get core nodes/metrics"], None),
        (Risk::NodesProxy, "prod", &["get core nodes/proxy"], None),
        (Risk::CreatePods, "prod", &["create core pods"], Some(High)),
        (Risk::CreatePods, "prod", &["create core pods/log"], None),
        (Risk::WriteWorkloads, "prod", &["patch apps deployments"], Some(High)),
        (Risk::WriteWorkloads, "prod", &["create batch cronjobs"], Some(High)),
        (Risk::WriteWorkloads, "prod", &["patch apps deployments/scale"], None),
        (Risk::WriteWorkloads, "prod", &["patch core deployments"], None),
        (Risk::WritePods, "prod", &["update core pods"], Some(High)),
        (Risk::WritePods, "prod", &["create core pods"], None),
        (Risk::Exec, "prod", &["create core pods/exec"], Some(High)),
        (Risk::Exec, "prod", &["get core pods/exec"], None),
        (Risk::Exec, "prod", &["create core pods/exec web-0"], Some(High)),
        (Risk::Exec, "prod", &["create core pods/*"], None),
        (Risk::Attach, "prod", &["create core */attach"], Some(High)),
        (Risk::Attach, "prod", &["create core pods/exec"], None),
        (Risk::EphemeralContainers, "prod", &["patch core pods/ephemeralcontainers"], Some(High)),
        (Risk::EphemeralContainers, "prod", &["patch core pods"], None),
        (Risk::PortForward, "prod", &["create core pods/portforward"], Some(Medium)),
        (Risk::PortForward, "prod", &["get core services"], None),
        (Risk::CreateVolumes, "*", &["create core persistentvolumes"], Some(Medium)),
        (Risk::CreateVolumes, "*", &["create core persistentvolumes,pods"], Some(High)),
        (Risk::CreateVolumes, "prod", &["create core persistentvolumes"], None),
        (
            Risk::WriteWebhooks,
            "*",
            &["delete admissionregistration.k8s.io mutatingwebhookconfigurations"],
            Some(Critical),
        ),
        (
            Risk::WriteWebhooks,
            "*",
            &["list admissionregistration.k8s.io mutatingwebhookconfigurations"],
            None,
        ),
        (
            Risk::WriteAdmissionPolicies,
            "*",
            &["update admissionregistration.k8s.io validatingadmissionpolicybindings"],
            Some(Critical),
        ),
        (
            Risk::WriteAdmissionPolicies,
            "prod",
            &["update admissionregistration.k8s.io validatingadmissionpolicybindings"],
            None,
        ),
        (Risk::WritePolicyEngines, "prod", &["create kyverno.io policyexceptions"], Some(High)),
        (
            Risk::WritePolicyEngines,
            "*",
            &["patch constraints.gatekeeper.sh k8srequired"],
            Some(High),
        ),
        (Risk::WritePolicyEngines, "*", &["get kyverno.io clusterpolicies"], None),
        (Risk::WritePolicyEngines, "*", &["patch * deployments"], None),
        (Risk::WritePolicyEngines, "*", &["* policies.kyverno.io */status"], None),
        (Risk::WriteNamespaces, "*", &["patch core namespaces"], Some(High)),
        (Risk::WriteNamespaces, "prod", &["patch core namespaces"], Some(High)),
        (Risk::WriteNamespaces, "*", &["create core namespaces"], None),
        (Risk::WriteNodes, "*", &["patch core nodes", "create core pods/eviction"], Some(High)),
        (Risk::WriteNodes, "*", &["update core nodes/status"], Some(Medium)),
        (Risk::WriteNodes, "*", &["create core pods/eviction"], None),
        (Risk::WriteObjectStatus, "*", &["patch core services/status"], Some(Medium)),
        (Risk::WriteObjectStatus, "prod", &["patch core pods/status"], Some(Low)),
        (Risk::WriteObjectStatus, "prod", &["patch core pods"], None),
        (Risk::RedirectTraffic, "prod", &["create discovery.k8s.io endpointslices"], Some(Medium)),
        (Risk::RedirectTraffic, "prod", &["create extensions ingresses"], None),
        (Risk::WriteCriticalConfig, "*", &["update core configmaps"], Some(High)),
        (Risk::WriteCriticalConfig, "kube-system", &["patch core configmaps coredns"], Some(High)),
        (Risk::WriteCriticalConfig, "prod", &["update core configmaps"], None),
        (Risk::WriteCriticalConfig, "*", &["update core configmaps other"], None),
        (
            Risk::ExtendApi,
            "*",
            &["create apiextensions.k8s.io customresourcedefinitions"],
            Some(High),
        ),
        (Risk::ExtendApi, "*", &["create core customresourcedefinitions"], None),
        (Risk::MassDelete, "prod", &["deletecollection apps statefulsets"], Some(Medium)),
        (Risk::MassDelete, "*", &["delete * *"], Some(Medium)),
        (Risk::MassDelete, "*", &["delete core configmaps"], None),
        (Risk::HideTraces, "prod", &["delete events.k8s.io events"], Some(High)),
        (Risk::HideTraces, "*", &["patch comptroller.dev controls/status"], Some(High)),
        (Risk::HideTraces, "*", &["create comptroller.dev attestations"], None),
        (Risk::HideTraces, "*", &["create core events"], None),
        (Risk::WriteDelivery, "argocd", &["create argoproj.io applications"], Some(High)),
        (Risk::WriteDelivery, "prod", &["get argoproj.io applications"], None),
    ];
    for (risk, place, rules, severity) in cases {
        let found = failing(&*forbid(&[*risk]), &jane(place, rules));
        let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
        let expected: Vec<_> = severity.iter().map(|severity| Some(*severity)).collect();
        assert_eq!(severities, expected, "{risk} in {place}: {rules:?}");
        for finding in &found {
            assert_eq!(finding.rule, risk.as_str());
            assert_eq!(finding.subject.as_deref(), Some("User jane"));
            assert_eq!(finding.resource.name, "b");
            assert!(finding.message.contains("ClusterRole/r"), "{}", finding.message);
        }
    }
    for row in risks::ROWS {
        let of_row = || cases.iter().filter(|(risk, ..)| *risk == row.risk);
        let covered =
            of_row().any(|case| case.3.is_some()) && of_row().any(|case| case.3.is_none());
        assert!(covered || row.risk == Risk::Exhaust, "{} has no pair of cases", row.risk);
    }
}

#[test]
fn a_wildcard_carries_every_risk_that_is_asked_for() {
    let world = jane("*", &["* * *"]);
    for row in risks::ROWS {
        let check = forbid(&[row.risk]);
        let quota_free = row.risk == Risk::Exhaust;
        assert_eq!(failing(&*check, &world).len(), usize::from(!quota_free), "{}", row.risk);
    }
}

#[test]
fn being_able_to_do_everything_says_it_all() {
    let world = jane("*", &["* * *"]);
    let all = forbid(Risk::ALL);
    assert_eq!(said(&failing(&*all, &world)), ["ClusterAdmin: b: User jane"]);
}

#[test]
fn messages_say_what_where_and_by_which_path() {
    let message = |place, rules: &[&str], risk| {
        failing(&*forbid(&[risk]), &jane(place, rules))[0].message.clone()
    };
    assert_eq!(
        message("*", &["get core secrets"], Risk::ReadSecrets),
        "can read every Secret in all namespaces (get secrets) through ClusterRoleBinding/b -> ClusterRole/r"
    );
    assert_eq!(
        message("prod", &["* core *"], Risk::ReadSecrets),
        "can read every Secret in namespace prod (get secrets) through RoleBinding/prod/b -> ClusterRole/r"
    );
    assert_eq!(
        message("*", &["* * *"], Risk::ClusterAdmin),
        "can do everything in the cluster (every verb on everything) through ClusterRoleBinding/b -> ClusterRole/r"
    );
}

#[test]
fn writing_bindings_is_told_as_bind_only_when_that_is_asked_for() {
    let world = jane("*", &["bind,create rbac.authorization.k8s.io clusterroles,rolebindings"]);
    let rules = |risks: &[Risk]| -> Vec<String> {
        failing(&*forbid(risks), &world).iter().map(|finding| finding.rule.to_string()).collect()
    };
    assert_eq!(rules(&[Risk::WriteBindings]), ["WriteBindings"]);
    assert_eq!(rules(&[Risk::Bind, Risk::WriteBindings]), ["Bind"]);
}

#[test]
fn exhaustion_needs_a_namespace_without_a_quota() {
    let check = forbid(&[Risk::Exhaust]);
    let mut world = jane("prod", &["create core configmaps"]);
    assert_eq!(failing(&*check, &world).len(), 1);
    world.apply(&named("ResourceQuota", "prod", "q"));
    assert!(failing(&*check, &world).is_empty());
    let mut world = jane("*", &["create core configmaps"]);
    world.apply(&named("Namespace", "", "prod"));
    assert_eq!(failing(&*check, &world).len(), 1);
    world.apply(&named("ResourceQuota", "prod", "q"));
    assert!(failing(&*check, &world).is_empty());
    world.apply(&named("Namespace", "", "dev"));
    assert_eq!(failing(&*check, &world).len(), 1);
}
