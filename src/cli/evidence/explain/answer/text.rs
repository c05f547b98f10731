//! An explanation for people.

use std::fmt::Write as _;

use super::{
    Explanation, FactsOrigin, JudgedFinding, RecordedFinding, RecordedOutcome, SpecInForce,
};
use crate::cli::evidence::explain::world::full_name;
use comptroller_report::visible;

impl Explanation {
    /// The explanation for people.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let item = full_name(&self.item);
        writeln!(out, "Control:    {}: {}", visible(&self.control), visible(&self.spec.title))?;
        writeln!(out, "Item:       {}", visible(&item))?;
        if let Some(uid) = &self.uid {
            writeln!(out, "            uid {}", visible(uid))?;
        }
        writeln!(out, "At:         {}", self.at)?;
        writeln!(out, "Log:        {}", visible(&self.origin))?;
        match &self.recorded {
            Some(recorded) => recorded.write(out)?,
            None => writeln!(out, "Recorded:   no verdict of the control by then")?,
        }
        let SpecInForce { entry, since, generation, .. } = &self.spec;
        let generation = generation.map_or_else(String::new, |n| format!("generation {n}, "));
        writeln!(out, "Spec:       {generation}entry {entry}, since {since}")?;
        let FactsOrigin { entry, at, collector, list, .. } = &self.inventory;
        writeln!(out, "Facts:      entry {entry} of {at}, read by {}", visible(collector))?;
        if let Some(list) = list {
            let version = list.resource_version.as_deref().unwrap_or("none");
            write!(
                out,
                "            {} {} {}, {}",
                list.count, list.api_version, list.kind, list.reading
            )?;
            writeln!(out, "; resource version {}", visible(version))?;
        }
        if let Some(digest) = &self.facts_digest {
            writeln!(out, "            {digest}")?;
        }
        writeln!(out, "Judgement:  {}: {}", self.judgement.outcome, visible(&self.judgement.why))?;
        for finding in &self.judgement.findings {
            let JudgedFinding { rule, severity, message, exception, .. } = finding;
            write!(out, "            {severity} {}: {}", visible(rule), visible(message))?;
            match exception {
                Some(exception) => writeln!(out, " (excepted by {})", visible(exception))?,
                None => writeln!(out)?,
            }
        }
        writeln!(out, "Log agrees: {}", self.agreement())?;
        for change in &self.changed_since {
            writeln!(
                out,
                "            entry {} of {}: {}",
                change.entry,
                change.at,
                visible(&change.what)
            )?;
        }
        if !self.facts.is_null() {
            writeln!(out, "\nFacts, as they are stored:")?;
            let yaml = yaml_serde::to_string(&self.facts).map_err(|_| std::fmt::Error)?;
            for line in yaml.lines() {
                writeln!(out, "  {}", visible(line))?;
            }
        }
        Ok(())
    }

    fn agreement(&self) -> String {
        let mut text = match (self.agrees, self.changed_since.is_empty()) {
            (Some(true), _) => "yes".to_owned(),
            (Some(false), false) => {
                "no: it was recorded after the facts were that something changed".to_owned()
            }
            (Some(false), true) => {
                "NO, and no entry since the facts were recorded says why".to_owned()
            }
            (None, _) => "that can't be told".to_owned(),
        };
        if self.population_agrees == Some(false) {
            text.push_str(
                "; the items of the control are others than when the facts were recorded",
            );
        }
        text
    }
}

impl RecordedOutcome {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { entry, at, state, reason, findings } = self;
        let reason = visible(reason);
        write!(out, "Recorded:   the control was {state}")?;
        if !reason.is_empty() {
            write!(out, " ({reason})")?;
        }
        writeln!(out, ", by entry {entry} of {at}")?;
        if findings.is_empty() {
            return writeln!(out, "            nothing was open about this item");
        }
        for finding in findings {
            let RecordedFinding { rule, since, entry, exception, .. } = finding;
            write!(out, "            {} since {since}, by entry {entry}", visible(rule))?;
            match exception {
                Some(exception) => writeln!(out, ", excepted by {}", visible(exception))?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}
