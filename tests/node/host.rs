//! What a node changes on its machine, held by a script that outlives even SIGKILL of its owner.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::error::Error;

/// Sockets, tasks and mounts. The path is short, since that of a socket is limited.
pub const STATE: &str = "/run/comptroller-node";
/// Images, containers and volumes.
pub const ROOT: &str = "/var/lib/comptroller-node";
/// The node's own address, which exists without any network.
pub const ADDRESS: &str = "10.213.1.1";
/// From which each pod has its address.
pub const PODS: &str = "10.213.0.0/24";

const BRIDGE: &str = "cptr0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node/host.sh");

/// The prepared machine; dropped, everything is as before.
pub struct Host {
    script: Child,
    /// The node's folder on the disk.
    pub root: PathBuf,
}

impl Host {
    /// Removes what an earlier node left, and prepares the machine. It waits while another node is on it.
    pub fn prepare() -> Result<Self, Error> {
        let mut script = Command::new("/bin/sh")
            .args([SCRIPT, STATE, ROOT, BRIDGE, ADDRESS, PODS])
            // Ctrl-C in a terminal is for the owner, which ends the components first.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::file(SCRIPT, source))?;
        let mut said = String::new();
        if let Some(output) = script.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut said);
        }
        if said.trim() == "ready" {
            return Ok(Self { script, root: ROOT.into() });
        }
        let status = script.wait().map_err(|source| Error::file(SCRIPT, source))?;
        Err(Error::Host(format!("{SCRIPT} ended with {status}")))
    }

    /// How containerd stores images here.
    pub fn snapshotter(&self) -> Result<String, Error> {
        let path = self.root.join("snapshotter");
        let text = std::fs::read_to_string(&path).map_err(|source| Error::file(path, source))?;
        Ok(text.trim().to_owned())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        // The machine is clean once the script has ended.
        match self.script.wait() {
            Ok(status) if status.success() => {}
            other => eprintln!("node: not everything was put back: {other:?}"),
        }
    }
}
