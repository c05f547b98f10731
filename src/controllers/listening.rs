//! What silence means for verdicts: a silent kind turns stale, and if every verdict depends on a silent
//! input, all of them are withdrawn.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::freshness::{Freshness, Input};
use comptroller_core::{
    api::time::whole_seconds,
    engine::Engine,
    inventory::{Availability, KindId},
};
use comptroller_recorder::Clock;

/// The inputs that every verdict depends on.
const COMMON: [Input; 3] = [Input::Discovery, Input::Controls, Input::Exceptions];

/// How many silent inputs a text names.
const NAMED: usize = 5;

/// One moment on both clocks: the trusted one, and the monotonic one that nobody can set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time by which everything is dated.
    pub time: Timestamp,
    /// Monotonic clock, for measuring.
    pub instant: Instant,
}

impl Moment {
    /// Now, by the trusted clock.
    pub fn of(clock: &Clock) -> Self {
        Self { time: clock.now(), instant: Instant::now() }
    }

    /// The time at an earlier moment of the monotonic clock.
    pub fn time_of(self, earlier: Instant) -> Timestamp {
        let ago = self.instant.saturating_duration_since(earlier);
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
        self.time.checked_sub(ago).unwrap_or(Timestamp::MIN)
    }

    /// When the monotonic clock will be at a time, or now if that is over. None: it never will.
    pub fn instant_of(self, time: Timestamp) -> Option<Instant> {
        let left = Duration::try_from(time.duration_since(self.time)).unwrap_or_default();
        self.instant.checked_add(left)
    }
}

/// How fresh an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInput {
    pub name: String,
    /// Until when everything that happened is known. None: it was never complete.
    pub heard: Option<Timestamp>,
    /// Why it has been silent for too long. None: it has not.
    pub trouble: Option<String>,
}

/// When each input was confirmed last, and which silence the engine knows of.
#[derive(Debug)]
pub struct Listening {
    freshness: Freshness,
    watched: BTreeSet<KindId>,
    /// The silent input because of which all verdicts are withdrawn; None if there is none.
    blind: Option<Input>,
}

impl Listening {
    /// Expects the common inputs from now on.
    pub fn new(now: Instant) -> Self {
        let mut freshness = Freshness::default();
        for input in COMMON {
            freshness.expect(input, now);
        }
        Self { freshness, watched: BTreeSet::new(), blind: None }
    }

    /// Expects a kind, whose watch was started.
    pub fn expect(&mut self, kind: KindId, now: Instant) {
        self.watched.insert(kind);
        self.freshness.expect(Input::Kind(kind), now);
    }

    /// Stops expecting a kind, whose watch was stopped.
    pub fn forget(&mut self, kind: KindId) {
        self.watched.remove(&kind);
        self.freshness.forget(Input::Kind(kind));
    }

    /// Expects the API server's metrics, or no longer.
    pub fn expect_api_server(&mut self, wanted: bool, now: Instant) {
        if wanted {
            self.freshness.expect(Input::ApiServer, now);
        } else {
            self.freshness.forget(Input::ApiServer);
        }
    }

    /// An input is known completely up to `at`. A kind that was stale is complete again.
    pub fn heard(&mut self, engine: &mut Engine, input: Input, at: Instant, now: Timestamp) {
        // Only a kind that had turned stale changes its availability, or every event would mark its
        // controls.
        if self.freshness.heard(input, at)
            && let Input::Kind(kind) = input
        {
            engine.set_availability(kind, Availability::Complete, now);
        }
    }

    /// A part of a kind's list arrived: not everything is known yet, but the kind is not silent.
    pub fn alive(&mut self, kind: KindId, at: Instant) {
        self.freshness.alive(Input::Kind(kind), at);
    }

    /// Reading an input fails with this error, which is part of the text if it stays silent.
    pub fn trouble(&mut self, input: Input, error: String) {
        self.freshness.trouble(input, error);
    }

    /// Tells the engine which inputs have been silent for too long.
    pub fn withdraw(&mut self, engine: &mut Engine, now: Moment) {
        for silent in self.freshness.fall_silent(now.instant) {
            if let Input::Kind(kind) = silent.input {
                let since = whole_seconds(now.time_of(silent.since)).0;
                let stale = Availability::Stale { since, error: silent.why };
                engine.set_availability(kind, stale, now.time);
            }
        }
        let silent = self.freshness.silent(COMMON.into_iter());
        // The text is part of the verdict. If it followed each new error, every control would get a new
        // verdict, and the log a new entry, with each retry.
        if self.blind == silent.as_ref().map(|silent| silent.input) {
            return;
        }
        self.blind = silent.as_ref().map(|silent| silent.input);
        engine.withhold_all(silent.map(|silent| {
            let since = whole_seconds(now.time_of(silent.since)).0;
            let what = name(engine, silent.input);
            format!("nothing was received of {what} since {since}: {}", silent.why)
        }));
    }

    /// The process did not run until now, and could hear nothing.
    pub fn deaf(&mut self, now: Instant) {
        self.freshness.deaf(now);
    }

    /// Whether some input is silent.
    pub fn is_silent(&self) -> bool {
        self.freshness.is_silent()
    }

    /// Whether all verdicts are withdrawn because of a silent common input.
    pub fn is_blind(&self) -> bool {
        self.blind.is_some()
    }

    /// Up to when the verdict of a control is known to hold: when its least recently confirmed input
    /// was confirmed. None if some input was never complete.
    pub fn as_of(&self, engine: &Engine, control: &str, now: Moment) -> Option<Timestamp> {
        self.heard_until(engine, control).map(|oldest| now.time_of(oldest))
    }

    /// The same on the monotonic clock.
    pub fn heard_until(&self, engine: &Engine, control: &str) -> Option<Instant> {
        // A kind without a watch is not served, which discovery confirms, so it is left out.
        let kinds = engine.kinds_of(control);
        let kinds = kinds.intersection(&self.watched).map(|kind| Input::Kind(*kind));
        let api_server = engine.reads_api_server(control).then_some(Input::ApiServer);
        let inputs = COMMON.into_iter().chain(kinds).chain(api_server);
        self.freshness.as_of(inputs)
    }

    /// The number of silent inputs other than kinds.
    pub fn silent_sources(&self) -> usize {
        self.freshness.silent_sources()
    }

    /// The silent inputs as a text for `/readyz`; empty if there are none.
    pub fn silence(&self, engine: &Engine) -> String {
        let kinds = self.watched.iter().map(|kind| Input::Kind(*kind));
        let inputs = COMMON.into_iter().chain([Input::ApiServer]).chain(kinds);
        let silent = inputs.filter(|input| self.freshness.silent([*input].into_iter()).is_some());
        let mut names: Vec<String> = silent.map(|input| name(engine, input)).collect();
        if names.is_empty() {
            return String::new();
        }
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("nothing was received for a minute of {}{more}", names.join(", "))
    }

    /// How fresh every input is that somebody watches, for people.
    pub fn inputs(&self, engine: &Engine, now: Moment) -> Vec<KnownInput> {
        let kinds = self.watched.iter().map(|kind| Input::Kind(*kind));
        let known = |input: Input| KnownInput {
            name: name(engine, input),
            heard: self.freshness.as_of(std::iter::once(input)).map(|at| now.time_of(at)),
            trouble: self.freshness.silent(std::iter::once(input)).map(|silent| silent.why),
        };
        COMMON.into_iter().chain(kinds).map(known).collect()
    }

    /// When the next input will have been silent for too long; None if none will.
    pub fn next(&self) -> Option<Instant> {
        self.freshness.next()
    }
}

fn name(engine: &Engine, input: Input) -> String {
    match input {
        Input::Discovery => "what the cluster serves".to_owned(),
        Input::Controls => "Controls".to_owned(),
        Input::Exceptions => "ControlExceptions".to_owned(),
        Input::ApiServer => "the API server's metrics".to_owned(),
        Input::Kind(kind) => engine
            .inventory()
            .kind_state(kind)
            .map_or_else(|| "a kind".to_owned(), |state| state.resource.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use serde_json::json;

    use super::*;
    use comptroller_core::{
        engine::{Reason, Remembered},
        inventory::{Catalog, ResourceType, ServedResource},
    };

    struct World {
        engine: Engine,
        listening: Listening,
        kind: KindId,
        start: Moment,
    }

    impl World {
        /// A control over Ingresses, of which there are none, and everything heard of at the start.
        fn new() -> Self {
            let resource = ResourceType {
                group: "networking.k8s.io".to_owned(),
                version: "v1".to_owned(),
                kind: "Ingress".to_owned(),
                plural: "ingresses".to_owned(),
                namespaced: true,
            };
            let row =
                ServedResource { resource: resource.clone(), versions: vec!["v1".to_owned()] };
            let spec = json!({
                "title": "t", "criteria": ["CC6.7"], "owner": "o", "severity": "High",
                "test": {"cel": {
                    "resources": [{"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "resources": ["ingresses"]}],
                    "validations": [{"expression": "true"}],
                }},
            });
            let start = Moment::of(&Clock::default());
            let mut engine = Engine::default();
            engine.set_catalog(Catalog::new(vec![row]), start.time);
            let spec = Arc::new(serde_json::from_value(spec).unwrap());
            engine.upsert_control("tls", 1, spec, Remembered::default());
            let kind = engine.kind(&resource);
            let mut listening = Listening::new(start.instant);
            listening.expect(kind, start.instant);
            let programs = engine.watch_set().kinds[&resource].iter().map(|(id, _)| *id).collect();
            engine.begin(kind);
            engine.commit(kind, programs, start.time);
            let mut world = Self { engine, listening, kind, start };
            for input in COMMON.into_iter().chain([Input::Kind(kind)]) {
                world.hear(input, 0);
            }
            world
        }

        fn at(&self, seconds: i64) -> Moment {
            let later = Duration::from_secs(seconds.unsigned_abs());
            Moment {
                time: self.start.time + SignedDuration::from_secs(seconds),
                instant: self.start.instant + later,
            }
        }

        fn hear(&mut self, input: Input, seconds: i64) {
            let Moment { time, instant } = self.at(seconds);
            self.listening.heard(&mut self.engine, input, instant, time);
        }

        fn reason(&mut self, seconds: i64) -> Reason {
            let now = self.at(seconds);
            self.listening.withdraw(&mut self.engine, now);
            self.engine.evaluate(now.time);
            self.engine.verdict("tls").unwrap().reason
        }
    }

    #[test]
    fn a_silent_kind_is_stale_until_it_is_confirmed() {
        let mut world = World::new();
        assert_eq!(world.reason(59), Reason::NoPopulation);
        for input in COMMON {
            world.hear(input, 50);
        }
        assert_eq!(world.reason(60), Reason::WatchStale);
        let as_of = world.listening.as_of(&world.engine, "tls", world.at(80));
        assert_eq!(as_of, Some(world.start.time), "it stands still");
        let silence = world.listening.silence(&world.engine);
        assert!(silence.contains("ingresses"), "{silence}");
        world.hear(Input::Kind(world.kind), 90);
        assert_eq!(world.reason(91), Reason::NoPopulation);
        assert_eq!(world.listening.silence(&world.engine), "");
    }

    #[test]
    fn an_edit_that_nobody_could_see_withdraws_every_verdict() {
        for silent in COMMON {
            let mut world = World::new();
            for input in COMMON.into_iter().chain([Input::Kind(world.kind)]) {
                if input != silent {
                    world.hear(input, 55);
                }
            }
            assert_eq!(world.reason(61), Reason::WatchStale, "{silent:?}");
            let message = world.engine.verdict("tls").unwrap().message.clone();
            world.listening.trouble(silent, "503".to_owned());
            assert_eq!(world.reason(70), Reason::WatchStale);
            assert_eq!(world.engine.verdict("tls").unwrap().message, message, "said once");
            world.hear(silent, 80);
            assert_eq!(world.reason(81), Reason::NoPopulation);
        }
    }
}
