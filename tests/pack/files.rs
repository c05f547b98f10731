//! The files of the pack, the samples and the documentation, as a user would apply them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use comptroller::source::manifest::{self, Limits, ManifestDocument};
use serde_json::Value;

/// A file or folder of the repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The text of a file of the repository.
pub fn text(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The manifests directly in a folder, by name, in the order in which kubectl takes them.
pub fn manifests(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"))
        .filter(|name| name != "kustomization.yaml")
        .collect();
    names.sort_unstable();
    names
}

/// Every object of a text. A document without a kind or with an error is a mistake here.
pub fn objects(name: &str, text: &str) -> Vec<Value> {
    let mut objects = Vec::new();
    manifest::read(name, text.as_bytes(), Limits::default(), &mut |found| match found {
        Ok(ManifestDocument::Object(object, _)) => objects.push(object),
        Ok(ManifestDocument::Other(at)) => panic!("{name}:{}: no object", at.line),
        Err(error) => panic!("{error}"),
    });
    objects
}

/// Every object of a file.
pub fn objects_of(relative: &str) -> Vec<Value> {
    objects(relative, &text(relative))
}

/// The fenced blocks of a language in a Markdown file.
pub fn blocks(relative: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text(relative).lines() {
        match &mut open {
            None if line == fence => open = Some(String::new()),
            None => {}
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(open.is_none(), "{relative}: a block is not closed");
    blocks
}

/// What a kustomization lists, without `./`.
pub fn kustomization(folder: &str) -> Vec<String> {
    let text = text(&format!("{folder}/kustomization.yaml"));
    let lines = text.lines().filter_map(|line| line.strip_prefix("- "));
    lines.map(|line| line.trim_start_matches("./").to_owned()).collect()
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_else(|| panic!("no name: {object}"))
}

/// What kustomize makes of a folder.
pub fn kustomize(folder: &Path) -> String {
    let output = std::process::Command::new("kubectl").arg("kustomize").arg(folder).output();
    let output = output.unwrap_or_else(|error| panic!("kubectl, see `make kubectl`: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
