//! What /metrics says of controls.

use comptroller_core::api::State;

pub struct Scrape<'a>(pub &'a str);

impl Scrape<'_> {
    /// The value of a series, such as `name{label="value"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.0.lines().find_map(|line| {
            let value = line.strip_prefix(series)?.strip_prefix(' ')?;
            value.trim().parse().ok()
        })
    }

    pub fn state(&self, control: &str) -> Option<State> {
        let is = |state: &&State| {
            let series =
                format!(r#"comptroller_control_state{{control="{control}",state="{state}"}}"#);
            self.value(&series) == Some(1.0)
        };
        State::ALL.iter().find(is).copied()
    }

    pub fn since(&self, control: &str) -> Option<f64> {
        self.value(&format!(
            r#"comptroller_control_since_timestamp_seconds{{control="{control}"}}"#
        ))
    }
}
