//! One period of a watch.

use std::{
    borrow::Cow,
    pin::pin,
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use kube::api::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::sleep_until;

use super::{
    Closed, Heed, ListWatch, Sink, Word, chance,
    lines::{Lines, MAX_LINE},
    step::{Asked, Ended},
    versions::{Floor, Read},
    wire::{Problem, Status, ask, within},
};

/// A question beside a quiet watch: the version of a consistent list.
type Question = Fuse<BoxFuture<'static, Result<String, Problem>>>;

/// How a watch stands.
struct Period {
    opened: Instant,
    /// When the server ends it.
    end: Instant,
    heard: bool,
    question: Question,
    /// What was known when the question was asked.
    floor: Floor,
    /// When to ask; None once the answer was that something happened, of which the watch will say.
    ask_at: Option<Instant>,
}

/// What an event or an answer led to.
enum Taken {
    Heard,
    Nothing,
    Ended(Ended),
}

/// An event of a watch.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    metadata: VersionMeta<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionMeta<'a> {
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
}

impl<S: Sink> ListWatch<S> {
    /// Watches for one period. Err when nobody listens any more.
    pub(super) async fn watch(&mut self, version: &str) -> Result<Ended, Closed> {
        let limits = self.shared.deadlines;
        self.shared.pace().await;
        let since = Instant::now();
        let period = self.course.period(limits.period + limits.spread.mul_f64(chance()), since);
        let params = WatchParams::default().timeout(whole_seconds(period));
        match self.open(&params, version).await {
            Ok(answer) => {
                self.answers();
                self.attend(Lines::new(answer, MAX_LINE), period).await
            }
            Err(problem) => Ok(self.failed(Asked::Watch, problem, since)),
        }
    }

    async fn attend(&mut self, mut lines: Lines, period: Duration) -> Result<Ended, Closed> {
        let opened = Instant::now();
        let end = opened + period;
        let mut overdue = pin!(sleep_until((end + self.shared.deadlines.overdue).into()));
        let mut stands = Period {
            opened,
            end,
            heard: false,
            question: Fuse::terminated(),
            floor: self.versions.floor(),
            ask_at: Some(self.course.quiet_at(opened)),
        };
        loop {
            let quiet = quiet(stands.ask_at);
            let taken = tokio::select! {
                // A rewind goes before all else, and the end before what comes without end.
                biased;
                told = self.rewinds.changed() => {
                    told.map_err(|_| Closed)?;
                    self.versions.forget();
                    return Ok(Ended::Rewound);
                }
                () = &mut overdue => return Ok(Ended::Overdue),
                answer = &mut stands.question => self.answered(answer, &mut stands).await?,
                line = lines.next() => match line {
                    Ok(Some(line)) => self.take(&line).await?,
                    end => return Ok(self.ended(&stands, end.err())),
                },
                () = quiet => {
                    self.course.asks();
                    stands.floor = self.versions.floor();
                    stands.question = self.ask_beside().fuse();
                    stands.ask_at = None;
                    Taken::Nothing
                }
            };
            match taken {
                Taken::Heard => {
                    stands.heard = true;
                    self.course.heard(Instant::now());
                    stands.ask_at = Some(self.course.quiet_at(opened));
                }
                Taken::Nothing => {}
                Taken::Ended(ended) => return Ok(ended),
            }
        }
    }

    fn ended(&mut self, stands: &Period, cut: Option<Problem>) -> Ended {
        if let Some(garbled @ Problem::Garbled(_)) = cut {
            return self.failed(Asked::Watch, garbled, stands.opened);
        }
        let now = Instant::now();
        Ended::Watched {
            lived: now - stands.opened,
            // Its server's clock is not ours.
            whole: now + self.shared.deadlines.overdue >= stands.end,
            heard: stands.heard,
            cut: cut.map(|problem| problem.to_string()),
        }
    }

    /// A consistent list of one object, for its version.
    fn ask_beside(&self) -> BoxFuture<'static, Result<String, Problem>> {
        let request = self.what.request().list_metadata(&ListParams::default().limit(1));
        let shared = self.shared.clone();
        async move {
            shared.pace().await;
            let request = request.map_err(Problem::garbled)?;
            within(shared.deadlines.head, async {
                let mut answer = ask(&shared.client, request, shared.deadlines.head).await?;
                let mut text = Vec::new();
                while let Some(piece) = answer.next().await? {
                    text.extend_from_slice(&piece);
                    if text.len() > MAX_LINE {
                        return Err(Problem::garbled("one object is too large"));
                    }
                }
                let list: Versioned<'_> = serde_json::from_slice(&text)?;
                Ok(list.metadata.resource_version.into_owned())
            })
            .await?
        }
        .boxed()
    }

    /// Takes in the answer to a question.
    async fn answered(
        &mut self,
        answer: Result<String, Problem>,
        stands: &mut Period,
    ) -> Result<Taken, Closed> {
        let problem = match answer {
            Ok(version) => {
                return Ok(match self.versions.read(&version, stands.floor) {
                    Read::Same => {
                        self.sink.hear(Word::Heard).await?;
                        Taken::Heard
                    }
                    Read::Ahead => Taken::Nothing,
                    Read::Back => {
                        self.shared.rewinds.note_after(self.seen);
                        Taken::Ended(Ended::Rewound)
                    }
                });
            }
            Err(problem) => problem,
        };
        let now = Instant::now();
        self.shared.metrics.watch_failed(&self.what.name);
        self.shared.health().fails(now);
        tracing::debug!(what = self.what.name, error = %problem, "a quiet watch can't be asked for");
        self.sink.hear(Word::Trouble(problem.to_string())).await?;
        stands.ask_at = Some(now + self.shared.deadlines.ask_again);
        Ok(Taken::Nothing)
    }

    /// Takes in one event.
    async fn take(&mut self, line: &[u8]) -> Result<Taken, Closed> {
        let event: Line<'_> = match serde_json::from_slice(line) {
            Ok(event) => event,
            // An error may come bare.
            Err(error) => {
                let status = serde_json::from_slice::<Status>(line).ok();
                let problem = status
                    .filter(|status| status.kind == "Status")
                    .map_or_else(|| error.into(), |status| status.problem(None, None));
                return Ok(self.fails(problem));
            }
        };
        let text = event.object.get();
        if event.kind == "ERROR" {
            let status = serde_json::from_str::<Status>(text);
            let problem = status.map_or_else(Into::into, |status| status.problem(None, None));
            return Ok(self.fails(problem));
        }
        let version = match serde_json::from_str::<Versioned<'_>>(text) {
            Ok(object) => object.metadata.resource_version,
            Err(error) => return Ok(self.fails(error.into())),
        };
        if !self.versions.advance(&version) {
            return Ok(Taken::Ended(Ended::Backwards));
        }
        let word = match &*event.kind {
            "ADDED" | "MODIFIED" => Word::Put(text.as_bytes()),
            "DELETED" => Word::Gone(text.as_bytes()),
            "BOOKMARK" => Word::Heard,
            other => {
                let other: String = other.chars().take(16).collect();
                let problem = Problem::garbled(format!("an event of the type {other}"));
                return Ok(self.fails(problem));
            }
        };
        match self.sink.hear(word).await? {
            Heed::GoOn => Ok(Taken::Heard),
            Heed::ListAnew => Ok(Taken::Ended(Ended::Unsure)),
        }
    }

    fn fails(&mut self, problem: Problem) -> Taken {
        Taken::Ended(self.failed(Asked::Watch, problem, Instant::now()))
    }
}

async fn quiet(ask_at: Option<Instant>) {
    match ask_at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1)
}
