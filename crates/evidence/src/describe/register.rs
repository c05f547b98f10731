//! What came, went and changed in a register, in words.

use jiff::Timestamp;
use serde_json::Value;

use super::{Description, counted, cut, reading::read};
use crate::register::{ListRead, RegisterCause, RegisterData, RegisterItem};

pub(super) fn register(name: &str, at: Timestamp, data: &RegisterData) -> Description {
    let whole = counted(data.total, "item");
    let says = match data.cause {
        RegisterCause::Start if data.more => {
            format!(
                "The register {name} begins: a part of its first list, {whole} so far; more follows"
            )
        }
        RegisterCause::Start => {
            format!("The register {name} begins: its first list ends, with {whole}")
        }
        RegisterCause::Change => format!(
            "In the register {name} {} came, {} went and {} changed; it has {whole}",
            data.added.len(),
            data.removed.len(),
            data.changed.len()
        ),
        RegisterCause::Day => {
            format!("The register {name} has {whole} on the first look of the day")
        }
        RegisterCause::Reading if data.is_read() == Some(true) => {
            format!(
                "All that the register {name} is derived from can be read again; it has {whole}"
            )
        }
        RegisterCause::Reading => {
            format!(
                "Not all that the register {name} is derived from can be read; it has {whole}, and may lack some"
            )
        }
    };
    let between = data.between.map(|between| {
        format!(
            "between {} and {}, when nobody looked: it was found by comparison",
            between.from, between.to
        )
    });
    let lists = data.lists.is_empty().then_some("as the entry of the register before it says");
    Description::new(says)
        .known("happened", between)
        .detail("digest", &format!("{}, of all items after this entry", data.digest))
        .known("collector", data.collector.as_ref())
        .known("lists", lists)
        .list("items that came", &data.added, |item| row(item, at))
        .list("items that went", &data.removed, |item| row(item, at))
        .list("items that changed", &data.changed, |item| row(item, at))
        .list("items that are listed", &data.list, |item| row(item, at))
        .list("lists that it is derived from", &data.lists, list)
}

fn row(item: &RegisterItem, at: Timestamp) -> String {
    let fields: Vec<String> =
        item.fields.iter().map(|(field, value)| format!("{field}: {}", text(value))).collect();
    let fields = fields.join(", ");
    let seen = item.seen.unwrap_or(at);
    if fields.is_empty() {
        format!("{} at {seen}", item.key)
    } else {
        format!("{} at {seen}: {}", item.key, cut(&fields))
    }
}

/// A value of a field, as people read it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(texts) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            texts.join(" ")
        }
        other => other.to_string(),
    }
}

fn list(list: &ListRead) -> String {
    let mut row =
        format!("{}: {}, {}", list.resource, read(list.reading), counted(list.count, "object"));
    if let Some(counted) = list.counted {
        row.push_str(" (");
        row.push_str(&counted.to_string());
        row.push_str(" by the API server's own count)");
    }
    if let Some(version) = &list.resource_version {
        row.push_str(", list at resourceVersion ");
        row.push_str(version);
    }
    if let Some(at) = list.listed_at {
        row.push_str(" complete at ");
        row.push_str(&at.to_string());
    }
    row
}
