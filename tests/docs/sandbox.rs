//! Where the commands of a page run.

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    controlplane::{self, ControlPlane, wait},
    options,
    page::{Action, Needs, Step},
    process::{Bench, LIMIT, kubectl},
    repository,
};

/// What a reader has of a checkout.
const CHECKOUT: [&str; 5] = ["config", "crds", "charts", "docs", "examples"];

/// How long a command may take, in seconds.
const COMMAND_LIMIT: &str = "180";

/// A folder, and a control plane if the page needs one.
pub struct Sandbox {
    folder: TempDir,
    kubeconfig: Option<PathBuf>,
    #[allow(dead_code, reason = "the control plane ends with it")]
    bench: Option<Bench>,
}

impl Sandbox {
    pub async fn new(needs: Needs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "home", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in CHECKOUT {
            let existing = repository().join(name);
            if existing.exists() {
                symlink(existing, folder.path().join("work").join(name)).unwrap();
            }
        }
        let bin = folder.path().join("bin");
        for name in ["comptroller", "kubectl-comptroller"] {
            symlink(env!("CARGO_BIN_EXE_comptroller"), bin.join(name)).unwrap();
        }
        let tool = controlplane::kubectl();
        if tool.is_absolute() {
            symlink(tool, bin.join("kubectl")).unwrap();
        }
        let mut sandbox = Self { folder, kubeconfig: None, bench: None };
        if needs >= Needs::Cluster {
            let plane = ControlPlane::builder().start().await.unwrap();
            plane.keep_logs_on_panic();
            sandbox.kubeconfig = Some(plane.kubeconfig("admin"));
            let bench = match needs {
                Needs::Operator => sandbox.operator(plane).await,
                Needs::Cluster | Needs::Nothing => Bench::bare(plane),
            };
            sandbox.bench = Some(bench);
        }
        sandbox
    }

    async fn operator(&self, plane: ControlPlane) -> Bench {
        let mut bench = Bench::without_operator(plane).await;
        let admission = repository().join("config/admission");
        let namespace = ["create", "namespace", "comptroller-system"];
        kubectl(&bench.plane, &namespace).await;
        kubectl(&bench.plane, &["apply", "--server-side", "-k", admission.to_str().unwrap()]).await;
        let log = self.work().join("LOG");
        let arguments = ["--evidence", log.to_str().unwrap()];
        bench.start_operator_as(bench.plane.kubeconfig("admin"), &arguments).await;
        let keys = bench.plane.dir().join("keys");
        let key = wait::until("the log has a key", LIMIT, async || {
            fs::read_dir(&keys).ok()?.next()?.ok().map(|entry| entry.path())
        });
        symlink(key.await.unwrap(), self.work().join("FILE")).unwrap();
        bench
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Takes a step; panics, naming the place on the page, if it is not as the page says.
    pub fn run(&self, page: &str, step: &Step) {
        let place = format!("{page}:{}", step.line);
        match &step.action {
            Action::Write { name, text } => {
                let path = self.work().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Action::Read { script } => {
                let parsed = Command::new("bash").args(["-n", "-c", script]).output().unwrap();
                let said = String::from_utf8_lossy(&parsed.stderr);
                assert!(parsed.status.success(), "{place}: {said}");
                let unknown = options::unknown(script);
                assert!(unknown.is_empty(), "{place}: {unknown:?}");
            }
            Action::Run { script, exit, shown } => {
                let (code, output) = self.shell(script);
                assert_eq!(code, Some(*exit), "{place}:\n{script}\n{output}");
                if let Some(line) = missing(shown, &output) {
                    panic!("{place}: {line:?} is not in what it prints:\n{script}\n{output}");
                }
            }
        }
    }

    fn shell(&self, script: &str) -> (Option<i32>, String) {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.path().join("bin");
        let mut command = Command::new("timeout");
        command
            .args([
                COMMAND_LIMIT,
                "bash",
                "-euo",
                "pipefail",
                "-c",
                &format!("exec 2>&1\n{script}"),
            ])
            .current_dir(self.work())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", self.folder.path().join("home"))
            .env("NO_COLOR", "1")
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The first line of a page that the output does not have; `...` stands for any number of lines.
fn missing(shown: &[String], output: &str) -> Option<String> {
    let mut rest = output.lines();
    for line in shown {
        let wanted = words(line);
        if wanted.is_empty() || matches!(wanted.as_slice(), [only] if only == "..." || only == "…")
        {
            continue;
        }
        if !rest.any(|line| words(line) == wanted) {
            return Some(line.clone());
        }
    }
    None
}

/// The words of a line. How long something has been so differs from run to run.
fn words(line: &str) -> Vec<String> {
    let is_age = |word: &str| {
        let number = word.trim_end_matches(['s', 'm', 'h', 'd']);
        number.len() < word.len() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let word = |word: &str| if is_age(word) { "AGE".to_owned() } else { word.to_owned() };
    line.split_whitespace().map(word).collect()
}

#[test]
fn output_is_compared_by_words_and_ages_are_ages() {
    let shown = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let output = "NAME   AGE\nfirst  3s\nsecond 12m\n";
    assert_eq!(missing(&shown(&["NAME AGE", "...", "second 5s"]), output), None);
    assert_eq!(missing(&shown(&["second 5s", "first 1s"]), output), Some("first 1s".to_owned()));
    assert_eq!(missing(&shown(&["first"]), output), Some("first".to_owned()));
}
