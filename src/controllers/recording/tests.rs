//! One `since` in log, status and metric, whatever fails when: random walks of an engine, its
//! record and its status over a log whose writes fail before or after they are done.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::join_all};
use jiff::{SignedDuration, Timestamp};
use kube::core::DeserializeGuard;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

use super::*;
use crate::{
    controllers::{
        adoption::Adoption,
        status::{self, Known, Plan},
    },
    telemetry::Metrics,
};
use comptroller_core::{
    api::{ControlStatus, time::whole_seconds},
    engine::Engine,
    inventory::{Catalog, Interner, KindId, Projector, ResourceType, ServedResource},
};
use comptroller_evidence::{
    entry::Entry,
    fold::{FindingKey, LogState},
    key::SigningKey,
    log::LogReader,
    origin,
    replay::replay,
    store::memory::{self, WriteFault},
};
use comptroller_recorder::{EvidenceConfig, Recorder, Terms, Witness, Writing};

const CLUSTER: &str = "7d9e3a60";
const CONTROL: &str = "labelled";

/// Everything that makes one operator.
struct Process {
    evidence: Evidence,
    leads: watch::Sender<bool>,
    task: JoinHandle<()>,
    recording: Recording,
    commands: mpsc::Receiver<Command>,
    engine: Engine,
    adoption: Adoption,
    adopted: u64,
    kind: KindId,
    projector: Projector,
    /// What the metric says.
    metric: Option<Timestamp>,
}

/// What outlives it, and what happens to it.
struct World {
    key: PathBuf,
    location: String,
    process: Option<Process>,
    uid: u32,
    status: Option<ControlStatus>,
    present: BTreeSet<String>,
    /// The engine's clock, ahead of the recorder's, so that each step has a second of its own.
    now: Timestamp,
    random: SmallRng,
    told: Vec<String>,
    /// Whether one process sees all of it, so that the log must have each step.
    whole: bool,
    /// What came, or went.
    flips: Vec<(&'static str, bool)>,
}

fn resource() -> ResourceType {
    ResourceType {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        namespaced: true,
    }
}

impl World {
    fn new(seed: u64, key: &Path) -> Self {
        Self {
            key: key.to_owned(),
            location: format!("memory://{}/{seed}", std::process::id()),
            process: None,
            uid: 1,
            status: None,
            present: BTreeSet::new(),
            now: whole_seconds(Timestamp::now()).0 + SignedDuration::from_hours(1),
            random: SmallRng::seed_from_u64(seed),
            told: Vec::new(),
            whole: seed.is_multiple_of(3),
            flips: Vec::new(),
        }
    }

    fn object(&self) -> DeserializeGuard<Control> {
        let control = json!({
            "apiVersion": "comptroller.dev/v1alpha1",
            "kind": "Control",
            "metadata": {
                "name": CONTROL, "uid": format!("uid-{}", self.uid), "generation": 1,
                "creationTimestamp": "2026-11-20T00:00:00Z",
            },
            "spec": {
                "title": "t", "criteria": ["CC6.1"], "owner": "o", "severity": "High",
                "test": {"cel": {
                    "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
                    "validations": [{"expression": "!object.metadata.name.startsWith('bad')"}],
                }},
            },
            "status": self.status,
        });
        serde_json::from_value(control).unwrap()
    }

    fn start(&mut self) {
        let config = EvidenceConfig {
            location: self.location.clone(),
            key: Some(self.key.clone()),
            instance: "comptroller-0".to_owned(),
            cluster: Box::new(|| async { Ok(CLUSTER.to_owned()) }.boxed()),
            witness: Box::new(|| async { Ok(Witness::default()) }.boxed()),
        };
        let (leads, leading) = watch::channel(true);
        let (evidence, recorder) = Recorder::new(
            config,
            Terms::Sole,
            leading,
            Arc::new(Metrics::new().unwrap().evidence().clone()),
        );
        let task = tokio::spawn(recorder.run());
        let (sender, commands) = mpsc::channel(8);
        let recording = Recording::new(evidence.clone(), sender);
        let mut engine = Engine::default();
        engine.keep_lapsed_verdicts();
        let served = ServedResource { resource: resource(), versions: vec!["v1".into()] };
        engine.set_catalog(Catalog::new(vec![served]), self.now);
        let mut adoption = Adoption::new(evidence.clone());
        declare(&mut engine, &mut adoption, &self.object());
        let (resource, programs) = engine.watch_set().kinds.pop_first().unwrap();
        let kind = engine.kind(&resource);
        let projector = Projector::new(resource, programs, Arc::new(Interner::default()));
        engine.begin(kind);
        for name in &self.present {
            engine.stage(kind, projector.project(&config_map(name)).unwrap());
        }
        engine.commit(kind, projector.program_ids(), self.now);
        self.process = Some(Process {
            evidence,
            leads,
            task,
            recording,
            commands,
            engine,
            adoption,
            adopted: 0,
            kind,
            projector,
            metric: None,
        });
    }

    async fn kill(&mut self) {
        let Some(process) = self.process.take() else { return };
        process.task.abort();
        let _ = process.task.await;
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    async fn step(&mut self) {
        self.now += SignedDuration::from_secs(7);
        let now = self.now;
        let most = if self.whole { 17 } else { 20 };
        match self.random.random_range(0..most) {
            0..8 => {
                let name = ["bad-a", "bad-b", "bad-c", "good-a"][self.random.random_range(0..4)];
                self.tell(format!("flip {name}"));
                let gone = self.present.remove(name);
                self.flips.push((name, !gone));
                let process = self.process();
                if gone {
                    process.engine.remove(process.kind, "default", name, now);
                } else {
                    let projected = process.projector.project(&config_map(name)).unwrap();
                    process.engine.apply(process.kind, projected, now);
                    self.present.insert(name.to_owned());
                }
                self.process().engine.evaluate(now);
            }
            8..14 => self.reconcile().await,
            14..17 => {
                let skipped = self.random.random_range(0..9);
                let fault = if self.random.random_bool(0.5) {
                    WriteFault::Before
                } else {
                    WriteFault::After
                };
                self.tell(format!("{fault:?} after {skipped}"));
                let plan = std::iter::repeat_n(WriteFault::None, skipped).chain([fault]);
                memory::open(&self.location).unwrap().plan(plan);
            }
            17 => {
                self.tell("restart".to_owned());
                self.kill().await;
                self.start();
            }
            18 => {
                self.tell("depose".to_owned());
                self.process().leads.send_replace(false);
                for _ in 0..9 {
                    tokio::task::yield_now().await;
                }
                self.process().leads.send_replace(true);
            }
            _ => {
                self.tell("made anew".to_owned());
                self.uid += 1;
                self.status = None;
                if self.random.random_bool(0.5) {
                    self.kill().await;
                    self.start();
                } else {
                    let object = self.object();
                    let process = self.process();
                    process.engine.remove_control(CONTROL);
                    process.adoption.forget(CONTROL);
                    declare(&mut process.engine, &mut process.adoption, &object);
                    process.metric = None;
                }
            }
        }
    }

    fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    /// What the operator does about a control, once.
    async fn reconcile(&mut self) {
        let (now, object) = (self.now, self.object());
        let process = self.process.as_mut().unwrap();
        process.engine.evaluate(now);
        if let Some(term) = process.adoption.adopt(&mut process.engine) {
            process.engine.evaluate(now);
            process.adopted = term;
        }
        if process.evidence.writing() != Writing::Open(process.adopted) {
            return;
        }
        let Process { recording, commands, engine, adoption, .. } = process;
        let recorded = {
            let posted = posted(engine, &object);
            let bring = recording.bring_up(&object, posted, || None, Timestamp::now());
            tokio::pin!(bring);
            loop {
                tokio::select! {
                    biased;
                    recorded = &mut bring => break recorded,
                    Some(command) = commands.recv() => {
                        answer(engine, adoption, &object, command, now);
                    }
                }
            }
        };
        while let Ok(command) = commands.try_recv() {
            answer(engine, adoption, &object, command, now);
        }
        let Ok(Recorded::Yes(Some(posted), cited)) = recorded else { return };
        process.metric = Some(whole_seconds(posted.verdict.since).0);
        let previous = self.status.clone().unwrap_or_default();
        let known = Known {
            generation: 1,
            waits_since: Timestamp::UNIX_EPOCH,
            spec: None,
            verdict: Some(&posted.verdict),
            cited,
            as_of: Some(now),
            waiting: "",
        };
        if let Plan::Write { status, .. } = status::plan(&previous, &known, Timestamp::now()) {
            self.status = Some(*status);
        }
    }

    /// No more faults: the log is open, and what is to be written is written.
    async fn rest(&mut self) {
        memory::open(&self.location).unwrap().plan([]);
        let until = Instant::now() + Duration::from_mins(1);
        let mut quiet = 0;
        while quiet < 4 {
            assert!(Instant::now() < until, "no rest: {:?}", self.told);
            let before = self.status.clone();
            self.reconcile().await;
            let open = self.process().evidence.writing() == Writing::Open(self.process().adopted);
            if !open {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            quiet = if open && self.status == before && before.is_some() { quiet + 1 } else { 0 };
        }
    }

    async fn check(&mut self) {
        let told = self.told.join(", ");
        let reader = LogReader::open(memory::open(&self.location).unwrap(), None).await.unwrap();
        let mut entries: Vec<Entry> = Vec::new();
        let range = 0..reader.size();
        replay(&reader, range, |_, entry| entries.push(entry.clone())).await.unwrap();
        let mut fold = LogState::default();
        for (index, entry) in (0..).zip(&entries) {
            fold.apply(index, entry);
        }
        let status = self.status.clone().unwrap();
        let process = self.process();
        let known = process.evidence.read(LogState::clone).unwrap();
        assert_eq!(known, fold, "{told}");
        let verdict = fold.control(CONTROL).unwrap().verdict.as_ref().unwrap();
        let since =
            |time: &Option<comptroller_core::api::time::Time>| time.as_ref().map(|time| time.0);
        assert_eq!(verdict.state, status.state, "{told}");
        assert_eq!(Some(verdict.since), since(&status.since), "{told}");
        assert_eq!(Some(verdict.since), process.metric, "{told}");
        assert_eq!(verdict.findings.len(), status.findings.len(), "{told}");
        for finding in &status.findings {
            let key = FindingKey {
                rule: finding.rule.clone(),
                resource: finding.resource.clone(),
                subject: finding.subject.clone(),
            };
            assert_eq!(Some(verdict.findings[&key].since), since(&finding.since), "{told}");
        }
        let uid = format!("uid-{}", self.uid);
        assert_eq!(fold.object("Control", CONTROL).unwrap().uid, Some(uid), "{told}");
        self.check_history(&entries);
    }

    /// Nothing is said twice, and time does not go back.
    fn check_history(&self, entries: &[Entry]) {
        let told = self.told.join(", ");
        let mut last: Option<&comptroller_evidence::data::VerdictData> = None;
        let mut uid: Option<&str> = None;
        let mut open = BTreeSet::new();
        let mut seen = Vec::new();
        for entry in entries.iter().filter(|entry| entry.subject.name == CONTROL) {
            match &entry.data {
                Data::Verdict(data) => {
                    if let Some(last) = last {
                        let same = last.state == data.state && last.findings == data.findings;
                        assert!(!same, "{told}: twice {data:?}");
                        assert!(last.since <= data.since, "{told}: {last:?} before {data:?}");
                    }
                    last = Some(data);
                    for gone in &data.removed {
                        assert!(open.remove(&gone.resource.name), "{told}: {data:?}");
                        seen.push((gone.resource.name.as_str(), false));
                    }
                    for new in &data.added {
                        assert!(open.insert(new.resource.name.clone()), "{told}: {data:?}");
                        seen.push((new.resource.name.as_str(), true));
                    }
                    let failing = data.state == comptroller_core::api::State::Failing;
                    assert_eq!(failing, !open.is_empty(), "{told}: {data:?}");
                }
                Data::ControlChanged(change) => {
                    use comptroller_evidence::data::ChangeKind::{Created, Deleted};
                    last = None;
                    open.clear();
                    match change.change {
                        Created => {
                            assert_eq!(uid, None, "{told}");
                            uid = change.uid.as_deref();
                        }
                        Deleted => {
                            assert_eq!(uid, change.uid.as_deref(), "{told}");
                            uid = None;
                        }
                        other => panic!("{told}: {other}"),
                    }
                }
                other => panic!("{told}: {other:?}"),
            }
        }
        for name in ["bad-a", "bad-b", "bad-c"].into_iter().filter(|_| self.whole) {
            let of = |list: &[(&str, bool)]| -> Vec<bool> {
                list.iter().filter(|(of, _)| *of == name).map(|(_, came)| *came).collect()
            };
            assert_eq!(of(&seen), of(&self.flips), "{name}: {told}");
        }
    }

    async fn walk(mut self) {
        self.start();
        for _ in 0..24 {
            self.step().await;
            for _ in 0..self.random.random_range(0..40) {
                tokio::task::yield_now().await;
            }
        }
        self.rest().await;
        self.check().await;
        // A restart changes nothing.
        let before = self.status.clone();
        self.kill().await;
        self.now += SignedDuration::from_secs(7);
        self.start();
        self.rest().await;
        assert_eq!(self.status, before, "{:?}", self.told);
        self.check().await;
        self.kill().await;
    }
}

fn config_map(name: &str) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default", "name": name}})
}

fn declare(engine: &mut Engine, adoption: &mut Adoption, object: &DeserializeGuard<Control>) {
    let control = object.0.as_ref().unwrap();
    let remembered = adoption.see(CONTROL, control);
    engine.upsert_control(CONTROL, 1, Arc::new(control.spec.clone()), remembered);
}

fn posted(engine: &Engine, object: &DeserializeGuard<Control>) -> Option<Posted> {
    let verdict = Arc::clone(engine.shared_verdict(CONTROL)?);
    let passed = engine.last_lapsed(CONTROL);
    Some(Posted { verdict, uid: object.meta().uid.clone(), passed, received: Instant::now() })
}

fn answer(
    engine: &mut Engine,
    adoption: &Adoption,
    object: &DeserializeGuard<Control>,
    command: Command,
    now: Timestamp,
) {
    let SnapshotRequest { reply, .. } = match command {
        Command::Snapshot(request) => request,
        Command::Recorded { control, until } => return engine.recorded(&control, until),
        Command::Adopt(control) => return adoption.adopt_one(engine, &control),
        other => panic!("{other:?}"),
    };
    let Some(posted) = posted(engine, object) else { return };
    let seen = Seen {
        wrong: engine.wrong(CONTROL, now),
        passed: engine.lapsed(CONTROL, now),
        until: engine.last_lapsed(CONTROL),
        population: None,
    };
    let _ = reply.send(Snapshot { posted, seen });
}

#[tokio::test]
async fn log_status_and_metric_agree_whatever_fails() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    SigningKey::create(&key, &origin::of_cluster(CLUSTER)).unwrap();
    let walks = (0..64).map(|seed| {
        let walk = World::new(seed, &key).walk();
        async move {
            let done = std::panic::AssertUnwindSafe(walk).catch_unwind().await;
            done.is_err().then_some(seed)
        }
    });
    let failed: Vec<u64> = join_all(walks).await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} walks went wrong, those of the seeds {failed:?}", failed.len());
}
