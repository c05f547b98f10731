//! A writer that is killed at any write, and whoever comes after it: nothing that was acknowledged
//! is lost, nothing is there twice, and no two checkpoints contradict each other.
//!
//! The child is this test program itself, run again with [`CHILD`] set. Its store ends the process
//! with SIGKILL before or after its Nth write.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

use std::{
    collections::BTreeSet,
    fmt,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use comptroller_evidence::{
    key::SigningKey,
    log::{LogReader, LogWriter},
    store::{DirectoryStore, Store, StoreError, StoredObject, Version, WriteLock},
    verify::{VerifyError, verify},
};
use futures::{FutureExt as _, TryStreamExt as _, future::BoxFuture};

const CHILD: &str = "COMPTROLLER_CRASH_CHILD";
const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

/// The groups that a child appends, chosen so that bundles and tiles are begun, filled and crossed.
const GROUPS: [u64; 5] = [3, 252, 1, 1, 300];

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn entry(number: u64) -> Vec<u8> {
    let text = format!(
        r#"{{"at":"2026-11-20T09:14:03Z","data":{{"event":"Started","version":"0.1.0"}},"epoch":1,"subject":{{"kind":"Operator","name":"operator-{number}"}},"type":"operator","v":1}}"#
    );
    text.into_bytes()
}

/// When a process dies.
#[derive(Clone, Copy, Debug)]
struct Death {
    write: u32,
    after: bool,
}

/// A directory that kills its process.
struct Deadly {
    store: DirectoryStore,
    writes: AtomicU32,
    death: Death,
}

impl fmt::Debug for Deadly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deadly")
    }
}

impl Deadly {
    fn write<'a, T: Send + 'a>(&'a self, write: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        async move {
            let now = self.writes.fetch_add(1, Ordering::SeqCst) + 1 == self.death.write;
            if now && !self.death.after {
                die();
            }
            let done = write.await;
            if now {
                die();
            }
            done
        }
        .boxed()
    }
}

fn die() -> ! {
    // No destructor runs and nothing is flushed: the kernel ends the process here.
    let own = std::process::id().to_string();
    let _ = Command::new("kill").args(["-KILL", &own]).status();
    loop {
        std::thread::park();
    }
}

impl Store for Deadly {
    fn location(&self) -> &str {
        self.store.location()
    }

    fn lock(&self) -> BoxFuture<'_, Result<WriteLock, StoreError>> {
        self.store.lock()
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<StoredObject>, StoreError>> {
        self.store.get(path)
    }

    fn put_new<'a>(&'a self, path: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write(self.store.put_new(path, bytes))
    }

    fn replace<'a>(
        &'a self,
        path: &'a str,
        bytes: Bytes,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        self.write(self.store.replace(path, bytes, version))
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.store.list(folder)
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write(self.store.delete(path))
    }
}

/// What a child does: it goes on from where the log is, and says each size that was acknowledged
/// with its checkpoint.
#[test]
fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let mut order = order.splitn(3, ' ');
    let write = order.next().unwrap().parse().unwrap();
    let after = order.next().unwrap() == "after";
    let folder = order.next().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(Deadly {
            store: DirectoryStore::new(folder.into()),
            writes: AtomicU32::new(0),
            death: Death { write, after },
        });
        let mut log = LogWriter::open(store, key(), ORIGIN).await.unwrap();
        say(&log);
        let mut end = 0;
        for group in GROUPS {
            end += group;
            if log.size() >= end {
                continue;
            }
            let leaves: Vec<Vec<u8>> = (log.size()..end).map(entry).collect();
            let appended = log.append(&leaves).await.unwrap();
            assert_eq!(appended.size, end);
            say(&log);
        }
        println!("\nfinished");
    });
}

fn say(log: &LogWriter) {
    let mut out = std::io::stdout().lock();
    write!(out, "\nacknowledged {} {:?}\n", log.size(), log.checkpoint()).unwrap();
    out.flush().unwrap();
}

/// Runs a child; what it acknowledged, and whether it came to its end.
fn run(folder: &Path, death: Death) -> (Vec<(u64, String)>, bool) {
    let when = if death.after { "after" } else { "before" };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{} {when} {}", death.write, folder.display()))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let acknowledged = text
        .lines()
        .filter_map(|line| line.strip_prefix("acknowledged ")?.split_once(' '))
        .map(|(size, checkpoint)| {
            (size.parse().unwrap(), serde_json::from_str(checkpoint).unwrap())
        })
        .collect();
    let finished = text.lines().any(|line| line == "finished");
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(finished || killed, "the child at {death:?} failed otherwise:\n{text}\n{errors}");
    (acknowledged, finished)
}

/// Checks the log that a death left and that another child continued.
async fn check(folder: &Path, death: Death, acknowledged: &[(u64, String)]) {
    let store: Arc<dyn Store> = Arc::new(DirectoryStore::new(folder.to_owned()));
    let log = LogReader::open(Arc::clone(&store), Some(key().verifier())).await.unwrap();
    let entries: Vec<Bytes> =
        log.entries(0..u64::MAX).map_ok(|(_, entry)| entry).try_collect().await.unwrap();
    let expected: Vec<Vec<u8>> = (0..GROUPS.iter().sum()).map(entry).collect();
    assert_eq!(entries, expected, "{death:?}: lost, doubled or out of order");
    let mut checkpoints = BTreeSet::new();
    for (size, checkpoint) in acknowledged {
        assert!(*size <= log.size(), "{death:?}");
        checkpoints.insert(checkpoint);
    }
    for checkpoint in checkpoints {
        let key = Some(key().verifier());
        match verify(Arc::clone(&store), key, Some(checkpoint.as_bytes())).await {
            Ok(_) => {}
            Err(VerifyError::Bad(fault)) => panic!("{death:?}: {fault:?}"),
            Err(error) => panic!("{death:?}: {error}"),
        }
    }
}

#[test]
fn a_writer_killed_at_any_write_loses_nothing_doubles_nothing_and_forks_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut deaths = 0;
    for after in [false, true] {
        for write in 1.. {
            let death = Death { write, after };
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("log");
            let (mut acknowledged, finished) = run(&log, death);
            if finished {
                break;
            }
            deaths += 1;
            // The next one dies early too, in the middle of finishing what the first left.
            let (again, _) = run(&log, Death { write: 3, after });
            acknowledged.extend(again);
            let (again, finished) = run(&log, Death { write: u32::MAX, after });
            assert!(finished);
            acknowledged.extend(again);
            runtime.block_on(check(&log, death, &acknowledged));
        }
    }
    // Both ways at each of: key, checkpoint and fence, and for each group its five steps.
    assert!(deaths >= 2 * 20, "only {deaths} deaths: the writes are not counted");
}
