//! The version of an API server, as far as it decides verdicts: major and minor.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A Kubernetes minor, such as 1.36.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KubernetesVersion {
    /// Always 1 so far.
    pub major: u32,
    /// The second number, which changes some three times a year.
    pub minor: u32,
}

impl KubernetesVersion {
    /// A minor of Kubernetes 1.
    pub const fn minor(minor: u32) -> Self {
        Self { major: 1, minor }
    }
}

/// The text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a Kubernetes version: write it as 1.36 or v1.36.3")]
pub struct InvalidVersion(String);

impl FromStr for KubernetesVersion {
    type Err = InvalidVersion;

    /// Reads `1.36`, `v1.36.3`, and what distributions append: `v1.33.1-eks-1de2ab1`, `1.33+`.
    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(text.to_owned());
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
        let major = parts.next().ok_or_else(invalid)?;
        let minor = parts.next().ok_or_else(invalid)?;
        let digits = minor.trim_end_matches(|c: char| !c.is_ascii_digit());
        Ok(Self {
            major: major.parse().map_err(|_| invalid())?,
            minor: digits.parse().map_err(|_| invalid())?,
        })
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        for (text, minor) in [
            ("1.36", 36),
            ("v1.36.3", 36),
            ("v1.33.1-eks-1de2ab1", 33),
            ("v1.34.0-gke.2201000", 34),
            ("1.35+", 35),
            ("v1.35.0+k3s1", 35),
        ] {
            assert_eq!(text.parse(), Ok(KubernetesVersion::minor(minor)), "{text}");
        }
        for text in ["", "v", "1", "latest", "1.x"] {
            assert!(text.parse::<KubernetesVersion>().is_err(), "{text}");
        }
        assert!(KubernetesVersion::minor(9) < KubernetesVersion::minor(35));
    }
}
