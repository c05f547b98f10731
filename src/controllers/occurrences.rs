//! What to say of the occurrences of a human control: how they stand, and what to announce. Pure.

use comptroller_core::api::{Occurrence, OccurrencePhase, test_spec::AttestationTest};

/// How the newest occurrence stands, for the condition Ready. None when there is none.
pub fn standing(occurrences: &[Occurrence]) -> Option<String> {
    let open = occurrences.iter().rev().find(|one| one.phase == OccurrencePhase::Open);
    if let Some(open) = open {
        let counted = open.records.iter().filter(|record| record.counts).count();
        let wanted = open.rule.as_ref().map_or(1, AttestationTest::min_attesters);
        let reminder = if open.reminded.is_some() { "reminder: " } else { "" };
        return Some(format!(
            "{reminder}{} is open and due at {}; {counted} of {wanted} attested it so far: see comptroller attest",
            open.period, open.due.0
        ));
    }
    let next = occurrences.iter().rev().find(|one| one.phase == OccurrencePhase::Scheduled)?;
    Some(format!("{} opens at {} and is due at {}", next.period, next.opens.0, next.due.0))
}

/// A reminder or an end that is worth an event, as its reason and its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// In one CamelCase word.
    pub reason: &'static str,
    /// The text of the event: what happened, and until when something is due.
    pub note: String,
    /// Whether somebody should act.
    pub warning: bool,
}

/// What changed between two looks that somebody should hear of.
pub fn announcements(before: &[Occurrence], after: &[Occurrence]) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for occurrence in after {
        let known = find(before, &occurrence.period);
        let phase = known.map(|known| known.phase);
        let due = occurrence.due.0;
        let period = &occurrence.period;
        let mut say = |reason, note, warning| {
            announcements.push(Announcement { reason, note, warning });
        };
        let entered = phase != Some(occurrence.phase);
        match occurrence.phase {
            // A control that is new opens all it has, which is no news.
            OccurrencePhase::Open if entered && !before.is_empty() => {
                say("OccurrenceOpened", format!("{period} can be attested until {due}"), false);
            }
            OccurrencePhase::Missed if entered => say(
                "OccurrenceMissed",
                format!("{period} was due at {due} and nobody attested it in time"),
                true,
            ),
            OccurrencePhase::Completed
            | OccurrencePhase::CompletedLate
            | OccurrencePhase::Waived
                if entered =>
            {
                say("OccurrenceClosed", format!("{period} is {}", occurrence.phase), false);
            }
            _ => {}
        }
        let reminded = known.and_then(|known| known.reminded.as_ref());
        if occurrence.reminded.is_some() && reminded.is_none() {
            let note = format!("{period} is due at {due} and not attested yet");
            say("OccurrenceDue", note, true);
        }
    }
    announcements
}

fn find<'a>(occurrences: &'a [Occurrence], period: &str) -> Option<&'a Occurrence> {
    occurrences.iter().find(|occurrence| occurrence.period == period)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn occurrence(period: &str, phase: &str, more: &Value) -> Occurrence {
        let mut occurrence = json!({
            "period": period, "phase": phase, "ruleDigest": "sha256:1",
            "opens": "2026-10-01T00:00:00Z", "due": "2027-01-01T00:00:00Z",
            "graceUntil": "2027-01-15T00:00:00Z",
        });
        for (field, value) in more.as_object().unwrap() {
            occurrence[field] = value.clone();
        }
        serde_json::from_value(occurrence).unwrap()
    }

    #[test]
    fn what_somebody_should_hear_of_is_announced_once() {
        let open = || occurrence("2026-Q4", "Open", &json!({}));
        let reminded =
            || occurrence("2026-Q4", "Open", &json!({"reminded": "2026-12-02T00:00:00Z"}));
        let of = |phase| vec![occurrence("2026-Q4", phase, &json!({}))];
        for (before, after, expected) in [
            (of("Scheduled"), vec![open()], vec!["OccurrenceOpened"]),
            (vec![], vec![open()], vec![]),
            (vec![open()], vec![reminded()], vec!["OccurrenceDue"]),
            (vec![reminded()], vec![reminded()], vec![]),
            (vec![open()], of("Missed"), vec!["OccurrenceMissed"]),
            (vec![open()], of("CompletedLate"), vec!["OccurrenceClosed"]),
            (vec![], of("Scheduled"), vec![]),
        ] {
            let told = announcements(&before, &after);
            let told: Vec<_> = told.iter().map(|one| one.reason).collect();
            assert_eq!(told, expected, "{after:?}");
        }
    }

    #[test]
    fn a_standing_says_what_to_do_next() {
        let rule = json!({"every": "3mo", "minAttesters": 2});
        let open = occurrence("2026-Q4", "Open", &json!({"rule": rule}));
        let next = occurrence("2027-Q1", "Scheduled", &json!({}));
        let told = standing(&[open, next.clone()]).unwrap();
        assert!(
            told.starts_with("2026-Q4 is open and due at 2027-01-01T00:00:00Z; 0 of 2"),
            "{told}"
        );
        assert!(standing(&[next]).unwrap().starts_with("2027-Q1 opens at 2026-10-01"));
        assert_eq!(standing(&[]), None);
    }
}
