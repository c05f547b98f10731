//! Which files a scan reads: named ones, folders recursively, standard input.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, DirEntry, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    intake::Intake,
    unrendered::{self, Foreign, Unrendered},
};
use crate::source::manifest::{self, Found, Limits, ManifestError};
use comptroller_report::ReportedError;

/// How much of standard input or of a pipe is kept. It may have to be read twice.
const MAX_PIPE: u64 = 512 << 20;

/// The largest file that is read.
const MAX_FILE: u64 = 4 << 30;

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The path as reports name it; `-` is standard input.
    pub name: Arc<str>,
    /// The path that the user named: this one, or the folder that it was found in.
    pub path: Arc<str>,
    /// Whether the user named this very file: then it has to hold Kubernetes objects.
    pub named: bool,
}

/// What a named path turned out to be.
#[derive(Debug)]
enum Named {
    Input,
    Folder { files: usize, foreign: Option<Foreign> },
}

/// All files to read, in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<Source>,
    /// What can be read only once: standard input and pipes, by name.
    kept: BTreeMap<Arc<str>, Vec<u8>>,
    /// Folders that must be rendered first.
    pub unrendered: Vec<Unrendered>,
    /// Paths that can't be read.
    pub errors: Vec<ReportedError>,
    visited: BTreeSet<PathBuf>,
    named: BTreeMap<Arc<str>, Named>,
    /// The named path that is being looked at, and where it really is.
    path: Arc<str>,
    root: PathBuf,
    /// Named paths with an error.
    failed: BTreeSet<Arc<str>>,
    /// Whether charts and overlays are read like any folder: what is wanted of them is not rendered.
    as_they_are: bool,
}

impl Sources {
    /// Finds the manifests under these paths. What must be rendered first is not read.
    pub fn find(paths: &[PathBuf]) -> Self {
        Self::default().find_all(paths)
    }

    /// Finds the files under these paths, those of charts and overlays like any other.
    pub fn find_as_they_are(paths: &[PathBuf]) -> Self {
        Self { as_they_are: true, ..Self::default() }.find_all(paths)
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

    /// The files, in reading order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Source> {
        self.files.iter()
    }

    /// Reads one file, document by document.
    pub fn read(
        &self,
        source: &Source,
        limits: Limits,
        visit: &mut dyn FnMut(Result<Found, ManifestError>),
    ) -> io::Result<()> {
        let visit = &mut |mut found| {
            if let Ok(Found::Object(object, _)) = &mut found {
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

    /// Named paths in which there was nothing: who named them expects them to be judged.
    pub fn fail_empty(&mut self, intake: &Intake) {
        for (path, named) in std::mem::take(&mut self.named) {
            if intake.has_spoken(&path) || self.failed.contains(&path) {
                continue;
            }
            let message = match named {
                Named::Input if &*path == "-" => {
                    "no Kubernetes object came in: see whether the command before failed".to_owned()
                }
                Named::Input => {
                    "holds no Kubernetes object: it is empty, or all comments".to_owned()
                }
                Named::Folder { foreign: Some(foreign), .. } => foreign.message(),
                Named::Folder { files: 0, .. } => {
                    "holds no manifest: no file in it ends in .yaml, .yml, .json, .ndjson or .jsonl"
                        .to_owned()
                }
                Named::Folder { .. } => "holds no Kubernetes object: check the path".to_owned(),
            };
            self.path = Arc::clone(&path);
            self.fail(Path::new(&*path), message);
        }
        if self.errors.is_empty() && !intake.has_anything_to_judge() {
            let message = "there is nothing to judge, only controls and exceptions: name the manifests as well";
            self.errors
                .push(ReportedError { message: message.to_owned(), ..ReportedError::default() });
        }
    }

    /// Keeps what can be read only once.
    fn keep(&mut self, path: &Path, input: &mut dyn Read) {
        let name: Arc<str> = Arc::clone(&self.path);
        if self.kept.contains_key(&name) {
            return;
        }
        let mut text = Vec::new();
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
        self.named.insert(Arc::clone(&name), Named::Input);
        match error {
            Some(message) => self.fail(path, message),
            None => self.add(path, true),
        }
        self.kept.insert(name, text);
    }

    /// A path that the user named.
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
            self.named.insert(Arc::clone(&self.path), Named::Input);
            return self.add_file(path, metadata.len(), true);
        }
        // Process substitutions are pipes.
        match File::open(path) {
            Ok(mut file) => self.keep(path, &mut file),
            Err(error) => self.fail(path, error.to_string()),
        }
    }

    fn find_folder(&mut self, folder: &Path) {
        match folder.canonicalize() {
            // Part of a folder that was named before.
            Ok(real) if self.visited.contains(&real) => return,
            Ok(real) => self.root = real,
            Err(error) => return self.fail(folder, error.to_string()),
        }
        self.named.insert(Arc::clone(&self.path), Named::Folder { files: 0, foreign: None });
        match unrendered::chart_around(&self.root) {
            Some(chart) if !self.as_they_are => {
                self.unrender(unrendered::chart(&chart));
            }
            _ => self.walk(folder, None),
        }
    }

    fn unrender(&mut self, folder: Unrendered) -> usize {
        self.failed.insert(Arc::clone(&self.path));
        self.unrendered.push(Unrendered { path: Arc::clone(&self.path), ..folder });
        self.unrendered.len() - 1
    }

    /// A folder. A folder reached twice, as by a loop of links, is read once. Below an overlay
    /// files are not read, and only noted as its own.
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
        entries.sort_by_key(DirEntry::file_name);
        let mut overlay = overlay;
        if !self.as_they_are {
            if entries.iter().any(|entry| entry.file_name() == unrendered::CHART) {
                self.unrender(unrendered::chart(folder));
                // Definitions are no templates.
                return match folder.join("crds") {
                    definitions if definitions.is_dir() => self.visit(&definitions, None),
                    _ => {}
                };
            }
            if let Some(file) = unrendered::overlay_file(&entries) {
                overlay = unrendered::overlay(folder, &file).map(|found| self.unrender(found));
            }
        }
        for entry in entries {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.visit(&entry.path(), overlay);
            }
        }
    }

    /// Something in a folder. Links are followed as far as they stay in the named one.
    fn visit(&mut self, path: &Path, overlay: Option<usize>) {
        self.note_foreign(path);
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
                "is a link out of {}, which is not followed: name {} as well",
                self.path,
                target.display()
            );
            return self.fail(path, message);
        }
        if metadata.is_dir() {
            return self.walk(path, overlay);
        }
        if !metadata.is_file() {
            let message = "is no regular file, so it is passed over: name it to have it read";
            return self.fail(path, message.to_owned());
        }
        if let Some(Named::Folder { files, .. }) = self.named.get_mut(&self.path) {
            *files += 1;
        }
        match overlay.and_then(|at| self.unrendered.get_mut(at)) {
            Some(overlay) => overlay.note(path),
            None => self.add_file(path, metadata.len(), false),
        }
    }

    fn note_foreign(&mut self, path: &Path) {
        if let Some(Named::Folder { foreign: foreign @ None, .. }) = self.named.get_mut(&self.path)
        {
            *foreign = Foreign::of(path);
        }
    }

    fn add_file(&mut self, path: &Path, length: u64, named: bool) {
        if length > MAX_FILE {
            let message = format!("larger than {} GiB: split it", MAX_FILE >> 30);
            return self.fail(path, message);
        }
        self.add(path, named);
    }

    fn add(&mut self, path: &Path, named: bool) {
        match path.to_str() {
            Some(name) => {
                let path = Arc::clone(&self.path);
                self.files.push(Source { name: name.into(), path, named });
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

/// Whether a file in a folder is one to read.
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

    fn names(sources: &Sources, root: &Path) -> Vec<(String, bool)> {
        sources
            .iter()
            .map(|source| {
                let path = Path::new(&*source.name);
                let relative = path.strip_prefix(root).unwrap_or(path);
                (relative.to_string_lossy().into_owned(), source.named)
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
        let sources = Sources::find(&[root.path().to_owned()]);
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
        let sources = Sources::find(&[file, root.path().join("nowhere")]);
        assert_eq!(names(&sources, root.path()), [(".hidden.txt".to_owned(), true)]);
        assert!(sources.errors[0].message.contains("does not exist"));
    }
}
