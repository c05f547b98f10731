//! The long form: rounds of plans that a seed draws, until the time is up. A round says its seed,
//! and is repeated alone by that seed and no time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};

use crate::{
    faults::Moment,
    invariants::Finding,
    kills::{self, Death, During, Kill},
    misuse, plans, proxy_faults,
    run::judge,
    store,
};

/// How many plans of each kind a round has.
const PLANS: usize = 12;
const KILLS: usize = 12;
const MISTAKES: usize = 4;
const CHANGES: usize = 60;

fn variable(name: &str) -> Option<f64> {
    std::env::var(format!("COMPTROLLER_TORTURE_{name}")).ok()?.parse().ok()
}

fn random_kill(random: &mut SmallRng) -> Kill {
    let during = [During::Start, During::Violation, During::Mending];
    let moments = [Moment::BeforeForwarding, Moment::BeforeReply, Moment::AfterReply];
    let during = *during.choose(random).unwrap();
    let death = if random.random_bool(0.5) {
        Death::Write(random.random_range(1..6), *moments.choose(random).unwrap())
    } else {
        Death::After(Duration::from_millis(random.random_range(0..2_000)))
    };
    Kill { during, death }
}

/// One round: what was found, by campaign.
async fn round(seed: u64) -> BTreeMap<&'static str, (usize, Vec<Finding>)> {
    let mut random = SmallRng::seed_from_u64(seed);
    let faults: Vec<_> = (0..PLANS).map(|number| plans::random(&mut random, number)).collect();
    let deaths: Vec<_> = (0..KILLS).map(|_| random_kill(&mut random)).collect();
    let all = store::mistakes();
    let mistakes: Vec<_> = all.choose_multiple(&mut random, MISTAKES).cloned().collect();
    for plan in &faults {
        eprintln!("round {seed}: {plan:?}");
    }
    let mut found = BTreeMap::new();
    found.insert("proxy", (faults.len(), proxy_faults::run_all(&faults, seed).await));
    found.insert("kills", (deaths.len(), kills::run_all(&deaths, seed).await));
    found.insert("bucket", (mistakes.len(), store::run_all(&mistakes, seed).await));
    found.insert("misuse", (CHANGES, misuse::run(seed, CHANGES).await));
    found
}

/// `make torture`: every plan once, then rounds until `COMPTROLLER_TORTURE_HOURS` are over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes hours: make torture SEED=7 HOURS=2"]
async fn torture() {
    let began = Instant::now();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
    let first = variable("SEED").unwrap_or(7.0) as u64;
    let limit = Duration::from_secs_f64(variable("HOURS").unwrap_or(1.0).max(0.0) * 3600.0);
    let mut table: BTreeMap<&str, (usize, Vec<Finding>)> = BTreeMap::new();
    if !limit.is_zero() {
        let all = plans::all();
        let found = proxy_faults::run_all(&all, first).await;
        table.insert("proxy", (all.len(), found));
        let mut deaths = Vec::new();
        for during in [During::Start, During::Violation, During::Mending] {
            deaths.extend(kills::around_writes(during, 1..6));
            deaths.extend(kills::at_times(during, Duration::from_millis(50), 10));
        }
        table.insert("kills", (deaths.len(), kills::run_all(&deaths, first).await));
        let mistakes = store::mistakes();
        table.insert("bucket", (mistakes.len(), store::run_all(&mistakes, first).await));
    }
    for seed in first.. {
        eprintln!("round {seed}, after {:?}: make torture SEED={seed} HOURS=0", began.elapsed());
        for (campaign, (count, found)) in round(seed).await {
            let row = table.entry(campaign).or_default();
            row.0 += count;
            row.1.extend(found);
        }
        if began.elapsed() >= limit {
            break;
        }
    }
    print(&table);
    let all: Vec<Finding> = table.into_values().flat_map(|(_, found)| found).collect();
    judge(&all);
}

fn print(table: &BTreeMap<&str, (usize, Vec<Finding>)>) {
    eprintln!("{:<10} {:>6} {:>9}  what was found", "campaign", "runs", "findings");
    for (campaign, (count, found)) in table {
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in found {
            *classes.entry(finding.class).or_default() += 1;
        }
        let classes: Vec<String> =
            classes.iter().map(|(class, count)| format!("{count} {class}")).collect();
        eprintln!("{campaign:<10} {count:>6} {:>9}  {}", found.len(), classes.join(", "));
    }
}
