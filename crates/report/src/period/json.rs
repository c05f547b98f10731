//! The report as JSON: the model as it is, and its digest.

use std::io;

use serde::Serialize;

use super::{
    digest,
    format::{PeriodFormat, Render},
    model::PeriodReport,
};

/// The whole model, for programs.
pub(super) const FORMAT: PeriodFormat =
    PeriodFormat::new("json", "The whole model, for programs", Render::File(write));

/// Writes it, indented; the same report is the same bytes.
pub fn write(report: &PeriodReport, out: &mut dyn io::Write) -> io::Result<()> {
    let report_digest = digest(report).map_err(io::Error::other)?;
    crate::json::write_pretty(&WithDigest { report_digest, report }, out)
}

/// A report and its digest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WithDigest<'a> {
    report_digest: String,
    #[serde(flatten)]
    report: &'a PeriodReport,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::period::testing::{HOSTILE, rich, type_one};

    fn written(report: &PeriodReport) -> String {
        let mut output = Vec::new();
        write(report, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn json_is_as_agreed() {
        insta::assert_snapshot!(written(&type_one()));
    }

    #[test]
    fn the_same_report_is_the_same_bytes_and_acts_on_no_terminal() {
        let text = written(&rich());
        assert_eq!(text, written(&rich()));
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'));
    }

    #[test]
    fn the_model_is_read_back_as_it_was() {
        let json: Value = serde_json::from_str(&written(&rich())).unwrap();
        assert_eq!(json["period"]["type"], "TypeII");
        assert_eq!(json["period"]["from"], "2026-07-01T00:00:00Z");
        assert_eq!(json["controls"].as_array().unwrap().len(), 7);
        let images = json["controls"]
            .as_array()
            .unwrap()
            .iter()
            .find(|control| control["name"] == "images-are-pinned")
            .unwrap();
        assert_eq!(images["owner"], HOSTILE);
    }
}
