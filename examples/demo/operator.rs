//! The real operator, as a child process that never outlives the demo.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Result,
    controlplane::{port::Port, process::Process, wait},
    http,
    place::Place,
    steps::Steps,
};

/// Names another binary than the one that was built with the demo.
const BINARY: &str = "COMPTROLLER";

/// How long it may take until it answers; nothing is evaluated before.
const START_LIMIT: Duration = Duration::from_mins(1);

/// The first of its pages.
const PAGES: &str = "/ui/";

/// How often a running operator is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The running operator; dropping it ends it.
pub struct Operator {
    process: Process,
    port: Port,
}

/// Where the operator's binary is: cargo puts it one folder above the examples.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os(BINARY) {
        return existing(PathBuf::from(path));
    }
    let example = env::current_exe()?;
    let folder = example.ancestors().nth(2).ok_or("the demo runs from an odd place")?;
    existing(folder.join("comptroller"))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path);
    }
    let path = path.display();
    Err(format!("the operator is not at {path}: `make demo` builds it, or name it in {BINARY}")
        .into())
}

/// Starts it and waits until it serves its metrics.
pub async fn start(place: &Place, binary: &Path, steps: &Steps) -> Result<Operator> {
    steps
        .step("operator", async |step| {
            let port = Port::reserve()?;
            let mut operator = Operator { process: spawn(place, binary, &port)?, port };
            operator.serves().await?;
            step.say(format!("comptroller run, {}", operator.url()));
            Ok(operator)
        })
        .await
}

/// Where the evidence log is; removed in the end, like all of the demo.
pub fn evidence(place: &Place) -> PathBuf {
    place.folder.join("evidence")
}

fn spawn(place: &Place, binary: &Path, port: &Port) -> Result<Process> {
    let listen = format!("127.0.0.1:{}", port.number());
    let mut arguments: Vec<String> =
        ["run", "--insecure", "--listen", &listen].map(str::to_owned).into();
    arguments.extend(["--evidence".to_owned(), evidence(place).display().to_string()]);
    if let Some(kubeconfig) = &place.operator_kubeconfig {
        arguments.extend(["--kubeconfig".to_owned(), kubeconfig.display().to_string()]);
    }
    let log = place.folder.join("logs/comptroller.log");
    Ok(Process::start("comptroller", binary, &arguments, log)?)
}

impl Operator {
    /// Where it serves metrics and probes.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// The port of the same.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where its pages are. None if it has none: `COMPTROLLER` may name an older binary.
    pub async fn pages(&self) -> Option<String> {
        let (status, _) = http::get(self.port(), PAGES).await.ok()?;
        (status == 200).then(|| format!("{}{PAGES}", self.url()))
    }

    /// Fails when it has ended, with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        Ok(self.process.check()?)
    }

    /// Ends only when it does, which is a failure.
    pub async fn outlives_us(&mut self) -> Result<()> {
        loop {
            self.check()?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn serves(&mut self) -> Result<()> {
        let port = self.port.number();
        let process = &mut self.process;
        let answer = wait::until("the operator answers", START_LIMIT, async || {
            if process.check().is_err() {
                return Some(false);
            }
            let (status, _) = http::get(port, "/healthz").await.ok()?;
            (status == 200).then_some(true)
        });
        if answer.await? { Ok(()) } else { self.check() }
    }
}
