//! kubectl, since what the reader types is what the demo shows.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use crate::{Result, controlplane};

/// kubectl for one cluster.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The kubeconfig; what KUBECONFIG says when there is none.
    kubeconfig: Option<PathBuf>,
}

impl Kubectl {
    /// With a kubeconfig, or with the reader's own.
    pub fn new(kubeconfig: Option<PathBuf>) -> Self {
        Self { kubeconfig }
    }

    /// Runs it; what it prints.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with(arguments, String::new()).await
    }

    /// Runs it with a text on its standard input, which `-f -` reads.
    pub async fn run_with(&self, arguments: &[&str], input: String) -> Result<String> {
        let mut command = Command::new(controlplane::kubectl());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Manifests are named from the top of the repository.
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let output = tokio::task::spawn_blocking(move || finish(command, &input))
            .await?
            .map_err(|error| format!("kubectl can't be run: {error}; `make kubectl` gets it"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("kubectl {}: {}", arguments.join(" "), said.trim_end()).into())
    }
}

fn finish(mut command: Command, input: &str) -> std::io::Result<Output> {
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It prints once it has read everything, so neither side waits for the other.
        stdin.write_all(input.as_bytes())?;
    }
    child.wait_with_output()
}
