//! What the environment asks of the demo.

use std::env;

/// The switches, each on when its variable is set to anything but nothing, `0` or `false`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `ONCE`: end after the table.
    pub once: bool,
    /// `CLUSTER`: use the cluster of KUBECONFIG.
    pub cluster: bool,
    /// `SAMPLES`: install the sample company in that cluster too.
    pub samples: bool,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> Self {
        Self { once: is_on("ONCE"), cluster: is_on("CLUSTER"), samples: is_on("SAMPLES") }
    }
}

fn is_on(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
