//! What stays of a node whose process, and the script that watches it, were killed.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    harness::Result,
    node::{Node, ROOT},
};

/// Starts a node and waits to be killed.
pub async fn bare() -> Result<()> {
    let _node = Node::start().await?;
    println!("ready");
    std::future::pending().await
}

/// However a node ended, the next one finds its remains, removes them, and leaves nothing itself.
pub async fn the_next_start_removes_them() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .arg("bare")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let script = children(process.id(), "host.sh");
    assert_eq!(script.len(), 1, "{script:?}");
    // The script first, or it would begin to clear up.
    let killed = Command::new("kill").arg("-KILL").args(&script).status().unwrap();
    assert!(killed.success());
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(said.trim(), "ready");
    assert!(!remains().is_empty(), "a node has changed nothing on this machine");

    drop(Node::start().await.unwrap());
    assert_eq!(remains(), Vec::<String>::new());
}

/// The processes that another one has started, whose command line holds a text.
fn children(parent: u32, text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let is_child = |path: &Path| {
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        read("status").lines().any(|line| line == format!("PPid:\t{parent}"))
            && read("cmdline").contains(text)
    };
    processes
        .filter(|entry| is_child(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Everything on this machine that is a node's.
fn remains() -> Vec<String> {
    let mut remains: Vec<String> = fs::read_to_string("/proc/mounts")
        .unwrap()
        .lines()
        .filter(|line| line.contains("comptroller-node"))
        .map(str::to_owned)
        .collect();
    remains.extend(
        [ROOT, "/run/comptroller-node", "/sys/class/net/cptr0"]
            .into_iter()
            .filter(|path| Path::new(path).exists())
            .map(str::to_owned),
    );
    let tables = Command::new("nft").args(["list", "tables"]).output().unwrap();
    let tables = String::from_utf8_lossy(&tables.stdout).into_owned();
    remains.extend(tables.lines().filter(|line| line.contains("kube-proxy")).map(str::to_owned));
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read_to_string(process.path().join(name)).unwrap_or_default();
        // One that has ended holds nothing; it stays listed until its parent asks, and in a container
        // the first process often doesn't.
        if read("status").lines().any(|line| line.starts_with("State:\tZ")) {
            continue;
        }
        let (command, cgroups) = (read("cmdline"), read("cgroup"));
        if command.contains(ROOT) || cgroups.contains("/comptroller-node") {
            remains.push(command.replace('\0', " "));
        }
    }
    remains
}
