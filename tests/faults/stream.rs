//! A watch on its way through: every event may be tampered with, by the rules of that moment.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde_json::Value;
use tokio::{sync::watch, time::Instant};

use super::{
    call::Call,
    proxy::Shared,
    replies,
    rule::{Action, Stage},
};

/// How long an event is held back at most.
const HELD: Duration = Duration::from_secs(1);

/// What is to become of a watch that is open.
#[derive(Debug, Default)]
pub struct Fate(AtomicU8);

impl Fate {
    const STALL: u8 = 1;
    const CUT: u8 = 2;

    pub fn stall(&self) {
        self.0.store(Self::STALL, Ordering::SeqCst);
    }

    pub fn cut(&self) {
        self.0.store(Self::CUT, Ordering::SeqCst);
    }

    fn is(&self, fate: u8) -> bool {
        self.0.load(Ordering::SeqCst) == fate
    }

    fn go_on(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

struct Held {
    line: Vec<u8>,
    object: String,
    until: Instant,
    coalesces: bool,
}

pub struct Pump {
    shared: Arc<Shared>,
    call: Arc<Call>,
    fate: Arc<Fate>,
    orders: watch::Receiver<u64>,
    body: BodyDataStream,
    buffer: Vec<u8>,
    out: VecDeque<io::Result<Bytes>>,
    held: Option<Held>,
    ended: bool,
}

/// What came from upstream.
enum Heard {
    Bytes(Bytes),
    End,
    Broken,
    /// Somebody gave an order, or what is held is due.
    Woken,
}

impl Pump {
    pub fn new(shared: Arc<Shared>, call: Arc<Call>, body: Body) -> Self {
        let (fate, orders) = shared.open(&call);
        Self {
            shared,
            call,
            fate,
            orders,
            body: body.into_data_stream(),
            buffer: Vec::new(),
            out: VecDeque::new(),
            held: None,
            ended: false,
        }
    }

    pub fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::unfold(self, async |mut pump| {
            let next = pump.next().await?;
            Some((next, pump))
        })
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if self.fate.is(Fate::CUT) {
                self.fate.go_on();
                self.ended = true;
                return Some(Err(broken()));
            }
            if self.fate.is(Fate::STALL) {
                self.shared.released().await;
                self.fate.go_on();
                continue;
            }
            if let Some(chunk) = self.out.pop_front() {
                return Some(chunk);
            }
            if self.ended {
                return None;
            }
            match self.hear().await {
                Heard::Bytes(bytes) => self.take(&bytes),
                Heard::Woken => self.flush_due(),
                Heard::End => self.end(Ok(())),
                Heard::Broken => self.end(Err(broken())),
            }
        }
    }

    async fn hear(&mut self) -> Heard {
        let due = self.held.as_ref().map(|held| held.until);
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            chunk = self.body.next() => match chunk {
                Some(Ok(bytes)) => Heard::Bytes(bytes),
                Some(Err(_)) => Heard::Broken,
                None => Heard::End,
            },
            _ = self.orders.changed() => Heard::Woken,
            () = wait => Heard::Woken,
        }
    }

    /// The other side ended the watch. Who is to hear nothing does not hear of that either.
    fn end(&mut self, how: io::Result<()>) {
        self.flush();
        if matches!(self.shared.decide(&self.call, Stage::Event, None), Some(Action::Stall)) {
            self.fate.stall();
        }
        if let Err(error) = how {
            self.out.push_back(Err(error));
        }
        self.ended = true;
    }

    fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            if !self.ended {
                self.event(line);
            }
        }
    }

    fn event(&mut self, line: Vec<u8>) {
        let event: Value = serde_json::from_slice(&line).unwrap_or_default();
        let type_ = event["type"].as_str().unwrap_or_default().to_owned();
        let metadata = &event["object"]["metadata"];
        let object = format!("{}/{}", metadata["namespace"], metadata["name"]);
        let line = match self.shared.decide(&self.call, Stage::Revisions, None) {
            Some(Action::Rewind(by)) => {
                let mut line = replies::rewound(&line, by).to_vec();
                line.push(b'\n');
                line
            }
            _ => line,
        };
        let action = self.shared.decide(&self.call, Stage::Event, Some(&type_));
        // An error, and the order of one object's own events, are never held back.
        let holds = matches!(action, Some(Action::Swap | Action::Coalesce))
            && matches!(type_.as_str(), "ADDED" | "MODIFIED" | "DELETED");
        if let Some(held) = self.held.take() {
            match (held.object == object, held.coalesces && holds) {
                // Only the last of them is said.
                (true, true) => {}
                (true, false) => self.say(held.line),
                (false, _) => {
                    self.say(line);
                    self.say(held.line);
                    return;
                }
            }
        }
        match action {
            Some(action @ (Action::Swap | Action::Coalesce)) if holds => {
                let coalesces = matches!(action, Action::Coalesce);
                let until = Instant::now() + HELD;
                self.held = Some(Held { line, object, until, coalesces });
            }
            Some(action) => self.tamper(&action, line),
            None => self.say(line),
        }
    }

    fn tamper(&mut self, action: &Action, mut line: Vec<u8>) {
        match action {
            Action::Stall => {
                self.fate.stall();
                self.say(line);
            }
            Action::CutBefore => {
                self.out.push_back(Err(broken()));
                self.ended = true;
            }
            Action::CutWithin => {
                line.truncate(line.len() / 2);
                self.say(line);
                self.out.push_back(Err(broken()));
                self.ended = true;
            }
            Action::EndBefore => self.ended = true,
            Action::ExpiredEvent => {
                self.out.push_back(Ok(replies::expired()));
                self.ended = true;
            }
            Action::DropEvent => {}
            Action::Duplicate => {
                self.say(line.clone());
                self.say(line);
            }
            _ => self.say(line),
        }
    }

    fn say(&mut self, line: Vec<u8>) {
        self.out.push_back(Ok(Bytes::from(line)));
    }

    fn flush_due(&mut self) {
        if self.held.as_ref().is_some_and(|held| held.until <= Instant::now()) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(held) = self.held.take() {
            self.say(held.line);
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.shared.close(self.call.number);
    }
}

pub fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}
