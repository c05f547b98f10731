//! Service accounts, roles and bindings, with risks planted among them.

use rand::Rng;
use serde_json::{Value, json};

use super::{Place, Planter};

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const GROUP: &str = "rbac.authorization.k8s.io";

/// Controls that look at rights in the whole cluster and in every namespace.
const EVERYWHERE: [&str; 4] = [
    "guards-are-protected",
    "no-anonymous-access",
    "no-dangling-bindings",
    "no-standing-cluster-admin",
];
/// Controls that leave out what holds in namespaces of dev and staging only.
const GUARDED: [&str; 5] = [
    "changes-go-through-delivery",
    "evidence-cannot-be-hidden",
    "exec-is-restricted",
    "no-privilege-escalation-rights",
    "secrets-readers-are-known",
];
/// What cluster-admin breaks, by whomever it is held: the other controls refer to this one.
const ALL_RIGHTS: &[&str] = &["no-standing-cluster-admin"];

/// A role, and the controls that a holder of it breaks.
struct Role {
    name: &'static str,
    /// API groups, resources, verbs.
    rules: &'static [(&'static [&'static str], &'static [&'static str], &'static [&'static str])],
    breaks: &'static [&'static str],
    /// Whether its rules have effect in a namespace.
    local: bool,
}

const VIEWER: Role = Role {
    name: "app-viewer",
    rules: &[
        (&[""], &["pods", "pods/log", "services", "configmaps"], &["get", "list", "watch"]),
        (&["apps"], &["deployments", "replicasets"], &["get", "list", "watch"]),
    ],
    breaks: &[],
    local: true,
};
const CLUSTER_ADMIN: Role =
    Role { name: "cluster-admin", rules: &[], breaks: ALL_RIGHTS, local: false };

/// Roles with rights that some control of the pack forbids.
const RISKY: [Role; 9] = [
    Role {
        name: "app-deployer",
        rules: &[(&["apps"], &["deployments", "statefulsets"], &["get", "update", "patch"])],
        breaks: &["changes-go-through-delivery"],
        local: true,
    },
    Role {
        name: "secret-reader",
        rules: &[(&[""], &["secrets"], &["get", "list"])],
        breaks: &["secrets-readers-are-known"],
        local: true,
    },
    Role {
        name: "debugger",
        rules: &[(&[""], &["pods/exec", "pods/portforward"], &["create"])],
        breaks: &["exec-is-restricted"],
        local: true,
    },
    Role {
        name: "event-cleaner",
        rules: &[(&["", "events.k8s.io"], &["events"], &["delete"])],
        breaks: &["evidence-cannot-be-hidden"],
        local: true,
    },
    Role {
        name: "account-switcher",
        rules: &[(&[""], &["serviceaccounts"], &["impersonate"])],
        breaks: &["no-privilege-escalation-rights"],
        local: true,
    },
    Role {
        name: "namespace-labeller",
        rules: &[(&[""], &["namespaces"], &["get", "patch"])],
        breaks: &["guards-are-protected"],
        local: true,
    },
    Role {
        name: "node-inspector",
        rules: &[(&[""], &["nodes/proxy"], &["get"])],
        breaks: &["no-privilege-escalation-rights"],
        local: false,
    },
    Role {
        name: "webhook-keeper",
        rules: &[(
            &["admissionregistration.k8s.io"],
            &["validatingwebhookconfigurations"],
            &["get", "update"],
        )],
        breaks: &["guards-are-protected"],
        local: false,
    },
    Role {
        name: "role-writer",
        rules: &[(&[GROUP], &["clusterroles"], &["get", "update", "escalate"])],
        breaks: &["no-privilege-escalation-rights"],
        local: false,
    },
];

/// Who a binding names.
enum Subject {
    Group(String),
    User(String),
    /// A service account, by namespace and name.
    Account(String, String),
}

impl Subject {
    fn key(&self) -> String {
        match self {
            Self::Group(name) => format!("Group {name}"),
            Self::User(name) => format!("User {name}"),
            Self::Account(namespace, name) => format!("ServiceAccount {namespace}/{name}"),
        }
    }

    fn reference(&self) -> Value {
        match self {
            Self::Group(name) => json!({"kind": "Group", "apiGroup": GROUP, "name": name}),
            Self::User(name) => json!({"kind": "User", "apiGroup": GROUP, "name": name}),
            Self::Account(namespace, name) => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
        }
    }

    /// Whether every control about rights allows it what it holds here.
    fn is_trusted(&self) -> bool {
        match self {
            Self::Group(name) => name == "break-glass",
            Self::Account(namespace, name) => namespace == "velero" && name == "velero",
            Self::User(_) => false,
        }
    }
}

impl Planter {
    /// Cluster roles, and who holds them everywhere.
    pub(super) fn cluster_access(&mut self) {
        for role in RISKY.iter().chain([&VIEWER]) {
            self.add(role_object("ClusterRole", role.name, None, role));
        }
        let group = |name: &str| Subject::Group(name.to_owned());
        let tool = |name: &str| Subject::Account("velero".to_owned(), name.to_owned());
        let everywhere: [(&str, Subject, &Role); 9] = [
            ("break-glass", group("break-glass"), &CLUSTER_ADMIN),
            ("velero", tool("velero"), &CLUSTER_ADMIN),
            ("legacy-ci", Subject::Account("ci".into(), "runner".into()), &CLUSTER_ADMIN),
            ("founder", Subject::User("founder@example.com".into()), &CLUSTER_ADMIN),
            ("engineers-view", group("engineers"), &VIEWER),
            ("node-inspectors", group("site-reliability"), &RISKY[6]),
            ("webhook-keepers", group("platform"), &RISKY[7]),
            ("role-writers", group("platform"), &RISKY[8]),
            ("old-console", group("console-operators"), &RISKY[1]),
        ];
        for (name, subject, role) in &everywhere {
            self.bind(name, None, "ClusterRole", role, &[subject], &[]);
        }
        // The runner's namespace and account are gone, its binding is not.
        self.note("ServiceAccount ci/runner", None, &["no-dangling-bindings"], false);
        let anonymous = ["no-anonymous-access"];
        let nobody = group("system:unauthenticated");
        self.bind("public-dashboard", None, "ClusterRole", &VIEWER, &[&nobody], &anonymous);
        let accounts = group("system:serviceaccounts");
        self.bind("every-account", None, "ClusterRole", &RISKY[3], &[&accounts], &anonymous);
        let masters = group("system:masters");
        let standing = ["no-standing-cluster-admin"];
        self.bind("masters-again", None, "ClusterRole", &VIEWER, &[&masters], &standing);
    }

    /// Accounts, roles and bindings of a namespace; the names of the accounts.
    pub(super) fn namespace_access(&mut self, place: &Place) -> Vec<String> {
        let mut accounts = vec!["default".to_owned()];
        accounts.extend((0..4).map(|index| format!("app-{index}")));
        for name in &accounts {
            self.add(json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": place.name, "labels": {"team": place.team}},
                "automountServiceAccountToken": false,
            }));
        }
        let team = Subject::Group(format!("{}-engineers", place.team));
        self.bind("team-view", Some(place), "ClusterRole", &VIEWER, &[&team], &[]);
        for (index, account) in accounts.iter().enumerate().skip(1) {
            let account = Subject::Account(place.name.clone(), account.clone());
            let name = format!("app-{index}");
            if index == 1 {
                self.add(role_object("Role", &name, Some(place), &VIEWER));
                let own = Role { name: "app-1", ..VIEWER };
                self.bind(&name, Some(place), "Role", &own, &[&account], &[]);
                continue;
            }
            let risky = self.one_in(6);
            let local = RISKY.iter().filter(|role| role.local).count();
            let role = if risky { &RISKY[self.rng.random_range(0..local)] } else { &VIEWER };
            self.bind(&name, Some(place), "ClusterRole", role, &[&account], &[]);
        }
        self.mistakes(place);
        accounts
    }

    /// Bindings that nobody should have left behind.
    fn mistakes(&mut self, place: &Place) {
        if self.one_in(5) {
            let user = Subject::User(format!("user-{}@example.com", self.rng.random_range(0..300)));
            self.bind("hotfix", Some(place), "ClusterRole", &VIEWER, &[&user], &[]);
        }
        let dangling = ["no-dangling-bindings"];
        if self.one_in(9) {
            let gone = Subject::Account(place.name.clone(), "retired".to_owned());
            self.bind("retired", Some(place), "ClusterRole", &VIEWER, &[&gone], &dangling);
        }
        if self.one_in(12) {
            let group = Subject::Group(format!("{}-contractors", place.name));
            let missing = Role { name: "removed-last-year", ..VIEWER };
            self.bind("contractors", Some(place), "Role", &missing, &[&group], &dangling);
        }
    }

    /// Who a user is. Every third of them has left, and kept what they had.
    fn person(&mut self, username: &str) {
        let name = username.split('@').next().unwrap_or(username);
        let number = name.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
        let has_left = number.is_some_and(|number| number % 3 == 0);
        self.expected.judge("users-are-known", username, has_left);
        if !self.people.insert(username.to_owned()) {
            return;
        }
        let mut spec = json!({
            "displayName": name, "email": username, "identities": {"usernames": [username]},
        });
        if has_left {
            spec["endDate"] = "2020-01-01".into();
        }
        self.add(json!({
            "apiVersion": "comptroller.dev/v1alpha1",
            "kind": "Person",
            "metadata": {"name": name},
            "spec": spec,
        }));
    }

    /// A binding, and what it makes of those it names: `also` are controls that this binding
    /// breaks by whom it names or what it lacks.
    fn bind(
        &mut self,
        name: &str,
        place: Option<&Place>,
        role_kind: &str,
        role: &Role,
        subjects: &[&Subject],
        also: &[&'static str],
    ) {
        let mut metadata = json!({"name": name});
        let mut item = format!("ClusterRoleBinding {name}");
        if let Some(place) = place {
            metadata["namespace"] = place.name.as_str().into();
            item = format!("RoleBinding {}/{name}", place.name);
        }
        self.add(json!({
            "apiVersion": RBAC,
            "kind": if place.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
            "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role.name},
            "subjects": subjects.iter().map(|subject| subject.reference()).collect::<Vec<_>>(),
        }));
        let by_name = subjects.iter().any(|subject| matches!(subject, Subject::User(_)));
        self.expected.judge("rights-come-through-groups", &item, by_name);
        for subject in subjects {
            if let Subject::User(name) = subject {
                self.person(name);
            }
            let broken: Vec<&str> = role.breaks.iter().chain(also).copied().collect();
            self.note(&subject.key(), place, &broken, subject.is_trusted());
        }
    }

    /// A subject is of the population of every control that looks where it holds something.
    fn note(&mut self, subject: &str, place: Option<&Place>, broken: &[&str], trusted: bool) {
        let guarded = place.is_none_or(|place| place.purpose.is_guarded());
        let looking = EVERYWHERE.iter().chain(GUARDED.iter().filter(|_| guarded));
        for control in looking {
            self.expected.judge(control, subject, broken.contains(control) && !trusted);
        }
    }
}

fn role_object(kind: &str, name: &str, place: Option<&Place>, role: &Role) -> Value {
    let rules = role.rules.iter().map(|(groups, resources, verbs)| {
        json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
    });
    let mut object = json!({
        "apiVersion": RBAC,
        "kind": kind,
        "metadata": {"name": name},
        "rules": rules.collect::<Vec<_>>(),
    });
    if let Some(place) = place {
        object["metadata"]["namespace"] = place.name.as_str().into();
    }
    object
}
