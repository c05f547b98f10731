//! One period of a watch.

use std::{borrow::Cow, pin::pin, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Fuse},
};
use kube::api::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::{
    Closed, EventHandler, Flow, ListWatch, WatchEvent,
    lines::{Lines, MAX_LINE},
    random_share,
    request::{RequestError, StatusBody, send, with_timeout},
    retry::{RequestKind, WatchEnd},
    versions::{HighestKnown, VersionCheck},
};

/// A consistent read beside a quiet watch, which yields the current resource version.
type VersionQuery = Fuse<BoxFuture<'static, Result<String, RequestError>>>;

/// The state of an open watch.
struct OpenWatch {
    opened: Instant,
    /// When the server ends it.
    end: Instant,
    /// Whether it sent anything, or a query confirmed that there was nothing to send.
    confirmed: bool,
    query: VersionQuery,
    /// The highest version that was known when the query was sent.
    highest: HighestKnown,
    /// When to send the next query. None while one is under way, and after one found that something
    /// happened: then the watch will send that.
    query_at: Option<Instant>,
}

/// What an event, or the answer to a query, means for the watch.
enum Effect {
    Confirmed,
    Nothing,
    Ended(WatchEnd),
}

/// A line of a watch: `metav1.WatchEvent`.
#[derive(Deserialize)]
struct EventLine<'a> {
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

impl<H: EventHandler> ListWatch<H> {
    /// Watches for one period.
    pub(super) async fn watch(&mut self, version: &str) -> Result<WatchEnd, Closed> {
        let limits = self.context.deadlines;
        self.context.wait_for_turn().await;
        let since = Instant::now();
        let usual = limits.period + limits.spread.mul_f64(random_share());
        let period = self.retry.watch_period(usual, since);
        let params = WatchParams::default().timeout(whole_seconds(period));
        match self.open(&params, version).await {
            Ok(body) => {
                self.succeeded();
                self.follow_events(Lines::new(body, MAX_LINE), period).await
            }
            Err(error) => Ok(self.failed(RequestKind::Watch, error, since)),
        }
    }

    async fn follow_events(
        &mut self,
        mut lines: Lines,
        period: Duration,
    ) -> Result<WatchEnd, Closed> {
        let opened = Instant::now();
        let end = opened + period;
        let mut overdue = pin!(sleep_until(end + self.context.deadlines.overdue));
        let mut watch = OpenWatch {
            opened,
            end,
            confirmed: false,
            query: Fuse::terminated(),
            highest: self.versions.highest_known(),
            query_at: Some(self.retry.check_at(opened)),
        };
        loop {
            let query_due = sleep_until_some(watch.query_at);
            let effect = tokio::select! {
                // In this order: after a rewind no event counts any more, and a server that never
                // stops sending must not keep the watch open past its end.
                biased;
                rewound = self.rewinds.changed() => {
                    rewound.map_err(|_| Closed)?;
                    self.versions.forget();
                    return Ok(WatchEnd::ClusterRestored);
                }
                () = &mut overdue => return Ok(WatchEnd::Overdue),
                version = &mut watch.query => self.take_version(version, &mut watch).await?,
                line = lines.next() => match line {
                    Ok(Some(line)) => self.take_event(&line).await?,
                    end => return Ok(self.ended(&watch, end.err())),
                },
                () = query_due => {
                    self.retry.check_sent();
                    // Before the query is sent: events that arrive meanwhile may be newer than it.
                    watch.highest = self.versions.highest_known();
                    watch.query = self.query_version().fuse();
                    watch.query_at = None;
                    Effect::Nothing
                }
            };
            match effect {
                Effect::Confirmed => {
                    watch.confirmed = true;
                    self.retry.confirmed(Instant::now());
                    watch.query_at = Some(self.retry.check_at(opened));
                }
                Effect::Nothing => {}
                Effect::Ended(ended) => return Ok(ended),
            }
        }
    }

    fn ended(&mut self, watch: &OpenWatch, cut: Option<RequestError>) -> WatchEnd {
        if let Some(malformed @ RequestError::Malformed(_)) = cut {
            return self.failed(RequestKind::Watch, malformed, watch.opened);
        }
        let now = Instant::now();
        WatchEnd::Watched {
            lived: now - watch.opened,
            // The server's clock is not ours, so it may end the watch a little early.
            full_period: now + self.context.deadlines.overdue >= watch.end,
            confirmed: watch.confirmed,
            cut: cut.map(|error| error.to_string()),
        }
    }

    /// A consistent list of one object, for its resource version.
    fn query_version(&self) -> BoxFuture<'static, Result<String, RequestError>> {
        let request = self.resource.request().list_metadata(&ListParams::default().limit(1));
        let context = self.context.clone();
        async move {
            context.wait_for_turn().await;
            let request = request.map_err(RequestError::malformed)?;
            let limit = context.deadlines.response_head;
            with_timeout(limit, async {
                let mut body = send(&context.client, request, limit).await?;
                let mut text = Vec::new();
                while let Some(chunk) = body.next().await? {
                    text.extend_from_slice(&chunk);
                    if text.len() > MAX_LINE {
                        return Err(RequestError::malformed("one object is too large"));
                    }
                }
                let list: Versioned<'_> = serde_json::from_slice(&text)?;
                Ok(list.metadata.resource_version.into_owned())
            })
            .await?
        }
        .boxed()
    }

    /// Takes the answer to a version query.
    async fn take_version(
        &mut self,
        version: Result<String, RequestError>,
        watch: &mut OpenWatch,
    ) -> Result<Effect, Closed> {
        let error = match version {
            Ok(version) => {
                return Ok(match self.versions.check(&version, watch.highest) {
                    VersionCheck::Unchanged => {
                        self.handler.handle(WatchEvent::Confirmed).await?;
                        Effect::Confirmed
                    }
                    VersionCheck::Newer => Effect::Nothing,
                    VersionCheck::Older => {
                        self.context.rewinds.announce_after(self.rewinds_seen);
                        Effect::Ended(WatchEnd::ClusterRestored)
                    }
                });
            }
            Err(error) => error,
        };
        // The watch itself may be fine, so it stays open, and its silence is asked about again soon.
        let now = Instant::now();
        self.context.metrics.watch_failed(&self.resource.name);
        self.context.health().note_failure(now);
        tracing::debug!(resource = self.resource.name, %error, "a quiet watch can't be checked");
        self.handler.handle(WatchEvent::Failing(error.to_string())).await?;
        watch.query_at = Some(now + self.context.deadlines.recheck);
        Ok(Effect::Nothing)
    }

    /// Takes one line of the watch.
    async fn take_event(&mut self, line: &[u8]) -> Result<Effect, Closed> {
        let event: EventLine<'_> = match serde_json::from_slice(line) {
            Ok(event) => event,
            // Proxies and old servers send a Status that is not wrapped in an ERROR event.
            Err(error) => {
                let status = serde_json::from_slice::<StatusBody>(line).ok();
                let error = status
                    .filter(|status| status.kind == "Status")
                    .map_or_else(|| error.into(), |status| status.into_error(None, None));
                return Ok(self.watch_failed(error));
            }
        };
        let text = event.object.get();
        if event.kind == "ERROR" {
            let status = serde_json::from_str::<StatusBody>(text);
            let error = status.map_or_else(Into::into, |status| status.into_error(None, None));
            return Ok(self.watch_failed(error));
        }
        let version = match serde_json::from_str::<Versioned<'_>>(text) {
            Ok(object) => object.metadata.resource_version,
            Err(error) => return Ok(self.watch_failed(error.into())),
        };
        if !self.versions.advance(&version) {
            return Ok(Effect::Ended(WatchEnd::OlderEvent));
        }
        let event = match &*event.kind {
            "ADDED" | "MODIFIED" => WatchEvent::Applied(text.as_bytes()),
            "DELETED" => WatchEvent::Deleted(text.as_bytes()),
            "BOOKMARK" => WatchEvent::Confirmed,
            other => {
                let other: String = other.chars().take(16).collect();
                let error = RequestError::malformed(format!("an event of the type {other}"));
                return Ok(self.watch_failed(error));
            }
        };
        match self.handler.handle(event).await? {
            Flow::Continue => Ok(Effect::Confirmed),
            Flow::ListAgain => Ok(Effect::Ended(WatchEnd::ListNeeded)),
        }
    }

    fn watch_failed(&mut self, error: RequestError) -> Effect {
        Effect::Ended(self.failed(RequestKind::Watch, error, Instant::now()))
    }
}

/// Sleeps until a time; for ever if there is none.
async fn sleep_until_some(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The API takes whole seconds, and 0 would mean its own default.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX).max(1)
}
