//! The proxy as a test holds it, and what it shares with its thread.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use axum::http::Method;
use bytes::Bytes;
use kube::Config;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use serde_json::json;
use tokio::sync::{oneshot, watch};

use super::{
    call::{Call, Verb},
    exchange,
    rule::{Action, Matcher, Rule, Stage},
    stream::Fate,
    traffic::{Line, Traffic},
};
use crate::controlplane::ControlPlane;

/// How many bytes of answers are remembered for [`Action::Replay`].
const REMEMBERED: usize = 64 << 20;

/// A proxy before an API server; dropped, it breaks every connection.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    kubeconfig: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy that is a user of a control plane to it.
    pub fn before(plane: &ControlPlane, user: &str, seed: u64) -> Self {
        Self::start(plane.config(user), plane.dir(), seed)
    }

    /// A proxy to the server of a configuration, with a kubeconfig for itself in a folder.
    pub fn start(upstream: Config, folder: &Path, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let kubeconfig = folder.join(format!("proxy-{}.kubeconfig", address.port()));
        write_kubeconfig(&kubeconfig, address);
        let shared = Arc::new(Shared::new(seed));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("fault-proxy".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || exchange::serve(listener, upstream, &shared, stopped)
        });
        let thread = Some(thread.expect("a thread"));
        Self { shared, address, kubeconfig, stop: Some(stop), thread }
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Shows of these resources only objects with a label (`name=value`), so that several operators
    /// share a control plane and each sees its own.
    pub fn show_only(&self, label: &str, resources: &[&str]) {
        let selector = label.replace('=', "%3D");
        let resources = resources.iter().map(|&resource| resource.to_owned()).collect();
        self.shared.state().scope = Some((selector, resources));
    }

    /// Replaces the rules. The first that matches is taken.
    pub fn set(&self, rules: impl IntoIterator<Item = Rule>) {
        self.shared.state().rules = rules.into_iter().map(Counted::new).collect();
    }

    /// Adds a rule after the others.
    pub fn add(&self, rule: Rule) {
        self.shared.state().rules.push(Counted::new(rule));
    }

    /// Lets everything pass from now on. What hangs goes on hanging, as in a network that has
    /// forgotten the connection.
    pub fn heal(&self) {
        self.set([]);
    }

    /// Lets what hangs go on, as a server that was frozen does.
    pub fn release(&self) {
        self.shared.release.send_modify(|count| *count += 1);
    }

    /// Makes watches that are open half-open: nothing more comes through them, not even their end.
    pub fn stall(&self, which: &Matcher) -> usize {
        self.order(which, Fate::stall)
    }

    /// Breaks watches that are open.
    pub fn cut(&self, which: &Matcher) -> usize {
        self.order(which, Fate::cut)
    }

    /// How many watches are open.
    pub fn open(&self, which: &Matcher) -> usize {
        self.shared.state().streams.values().filter(|open| which.matches(&open.call)).count()
    }

    /// What went through so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.state().traffic.clone()
    }

    /// The requests that match.
    pub fn seen(&self, holds: impl Fn(&Line) -> bool) -> Vec<Line> {
        self.shared.state().traffic.lines().filter(|line| holds(line)).cloned().collect()
    }

    /// The most requests a second over any such window that begins then or later.
    pub fn busiest(&self, window: Duration, since: Instant) -> f64 {
        self.shared.state().traffic.busiest(window, since)
    }

    fn order(&self, which: &Matcher, what: impl Fn(&Fate)) -> usize {
        let state = self.shared.state();
        let meant = state.streams.values().filter(|open| which.matches(&open.call));
        let count = meant.inspect(|open| what(&open.fate)).count();
        drop(state);
        self.shared.orders.send_modify(|count| *count += 1);
        count
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_kubeconfig(path: &Path, address: SocketAddr) {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [{ "name": "proxy", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "proxy", "user": {} }],
        "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "proxy" } }],
    });
    std::fs::write(path, config.to_string()).expect("a kubeconfig");
}

/// A rule and how often it was considered and taken.
struct Counted {
    rule: Rule,
    seen: u64,
    taken: u64,
}

impl Counted {
    fn new(rule: Rule) -> Self {
        Self { rule, seen: 0, taken: 0 }
    }

    fn takes(&mut self, random: &mut SmallRng) -> bool {
        self.seen += 1;
        let when = &self.rule.when;
        let takes = self.seen > when.skip
            && when.times.is_none_or(|times| self.taken < times)
            && when.one_in.is_none_or(|count| random.random_ratio(1, count));
        self.taken += u64::from(takes);
        takes
    }
}

struct Open {
    call: Arc<Call>,
    fate: Arc<Fate>,
}

struct State {
    rules: Vec<Counted>,
    random: SmallRng,
    traffic: Traffic,
    next: u64,
    streams: HashMap<u64, Open>,
    views: HashMap<String, (u16, Bytes)>,
    remembered: usize,
    /// A label selector, and the resources whose lists and watches it narrows.
    scope: Option<(String, Vec<String>)>,
}

/// What the proxy's thread shares with its owner.
pub struct Shared {
    state: Mutex<State>,
    orders: watch::Sender<u64>,
    release: watch::Sender<u64>,
}

impl Shared {
    fn new(seed: u64) -> Self {
        let state = State {
            rules: Vec::new(),
            random: SmallRng::seed_from_u64(seed),
            traffic: Traffic::new(),
            next: 0,
            streams: HashMap::new(),
            views: HashMap::new(),
            remembered: 0,
            scope: None,
        };
        let (orders, release) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { state: Mutex::new(state), orders, release }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a request its number and notes it.
    pub fn admit(&self, method: Method, uri: &axum::http::Uri, body: Bytes) -> Arc<Call> {
        let mut state = self.state();
        let call = Arc::new(Call::new(state.next, method, uri, body));
        state.next += 1;
        state.traffic.note(&call);
        call
    }

    pub fn selector(&self, call: &Call) -> Option<String> {
        let state = self.state();
        let (selector, resources) = state.scope.as_ref()?;
        let meant = matches!(call.verb, Verb::List | Verb::Watch)
            && resources.contains(&call.resource)
            && !call.target.contains("labelSelector=");
        meant.then(|| selector.clone())
    }

    pub fn answered(&self, call: &Call, status: u16) {
        if let Some(line) = self.state().traffic.line(call.number) {
            line.status = Some(status);
        }
    }

    /// What to do at a stage of a request; `event` is the type of an event.
    pub fn decide(&self, call: &Call, stage: Stage, event: Option<&str>) -> Option<Action> {
        let mut shared = self.state();
        let State { rules, random, traffic, .. } = &mut *shared;
        let mut meant = rules.iter_mut().filter(|Counted { rule, .. }| {
            rule.action.stage() == stage
                && rule.when.matches(call)
                && event.is_none_or(|type_| rule.when.matches_event(type_))
        });
        let action =
            meant.find_map(|counted| counted.takes(random).then(|| counted.rule.action.clone()))?;
        if let Some(line) = traffic.line(call.number) {
            line.fault = Some(action.name());
        }
        Some(action)
    }

    /// Waits until what hangs is let go, possibly for ever.
    pub async fn released(&self) {
        let mut release = self.release.subscribe();
        let _ = release.changed().await;
    }

    pub fn open(&self, call: &Arc<Call>) -> (Arc<Fate>, watch::Receiver<u64>) {
        let fate = Arc::new(Fate::default());
        let open = Open { call: Arc::clone(call), fate: Arc::clone(&fate) };
        self.state().streams.insert(call.number, open);
        (fate, self.orders.subscribe())
    }

    pub fn close(&self, number: u64) {
        self.state().streams.remove(&number);
    }

    pub fn remember(&self, call: &Call, status: u16, body: &Bytes) {
        let mut state = self.state();
        let view = call.view();
        let before = state.views.get(&view).map_or(0, |(_, body)| body.len());
        if state.remembered - before + body.len() <= REMEMBERED {
            state.remembered = state.remembered - before + body.len();
            state.views.insert(view, (status, body.clone()));
        }
    }

    pub fn recall(&self, call: &Call) -> Option<(u16, Bytes)> {
        self.state().views.get(&call.view()).cloned()
    }
}
