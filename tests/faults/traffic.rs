//! What went through the proxy, for a test to look at.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    time::{Duration, Instant},
};

use super::call::{Call, Verb};

/// How many lines are kept; older ones are forgotten, and still counted by the rate.
const LINES: usize = 20_000;
const BUCKET: Duration = Duration::from_millis(100);

/// A request and how it was answered.
#[derive(Clone, Debug)]
pub struct Line {
    pub number: u64,
    pub at: Instant,
    pub verb: Verb,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub target: String,
    pub writes: bool,
    /// None while no answer was sent.
    pub status: Option<u16>,
    /// What was done to it.
    pub fault: Option<&'static str>,
}

/// All requests so far.
#[derive(Clone, Debug)]
pub struct Traffic {
    began: Instant,
    lines: VecDeque<Line>,
    /// How many requests came in each tenth of a second.
    buckets: Vec<u32>,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), lines: VecDeque::new(), buckets: Vec::new() }
    }

    pub(super) fn note(&mut self, call: &Call) {
        let at = Instant::now();
        let bucket = self.bucket(at);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line {
            number: call.number,
            at,
            verb: call.verb,
            resource: call.resource.clone(),
            subresource: call.subresource.clone(),
            namespace: call.namespace.clone(),
            name: call.name.clone(),
            target: call.target.clone(),
            writes: call.writes(),
            status: None,
            fault: None,
        });
    }

    pub(super) fn line(&mut self, number: u64) -> Option<&mut Line> {
        let first = self.lines.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.lines.get_mut(index)
    }

    fn bucket(&self, at: Instant) -> usize {
        let since = at.saturating_duration_since(self.began);
        usize::try_from(since.as_millis() / BUCKET.as_millis()).unwrap_or(usize::MAX)
    }

    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    /// What came since then.
    pub fn since(&self, then: Instant) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.at >= then)
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|&count| u64::from(count)).sum()
    }

    /// The most requests a second over any such window that begins then or later.
    pub fn busiest(&self, window: Duration, since: Instant) -> f64 {
        let width = usize::try_from(window.as_millis() / BUCKET.as_millis()).unwrap_or(1).max(1);
        let buckets = self.buckets.get(self.bucket(since)..).unwrap_or_default();
        let most = (0..buckets.len())
            .map(|from| &buckets[from..buckets.len().min(from + width)])
            .map(|window| window.iter().map(|&count| u64::from(count)).sum::<u64>())
            .max()
            .unwrap_or(0);
        f64::from(u32::try_from(most).unwrap_or(u32::MAX)) / window.as_secs_f64()
    }

    /// A line for each request, with the seconds since the proxy began.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let at = line.at.saturating_duration_since(self.began).as_secs_f64();
            let status = line.status.map_or("-".to_owned(), |status| status.to_string());
            let (verb, target, fault) = (line.verb, &line.target, line.fault.unwrap_or_default());
            let _ = writeln!(text, "{at:9.3} {verb:?} {target} {status} {fault}");
        }
        text
    }

    /// How often each thing was asked for since then, the most often first: what a test that finds
    /// too many requests prints.
    pub fn summary(&self, since: Instant) -> Vec<(usize, String)> {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for line in self.since(since) {
            let fault = line.fault.map_or(String::new(), |fault| format!(" [{fault}]"));
            let status = line.status.map_or("-".to_owned(), |status| status.to_string());
            let key = format!("{:?} {} {status}{fault}", line.verb, line.resource);
            *counts.entry(key).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(key, count)| (count, key)).collect();
        counts.sort_by(|a, b| b.cmp(a));
        counts
    }
}
