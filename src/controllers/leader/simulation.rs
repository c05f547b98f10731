//! Candidates against a simulated API server: requests and responses are late or lost, clocks are
//! wrong, processes die. At every moment at most one believes that it leads.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::candidate::{Candidate, LeaseAction, LeaseRecord, Timing};

/// How long one run lasts.
const LENGTH: Duration = Duration::from_mins(30);
/// Longer than the renew deadline, so that responses arrive when their leader no longer leads.
const SLOWEST: f64 = 12.0;

/// What happens to a node next.
enum Event {
    /// It reads the lease.
    Attempt,
    /// The API server reads the lease for it.
    Read,
    /// It gets the response of the read.
    Answer(Option<(u64, LeaseRecord)>),
    /// The API server gets its write, based on this version.
    Write(Option<u64>, LeaseRecord),
    /// It gets the response of the write.
    Written,
    /// The process dies, and another takes its place.
    Die,
}

struct SimulatedNode {
    candidate: Candidate,
    /// The number of its process: responses do not reach the next one.
    life: u32,
    /// How fast its clock runs.
    rate: f64,
    /// How wrong its wall clock is.
    skew: SignedDuration,
    /// When it sent the current request, by its own clock.
    sent: Instant,
    /// The number of its attempt: the response of an earlier one is dropped.
    attempt: u64,
}

struct World {
    random: SmallRng,
    origin: Instant,
    now: Duration,
    queue: BTreeMap<(Duration, u64), (usize, u32, u64, Event)>,
    serial: u64,
    lease: Option<(u64, LeaseRecord)>,
    version: u64,
    nodes: Vec<SimulatedNode>,
    leaders: Vec<String>,
}

impl World {
    fn new(seed: u64, nodes: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let origin = Instant::now();
        let nodes = (0..nodes)
            .map(|number| SimulatedNode {
                candidate: Candidate::new(format!("{number}-0"), Timing::default()),
                life: 0,
                // Far worse than any clock, and still within what 10 s against 15 s allow.
                rate: random.random_range(0.9..1.1),
                skew: SignedDuration::from_mins(random.random_range(-600..600)),
                sent: origin,
                attempt: 0,
            })
            .collect();
        let mut world = Self {
            random,
            origin,
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            serial: 0,
            lease: None,
            version: 0,
            nodes,
            leaders: Vec::new(),
        };
        for number in 0..world.nodes.len() {
            world.after(number, 0.0, Event::Attempt);
            world.after_life(number);
        }
        world
    }

    /// The monotonic clock of a node.
    fn clock(&self, number: usize) -> Instant {
        self.origin + self.now.mul_f64(self.nodes[number].rate)
    }

    fn after(&mut self, number: usize, seconds: f64, event: Event) {
        let at = self.now + Duration::from_secs_f64(seconds);
        let SimulatedNode { life, attempt, .. } = self.nodes[number];
        self.serial += 1;
        self.queue.insert((at, self.serial), (number, life, attempt, event));
    }

    fn after_life(&mut self, number: usize) {
        let seconds = self.random.random_range(20.0..400.0);
        self.after(number, seconds, Event::Die);
    }

    /// One way through the network: mostly quick, sometimes slow, sometimes never.
    fn travel(&mut self, number: usize, event: Event) {
        let seconds = match self.random.random_range(0..20) {
            0 => return,
            1..4 => self.random.random_range(0.0..SLOWEST),
            _ => self.random.random_range(0.0..0.2),
        };
        self.after(number, seconds, event);
    }

    fn run(&mut self) {
        while let Some((&key, _)) = self.queue.first_key_value() {
            let Some((number, life, attempt, event)) = self.queue.remove(&key) else { return };
            self.now = key.0;
            if self.now > LENGTH {
                return;
            }
            self.process(number, life, attempt, event);
            self.check();
        }
    }

    fn process(&mut self, number: usize, life: u32, attempt: u64, event: Event) {
        let alive = self.nodes[number].life == life;
        let current = alive && self.nodes[number].attempt == attempt;
        match event {
            // The server processes the request even if nobody waits for the response any more.
            Event::Read => {
                let lease = self.lease.clone();
                if current {
                    self.travel(number, Event::Answer(lease));
                }
            }
            Event::Write(expected, record) => {
                if self.lease.as_ref().map(|(version, _)| *version) == expected {
                    self.version += 1;
                    self.lease = Some((self.version, record));
                    if current {
                        self.travel(number, Event::Written);
                    }
                }
            }
            Event::Attempt if current => self.attempt(number),
            Event::Answer(lease) if current => self.answer(number, lease),
            Event::Written if current => {
                let sent = self.nodes[number].sent;
                self.nodes[number].candidate.claimed(sent);
            }
            Event::Die if alive => self.die(number),
            Event::Attempt | Event::Answer(_) | Event::Written | Event::Die => {}
        }
    }

    fn attempt(&mut self, number: usize) {
        self.nodes[number].sent = self.clock(number);
        self.nodes[number].attempt += 1;
        self.travel(number, Event::Read);
        let pause = self.random.random_range(2.0..11.0);
        self.after(number, pause, Event::Attempt);
    }

    fn answer(&mut self, number: usize, lease: Option<(u64, LeaseRecord)>) {
        let now = self.clock(number);
        let wall = Timestamp::UNIX_EPOCH + self.nodes[number].skew;
        let expected = lease.as_ref().map(|(version, _)| *version);
        let candidate = &mut self.nodes[number].candidate;
        let seen = lease.map(|(version, record)| (version.to_string(), record));
        let action = candidate.observe(seen, now);
        if action != LeaseAction::Wait {
            let record = candidate.claim(action, wall);
            self.travel(number, Event::Write(expected, record));
        }
    }

    /// Half of them release the lease first.
    fn die(&mut self, number: usize) {
        let wall = Timestamp::UNIX_EPOCH + self.nodes[number].skew;
        let gives_up = self.random.random_bool(0.5);
        let node = &mut self.nodes[number];
        let held = self
            .lease
            .as_ref()
            .filter(|(_, record)| record.holder.as_deref() == Some(node.candidate.name()));
        if let Some((version, record)) = held.filter(|_| gives_up).cloned() {
            node.candidate.observe(Some((version.to_string(), record)), node.sent);
            let released = node.candidate.release(wall);
            self.travel(number, Event::Write(Some(version), released));
        }
        let node = &mut self.nodes[number];
        node.life += 1;
        node.candidate = Candidate::new(format!("{number}-{}", node.life), Timing::default());
        self.after(number, 1.0, Event::Attempt);
        self.after_life(number);
    }

    fn check(&mut self) {
        let leaders: Vec<&str> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(number, node)| node.candidate.leads(self.clock(*number)))
            .map(|(_, node)| node.candidate.name())
            .collect();
        assert!(leaders.len() <= 1, "{leaders:?} lead at {:?}", self.now);
        if let Some(leader) =
            leaders.first().filter(|leader| self.leaders.last().is_none_or(|last| last != *leader))
        {
            self.leaders.push((*leader).to_owned());
        }
    }
}

#[test]
fn never_two_leaders_by_their_own_belief() {
    for seed in 0..300 {
        let mut world = World::new(seed, 2 + usize::from(seed % 3 == 0));
        world.run();
        // Nobody leading would be safe too.
        assert!(world.leaders.len() >= 5, "seed {seed}: {:?}", world.leaders);
    }
}
