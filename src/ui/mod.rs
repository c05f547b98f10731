//! The pages, served: facts from the cluster and the log on one side, requests of browsers on the other.
//!
//! The operator ([`server`](crate::server)) and `comptroller ui` serve the same pages; what they look
//! like is the business of `comptroller-pages`. All of it runs on threads of its own, so that no page
//! delays the task that judges.

mod cached;
mod download;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod operator;
pub(crate) mod site;
mod zip;

use std::{error::Error, io, sync::Arc, time::Duration};

use tokio::{runtime::Runtime, sync::Semaphore, time::timeout};

use self::site::SiteReader;
use comptroller_pages::{Page, Problem, problem, respond};

pub(crate) use self::{cached::Cached, download::ReportMaker};

/// How many threads make pages: one is left while another makes a report.
const THREADS: usize = 2;

/// How many threads read files of the log.
const FILE_THREADS: usize = 4;

/// How many pages are made at once.
const AT_ONCE: usize = 4;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Makes pages. Clones share its threads.
#[derive(Clone)]
pub struct Pages(Arc<Inner>);

struct Inner {
    runtime: OwnRuntime,
    reader: Arc<SiteReader>,
    reports: ReportMaker,
    slots: Arc<Semaphore>,
}

/// What a request is answered with.
#[derive(Debug)]
pub enum Answer {
    Page(Page),
    File(Download),
}

/// A file to be kept, rather than shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Letters, digits, dots and dashes.
    pub name: String,
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Who asks for a page.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The user as the API server knows them. None: anybody on this machine.
    pub user: Option<String>,
}

/// Why no pages can be made.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    #[error("no threads can be started for the pages: {0}")]
    Threads(#[from] io::Error),
    #[error(transparent)]
    Facts(Box<dyn Error + Send + Sync>),
}

/// A runtime that can be dropped within another.
struct OwnRuntime(Option<Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Pages {
    /// Starts the threads. `read` says where the facts come from; its clients belong to these threads.
    pub fn start<E: Into<Box<dyn Error + Send + Sync>>>(
        reports: ReportMaker,
        read: impl FnOnce() -> Result<SiteReader, E>,
    ) -> Result<Self, PagesError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("pages")
            .worker_threads(THREADS)
            .max_blocking_threads(FILE_THREADS)
            .enable_all()
            .build()?;
        let reader = {
            let _within = runtime.enter();
            read().map_err(|error| PagesError::Facts(error.into()))?
        };
        let inner = Inner {
            runtime: OwnRuntime(Some(runtime)),
            reader: Arc::new(reader),
            reports,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Answers a GET or HEAD request for a path below `/ui`.
    pub async fn answer(&self, path: &str, query: &str, asker: Asker) -> Answer {
        match self.make(path, query, asker).await {
            Ok(answer) => answer,
            Err(why) => Answer::Page(problem(&why)),
        }
    }

    async fn make(&self, path: &str, query: &str, asker: Asker) -> Result<Answer, Problem> {
        let turn = timeout(PATIENCE, Arc::clone(&self.0.slots).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Problem::TooManyRequests) };
        let Some(runtime) = &self.0.runtime.0 else { return Err(Problem::TooManyRequests) };
        let (path, query) = (path.to_owned(), query.to_owned());
        let inner = Arc::clone(&self.0);
        let made = runtime.spawn(async move {
            let wanted = download::wanted(&path);
            // Who leaves while a page is made does not make room for another one.
            let site = timeout(LIMIT, inner.reader.site(&path)).await.map_err(|_| late())?;
            match wanted {
                None => {
                    let page = respond(&site, &path, &query);
                    drop(turn);
                    Ok(Answer::Page(page))
                }
                Some(wanted) => {
                    drop(turn);
                    let log = inner.reader.log.as_ref();
                    inner.reports.make(&wanted, &site, log, asker).await
                }
            }
        });
        made.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a page could not be made");
            Err(Problem::Failed(
                "Something went wrong while this page was made. The operator's log, or the terminal of `comptroller ui`, says what: please report it as a bug.".to_owned(),
            ))
        })
    }
}

fn late() -> Problem {
    Problem::Unavailable(format!(
        "The facts could not be read within {} seconds. See that the API server and the store of the evidence log answer, and reload this page.",
        LIMIT.as_secs()
    ))
}
