//! What these tests share: the program, the repository, and a folder with manifests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

pub const COMPTROLLER: &str = env!("CARGO_BIN_EXE_comptroller");

/// A Deployment that passes no control of workloads.
pub const PRIVILEGED: &str = "apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: prod}
spec: {containers: [{name: a, image: b, securityContext: {privileged: true}}]}
";

/// A `ConfigMap`, of which no control of the pack says anything.
pub const FINE: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: fine, namespace: prod}
";

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A folder with one file in `manifests`.
pub fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("manifests")).unwrap();
    fs::write(folder.path().join("manifests/objects.yaml"), manifest).unwrap();
    folder
}

/// A folder with the program under the names that it goes by, for PATH.
pub fn bin() -> TempDir {
    let bin = tempfile::tempdir().unwrap();
    for name in ["comptroller", "kubectl-comptroller"] {
        std::os::unix::fs::symlink(COMPTROLLER, bin.path().join(name)).unwrap();
    }
    bin
}

/// PATH with this folder before everything else.
pub fn path_with(folder: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).unwrap()
}

pub fn comptroller(arguments: &[&str]) -> Output {
    Command::new(COMPTROLLER).args(arguments).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A program of the system; None if it is not installed, which CI does not accept.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|one| one.is_file());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs {name} in PATH");
        eprintln!("skipped: {name} is not installed");
    }
    found
}
