//! One list, page by page, each object handed on as it arrives.

use std::time::Instant;

use kube::api::ListParams;
use serde::Deserialize;

use super::{
    Closed, ListWatch, Sink, Word,
    items::{Item, Splitter},
    step::{Asked, Ended},
    versions::Read,
    wire::{Answer, Problem, ask, within},
};

/// As many objects as a page begins with: pages of 350 keep the number of requests low.
pub const PAGE: u32 = 350;

/// A page of more bytes halves the next.
const LARGE_PAGE: usize = 16 << 20;

/// The largest object that is taken in.
const MAX_ITEM: usize = 8 << 20;

/// What surrounds the items of a page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    metadata: ListMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    token: Option<String>,
}

/// Why a list ended before its end.
pub(super) enum Stop {
    Problem(Problem),
    Closed,
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl<S: Sink> ListWatch<S> {
    /// Lists everything. Err when nobody listens any more.
    pub(super) async fn list(&mut self) -> Result<Ended, Closed> {
        let _turn = if self.what.waits { self.shared.turn().await } else { None };
        // A rewind that was told before is answered by this list.
        if self.rewinds.has_changed().unwrap_or_default() {
            self.versions.forget();
        }
        self.seen = *self.rewinds.borrow_and_update();
        let floor = self.versions.floor();
        let mut asked = Instant::now();
        let mut version = None;
        let mut token: Option<String> = None;
        loop {
            let page = match self.page(token.as_deref(), &mut asked).await {
                Ok(page) => page,
                Err(Stop::Closed) => return Err(Closed),
                Err(Stop::Problem(problem)) => return Ok(self.failed(Asked::List, problem, asked)),
            };
            self.answers();
            let problem = match (page.resource_version.filter(|text| !text.is_empty()), &version) {
                (None, None) => Some("it has no metadata.resourceVersion"),
                (Some(first), None) => {
                    version = Some(first);
                    None
                }
                _ => None,
            };
            let next = page.token.filter(|token| !token.is_empty());
            let problem = match &next {
                Some(_) if next == token => Some("it goes on where it began"),
                _ => problem,
            };
            if let Some(problem) = problem {
                return Ok(self.failed(Asked::List, Problem::garbled(problem), asked));
            }
            token = next;
            if token.is_none() {
                break;
            }
        }
        let version = version.unwrap_or_default();
        if self.versions.read(&version, floor) == Read::Back {
            // This list is of the earlier cluster already.
            self.shared.rewinds.note_after(self.seen);
            self.rewinds.mark_unchanged();
            self.versions.forget();
        }
        self.versions.stand_at(&version);
        self.sink.hear(Word::Commit).await?;
        Ok(Ended::Listed)
    }

    /// Hands on the objects of one page. `asked` becomes the time of the request.
    async fn page(&mut self, token: Option<&str>, asked: &mut Instant) -> Result<ListMeta, Stop> {
        let mut params = ListParams::default().limit(self.limit);
        if let Some(token) = token {
            params = params.continue_token(token);
        }
        let request = self.what.request().list(&params).map_err(Problem::garbled)?;
        let request = self.what.accept(request, "List");
        self.shared.pace().await;
        *asked = Instant::now();
        let mut answer = ask(&self.shared.client, request, self.shared.deadlines.head).await?;
        if token.is_none() {
            self.sink.hear(Word::Begin).await?;
        }
        let mut bytes = 0;
        let envelope = self.items(&mut answer, &mut bytes).await;
        // A server gives up on an answer that takes long, and would each time.
        if bytes > LARGE_PAGE || (envelope.is_err() && bytes > LARGE_PAGE / 16) {
            self.limit = (self.limit / 2).max(1);
        }
        let envelope = envelope?;
        let envelope: Envelope = serde_json::from_slice(&envelope).map_err(Problem::from)?;
        Ok(envelope.metadata)
    }

    /// Hands on the objects of an answer; the rest of it.
    async fn items(&mut self, answer: &mut Answer, bytes: &mut usize) -> Result<Vec<u8>, Stop> {
        let mut splitter = Splitter::new(MAX_ITEM);
        while let Some(piece) = within(self.shared.deadlines.silence, answer.next()).await?? {
            *bytes += piece.len();
            let mut rest = &piece[..];
            while let Some(item) = splitter.next(&mut rest).map_err(Problem::garbled)? {
                let word = match item {
                    Item::Whole(text) => Word::Item(text),
                    Item::TooLarge(head) => Word::TooLarge(head),
                };
                self.sink.hear(word).await?;
            }
        }
        Ok(splitter.finish().map_err(Problem::garbled)?)
    }
}
