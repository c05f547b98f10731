//! A spec as YAML, the form in which people wrote it. The log has it as JSON with sorted keys.

use serde_json::Value;

/// The most characters of a spec that a page shows.
const MAX_CHARS: usize = 20_000;

/// The text of a value, a line for each scalar. One that is too long for a page is cut, and the last
/// line says where to find the rest.
pub fn yaml(value: &Value, rest: &str) -> String {
    let mut text = String::new();
    write(value, 0, Position::Line, &mut text);
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(end);
        text.push_str("\n# cut here: ");
        text.push_str(rest);
        text.push('\n');
    }
    text
}

/// Where a value is written: decides what stands before its first line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// At the begin of a line.
    Line,
    /// Behind the colon of a key.
    Key,
    /// Behind the dash of an item.
    Item,
}

fn write(value: &Value, indent: usize, position: Position, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (number, (key, value)) in fields.iter().enumerate() {
                begin(number, indent, position, text);
                text.push_str(&scalar(key));
                text.push(':');
                write(value, indent + 2, Position::Key, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            // As kubectl has it: the items of a key's list stand below the key.
            let indent = if position == Position::Key { indent.saturating_sub(2) } else { indent };
            for (number, item) in items.iter().enumerate() {
                begin(number, indent, position, text);
                text.push('-');
                write(item, indent + 2, Position::Item, text);
            }
        }
        _ => {
            if position != Position::Line {
                text.push(' ');
            }
            text.push_str(&match value {
                Value::String(string) => scalar(string),
                // Empty lists and objects, numbers, booleans and null are YAML as they are.
                other => other.to_string(),
            });
            text.push('\n');
        }
    }
}

/// What stands before an entry of an object or a list.
fn begin(number: usize, indent: usize, position: Position, text: &mut String) {
    match position {
        Position::Item if number == 0 => text.push(' '),
        Position::Key if number == 0 => {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
        }
        _ => text.push_str(&" ".repeat(indent)),
    }
}

/// A text as it is where YAML reads it as that text, else in quotes: a JSON string is a YAML one.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { Value::from(text).to_string() }
}

fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let inside = |c: char| c.is_ascii_alphanumeric() || " -_./,()'+".contains(c);
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    begins && !text.ends_with(' ') && text.chars().all(inside) && !is_word
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_reads_as_people_write_one() {
        let spec = json!({
            "criteria": ["CC6.1", "CC6.3"],
            "scope": {"excludeNamespaces": [], "matchLabels": {"env": "prod"}},
            "suspended": false,
            "test": {"rbac": {"allow": [{"kind": "Group", "name": "ops"}, {"name": "*"}]}},
            "title": "Nobody: \"admin\"",
            "owner": "no",
        });
        assert_eq!(
            yaml(&spec, ""),
            "criteria:\n- CC6.1\n- CC6.3\nowner: \"no\"\nscope:\n  excludeNamespaces: []\n  matchLabels:\n    env: prod\nsuspended: false\ntest:\n  rbac:\n    allow:\n    - kind: Group\n      name: ops\n    - name: \"*\"\ntitle: \"Nobody: \\\"admin\\\"\"\n"
        );
    }

    #[test]
    fn what_yaml_would_read_otherwise_is_quoted() {
        for text in ["", "1", "-a", "true", "No", "a: b", "a #b", "*", "a\nb", " a", "a ", "0x1f"] {
            assert_eq!(scalar(text), Value::from(text).to_string(), "{text}");
        }
        for text in ["prod", "platform-security", "/spec/a", "It's read (once a day), and kept"] {
            assert_eq!(scalar(text), text);
        }
    }

    #[test]
    fn a_long_spec_is_cut_and_says_so() {
        let text = yaml(&json!({"a": "é".repeat(MAX_CHARS * 2)}), "see the JSON");
        assert!(text.ends_with("é\n# cut here: see the JSON\n"));
        assert!(text.chars().count() < MAX_CHARS + 100);
    }

    #[test]
    fn lists_in_lists_keep_their_order() {
        assert_eq!(yaml(&json!([["a", "b"], []]), ""), "- - a\n  - b\n- []\n");
    }
}
