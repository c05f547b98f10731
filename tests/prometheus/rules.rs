//! The shipped rules, and the same in a hurry.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// Alerts that are not made to fire here. promtool's tests fire them on written series.
pub const ONLY_PROMTOOL: &[(&str, &str)] = &[
    ("ComptrollerVersionsDiffer", "there is one binary here, and so one version"),
    (
        "ComptrollerClockDiffers",
        "a process has the clock of its machine, which is the API server's",
    ),
    (
        "ComptrollerWitnessRefuses",
        "takes litewitness and a forged log: tests/operator/cosigning.rs",
    ),
];

/// Limits of age that nothing reaches within seconds, and what is asked for instead. A verdict over
/// objects that don't change is confirmed every 45 s at least: with the shorter limit an idle control
/// rings too, which with the shipped one it does not.
const LIMITS: &[(&str, &str, &str)] = &[
    ("ComptrollerControlNotEvaluated", "> 300", "> 5"),
    ("ComptrollerCheckpointOld", "> 7200)", "> 3)"),
    ("ComptrollerDetectionSlow", "> 5", "> 0.0001"),
];

/// What an alert waits for before it fires.
const FOR: &str = "1s";

/// Longer than a standby waits until it takes over from a leader that was killed (15 s).
const KEEP_FIRING_FOR: &str = "30s";

/// The groups of config/monitoring/prometheusrule.yaml.
pub struct Rules(Value);

impl Rules {
    pub fn shipped() -> Self {
        let text = include_str!("../../config/monitoring/prometheusrule.yaml");
        let rule: Value = yaml_serde::from_str(text).unwrap();
        Self(rule["spec"]["groups"].clone())
    }

    /// The names of the alerts.
    pub fn alerts(&self) -> BTreeSet<String> {
        let rules = self.rules().filter_map(|rule| rule["alert"].as_str());
        rules.map(str::to_owned).collect()
    }

    /// Every expression, with the name of its rule.
    pub fn expressions(&self) -> Vec<(String, String)> {
        self.rules()
            .map(|rule| {
                let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
                (name.to_owned(), rule["expr"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    fn rules(&self) -> impl Iterator<Item = &Value> {
        let groups = self.0.as_array().unwrap().iter();
        groups.flat_map(|group| group["rules"].as_array().unwrap())
    }

    /// The rules with short waits and limits: `for` is a second, `keep_firing_for` half a minute, and the
    /// few limits of age are as in `LIMITS`. Nothing else is changed, so the expressions are the shipped
    /// ones, ranges included: these look back over whatever there is.
    pub fn hastened(&self) -> Value {
        let mut groups = self.0.clone();
        let mut hastened = 0;
        for group in groups.as_array_mut().unwrap() {
            for rule in group["rules"].as_array_mut().unwrap() {
                if rule.get("for").is_some() {
                    rule["for"] = json!(FOR);
                }
                if rule.get("keep_firing_for").is_some() {
                    rule["keep_firing_for"] = json!(KEEP_FIRING_FOR);
                }
                for (alert, shipped, here) in LIMITS {
                    if rule["alert"] == *alert {
                        let expression = rule["expr"].as_str().unwrap();
                        assert_eq!(expression.matches(shipped).count(), 1, "{alert}: {shipped}");
                        rule["expr"] = json!(expression.replace(shipped, here));
                        hastened += 1;
                    }
                }
            }
        }
        assert_eq!(hastened, LIMITS.len(), "a limit is of no alert");
        groups
    }
}
