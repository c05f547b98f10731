//! List and watch of one resource, heard of often enough to know that nothing is missing.
//!
//! A watch that says nothing proves nothing: its connection may be dead, its server frozen, its
//! version in the future. So each has a short period with an end, within which the server says a
//! bookmark; one that stays quiet is asked beside it, by a consistent list of one object, whether
//! anything happened; and one that ends without a word is followed by a list.

mod deadlines;
mod items;
pub(super) mod lines;
mod list;
mod pace;
mod shared;
mod step;
mod versions;
pub(super) mod wire;

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    pin::pin,
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, Request, header::ACCEPT};
use futures::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use kube::api::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{sync::watch, time::sleep_until};

use self::{
    lines::Lines,
    step::{Asked, Course, Ended, Next, Say, Step},
    versions::{Read, Versions},
    wire::{Answer, Problem, Status, ask, within},
};
pub use self::{shared::Shared, wire::Problem as WatchProblem};

/// What a list-watch says. Objects are their JSON.
#[derive(Debug)]
pub enum Word<'a> {
    /// A list begins.
    Begin,
    /// It holds this object.
    Item(&'a [u8]),
    /// It holds an object that is too large; how it begins.
    TooLarge(&'a [u8]),
    /// It is complete. Everything until now is known.
    Commit,
    /// An object came or changed. Everything until now is known.
    Put(&'a [u8]),
    /// An object went. Everything until now is known.
    Gone(&'a [u8]),
    /// Everything until now is known.
    Heard,
    /// The list or watch fails with this error, one line, and is tried again.
    Trouble(String),
    /// It is refused, with this error.
    Forbidden(String),
    /// The resource is not served.
    NotServed,
}

/// Nobody listens any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Who is told.
pub trait Sink: Send {
    /// Takes a word in. Whether everything must be listed anew, as when an object that was too
    /// large is so no longer.
    fn hear(&mut self, word: Word<'_>) -> impl Future<Output = Result<Heed, Closed>> + Send;

    /// What to do when it is refused, or not understood.
    fn remedy(&self, problem: &Problem) -> &'static str;
}

/// What a sink asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heed {
    /// Nothing.
    #[default]
    GoOn,
    /// A list.
    ListAnew,
}

/// Which resource.
#[derive(Clone, Debug)]
pub struct What {
    /// Its path, such as `/apis/apps/v1/deployments`.
    pub path: String,
    /// How people name it.
    pub name: String,
    /// Whether its list waits for others: it may be large.
    pub waits: bool,
    /// Whether only the metadata of its objects is wanted.
    pub metadata_only: bool,
}

impl What {
    fn request(&self) -> kube::core::Request {
        kube::core::Request::new(self.path.as_str())
    }

    fn accept(&self, mut request: Request<Vec<u8>>, list: &'static str) -> Request<Vec<u8>> {
        if self.metadata_only {
            let accept =
                format!("application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1");
            if let Ok(accept) = HeaderValue::try_from(accept) {
                request.headers_mut().insert(ACCEPT, accept);
            }
        }
        request
    }
}

/// A running list-watch.
struct ListWatch<S> {
    shared: Shared,
    what: What,
    sink: S,
    course: Course,
    versions: Versions,
    rewinds: watch::Receiver<u64>,
    /// How many rewinds the last list knew of.
    seen: u64,
    /// How many objects a page may have.
    limit: u32,
    /// The API server failed last time.
    unwell: bool,
    /// It failed since this was last listed.
    troubled: bool,
}

/// A question beside a quiet watch: the version of a consistent list.
type Question = Fuse<BoxFuture<'static, Result<String, Problem>>>;

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

/// Lists and watches until nobody listens.
pub async fn follow<S: Sink>(shared: Shared, what: What, sink: S) {
    let watch = ListWatch {
        course: Course::new(shared.deadlines),
        rewinds: shared.rewinds.subscribe(),
        seen: 0,
        shared,
        what,
        sink,
        versions: Versions::default(),
        limit: list::PAGE,
        unwell: false,
        troubled: false,
    };
    let Closed = watch.run().await;
}

impl<S: Sink> ListWatch<S> {
    async fn run(mut self) -> Closed {
        let mut next = Next::List;
        loop {
            let ended = match (next, self.versions.position().map(str::to_owned)) {
                (Next::Watch, Some(version)) => self.watch(&version).await,
                (Next::Probe, _) => Ok(self.probe().await),
                (Next::List | Next::Watch, _) => self.list().await,
            };
            match ended {
                Ok(ended) => match self.after(ended).await {
                    Ok(following) => next = following,
                    Err(closed) => return closed,
                },
                Err(closed) => return closed,
            }
        }
    }

    /// Says what an end means, and waits as long as it takes.
    async fn after(&mut self, ended: Ended) -> Result<Next, Closed> {
        let now = Instant::now();
        if ended == Ended::Listed && std::mem::take(&mut self.troubled) {
            self.shared.metrics.outages().worked(&self.what.name);
        }
        let honoured = matches!(
            &ended,
            Ended::Failed { problem: Problem::Status { retry_after: Some(_), .. }, .. }
        );
        let outage = self.shared.deadlines.after_outage;
        let outage = self.shared.health().failed_within(outage, now);
        let Step { next, pause, say } = self.course.after(ended, now, outage, chance());
        if next == Next::List {
            self.versions.list_anew();
        }
        if let Some(say) = say {
            self.say(say).await?;
        }
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.health().healed(), if self.unwell && !honoured => {}
            }
        }
        Ok(next)
    }

    async fn say(&mut self, say: Say) -> Result<(), Closed> {
        self.shared.metrics.watch_failed(&self.what.name);
        let (problem, loud, word) = match say {
            Say::Trouble { problem, loud } => {
                let word = Word::Trouble(problem.to_string());
                (problem, loud, word)
            }
            Say::Forbidden(problem) => {
                let word = Word::Forbidden(problem.to_string());
                (problem, true, word)
            }
            Say::NotServed(problem) => (problem, true, Word::NotServed),
        };
        if loud {
            self.troubled = true;
            let remedy = self.sink.remedy(&problem);
            let outages = self.shared.metrics.outages();
            outages.failed(&self.what.name, problem.failure(), &problem, remedy);
        } else {
            tracing::debug!(what = self.what.name, error = %problem, "a list or watch is begun anew");
        }
        self.sink.hear(word).await?;
        Ok(())
    }

    /// A request failed; what it says of the API server as a whole.
    fn failed(&mut self, asked: Asked, problem: Problem, since: Instant) -> Ended {
        let now = Instant::now();
        self.unwell = match &problem {
            Problem::NoAnswer(_) => true,
            Problem::Status { code, .. } => *code == 429 || *code >= 500,
            Problem::Garbled(_) => false,
        };
        if self.unwell {
            self.shared.health().fails(now);
        }
        Ended::Failed { asked, problem, took: now - since }
    }

    /// The API server answered well.
    fn answers(&mut self) {
        if std::mem::take(&mut self.unwell) {
            self.shared.health().heals();
        }
    }

    async fn open(&self, params: &WatchParams, version: &str) -> Result<Answer, Problem> {
        let request = self.what.request().watch(params, version).map_err(Problem::garbled)?;
        let request = self.what.accept(request, "");
        ask(&self.shared.client, request, self.shared.deadlines.head).await
    }

    /// Asks whether a watch is granted. What it would say does not matter.
    async fn probe(&mut self) -> Ended {
        self.shared.pace().await;
        let since = Instant::now();
        match self.open(&WatchParams::default().timeout(1), "0").await {
            Ok(_) => Ended::Granted,
            Err(problem) => self.failed(Asked::Watch, problem, since),
        }
    }

    /// Watches for one period.
    async fn watch(&mut self, version: &str) -> Result<Ended, Closed> {
        let limits = self.shared.deadlines;
        let period = limits.period + limits.spread.mul_f64(chance());
        self.shared.pace().await;
        let since = Instant::now();
        let params = WatchParams::default().timeout(whole_seconds(period));
        let answer = match self.open(&params, version).await {
            Ok(answer) => answer,
            Err(problem) => return Ok(self.failed(Asked::Watch, problem, since)),
        };
        self.answers();
        let opened = Instant::now();
        let mut lines = Lines::new(answer, lines::MAX_LINE);
        let mut end = pin!(sleep_until((opened + period + limits.overdue).into()));
        let mut heard = false;
        let mut question: Question = Fuse::terminated();
        let mut floor = self.versions.floor();
        // When to ask next; None once the answer was that something happened.
        let mut ask_at = Some(self.course.quiet_at(opened));
        loop {
            let quiet = async {
                match ask_at {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // A rewind goes before all else, and the end before what comes without end.
                biased;
                told = self.rewinds.changed() => {
                    if told.is_err() {
                        return Err(Closed);
                    }
                    self.versions.forget();
                    return Ok(Ended::Rewound);
                }
                () = &mut end => return Ok(Ended::Overdue),
                answer = &mut question => match answer {
                    Ok(version) => match self.versions.read(&version, floor) {
                        Read::Same => {
                            heard = true;
                            self.course.heard(Instant::now());
                            self.sink.hear(Word::Heard).await?;
                            ask_at = Some(self.course.quiet_at(opened));
                        }
                        Read::Ahead => ask_at = None,
                        Read::Back => {
                            self.shared.rewinds.note_after(self.seen);
                            return Ok(Ended::Rewound);
                        }
                    },
                    Err(problem) => {
                        self.shared.metrics.watch_failed(&self.what.name);
                        self.shared.health().fails(Instant::now());
                        tracing::debug!(what = self.what.name, error = %problem, "a quiet watch can't be asked for");
                        self.sink.hear(Word::Trouble(problem.to_string())).await?;
                        ask_at = Some(Instant::now() + limits.ask_again);
                    }
                },
                line = lines.next() => match line {
                    Ok(Some(line)) => {
                        match self.take(&line).await? {
                            Taken::Heard => heard = true,
                            Taken::Ended(ended) => return Ok(ended),
                        }
                        self.course.heard(Instant::now());
                        ask_at = Some(self.course.quiet_at(opened));
                    }
                    end => {
                        let cut = end.err();
                        if let Some(garbled @ Problem::Garbled(_)) = cut {
                            return Ok(self.failed(Asked::Watch, garbled, opened));
                        }
                        let cut = cut.map(|problem| problem.to_string());
                        return Ok(Ended::Watched { lived: opened.elapsed(), heard, cut });
                    }
                },
                () = quiet => {
                    floor = self.versions.floor();
                    question = self.ask_beside().fuse();
                    ask_at = None;
                }
            }
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
                    if text.len() > lines::MAX_LINE {
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

    /// Takes in one event.
    async fn take(&mut self, line: &[u8]) -> Result<Taken, Closed> {
        let now = Instant::now();
        let event: Line<'_> = match serde_json::from_slice(line) {
            Ok(event) => event,
            // An error may come bare.
            Err(error) => {
                let status = serde_json::from_slice::<Status>(line).ok();
                let problem = status
                    .filter(|status| status.kind == "Status")
                    .map_or_else(|| error.into(), |status| status.problem(None, None));
                return Ok(Taken::Ended(self.failed(Asked::Watch, problem, now)));
            }
        };
        let text = event.object.get();
        if event.kind == "ERROR" {
            let problem = match serde_json::from_str::<Status>(text) {
                Ok(status) => status.problem(None, None),
                Err(error) => error.into(),
            };
            return Ok(Taken::Ended(self.failed(Asked::Watch, problem, now)));
        }
        let version = match serde_json::from_str::<Versioned<'_>>(text) {
            Ok(object) => object.metadata.resource_version,
            Err(error) => {
                return Ok(Taken::Ended(self.failed(Asked::Watch, error.into(), now)));
            }
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
                return Ok(Taken::Ended(self.failed(Asked::Watch, problem, now)));
            }
        };
        match self.sink.hear(word).await? {
            Heed::GoOn => Ok(Taken::Heard),
            Heed::ListAnew => Ok(Taken::Ended(Ended::Unsure)),
        }
    }
}

/// What an event led to.
enum Taken {
    Heard,
    Ended(Ended),
}

/// At random, from 0 to 1.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    let bits = u32::try_from(random >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1)
}
