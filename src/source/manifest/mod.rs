//! From the text of a manifest file to the objects that `kubectl apply` would send.
//!
//! Takes any YAML or JSON that kubectl takes: many documents, lists, anchors and merges, scalars
//! of YAML 1.1. One document is in memory at a time. A document that can't be read is an error
//! with its place, and the next one is read all the same. What kubectl would let pass without a
//! word, such as a key that appears twice, is an error here: a scan must not guess.

mod chunks;
mod events;
mod kinds;
mod nulls;
mod reader;
mod scalar;
mod tree;

use std::{io::BufRead, sync::Arc};

use serde_json::Value;

pub use self::{kinds::named_in, nulls::as_stored};

/// Where in a file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Which document of the file, from 1; comments alone are no document.
    pub document: usize,
    /// The line in the file, from 1.
    pub line: usize,
}

/// Something found in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// An object with `apiVersion` and `kind`. The contents of a Secret are already gone.
    Object(Value, Location),
    /// A document without a kind and not meant to have one: Helm values, a Compose file.
    Other(Location),
}

/// A document that can't be used, where it is and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}: document {}: {message}", location.line, location.document)]
pub struct ManifestError {
    /// The file as the user named it; `-` is standard input.
    pub file: Arc<str>,
    /// Where in it.
    pub location: Location,
    /// What is wrong. Never quotes what a Secret says.
    pub message: String,
    /// The kinds that the text names: what is in it may be of any of them.
    pub kinds: Vec<String>,
}

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest document, in bytes.
    pub document_bytes: usize,
    /// After so many errors the rest of a file is not read.
    pub errors_per_file: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { document_bytes: 64 << 20, errors_per_file: 100 }
    }
}

/// Reads every document of one file. `visit` gets each object as soon as it is known.
pub fn read(
    file: &str,
    input: impl BufRead,
    limits: Limits,
    visit: &mut dyn FnMut(Result<Found, ManifestError>),
) {
    reader::Reader::new(file, limits, visit).read(input);
}

/// Drops what a Secret says: nothing here reads it, so nothing keeps it.
pub fn strip_secret(object: &mut Value) {
    let Value::Object(fields) = object else {
        return;
    };
    if fields.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    fields.remove("data");
    fields.remove("stringData");
    // kubectl keeps the whole object here.
    if let Some(Value::Object(annotations)) =
        fields.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"))
    {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

#[cfg(test)]
mod tests;
