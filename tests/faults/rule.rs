//! Which requests and events are tampered with, and how.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::call::{Call, Verb};

/// An action, and when it is taken.
#[derive(Clone)]
pub struct Rule {
    pub when: Matcher,
    pub action: Action,
}

type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

/// What must be so of a request, and, for the actions on events, of an event. Empty: anything.
#[derive(Clone, Default)]
pub struct Matcher {
    verbs: Vec<Verb>,
    group: Option<String>,
    resources: Vec<String>,
    subresource: Option<String>,
    name: Option<String>,
    event: Option<&'static str>,
    predicate: Option<Predicate>,
    pub(super) skip: u64,
    pub(super) times: Option<u64>,
    pub(super) one_in: Option<u32>,
}

/// Everything, to be narrowed down.
pub fn on() -> Matcher {
    Matcher::default()
}

impl Matcher {
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verbs.push(verb);
        self
    }

    /// What changes an object, reviews and leases included.
    pub fn writes(mut self) -> Self {
        self.verbs.extend(Verb::WRITES);
        self
    }

    /// Limits the rule to lists and watches.
    pub fn reads(mut self) -> Self {
        self.verbs.extend([Verb::Get, Verb::List, Verb::Watch]);
        self
    }

    /// A plural, such as `controls`; given again, one more.
    pub fn of(mut self, resource: &str) -> Self {
        self.resources.push(resource.to_owned());
        self
    }

    pub fn in_group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    pub fn subresource(mut self, name: &str) -> Self {
        self.subresource = Some(name.to_owned());
        self
    }

    /// Of the events of a watch, those of a type, such as `BOOKMARK`.
    pub fn event(mut self, type_: &'static str) -> Self {
        self.event = Some(type_);
        self
    }

    pub fn only_if(mut self, holds: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(holds));
        self
    }

    /// Leaves the first ones alone.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Applies to the first `count` requests only.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// The nth alone, counted from 1.
    pub fn nth(self, number: u64) -> Self {
        self.skip(number - 1).times(1)
    }

    /// One in so many, by the seed.
    pub fn one_in(mut self, count: u32) -> Self {
        self.one_in = Some(count);
        self
    }

    pub fn then(self, action: Action) -> Rule {
        Rule { when: self, action }
    }

    /// Whether a request is meant, whatever came before it.
    pub fn matches(&self, call: &Call) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|it| it == value);
        (self.verbs.is_empty() || self.verbs.contains(&call.verb))
            && (self.resources.is_empty() || self.resources.contains(&call.resource))
            && is(&self.group, &call.group)
            && is(&self.name, &call.name)
            && is(&self.subresource, &call.subresource)
            && self.predicate.as_ref().is_none_or(|holds| holds(call))
    }

    pub(super) fn matches_event(&self, type_: &str) -> bool {
        self.event.is_none_or(|wanted| wanted == type_)
    }
}

/// When, around a request, something is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The API server never sees the request.
    BeforeForwarding,
    /// It was carried out, and the answer is lost.
    BeforeReply,
    /// The answer has been sent.
    AfterReply,
}

/// What becomes of a request that a rule matches.
#[derive(Clone)]
pub enum Action {
    /// Forwards the request after this time.
    Delay(Duration),
    /// Neither forwards nor answers it, and keeps the connection open.
    Hang,
    /// Neither forwards nor answers it, and closes the connection.
    Drop,
    /// Answers with an error.
    Refuse(Refusal),
    /// Answers 200 with nothing.
    EndAtOnce,
    /// Answers a watch with 200 and then 410 in the stream.
    Expired,
    /// Answers a list or get as it was answered last, and a watch with silence.
    Replay,

    /// Forwards it, and keeps the connection open without an answer.
    HangReply,
    /// Forwards it, and closes the connection without an answer.
    DropReply,
    /// Answers so many bytes of the body, then nothing more.
    HangBody(usize),
    /// Answers so many bytes of the body, then breaks the connection.
    CutBody(usize),
    /// Answers so many bytes of the body as if they were all.
    Truncate(usize),
    /// Answers the body in pieces.
    Trickle { bytes: usize, every: Duration },
    /// Is an API server whose revisions are so much lower.
    Rewind(u64),
    /// Is an API server whose clock is so many seconds ahead.
    Ahead(i64),

    /// Nothing more comes through the watch from here on: a half-open connection.
    Stall,
    /// Breaks the connection instead of the event.
    CutBefore,
    /// Breaks the connection in the middle of the event.
    CutWithin,
    /// Ends the watch in order instead of the event.
    EndBefore,
    /// Ends the watch with 410 instead of the event.
    ExpiredEvent,
    /// Leaves the event out.
    DropEvent,
    /// Says the event twice.
    Duplicate,
    /// Says the event after the next one of another object, or a second later.
    Swap,
    /// Says of events in a row about one object only the last, a second later.
    Coalesce,

    /// Runs something. Before the reply, nothing is answered after it: the connection is closed.
    Run(Moment, Arc<dyn Fn(&Call) + Send + Sync>),
}

/// Where in an exchange an action is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Request,
    Reply,
    Revisions,
    Date,
    Event,
}

impl Action {
    pub fn run(moment: Moment, run: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        Self::Run(moment, Arc::new(run))
    }

    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Delay(_)
            | Self::Hang
            | Self::Drop
            | Self::Refuse(_)
            | Self::EndAtOnce
            | Self::Expired
            | Self::Replay
            | Self::Run(Moment::BeforeForwarding, _) => Stage::Request,
            Self::HangReply
            | Self::DropReply
            | Self::HangBody(_)
            | Self::CutBody(_)
            | Self::Truncate(_)
            | Self::Trickle { .. }
            | Self::Run(..) => Stage::Reply,
            Self::Rewind(_) => Stage::Revisions,
            Self::Ahead(_) => Stage::Date,
            Self::Stall
            | Self::CutBefore
            | Self::CutWithin
            | Self::EndBefore
            | Self::ExpiredEvent
            | Self::DropEvent
            | Self::Duplicate
            | Self::Swap
            | Self::Coalesce => Stage::Event,
        }
    }

    /// One word for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Hang => "hang",
            Self::Drop => "drop",
            Self::Refuse(_) => "refuse",
            Self::EndAtOnce => "end-at-once",
            Self::Expired => "expired",
            Self::Replay => "replay",
            Self::HangReply => "hang-reply",
            Self::DropReply => "drop-reply",
            Self::HangBody(_) => "hang-body",
            Self::CutBody(_) => "cut-body",
            Self::Truncate(_) => "truncate",
            Self::Trickle { .. } => "trickle",
            Self::Rewind(_) => "rewind",
            Self::Ahead(_) => "ahead",
            Self::Stall => "stall",
            Self::CutBefore => "cut-before",
            Self::CutWithin => "cut-within",
            Self::EndBefore => "end-before",
            Self::ExpiredEvent => "expired-event",
            Self::DropEvent => "drop-event",
            Self::Duplicate => "duplicate",
            Self::Swap => "swap",
            Self::Coalesce => "coalesce",
            Self::Run(..) => "run",
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(refusal) => write!(f, "refuse {}", refusal.code),
            Self::Delay(time) => write!(f, "delay {time:?}"),
            Self::HangBody(bytes) | Self::CutBody(bytes) | Self::Truncate(bytes) => {
                write!(f, "{} {bytes}", self.name())
            }
            Self::Run(moment, _) => write!(f, "run {moment:?}"),
            other => f.write_str(other.name()),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Matcher { verbs, resources, name, event, skip, times, one_in, .. } = &self.when;
        write!(f, "{:?} on {verbs:?} {resources:?}", self.action)?;
        if let Some(name) = name {
            write!(f, " {name}")?;
        }
        if let Some(event) = event {
            write!(f, " {event}")?;
        }
        write!(f, " (skip {skip}, times {times:?}, one in {one_in:?})")
    }
}

/// An error answer of the API server.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    /// How long to wait by the `Retry-After` header, in seconds. None: no header.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// The answer that the API server gives with a code.
    pub fn new(code: u16) -> Self {
        let (reason, message) = match code {
            400 => ("BadRequest", "the body can't be read"),
            401 => ("Unauthorized", "Unauthorized"),
            403 => ("Forbidden", "it is forbidden: User \"operator\" cannot do that"),
            404 => ("NotFound", "the server could not find the requested resource"),
            409 => ("Conflict", "the object has been modified; please apply your changes again"),
            410 => ("Expired", "The provided continue parameter is too old"),
            413 => ("RequestEntityTooLarge", "limit is 3145728"),
            422 => ("Invalid", "status.reason: Invalid value"),
            429 => ("TooManyRequests", "the server has received too many requests"),
            503 => ("ServiceUnavailable", "apiserver not ready"),
            504 => ("Timeout", "request did not complete within the allotted timeout"),
            _ => ("InternalError", "etcdserver: request timed out"),
        };
        let message = message.to_owned();
        Self { code, reason, message, retry_after: None }
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(seconds) = self.retry_after {
            status["details"] = json!({ "retryAfterSeconds": seconds });
        }
        status
    }
}

impl From<u16> for Refusal {
    fn from(code: u16) -> Self {
        Self::new(code)
    }
}
