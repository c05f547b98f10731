//! Names with wildcards.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::invalid::{FieldPath, Problems};

/// The longest pattern, in characters.
pub const MAX_LENGTH: usize = 512;

/// A name in which `*` stands for any text, `/` included, and `?` for one character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// A pattern; any text is one.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A compiled matcher, to keep where many names are compared.
    pub fn matcher(&self) -> WildMatch {
        WildMatch::new(&self.0)
    }

    /// Whether all of `name` matches the pattern. Compiles it each time: see [`Self::matcher`].
    pub fn matches(&self, name: &str) -> bool {
        self.matcher().matches(name)
    }

    /// Refuses a pattern that can match no name: its writer meant something else.
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if self.0.trim() != self.0 || self.0.chars().any(char::is_control) {
            problems.push(
                at,
                format!("{:?} has spaces around the name, or control characters", self.0),
                "write only the name, where * matches any text and ? one character",
            );
        }
    }
}

impl From<&str> for Glob {
    fn from(pattern: &str) -> Self {
        Self::new(pattern)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for Glob {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_LENGTH})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cross_slashes_and_question_marks_take_one_character() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "anything/at:all", true),
            ("registry.example.com/*", "registry.example.com/team/app", true),
            ("registry.example.com/*", "registry.example.com.evil.test/app", false),
            ("ci-?", "ci-1", true),
            ("ci-?", "ci-12", false),
            ("jane@corp", "jane@corp", true),
            ("jane@corp", "JANE@corp", false),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(Glob::from(pattern).matches(name), matches, "{pattern} on {name}");
        }
    }
}
