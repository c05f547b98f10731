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
use kube::{Resource as _, core::DeserializeGuard};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::{CONTROL as CONTROL_KIND, *};
use crate::{
    controllers::{
        kinds::key_of,
        status::{self, StatusInputs, StatusPlan},
    },
    telemetry::Metrics,
};
use comptroller_core::{
    api::{ControlStatus, time::whole_seconds},
    engine::Engine,
    inventory::{Catalog, Interner, KindId, Projector, ResourceType, ServedResource},
};
use comptroller_evidence::{
    entry::{Data, Entry},
    fold::{FindingKey, LogState},
    key::SigningKey,
    log::LogReader,
    origin,
    replay::replay,
    store::memory::{self, WriteFault},
};
use comptroller_recorder::{
    Clock, ClusterKnowledge, EvidenceConfig, OperatorIdentity, Recorder, Writing,
};

const CLUSTER: &str = "7d9e3a60";
/// The name of the control. Its kind is [`CONTROL_KIND`].
const CONTROL: &str = "labelled";

/// Everything that makes one operator.
struct Process {
    evidence: Evidence,
    leads: watch::Sender<bool>,
    task: JoinHandle<()>,
    board: Arc<VerdictBoard>,
    stage: RecordStage,
    engine: Engine,
    kind: KindId,
    projector: Projector,
    /// What the metric says.
    metric: Option<Timestamp>,
}

impl Process {
    /// What the engine's task does between two events.
    fn turn(&mut self, now: Timestamp) {
        self.stage.take_over(&mut self.engine);
        for name in self.engine.evaluate(now).controls {
            self.stage.note_verdict(&self.engine, &name, Instant::now());
        }
        self.stage.stand_by(&mut self.engine, now);
        let moment = Moment { time: now, instant: Instant::now() };
        self.stage.submit(&mut self.engine, moment, |_, _| None);
    }

    /// Whether all there is to record is recorded.
    fn is_at_rest(&self) -> bool {
        self.stage.takeover.is_done()
            && self.stage.in_flight.is_none()
            && self.stage.waiting.is_empty()
    }

    fn declare(&mut self, object: &DeserializeGuard<Control>) {
        let (control, key) = (object.0.as_ref().unwrap(), key_of(object.meta()));
        let spec = serde_json::to_string(&control.spec).unwrap().into_boxed_str();
        if self.stage.governed().put(CONTROL_KIND, key.clone(), 1, Some(spec)) {
            self.engine.remove_control(CONTROL);
            self.stage.forget_control(CONTROL);
        }
        let remembered = self.stage.see_control(&key, control);
        self.engine.upsert_control(CONTROL, 1, Arc::new(control.spec.clone()), remembered);
    }
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
            clock: Clock::default(),
            identity: Box::new(|| async { OperatorIdentity::default() }.boxed()),
            cluster: Box::new(|| async { Ok(CLUSTER.to_owned()) }.boxed()),
            knowledge: Box::new(|| async { Ok(ClusterKnowledge::default()) }.boxed()),
        };
        let (leads, leading) = watch::channel(true);
        let (evidence, recorder) =
            Recorder::new(config, leading, Arc::new(Metrics::new().unwrap().evidence().clone()));
        let task = tokio::spawn(recorder.run());
        let board = Arc::new(VerdictBoard::default());
        let queues = ReconcileQueues {
            controls: mpsc::unbounded_channel().0,
            exceptions: mpsc::unbounded_channel().0,
        };
        let findings = Arc::new(FindingsBoard::new(true));
        let stage = RecordStage::new(evidence.clone(), Arc::clone(&board), findings, queues);
        let mut engine = Engine::default();
        engine.keep_lapsed_verdicts();
        let served = ServedResource { resource: resource(), versions: vec!["v1".into()] };
        engine.set_catalog(Catalog::new(vec![served]), self.now);
        // What the control reads is known only with its spec.
        let object = self.object();
        let spec = object.0.as_ref().unwrap().spec.clone();
        engine.upsert_control(CONTROL, 1, Arc::new(spec), Remembered::default());
        let (resource, programs) = engine.watch_set().kinds.pop_first().unwrap();
        let kind = engine.kind(&resource);
        let projector = Projector::new(resource, programs, Arc::new(Interner::default()));
        engine.begin(kind);
        for name in &self.present {
            engine.stage(kind, projector.project(&config_map(name)).unwrap());
        }
        engine.commit(kind, projector.program_ids(), self.now);
        engine.remove_control(CONTROL);
        let metric = None;
        let mut process =
            Process { evidence, leads, task, board, stage, engine, kind, projector, metric };
        process.declare(&object);
        self.process = Some(process);
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
        let most = if self.whole { 17 } else { 20 };
        match self.random.random_range(0..most) {
            0..8 => {
                let name = ["bad-a", "bad-b", "bad-c", "good-a"][self.random.random_range(0..4)];
                self.flip(name);
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
                    process.declare(&object);
                    process.metric = None;
                }
            }
        }
    }

    /// An object comes, or goes.
    fn flip(&mut self, name: &'static str) {
        let now = self.now;
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
        // What is found may go out at once, and more may change while it is under way.
        self.process().turn(now);
    }

    fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    /// What the operator does about a control: a batch and its answer, then a reconcile.
    async fn reconcile(&mut self) {
        let (now, object) = (self.now, self.object());
        let process = self.process.as_mut().unwrap();
        process.turn(now);
        if process.stage.in_flight.is_some() {
            let result = process.stage.answer().await;
            process.stage.settle(&mut process.engine, result);
            process.turn(now);
        }
        let Writing::Open(opening) = process.evidence.writing() else { return };
        if !process.board.is_of(opening) {
            return;
        }
        let Some(published) = process.board.verdict(&key_of(object.meta())) else { return };
        process.metric = Some(whole_seconds(published.recorded.value().since).0);
        let previous = self.status.clone().unwrap_or_default();
        let known = StatusInputs::new(1, Timestamp::UNIX_EPOCH, "")
            .with_verdict(Some(&published.recorded))
            .with_as_of(Some(now));
        if let StatusPlan::Write { status, .. } = status::plan(&previous, &known, Timestamp::now())
        {
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
            let open = self.process().is_at_rest();
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

#[tokio::test]
async fn what_nobody_recorded_is_handed_over_with_the_lead() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    SigningKey::create(&key, &origin::of_cluster(CLUSTER)).unwrap();
    // One of those of which the log must have each step.
    let mut world = World::new(999, &key);
    assert!(world.whole);
    world.start();
    world.rest().await;
    world.process().leads.send_replace(false);
    // Longer than a Lease is held, and nobody else leads.
    for name in ["bad-a", "bad-b", "bad-a"] {
        world.now += SignedDuration::from_mins(5);
        world.flip(name);
    }
    world.now += SignedDuration::from_mins(5);
    let now = world.now;
    world.process().turn(now);
    assert_eq!(world.process().evidence.writing(), Writing::Standby);
    world.process().leads.send_replace(true);
    world.rest().await;
    world.check().await;
    world.kill().await;
}
