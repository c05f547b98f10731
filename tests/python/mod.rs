//! Programs from PyPI that read what this one writes. Each is installed once, into `target/tools`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Installs a package (such as `duckdb==1.5.3`) unless it is there, and says where.
pub fn package(requirement: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python");
    let installed = tools.join(requirement);
    if installed.is_dir() {
        return installed;
    }
    fs::create_dir_all(&tools).unwrap();
    // Moved to its name when it is whole: an install that was broken off is none.
    let unfinished = tempfile::tempdir_in(&tools).unwrap();
    let output = python()
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--root-user-action", "ignore", "--target"])
        .arg(unfinished.path())
        .arg(requirement)
        .output()
        .unwrap_or_else(|error| panic!("Python 3.11 or newer with pip is needed: {error}"));
    assert!(
        output.status.success(),
        "pip can't install {requirement}; Python 3.11 or newer is needed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Another test may have been quicker: then that one serves.
    if fs::rename(unfinished.path(), &installed).is_ok() {
        let _ = unfinished.keep();
    }
    installed
}

/// Runs a script with a package; its arguments are in `sys.argv[1:]`.
pub fn run(package: &Path, script: &str, arguments: &[&Path]) -> Output {
    python().env("PYTHONPATH", package).arg("-c").arg(script).args(arguments).output().unwrap()
}

fn python() -> Command {
    Command::new("python3")
}
