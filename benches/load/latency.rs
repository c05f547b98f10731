//! The time from the API server's answer to a change until a watch shows the new verdict.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kube::Client;
use serde::Serialize;
use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::{
    Result,
    changes::{CHANGES, Change},
    control_watch::{ControlWatch, StatusUpdate},
    percentiles::Latency,
    populate,
};

/// Longer than this is never: the operator has missed the change.
const LIMIT: Duration = Duration::from_mins(1);

/// Between single changes, so that each finds the operator quiet.
const QUIET: Duration = Duration::from_millis(400);

/// Latencies of all changes, and by what was changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latencies {
    pub all: Latency,
    pub by_change: BTreeMap<&'static str, Latency>,
}

impl Latencies {
    fn of(samples: BTreeMap<&'static str, Vec<Duration>>) -> Self {
        Self {
            all: Latency::of(samples.values().flatten().copied().collect()),
            by_change: samples.into_iter().map(|(what, of)| (what, Latency::of(of))).collect(),
        }
    }
}

/// Makes changes one by one, each when the operator has been quiet for a while.
pub async fn single(
    client: &Client,
    watch: &mut ControlWatch,
    namespaces: &[String],
    rounds: usize,
) -> Result<Latencies> {
    let mut samples = BTreeMap::<&'static str, Vec<Duration>>::new();
    for round in 0..rounds {
        let namespace = &namespaces[round % namespaces.len()];
        for (change, creates) in [true, false]
            .into_iter()
            .flat_map(|creates| CHANGES.iter().map(move |change| (change, creates)))
        {
            // The operator writes a first change at once and gathers those that follow it.
            tokio::time::sleep(QUIET).await;
            // What arrived in the meantime belongs to earlier changes.
            watch.drain();
            let object = change.object(namespace, round);
            let expected = watch.failing(change.control) + if creates { 1 } else { -1 };
            if creates {
                populate::create(client, &object).await?;
            } else {
                populate::delete(client, &object).await?;
            }
            // From the answer on: how long the API server takes to store a change is not ours.
            let answered = Instant::now();
            let arrived = watch
                .until(LIMIT, |seen| failing(seen, change.control) == Some(expected))
                .await?
                .ok_or_else(|| unnoticed(change, expected))?;
            let sample = arrived.at.saturating_duration_since(answered);
            samples.entry(change.what).or_default().push(sample);
        }
    }
    Ok(Latencies::of(samples))
}

fn failing(seen: &BTreeMap<String, StatusUpdate>, control: &str) -> Option<i64> {
    seen.get(control).map(|seen| seen.verdict.failing)
}

fn unnoticed(change: &Change, expected: i64) -> String {
    format!("{}: failing did not reach {expected} within {LIMIT:?} of a change", change.control)
}

/// Makes changes at a steady rate: first each adds an item that fails, then each takes one back,
/// so that the number of failing items says which changes are known.
pub async fn storm(
    client: &Client,
    watch: &mut ControlWatch,
    namespaces: &[String],
    every: Duration,
    length: Duration,
) -> Result<Latencies> {
    let half = usize::try_from(length.as_millis() / every.as_millis().max(1)).unwrap_or(0) / 2;
    let mut samples = BTreeMap::<&'static str, Vec<Duration>>::new();
    for creates in [true, false] {
        watch.drain();
        let before: Vec<i64> = CHANGES.iter().map(|change| watch.failing(change.control)).collect();
        let answers = burst(client, namespaces, every, half, creates).await?;
        let arrivals = settle(watch, &before, &answers, creates).await?;
        for (index, change) in CHANGES.iter().enumerate() {
            let of = samples.entry(change.what).or_default();
            for (made, answered) in answers[index].iter().enumerate() {
                let reached = before[index] + sign(creates) * count(made + 1);
                // Several changes may be in one status: the first that counts this one.
                let arrival = arrivals
                    .iter()
                    .filter(|seen| seen.control == change.control)
                    .find(|seen| has_reached(seen.verdict.failing, reached, creates))
                    .ok_or_else(|| unnoticed(change, reached))?;
                of.push(arrival.at.saturating_duration_since(*answered));
            }
        }
    }
    Ok(Latencies::of(samples))
}

/// The times of the answers, by kind of change, in order.
async fn burst(
    client: &Client,
    namespaces: &[String],
    every: Duration,
    changes: usize,
    creates: bool,
) -> Result<Vec<Vec<Instant>>> {
    let mut ticks = tokio::time::interval(every);
    // A late tick is made up for: the rate is part of what is measured.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut running = JoinSet::new();
    for number in 0..changes {
        ticks.tick().await;
        let kind = number % CHANGES.len();
        let object = CHANGES[kind].object(&namespaces[number % namespaces.len()], 10_000 + number);
        let client = client.clone();
        // In tasks of their own: an answer that is late must not delay the next change.
        running.spawn(async move {
            let made = if creates {
                populate::create(&client, &object).await
            } else {
                populate::delete(&client, &object).await
            };
            made.map(|()| (kind, Instant::now())).map_err(|error| error.to_string())
        });
    }
    let mut answers = vec![Vec::new(); CHANGES.len()];
    for made in running.join_all().await {
        let (kind, answered) = made?;
        answers[kind].push(answered);
    }
    // Requests overtake each other, and the n-th failing item is the n-th that was stored.
    for of in &mut answers {
        of.sort_unstable();
    }
    Ok(answers)
}

/// Everything that arrived until every control has caught up.
async fn settle(
    watch: &mut ControlWatch,
    before: &[i64],
    answers: &[Vec<Instant>],
    creates: bool,
) -> Result<Vec<StatusUpdate>> {
    let mut arrivals = watch.drain();
    let done = |last: &dyn Fn(&str) -> Option<i64>| {
        CHANGES.iter().enumerate().find(|(index, change)| {
            let end = before[*index] + sign(creates) * count(answers[*index].len());
            last(change.control) != Some(end)
        })
    };
    while let Some((_, late)) = done(&|control| Some(watch.failing(control))) {
        let Some(seen) = watch.until(LIMIT, |_| true).await? else {
            return Err(format!("{} did not catch up within {LIMIT:?}", late.control).into());
        };
        arrivals.push(seen);
    }
    Ok(arrivals)
}

fn has_reached(failing: i64, reached: i64, creates: bool) -> bool {
    if creates { failing >= reached } else { failing <= reached }
}

fn sign(creates: bool) -> i64 {
    if creates { 1 } else { -1 }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
