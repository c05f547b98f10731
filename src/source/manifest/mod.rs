//! Reads manifest files into the objects that `kubectl apply` would send.
//!
//! Accepts any YAML or JSON that kubectl accepts: many documents, lists, anchors and merges, scalars of
//! YAML 1.1. One document is in memory at a time. A document that can't be read is an error with its
//! position, and the next one is read nevertheless. What kubectl accepts silently, such as a key that
//! appears twice, is an error here: a scan must not guess.

mod chunks;
mod events;
mod kinds;
mod nulls;
mod reader;
mod scalar;
mod tree;

use std::{io::BufRead, sync::Arc};

use serde_json::Value;

pub use self::{kinds::mentioned_in, nulls::as_stored};

/// A position in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentLine {
    /// The number of the document, from 1. Comments alone are not a document.
    pub document: usize,
    /// The line in the file, from 1.
    pub line: usize,
}

/// A document of a file, or an item of a list in it.
#[derive(Clone, Debug, PartialEq)]
pub enum ManifestDocument {
    /// An object with `apiVersion` and `kind`. The contents of a Secret are already gone.
    Object(Value, DocumentLine),
    /// A document that has no kind and is not meant to have one, such as Helm values.
    Other(DocumentLine),
}

/// Why a document can't be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{}: document {}: {message}", location.line, location.document)]
pub struct ManifestError {
    /// The file as the user named it; `-` is standard input.
    pub file: Arc<str>,
    /// The position in it.
    pub location: DocumentLine,
    /// What is wrong. Never quotes the contents of a Secret.
    pub message: String,
    /// The kinds that the text mentions: its objects may be of any of them.
    pub kinds: Vec<String>,
}

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest document, in bytes.
    pub document_bytes: usize,
    /// The rest of a file with this many errors is not read.
    pub errors_per_file: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { document_bytes: 64 << 20, errors_per_file: 100 }
    }
}

/// Reads every document of one file, and passes each object or error to `visit` as soon as it is known.
pub fn read(
    file: &str,
    input: impl BufRead,
    limits: Limits,
    visit: &mut dyn FnMut(Result<ManifestDocument, ManifestError>),
) {
    reader::ManifestReader::new(file, limits, visit).read(input);
}

/// Drops the contents of a Secret: nothing here needs them, so nothing keeps them. Other objects stay as they
/// are.
pub fn strip_secret(object: &mut Value) {
    let Value::Object(fields) = object else {
        return;
    };
    if fields.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    fields.remove("data");
    fields.remove("stringData");
    // kubectl stores the whole object in this annotation, contents included.
    if let Some(Value::Object(annotations)) =
        fields.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"))
    {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

#[cfg(test)]
mod tests;
