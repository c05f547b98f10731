//! Folders that a tool must render to manifests first: Helm charts, Kustomize overlays, other languages.

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

/// The file that makes a folder a Helm chart.
pub(super) const CHART: &str = "Chart.yaml";

/// The files that make a folder a Kustomize overlay or base.
const KUSTOMIZATIONS: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// How many bytes of an unrendered file are searched for kinds.
const MAX_LOOK: u64 = 1 << 20;

/// How many files of a chart are searched.
const MAX_FILES: usize = 1_000;

/// A folder that must be rendered before it can be evaluated. Controls over the kinds that its files seem to
/// have are Unknown.
#[derive(Debug)]
pub(super) struct UnrenderedFolder {
    /// The path that the user named and that contains it.
    pub path: Arc<str>,
    /// The file that shows that it must be rendered.
    pub file: Arc<str>,
    /// How to render it.
    pub message: String,
    /// The kinds that its files mention.
    pub kinds: BTreeSet<String>,
}

impl UnrenderedFolder {
    fn new(file: &Path, message: String) -> Self {
        let file = file.to_string_lossy().into();
        Self { path: Arc::default(), file, message, kinds: BTreeSet::new() }
    }

    /// Adds the kinds of one of its files.
    pub fn note(&mut self, file: &Path) {
        let mut text = Vec::new();
        let read = File::open(file).and_then(|file| file.take(MAX_LOOK).read_to_end(&mut text));
        if read.is_ok() {
            self.kinds.extend(manifest::mentioned_in(&text));
        }
    }
}

/// The chart that a folder of templates belongs to: `scan chart/templates` means the chart. None if it
/// belongs to none.
pub(super) fn chart_around(folder: &Path) -> Option<PathBuf> {
    let chart = folder.ancestors().skip(1).find(|above| above.join(CHART).is_file())?;
    let below = folder.strip_prefix(chart).ok()?;
    // Other folders of a chart, such as crds, are plain manifests.
    below.starts_with("templates").then(|| chart.to_owned())
}

/// The folder of a chart.
pub(super) fn chart(chart: &Path) -> UnrenderedFolder {
    let message = format!(
        "a Helm chart, which can't be read unrendered: render it first, with `helm template {} | comptroller scan -`",
        chart.display()
    );
    let mut found = UnrenderedFolder::new(&chart.join(CHART), message);
    let mut left = MAX_FILES;
    note_all(&chart.join("templates"), &mut found, &mut left);
    found
}

fn note_all(folder: &Path, found: &mut UnrenderedFolder, left: &mut usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(rest) = left.checked_sub(1) else { return };
        *left = rest;
        // A link could lead out of the chart.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => note_all(&entry.path(), found, left),
            Ok(kind) if kind.is_file() => found.note(&entry.path()),
            _ => {}
        }
    }
}

/// The kustomization file among the entries of a folder; None if there is none.
pub(super) fn overlay_file(entries: &[DirEntry]) -> Option<PathBuf> {
    let is_one = |entry: &&DirEntry| KUSTOMIZATIONS.iter().any(|name| entry.file_name() == *name);
    entries.iter().find(is_one).map(DirEntry::path)
}

/// A kustomization that only lists resources, so that rendering changes nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PlainKustomization {
    #[serde(default, rename = "apiVersion")]
    _api_version: Option<IgnoredAny>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<IgnoredAny>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    resources: Option<Vec<String>>,
}

/// The folder of a kustomization; None if it only lists its files, which can be read as they are.
pub(super) fn overlay(folder: &Path, file: &Path) -> Option<UnrenderedFolder> {
    if is_plain(folder, file).unwrap_or(false) {
        return None;
    }
    let message = format!(
        "a kustomization that changes what it lists: render it first, with `kubectl kustomize {} | comptroller scan -`",
        folder.display()
    );
    Some(UnrenderedFolder::new(file, message))
}

fn is_plain(folder: &Path, file: &Path) -> io::Result<bool> {
    // A pipe of this name would block.
    if !fs::metadata(file)?.is_file() {
        return Ok(false);
    }
    let mut text = Vec::new();
    File::open(file)?.take(MAX_LOOK).read_to_end(&mut text)?;
    // Any other field, such as images or patches, changes what is rendered.
    let Ok(plain) = yaml_serde::from_slice::<PlainKustomization>(&text) else {
        return Ok(false);
    };
    let listed = plain.resources.unwrap_or_default();
    Ok(plain.kind.is_none_or(|kind| kind == "Kustomization")
        && listed.iter().all(|name| is_below(folder, name)))
}

/// Whether walking the folder will find a resource that the kustomization lists.
fn is_below(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    let (Ok(folder), Ok(real)) = (folder.canonicalize(), path.canonicalize()) else {
        return false;
    };
    // A base beside the folder would be missed by the walk, and a link may lead out of it.
    real.starts_with(&folder) && (real.is_dir() || is_manifest(&path))
}

/// A language from which a tool renders manifests.
#[derive(Clone, Copy, Debug)]
pub(super) struct TemplateLanguage {
    what: &'static str,
    render: &'static str,
}

const LANGUAGES: &[(&str, TemplateLanguage)] = &[
    ("jsonnet", TemplateLanguage { what: "Jsonnet", render: "jsonnet FILE" }),
    ("libsonnet", TemplateLanguage { what: "Jsonnet", render: "jsonnet FILE" }),
    ("cue", TemplateLanguage { what: "CUE", render: "cue export --out yaml" }),
    ("k", TemplateLanguage { what: "KCL", render: "kcl run" }),
    ("pkl", TemplateLanguage { what: "Pkl", render: "pkl eval -f yaml FILE" }),
    ("dhall", TemplateLanguage { what: "Dhall", render: "dhall-to-yaml --file FILE" }),
    ("gotmpl", TemplateLanguage { what: "a helmfile", render: "helmfile template" }),
    ("tpl", TemplateLanguage { what: "templates", render: "helm template CHART" }),
];

impl TemplateLanguage {
    /// The language of a file, by its name; None if it is no such language.
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if matches!(name, "helmfile.yaml" | "helmfile.yml" | "helmfile.d") {
            return Some(Self { what: "a helmfile", render: "helmfile template" });
        }
        let extension = path.extension()?.to_str()?;
        LANGUAGES.iter().find(|(known, _)| *known == extension).map(|(_, language)| *language)
    }

    /// The error for a folder that contains nothing else.
    pub fn message(self) -> String {
        format!(
            "contains no Kubernetes object, but {}: render it first, with `{} | comptroller scan -`",
            self.what, self.render
        )
    }
}
