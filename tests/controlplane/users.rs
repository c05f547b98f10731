//! The people and components that the API server knows, each by a random token.

use std::fmt::Write;

use kube::config::AuthInfo;
use serde_json::{Value, json};

use super::port::random;

pub const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
pub const SCHEDULER: &str = "system:kube-scheduler";
pub const KWOK: &str = "system:kwok";

/// Who writes a record matters to the product, so that several people exist from the start.
const USERS: [(&str, &[&str]); 7] = [
    ("admin", &["system:masters"]),
    ("reviewer", &["reviewers"]),
    ("developer", &["developers"]),
    ("auditor", &["auditors"]),
    (CONTROLLER_MANAGER, &[]),
    (SCHEDULER, &[]),
    (KWOK, &["system:masters"]),
];

#[derive(Clone)]
pub struct User {
    name: String,
    groups: Vec<String>,
    token: String,
}

impl User {
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            token: format!("{:016x}{:016x}", random(), random()),
        }
    }

    pub fn predefined() -> Vec<Self> {
        USERS.iter().map(|(name, groups)| Self::new(name, groups)).collect()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's name, free of the colons of `system:` users.
    pub fn kubeconfig_name(&self) -> String {
        format!("kubeconfig/{}", self.name.replace([':', '/'], "-"))
    }

    pub fn auth_info(&self) -> AuthInfo {
        serde_json::from_value(json!({ "token": self.token })).unwrap_or_default()
    }

    /// A kubeconfig in JSON, which is YAML too.
    pub fn kubeconfig(&self, server: &str, authority: &std::path::Path) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "controlplane",
            "clusters": [{
                "name": "controlplane",
                "cluster": { "server": server, "certificate-authority": authority },
            }],
            "users": [{ "name": self.name, "user": { "token": self.token } }],
            "contexts": [{
                "name": "controlplane",
                "context": { "cluster": "controlplane", "user": self.name },
            }],
        })
    }
}

/// The API server's `--token-auth-file`: CSV rows of token, user, uid, groups.
pub fn token_file(users: &[User]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut rows = String::new();
    for user in users {
        let name = quoted(&user.name);
        let groups = quoted(&user.groups.join(","));
        let _ = writeln!(rows, "{},{name},{name},{groups}", user.token);
    }
    rows
}
