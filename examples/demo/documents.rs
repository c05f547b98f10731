//! The sample company's manifests, with times that are always recent.
//!
//! `{{ago 3h}}` and `{{in 60d}}` stand for a time before or after now: a backup of last night is
//! last night's whenever the demo runs.

use std::path::{Path, PathBuf};

use comptroller_core::api::{Duration, time::whole_seconds};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Result;

/// Every object of the manifests in a folder and those below it, by the names of the files.
pub fn read(folder: &Path, now: Timestamp) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for path in files(folder)? {
        let place = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| place(&error))?;
        let text = with_times(&text, now).map_err(|error| place(&error))?;
        for document in yaml_serde::Deserializer::from_str(&text) {
            let object = Value::deserialize(document).map_err(|error| place(&error))?;
            if !object.is_null() {
                objects.push(object);
            }
        }
    }
    Ok(objects)
}

/// A list that `kubectl apply -f -` takes.
pub fn list(objects: &[&Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| {
        format!("{}: {error}; run the demo from a complete checkout", folder.display())
    })?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml")
            && path.file_name().is_some_and(|name| name != "kustomization.yaml")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text with times in place of their tokens.
fn with_times(text: &str, now: Timestamp) -> Result<String> {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (token, after) = after.split_once("}}").ok_or("{{ without }}")?;
        written.push_str(before);
        written.push_str(&time(token.trim(), now)?);
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}

fn time(token: &str, now: Timestamp) -> Result<String> {
    let unknown = || format!("{{{{{token}}}}} is no time: write {{{{ago 3h}}}} or {{{{in 60d}}}}");
    let (direction, length) = token.split_once(' ').ok_or_else(unknown)?;
    let length: Duration = length.trim().parse().map_err(|_| unknown())?;
    let time = match direction {
        "ago" => length.subtract_from(now),
        "in" => length.add_to(now),
        _ => return Err(unknown().into()),
    };
    Ok(whole_seconds(time).0.to_string())
}
