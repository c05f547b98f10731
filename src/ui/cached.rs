//! What is fetched anew while somebody looks, and from memory in between: however often a page is
//! reloaded, the API server is asked little.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use tokio::sync::Mutex;

/// How old a value may be that is cheap to fetch.
const FRESH: Duration = Duration::from_secs(2);

/// How much longer a value is kept than it takes to fetch: at most a tenth of the time is spent on it.
const PATIENCE: u32 = 10;

type Fetch<T> = Box<dyn Fn() -> BoxFuture<'static, T> + Send + Sync>;

/// A value with how to fetch it. Clones share it.
pub struct Cached<T>(Arc<Inner<T>>);

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<T> {
    fetch: Fetch<T>,
    kept: Mutex<Option<Kept<T>>>,
    /// Whether the next value is being fetched while this one is served.
    is_fetching: AtomicBool,
}

struct Kept<T> {
    value: T,
    at: Instant,
    /// How old it may become.
    lasts: Duration,
}

impl<T: Clone + Send + 'static> Cached<T> {
    pub fn new(fetch: impl Fn() -> BoxFuture<'static, T> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            fetch: Box::new(fetch),
            kept: Mutex::default(),
            is_fetching: AtomicBool::default(),
        }))
    }

    /// The value, fetched if it is too old. However many ask for it at once, it is fetched once.
    pub async fn get(&self) -> T {
        let mut kept = self.0.kept.lock().await;
        if let Some(known) = &*kept {
            let age = known.at.elapsed();
            if age < known.lasts {
                // Whoever goes from page to page never waits for it.
                if age > known.lasts / 2 {
                    self.fetch_behind();
                }
                return known.value.clone();
            }
        }
        let fetched = self.fetch().await;
        let value = fetched.value.clone();
        *kept = Some(fetched);
        value
    }

    fn fetch_behind(&self) {
        if self.0.is_fetching.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = self.clone();
        tokio::spawn(async move {
            let fetched = this.fetch().await;
            *this.0.kept.lock().await = Some(fetched);
            this.0.is_fetching.store(false, Ordering::Release);
        });
    }

    async fn fetch(&self) -> Kept<T> {
        let started = Instant::now();
        let value = (self.0.fetch)().await;
        let lasts = FRESH.max(started.elapsed() * PATIENCE);
        Kept { value, at: Instant::now(), lasts }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_cause_one_fetch() {
        let fetched = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fetched);
        let cached = Cached::new(move || {
            let count = Arc::clone(&count);
            async move {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::SeqCst) + 1
            }
            .boxed()
        });
        let values = join_all((0..100).map(|_| cached.get())).await;
        assert!(values.iter().all(|value| *value == 1), "{values:?}");
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_value_that_is_too_old_is_fetched_again() {
        let fetched = Arc::new(AtomicUsize::new(0));
        let cached = Cached::new(move || {
            let value = fetched.fetch_add(1, Ordering::SeqCst);
            async move { value }.boxed()
        });
        assert_eq!(cached.get().await, 0);
        if let Some(kept) = &mut *cached.0.kept.lock().await {
            kept.lasts = Duration::ZERO;
        }
        assert_eq!(cached.get().await, 1);
    }
}
