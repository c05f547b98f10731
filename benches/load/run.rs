//! One run: a cluster of one size, from nothing to the last number.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use comptroller_core::api::Control;
use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};
use serde::Serialize;

use crate::{
    Result,
    changes::CHANGES,
    control_watch::ControlWatch,
    controlplane::{ControlPlane, wait},
    expect::{self, Verdict},
    generate,
    latency::{self, Latencies},
    operator::{Operator, Surroundings},
    populate,
    resources::{Memory, Spent},
};

/// How long the first verdict may take at all.
const FIRST_LIMIT: Duration = Duration::from_mins(10);
const HOUR: f64 = 3600.0;
/// What is still written after the first verdicts is not of the rest.
const SETTLE: Duration = Duration::from_secs(15);
/// Rounds of single changes: each makes and takes back every kind of change.
const ROUNDS: usize = 8;
/// The storm: 20 changes a second for a minute.
const STORM_EVERY: Duration = Duration::from_millis(50);
const STORM_LENGTH: Duration = Duration::from_mins(1);
/// How often the API server is killed.
const RESTARTS: usize = 3;
/// How long an operator may take to find an API server again.
const RECOVERY_LIMIT: Duration = Duration::from_mins(3);
const RECOVERY_POLL: Duration = Duration::from_millis(5);

/// All that was measured of one size.
#[derive(Debug, Default, Serialize)]
pub struct Measured {
    pub seed: u64,
    /// How many objects were created.
    pub objects: usize,
    /// How many of each kind.
    pub kinds: BTreeMap<String, usize>,
    pub stored_bytes: f64,
    pub load_seconds: f64,
    /// From the start of the process to the last first verdict.
    pub first_seconds: f64,
    pub first: Spent,
    pub memory_at_first: Memory,
    pub verdicts: BTreeMap<String, Verdict>,
    /// Controls that say something else than they must, and when.
    pub wrong: Vec<String>,
    pub rest: Spent,
    /// Requests by verb that the API server answered in the rest, of whomever.
    pub answered_at_rest: BTreeMap<String, f64>,
    /// Writes at rest that no heartbeat explains.
    pub needless_writes: f64,
    /// Heartbeats that the controls ask for in an hour.
    pub heartbeats_an_hour: f64,
    pub memory_at_rest: Memory,
    pub single: Latencies,
    pub single_spent: Spent,
    pub storm: Latencies,
    pub storm_spent: Spent,
    /// From a change right after the API server is ready again to the status, in milliseconds.
    pub recovery: Vec<f64>,
    /// At the end of everything.
    pub memory: Memory,
}

/// Measures a cluster of about `size` objects, in a control plane of its own.
pub async fn run(size: usize, seed: u64, rest: Duration) -> Result<Measured> {
    let plane = ControlPlane::builder()
        .encryption(&["secrets"])
        .api_server_arg("--service-cluster-ip-range=10.0.0.0/12")
        // Pods are planted as they are, whatever their namespace would refuse.
        .api_server_arg("--disable-admission-plugins=ServiceAccount,PodSecurity")
        .start()
        .await?;
    // A definition is established a moment before its storage is ready; until then, the API
    // server asks to be asked again.
    let mut config = plane.config("admin");
    config.default_retry = true;
    let client = Client::try_from(config)?;
    // From a seed, so that two versions of the operator are measured on the same cluster.
    let mut world = generate::generate(size, seed, Timestamp::now());
    let mut measured = Measured { seed, objects: world.objects.len(), ..Measured::default() };
    for object in &world.objects {
        let kind = object["kind"].as_str().unwrap_or_default();
        *measured.kinds.entry(kind.to_owned()).or_default() += 1;
    }
    eprintln!("load: {} objects from seed {seed}", measured.objects);
    let started = Instant::now();
    populate::default_bindings(&client, &mut world.expected).await?;
    populate::definitions(&client).await?;
    populate::load(&client, &world.objects).await?;
    measured.load_seconds = started.elapsed().as_secs_f64();
    // Freed before the operator starts: both run on one machine, and its memory is measured.
    world.objects = Vec::new();
    let controls = populate::pack(&client).await?;
    let expected = world.expected.verdicts();
    BenchRun { plane, client, namespaces: world.production, expected, controls: controls.len() }
        .measure(measured, rest)
        .await
}

struct BenchRun {
    plane: ControlPlane,
    client: Client,
    namespaces: Vec<String>,
    expected: BTreeMap<String, Verdict>,
    controls: usize,
}

impl BenchRun {
    async fn measure(mut self, mut measured: Measured, rest: Duration) -> Result<Measured> {
        let surroundings = Surroundings::of(&self.plane, &self.client)?;
        measured.stored_bytes = surroundings.stored_bytes().await?;
        let mut watch = ControlWatch::open(&self.client);
        let operator = self.first(&surroundings, &mut watch, &mut measured).await?;
        self.rest(&surroundings, &operator, &mut watch, &mut measured, rest).await?;
        self.changes(&surroundings, &operator, &mut watch, &mut measured).await?;
        self.check("after the changes", &mut watch, &mut measured);
        drop(watch);
        self.recovery(&mut measured).await?;
        measured.memory = operator.memory()?;
        Ok(measured)
    }

    async fn first(
        &self,
        surroundings: &Surroundings,
        watch: &mut ControlWatch,
        measured: &mut Measured,
    ) -> Result<Operator> {
        let before = surroundings.read().await?;
        let operator = Operator::start(&self.plane).await?;
        let last = watch
            .until(FIRST_LIMIT, |seen| {
                seen.len() == self.controls && seen.values().all(|seen| seen.complete)
            })
            .await?;
        let Some(last) = last else {
            self.check("at first", watch, measured);
            return Err(format!("no verdict of all controls: {:#?}", measured.wrong).into());
        };
        measured.first_seconds = last.at.duration_since(operator.started).as_secs_f64();
        let reading = operator.read(surroundings).await?;
        measured.first = reading.since(&before);
        measured.memory_at_first = operator.memory()?;
        eprintln!("load: all verdicts after {:.2} s", measured.first_seconds);
        tokio::time::sleep(SETTLE).await;
        self.check("at first", watch, measured);
        measured.verdicts = watch.verdicts();
        Ok(operator)
    }

    async fn rest(
        &self,
        surroundings: &Surroundings,
        operator: &Operator,
        watch: &mut ControlWatch,
        measured: &mut Measured,
        length: Duration,
    ) -> Result<()> {
        tokio::time::sleep(SETTLE).await;
        eprintln!("load: {} s of rest", length.as_secs());
        watch.drain();
        let (before, answered) =
            (operator.read(surroundings).await?, surroundings.answered().await?);
        tokio::time::sleep(length).await;
        let after = operator.read(surroundings).await?;
        measured.rest = after.since(&before);
        let since_start = after.at.duration_since(operator.started).as_secs_f64();
        let mut due = 0.0;
        for control in Api::<Control>::all(self.client.clone()).list(&ListParams::default()).await?
        {
            let every = control.spec.heartbeat().exact().map_or(HOUR, |every| every.as_secs_f64());
            due += (since_start / every).floor();
            measured.heartbeats_an_hour += HOUR / every;
        }
        measured.needless_writes = (measured.rest.writes() - due).max(0.0);
        for (verb, count) in surroundings.answered().await? {
            let count = count - answered.get(&verb).copied().unwrap_or_default();
            if count > 0.0 {
                measured.answered_at_rest.insert(verb, count);
            }
        }
        measured.memory_at_rest = operator.memory()?;
        self.check("after the rest", watch, measured);
        Ok(())
    }

    async fn changes(
        &self,
        surroundings: &Surroundings,
        operator: &Operator,
        watch: &mut ControlWatch,
        measured: &mut Measured,
    ) -> Result<()> {
        let before = operator.read(surroundings).await?;
        measured.single = latency::single(&self.client, watch, &self.namespaces, ROUNDS).await?;
        let between = operator.read(surroundings).await?;
        measured.single_spent = between.since(&before);
        eprintln!("load: single changes: {:?}", measured.single.all);
        tokio::time::sleep(SETTLE).await;
        let between = operator.read(surroundings).await?;
        let namespaces = &self.namespaces;
        measured.storm =
            latency::storm(&self.client, watch, namespaces, STORM_EVERY, STORM_LENGTH).await?;
        measured.storm_spent = operator.read(surroundings).await?.since(&between);
        eprintln!("load: 20 changes a second: {:?}", measured.storm.all);
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    /// Kills the API server, and changes something as soon as it is back.
    async fn recovery(&mut self, measured: &mut Measured) -> Result<()> {
        let change = &CHANGES[0];
        for number in 0..RESTARTS {
            self.plane.restart_api_server().await?;
            let client = Client::try_from(self.plane.config("admin"))?;
            let controls = Api::<Control>::all(client.clone());
            let object = change.object("", 20_000 + number);
            let base = self.expected.get(change.control).map_or(0, |verdict| verdict.failing);
            populate::create(&client, &object).await?;
            let answered = Instant::now();
            reaches(&controls, change.control, base + 1).await?;
            measured.recovery.push(answered.elapsed().as_secs_f64() * 1000.0);
            populate::delete(&client, &object).await?;
            reaches(&controls, change.control, base).await?;
        }
        eprintln!("load: after restarts of the API server: {:?} ms", measured.recovery);
        Ok(())
    }

    fn check(&self, when: &str, watch: &mut ControlWatch, measured: &mut Measured) {
        watch.drain();
        for wrong in expect::differences(&self.expected, &watch.verdicts()) {
            eprintln!("load: {when}: {wrong}");
            measured.wrong.push(format!("{when}: {wrong}"));
        }
    }
}

async fn reaches(controls: &Api<Control>, name: &str, failing: i64) -> Result<()> {
    let deadline = Instant::now() + RECOVERY_LIMIT;
    while Instant::now() < deadline {
        if let Ok(control) = controls.get(name).await
            && control.status.is_some_and(|status| status.failing == failing)
        {
            return Ok(());
        }
        tokio::time::sleep(RECOVERY_POLL).await;
    }
    wait::until(&format!("{name} says {failing} failing"), Duration::ZERO, async || None::<()>)
        .await
        .map_err(Into::into)
}
