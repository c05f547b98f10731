//! A log in a bucket: Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

use bytes::Bytes;
use futures_util::{FutureExt as _, TryStreamExt as _, future::BoxFuture};
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, ObjectStoreScheme, PutMode, PutOptions, UpdateVersion,
    path::Path,
};
use url::Url;

use super::{Store, StoreError, StoredObject, Version, WriteLock};

/// A bucket, or a prefix in one.
#[derive(Debug)]
pub struct BucketStore {
    location: String,
    store: Box<dyn ObjectStore>,
    prefix: Path,
}

impl BucketStore {
    /// A prefix of a store.
    pub fn new(location: &str, store: Box<dyn ObjectStore>, prefix: Path) -> Self {
        Self { location: location.to_owned(), store, prefix }
    }

    pub(super) fn open(location: &str, url: &Url) -> Result<Self, StoreError> {
        let bad = |reason: String| StoreError::Location { location: location.to_owned(), reason };
        let (scheme, _) = ObjectStoreScheme::parse(url).map_err(|error| bad(error.to_string()))?;
        let (feature, on, variables) = match scheme {
            ObjectStoreScheme::AmazonS3 => ("aws", cfg!(feature = "aws"), "AWS_"),
            ObjectStoreScheme::GoogleCloudStorage => ("gcp", cfg!(feature = "gcp"), "GOOGLE_"),
            ObjectStoreScheme::MicrosoftAzure => ("azure", cfg!(feature = "azure"), "AZURE_"),
            _ => return Err(bad(format!("{} is not one of them", url.scheme()))),
        };
        if !on {
            return Err(StoreError::Feature { location: location.to_owned(), feature });
        }
        // Only its own variables: the client takes any key that it knows, and those of another cloud
        // may be set in the same environment.
        let options = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
                .filter(|(name, _)| name.starts_with(variables))
        });
        // The client asks for the process's provider and panics without one. Another that is installed
        // already serves as well.
        #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |error| StoreError::Client {
            location: location.to_owned(),
            variables,
            reason: one_line(&error),
        };
        let (store, prefix) = object_store::parse_url_opts(url, options).map_err(client)?;
        Ok(Self { location: location.to_owned(), store, prefix })
    }

    fn path(&self, path: &str) -> Path {
        path.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), Path::join)
    }

    fn failed(&self, path: &str, action: &'static str, error: &Error) -> StoreError {
        let (location, full) = (self.location.clone(), format!("{}/{path}", self.location));
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                StoreError::Conflict { location, path: path.to_owned() }
            }
            // Only conditional requests are ever refused so by the stores that this opens.
            Error::NotImplemented { .. } | Error::NotSupported { .. } => {
                StoreError::NoConditionalUpdate { location }
            }
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                StoreError::Denied { path: full, reason: one_line(error) }
            }
            _ => StoreError::Failed { path: full, action, reason: one_line(error) },
        }
    }

    async fn read(&self, path: &str) -> Result<Option<StoredObject>, StoreError> {
        let read = async {
            let got = self.store.get(&self.path(path)).await?;
            let version = version_of(got.meta.e_tag.clone(), got.meta.version.clone());
            Ok(StoredObject { bytes: got.bytes().await?, version })
        };
        match read.await {
            Ok(object) => Ok(Some(object)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(path, "read", &error)),
        }
    }

    async fn create(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        let options = PutOptions::from(PutMode::Create);
        let put = self.store.put_opts(&self.path(path), bytes.clone().into(), options).await;
        match put {
            Ok(_) => Ok(()),
            // The client repeats a request whose answer was lost, and may meet its own first try.
            Err(error @ Error::AlreadyExists { .. }) => match self.read(path).await? {
                Some(there) if there.bytes == bytes => Ok(()),
                _ => Err(self.failed(path, "created", &error)),
            },
            Err(error) => Err(self.failed(path, "created", &error)),
        }
    }
}

impl Store for BucketStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn lock(&self) -> BoxFuture<'_, Result<WriteLock, StoreError>> {
        std::future::ready(Ok(WriteLock(None))).boxed()
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<StoredObject>, StoreError>> {
        self.read(path).boxed()
    }

    fn put_new<'a>(&'a self, path: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.create(path, bytes).boxed()
    }

    fn replace<'a>(
        &'a self,
        path: &'a str,
        bytes: Bytes,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        async move {
            let options = PutOptions::from(PutMode::Update(update_of(version)));
            let put = self.store.put_opts(&self.path(path), bytes.into(), options).await;
            let put = put.map_err(|error| match error {
                // Somebody removed it: as much a change as a replacement.
                Error::NotFound { .. } => {
                    StoreError::Conflict { location: self.location.clone(), path: path.to_owned() }
                }
                error => self.failed(path, "replaced", &error),
            })?;
            Ok(version_of(put.e_tag, put.version))
        }
        .boxed()
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        async move {
            let found = self
                .store
                .list(Some(&self.path(folder)))
                .map_ok(|meta| meta.location)
                .try_collect::<Vec<_>>()
                .await
                .map_err(|error| self.failed(folder, "listed", &error))?;
            Ok(found
                .iter()
                .filter_map(|path| {
                    let parts = path.prefix_match(&self.prefix)?;
                    Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
                })
                .collect())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            match self.store.delete(&self.path(path)).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.failed(path, "deleted", &error)),
            }
        }
        .boxed()
    }
}

/// Google's condition is on the generation and everybody else's on the tag: keep both.
fn version_of(tag: Option<String>, version: Option<String>) -> Version {
    Version(format!("{}\n{}", tag.unwrap_or_default(), version.unwrap_or_default()))
}

fn update_of(version: &Version) -> UpdateVersion {
    let (tag, version) = version.0.split_once('\n').unwrap_or((&version.0, ""));
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    UpdateVersion { e_tag: known(tag), version: known(version) }
}

/// An error with its causes in one line, since a store's own text has many. A cause that the text already
/// has is left out.
fn one_line(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let text: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("builder error")]
    struct Builder(#[source] std::io::Error);

    #[test]
    fn an_error_names_what_caused_it_once() {
        let cause = std::io::Error::other("No CA certificates\nwere loaded");
        let error = Error::Generic { store: "HTTP client", source: Box::new(Builder(cause)) };
        assert_eq!(
            one_line(&error),
            "Generic HTTP client error: builder error: No CA certificates were loaded"
        );
    }
}
