//! A component of the control plane as a child process that cannot outlive its owner.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::Error;

/// Runs the component and kills it when standard input ends, which the kernel sees to however
/// the owner ends, SIGKILL included. The shell reaps the component, so that its ports are free
/// once the shell is gone, and takes the rest of its own process group with it.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
component=$!
echo "$component" >"$PID_FILE"
{ cat <&3 >/dev/null; kill -s KILL "$component"; } &
wait "$component"
echo "$1 ended with status $?" >&2
kill -s KILL 0
"#;

/// How much of a log an error quotes.
const TAIL_LINES: usize = 20;

/// One running component; dropping it ends it.
pub struct Process {
    name: &'static str,
    log: PathBuf,
    watchdog: Child,
}

impl Process {
    /// Starts `binary` with its output appended to `log`.
    pub fn start(
        name: &'static str,
        binary: &Path,
        arguments: &[String],
        log: PathBuf,
    ) -> Result<Self, Error> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|source| Error::file(&log, source))?;
        let errors = output.try_clone().map_err(|source| Error::file(&log, source))?;
        let watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(binary)
            .args(arguments)
            .env("PID_FILE", log.with_extension("pid"))
            // Ctrl-C in a terminal must reach the owner only, which then ends its components.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Spawn { name, source })?;
        Ok(Self { name, log, watchdog })
    }

    /// Fails when the component has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.watchdog.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(self.failure("ended")),
        }
    }

    /// Freezes the component (SIGSTOP), or lets it go on (SIGCONT).
    pub fn signal(&self, signal: &str) -> Result<(), Error> {
        let pid_file = self.log.with_extension("pid");
        let pid = fs::read_to_string(&pid_file).map_err(|source| Error::file(&pid_file, source))?;
        let sent = Command::new("kill").args(["-s", signal, pid.trim()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            _ => Err(self.failure(&format!("could not be sent SIG{signal}"))),
        }
    }

    /// An error about this component that quotes the end of its log.
    pub fn failure(&self, what: &str) -> Error {
        Error::Component {
            name: self.name,
            what: what.to_owned(),
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("controlplane: cannot end {}: {error}", self.name);
        }
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
