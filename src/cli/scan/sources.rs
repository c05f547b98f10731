//! The files that a scan reads: named files, folders recursively, standard input.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirEntry, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    manifest_loader::ManifestLoader,
    unrendered::{self, TemplateLanguage, UnrenderedFolder},
};
use crate::source::manifest::{self, Limits, ManifestDocument, ManifestError};
use comptroller_report::ReportedError;

/// The most that is read from standard input or a pipe, in bytes. It is kept in memory, since a second pass
/// may be needed.
const MAX_PIPE: u64 = 512 << 20;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 30;

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceFile {
    /// The path as reports name it; `-` is standard input.
    pub name: Arc<str>,
    /// The path that the user named: this file, or the folder in which it was found.
    pub path: Arc<str>,
    /// How it was found.
    pub origin: FileOrigin,
}

/// How a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileOrigin {
    /// The user named it, so it must contain Kubernetes objects.
    Named,
    /// It was found in a folder that the user named, which may contain other files too.
    Folder,
}

/// The type of a named path.
#[derive(Debug)]
enum NamedPath {
    Input,
    Folder { files: usize, language: Option<TemplateLanguage> },
}

/// All files to read, sorted by name within each folder.
#[derive(Debug, Default)]
pub(super) struct SourceFiles {
    files: Vec<SourceFile>,
    /// The contents of standard input and pipes, which can be read only once, by name.
    kept: BTreeMap<Arc<str>, Vec<u8>>,
    /// Folders that must be rendered before they can be read.
    pub unrendered: Vec<UnrenderedFolder>,
    /// The errors of paths that can't be read.
    pub errors: Vec<ReportedError>,
    visited: BTreeSet<PathBuf>,
    named: BTreeMap<Arc<str>, NamedPath>,
    /// The named path that is being searched, and its canonical path.
    path: Arc<str>,
    root: PathBuf,
    /// Named paths with an error.
    failed: BTreeSet<Arc<str>>,
    /// Whether charts and overlays are read like any folder, because their controls need no rendering.
    include_unrendered: bool,
}

impl SourceFiles {
    /// Finds the manifests under these paths. Folders that must be rendered first are not read.
    pub fn find(paths: &[PathBuf]) -> Self {
        Self::default().find_all(paths)
    }

    /// Finds the files under these paths, including those of charts and overlays.
    pub fn find_including_unrendered(paths: &[PathBuf]) -> Self {
        Self { include_unrendered: true, ..Self::default() }.find_all(paths)
    }

    fn find_all(mut self, paths: &[PathBuf]) -> Self {
        for path in paths {
            self.path = path.to_string_lossy().into();
            if path.as_os_str() == "-" {
                self.keep(path, &mut io::stdin().lock());
            } else {
                self.find_path(path);
            }
        }
        self
    }

    /// The files in reading order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SourceFile> {
        self.files.iter()
    }

    /// Reads one file, document by document.
    pub fn read(
        &self,
        source: &SourceFile,
        limits: Limits,
        visit: &mut dyn FnMut(Result<ManifestDocument, ManifestError>),
    ) -> io::Result<()> {
        let visit = &mut |mut found| {
            if let Ok(ManifestDocument::Object(object, _)) = &mut found {
                manifest::as_stored(object);
            }
            visit(found);
        };
        if let Some(text) = self.kept.get(&source.name) {
            manifest::read(&source.name, text.as_slice(), limits, visit);
        } else {
            let file = File::open(&*source.name)?.take(MAX_FILE);
            manifest::read(&source.name, BufReader::with_capacity(1 << 16, file), limits, visit);
        }
        Ok(())
    }

    /// Reports named paths without any object: whoever named them expects them to be evaluated.
    pub fn fail_empty(&mut self, loader: &ManifestLoader) {
        for (path, named) in std::mem::take(&mut self.named) {
            if loader.has_reported(&path) || self.failed.contains(&path) {
                continue;
            }
            let message = match named {
                NamedPath::Input if &*path == "-" => {
                    "there is no Kubernetes object in the input: check whether the command before failed".to_owned()
                }
                NamedPath::Input => {
                    "contains no Kubernetes object: it is empty, or has only comments".to_owned()
                }
                NamedPath::Folder { language: Some(language), .. } => language.message(),
                NamedPath::Folder { files: 0, .. } => {
                    "contains no manifest: no file in it ends in .yaml, .yml, .json, .ndjson or .jsonl"
                        .to_owned()
                }
                NamedPath::Folder { .. } => "contains no Kubernetes object: check the path".to_owned(),
            };
            self.path = Arc::clone(&path);
            self.fail(Path::new(&*path), message);
        }
        if self.errors.is_empty() && !loader.has_anything_to_judge() {
            let message = "there is nothing to evaluate, only controls and exceptions: name the manifests as well";
            self.errors
                .push(ReportedError { message: message.to_owned(), ..ReportedError::default() });
        }
    }

    /// Reads standard input or a pipe, and keeps its contents.
    fn keep(&mut self, path: &Path, input: &mut dyn Read) {
        let name: Arc<str> = Arc::clone(&self.path);
        if self.kept.contains_key(&name) {
            return;
        }
        let mut text = Vec::new();
        // One byte more than allowed shows that the input is too long.
        let error = match input.take(MAX_PIPE + 1).read_to_end(&mut text) {
            Err(error) => Some(error.to_string()),
            Ok(read) if read as u64 > MAX_PIPE => {
                text = Vec::new();
                Some(format!(
                    "longer than {} MiB: write it to a file and name that",
                    MAX_PIPE >> 20
                ))
            }
            Ok(_) => None,
        };
        self.named.insert(Arc::clone(&name), NamedPath::Input);
        match error {
            Some(message) => self.fail(path, message),
            None => self.add(path, FileOrigin::Named),
        }
        self.kept.insert(name, text);
    }

    /// Adds a path that the user named.
    fn find_path(&mut self, path: &Path) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.fail(path, "does not exist: check the path".into());
            }
            Err(error) => return self.fail(path, error.to_string()),
        };
        if metadata.is_dir() {
            return self.find_folder(path);
        }
        if metadata.is_file() {
            self.named.insert(Arc::clone(&self.path), NamedPath::Input);
            return self.add_file(path, metadata.len(), FileOrigin::Named);
        }
        // Process substitutions, as `<(command)`, are pipes.
        match File::open(path) {
            Ok(mut file) => self.keep(path, &mut file),
            Err(error) => self.fail(path, error.to_string()),
        }
    }

    fn find_folder(&mut self, folder: &Path) {
        match folder.canonicalize() {
            // It is part of a folder that was named before.
            Ok(real) if self.visited.contains(&real) => return,
            Ok(real) => self.root = real,
            Err(error) => return self.fail(folder, error.to_string()),
        }
        self.named.insert(Arc::clone(&self.path), NamedPath::Folder { files: 0, language: None });
        match unrendered::chart_around(&self.root) {
            Some(chart) if !self.include_unrendered => {
                self.add_unrendered(unrendered::chart(&chart));
            }
            _ => self.walk(folder, None),
        }
    }

    fn add_unrendered(&mut self, folder: UnrenderedFolder) -> usize {
        self.failed.insert(Arc::clone(&self.path));
        self.unrendered.push(UnrenderedFolder { path: Arc::clone(&self.path), ..folder });
        self.unrendered.len() - 1
    }

    /// Walks a folder. One that is reached twice, as by a loop of links, is read once. Files below an
    /// overlay, which is given by its index, are not read but only noted.
    fn walk(&mut self, folder: &Path, overlay: Option<usize>) {
        match folder.canonicalize() {
            Ok(real) => {
                if !self.visited.insert(real) {
                    return;
                }
            }
            Err(error) => return self.fail(folder, error.to_string()),
        }
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.fail(folder, error.to_string()),
        };
        // The order of read_dir depends on the file system; that of a report must not.
        entries.sort_by_key(DirEntry::file_name);
        let mut overlay = overlay;
        if !self.include_unrendered {
            if entries.iter().any(|entry| entry.file_name() == unrendered::CHART) {
                self.add_unrendered(unrendered::chart(folder));
                // The CRDs of a chart are plain files and not templates.
                return match folder.join("crds") {
                    definitions if definitions.is_dir() => self.visit(&definitions, None),
                    _ => {}
                };
            }
            if let Some(file) = unrendered::overlay_file(&entries) {
                overlay =
                    unrendered::overlay(folder, &file).map(|found| self.add_unrendered(found));
            }
        }
        for entry in entries {
            // Hidden entries are those of tools, such as .git.
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.visit(&entry.path(), overlay);
            }
        }
    }

    /// Visits an entry of a folder. Links are followed if they stay within the named folder: a pull request
    /// must not make CI read other files of the machine.
    fn visit(&mut self, path: &Path, overlay: Option<usize>) {
        self.note_language(path);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_manifest(path) => return self.fail(path, error.to_string()),
            Err(_) => return,
        };
        if !metadata.is_dir() && !is_manifest(path) {
            return;
        }
        if path.is_symlink()
            && let Ok(target) = path.canonicalize()
            && !target.starts_with(&self.root)
        {
            let message = format!(
                "is a link to a path outside of {}, which is not followed: name {} as well",
                self.path,
                target.display()
            );
            return self.fail(path, message);
        }
        if metadata.is_dir() {
            return self.walk(path, overlay);
        }
        if !metadata.is_file() {
            let message = "is not a regular file, so it is skipped: name it to have it read";
            return self.fail(path, message.to_owned());
        }
        if let Some(NamedPath::Folder { files, .. }) = self.named.get_mut(&self.path) {
            *files += 1;
        }
        match overlay.and_then(|at| self.unrendered.get_mut(at)) {
            Some(overlay) => overlay.note(path),
            None => self.add_file(path, metadata.len(), FileOrigin::Folder),
        }
    }

    fn note_language(&mut self, path: &Path) {
        if let Some(NamedPath::Folder { language: language @ None, .. }) =
            self.named.get_mut(&self.path)
        {
            *language = TemplateLanguage::of_file(path);
        }
    }

    fn add_file(&mut self, path: &Path, length: u64, origin: FileOrigin) {
        if length > MAX_FILE {
            let message = format!("larger than {} GiB: split it", MAX_FILE >> 30);
            return self.fail(path, message);
        }
        self.add(path, origin);
    }

    fn add(&mut self, path: &Path, origin: FileOrigin) {
        match path.to_str() {
            Some(name) => {
                let path = Arc::clone(&self.path);
                self.files.push(SourceFile { name: name.into(), path, origin });
            }
            None => self.fail(path, "the path is not UTF-8: rename the file".into()),
        }
    }

    fn fail(&mut self, path: &Path, message: String) {
        self.failed.insert(Arc::clone(&self.path));
        self.errors.push(ReportedError {
            file: Some(path.to_string_lossy().into()),
            message,
            ..ReportedError::default()
        });
    }
}

/// Whether a file in a folder is a manifest, by its extension.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json", "ndjson", "jsonl"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sources: &SourceFiles, root: &Path) -> Vec<(String, bool)> {
        sources
            .iter()
            .map(|source| {
                let path = Path::new(&*source.name);
                let relative = path.strip_prefix(root).unwrap_or(path);
                (relative.to_string_lossy().into_owned(), source.origin == FileOrigin::Named)
            })
            .collect()
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_ones_and_loops() {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["b/inner", ".git"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        for file in [
            "z.yaml",
            "a.YML",
            "b/c.json",
            "b/inner/d.ndjson",
            "b/readme.md",
            ".git/e.yaml",
            ".f.yaml",
        ] {
            fs::write(root.path().join(file), "").expect("a file");
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("b/inner/loop")).expect("a link");
        std::os::unix::fs::symlink("gone", root.path().join("broken.yaml")).expect("a link");
        let sources = SourceFiles::find(&[root.path().to_owned()]);
        let expected = ["a.YML", "b/c.json", "b/inner/d.ndjson", "z.yaml"];
        assert_eq!(names(&sources, root.path()), expected.map(|name| (name.to_owned(), false)));
        assert_eq!(sources.errors.len(), 1, "{:?}", sources.errors);
        assert!(
            sources.errors[0].file.as_deref().is_some_and(|file| file.ends_with("broken.yaml"))
        );
    }

    #[test]
    fn named_files_are_read_whatever_they_are_called() {
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join(".hidden.txt");
        fs::write(&file, "").expect("a file");
        let sources = SourceFiles::find(&[file, root.path().join("nowhere")]);
        assert_eq!(names(&sources, root.path()), [(".hidden.txt".to_owned(), true)]);
        assert!(sources.errors[0].message.contains("does not exist"));
    }
}
