//! What is wrong with a spec: which field, why, and what to write instead.

use std::fmt;

/// One field that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}; {remedy}")]
pub struct InvalidField {
    /// The field as the API server names it, such as `spec.test.backup.maxAge`.
    pub path: String,
    /// What is wrong, as a phrase that follows the path: `is more than two years after from`.
    pub problem: String,
    /// What to write instead, as an imperative: `write several periods`.
    pub remedy: String,
}

/// Everything that is wrong with a spec, in the order of its fields; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSpec(pub Vec<InvalidField>);

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, field) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            field.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidSpec {}

/// The path of a field inside an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath(String);

impl FieldPath {
    pub(crate) fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    pub(crate) fn field(&self, name: &str) -> Self {
        if self.0.is_empty() {
            return Self::new(name);
        }
        Self(format!("{}.{name}", self.0))
    }

    pub(crate) fn index(&self, position: usize) -> Self {
        Self(format!("{}[{position}]", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Collects what is wrong, so that a writer sees all of it at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<InvalidField>);

impl Problems {
    pub(crate) fn push(
        &mut self,
        at: &FieldPath,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(InvalidField {
            path: at.as_str().to_owned(),
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_result(self) -> Result<(), InvalidSpec> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }

    pub(crate) fn into_error(self) -> InvalidSpec {
        InvalidSpec(self.0)
    }
}
