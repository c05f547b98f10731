//! The manifest for krew, filled in as krew-release-bot fills it in, checked and installed by krew itself.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sha2::{Digest as _, Sha256};

use crate::{
    controlplane::kubectl,
    support::{COMPTROLLER, path_with, read, repository, text},
};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Builds krew and its validator, and returns their folder; Go itself caches what has not changed.
fn build() -> PathBuf {
    let folder = repository().join("target/krew_go");
    fs::create_dir_all(&folder).unwrap();
    let output = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&folder)
        .args(["sigs.k8s.io/krew/cmd/krew", "sigs.k8s.io/krew/cmd/validate-krew-manifest"])
        .current_dir(repository().join("tests/krew_go"))
        .env("GOWORK", "off")
        .env("GOFLAGS", "-buildvcs=false")
        .env("CGO_ENABLED", "0")
        .output()
        .expect("Go 1.26 or newer is needed to build krew: https://go.dev/dl");
    assert!(output.status.success(), "go build: {}", text(&output.stderr));
    folder
}

/// An archive as the template says that a release has.
fn archive(folder: &Path) -> PathBuf {
    let files = folder.join("files");
    fs::create_dir(&files).unwrap();
    fs::copy(COMPTROLLER, files.join("comptroller")).unwrap();
    fs::copy(repository().join("LICENSE"), files.join("LICENSE")).unwrap();
    let archive = folder.join("comptroller.tar.gz");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(&files)
        .args(["--use-compress-program", "gzip -1", "-cf"])
        .arg(&archive)
        .args(["comptroller", "LICENSE"])
        .output()
        .unwrap();
    assert!(tar.status.success(), "{}", text(&tar.stderr));
    archive
}

/// The manifest with the tag and the digest of this archive.
fn manifest(folder: &Path, archive: &Path) -> PathBuf {
    let digest = Sha256::digest(fs::read(archive).unwrap());
    let mut sha256 = String::new();
    for byte in digest {
        write!(sha256, "{byte:02x}").unwrap();
    }
    let mut filled = String::new();
    for line in read(".krew.yaml").lines() {
        if let Some(rest) = line.trim_start().strip_prefix("{{ addURIAndSha \"") {
            let uri = rest.split('"').next().unwrap().replace("{{ .TagName }}", VERSION);
            writeln!(filled, "    uri: {uri}\n    sha256: {sha256}").unwrap();
        } else {
            writeln!(filled, "{}", line.replace("{{ .TagName }}", VERSION)).unwrap();
        }
    }
    assert!(!filled.contains("{{"), "{filled}");
    // krew wants the file to have the name of the plugin.
    let path = folder.join("comptroller.yaml");
    fs::write(&path, filled).unwrap();
    path
}

fn run(program: &Path, arguments: &[&str], environment: &[(&str, &std::ffi::OsStr)]) -> Output {
    let output =
        Command::new(program).args(arguments).envs(environment.iter().copied()).output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
    output
}

#[test]
fn krew_accepts_the_manifest_and_kubectl_finds_what_it_installs() {
    let krew = build();
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    let manifest = manifest(folder.path(), &archive);
    let manifest = manifest.to_str().unwrap();
    // It would download the archives, which no release has yet: the one at hand is installed below.
    let check = ["-skip-install", "-manifest", manifest];
    run(&krew.join("validate-krew-manifest"), &check, &[]);

    let root = folder.path().join("root");
    let given = [("KREW_ROOT", root.as_os_str())];
    let archive = archive.to_str().unwrap();
    let install = ["install", "--manifest", manifest, "--archive", archive];
    run(&krew.join("krew"), &install, &given);
    let path = path_with(&root.join("bin"));
    let output = run(&kubectl(), &["comptroller", "--version"], &[("PATH", &path)]);
    assert_eq!(text(&output.stdout), format!("comptroller {}\n", env!("CARGO_PKG_VERSION")));
}
