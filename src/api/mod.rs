//! What users write.

/// Names an object.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// `apps/v1`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// Severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Low
    Low,
    /// Medium
    Medium,
    /// High
    High,
    /// Critical
    Critical,
}

/// A compiled label selector.
#[derive(Clone, Debug)]
pub struct Selector;
impl Selector {
    /// Matches.
    pub fn matches<'a>(&self, _get: impl Fn(&str) -> Option<&'a str>) -> bool {
        true
    }
    /// Keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        [].into_iter()
    }
}
