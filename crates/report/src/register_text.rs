//! Items of registers as texts, for tables of every kind.

use comptroller_evidence::{
    fold::{
        register_windows::{RegisterRow, SeenRow},
        registers::RegisterGap,
    },
    register::Fields,
};
use serde_json::Value;

/// The columns of a CSV that say how long an item was in a register.
pub const STAY_COLUMNS: [&str; 11] = [
    "key",
    "came",
    "came_after",
    "came_entry",
    "in_first_list",
    "went",
    "went_after",
    "went_entry",
    "changes",
    "last_changed",
    "entries",
];

/// The fields that tell the items of a register apart, for a table that has no room for all. Empty: all of
/// them, in one cell.
pub fn columns(register: &str) -> &'static [&'static str] {
    match register {
        "grants" => &["subject", "role", "scope", "risk", "binding"],
        _ => &[],
    }
}

/// A value of a field, as people read it.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(texts) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            texts.join(", ")
        }
        other => other.to_string(),
    }
}

/// All fields in one text, such as `name: web; namespace: shop`.
pub fn fields(fields: &Fields) -> String {
    let texts: Vec<String> =
        fields.iter().map(|(name, field)| format!("{name}: {}", value(field))).collect();
    texts.join("; ")
}

/// What an item is called: the fields that tell it apart, or its key where there are none.
pub fn name(register: &str, row: &RegisterRow) -> String {
    let named: Vec<String> =
        columns(register).iter().filter_map(|column| row.fields.get(*column).map(value)).collect();
    if named.is_empty() { row.key.clone() } else { named.join(", ") }
}

/// A time in which a register was not known, in a sentence.
pub fn gap(gap: &RegisterGap) -> String {
    let when = match (gap.from, gap.to) {
        (None, None) => "at any time".to_owned(),
        (None, Some(to)) => format!("until {to}"),
        (Some(from), None) => format!("from {from} on"),
        (Some(from), Some(to)) => format!("from {from} to {to}"),
    };
    let entry = gap.entry.map(|entry| format!(" (entry {entry})")).unwrap_or_default();
    format!("{when}: {}{entry}", gap.reason)
}

/// Numbers parted by spaces.
pub fn numbers(numbers: &[u64]) -> String {
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    texts.join(" ")
}

/// The cells of [`STAY_COLUMNS`].
pub fn stay_cells(row: &RegisterRow) -> [String; 11] {
    let after =
        |seen: &SeenRow| seen.between.map(|between| between.from.to_string()).unwrap_or_default();
    let by = |seen: &SeenRow| seen.between.map_or(seen.at, |between| between.to).to_string();
    let went = row.went.as_ref();
    [
        row.key.clone(),
        by(&row.came),
        after(&row.came),
        row.came.entry.to_string(),
        (if row.came.in_first_list { "yes" } else { "no" }).to_owned(),
        went.map(by).unwrap_or_default(),
        went.map(after).unwrap_or_default(),
        went.map(|went| went.entry.to_string()).unwrap_or_default(),
        row.changes.len().to_string(),
        row.changes.last().map(|change| change.seen.at.to_string()).unwrap_or_default(),
        numbers(&row.entries()),
    ]
}
