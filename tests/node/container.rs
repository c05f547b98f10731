//! The processes of containers, as the node sees them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::{Node, error::Error, host::STATE};

/// A running container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its first process.
    pub pid: u32,
    id: String,
}

impl Container {
    /// Sends its first process a signal, as only the node can: a container's own first process
    /// ignores SIGKILL and SIGSTOP from within.
    pub fn signal(&self, signal: &str) -> Result<(), Error> {
        super::run(Command::new("kill").args(["-s", signal, &self.pid.to_string()])).map(drop)
    }
}

impl Node {
    /// The container of a pod that has one; None while it does not run.
    pub async fn container(&self, namespace: &str, pod: &str) -> Result<Option<Container>, Error> {
        let pods = Api::<Pod>::namespaced(self.client(), namespace);
        let Some(pod) = pods.get_opt(pod).await? else { return Ok(None) };
        let statuses = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
        let Some(id) = statuses.into_iter().find_map(|status| {
            status.state.as_ref()?.running.as_ref()?;
            Some(status.container_id?.trim_start_matches("containerd://").to_owned())
        }) else {
            return Ok(None);
        };
        let tasks = self.ctr(&["tasks", "list"]).await?;
        let pid = tasks.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(&id)).then(|| words.next()?.parse().ok())?
        });
        Ok(pid.map(|pid| Container { pid, id }))
    }
}

/// Kills every process of every container.
pub fn kill_all() {
    for pid in processes() {
        // One that ended by itself meanwhile is as good.
        let _ = Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status();
    }
}

/// Every process within the node's cgroups, sandboxes included.
fn processes() -> Vec<String> {
    let name = STATE.trim_start_matches("/run/");
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (path, kind) = (words.next()?, words.next()?);
        matches!(kind, "cgroup" | "cgroup2").then(|| Path::new(path).join(name))
    });
    let mut processes = Vec::new();
    for folder in hierarchies {
        collect(&folder, &mut processes);
    }
    processes.sort_unstable();
    processes.dedup();
    processes
}

fn collect(folder: &Path, processes: &mut Vec<String>) {
    let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    processes.extend(listed.lines().map(str::to_owned));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), processes);
        }
    }
}
