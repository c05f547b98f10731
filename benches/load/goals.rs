//! What must be reached, and whether it was.

use crate::run::Measured;

/// How far above its goal a time may be before the run fails: the machine may have had other work.
const NOISE: f64 = 5.0;

/// One thing that was measured, with the most it may be.
#[derive(Debug)]
pub struct Goal {
    pub what: &'static str,
    pub unit: &'static str,
    pub measured: f64,
    /// None where nothing was promised for this size.
    pub most: Option<f64>,
    /// A time on the clock, which other work on the machine lengthens.
    pub noisy: bool,
}

impl Goal {
    /// Whether the run fails by it.
    pub fn is_broken(&self) -> bool {
        let slack = if self.noisy { NOISE } else { 1.0 };
        // A number that could not be measured breaks its goal.
        self.most.is_some_and(|most| self.measured.is_nan() || self.measured > most * slack)
    }

    /// Whether it is reached as promised.
    pub fn is_reached(&self) -> bool {
        self.most.is_none_or(|most| self.measured <= most)
    }
}

/// The goals for a run, in the order of the table.
pub fn goals(run: &Measured) -> Vec<Goal> {
    // Promised for 10,000 and 50,000 objects; a smaller cluster must not need more.
    let (small, large) = (run.objects <= 12_000, run.objects <= 60_000);
    // The limits are promises for a size; what lies beyond the largest is measured and not judged.
    let memory = if small { Some(80.0) } else { large.then_some(200.0) };
    let first = |most: f64| small.then_some(most);
    let goal = |what, unit, measured, most, noisy| Goal { what, unit, measured, most, noisy };
    let minutes = run.rest.seconds / 60.0;
    vec![
        goal("wrong verdicts", "", count(run.wrong.len()), Some(0.0), false),
        goal("first complete verdict", "s", run.first_seconds, first(5.0), true),
        goal("operator CPU to first verdict", "s", run.first.operator_cpu, first(5.0), false),
        goal("API server CPU to first verdict", "s", run.first.api_server_cpu, None, false),
        goal("requests to first verdict", "", run.first.all_requests(), first(200.0), false),
        goal("etcd writes to first verdict", "KiB", run.first.etcd_bytes / 1024.0, None, false),
        goal("peak memory", "MiB", mib(run.memory.peak_kib), memory, false),
        goal("memory after first verdict", "MiB", mib(run.memory_at_first.now_kib), None, false),
        goal("settled memory", "MiB", mib(run.memory_at_rest.now_kib), None, false),
        goal("single change p50", "ms", run.single.all.p50, Some(100.0), true),
        goal("single change p95", "ms", run.single.all.p95, None, true),
        goal("single change p99", "ms", run.single.all.p99, Some(500.0), true),
        goal("single change worst", "ms", run.single.all.worst, None, true),
        goal("20 changes/s p50", "ms", run.storm.all.p50, Some(100.0), true),
        goal("20 changes/s p95", "ms", run.storm.all.p95, None, true),
        goal("20 changes/s p99", "ms", run.storm.all.p99, Some(500.0), true),
        goal("20 changes/s worst", "ms", run.storm.all.worst, None, true),
        goal("20 changes/s operator CPU", "s", run.storm_spent.operator_cpu, None, false),
        goal("20 changes/s status writes", "", run.storm_spent.writes(), None, false),
        goal("20 changes/s etcd writes", "KiB", run.storm_spent.etcd_bytes / 1024.0, None, false),
        goal("recovery worst", "ms", run.recovery.iter().copied().fold(0.0, f64::max), None, true),
        goal("rest: writes but heartbeats", "", run.needless_writes, Some(0.0), false),
        goal("rest: operator CPU a minute", "s", run.rest.operator_cpu / minutes, Some(1.0), false),
        goal("rest: API server CPU a minute", "s", run.rest.api_server_cpu / minutes, None, false),
        goal("rest: requests a minute", "", run.rest.all_requests() / minutes, None, false),
        goal(
            "rest: operator CPU an hour",
            "s",
            run.rest.operator_cpu / minutes * 60.0,
            None,
            false,
        ),
        goal("rest: writes an hour", "", hourly_writes(run), None, false),
        goal(
            "rest: etcd writes an hour",
            "KiB",
            run.rest.etcd_bytes / minutes * 60.0 / 1024.0,
            None,
            false,
        ),
    ]
}

/// The heartbeats of an hour, and what else is written at the pace of the rest.
fn hourly_writes(run: &Measured) -> f64 {
    run.heartbeats_an_hour + run.needless_writes / (run.rest.seconds / 3600.0)
}

/// Why a run fails.
pub fn failures(run: &Measured) -> Vec<String> {
    let mut failures: Vec<String> =
        run.wrong.iter().map(|wrong| format!("{} objects: {wrong}", run.objects)).collect();
    // A build without optimization says nothing about cost.
    if !cfg!(debug_assertions) {
        failures.extend(goals(run).iter().filter(|goal| goal.is_broken()).map(|goal| {
            let most = goal.most.unwrap_or_default();
            let Goal { what, unit, measured, .. } = goal;
            format!(
                "{} objects: {what}: {measured:.1} {unit}, and at most {most} is the goal",
                run.objects
            )
        }));
    }
    failures
}

/// Of a number that is small.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn count(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
