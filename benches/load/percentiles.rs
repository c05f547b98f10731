//! Percentiles of latencies.

use std::time::Duration;

use serde::Serialize;

/// Percentiles of some latencies, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    pub count: usize,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub worst: f64,
}

impl Latency {
    /// By the nearest rank, so that each is a latency that was measured.
    pub fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let milliseconds = |sample: Option<&Duration>| {
            sample.map_or(f64::NAN, |sample| sample.as_secs_f64() * 1000.0)
        };
        let rank = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100);
            milliseconds(samples.get(rank.saturating_sub(1)))
        };
        Self {
            count: samples.len(),
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
            worst: milliseconds(samples.last()),
        }
    }
}
