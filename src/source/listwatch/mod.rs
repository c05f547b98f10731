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
mod watch;
pub(super) mod wire;

#[cfg(test)]
mod tests;

use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    time::Instant,
};

use axum::http::{HeaderValue, Request, header::ACCEPT};
use kube::api::WatchParams;
use tokio::sync::watch::Receiver;

pub use self::{shared::Shared, wire::Problem as WatchProblem};
use self::{
    step::{Asked, Course, Ended, Next, Say, Step},
    versions::Versions,
    wire::{Answer, Problem, ask},
};

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
    rewinds: Receiver<u64>,
    /// How many rewinds the last list knew of.
    seen: u64,
    /// How many objects a page may have.
    limit: u32,
    /// The API server failed last time.
    unwell: bool,
    /// It failed since this was last listed.
    troubled: bool,
}

/// Lists and watches until nobody listens.
pub async fn follow<S: Sink>(shared: Shared, what: What, sink: S) {
    let watch = ListWatch {
        course: Course::new(&shared.deadlines),
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
}

/// At random, from 0 to 1.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    let bits = u32::try_from(random >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}
