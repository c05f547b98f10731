//! What the runbooks have people type is put to the cluster: a command that errs at night helps nobody.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::controlplane;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks");

/// What runs without a pod: there is no kubelet here.
const RUN: [&str; 3] = ["kubectl get ", "kubectl describe ", "kubectl auth can-i "];

/// What stands for a name of the reader's.
const NAMES: [(&str, &str); 4] = [
    ("CONTROL", "labelled"),
    ("EXCEPTION", "legacy"),
    ("KIND.GROUP", "pods"),
    ("RESOURCE", "configmaps"),
];

/// How many run at once.
const WORKERS: usize = 4;

/// Every command of every runbook that reads the cluster, up to its first pipe, with the page's name.
fn commands() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let page = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("```sh\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            for line in block.lines().filter(|line| RUN.iter().any(|run| line.starts_with(run))) {
                let line = line.split("  #").next().unwrap_or_default();
                let line = line.split(" | ").next().unwrap_or_default();
                let line = NAMES
                    .iter()
                    .fold(line.trim().to_owned(), |line, (name, is)| line.replace(name, is));
                found.push((page.clone(), line));
            }
        }
    }
    found
}

/// Runs them all as the administrator; what was wrong with each.
pub fn run(kubeconfig: &Path) -> Vec<String> {
    let commands = commands();
    assert!(commands.len() > 30, "the runbooks have commands: {commands:?}");
    let share = commands.len().div_ceil(WORKERS);
    std::thread::scope(|scope| {
        let workers: Vec<_> = commands
            .chunks(share)
            .map(|some| {
                scope.spawn(move || {
                    let problems = some.iter().filter_map(|(page, line)| {
                        let said = problem(kubeconfig, line)?;
                        Some(format!("{page}: {line}: {said}"))
                    });
                    problems.collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

fn problem(kubeconfig: &Path, line: &str) -> Option<String> {
    let kubectl = controlplane::kubectl();
    let line = line.replacen("kubectl", &kubectl.display().to_string(), 1);
    let output = Command::new("sh")
        .args(["-c", &line])
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // `can-i` ends with 1 where the answer is no, which is an answer.
    let answers = [&b"yes\n"[..], b"no\n"].contains(&output.stdout.as_slice());
    (!output.status.success() && !answers)
        .then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
