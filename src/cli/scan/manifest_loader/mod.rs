//! Loads manifests, which are part of what some cluster will contain, into an engine.

mod evaluation;
mod kinds;
mod unread;

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHasher};
use serde_json::Value;

use self::unread::{PossibleType, RejectedObject, UnreadDocument};
use super::{
    controls::{ControlSet, FilePosition},
    placement::Placement,
    sources::{FileOrigin, SourceFile},
};
use crate::source::manifest::{ManifestDocument, ManifestError};
use comptroller_core::{
    api::GROUP,
    engine::{Engine, Remembered, WatchSet},
    inventory::{
        Catalog, IdentityError, Interner, KindId, Projector, ServedResource, Symbol, catalog,
    },
};
use comptroller_report::ReportedError;

/// What the files say that must be known before their objects are read.
#[derive(Debug, Default)]
pub(super) struct FileKnowledge {
    /// The controls and exceptions among the manifests.
    pub rules: ControlSet,
    /// The kinds that CRDs among the manifests define.
    pub definitions: Vec<ServedResource>,
    /// Kinds without a definition of which some object has a namespace.
    pub namespaced: BTreeSet<(String, String)>,
    /// Whether some of this came after objects that it concerns, so that they must be read again.
    pub too_late: bool,
}

/// How the objects of a kind that some control reads are projected.
#[derive(Debug)]
struct KindReader {
    id: KindId,
    projector: Projector,
    /// The versions that can be projected; None if any can.
    understood: Option<&'static [&'static str]>,
}

/// A kind with at least one object.
#[derive(Debug)]
struct SeenKind {
    /// A number for it in [`Identity`].
    number: usize,
    /// None if no control reads it.
    reader: Option<KindReader>,
    /// Whether it has no definition, so that its scope and plural were guessed from an object.
    guessed: bool,
}

impl SeenKind {
    /// Whether its objects are known to be namespaced.
    fn is_namespaced(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.projector.resource().namespaced)
    }
}

/// Where an object is defined, and a digest of its contents.
#[derive(Clone, Copy, Debug)]
struct Definition {
    /// An index into the files.
    file: usize,
    line: usize,
    digest: u64,
}

/// The number of an object's kind, its namespace and its name.
type Identity = (usize, Symbol, Symbol);

/// Why an object can't be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// Its version can't be projected.
    #[error("{kind} in version {version} can't be read: use version {understood}")]
    Version { kind: String, version: String, understood: String },
    /// It has no usable name.
    #[error("{kind}: {error}")]
    Identity { kind: String, error: IdentityError },
    /// Another object has the same name.
    #[error(
        "{kind} {name} is already defined at {file}:{line} with other contents: only one of them can be in the cluster, so scan one environment at a time, or the output of `kustomize build`"
    )]
    Duplicate { kind: String, name: String, file: Arc<str>, line: usize },
}

/// The state of one pass over the files.
pub(super) struct ManifestLoader {
    engine: Engine,
    catalog: Catalog,
    wanted: WatchSet,
    interner: Arc<Interner>,
    now: Timestamp,
    kinds: FxHashMap<(String, String), SeenKind>,
    defined: FxHashMap<Identity, Definition>,
    files: Vec<Arc<str>>,
    generated: usize,
    objects: usize,
    skipped: usize,
    errors: Vec<ReportedError>,
    /// Objects in the files that can't be read.
    unread: Vec<UnreadDocument>,
    /// The named path that is being read.
    path: Arc<str>,
    /// The named paths that contained an object, a control or an error.
    reported: BTreeSet<Arc<str>>,
    /// Whether there was an object to judge, or an error.
    to_judge: bool,
    /// What an earlier pass learned. None in the first pass; there is no third.
    known: Option<FileKnowledge>,
    learned: FileKnowledge,
    placement: Placement,
}

impl ManifestLoader {
    /// A loader without objects, for these controls. `known` is what an earlier pass over the same files
    /// learned; None for the first pass.
    pub fn new(
        rules: &ControlSet,
        placement: Placement,
        known: Option<FileKnowledge>,
        now: Timestamp,
    ) -> Self {
        let mut engine = Engine::for_manifests();
        for (name, (spec, _)) in &rules.controls {
            // A file has no generation, and nothing was judged before.
            engine.upsert_control(name, 1, Arc::clone(spec), Remembered::default());
        }
        let mut catalog = Catalog::builtin();
        for row in known.iter().flat_map(|known| &known.definitions) {
            catalog.add(row.clone());
        }
        let mut loader = Self {
            engine,
            catalog,
            wanted: WatchSet::default(),
            interner: Arc::default(),
            now,
            kinds: FxHashMap::default(),
            defined: FxHashMap::default(),
            files: Vec::new(),
            generated: 0,
            objects: 0,
            skipped: 0,
            errors: Vec::new(),
            unread: Vec::new(),
            path: Arc::default(),
            reported: BTreeSet::new(),
            to_judge: false,
            known,
            learned: FileKnowledge { rules: ControlSet::at(now), ..FileKnowledge::default() },
            placement,
        };
        loader.catalog_changed();
        loader
    }

    /// Begins a file, to which the following objects and errors belong.
    pub fn begin_file(&mut self, source: &SourceFile) {
        self.files.push(Arc::clone(&source.name));
        self.path = Arc::clone(&source.path);
    }

    /// Reports that the file can't be read.
    pub fn fail(&mut self, message: String) {
        let file = self.files.last().cloned();
        self.push(ReportedError { file, message, ..ReportedError::default() });
    }

    /// The index of the file that is being read.
    fn file(&self) -> usize {
        self.files.len().saturating_sub(1)
    }

    fn push(&mut self, error: ReportedError) {
        self.to_judge = true;
        self.reported.insert(Arc::clone(&self.path));
        self.errors.push(error);
    }

    /// Whether a named path contained anything, if only an error.
    pub fn has_reported(&self, path: &str) -> bool {
        self.reported.contains(path)
    }

    /// Whether there was an object to judge, or an error.
    pub fn has_anything_to_judge(&self) -> bool {
        self.to_judge
    }

    /// Takes a document of the file. One without a kind is an error in a file that the user named, and
    /// skipped in a folder, which may contain values files and the like.
    pub fn take(&mut self, found: Result<ManifestDocument, ManifestError>, origin: FileOrigin) {
        let file = || self.files.last().cloned().unwrap_or_else(|| "-".into());
        match found {
            Ok(ManifestDocument::Object(object, at)) => {
                let position = FilePosition { file: file(), at };
                self.admit(object, &position);
            }
            Ok(ManifestDocument::Other(at)) if origin == FileOrigin::Named => {
                let message = "not a Kubernetes object: it has no kind; render charts and overlays first (helm template, kustomize build)";
                let error = FilePosition { file: file(), at }.error(message.to_owned());
                self.push(error);
            }
            Ok(ManifestDocument::Other(_)) => self.skipped += 1,
            Err(ManifestError { file, location: at, message, kinds }) => {
                let position = FilePosition { file, at };
                self.reject(&RejectedObject::mentioning(kinds, message), None, position);
            }
        }
    }

    fn admit(&mut self, mut object: Value, position: &FilePosition) {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = match text("apiVersion").split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), text("apiVersion").to_owned()),
        };
        let kind = text("kind").to_owned();
        // Such as a kustomization.yaml, which has the form of an object.
        if catalog::is_tool_config(&group, &kind) {
            self.skipped += 1;
            return;
        }
        self.objects += 1;
        self.reported.insert(Arc::clone(&self.path));
        if group == GROUP && self.learn_rule(&object, position) {
            return;
        }
        self.to_judge = true;
        self.name_generated(&mut object);
        let key = (group, kind);
        if let Err(rejected) = self.admit_typed(&key, &version, &mut object, position) {
            self.reject(&rejected, Some(&object), position.clone());
        }
    }

    /// Takes an object whose type is known.
    fn admit_typed(
        &mut self,
        key: &(String, String),
        version: &str,
        object: &mut Value,
        position: &FilePosition,
    ) -> Result<(), RejectedObject> {
        let (group, kind) = key;
        if let Some(rejected) = unread::template(group, kind, object) {
            return Err(rejected);
        }
        if let Some(mistake) = catalog::find_type_mistake(&self.catalog, group, version, kind) {
            let types =
                mistake.meant.into_iter().map(|(group, kind)| PossibleType::Known(group, kind));
            return Err(RejectedObject { message: mistake.message, types: types.collect() });
        }
        if group == "apiextensions.k8s.io" && kind == "CustomResourceDefinition" {
            self.learn_definition(object);
        }
        if !self.kinds.contains_key(key) {
            self.discover(key, version, object);
        }
        // Only now is it known whether the kind has namespaces.
        if self.kinds.get(key).is_some_and(SeenKind::is_namespaced) {
            self.placement.place(object);
        }
        self.project(key, version, object, position)
            .map_err(|error| RejectedObject::of_type(group, kind, error.to_string()))
    }

    /// Projects an object for the controls that read its kind.
    fn project(
        &mut self,
        key: &(String, String),
        version: &str,
        object: &Value,
        position: &FilePosition,
    ) -> Result<(), LoadError> {
        let Some(kind) = self.kinds.get(key) else {
            return Ok(());
        };
        // Earlier objects of the kind were taken for cluster-scoped ones.
        if kind.guessed && is_in_namespace(object) && self.learned.namespaced.insert(key.clone()) {
            self.learned.too_late = true;
        }
        // The objects will be read again anyway: until then only what is learned from them matters.
        let Some(reader) = kind.reader.as_ref().filter(|_| !self.must_reread()) else {
            return Ok(());
        };
        if let Some(understood) = reader.understood
            // A cluster converts between versions; a file has the fields of the version that it names.
            && !understood.contains(&version)
        {
            return Err(LoadError::Version {
                kind: key.1.clone(),
                version: version.to_owned(),
                understood: understood.join(" or "),
            });
        }
        let projected = reader
            .projector
            .project(object)
            .map_err(|error| LoadError::Identity { kind: key.1.clone(), error })?;
        let object_key = (kind.number, projected.namespace.clone(), projected.name.clone());
        let file = self.file();
        let digest = digest(object);
        let defined = Definition { file, line: position.at.line, digest };
        match self.defined.get(&object_key) {
            // The same object in two files, such as a copied base, is no contradiction.
            Some(first) if first.digest == digest => return Ok(()),
            Some(first) => {
                return Err(LoadError::Duplicate {
                    kind: key.1.clone(),
                    name: projected.name.to_string(),
                    file: self.files.get(first.file).cloned().unwrap_or_else(|| "-".into()),
                    line: first.line,
                });
            }
            None => self.defined.insert(object_key, defined),
        };
        self.engine.stage(reader.id, projected);
        Ok(())
    }

    /// Gives an object with `generateName` a name, which the API server would choose; any will do here.
    fn name_generated(&mut self, object: &mut Value) {
        let Some(Value::Object(metadata)) = object.get_mut("metadata") else {
            return;
        };
        if let Some(prefix) = metadata.get("generateName").and_then(Value::as_str)
            && !metadata.contains_key("name")
        {
            self.generated += 1;
            let name = format!("{prefix}<generated {}>", self.generated);
            metadata.insert("name".into(), name.into());
        }
    }

    /// Whether the files must be read again with what was learned from them.
    pub fn must_reread(&self) -> bool {
        self.learned.too_late && self.known.is_none()
    }

    /// Takes the controls and exceptions among the manifests.
    pub fn take_rules(&mut self) -> ControlSet {
        std::mem::take(&mut self.learned.rules)
    }

    /// What was learned, for the next pass.
    pub fn into_knowledge(self) -> FileKnowledge {
        self.learned
    }
}

fn is_in_namespace(object: &Value) -> bool {
    object
        .pointer("/metadata/namespace")
        .and_then(Value::as_str)
        .is_some_and(|namespace| !namespace.is_empty())
}

fn digest(object: &Value) -> u64 {
    let mut hasher = FxHasher::default();
    object.hash(&mut hasher);
    hasher.finish()
}
