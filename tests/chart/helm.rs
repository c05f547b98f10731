//! Helm and kustomize, as a user would run them.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use comptroller::source::manifest::{self, Limits, ManifestDocument};
use serde_json::Value;

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const CHART: &str = "charts/comptroller";
pub const PACK: &str = "charts/comptroller-pack";
pub const NAMESPACE: &str = "comptroller-system";

/// The Helm of `make helm`, or the one in `PATH`. None where there is neither, which is said; in
/// continuous integration that is an error.
pub fn helm() -> Option<PathBuf> {
    let installed = Path::new(ROOT).join("target/tools/bin/helm");
    let helm = if installed.exists() { installed } else { PathBuf::from("helm") };
    if Command::new(&helm).arg("version").output().is_ok() {
        return Some(helm);
    }
    assert!(std::env::var_os("CI").is_none(), "helm is not installed: make helm builds it");
    eprintln!("skipped: helm is not installed (make helm builds it)");
    None
}

/// Runs Helm in the root of the repository, with no configuration of the user's own.
pub fn run(helm: &Path, arguments: &[&str]) -> Output {
    let home = Path::new(ROOT).join("target/tmp/helm");
    Command::new(helm)
        .args(arguments)
        .current_dir(ROOT)
        .env("HELM_CACHE_HOME", home.join("cache"))
        .env("HELM_CONFIG_HOME", home.join("config"))
        .env("HELM_DATA_HOME", home.join("data"))
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", helm.display()))
}

/// Renders a chart as release `comptroller` in its usual namespace. The error is what Helm says.
pub fn template(helm: &Path, chart: &str, arguments: &[&str]) -> Result<String, String> {
    let mut all = vec!["template", "comptroller", chart, "--namespace", NAMESPACE];
    all.extend_from_slice(arguments);
    let output = run(helm, &all);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Renders a chart with values given as YAML.
pub fn template_with(helm: &Path, chart: &str, values: &str) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    template(helm, chart, &["--values", file.path().to_str().unwrap()])
}

/// What kustomize makes of a folder of the repository.
pub fn kustomize(folder: &str) -> String {
    let output = Command::new(crate::controlplane::kubectl())
        .arg("kustomize")
        .arg(Path::new(ROOT).join(folder))
        .output()
        .unwrap_or_else(|error| panic!("kubectl, see `make kubectl`: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every object of a rendered text. A document without a kind or with an error is a mistake here.
pub fn objects(name: &str, text: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    manifest::read(name, text.as_bytes(), Limits::default(), &mut |found| match found {
        Ok(ManifestDocument::Object(object, _)) => objects.push(object),
        Ok(ManifestDocument::Other(at)) => panic!("{name}:{}: no object", at.line),
        Err(error) => panic!("{error}"),
    });
    objects
}

/// What an object is called, for messages and for comparing: `Role comptroller-system/comptroller`.
pub fn title(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut title = text("/kind").to_owned();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let slash = if namespace.is_empty() { "" } else { "/" };
    let _ = write!(title, " {namespace}{slash}{name}");
    title
}

/// The object of this title.
pub fn find<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    objects.iter().find(|object| title(object) == wanted).unwrap_or_else(|| {
        panic!("no {wanted} among {:#?}", objects.iter().map(title).collect::<Vec<_>>())
    })
}
