//! The task behind the stream: sends heartbeats, looks which of them come back, and records.

use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, MissedTickBehavior};

use super::{AuditStream, State};
use comptroller_evidence::{
    data::{GapCause, GapData},
    privacy::Pseudonymizer,
};
use comptroller_recorder::Writing;
use comptroller_usage::{Heartbeats, Hole, entries, pseudonymized};
use comptroller_vocabulary::whole_seconds;

/// The longest time between two heartbeats. A gap of the stream is told as exactly as this.
const LONGEST: Duration = Duration::from_secs(15);

/// The shortest.
const SHORTEST: Duration = Duration::from_secs(1);

impl AuditStream {
    /// Hears the stream while this process leads. Never ends by itself.
    pub async fn run(self, client: Client) {
        let late = self.0.config.late.unsigned_abs();
        let mut tick = tokio::time::interval((late / 4).clamp(SHORTEST, LONGEST));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writing = self.0.evidence.subscribe();
        let every = self.0.config.record_every.unsigned_abs();
        let mut number = 0;
        let mut recorded = Instant::now();
        let mut is_silent = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = writing.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
            let was_heard = self.state().heartbeats.is_some();
            if !self.follow_leadership() {
                is_silent = false;
                continue;
            }
            if !was_heard {
                recorded = Instant::now();
            }
            number += 1;
            self.beat(client.clone(), number);
            is_silent = self.check(is_silent);
            // After a failure it is tried again with the next heartbeat.
            if recorded.elapsed() >= every && self.record().await {
                recorded = Instant::now();
            }
        }
    }

    /// Records what was heard, before the log is closed.
    pub async fn finish(&self) {
        self.check(true);
        if self.state().heartbeats.is_some() {
            self.record().await;
        }
    }

    /// Begins to hear the stream when this process has opened the log, and forgets what it heard when
    /// another leads: that one is sent what comes from then on, and knows what is recorded.
    fn follow_leadership(&self) -> bool {
        let mut state = self.state();
        match self.0.evidence.writing() {
            Writing::Open(_) if state.heartbeats.is_none() => {
                let heard_until = self.0.evidence.read(|log| Some(log.usage()?.heard_until));
                let late = self.0.config.late;
                state.heartbeats = Some(Heartbeats::new(late, heard_until.flatten()));
            }
            Writing::Open(_) | Writing::Failing { .. } => {}
            Writing::Opening => return state.heartbeats.is_some(),
            Writing::Standby => {
                let State { reducer, heartbeats } = &mut *state;
                if heartbeats.take().is_some() {
                    reducer.forget();
                    self.0.metrics.ended();
                }
            }
        }
        state.heartbeats.is_some()
    }

    /// Makes a request whose event must come back.
    fn beat(&self, client: Client, number: u64) {
        // In whole seconds, as the log has all times: what was heard then ends where a gap begins.
        let at = whole_seconds(self.0.evidence.clock().now());
        if let Some(heartbeats) = &mut self.state().heartbeats {
            // Before it is made: its event may arrive before its answer.
            heartbeats.sent(number, at);
        }
        let stream = self.clone();
        tokio::spawn(async move {
            if !stream.0.mark.send(client, number).await
                && let Some(heartbeats) = &mut stream.state().heartbeats
            {
                heartbeats.withdraw(number);
            }
        });
    }

    /// Looks which heartbeats came back, and says so. Returns whether the stream is silent.
    fn check(&self, was_silent: bool) -> bool {
        let now = self.0.evidence.clock().now();
        let mut state = self.state();
        let Some(heartbeats) = &mut state.heartbeats else { return false };
        let before = heartbeats.holes().len();
        heartbeats.check(now);
        let is_silent = heartbeats.is_silent(now);
        let since = heartbeats.missing_since();
        for Hole { from, to } in heartbeats.holes().iter().skip(before) {
            self.0.metrics.missed();
            tracing::warn!(
                %from, %to,
                "audit events may have been missed between these times: the log says so with a gap of the stream"
            );
        }
        if let Some(since) = since.filter(|_| is_silent && !was_silent) {
            tracing::warn!(
                %since,
                "the operator's own requests do not come back in the audit stream: check the audit webhook of the API server and its audit policy"
            );
        }
        self.0.metrics.heard(is_silent, heartbeats.heard_until());
        is_silent
    }

    /// Records what was heard, with its gaps, and says whether that is durable. Nothing is written
    /// before the first heartbeat came back.
    async fn record(&self) -> bool {
        let Some(pseudonyms) = self.0.evidence.pseudonyms() else { return false };
        let (covered, holes, facts, counts) = {
            let mut state = self.state();
            let State { reducer, heartbeats } = &mut *state;
            let Some(heartbeats) = heartbeats else { return false };
            let Some(covered) = heartbeats.covered() else { return false };
            let (facts, counts) = reducer.take_out();
            (covered, heartbeats.holes().to_vec(), facts, counts)
        };
        let written = {
            let pseudonym = |person: &str| pseudonyms.pseudonym(person);
            let people = Pseudonymizer::new(&pseudonym);
            let hidden = pseudonymized(facts.clone(), &|user| people.user(user));
            entries(covered, hidden, counts)
        };
        let result = match written {
            Ok(usage) => {
                let gaps = holes.iter().map(|hole| gap(*hole)).collect();
                self.0.evidence.record_usage(usage, gaps).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let mut state = self.state();
        let State { reducer, heartbeats } = &mut *state;
        match result {
            Ok(()) => {
                reducer.recorded(&facts);
                if let Some(heartbeats) = heartbeats {
                    heartbeats.recorded(covered.1, holes.len());
                }
                self.0.metrics.recorded(counts);
                true
            }
            Err(error) => {
                tracing::debug!(error, "what the audit stream came to is not recorded yet");
                // Who no longer leads has forgotten it.
                if heartbeats.is_some() {
                    reducer.put_back(facts, counts);
                }
                false
            }
        }
    }
}

fn gap(Hole { from, to }: Hole) -> GapData {
    let reason = "audit events may have been missed: the operator did not run, did not lead, or was not sent all of the stream";
    GapData::between(from, to, GapCause::AuditStreamInterrupted, reason.to_owned())
}
