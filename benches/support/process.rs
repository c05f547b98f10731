//! What this process used, by Linux' own count.

use std::{
    fs,
    time::{Duration, Instant},
};

/// CPU time of the calling thread so far; wall time where the kernel does not say.
pub fn cpu(since: Instant) -> Duration {
    fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?)))
        .unwrap_or_else(|| since.elapsed())
}

/// CPU time that `work` took on this thread; time on the clock where that is too short for the
/// kernel, which counts at its ticks.
pub fn cpu_of<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    const SHORT: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let before = cpu(start);
    let done = work();
    let elapsed = start.elapsed();
    let spent = cpu(start).saturating_sub(before);
    (if elapsed < SHORT { elapsed } else { spent }, done)
}

/// Resident memory in bytes.
pub fn resident() -> usize {
    status("VmRSS")
}

/// The most resident memory there ever was, in bytes.
pub fn peak() -> usize {
    status("VmHWM")
}

fn status(field: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").expect("this measurement needs Linux");
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}
