//! When each input of the verdicts was heard of last, and which have been silent for too long.
//!
//! Silence is not health: a connection that is half open and an API server that is stopped say
//! nothing, and so does a cluster in which nothing happens. The watches see to it that a healthy
//! input is heard of at least every 45 s, so one that is silent for longer is not known any more.
//! Pure: instants in, decisions out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use comptroller_core::inventory::KindId;

/// For how long an input may be silent before verdicts on it are withdrawn.
pub const SILENCE: Duration = Duration::from_mins(1);

/// What verdicts are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// What the cluster serves.
    Discovery,
    /// The specs of Controls.
    Controls,
    /// The `ControlExceptions`: one that is not seen would let a control fail.
    Exceptions,
    /// The API server's metrics.
    ApiServer,
    /// The objects of a kind.
    Kind(KindId),
}

/// How an input stands.
#[derive(Clone, Debug)]
struct InputState {
    /// Everything that happened until then is known; before the first list, when it was asked for.
    heard: Instant,
    /// It answers, though what it says is not complete yet.
    alive: Instant,
    /// Whether it was ever complete.
    complete: bool,
    silent: bool,
    error: Option<String>,
}

/// An input that has just fallen silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The input of which nothing was heard.
    pub input: Input,
    /// When it was heard of last.
    pub since: Instant,
    /// The last error, or that there was none.
    pub why: String,
}

/// When every input was heard of last.
#[derive(Debug, Default)]
pub struct Freshness {
    inputs: HashMap<Input, InputState>,
    /// Until when the process did not run and could hear nothing: silence counts from then on.
    deaf_until: Option<Instant>,
}

impl Freshness {
    /// An input is asked for. One that is known stays as it is: a new watch knows no more than the
    /// one that it replaces.
    pub fn expect(&mut self, input: Input, now: Instant) {
        let asked =
            InputState { heard: now, alive: now, complete: false, silent: false, error: None };
        self.inputs.entry(input).or_insert(asked);
    }

    /// Nobody asks for it any more.
    pub fn forget(&mut self, input: Input) {
        self.inputs.remove(&input);
    }

    /// An input said at this time how all of it is. True when it had been silent.
    pub fn heard(&mut self, input: Input, at: Instant) -> bool {
        let Some(known) = self.inputs.get_mut(&input) else { return false };
        known.heard = known.heard.max(at);
        known.alive = known.alive.max(at);
        known.complete = true;
        known.error = None;
        std::mem::replace(&mut known.silent, false)
    }

    /// A part of a list came. A long first list is no silence; a later one leaves what is known as
    /// old as it was.
    pub fn alive(&mut self, input: Input, at: Instant) {
        if let Some(known) = self.inputs.get_mut(&input) {
            known.alive = known.alive.max(at);
        }
    }

    /// An input can't be read; why is told once it is silent for too long.
    pub fn trouble(&mut self, input: Input, error: String) {
        if let Some(known) = self.inputs.get_mut(&input) {
            known.error = Some(error);
        }
    }

    /// The process did not run until now. What is known is as old as it was.
    pub fn deaf(&mut self, now: Instant) {
        self.deaf_until = Some(now);
    }

    /// Whether some input is silent.
    pub fn is_silent(&self) -> bool {
        self.inputs.values().any(|known| known.silent)
    }

    /// What fell silent since it was asked last, in order.
    pub fn fall_silent(&mut self, now: Instant) -> Vec<Silent> {
        let deaf_until = self.deaf_until;
        let late = self.inputs.iter_mut().filter(|(_, known)| {
            !known.silent
                && now.saturating_duration_since(known.listens_since(deaf_until)) >= SILENCE
        });
        let mut silent: Vec<Silent> = late
            .map(|(input, known)| {
                known.silent = true;
                Silent { input: *input, since: known.heard, why: known.why() }
            })
            .collect();
        silent.sort_by_key(|silent| silent.input);
        silent
    }

    /// The first silent input of these, with since when and why.
    pub fn silent(&self, mut inputs: impl Iterator<Item = Input>) -> Option<Silent> {
        inputs.find_map(|input| {
            let known = self.inputs.get(&input).filter(|known| known.silent)?;
            Some(Silent { input, since: known.heard, why: known.why() })
        })
    }

    /// How many inputs other than kinds are silent.
    pub fn silent_sources(&self) -> usize {
        let is_source = |input: &Input| !matches!(input, Input::Kind(_));
        self.inputs.iter().filter(|(input, known)| known.silent && is_source(input)).count()
    }

    /// Until when everything that happened to these inputs is known. None: for one of them nothing
    /// is, or there are none.
    pub fn as_of(&self, mut inputs: impl Iterator<Item = Input>) -> Option<Instant> {
        inputs
            .try_fold(None::<Instant>, |oldest, input| {
                let known = self.inputs.get(&input).filter(|known| known.complete)?;
                Some(Some(oldest.map_or(known.heard, |oldest| oldest.min(known.heard))))
            })
            .flatten()
    }

    /// When the next input will have been silent for too long.
    pub fn next(&self) -> Option<Instant> {
        let audible = self.inputs.values().filter(|known| !known.silent);
        audible.map(|known| known.listens_since(self.deaf_until) + SILENCE).min()
    }
}

impl InputState {
    /// Since when its silence counts.
    fn listens_since(&self, deaf_until: Option<Instant>) -> Instant {
        let last_word = if self.complete { self.heard } else { self.alive };
        deaf_until.map_or(last_word, |until| until.max(last_word))
    }

    fn why(&self) -> String {
        self.error.clone().unwrap_or_else(|| "nothing comes, not even an error".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_core::inventory::{Inventory, ResourceType};

    fn kind() -> Input {
        let resource = ResourceType {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            plural: "pods".to_owned(),
            namespaced: true,
        };
        Input::Kind(Inventory::default().kind(&resource))
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn names(silent: &[Silent]) -> Vec<Input> {
        silent.iter().map(|silent| silent.input).collect()
    }

    #[test]
    fn an_input_is_silent_a_minute_after_its_last_word() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        freshness.expect(Input::Controls, start);
        freshness.expect(kind(), start);
        freshness.heard(Input::Controls, at(start, 1));
        freshness.heard(kind(), at(start, 30));
        assert_eq!(freshness.next(), Some(at(start, 61)));
        assert_eq!(names(&freshness.fall_silent(at(start, 60))), []);
        assert_eq!(names(&freshness.fall_silent(at(start, 61))), [Input::Controls]);
        assert_eq!(names(&freshness.fall_silent(at(start, 62))), [], "said once");
        assert_eq!(freshness.silent_sources(), 1);
        assert_eq!(names(&freshness.fall_silent(at(start, 90))), [kind()]);
        assert_eq!(freshness.next(), None);
        assert!(freshness.heard(kind(), at(start, 95)));
        assert!(!freshness.heard(kind(), at(start, 96)));
        assert_eq!(freshness.next(), Some(at(start, 156)));
    }

    #[test]
    fn who_could_not_hear_takes_no_silence_for_one_and_knows_no_more_than_before() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        freshness.expect(kind(), start);
        freshness.heard(kind(), at(start, 1));
        freshness.deaf(at(start, 100));
        assert_eq!(names(&freshness.fall_silent(at(start, 159))), []);
        assert_eq!(freshness.as_of([kind()].into_iter()), Some(at(start, 1)));
        assert_eq!(freshness.next(), Some(at(start, 160)));
        assert_eq!(names(&freshness.fall_silent(at(start, 160))), [kind()]);
    }

    #[test]
    fn a_first_list_that_goes_on_is_no_silence_and_a_later_one_is() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        freshness.expect(kind(), start);
        freshness.alive(kind(), at(start, 50));
        assert_eq!(names(&freshness.fall_silent(at(start, 100))), []);
        assert_eq!(freshness.as_of([kind()].into_iter()), None, "a part is not all");
        freshness.heard(kind(), at(start, 105));
        freshness.alive(kind(), at(start, 160));
        assert_eq!(names(&freshness.fall_silent(at(start, 165))), [kind()]);
    }

    #[test]
    fn what_is_known_is_as_old_as_its_oldest_input() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        for (input, seconds) in [(Input::Controls, 9), (Input::Discovery, 4), (kind(), 7)] {
            freshness.expect(input, start);
            freshness.heard(input, at(start, seconds));
        }
        let as_of = |inputs: &[Input]| freshness.as_of(inputs.iter().copied());
        assert_eq!(as_of(&[Input::Controls, kind()]), Some(at(start, 7)));
        assert_eq!(as_of(&[Input::Controls, kind(), Input::Discovery]), Some(at(start, 4)));
        assert_eq!(as_of(&[Input::Controls, Input::ApiServer]), None);
        assert_eq!(as_of(&[]), None);
    }

    #[test]
    fn words_that_come_late_do_not_set_back_what_is_known() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        freshness.expect(kind(), start);
        freshness.heard(kind(), at(start, 10));
        freshness.heard(kind(), at(start, 5));
        freshness.expect(kind(), at(start, 20));
        assert_eq!(freshness.as_of([kind()].into_iter()), Some(at(start, 10)));
    }

    #[test]
    fn the_last_error_says_why_until_there_is_a_word() {
        let start = Instant::now();
        let mut freshness = Freshness::default();
        freshness.expect(kind(), start);
        freshness.trouble(kind(), "503".to_owned());
        assert_eq!(freshness.fall_silent(at(start, 60))[0].why, "503");
        freshness.heard(kind(), at(start, 61));
        let again = freshness.fall_silent(at(start, 130));
        assert_eq!(again[0].why, "nothing comes, not even an error");
        assert_eq!(again[0].since, at(start, 61));
    }
}
