//! Which files a scan reads: named ones, folders recursively, standard input.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    inventory::manifest::{self, Found, Limits, ManifestError},
    report::ReportedError,
};

/// How much of standard input is kept. It may have to be read twice.
const MAX_STDIN: u64 = 512 << 20;

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The path as reports name it; `-` is standard input.
    pub name: Arc<str>,
    /// Whether the user named this very file: then it has to hold Kubernetes objects.
    pub named: bool,
}

/// All files to read, in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<Source>,
    stdin: Option<Vec<u8>>,
    /// Paths that can't be read.
    pub errors: Vec<ReportedError>,
    visited: BTreeSet<PathBuf>,
}

impl Sources {
    /// Finds the files under these paths.
    pub fn find(paths: &[PathBuf]) -> Self {
        let mut sources = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                sources.read_stdin();
            } else {
                sources.find_path(path);
            }
        }
        sources
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
        if &*source.name == "-" {
            manifest::read(&source.name, self.stdin.as_deref().unwrap_or_default(), limits, visit);
        } else {
            let file = BufReader::with_capacity(1 << 16, File::open(&*source.name)?);
            manifest::read(&source.name, file, limits, visit);
        }
        Ok(())
    }

    fn read_stdin(&mut self) {
        if self.stdin.is_some() {
            return;
        }
        let mut text = Vec::new();
        let error = match io::stdin().lock().take(MAX_STDIN + 1).read_to_end(&mut text) {
            Err(error) => Some(error.to_string()),
            Ok(read) if read as u64 > MAX_STDIN => Some(format!(
                "longer than {} MiB: write it to a file and name that",
                MAX_STDIN >> 20
            )),
            Ok(_) => None,
        };
        match error {
            Some(message) => self.fail(Path::new("-"), message),
            None => self.files.push(Source { name: "-".into(), named: true }),
        }
        self.stdin = Some(text);
    }

    /// A path that the user named.
    fn find_path(&mut self, path: &Path) {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fail(path, "does not exist: check the path".into());
            }
            Err(error) => self.fail(path, error.to_string()),
            Ok(metadata) if metadata.is_dir() => self.walk(path),
            // Pipes and process substitutions are read like files.
            Ok(_) => self.add(path, true),
        }
    }

    /// A folder. A folder reached twice, as by a loop of links, is read once.
    fn walk(&mut self, folder: &Path) {
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
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // Through links: a folder of links is a folder of manifests all the same.
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.walk(&path),
                Ok(metadata) if metadata.is_file() && is_manifest(&path) => self.add(&path, false),
                Err(error) if is_manifest(&path) => self.fail(&path, error.to_string()),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn add(&mut self, path: &Path, named: bool) {
        match path.to_str() {
            Some(name) => self.files.push(Source { name: name.into(), named }),
            None => self.fail(path, "the path is not UTF-8: rename the file".into()),
        }
    }

    fn fail(&mut self, path: &Path, message: String) {
        self.errors.push(ReportedError {
            file: Some(path.to_string_lossy().into()),
            message,
            ..ReportedError::default()
        });
    }
}

/// Whether a file in a folder is one to read.
fn is_manifest(path: &Path) -> bool {
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
