//! Who holds rights, and the groups that every identity of a kind belongs to.

use std::fmt;

use crate::inventory::{Interner, Symbol};

/// Every request that carries credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Every request without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user that a request without credentials has.
pub const ANONYMOUS: &str = "system:anonymous";
/// Every service account.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The group the API server lets do everything before it asks RBAC.
pub const MASTERS: &str = "system:masters";

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A subject. A User that bears the user name of a service account is that service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user, by the name the API server knows.
    User(Symbol),
    /// A group.
    Group(Symbol),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: Symbol,
        /// Its name.
        name: Symbol,
    },
}

impl Subject {
    /// The subject of a user name.
    pub fn user(name: &str, interner: &Interner) -> Self {
        match account_of(name) {
            Some((namespace, name)) => Self::account(namespace, name, interner),
            None => Self::User(interner.intern(name)),
        }
    }

    /// A service account.
    pub fn account(namespace: &str, name: &str, interner: &Interner) -> Self {
        Self::ServiceAccount { namespace: interner.intern(namespace), name: interner.intern(name) }
    }

    /// `User`, `Group` or `ServiceAccount`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "User",
            Self::Group(_) => "Group",
            Self::ServiceAccount { .. } => "ServiceAccount",
        }
    }

    /// Its name.
    pub fn name(&self) -> &Symbol {
        match self {
            Self::User(name) | Self::Group(name) | Self::ServiceAccount { name, .. } => name,
        }
    }

    /// Its namespace; only service accounts have one.
    pub fn namespace(&self) -> Option<&Symbol> {
        match self {
            Self::ServiceAccount { namespace, .. } => Some(namespace),
            Self::User(_) | Self::Group(_) => None,
        }
    }

    /// The groups that whoever is this subject belongs to without being told so anywhere. For a
    /// group: those that every member of it belongs to.
    pub fn implied_groups(&self) -> Vec<Symbol> {
        match self {
            Self::ServiceAccount { namespace, .. } => vec![
                AUTHENTICATED.into(),
                SERVICE_ACCOUNTS.into(),
                format!("{SERVICE_ACCOUNTS}:{namespace}").as_str().into(),
            ],
            Self::User(name) if **name == *ANONYMOUS => vec![UNAUTHENTICATED.into()],
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

/// `User jane@corp`, `ServiceAccount prod/ci`.
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

/// Namespace and name of a service account's user name.
pub(super) fn account_of(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT_PREFIX)?.split_once(':')?;
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
