//! What the proxy does in each case.

use std::time::Duration;

use rand::{Rng as _, rngs::SmallRng, seq::IndexedRandom as _};

use crate::faults::{Action, Matcher, Refusal, Rule, Verb, on};

/// One fault and what it may hide.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: String,
    pub rules: Vec<Rule>,
    /// Watches that are open become half-open.
    pub stalls: bool,
    /// Watches that are open are broken first, so that the rules meet new ones.
    pub cuts: bool,
    /// How long it lasts after the violation.
    pub lasts: Duration,
    pub hides: Hides,
    /// What hangs goes on when all is healed, as behind a server that was frozen.
    pub releases: bool,
}

/// When the violation has to be known at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hides {
    /// 10 s after it is there: the operator can see it all the time.
    Nothing,
    /// 10 s after all is healed, and after 70 s in any case.
    Trouble,
    /// After 70 s: nobody says anything.
    Silence,
    /// As silence, and no status can be written: only the log is looked at.
    SilenceBothWays,
    /// The violation comes at the end, and nothing may be unknown before.
    Calm,
}

/// Beyond the minute after which silence must be noticed, and the ten seconds for it.
const SILENCE: Duration = Duration::from_secs(80);
const TROUBLE: Duration = Duration::from_secs(20);
/// Long enough for a backoff to have grown as far as it does.
const LONG_TROUBLE: Duration = Duration::from_secs(40);

fn watches() -> Matcher {
    on().verb(Verb::Watch)
}

fn lists() -> Matcher {
    on().verb(Verb::List)
}

fn status_writes() -> Matcher {
    on().verb(Verb::Patch).verb(Verb::Update).of("controls")
}

fn plan(name: &str, hides: Hides, rules: impl IntoIterator<Item = Rule>) -> Plan {
    let lasts = match hides {
        Hides::Silence | Hides::SilenceBothWays | Hides::Calm => SILENCE,
        Hides::Nothing | Hides::Trouble => TROUBLE,
    };
    let rules = rules.into_iter().collect();
    let name = name.to_owned();
    Plan { name, rules, stalls: false, cuts: false, lasts, hides, releases: false }
}

impl Plan {
    fn stalling(mut self) -> Self {
        self.stalls = true;
        self
    }

    fn cutting(mut self) -> Self {
        self.cuts = true;
        self
    }

    fn releasing(mut self) -> Self {
        self.releases = true;
        self
    }

    fn lasting(mut self, time: Duration) -> Self {
        self.lasts = time;
        self
    }
}

/// The fault that is none, to compare with.
pub fn reference() -> Plan {
    plan("reference", Hides::Nothing, [])
}

/// Nobody says anything.
pub fn silences() -> Vec<Plan> {
    use Hides::{Calm, Silence, SilenceBothWays};
    vec![
        plan("half-open-watches", Silence, []).stalling(),
        plan("half-open-all", SilenceBothWays, [on().then(Action::Hang)]).stalling(),
        plan("reads-hang", Silence, [on().reads().then(Action::Hang)]).stalling(),
        plan(
            "relist-hangs",
            Silence,
            [watches().then(Action::Expired), lists().then(Action::Hang)],
        )
        .cutting(),
        plan("watch-start-hangs", Silence, [watches().then(Action::Hang)]).cutting(),
        plan(
            "list-hangs-midway",
            Silence,
            [watches().then(Action::Expired), lists().then(Action::HangBody(200))],
        )
        .cutting(),
        plan("watch-says-nothing", Silence, [watches().then(Action::HangBody(0))]).cutting(),
        plan("revisions-go-back", Silence, [on().then(Action::Rewind(100))]).cutting(),
        plan("no-bookmarks", Calm, [watches().event("BOOKMARK").then(Action::DropEvent)]),
    ]
}

/// Somebody says something wrong, often, or late.
pub fn troubles() -> Vec<Plan> {
    use Hides::{Nothing, Trouble};
    let mut plans = vec![
        reference(),
        plan("ends-at-once", Trouble, [watches().then(Action::EndAtOnce)]).cutting(),
        plan("cut-in-each-event", Trouble, [watches().then(Action::CutWithin)]),
        plan("ends-before-each-event", Trouble, [watches().then(Action::EndBefore)]),
        plan("expired-at-once", Trouble, [watches().then(Action::Expired)]).cutting(),
        plan("expired-at-each-event", Trouble, [watches().then(Action::ExpiredEvent)]),
        plan("doubled", Nothing, [watches().then(Action::Duplicate)]),
        plan("swapped", Nothing, [watches().then(Action::Swap)]),
        plan("coalesced", Nothing, [watches().then(Action::Coalesce)]),
        plan("frozen-view", Trouble, [on().reads().then(Action::Replay)]).cutting().releasing(),
        plan(
            "lists-cut",
            Trouble,
            [watches().then(Action::Expired), lists().then(Action::CutBody(300))],
        )
        .cutting(),
        plan(
            "lists-truncated",
            Trouble,
            [watches().then(Action::Expired), lists().then(Action::Truncate(300))],
        )
        .cutting(),
        plan("dropped", Trouble, [on().then(Action::Drop)]).cutting(),
        plan("status-replies-lost", Nothing, [status_writes().then(Action::DropReply)]),
        plan("status-replies-hang", Nothing, [status_writes().then(Action::HangReply)]),
        plan("events-hang", Nothing, [on().verb(Verb::Create).of("events").then(Action::Hang)]),
        plan("one-in-five-fails", Trouble, [on().one_in(5).then(Action::Refuse(500.into()))]),
        plan("frozen-server", Trouble, [on().then(Action::Hang)]).stalling().releasing(),
    ];
    for code in [401, 403, 429, 500, 503, 504] {
        let refusal = Refusal::new(code);
        let refusal = if code == 429 { refusal.retry_after(30) } else { refusal };
        let name = format!("all-{code}");
        let rules = [on().then(Action::Refuse(refusal))];
        plans.push(plan(&name, Trouble, rules).cutting().lasting(LONG_TROUBLE));
    }
    for code in [403, 409, 413, 422, 500] {
        let rules = [status_writes().then(Action::Refuse(code.into()))];
        plans.push(plan(&format!("status-{code}"), Trouble, rules).lasting(LONG_TROUBLE));
    }
    plans
}

/// Few, for every run of the tests: one of each kind of mistake.
pub fn smoke() -> Vec<Plan> {
    let wanted = [
        "half-open-watches",
        "half-open-all",
        "reads-hang",
        "relist-hangs",
        "watch-start-hangs",
        "revisions-go-back",
        "no-bookmarks",
        "reference",
        "ends-at-once",
        "cut-in-each-event",
        "swapped",
        "frozen-view",
        "events-hang",
        "all-401",
        "all-429",
        "status-409",
        "status-422",
    ];
    all().into_iter().filter(|plan| wanted.contains(&plan.name.as_str())).collect()
}

/// Silences first: they take longest.
pub fn all() -> Vec<Plan> {
    let mut plans = silences();
    plans.extend(troubles());
    plans
}

/// Any one or two faults of anything that the operator asks for.
pub fn random(random: &mut SmallRng, number: usize) -> Plan {
    let wheres: [fn() -> Matcher; 7] = [
        on,
        || on().reads(),
        watches,
        lists,
        || on().writes(),
        status_writes,
        || on().verb(Verb::Create).of("events"),
    ];
    let resources = ["configmaps", "clusterrolebindings", "controls", "namespaces", "clusterroles"];
    let mut hides = Hides::Trouble;
    let rules: Vec<Rule> = (0..random.random_range(1..3))
        .map(|_| {
            let which = random.random_range(0..wheres.len());
            let mut matcher = wheres[which]();
            if which < 4 && random.random_bool(0.5) {
                matcher = matcher.of(resources.choose(random).expect("there are some"));
            }
            if random.random_bool(0.3) {
                matcher = matcher.one_in(random.random_range(2..8));
            }
            let action = random_action(random);
            if matches!(
                action,
                Action::Hang | Action::HangReply | Action::HangBody(_) | Action::Stall
            ) {
                // Where writes hang, only the log can tell.
                let writes = [0, 4, 5].contains(&which);
                hides = if writes || hides == Hides::SilenceBothWays {
                    Hides::SilenceBothWays
                } else {
                    Hides::Silence
                };
            }
            // No server answers anything else so.
            if matches!(action, Action::Expired | Action::EndAtOnce) {
                matcher = watches();
            }
            matcher.then(action)
        })
        .collect();
    let mut plan = plan(&format!("random-{number}"), hides, rules);
    if hides == Hides::Trouble {
        plan.lasts = Duration::from_secs(random.random_range(3..50));
    }
    plan.cuts = random.random_bool(0.5);
    if plan.hides != Hides::Trouble && random.random_bool(0.5) {
        plan.stalls = true;
    }
    plan
}

fn random_action(random: &mut SmallRng) -> Action {
    let codes = [401, 403, 409, 410, 413, 422, 429, 500, 503, 504];
    let code = *codes.choose(random).expect("there are some");
    let refusal = Refusal::new(code).retry_after(random.random_range(1..31));
    let bytes = random.random_range(0..2_000);
    let actions = [
        Action::Delay(Duration::from_millis(random.random_range(50..5_000))),
        Action::Hang,
        Action::Drop,
        Action::Refuse(refusal.clone()),
        Action::Refuse(refusal),
        Action::EndAtOnce,
        Action::Expired,
        Action::HangReply,
        Action::DropReply,
        Action::HangBody(bytes),
        Action::CutBody(bytes),
        Action::Truncate(bytes),
        Action::Trickle { bytes: 512, every: Duration::from_millis(20) },
        Action::Stall,
        Action::CutBefore,
        Action::CutWithin,
        Action::EndBefore,
        Action::ExpiredEvent,
        Action::Duplicate,
        Action::Swap,
        Action::Coalesce,
    ];
    actions.choose(random).expect("there are some").clone()
}
