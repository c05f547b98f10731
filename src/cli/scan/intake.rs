//! Fills the engine from manifests, an excerpt of what some cluster will hold.

mod unread;

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHasher};
use serde_json::Value;

use self::unread::{Refused, Type, Unread};
use super::{
    absent::absent_kinds,
    controls::{Place, Rules},
    notes,
    placement::Placement,
    sources::Source,
};
use crate::source::manifest::{Found, Location, ManifestError};
use comptroller_core::{
    api::{GROUP, ResourceRef},
    engine::{Engine, Remembered, WatchSet},
    inventory::{
        self, Catalog, Interner, KindId, Projector, ServedResource, Symbol, catalog, facts,
    },
};
use comptroller_report::{EvaluationReport, ReportedError, SourceLocation};

/// What a scan learned that has to be known before its objects are read.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Controls and exceptions among the manifests.
    pub rules: Rules,
    /// Kinds that definitions among the manifests describe.
    pub definitions: Vec<ServedResource>,
    /// Kinds without a definition, some of whose objects are in a namespace.
    pub namespaced: BTreeSet<(String, String)>,
    /// Whether something of this contradicts what objects were already read by.
    pub too_late: bool,
}

/// A kind that some control reads, and how.
#[derive(Debug)]
struct Reader {
    id: KindId,
    projector: Projector,
    understood: Option<&'static [&'static str]>,
}

/// A kind of which an object was seen.
#[derive(Debug)]
struct Kind {
    place: u16,
    /// None when no control reads it.
    reader: Option<Reader>,
    /// Whether only its objects say what it is.
    guessed: bool,
}

impl Kind {
    /// Whether its objects are known to live in namespaces.
    fn is_namespaced(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.projector.resource().namespaced)
    }
}

/// Where an object was defined, and a digest of how.
#[derive(Clone, Copy, Debug)]
struct Defined {
    file: u32,
    line: usize,
    digest: u64,
}

/// An object's kind, namespace and name.
type Identity = (u16, Symbol, Symbol);

/// The world of one scan.
pub(super) struct Intake {
    engine: Engine,
    catalog: Catalog,
    wanted: WatchSet,
    interner: Arc<Interner>,
    now: Timestamp,
    kinds: FxHashMap<(String, String), Kind>,
    defined: FxHashMap<Identity, Defined>,
    files: Vec<Arc<str>>,
    generated: usize,
    objects: usize,
    skipped: usize,
    errors: Vec<ReportedError>,
    /// What stands in the files and can't be read.
    unread: Vec<Unread>,
    /// The named path that is being read, and those that held an object, a control or an error.
    path: Arc<str>,
    spoken: BTreeSet<Arc<str>>,
    /// Whether there was anything to judge, or an error instead.
    to_judge: bool,
    /// What an earlier pass learned; this one is the last then.
    known: Option<Learned>,
    learned: Learned,
    placement: Placement,
}

impl Intake {
    /// A world without objects, to be judged by these controls. `known` is what an earlier pass
    /// over the same files learned.
    pub fn new(
        rules: &Rules,
        placement: Placement,
        known: Option<Learned>,
        now: Timestamp,
    ) -> Self {
        let mut engine = Engine::for_manifests();
        for (name, (spec, _)) in &rules.controls {
            engine.upsert_control(name, 1, Arc::clone(spec), Remembered::default());
        }
        let mut catalog = Catalog::builtin();
        for row in known.iter().flat_map(|known| &known.definitions) {
            catalog.add(row.clone());
        }
        let mut intake = Self {
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
            spoken: BTreeSet::new(),
            to_judge: false,
            known,
            learned: Learned { rules: Rules::at(now), ..Learned::default() },
            placement,
        };
        intake.catalog_changed();
        intake
    }

    /// Begins a file; what follows is taken from it.
    pub fn begin_file(&mut self, source: &Source) {
        self.files.push(Arc::clone(&source.name));
        self.path = Arc::clone(&source.path);
    }

    /// The file can't be read.
    pub fn fail(&mut self, message: String) {
        let file = self.files.last().cloned();
        self.push(ReportedError { file, message, ..ReportedError::default() });
    }

    /// The file that is being read, as a number.
    fn file(&self) -> u32 {
        u32::try_from(self.files.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn push(&mut self, error: ReportedError) {
        self.to_judge = true;
        self.spoken.insert(Arc::clone(&self.path));
        self.errors.push(error);
    }

    /// Whether a named path held anything, if only an error.
    pub fn has_spoken(&self, path: &str) -> bool {
        self.spoken.contains(path)
    }

    /// Whether there was anything to judge, if only an error.
    pub fn has_anything_to_judge(&self) -> bool {
        self.to_judge
    }

    /// Takes in what was found in the file. A document without a kind is an error in a file that
    /// the user `named`, and passed over in a folder.
    pub fn take(&mut self, found: Result<Found, ManifestError>, named: bool) {
        let file = || self.files.last().cloned().unwrap_or_else(|| "-".into());
        match found {
            Ok(Found::Object(object, at)) => {
                let place = Place { file: file(), at };
                self.admit(object, &place);
            }
            Ok(Found::Other(at)) if named => {
                let message = "no Kubernetes object: it has no kind; render charts and overlays first (helm template, kustomize build)";
                let error = Place { file: file(), at }.error(message.to_owned());
                self.push(error);
            }
            Ok(Found::Other(_)) => self.skipped += 1,
            Err(ManifestError { file, location: at, message, kinds }) => {
                let place = Place { file, at };
                self.refuse(&Refused::naming(kinds, message), None, place);
            }
        }
    }

    fn admit(&mut self, mut object: Value, place: &Place) {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = match text("apiVersion").split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), text("apiVersion").to_owned()),
        };
        let kind = text("kind").to_owned();
        if catalog::is_tool_config(&group, &kind) {
            self.skipped += 1;
            return;
        }
        self.objects += 1;
        self.spoken.insert(Arc::clone(&self.path));
        if group == GROUP && self.learn_rule(&object, place) {
            return;
        }
        self.to_judge = true;
        self.name_generated(&mut object);
        let key = (group, kind);
        if let Err(refused) = self.admit_typed(&key, &version, &mut object, place) {
            self.refuse(&refused, Some(&object), place.clone());
        }
    }

    /// Takes in an object whose type its first lines told.
    fn admit_typed(
        &mut self,
        key: &(String, String),
        version: &str,
        object: &mut Value,
        place: &Place,
    ) -> Result<(), Refused> {
        let (group, kind) = key;
        if let Some(refused) = unread::template(group, kind, object) {
            return Err(refused);
        }
        if let Some(mistake) = catalog::find_type_mistake(&self.catalog, group, version, kind) {
            let types = mistake.meant.into_iter().map(|(group, kind)| Type::Known(group, kind));
            return Err(Refused { message: mistake.message, types: types.collect() });
        }
        if group == "apiextensions.k8s.io" && kind == "CustomResourceDefinition" {
            self.learn_definition(object);
        }
        if !self.kinds.contains_key(key) {
            self.discover(key, version, object);
        }
        if self.kinds.get(key).is_some_and(Kind::is_namespaced) {
            self.placement.place(object);
        }
        self.project(key, version, object, place)
            .map_err(|message| Refused::of(group, kind, message))
    }

    /// Reads an object for the controls that want its kind.
    fn project(
        &mut self,
        key: &(String, String),
        version: &str,
        object: &Value,
        place: &Place,
    ) -> Result<(), String> {
        let Some(kind) = self.kinds.get(key) else {
            return Ok(());
        };
        if kind.guessed && is_in_namespace(object) && self.learned.namespaced.insert(key.clone()) {
            self.learned.too_late = true;
        }
        // What was learned too late needs another pass; until then only more of it matters.
        let Some(reader) = kind.reader.as_ref().filter(|_| !self.must_reread()) else {
            return Ok(());
        };
        if let Some(understood) = reader.understood
            && !understood.contains(&version)
        {
            return Err(format!(
                "{} in version {version} can't be read: write it in version {}",
                key.1,
                understood.join(" or ")
            ));
        }
        let projected =
            reader.projector.project(object).map_err(|error| format!("{}: {error}", key.1))?;
        let identity = (kind.place, projected.namespace.clone(), projected.name.clone());
        let file = self.file();
        let digest = digest(object);
        let defined = Defined { file, line: place.at.line, digest };
        match self.defined.get(&identity) {
            Some(first) if first.digest == digest => return Ok(()),
            Some(first) => {
                let at = self.files.get(first.file as usize).map_or("-", |file| file);
                return Err(format!(
                    "{} {} is already defined at {at}:{}, and not the same: only one of them can be in the cluster, so scan one environment at a time, or what `kustomize build` renders",
                    key.1, projected.name, first.line
                ));
            }
            None => self.defined.insert(identity, defined),
        };
        self.engine.stage(reader.id, projected);
        Ok(())
    }

    /// Controls that come after objects were read need a second pass, since they say what to read.
    fn learn_rule(&mut self, object: &Value, place: &Place) -> bool {
        let before = self.learned.rules.controls.len();
        let taken = self.learned.rules.add(object, place);
        if self.learned.rules.controls.len() > before {
            let news = self.learned.rules.controls.iter().any(|(name, (spec, _))| {
                !self.engine.controls().any(|(known, same)| known == name && *same == **spec)
            });
            self.learned.too_late |= news;
        }
        taken
    }

    fn learn_definition(&mut self, definition: &Value) {
        let Some(row) = catalog::from_crd(definition) else {
            return;
        };
        if self.known.as_ref().is_some_and(|known| known.definitions.contains(&row)) {
            return;
        }
        let key = (row.resource.group.clone(), row.resource.kind.clone());
        self.learned.too_late |= self.kinds.get(&key).is_some_and(|kind| kind.guessed);
        self.learned.definitions.push(row.clone());
        self.catalog.add(row);
        self.catalog_changed();
    }

    /// The first object of a kind.
    fn discover(&mut self, key: &(String, String), version: &str, object: &Value) {
        let (group, kind) = key;
        let guessed = self.catalog.find_kind(group, kind).is_none();
        if guessed {
            let known = self.known.as_ref().is_some_and(|known| known.namespaced.contains(key));
            let namespaced = known || is_in_namespace(object);
            if namespaced {
                self.learned.namespaced.insert(key.clone());
            }
            self.catalog.add(catalog::guess_type(group, version, kind, namespaced));
            self.catalog_changed();
        }
        let reader = self.reader(group, kind);
        let place = u16::try_from(self.kinds.len()).unwrap_or(u16::MAX);
        self.kinds.insert(key.clone(), Kind { place, reader, guessed });
    }

    fn reader(&mut self, group: &str, kind: &str) -> Option<Reader> {
        let (resource, programs) = self
            .wanted
            .kinds
            .iter()
            .find(|(resource, _)| resource.group == group && resource.kind == kind)?;
        let projector =
            Projector::new(resource.clone(), programs.clone(), Arc::clone(&self.interner))
                .with_source(inventory::ObjectSource::Manifests);
        let id = self.engine.kind(resource);
        self.engine.begin(id);
        let understood = facts::projection(group, kind).map(|projection| projection.versions);
        Some(Reader { id, projector, understood })
    }

    fn catalog_changed(&mut self) {
        self.engine.set_catalog(self.catalog.clone(), self.now);
        self.wanted = self.engine.watch_set();
    }

    /// `kubectl create` has the API server choose a name; any will do here.
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

    /// Whether the files have to be read again with what was learned of them.
    pub fn must_reread(&self) -> bool {
        self.learned.too_late && self.known.is_none()
    }

    /// The controls and exceptions that were among the manifests.
    pub fn take_rules(&mut self) -> Rules {
        std::mem::take(&mut self.learned.rules)
    }

    /// What else was learned.
    pub fn into_learned(self) -> Learned {
        self.learned
    }

    /// Everything was read: judges it. Kinds without an object are complete and empty.
    pub fn evaluate(mut self, rules: &Rules) -> EvaluationReport {
        self.describe_namespace();
        for (name, (spec, _)) in &rules.exceptions {
            self.engine.upsert_exception(name, spec, None);
        }
        let absent =
            absent_kinds(self.engine.controls().map(|(_, spec)| spec), &self.catalog, |group| {
                self.kinds.iter().any(|((seen, _), kind)| kind.guessed && seen == group)
            });
        for row in absent {
            self.catalog.add(row);
        }
        self.catalog_changed();
        for unread in std::mem::take(&mut self.unread) {
            self.stage_unread(&unread);
        }
        for (resource, programs) in std::mem::take(&mut self.wanted.kinds) {
            let id = self.engine.kind(&resource);
            let programs = programs.into_iter().map(|(program, _)| program).collect();
            self.engine.commit(id, programs, self.now);
        }
        self.engine.evaluate(self.now);
        let locate = |resource: &ResourceRef| self.locate(resource);
        let mut evaluation = EvaluationReport::collect(&self.engine, self.now, &locate);
        evaluation.summary.objects = self.objects;
        evaluation.summary.skipped = self.skipped;
        evaluation.notes = notes::of(&self.engine, rules, self.now);
        evaluation.errors = self.errors;
        evaluation
    }

    /// Takes in the Namespace whose labels the user tells, unless a manifest describes it.
    fn describe_namespace(&mut self) {
        let Some(object) = self.placement.described() else {
            return;
        };
        let key = (String::new(), "Namespace".to_owned());
        if !self.kinds.contains_key(&key) {
            self.discover(&key, "v1", &object);
        }
        let place =
            Place { file: "--namespace-labels".into(), at: Location { document: 1, line: 1 } };
        if let Err(message) = self.project(&key, "v1", &object, &place) {
            self.errors.push(place.error(message));
        }
    }

    fn locate(&self, resource: &ResourceRef) -> Option<SourceLocation> {
        let group = resource.api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = self.kinds.get(&(group.to_owned(), resource.kind.clone()))?;
        let namespace = Symbol::from(resource.namespace.as_deref().unwrap_or_default());
        let name = Symbol::from(resource.name.as_str());
        let defined = self.defined.get(&(kind.place, namespace, name))?;
        let file = Arc::clone(self.files.get(defined.file as usize)?);
        Some(SourceLocation { file, line: defined.line })
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
