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

/// A hundredth of the true time.
fn quick() -> Deadlines {
    let Deadlines {
        head,
        silence,
        period,
        spread,
        word,
        shortest,
        overdue,
        quiet,
        settle,
        ask_again,
        short,
        long,
        backoff,
        longest,
        longest_after_watch,
        longest_when_told,
        waking,
        after_outage,
    } = Deadlines::default();
    Deadlines {
        head: head / 100,
        silence: silence / 100,
        period: period / 100,
        spread: spread / 100,
        word: word / 100,
        shortest: shortest / 100,
        overdue: overdue / 100,
        quiet: quiet / 100,
        settle: settle / 100,
        ask_again: ask_again / 100,
        short: short / 100,
        long: long / 100,
        backoff: backoff / 100,
        longest: longest / 100,
        longest_after_watch: longest_after_watch / 100,
        longest_when_told: longest_when_told / 100,
        waking: waking / 100,
        after_outage: after_outage / 100,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Asking {
    List(Option<String>),
    Watch(String),
    Question,
}

impl Asking {
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
        if metadata { Self::Question } else { Self::List(pair("continue")) }
    }
}

/// An answer: what comes at once, and whether the rest never comes.
enum Reply {
    Never,
    Whole(u16, String),
    /// Pieces, then silence.
    Open(Vec<String>),
    /// Pieces, then an error of the connection.
    Cut(Vec<String>),
    /// Pieces, and after this time an end.
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

type Log = Arc<Mutex<Vec<(Instant, Asking)>>>;

fn client(log: Log, answer: impl FnMut(&Asking) -> Reply + Send + 'static) -> Client {
    let answer = Arc::new(Mutex::new(answer));
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let asking = Asking::of(&request);
        log.lock().unwrap().push((Instant::now(), asking.clone()));
        let reply = (answer.lock().unwrap())(&asking);
        async move {
            let (code, body) = match reply {
                Reply::Never => std::future::pending().await,
                Reply::Whole(code, text) => (code, Body::from(text)),
                Reply::Open(pieces) => {
                    let pieces = stream::iter(pieces).map(Ok::<_, std::io::Error>);
                    (200, Body::from_stream(pieces.chain(stream::pending())))
                }
                Reply::Cut(pieces) => {
                    let pieces = stream::iter(pieces).map(Ok);
                    let end = stream::iter([Err(std::io::Error::other("connection reset"))]);
                    (200, Body::from_stream(pieces.chain(end)))
                }
                Reply::Ends(pieces, after) => {
                    let pieces = stream::iter(pieces).map(Ok::<_, std::io::Error>);
                    let end = stream::once(tokio::time::sleep(after))
                        .filter_map(|()| std::future::ready(None));
                    (200, Body::from_stream(pieces.chain(end)))
                }
            };
            Ok::<_, tower::BoxError>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

/// Words as texts.
struct Ears(mpsc::UnboundedSender<String>);

impl Sink for Ears {
    async fn hear(&mut self, word: Word<'_>) -> Result<Heed, Closed> {
        let name = |text: &[u8]| {
            let object: serde_json::Value = serde_json::from_slice(text).unwrap();
            object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
        };
        let text = match word {
            Word::Begin => "begin".to_owned(),
            Word::Item(text) => format!("item {}", name(text)),
            Word::TooLarge(_) => "too large".to_owned(),
            Word::Commit => "commit".to_owned(),
            Word::Put(text) => format!("put {}", name(text)),
            Word::Gone(text) => format!("gone {}", name(text)),
            Word::Heard => "heard".to_owned(),
            Word::Trouble(_) => "trouble".to_owned(),
            Word::Forbidden(_) => "forbidden".to_owned(),
            Word::NotServed => "not served".to_owned(),
        };
        self.0.send(text).map_err(|_| Closed)?;
        Ok(Heed::GoOn)
    }

    fn remedy(&self, _: &Problem) -> &'static str {
        "wait"
    }
}

struct World {
    words: mpsc::UnboundedReceiver<String>,
    log: Log,
    rewinds: Rewinds,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    fn new(deadlines: &Deadlines, answer: impl FnMut(&Asking) -> Reply + Send + 'static) -> Self {
        let log = Log::default();
        let rewinds = Rewinds::default();
        let client = client(Arc::clone(&log), answer);
        let mut shared = Shared::new(client, Metrics::new().unwrap(), rewinds.clone());
        shared.deadlines = *deadlines;
        let (sender, words) = mpsc::unbounded_channel();
        let what = What {
            path: "/api/v1/things".to_owned(),
            name: "things".to_owned(),
            waits: true,
            metadata_only: false,
        };
        let task = tokio::spawn(follow(shared, what, Ears(sender)));
        Self { words, log, rewinds, task }
    }

    async fn next(&mut self) -> String {
        let word = tokio::time::timeout(Duration::from_secs(10), self.words.recv()).await;
        word.expect("a word within 10 s").expect("more words")
    }

    /// The next words but troubles.
    async fn words(&mut self, count: usize) -> Vec<String> {
        let mut words = Vec::new();
        while words.len() < count {
            let word = self.next().await;
            if word != "trouble" {
                words.push(word);
            }
        }
        words
    }

    async fn until(&mut self, expected: &str) -> Vec<String> {
        let mut words = vec![self.next().await];
        while words.last().is_none_or(|word| word != expected) {
            words.push(self.next().await);
            assert!(words.len() < 100, "{words:?}");
        }
        words
    }

    async fn asks(&self, expected: &Asking) {
        let end = Instant::now() + Duration::from_secs(10);
        while !self.asked().contains(expected) {
            assert!(Instant::now() < end, "{:?}", self.asked());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn asked(&self) -> Vec<Asking> {
        self.log.lock().unwrap().iter().map(|(_, asking)| asking.clone()).collect()
    }
}

#[tokio::test]
async fn pages_events_and_bookmarks_are_told_in_order() {
    let mut world = World::new(&quick(), |asking| match asking {
        Asking::List(None) => page("7", &["a", "b"], Some("next")),
        Asking::List(Some(_)) => page("7", &["c"], None),
        Asking::Watch(version) if version == "7" => Reply::Ends(
            vec![
                event("ADDED", "d", "8"),
                event("MODIFIED", "a", "9"),
                event("DELETED", "b", "10"),
                event("BOOKMARK", "", "12"),
            ],
            // Not so long after its last word that a list has to follow.
            quick().long,
        ),
        _ => Reply::Never,
    });
    assert_eq!(
        world.words(9).await,
        ["begin", "item a", "item b", "item c", "commit", "put d", "put a", "gone b", "heard"]
    );
    world.asks(&Asking::Watch("12".to_owned())).await;
}

#[tokio::test]
async fn an_idle_watch_is_heard_of_by_asking() {
    let mut world = World::new(&quick(), |asking| match asking {
        Asking::Watch(_) => Reply::Ends(Vec::new(), quick().period),
        _ => list("7", &[]),
    });
    assert_eq!(world.words(2).await, ["begin", "commit"]);
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(world.next().await, "heard");
    }
    assert!(began.elapsed() < quick().period * 4);
    let lists = world.asked().iter().filter(|asked| matches!(asked, Asking::List(_))).count();
    assert_eq!(lists, 1);
}

/// No bookmarks, and others' objects change now and then.
#[tokio::test]
async fn a_server_without_bookmarks_is_heard_of_often_enough() {
    for steady in 1..4 {
        let mut questions = 0;
        let mut version = 7;
        let mut world = World::new(&quick(), move |asking| {
            if matches!(asking, Asking::Watch(_)) {
                return Reply::Ends(Vec::new(), quick().period);
            }
            questions += 1;
            version += u64::from(questions % steady == 0);
            list(&version.to_string(), &[])
        });
        world.until("commit").await;
        let mut last = Instant::now();
        for _ in 0..8 {
            while !matches!(&*world.next().await, "heard" | "commit") {}
            let silent = last.elapsed();
            assert!(silent < Duration::from_millis(580), "{steady}: {silent:?}");
            last = Instant::now();
        }
    }
}

/// Whatever hangs or says nothing, the next list comes.
#[tokio::test]
async fn silence_is_followed_by_a_list() {
    type Case = (&'static str, fn(&Asking) -> Reply);
    let cases: [Case; 5] = [
        ("a watch that is never answered", |asking| match asking {
            Asking::Watch(_) => Reply::Never,
            _ => list("7", &[]),
        }),
        ("a half-open watch, beside which others went on", |asking| match asking {
            Asking::Watch(_) => Reply::Open(Vec::new()),
            Asking::Question => list("8", &[]),
            Asking::List(_) => list("7", &[]),
        }),
        ("a half-open watch with questions that hang", |asking| match asking {
            Asking::Watch(_) => Reply::Open(Vec::new()),
            Asking::Question => Reply::Never,
            Asking::List(_) => list("7", &[]),
        }),
        ("a watch that falls silent in an event", |asking| match asking {
            Asking::Watch(_) => {
                let half = event("ADDED", "a", "8").split_off(0)[..20].to_owned();
                Reply::Open(vec![half])
            }
            Asking::Question => list("8", &[]),
            Asking::List(_) => list("7", &[]),
        }),
        ("a watch that ends without a word", |asking| match asking {
            Asking::Watch(_) => Reply::Ends(Vec::new(), quick().period),
            Asking::Question => list("8", &[]),
            Asking::List(_) => list("7", &[]),
        }),
    ];
    for (name, answer) in cases {
        let mut world = World::new(&quick(), answer);
        for _ in 0..3 {
            let began = Instant::now();
            world.until("commit").await;
            let took = began.elapsed();
            assert!(took < Duration::from_millis(900), "{name}: {took:?}");
        }
    }
}

#[tokio::test]
async fn a_list_that_hangs_or_stalls_is_asked_for_again() {
    let mut turn = 0;
    let mut world = World::new(&quick(), move |asking| match asking {
        Asking::List(token) => {
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
    let words = world.until("commit").await;
    assert_eq!(words.iter().filter(|word| *word == "trouble").count(), 8, "{words:?}");
    assert_eq!(words[words.len() - 3..], ["begin", "item b", "commit"]);
}

/// In three seconds of true time.
#[tokio::test]
async fn nothing_makes_it_ask_in_a_hot_loop() {
    type Case = (&'static str, fn(&Asking) -> Reply);
    let cases: [Case; 8] = [
        ("ends at once", |asking| match asking {
            Asking::Watch(_) => Reply::Ends(Vec::new(), Duration::ZERO),
            _ => list("7", &[]),
        }),
        ("cut after each event", |asking| match asking {
            Asking::Watch(version) => {
                let next = version.parse::<u64>().unwrap() + 1;
                Reply::Cut(vec![event("MODIFIED", "a", &next.to_string())])
            }
            _ => list("7", &["a"]),
        }),
        ("cut in each event", |asking| match asking {
            Asking::Watch(_) => Reply::Cut(vec![event("MODIFIED", "a", "8")[..20].to_owned()]),
            _ => list("8", &["a"]),
        }),
        ("410 each time", |asking| match asking {
            Asking::Watch(_) => Reply::Open(vec![expired()]),
            _ => list("7", &["a"]),
        }),
        ("refused each time", |_| status(503)),
        ("lower each time", {
            |asking| match asking {
                Asking::Watch(_) => Reply::Open(vec![event("BOOKMARK", "", "3")]),
                _ => list("7", &["a"]),
            }
        }),
        ("pages without end", |asking| match asking {
            Asking::List(token) => {
                let at = token.as_deref().unwrap_or("0").parse::<u64>().unwrap() + 1;
                page("7", &[], Some(&at.to_string()))
            }
            _ => Reply::Never,
        }),
        ("the same page again", |asking| match asking {
            Asking::List(_) => page("7", &["a"], Some("next")),
            _ => Reply::Never,
        }),
    ];
    let runs = cases.map(|(name, answer)| async move {
        let world = World::new(&Deadlines::default(), answer);
        tokio::time::sleep(Duration::from_secs(3)).await;
        (name, world.asked().len())
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
    let mut world = World::new(&quick(), move |asking| {
        if matches!(asking, Asking::Watch(_)) {
            return Reply::Cut(vec![event("MODIFIED", "a", "9")[..20].to_owned()]);
        }
        version += 1;
        list(&version.to_string(), &["a"])
    });
    for _ in 0..5 {
        world.until("commit").await;
    }
}

#[tokio::test]
async fn an_earlier_cluster_is_noticed_once_and_listed_anew() {
    type Case = (&'static str, fn(&Asking, usize) -> Reply);
    let cases: [Case; 3] = [
        ("by asking beside a silent watch", |asking, lists| match asking {
            Asking::Watch(_) => Reply::Open(Vec::new()),
            Asking::List(_) if lists == 1 => list("100", &["new"]),
            _ => list("50", &["old"]),
        }),
        ("by a bookmark", |asking, lists| match asking {
            Asking::Watch(version) if version == "100" => {
                Reply::Open(vec![event("BOOKMARK", "", "50")])
            }
            Asking::Watch(_) => Reply::Open(Vec::new()),
            Asking::List(_) if lists == 1 => list("100", &["new"]),
            _ => list("50", &["old"]),
        }),
        ("by a list after an outage", |asking, lists| match asking {
            Asking::Watch(version) if version == "100" => status(503),
            Asking::Watch(_) => Reply::Open(Vec::new()),
            Asking::List(_) if lists == 1 => list("100", &["new"]),
            _ => list("50", &["old"]),
        }),
    ];
    for (name, answer) in cases {
        let mut lists = 0;
        let mut world = World::new(&quick(), move |asking| {
            lists += usize::from(matches!(asking, Asking::List(_)));
            answer(asking, lists)
        });
        let told = world.rewinds.subscribe();
        assert_eq!(world.words(3).await, ["begin", "item new", "commit"], "{name}");
        assert_eq!(world.words(3).await, ["begin", "item old", "commit"], "{name}");
        assert_eq!(*told.borrow(), 1, "{name}");
        assert_eq!(world.words(1).await, ["heard"], "{name}: goes on from there");
        assert_eq!(*told.borrow(), 1, "{name}: noticed once");
    }
}

#[tokio::test]
async fn who_is_told_of_an_earlier_cluster_lists_anew_and_tells_nobody() {
    let mut lists = 0;
    let mut world = World::new(&quick(), move |asking| match asking {
        Asking::Watch(_) => Reply::Open(Vec::new()),
        Asking::List(_) => {
            lists += 1;
            list(if lists == 1 { "100" } else { "50" }, &["a"])
        }
        Asking::Question => Reply::Never,
    });
    world.until("commit").await;
    world.asks(&Asking::Watch("100".to_owned())).await;
    world.rewinds.note();
    assert_eq!(world.words(3).await, ["begin", "item a", "commit"]);
    world.asks(&Asking::Watch("50".to_owned())).await;
    assert_eq!(*world.rewinds.subscribe().borrow(), 1);
}

#[tokio::test]
async fn many_notice_the_same_rewind() {
    let rewinds = Rewinds::default();
    rewinds.note_after(0);
    rewinds.note_after(0);
    assert_eq!(*rewinds.subscribe().borrow(), 1);
    rewinds.note_after(1);
    assert_eq!(*rewinds.subscribe().borrow(), 2);
}

#[tokio::test]
async fn nothing_is_complete_before_the_watch_is_granted_again() {
    let mut replies: VecDeque<u16> = VecDeque::from([403, 403, 403]);
    let mut world = World::new(&quick(), move |asking| match asking {
        Asking::Watch(_) => replies.pop_front().map_or_else(|| Reply::Open(Vec::new()), status),
        _ => list("7", &["a"]),
    });
    assert_eq!(
        world.words(9).await,
        [
            "begin",
            "item a",
            "commit",
            "forbidden",
            "forbidden",
            "forbidden",
            "begin",
            "item a",
            "commit"
        ]
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_not_believed_that_it_refuses() {
    let mut replies: VecDeque<u16> = VecDeque::from([503, 403, 403, 0]);
    let mut world = World::new(&quick(), move |asking| match asking {
        Asking::List(_) => match replies.pop_front() {
            None | Some(0) => list("7", &[]),
            Some(code) => status(code),
        },
        _ => Reply::Open(Vec::new()),
    });
    let words = world.until("commit").await;
    assert_eq!(words, ["trouble", "trouble", "trouble", "begin", "commit"]);
    let mut world = World::new(&quick(), |_| status(403));
    assert_eq!(world.next().await, "forbidden", "no outage explains it");
}
