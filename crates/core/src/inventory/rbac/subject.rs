//! Who holds rights, and the groups to which every identity of a kind belongs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inventory::{Interner, Symbol};

/// The group of every request with credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of every request without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user of a request without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of all service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The group that the API server lets do everything before it asks RBAC.
pub const MASTERS: &str = "system:masters";

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A subject of RBAC. A User with the user name of a service account is that service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A user, by the name that the API server knows.
    User(Symbol),
    Group(Symbol),
    ServiceAccount {
        namespace: Symbol,
        name: Symbol,
    },
}

impl Subject {
    /// The subject with this user name.
    pub fn user(name: &str, interner: &Interner) -> Self {
        match account_of(name) {
            Some((namespace, name)) => Self::account(namespace, name, interner),
            None => Self::User(interner.intern(name)),
        }
    }

    /// The subject of a `ServiceAccount` object.
    pub fn account(namespace: &str, name: &str, interner: &Interner) -> Self {
        Self::ServiceAccount { namespace: interner.intern(namespace), name: interner.intern(name) }
    }

    /// The kind as bindings write it: `User`, `Group` or `ServiceAccount`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "User",
            Self::Group(_) => "Group",
            Self::ServiceAccount { .. } => "ServiceAccount",
        }
    }

    /// The name, for a service account without the namespace.
    pub fn name(&self) -> &Symbol {
        match self {
            Self::User(name) | Self::Group(name) | Self::ServiceAccount { name, .. } => name,
        }
    }

    /// The namespace of a service account. None for users and groups.
    pub fn namespace(&self) -> Option<&Symbol> {
        match self {
            Self::ServiceAccount { namespace, .. } => Some(namespace),
            Self::User(_) | Self::Group(_) => None,
        }
    }

    /// The groups to which this subject belongs by its kind, though nobody wrote so. For a group: those to
    /// which each of its members belongs.
    pub fn implied_groups(&self) -> Vec<Symbol> {
        match self {
            Self::ServiceAccount { namespace, .. } => vec![
                AUTHENTICATED.into(),
                SERVICE_ACCOUNTS.into(),
                format!("{SERVICE_ACCOUNTS}:{namespace}").as_str().into(),
            ],
            Self::User(name) if **name == *ANONYMOUS => vec![UNAUTHENTICATED.into()],
            // They are the widest groups: nothing implies more.
            Self::Group(name) if matches!(&**name, AUTHENTICATED | UNAUTHENTICATED) => Vec::new(),
            Self::Group(name) if is_accounts_of_namespace(name) => {
                vec![AUTHENTICATED.into(), SERVICE_ACCOUNTS.into()]
            }
            Self::User(_) | Self::Group(_) => vec![AUTHENTICATED.into()],
        }
    }

    /// Whether other subjects belong to this one by their kind alone.
    pub fn is_implied_group(&self) -> bool {
        match self {
            Self::Group(name) => {
                matches!(&**name, AUTHENTICATED | UNAUTHENTICATED | SERVICE_ACCOUNTS)
                    || is_accounts_of_namespace(name)
            }
            Self::User(_) | Self::ServiceAccount { .. } => false,
        }
    }

    /// Whether a request without credentials has this identity.
    pub fn is_anonymous(&self) -> bool {
        match self {
            Self::User(name) => **name == *ANONYMOUS,
            Self::Group(name) => **name == *UNAUTHENTICATED,
            Self::ServiceAccount { .. } => false,
        }
    }
}

/// As findings write it: `User jane@corp`, `ServiceAccount prod/ci`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name}"),
            Self::Group(name) => write!(f, "Group {name}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "ServiceAccount {namespace}/{name}")
            }
        }
    }
}

fn is_accounts_of_namespace(group: &str) -> bool {
    group
        .strip_prefix(SERVICE_ACCOUNTS)
        .and_then(|rest| rest.strip_prefix(':'))
        .is_some_and(|namespace| !namespace.is_empty())
}

/// Namespace and name of the service account with this user name. None for the name of another user.
pub(super) fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT_PREFIX)?.split_once(':')?;
    // As the API server splits it: a colon in the name makes it the name of an ordinary user.
    let whole = !namespace.is_empty() && !name.is_empty() && !name.contains(':');
    whole.then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_with_the_name_of_a_service_account_is_one() {
        let interner = Interner::default();
        assert_eq!(
            Subject::user("system:serviceaccount:prod:ci", &interner),
            Subject::account("prod", "ci", &interner)
        );
        for plain in [
            "jane",
            "system:serviceaccount:prod",
            "system:serviceaccount::ci",
            "system:serviceaccount:prod:",
            "system:serviceaccount:a:b:c",
        ] {
            assert_eq!(Subject::user(plain, &interner), Subject::User(plain.into()), "{plain}");
        }
    }

    #[test]
    fn implied_groups_follow_the_authenticator() {
        let interner = Interner::default();
        let groups = |subject: Subject| -> Vec<String> {
            let groups = subject.implied_groups();
            groups.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            groups(Subject::account("prod", "ci", &interner)),
            ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:prod"]
        );
        assert_eq!(groups(Subject::User("jane".into())), ["system:authenticated"]);
        assert_eq!(groups(Subject::User(ANONYMOUS.into())), ["system:unauthenticated"]);
        assert!(groups(Subject::Group(AUTHENTICATED.into())).is_empty());
    }
}
