//! The demo as a reader goes through it: the table, then every command that it proposes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "controlplane/mod.rs"]
mod controlplane;

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use controlplane::wait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Until the demo has printed everything, on a machine that is busy with other tests.
const PRINTED: Duration = Duration::from_mins(4);

/// Until a verdict has followed a change.
const FOLLOWED: Duration = Duration::from_secs(30);

/// Until everything that the demo started is gone.
const CLEARED: Duration = Duration::from_mins(1);

#[tokio::test]
async fn the_demo_does_what_it_says() {
    let mut demo = Demo::start();
    let output = demo.until("The operator runs until you press Ctrl-C");

    let rows = table(&output);
    assert!(rows.len() >= 20, "{output}");
    for row in &rows {
        let state = row.get(1).copied().unwrap_or_default();
        let states = ["Passing", "Failing", "Excepted", "Unknown", "NotApplicable"];
        assert!(states.contains(&state), "no state: {row:?}");
    }
    assert!(output.contains("remedy"), "no failing control is told in detail:\n{output}");

    let kubeconfig = output
        .lines()
        .find_map(|line| line.trim().strip_prefix("export KUBECONFIG="))
        .map(PathBuf::from)
        .expect("a kubeconfig to export");
    doors(&output).await;

    let trials = trials(&output);
    assert!(trials.len() >= 4, "{output}");
    for trial in trials {
        kubectl(&kubeconfig, &trial.arguments);
        let follows = async || {
            let state = ["get", "control", trial.control, "-o", "jsonpath={.status.state}"];
            (kubectl(&kubeconfig, &state) == trial.leads_to).then_some(())
        };
        let what = format!("{} is {} after {:?}", trial.control, trial.leads_to, trial.arguments);
        wait::until(&what, FOLLOWED, follows).await.unwrap();
    }

    demo.interrupt().await;
    let folder = kubeconfig.parent().and_then(Path::parent).unwrap();
    wait::until("the control plane's folder is gone", CLEARED, async || {
        (!folder.exists()).then_some(())
    })
    .await
    .unwrap();
}

/// Whatever it says to open is there, and an alert fires where there is a Prometheus.
async fn doors(output: &str) {
    let doors: Vec<&str> =
        output.lines().map(str::trim).filter(|line| line.starts_with("http://")).collect();
    assert!(doors.iter().any(|door| door.ends_with("/metrics")), "{output}");
    for door in &doors {
        let (address, path) = door.trim_start_matches("http://").split_once('/').unwrap();
        let answer = get(address, &format!("/{path}")).await;
        assert!(answer.starts_with("HTTP/1.0 200"), "{door}: {answer:.200}");
    }
    let prometheus = env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|folder| folder.join("prometheus").is_file())
    });
    assert!(prometheus || env::var("CI").as_deref() != Ok("true"), "CI needs prometheus in PATH");
    let firing = output.lines().find(|line| line.contains("firing: Comptroller"));
    assert_eq!(firing.is_some(), prometheus, "{output}");
    assert_eq!(doors.iter().any(|door| door.ends_with("/alerts")), prometheus, "{output}");
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The rows of `kubectl get controls`, without the header.
fn table(output: &str) -> Vec<Vec<&str>> {
    output
        .lines()
        .skip_while(|line| !line.starts_with("NAME "))
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect()
}

/// A command that the demo proposes, and what it says of it.
struct Trial<'a> {
    control: &'a str,
    leads_to: &'static str,
    arguments: Vec<&'a str>,
}

/// `# fix CONTROL: ...` and `# break CONTROL: ...`, each with a command below.
fn trials(output: &str) -> Vec<Trial<'_>> {
    let lines: Vec<&str> = output.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let (comment, command) = (pair[0].strip_prefix("# ")?, pair[1]);
            let (leads_to, rest) = match comment.split_once(' ')? {
                ("fix", rest) => ("Passing", rest),
                ("break", rest) => ("Failing", rest),
                _ => return None,
            };
            let control = rest.split_once(':')?.0;
            let arguments = command.strip_prefix("kubectl ")?.split(' ').collect();
            Some(Trial { control, leads_to, arguments })
        })
        .collect()
}

fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> String {
    let output = Command::new(controlplane::kubectl())
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("kubectl (`make kubectl` gets it)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The running demo, killed with the test; then nothing of it stays either.
struct Demo {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(example())
            .env("COMPTROLLER", env!("CARGO_BIN_EXE_comptroller"))
            .env_remove("CLUSTER")
            .env_remove("ONCE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// What it prints up to a line that begins with these words.
    fn until(&self, words: &str) -> String {
        let deadline = Instant::now() + PRINTED;
        let mut output = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("the demo did not come to {words:?}; it printed:\n{output}");
            };
            output.push_str(&line);
            output.push('\n');
            if line.starts_with(words) {
                return output;
            }
        }
    }

    /// Ctrl-C, after which it ends well.
    async fn interrupt(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let ended = async || self.child.try_wait().unwrap();
        let status = wait::until("the demo ends", CLEARED, ended).await.unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example's binary, which cargo builds for all tests but not for one asked for by name.
fn example() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace, as `make test` builds it: with other features everything would be built anew.
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--example", "demo"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo");
    assert!(built.success(), "the demo does not build");
    Path::new(env!("CARGO_BIN_EXE_comptroller")).with_file_name("examples").join("demo")
}
