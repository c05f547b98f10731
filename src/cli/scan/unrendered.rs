//! Folders that only a tool makes manifests of: Helm charts, Kustomize overlays, other languages.

use std::{
    collections::BTreeSet,
    fs::{self, DirEntry, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, de::IgnoredAny};

use super::sources::is_manifest;
use crate::source::manifest;

/// What makes a folder a Helm chart.
pub(super) const CHART: &str = "Chart.yaml";

/// What makes a folder a Kustomize overlay or base.
const KUSTOMIZATIONS: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How much of an unrendered file is looked through for the kinds that it names.
const MAX_LOOK: u64 = 1 << 20;

/// So many files of a chart are looked through.
const MAX_FILES: usize = 1_000;

/// A folder that must be rendered before it can be judged.
#[derive(Debug)]
pub(super) struct Unrendered {
    /// The path that the user named, in which it is.
    pub path: Arc<str>,
    /// The file that says so.
    pub file: Arc<str>,
    /// How to render it.
    pub message: String,
    /// The kinds that its files name.
    pub kinds: BTreeSet<String>,
}

impl Unrendered {
    fn new(file: &Path, message: String) -> Self {
        let file = file.to_string_lossy().into();
        Self { path: Arc::default(), file, message, kinds: BTreeSet::new() }
    }

    /// Takes in the kinds of one of its files.
    pub fn note(&mut self, file: &Path) {
        let mut text = Vec::new();
        let read = File::open(file).and_then(|file| file.take(MAX_LOOK).read_to_end(&mut text));
        if read.is_ok() {
            self.kinds.extend(manifest::named_in(&text));
        }
    }
}

/// The chart of which a folder is a part: `scan chart/templates` means the chart.
pub(super) fn chart_around(folder: &Path) -> Option<PathBuf> {
    let chart = folder.ancestors().skip(1).find(|above| above.join(CHART).is_file())?;
    let below = folder.strip_prefix(chart).ok()?;
    below.starts_with("templates").then(|| chart.to_owned())
}

/// A folder with a chart.
pub(super) fn chart(chart: &Path) -> Unrendered {
    let message = format!(
        "a Helm chart, which is not read as it is: render it first, with `helm template {} | comptroller scan -`",
        chart.display()
    );
    let mut found = Unrendered::new(&chart.join(CHART), message);
    let mut left = MAX_FILES;
    note_all(&chart.join("templates"), &mut found, &mut left);
    found
}

fn note_all(folder: &Path, found: &mut Unrendered, left: &mut usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(rest) = left.checked_sub(1) else { return };
        *left = rest;
        // No links are followed here.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => note_all(&entry.path(), found, left),
            Ok(kind) if kind.is_file() => found.note(&entry.path()),
            _ => {}
        }
    }
}

/// The kustomization among the files of a folder.
pub(super) fn overlay_file(entries: &[DirEntry]) -> Option<PathBuf> {
    let is_one = |entry: &&DirEntry| KUSTOMIZATIONS.iter().any(|name| entry.file_name() == *name);
    entries.iter().find(is_one).map(DirEntry::path)
}

/// A kustomization that only lists files: they are what it renders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Plain {
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<IgnoredAny>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    resources: Option<Vec<String>>,
}

/// A folder with a kustomization; None where its files are what it renders.
pub(super) fn overlay(folder: &Path, file: &Path) -> Option<Unrendered> {
    if is_plain(folder, file).unwrap_or(false) {
        return None;
    }
    let message = format!(
        "a kustomization that changes what it lists: render it first, with `kubectl kustomize {} | comptroller scan -`",
        folder.display()
    );
    Some(Unrendered::new(file, message))
}

fn is_plain(folder: &Path, file: &Path) -> io::Result<bool> {
    if !fs::metadata(file)?.is_file() {
        return Ok(false);
    }
    let mut text = Vec::new();
    File::open(file)?.take(MAX_LOOK).read_to_end(&mut text)?;
    let Ok(plain) = yaml_serde::from_slice::<Plain>(&text) else {
        return Ok(false);
    };
    let listed = plain.resources.unwrap_or_default();
    Ok(plain.kind.is_none_or(|kind| kind == "Kustomization")
        && listed.iter().all(|name| is_below(folder, name)))
}

/// Whether a walk of the folder reads what a kustomization lists.
fn is_below(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    let (Ok(folder), Ok(real)) = (folder.canonicalize(), path.canonicalize()) else {
        return false;
    };
    real.starts_with(&folder) && (real.is_dir() || is_manifest(&path))
}

/// A language that must be rendered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    what: &'static str,
    render: &'static str,
}

const LANGUAGES: &[(&str, Foreign)] = &[
    ("jsonnet", Foreign { what: "Jsonnet", render: "jsonnet FILE" }),
    ("libsonnet", Foreign { what: "Jsonnet", render: "jsonnet FILE" }),
    ("cue", Foreign { what: "CUE", render: "cue export --out yaml" }),
    ("k", Foreign { what: "KCL", render: "kcl run" }),
    ("pkl", Foreign { what: "Pkl", render: "pkl eval -f yaml FILE" }),
    ("dhall", Foreign { what: "Dhall", render: "dhall-to-yaml --file FILE" }),
    ("gotmpl", Foreign { what: "a helmfile", render: "helmfile template" }),
    ("tpl", Foreign { what: "templates", render: "helm template CHART" }),
];

impl Foreign {
    /// The language of a file.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if matches!(name, "helmfile.yaml" | "helmfile.yml" | "helmfile.d") {
            return Some(Self { what: "a helmfile", render: "helmfile template" });
        }
        let extension = path.extension()?.to_str()?;
        LANGUAGES.iter().find(|(known, _)| *known == extension).map(|(_, language)| *language)
    }

    /// What to do with a folder in which there is nothing else.
    pub fn message(self) -> String {
        format!(
            "holds no Kubernetes object, but {}: render it first, with `{} | comptroller scan -`",
            self.what, self.render
        )
    }
}
