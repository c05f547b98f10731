//! YAML that commands print for other programs to read.

use serde::Serialize;

/// A value as YAML that kubectl and Helm read as it is meant.
///
/// They read YAML 1.1, where a bare `on` is true; it is written by the rules of YAML 1.2, where `on` is
/// text. So the field of this name stands in quotes.
///
/// # Errors
/// If the value has a form that YAML does not.
pub fn to_string(value: &impl Serialize) -> Result<String, yaml_serde::Error> {
    yaml_serde::to_string(value).map(|text| quote_on(&text))
}

fn quote_on(yaml: &str) -> String {
    let quoted = yaml.lines().map(|line| match line.strip_suffix("on:") {
        Some(indent) if indent.trim().is_empty() => format!("{indent}\"on\":\n"),
        _ => format!("{line}\n"),
    });
    quoted.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn the_field_on_is_quoted_wherever_it_is_and_no_other() {
        let value = json!({
            "on": {"event": "ControlDeleted"},
            "spec": {"on": {"on": ["on:", "a\nseason:\n"]}, "version": {"reason": "on"}},
        });
        let text = super::to_string(&value).unwrap();
        assert_eq!(text.matches("\"on\":").count(), 3, "{text}");
        assert!(!text.lines().any(|line| line.trim() == "on:"), "{text}");
        assert_eq!(yaml_serde::from_str::<Value>(&text).unwrap(), value, "{text}");
    }
}
