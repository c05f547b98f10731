//! A store for tests: in memory, found again by its location, with faults where a test wants them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};

use super::{Store, StoreError, StoredObject, Version, WriteLock};

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// It is done, and answered.
    None,
    /// It is not done.
    Before,
    /// It is done, and its writer is told that it is not.
    After,
}

/// A store in memory. One of a location is shared by all who open it, as a bucket is.
#[derive(Debug)]
pub struct MemoryStore {
    location: String,
    inner: Mutex<MemoryObjects>,
}

#[derive(Debug, Default)]
struct MemoryObjects {
    objects: BTreeMap<String, (Bytes, u64)>,
    written: u64,
    faults: VecDeque<WriteFault>,
}

static STORES: LazyLock<Mutex<HashMap<String, Arc<MemoryStore>>>> = LazyLock::new(Mutex::default);

/// The store of a location `memory://…`, made when it is opened first.
pub fn open(location: &str) -> Option<Arc<MemoryStore>> {
    location.strip_prefix("memory://")?;
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || Arc::new(MemoryStore { location: location.to_owned(), inner: Mutex::default() });
    Some(Arc::clone(stores.entry(location.to_owned()).or_insert_with(made)))
}

impl MemoryStore {
    /// What becomes of the next writes, one after another; those after them are done.
    pub fn plan(&self, faults: impl IntoIterator<Item = WriteFault>) {
        self.lock().faults = faults.into_iter().collect();
    }

    fn lock(&self) -> MutexGuard<'_, MemoryObjects> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<'a, T: Send + 'a>(
        &'a self,
        path: &str,
        write: impl FnOnce(&mut MemoryObjects) -> Result<T, StoreError>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let failed = || StoreError::Failed {
            path: path.to_owned(),
            action: "written",
            reason: "a test wants it to fail".to_owned(),
        };
        let mut inner = self.lock();
        let fault = inner.faults.pop_front().unwrap_or(WriteFault::None);
        let result = match fault {
            WriteFault::None => write(&mut inner),
            WriteFault::Before => Err(failed()),
            WriteFault::After => write(&mut inner).and_then(|_| Err(failed())),
        };
        async move {
            tokio::task::yield_now().await;
            result
        }
        .boxed()
    }

    fn conflict(&self, path: &str) -> StoreError {
        StoreError::Conflict { location: self.location.clone(), path: path.to_owned() }
    }
}

impl MemoryObjects {
    fn put(&mut self, path: &str, bytes: Bytes) -> Version {
        self.written += 1;
        self.objects.insert(path.to_owned(), (bytes, self.written));
        Version(self.written.to_string())
    }
}

impl Store for MemoryStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn lock(&self) -> BoxFuture<'_, Result<WriteLock, StoreError>> {
        async { Ok(WriteLock(None)) }.boxed()
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<StoredObject>, StoreError>> {
        let found = MemoryStore::lock(self).objects.get(path).cloned();
        let object = |(bytes, version): (Bytes, u64)| StoredObject {
            bytes,
            version: Version(version.to_string()),
        };
        async move { Ok(found.map(object)) }.boxed()
    }

    fn put_new<'a>(&'a self, path: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write(path, |inner| match inner.objects.get(path) {
            Some((known, _)) if *known == bytes => Ok(()),
            Some(_) => Err(self.conflict(path)),
            None => {
                inner.put(path, bytes);
                Ok(())
            }
        })
    }

    fn replace<'a>(
        &'a self,
        path: &'a str,
        bytes: Bytes,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        self.write(path, |inner| match inner.objects.get(path) {
            Some((_, known)) if known.to_string() == version.0 => Ok(inner.put(path, bytes)),
            _ => Err(self.conflict(path)),
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let folder = format!("{folder}/");
        let inner = MemoryStore::lock(self);
        let below =
            inner.objects.keys().filter(|path| path.starts_with(&folder)).cloned().collect();
        async move { Ok(below) }.boxed()
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.write(path, |inner| {
            inner.objects.remove(path);
            Ok(())
        })
    }
}
