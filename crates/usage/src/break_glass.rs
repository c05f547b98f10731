//! Which access is for emergencies only.

use wildmatch::WildMatch;

use crate::event::{AuditEvent, EventUser};

/// The rules by which a request uses break-glass access.
#[derive(Clone, Debug, Default)]
pub struct BreakGlass(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    text: String,
    kind: RuleKind,
    pattern: WildMatch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleKind {
    User,
    Group,
    Binding,
}

/// Why a rule can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakGlassError {
    /// It says not of what the name is.
    #[error(
        "{0:?} names no kind: write user:NAME, group:NAME or binding:NAME, where NAME may have * and ?"
    )]
    Kind(String),
    /// It would be every request.
    #[error("{0:?} matches everything, so that every request would be break-glass: give a name")]
    Everything(String),
}

impl BreakGlass {
    /// Rules such as `user:emergency-*`, `group:breakglass` and `binding:break-glass`.
    pub fn parse<S: AsRef<str>>(rules: &[S]) -> Result<Self, BreakGlassError> {
        rules.iter().map(|rule| parse(rule.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// The first rule that a request matches, with its real user and whom it impersonated. None: it is
    /// no break-glass use.
    pub fn matched(&self, event: &AuditEvent<'_>) -> Option<&str> {
        let reason = event.annotations.as_ref().map(|notes| notes.authorization_reason.as_ref());
        let binding = reason.and_then(binding);
        let users = || [Some(&event.user), event.impersonated_user.as_ref()].into_iter().flatten();
        let matched = self.0.iter().find(|rule| match rule.kind {
            RuleKind::User => users().any(|user| rule.pattern.matches(&user.username)),
            RuleKind::Group => users().any(|user| rule.is_of(user)),
            RuleKind::Binding => binding.is_some_and(|binding| rule.pattern.matches(binding)),
        });
        matched.map(|rule| rule.text.as_str())
    }
}

impl Rule {
    fn is_of(&self, user: &EventUser<'_>) -> bool {
        user.groups.iter().any(|group| self.pattern.matches(group))
    }
}

fn parse(text: &str) -> Result<Rule, BreakGlassError> {
    let (kind, name) =
        text.split_once(':').ok_or_else(|| BreakGlassError::Kind(text.to_owned()))?;
    let kind = match kind {
        "user" => RuleKind::User,
        "group" => RuleKind::Group,
        "binding" => RuleKind::Binding,
        _ => return Err(BreakGlassError::Kind(text.to_owned())),
    };
    if name.trim_matches(['*', '?', ' ']).is_empty() {
        return Err(BreakGlassError::Everything(text.to_owned()));
    }
    Ok(Rule { text: text.to_owned(), kind, pattern: WildMatch::new(name) })
}

/// The binding in a reason such as `RBAC: allowed by RoleBinding "a/ns" of Role "b" to User "c"`.
fn binding(reason: &str) -> Option<&str> {
    let rest = reason.strip_prefix("RBAC: allowed by ")?;
    let rest = rest.strip_prefix("Cluster").unwrap_or(rest).strip_prefix("RoleBinding \"")?;
    let name = rest.split_once('"')?.0;
    Some(name.split_once('/').map_or(name, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Annotations;

    #[test]
    fn users_groups_and_bindings_are_matched_and_impersonation_hides_nothing() {
        let rules = BreakGlass::parse(&["user:emergency-*", "group:breakglass", "binding:bg-*"]);
        let rules = rules.unwrap();
        let user = |name: &'static str, groups: &[&'static str]| EventUser {
            username: name.into(),
            groups: groups.iter().map(|group| (*group).into()).collect(),
        };
        let by = |reason: &'static str| {
            Some(Annotations { authorization_reason: reason.into(), ..Annotations::default() })
        };
        for (user, impersonated_user, annotations, expected) in [
            (user("jane", &["dev"]), None, None, None),
            (user("emergency-1", &[]), None, None, Some("user:emergency-*")),
            (user("jane", &["dev", "breakglass"]), None, None, Some("group:breakglass")),
            (user("jane", &[]), Some(user("emergency-1", &[])), None, Some("user:emergency-*")),
            (user("emergency-1", &[]), Some(user("sam", &[])), None, Some("user:emergency-*")),
            (
                user("jane", &[]),
                None,
                by(
                    r#"RBAC: allowed by ClusterRoleBinding "bg-admin" of ClusterRole "x" to User "jane""#,
                ),
                Some("binding:bg-*"),
            ),
            (
                user("jane", &[]),
                None,
                by(r#"RBAC: allowed by RoleBinding "bg-a/prod" of Role "x" to User "jane""#),
                Some("binding:bg-*"),
            ),
            (user("jane", &[]), None, by(r#"RoleBinding "bg-a""#), None),
        ] {
            let event =
                AuditEvent { user, impersonated_user, annotations, ..AuditEvent::default() };
            assert_eq!(rules.matched(&event), expected, "{event:?}");
        }
    }

    #[test]
    fn a_rule_names_its_kind_and_not_everything() {
        for (rule, reason) in [
            ("jane", "user:NAME"),
            ("role:x", "user:NAME"),
            ("user:", "give a name"),
            ("group:*", "give a name"),
        ] {
            let error = BreakGlass::parse(&[rule]).unwrap_err().to_string();
            assert!(error.contains(reason), "{rule}: {error}");
        }
    }
}
