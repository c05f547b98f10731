//! A realistic cluster, the same for the same size and seed, with mistakes planted in it.
//!
//! Pure: the objects are what a client would create, and the ledger says what the controls of the
//! pack must find in them.

mod access;
mod backup;
mod base;
mod guards;
mod pods;
mod storage;
mod traffic;
mod workloads;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::Value;

pub use traffic::ingress;

use crate::expect::Ledger;

/// Namespaces that share one Velero schedule.
const BACKUP_GROUP: usize = 10;

/// A generated cluster, with what a reader of each control's objective would say of it.
pub struct GeneratedCluster {
    /// The objects to create, in an order in which nothing needs a later one.
    pub objects: Vec<Value>,
    /// The verdicts that the pack must reach.
    pub expected: Ledger,
    /// Namespaces of production that are as they should be, for the changes of the benchmark.
    pub production: Vec<String>,
}

/// What a namespace is for: its label `env`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Prod,
    Staging,
    Dev,
    Tooling,
    /// No label, and so judged as production is by the controls that leave others out.
    Unlabelled,
}

impl Purpose {
    fn label(self) -> Option<&'static str> {
        match self {
            Self::Prod => Some("prod"),
            Self::Staging => Some("staging"),
            Self::Dev => Some("dev"),
            Self::Tooling => Some("tooling"),
            Self::Unlabelled => None,
        }
    }

    /// Whether the controls that leave out dev and staging ask about it.
    fn is_guarded(self) -> bool {
        !matches!(self, Self::Dev | Self::Staging)
    }
}

/// A namespace while it is filled.
struct Place {
    name: String,
    team: &'static str,
    purpose: Purpose,
    /// Whether a Velero schedule is to cover it.
    backed_up: bool,
    /// Names of the claims in it.
    claims: Vec<String>,
}

/// What the parts of the generator share.
struct Planter {
    rng: SmallRng,
    now: Timestamp,
    objects: Vec<Value>,
    expected: Ledger,
    /// The user names that somebody has already.
    people: BTreeSet<String>,
}

impl Planter {
    /// True one time in `times`.
    fn one_in(&mut self, times: u32) -> bool {
        self.rng.random_ratio(1, times)
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.rng.random_range(0..of.len())]
    }

    fn add(&mut self, object: Value) {
        self.objects.push(object);
    }

    /// A time so many hours from now, in the past when negative.
    fn hours(&self, hours: i64) -> String {
        let at = self.now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(self.now);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// A cluster of `size` objects or a few more.
pub fn generate(size: usize, seed: u64, now: Timestamp) -> GeneratedCluster {
    let mut planter = Planter {
        rng: SmallRng::seed_from_u64(seed),
        now,
        objects: Vec::with_capacity(size + 64),
        expected: Ledger::default(),
        people: BTreeSet::new(),
    };
    let mut production = Vec::new();
    let mut group = Vec::new();
    planter.cluster_basics();
    planter.record_guards();
    planter.cluster_access();
    for index in 0.. {
        if planter.objects.len() + 2 * group.len() >= size {
            break;
        }
        let place = planter.namespace(index);
        if place.purpose == Purpose::Prod {
            production.push(place.name.clone());
        }
        let place = planter.fill(place, size);
        group.push(place);
        if group.len() == BACKUP_GROUP {
            planter.backups(index, &group);
            group.clear();
        }
    }
    planter.backups(usize::MAX, &group);
    GeneratedCluster { objects: planter.objects, expected: planter.expected, production }
}

impl Planter {
    /// Fills a namespace, up to the size of the cluster.
    fn fill(&mut self, mut place: Place, size: usize) -> Place {
        let accounts = self.namespace_access(&place);
        self.network_policies(&place);
        let workloads = self.rng.random_range(7..13);
        for index in 0..workloads {
            if self.objects.len() >= size {
                break;
            }
            self.workload(&mut place, index, &accounts);
        }
        self.certificate_authority(&place);
        place
    }
}
