//! The loop against servers that answer wrongly.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{body::Body, http::Response};
use futures::{StreamExt, stream};
use kube::Client;
use serde_json::json;
use tokio::sync::mpsc;

use super::{deadlines::Deadlines, *};
use crate::{source::rewinds::Rewinds, telemetry::Metrics};

/// The deadlines, a hundred times as fast.
fn quick() -> Deadlines {
    let Deadlines {
        response_head,
        chunk_gap,
        period,
        spread,
        max_silence,
        min_period,
        overdue,
        quiet,
        settle,
        recheck,
        short_lived,
        long_lived,
        first_backoff,
        max_backoff,
        max_backoff_after_watch,
        max_backoff_when_refused,
        startup_refusals,
        after_outage,
    } = Deadlines::default();
    Deadlines {
        response_head: response_head / 100,
        chunk_gap: chunk_gap / 100,
        period: period / 100,
        spread: spread / 100,
        max_silence: max_silence / 100,
        min_period: min_period / 100,
        overdue: overdue / 100,
        quiet: quiet / 100,
        settle: settle / 100,
        recheck: recheck / 100,
        short_lived: short_lived / 100,
        long_lived: long_lived / 100,
        first_backoff: first_backoff / 100,
        max_backoff: max_backoff / 100,
        max_backoff_after_watch: max_backoff_after_watch / 100,
        max_backoff_when_refused: max_backoff_when_refused / 100,
        startup_refusals: startup_refusals / 100,
        after_outage: after_outage / 100,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    List(Option<String>),
    Watch(String),
    Version,
}

impl Asked {
    fn of(request: &Request<kube::client::Body>) -> Self {
        let url = format!("http://x{}", request.uri());
        let url = url::Url::parse(&url).unwrap();
        let pair = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if pair("watch").is_some() {
            return Self::Watch(pair("resourceVersion").unwrap());
        }
        assert_eq!(pair("resourceVersion"), None, "a list is consistent");
        let metadata = request.headers().get(ACCEPT).is_some();
        if metadata { Self::Version } else { Self::List(pair("continue")) }
    }
}

/// A response: its chunks, and how it ends.
enum Reply {
    Never,
    Whole(u16, String),
    /// Chunks, then silence.
    Open(Vec<String>),
    /// Chunks, then a connection error.
    Cut(Vec<String>),
    /// Chunks, and after this time the end.
    Ends(Vec<String>, Duration),
}

fn list(version: &str, names: &[&str]) -> Reply {
    page(version, names, None)
}

fn page(version: &str, names: &[&str], token: Option<&str>) -> Reply {
    let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
    let list = json!({"metadata": {"resourceVersion": version, "continue": token}, "items": items});
    Reply::Whole(200, list.to_string())
}

fn status(code: u16) -> Reply {
    Reply::Whole(code, json!({"kind": "Status", "code": code, "message": "no"}).to_string())
}

fn event(kind: &str, name: &str, version: &str) -> String {
    let object = json!({"metadata": {"name": name, "resourceVersion": version}});
    format!("{}\n", json!({"type": kind, "object": object}))
}

fn expired() -> String {
    let status = json!({"kind": "Status", "code": 410, "message": "too old resource version"});
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

type Log = Arc<Mutex<Vec<(Instant, Asked)>>>;

fn client(log: Log, answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Client {
    let answer = Arc::new(Mutex::new(answer));
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let asked = Asked::of(&request);
        log.lock().unwrap().push((Instant::now(), asked.clone()));
        let reply = (answer.lock().unwrap())(&asked);
        async move {
            let (code, body) = match reply {
                Reply::Never => std::future::pending().await,
                Reply::Whole(code, text) => (code, Body::from(text)),
                Reply::Open(chunks) => {
                    let chunks = stream::iter(chunks).map(Ok::<_, std::io::Error>);
                    (200, Body::from_stream(chunks.chain(stream::pending())))
                }
                Reply::Cut(chunks) => {
                    let chunks = stream::iter(chunks).map(Ok);
                    let end = stream::iter([Err(std::io::Error::other("connection reset"))]);
                    (200, Body::from_stream(chunks.chain(end)))
                }
                Reply::Ends(chunks, after) => {
                    let chunks = stream::iter(chunks).map(Ok::<_, std::io::Error>);
                    let end = stream::once(tokio::time::sleep(after))
                        .filter_map(|()| std::future::ready(None));
                    (200, Body::from_stream(chunks.chain(end)))
                }
            };
            Ok::<_, tower::BoxError>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

/// Sends each event as a short text.
struct EventTexts(mpsc::UnboundedSender<String>);

impl EventHandler for EventTexts {
    async fn handle(&mut self, event: WatchEvent<'_>) -> Result<Flow, Closed> {
        let name = |text: &[u8]| {
            let object: serde_json::Value = serde_json::from_slice(text).unwrap();
            object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
        };
        let text = match event {
            WatchEvent::ListStarted => "begin".to_owned(),
            WatchEvent::ListItem(text) => format!("item {}", name(text)),
            WatchEvent::TooLarge(_) => "too large".to_owned(),
            WatchEvent::ListComplete(_) => "complete".to_owned(),
            WatchEvent::Applied(text) => format!("applied {}", name(text)),
            WatchEvent::Deleted(text) => format!("deleted {}", name(text)),
            WatchEvent::Confirmed => "confirmed".to_owned(),
            WatchEvent::Failing(_) => "failing".to_owned(),
            WatchEvent::Forbidden(_) => "forbidden".to_owned(),
            WatchEvent::NotServed => "not served".to_owned(),
        };
        self.0.send(text).map_err(|_| Closed)?;
        Ok(Flow::Continue)
    }

    fn remedy(&self, _: &RequestError) -> &'static str {
        "wait"
    }
}

struct Server {
    events: mpsc::UnboundedReceiver<String>,
    log: Log,
    rewinds: Rewinds,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    fn new(deadlines: &Deadlines, answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let log = Log::default();
        let rewinds = Rewinds::default();
        let client = client(Arc::clone(&log), answer);
        let mut context = WatchContext::new(client, Metrics::new().unwrap(), rewinds.clone());
        context.deadlines = *deadlines;
        let (sender, events) = mpsc::unbounded_channel();
        let resource = WatchedResource {
            path: "/api/v1/things".to_owned(),
            name: "things".to_owned(),
            queued: true,
            metadata_only: false,
        };
        let task = tokio::spawn(run(context, resource, EventTexts(sender)));
        Self { events, log, rewinds, task }
    }

    async fn next(&mut self) -> String {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await;
        event.expect("an event within 10 s").expect("more events")
    }

    /// The next events, without failures.
    async fn events(&mut self, count: usize) -> Vec<String> {
        let mut events = Vec::new();
        while events.len() < count {
            let event = self.next().await;
            if event != "failing" {
                events.push(event);
            }
        }
        events
    }

    async fn until(&mut self, expected: &str) -> Vec<String> {
        let mut events = vec![self.next().await];
        while events.last().is_none_or(|event| event != expected) {
            events.push(self.next().await);
            assert!(events.len() < 100, "{events:?}");
        }
        events
    }

    async fn until_asked(&self, expected: &Asked) {
        let end = Instant::now() + Duration::from_secs(10);
        while !self.asked().contains(expected) {
            assert!(Instant::now() < end, "{:?}", self.asked());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().iter().map(|(_, asked)| asked.clone()).collect()
    }
}

#[tokio::test]
async fn pages_events_and_bookmarks_arrive_in_order() {
    let mut server = Server::new(&quick(), |asked| match asked {
        Asked::List(None) => page("7", &["a", "b"], Some("next")),
        Asked::List(Some(_)) => page("7", &["c"], None),
        Asked::Watch(version) if version == "7" => Reply::Ends(
            vec![
                event("ADDED", "d", "8"),
                event("MODIFIED", "a", "9"),
                event("DELETED", "b", "10"),
                event("BOOKMARK", "", "12"),
            ],
            // Not so long after its last event that a list has to follow.
            quick().long_lived,
        ),
        _ => Reply::Never,
    });
    assert_eq!(
        server.events(9).await,
        [
            "begin",
            "item a",
            "item b",
            "item c",
            "complete",
            "applied d",
            "applied a",
            "deleted b",
            "confirmed"
        ]
    );
    server.until_asked(&Asked::Watch("12".to_owned())).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_is_confirmed_by_a_query() {
    let mut server = Server::new(&quick(), |asked| match asked {
        Asked::Watch(_) => Reply::Ends(Vec::new(), quick().period),
        _ => list("7", &[]),
    });
    assert_eq!(server.events(2).await, ["begin", "complete"]);
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(server.next().await, "confirmed");
    }
    assert!(began.elapsed() < quick().period * 4);
    let lists = server.asked().iter().filter(|asked| matches!(asked, Asked::List(_))).count();
    assert_eq!(lists, 1);
}

/// No bookmarks, and others' objects change now and then.
#[tokio::test(start_paused = true)]
async fn a_server_without_bookmarks_is_confirmed_often_enough() {
    for steady in 1..4 {
        let mut questions = 0;
        let mut version = 7;
        let mut server = Server::new(&quick(), move |asked| {
            if matches!(asked, Asked::Watch(_)) {
                return Reply::Ends(Vec::new(), quick().period);
            }
            questions += 1;
            version += u64::from(questions % steady == 0);
            list(&version.to_string(), &[])
        });
        server.until("complete").await;
        let mut last = Instant::now();
        for _ in 0..8 {
            while !matches!(&*server.next().await, "confirmed" | "complete") {}
            let silent = last.elapsed();
            assert!(silent < Duration::from_millis(580), "{steady}: {silent:?}");
            last = Instant::now();
        }
    }
}

/// Whatever hangs or says nothing, the next list comes.
#[tokio::test(start_paused = true)]
async fn silence_is_followed_by_a_list() {
    type Case = (&'static str, fn(&Asked) -> Reply);
    let cases: [Case; 5] = [
        ("a watch that is never answered", |asked| match asked {
            Asked::Watch(_) => Reply::Never,
            _ => list("7", &[]),
        }),
        ("a half-open watch, beside which others went on", |asked| match asked {
            Asked::Watch(_) => Reply::Open(Vec::new()),
            Asked::Version => list("8", &[]),
            Asked::List(_) => list("7", &[]),
        }),
        ("a half-open watch with queries that hang", |asked| match asked {
            Asked::Watch(_) => Reply::Open(Vec::new()),
            Asked::Version => Reply::Never,
            Asked::List(_) => list("7", &[]),
        }),
        ("a watch that falls silent in an event", |asked| match asked {
            Asked::Watch(_) => {
                let half = event("ADDED", "a", "8").split_off(0)[..20].to_owned();
                Reply::Open(vec![half])
            }
            Asked::Version => list("8", &[]),
            Asked::List(_) => list("7", &[]),
        }),
        ("a watch that ends without an event", |asked| match asked {
            Asked::Watch(_) => Reply::Ends(Vec::new(), quick().period),
            Asked::Version => list("8", &[]),
            Asked::List(_) => list("7", &[]),
        }),
    ];
    for (name, answer) in cases {
        let mut server = Server::new(&quick(), answer);
        for _ in 0..3 {
            let began = Instant::now();
            server.until("complete").await;
            let took = began.elapsed();
            assert!(took < Duration::from_millis(900), "{name}: {took:?}");
        }
    }
}

#[tokio::test]
async fn a_list_that_hangs_or_stalls_is_asked_for_again() {
    let mut turn = 0;
    let mut server = Server::new(&quick(), move |asked| match asked {
        Asked::List(token) => {
            turn += 1;
            match (turn, token) {
                (1, _) => Reply::Never,
                (2, _) => Reply::Open(vec![r#"{"items":[{"metadata":{"name":"a"}}"#.to_owned()]),
                (3, _) => Reply::Cut(vec![r#"{"items":[{"metadata":{"name":"a"}}"#.to_owned()]),
                (4, _) => Reply::Whole(200, "{}".to_owned()),
                (5, _) => Reply::Whole(200, "<html>".to_owned()),
                (6, _) => list("", &["a"]),
                (7, _) => status(500),
                (8, None) => page("7", &["a"], Some("next")),
                (9, Some(_)) => status(410),
                _ => list("9", &["b"]),
            }
        }
        _ => Reply::Open(Vec::new()),
    });
    let events = server.until("complete").await;
    assert_eq!(events.iter().filter(|event| *event == "failing").count(), 8, "{events:?}");
    assert_eq!(events[events.len() - 3..], ["begin", "item b", "complete"]);
}

/// In three seconds of true time.
#[tokio::test]
async fn nothing_makes_it_ask_in_a_hot_loop() {
    type Case = (&'static str, fn(&Asked) -> Reply);
    let cases: [Case; 8] = [
        ("ends at once", |asked| match asked {
            Asked::Watch(_) => Reply::Ends(Vec::new(), Duration::ZERO),
            _ => list("7", &[]),
        }),
        ("cut after each event", |asked| match asked {
            Asked::Watch(version) => {
                let next = version.parse::<u64>().unwrap() + 1;
                Reply::Cut(vec![event("MODIFIED", "a", &next.to_string())])
            }
            _ => list("7", &["a"]),
        }),
        ("cut in each event", |asked| match asked {
            Asked::Watch(_) => Reply::Cut(vec![event("MODIFIED", "a", "8")[..20].to_owned()]),
            _ => list("8", &["a"]),
        }),
        ("410 each time", |asked| match asked {
            Asked::Watch(_) => Reply::Open(vec![expired()]),
            _ => list("7", &["a"]),
        }),
        ("refused each time", |_| status(503)),
        ("lower each time", {
            |asked| match asked {
                Asked::Watch(_) => Reply::Open(vec![event("BOOKMARK", "", "3")]),
                _ => list("7", &["a"]),
            }
        }),
        ("pages without end", |asked| match asked {
            Asked::List(token) => {
                let at = token.as_deref().unwrap_or("0").parse::<u64>().unwrap() + 1;
                page("7", &[], Some(&at.to_string()))
            }
            _ => Reply::Never,
        }),
        ("the same page again", |asked| match asked {
            Asked::List(_) => page("7", &["a"], Some("next")),
            _ => Reply::Never,
        }),
    ];
    let runs = cases.map(|(name, answer)| async move {
        let server = Server::new(&Deadlines::default(), answer);
        tokio::time::sleep(Duration::from_secs(3)).await;
        (name, server.asked().len())
    });
    for (name, asked) in futures::future::join_all(runs).await {
        // Pages have what is granted at the start.
        let most = if name == "pages without end" { 310 } else { 16 };
        assert!((2..=most).contains(&asked), "{name}: {asked} requests in 3 s");
    }
}

#[tokio::test]
async fn a_watch_that_is_cut_in_each_event_makes_progress_by_lists() {
    let mut version = 7;
    let mut server = Server::new(&quick(), move |asked| {
        if matches!(asked, Asked::Watch(_)) {
            return Reply::Cut(vec![event("MODIFIED", "a", "9")[..20].to_owned()]);
        }
        version += 1;
        list(&version.to_string(), &["a"])
    });
    for _ in 0..5 {
        server.until("complete").await;
    }
}

#[tokio::test]
async fn an_earlier_cluster_is_noticed_once_and_listed_anew() {
    type Case = (&'static str, fn(&Asked, usize) -> Reply);
    let cases: [Case; 3] = [
        ("by asked beside a silent watch", |asked, lists| match asked {
            Asked::Watch(_) => Reply::Open(Vec::new()),
            Asked::List(_) if lists == 1 => list("100", &["new"]),
            _ => list("50", &["old"]),
        }),
        ("by a bookmark", |asked, lists| match asked {
            Asked::Watch(version) if version == "100" => {
                Reply::Open(vec![event("BOOKMARK", "", "50")])
            }
            Asked::Watch(_) => Reply::Open(Vec::new()),
            Asked::List(_) if lists == 1 => list("100", &["new"]),
            _ => list("50", &["old"]),
        }),
        ("by a list after an outage", |asked, lists| match asked {
            Asked::Watch(version) if version == "100" => status(503),
            Asked::Watch(_) => Reply::Open(Vec::new()),
            Asked::List(_) if lists == 1 => list("100", &["new"]),
            _ => list("50", &["old"]),
        }),
    ];
    for (name, answer) in cases {
        let mut lists = 0;
        let mut server = Server::new(&quick(), move |asked| {
            lists += usize::from(matches!(asked, Asked::List(_)));
            answer(asked, lists)
        });
        let told = server.rewinds.subscribe();
        assert_eq!(server.events(3).await, ["begin", "item new", "complete"], "{name}");
        assert_eq!(server.events(3).await, ["begin", "item old", "complete"], "{name}");
        assert_eq!(*told.borrow(), 1, "{name}");
        assert_eq!(server.events(1).await, ["confirmed"], "{name}: goes on from there");
        assert_eq!(*told.borrow(), 1, "{name}: noticed once");
    }
}

#[tokio::test]
async fn a_list_after_an_announced_rewind_announces_nothing() {
    let mut lists = 0;
    let mut server = Server::new(&quick(), move |asked| match asked {
        Asked::Watch(_) => Reply::Open(Vec::new()),
        Asked::List(_) => {
            lists += 1;
            list(if lists == 1 { "100" } else { "50" }, &["a"])
        }
        Asked::Version => Reply::Never,
    });
    server.until("complete").await;
    server.until_asked(&Asked::Watch("100".to_owned())).await;
    server.rewinds.announce();
    assert_eq!(server.events(3).await, ["begin", "item a", "complete"]);
    server.until_asked(&Asked::Watch("50".to_owned())).await;
    assert_eq!(*server.rewinds.subscribe().borrow(), 1);
}

#[tokio::test]
async fn many_notice_the_same_rewind() {
    let rewinds = Rewinds::default();
    rewinds.announce_after(0);
    rewinds.announce_after(0);
    assert_eq!(*rewinds.subscribe().borrow(), 1);
    rewinds.announce_after(1);
    assert_eq!(*rewinds.subscribe().borrow(), 2);
}

#[tokio::test]
async fn nothing_is_complete_before_the_watch_is_granted_again() {
    let mut replies: VecDeque<u16> = VecDeque::from([403, 403, 403]);
    let mut server = Server::new(&quick(), move |asked| match asked {
        Asked::Watch(_) => replies.pop_front().map_or_else(|| Reply::Open(Vec::new()), status),
        _ => list("7", &["a"]),
    });
    assert_eq!(
        server.events(9).await,
        [
            "begin",
            "item a",
            "complete",
            "forbidden",
            "forbidden",
            "forbidden",
            "begin",
            "item a",
            "complete"
        ]
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_not_believed_that_it_refuses() {
    let mut replies: VecDeque<u16> = VecDeque::from([503, 403, 403, 0]);
    let mut server = Server::new(&quick(), move |asked| match asked {
        Asked::List(_) => match replies.pop_front() {
            None | Some(0) => list("7", &[]),
            Some(code) => status(code),
        },
        _ => Reply::Open(Vec::new()),
    });
    let events = server.until("complete").await;
    assert_eq!(events, ["failing", "failing", "failing", "begin", "complete"]);
    let mut server = Server::new(&quick(), |_| status(403));
    assert_eq!(server.next().await, "forbidden", "no outage explains it");
}
