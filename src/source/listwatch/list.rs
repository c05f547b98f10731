//! One list, page by page; each object is passed on as it arrives.

use kube::api::ListParams;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    Closed, EventHandler, ListWatch, WatchEvent,
    request::{RequestError, ResponseBody, send, with_timeout},
    retry::{RequestKind, WatchEnd},
    splitter::{ItemSplitter, SplitItem},
    versions::VersionCheck,
};

/// If a page has more bytes than this, the next one asks for half as many objects.
const LARGE_PAGE: usize = 16 << 20;

/// The largest object that is passed on, in bytes.
const MAX_ITEM: usize = 8 << 20;

/// A page without its items.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageEnvelope {
    metadata: ListMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    continue_token: Option<String>,
}

/// Why a list was not completed.
pub(super) enum ListStop {
    Error(RequestError),
    Closed,
}

impl From<RequestError> for ListStop {
    fn from(error: RequestError) -> Self {
        Self::Error(error)
    }
}

impl From<Closed> for ListStop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl<H: EventHandler> ListWatch<H> {
    pub(super) async fn list(&mut self) -> Result<WatchEnd, Closed> {
        let _permit = if self.resource.queued { self.context.list_permit().await } else { None };
        // This list is the answer to any rewind that was announced before it.
        if self.rewinds.has_changed().unwrap_or_default() {
            self.versions.forget();
        }
        self.rewinds_seen = *self.rewinds.borrow_and_update();
        let highest = self.versions.highest_known();
        let mut sent = Instant::now();
        let mut version = None;
        let mut token: Option<String> = None;
        loop {
            let page = match self.page(token.as_deref(), &mut sent).await {
                Ok(page) => page,
                Err(ListStop::Closed) => return Err(Closed),
                Err(ListStop::Error(error)) => {
                    return Ok(self.failed(RequestKind::List, error, sent));
                }
            };
            self.succeeded();
            // All pages are of the version of the first.
            let error = match (page.resource_version.filter(|text| !text.is_empty()), &version) {
                (None, None) => Some("it has no metadata.resourceVersion"),
                (Some(first), None) => {
                    version = Some(first);
                    None
                }
                _ => None,
            };
            let next = page.continue_token.filter(|token| !token.is_empty());
            // A server that repeats its token would be asked for the same page for ever.
            let error = match &next {
                Some(_) if next == token => Some("it continues where it began"),
                _ => error,
            };
            if let Some(error) = error {
                return Ok(self.failed(RequestKind::List, RequestError::malformed(error), sent));
            }
            token = next;
            if token.is_none() {
                break;
            }
        }
        let version = version.unwrap_or_default();
        if self.versions.check(&version, highest) == VersionCheck::Older {
            // The others must list again. This list itself is of the restored cluster already.
            self.context.rewinds.announce_after(self.rewinds_seen);
            self.rewinds.mark_unchanged();
            self.versions.forget();
        }
        self.versions.set_position(&version);
        self.handler.handle(WatchEvent::ListComplete(&version)).await?;
        Ok(WatchEnd::Listed)
    }

    /// Passes on the objects of one page. `sent` becomes the time of the request.
    async fn page(
        &mut self,
        token: Option<&str>,
        sent: &mut Instant,
    ) -> Result<ListMeta, ListStop> {
        let mut params = ListParams::default().limit(self.page_limit);
        if let Some(token) = token {
            params = params.continue_token(token);
        }
        let request = self.resource.request().list(&params).map_err(RequestError::malformed)?;
        let request = self.resource.accept(request, "List");
        self.context.wait_for_turn().await;
        *sent = Instant::now();
        let limit = self.context.deadlines.response_head;
        let mut body = send(&self.context.client, request, limit).await?;
        if token.is_none() {
            self.handler.handle(WatchEvent::ListStarted).await?;
        }
        let mut bytes = 0;
        let envelope = self.items(&mut body, &mut bytes).await;
        // A server that aborts a slow response would abort it each time, so smaller pages are tried
        // after an error too.
        if bytes > LARGE_PAGE || (envelope.is_err() && bytes > LARGE_PAGE / 16) {
            self.page_limit = (self.page_limit / 2).max(1);
        }
        let envelope = envelope?;
        let envelope: PageEnvelope =
            serde_json::from_slice(&envelope).map_err(RequestError::from)?;
        Ok(envelope.metadata)
    }

    /// Passes on the objects of a response and returns the rest of it. `bytes` counts its size, also
    /// if it fails.
    async fn items(
        &mut self,
        body: &mut ResponseBody,
        bytes: &mut usize,
    ) -> Result<Vec<u8>, ListStop> {
        let mut splitter = ItemSplitter::new(MAX_ITEM);
        while let Some(chunk) =
            with_timeout(self.context.deadlines.chunk_gap, body.next()).await??
        {
            *bytes += chunk.len();
            let mut rest = &chunk[..];
            while let Some(item) = splitter.next(&mut rest).map_err(RequestError::malformed)? {
                let event = match item {
                    SplitItem::Whole(text) => WatchEvent::ListItem(text),
                    SplitItem::TooLarge(head) => WatchEvent::TooLarge(head),
                };
                self.handler.handle(event).await?;
            }
        }
        Ok(splitter.finish().map_err(RequestError::malformed)?)
    }
}
