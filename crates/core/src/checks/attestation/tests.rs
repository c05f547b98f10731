//! Calendars as people expect them, and occurrences through their whole life.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    AttestationCheck, Check, CheckContext, Item, LedgerInputs, OccurrenceLedger,
    calendar::Calendar, item, rule_digest,
};
use crate::{
    api::{AttestationOutcome, Occurrence, OccurrencePhase, test_spec::AttestationTest},
    checks::scope::ScopeFilter,
    inventory::{Inventory, records::AttestationFacts},
};

fn at(text: &str) -> Timestamp {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    text.parse().unwrap()
}

fn rule(spec: Value) -> AttestationTest {
    serde_json::from_value(spec).unwrap()
}

fn yearly() -> AttestationTest {
    rule(json!({"every": "1y", "openFor": "45d", "grace": "30d", "remindBefore": "14d"}))
}

fn quarterly() -> AttestationTest {
    rule(json!({"every": "3mo", "grace": "14d", "remindBefore": "30d"}))
}

fn record(name: &str, period: &str, person: &str, recorded: &str) -> Arc<AttestationFacts> {
    Arc::new(AttestationFacts {
        name: name.to_owned(),
        control: "reviews".to_owned(),
        period: period.to_owned(),
        attested_by: person.to_owned(),
        recorded_by: None,
        performed_at: at(recorded),
        recorded_at: Some(at(recorded)),
        outcome: AttestationOutcome::Completed,
        version: None,
        participants: Box::default(),
        summary: Box::default(),
        artifacts: Box::default(),
        corrects: None,
        spec_digest: String::new(),
    })
}

/// One control with its records, moved through time.
struct World {
    rule: AttestationTest,
    created: Timestamp,
    records: Vec<Arc<AttestationFacts>>,
    waived: Option<(&'static str, &'static str)>,
    ledger: OccurrenceLedger,
}

impl World {
    fn new(rule: AttestationTest, created: &str) -> Self {
        let created = at(created);
        Self {
            rule,
            created,
            records: Vec::new(),
            waived: None,
            ledger: OccurrenceLedger::default(),
        }
    }

    /// Moves to a time; what there is then, as `period phase` for each occurrence.
    fn to(&mut self, now: &str) -> String {
        self.advance(at(now));
        let occurrences = self.ledger.occurrences().iter();
        occurrences
            .map(|one| format!("{} {}", one.period, one.phase))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn advance(&mut self, now: Timestamp) {
        let waived = self.waived;
        self.ledger.advance(&LedgerInputs {
            rule: &self.rule,
            pseudonym: None,
            digest: &rule_digest(&self.rule),
            created: self.created,
            // What is not written yet can't be known.
            records: self
                .records
                .iter()
                .filter(|record| record.recorded_at.is_none_or(|recorded| recorded <= now))
                .collect(),
            waiver: &|period, _| {
                waived.filter(|(known, _)| *known == period).map(|(_, name)| name.to_owned())
            },
            now,
        });
    }

    fn occurrence(&self, period: &str) -> &Occurrence {
        self.ledger.occurrences().iter().find(|one| one.period == period).unwrap()
    }

    fn note(&self, period: &str, name: &str) -> String {
        let records = &self.occurrence(period).records;
        let record = records.iter().find(|record| record.name == name).unwrap();
        format!("{}: {}", record.counts, record.note)
    }

    /// What the check says at a time: the findings, and how many occurrences were judged.
    fn judge(&self, now: &str) -> (Vec<String>, usize) {
        let (inventory, scope) = (Inventory::default(), ScopeFilter::default());
        let context = CheckContext {
            inventory: &inventory,
            scope: &scope,
            now: at(now),
            occurrences: self.ledger.occurrences(),
        };
        let mut items: Vec<Item> = Vec::new();
        AttestationCheck.items(&context, &mut |item| items.push(item));
        let judged: Vec<_> =
            items.iter().filter_map(|item| AttestationCheck.judge(&context, *item)).collect();
        let findings =
            judged.iter().flat_map(|judgement| judgement.failing.iter().chain(&judgement.unknown));
        let findings = findings.map(|one| format!("{} {}", one.rule, one.resource.name)).collect();
        (findings, judged.len())
    }
}

#[test]
fn periods_are_those_of_the_calendar_unless_a_start_is_given() {
    for (spec, now, expected) in [
        (json!({"every": "1y"}), "2026-11-22", "2026 2026-01-01 2027-01-01 2027-01-01"),
        (json!({"every": "12mo"}), "2026-12-31", "2026 2026-01-01 2027-01-01 2027-01-01"),
        (json!({"every": "3mo"}), "2026-11-22", "2026-Q4 2026-10-01 2027-01-01 2027-01-01"),
        (json!({"every": "6mo"}), "2026-06-30", "2026-H1 2026-01-01 2026-07-01 2026-07-01"),
        (json!({"every": "1mo"}), "2026-02-28", "2026-02 2026-02-01 2026-03-01 2026-03-01"),
        (json!({"every": "2y"}), "2027-06-01", "2026 2026-01-01 2028-01-01 2028-01-01"),
        (
            json!({"every": "1mo", "openFor": "7d", "grace": "3d"}),
            "2026-02-20",
            "2026-02 2026-02-01 2026-02-08 2026-02-11",
        ),
        // Never longer than the period.
        (
            json!({"every": "1mo", "openFor": "31d"}),
            "2026-02-01",
            "2026-02 2026-02-01 2026-03-01 2026-03-01",
        ),
        (
            json!({"every": "3mo", "start": "2026-02-15"}),
            "2026-05-14",
            "2026-02-15 2026-02-15 2026-05-15 2026-05-15",
        ),
        (
            json!({"every": "3mo", "start": "2026-02-15"}),
            "2026-05-15",
            "2026-05-15 2026-05-15 2026-08-15 2026-08-15",
        ),
        (
            json!({"every": "1mo", "start": "2026-01-31"}),
            "2026-03-05",
            "2026-02-28 2026-02-28 2026-03-31 2026-03-31",
        ),
        (
            json!({"every": "1y", "start": "2026-04-01"}),
            "2026-11-22",
            "2026-04-01 2026-04-01 2027-04-01 2027-04-01",
        ),
        (
            json!({"every": "3mo", "start": "2026-01-01"}),
            "2026-04-01",
            "2026-Q2 2026-04-01 2026-07-01 2026-07-01",
        ),
    ] {
        let rule = rule(spec.clone());
        let calendar = Calendar::new(&rule);
        let dates = calendar.occurrence(calendar.number_at(at(now))).unwrap();
        let day = |at: Timestamp| at.to_string()[..10].to_owned();
        let described = format!(
            "{} {} {} {}",
            dates.period,
            day(dates.opens),
            day(dates.due),
            day(dates.grace_until)
        );
        assert_eq!(described, expected, "{spec} at {now}");
    }
}

#[test]
fn what_was_due_before_the_control_existed_does_not_count() {
    assert_eq!(World::new(yearly(), "2026-11-22").to("2026-11-22"), "2027 Scheduled");
    assert_eq!(
        World::new(quarterly(), "2026-11-22").to("2026-11-22"),
        "2026-Q4 Open, 2027-Q1 Scheduled"
    );
    let mut started =
        World::new(rule(json!({"every": "3mo", "start": "2026-04-01"})), "2026-11-22");
    assert_eq!(
        started.to("2026-11-22"),
        "2026-Q2 Missed, 2026-Q3 Missed, 2026-Q4 Open, 2027-Q1 Scheduled"
    );
}

#[test]
fn an_occurrence_is_completed_late_or_missed_by_when_it_was_recorded() {
    for (recorded, phase) in [
        ("2026-12-24", "Completed"),
        ("2027-01-01", "Completed"),
        ("2027-01-01T00:00:01Z", "CompletedLate"),
        ("2027-01-15", "CompletedLate"),
        ("2027-01-15T00:00:01Z", "Missed"),
    ] {
        let mut world = World::new(quarterly(), "2026-10-02");
        world.records.push(record("one", "2026-Q4", "sam", recorded));
        let occurrences = world.to("2027-02-01");
        assert!(
            occurrences.starts_with(&format!("2026-Q4 {phase}, 2027-Q1 Open")),
            "{recorded}: {occurrences}"
        );
        // The same when it is looked at each day.
        let mut daily = World::new(quarterly(), "2026-10-02");
        daily.records.clone_from(&world.records);
        for day in 0..122 {
            daily.advance(at("2026-10-02") + SignedDuration::from_hours(24 * day));
        }
        assert_eq!(daily.to("2027-02-01"), occurrences);
    }
}

#[test]
fn missed_is_for_ever_and_what_comes_later_is_kept_as_catch_up() {
    let mut world = World::new(quarterly(), "2026-10-02");
    assert_eq!(world.to("2027-01-20"), "2026-Q4 Missed, 2027-Q1 Open, 2027-Q2 Scheduled");
    let missed = world.occurrence("2026-Q4").clone();
    world.records.push(record("late", "2026-Q4", "sam", "2027-01-21"));
    assert_eq!(world.to("2027-01-21"), "2026-Q4 Missed, 2027-Q1 Open, 2027-Q2 Scheduled");
    assert!(world.note("2026-Q4", "late").starts_with("false: it came too late"));
    assert_eq!(Occurrence { records: Vec::new(), ..world.occurrence("2026-Q4").clone() }, missed);
    assert_eq!(world.judge("2027-01-21"), (vec!["Missed 2026-Q4".to_owned()], 1));
    // The next one was performed: the control is well again, and the missed one stays in its history.
    world.records.push(record("next", "2027-Q1", "sam", "2027-01-22"));
    assert_eq!(world.to("2027-01-22"), "2026-Q4 Missed, 2027-Q1 Completed, 2027-Q2 Scheduled");
    assert_eq!(world.judge("2027-01-22"), (vec![], 2));
}

#[test]
fn a_record_of_the_last_second_may_arrive_a_little_later() {
    let mut world = World::new(quarterly(), "2026-10-02");
    world.to("2027-01-15T00:04:59Z");
    assert_eq!(world.occurrence("2026-Q4").phase, OccurrencePhase::Open);
    world.records.push(record("one", "2026-Q4", "sam", "2027-01-14T23:59:59Z"));
    world.to("2027-01-15T00:05:00Z");
    assert_eq!(world.occurrence("2026-Q4").phase, OccurrencePhase::CompletedLate);
}

#[test]
fn nothing_can_be_backdated() {
    let mut world = World::new(quarterly(), "2026-10-02");
    let with = |name: &str, change: &dyn Fn(&mut AttestationFacts)| {
        let mut facts = (*record(name, "2026-Q4", "sam", "2026-11-01")).clone();
        change(&mut facts);
        Arc::new(facts)
    };
    world.records = vec![
        with("ahead", &|facts| facts.performed_at = at("2026-11-02")),
        with("before", &|facts| facts.performed_at = at("2026-09-30")),
        with("early", &|facts| facts.recorded_at = Some(at("2026-09-30T23:59:59Z"))),
        with("file", &|facts| facts.recorded_at = None),
    ];
    world.to("2026-11-03");
    assert_eq!(world.occurrence("2026-Q4").phase, OccurrencePhase::Open);
    for (name, wanted) in [
        ("ahead", "false: performedAt 2026-11-02T00:00:00Z is later than the record itself"),
        ("before", "false: performedAt 2026-09-30T00:00:00Z is before the period"),
        ("early", "false: it was recorded before the occurrence opened"),
        ("file", "false: it never reached an API server"),
    ] {
        let note = world.note("2026-Q4", name);
        assert!(note.starts_with(wanted), "{name}: {note}");
    }
    // A clock a little ahead is no lie.
    world.records = vec![with("skewed", &|facts| facts.performed_at = at("2026-11-01T00:05:00Z"))];
    world.to("2026-11-04");
    assert_eq!(world.occurrence("2026-Q4").phase, OccurrencePhase::Completed);
}

#[test]
fn enough_different_people_must_attest_what_is_required() {
    let spec = json!({
        "every": "3mo", "minAttesters": 2, "requires": ["version"],
        "attesters": {"users": ["sam", "ann", "eve"]},
    });
    let mut world = World::new(rule(spec), "2026-10-02");
    let versioned = |name, person, recorded| {
        let facts = (*record(name, "2026-Q4", person, recorded)).clone();
        Arc::new(AttestationFacts { version: Some("3".to_owned()), ..facts })
    };
    world.records = vec![
        versioned("a", "sam", "2026-11-01"),
        versioned("b", "sam", "2026-11-02"),
        versioned("c", "mallory", "2026-11-03"),
        record("d", "2026-Q4", "ann", "2026-11-04"),
    ];
    world.to("2026-11-05");
    assert_eq!(world.occurrence("2026-Q4").phase, OccurrencePhase::Open);
    assert!(world.note("2026-Q4", "c").contains("not among the attesters"));
    assert!(world.note("2026-Q4", "d").contains("lacks spec.version"));
    world.records.push(versioned("e", "ann", "2026-11-06"));
    world.to("2026-11-06");
    let occurrence = world.occurrence("2026-Q4");
    assert_eq!(occurrence.phase, OccurrencePhase::Completed);
    assert_eq!(occurrence.closed.as_ref().unwrap().0, at("2026-11-06"));
}

#[test]
fn who_attests_as_one_of_a_group_is_said_not_to_be_verified() {
    let spec = json!({"every": "3mo", "attesters": {"groups": ["security"]}});
    let mut world = World::new(rule(spec), "2026-10-02");
    world.records.push(record("a", "2026-Q4", "sam", "2026-11-01"));
    world.to("2026-11-05");
    assert!(world.note("2026-Q4", "a").contains("not verified here"));
}

#[test]
fn a_rule_holds_from_the_next_occurrence_on() {
    let mut world = World::new(quarterly(), "2026-10-02");
    world.to("2026-11-01");
    let open = world.occurrence("2026-Q4").clone();
    // Stricter, and of another cadence.
    world.rule = rule(json!({"every": "1y", "minAttesters": 2, "openFor": "45d"}));
    assert_eq!(world.to("2026-11-02"), "2026-Q4 Open, 2027 Scheduled");
    assert_eq!(*world.occurrence("2026-Q4"), open);
    world.records.push(record("a", "2026-Q4", "sam", "2026-11-03"));
    assert_eq!(world.to("2026-11-03"), "2026-Q4 Completed, 2027 Scheduled");
    assert_eq!(world.to("2027-01-05"), "2026-Q4 Completed, 2027 Open, 2028 Scheduled");
    assert_eq!(world.occurrence("2027").rule_digest, rule_digest(&world.rule));
}

#[test]
fn a_rule_that_changed_does_not_reach_back() {
    let mut world = World::new(yearly(), "2026-01-02");
    world.records.push(record("a", "2026", "sam", "2026-02-01"));
    assert_eq!(world.to("2026-06-01"), "2026 Completed, 2027 Scheduled");
    world.rule = rule(json!({"every": "3mo", "openFor": "14d"}));
    // The second quarter has begun, and nobody could have known.
    assert_eq!(world.to("2026-06-02"), "2026 Completed, 2026-Q3 Scheduled");
}

#[test]
fn a_rule_changed_by_hand_in_the_status_is_not_believed() {
    let mut world = World::new(rule(json!({"every": "3mo", "minAttesters": 2})), "2026-10-02");
    world.to("2026-11-01");
    let mut occurrences = world.ledger.occurrences().to_vec();
    occurrences[0].rule = Some(rule(json!({"every": "3mo"})));
    world.ledger = OccurrenceLedger::restored(occurrences);
    world.records.push(record("a", "2026-Q4", "sam", "2026-11-03"));
    world.to("2026-11-04");
    assert_eq!(world.occurrence("2026-Q4").phase, OccurrencePhase::Open);
}

#[test]
fn a_waiver_counts_until_the_due_date_only() {
    let mut world = World::new(quarterly(), "2026-10-02");
    world.to("2026-12-01");
    world.waived = Some(("2026-Q4", "merger"));
    assert_eq!(world.to("2026-12-02"), "2026-Q4 Waived, 2027-Q1 Scheduled");
    assert_eq!(world.occurrence("2026-Q4").waived_by.as_deref(), Some("merger"));
    assert_eq!(world.judge("2026-12-02"), (vec![], 0));

    let mut late = World::new(quarterly(), "2026-10-02");
    late.to("2027-01-01T00:00:01Z");
    late.waived = Some(("2026-Q4", "merger"));
    late.to("2027-01-02");
    assert_eq!(late.occurrence("2026-Q4").phase, OccurrencePhase::Open);
}

#[test]
fn open_and_scheduled_occurrences_prove_nothing_and_overdue_ones_fail() {
    let mut world = World::new(quarterly(), "2026-10-02");
    world.to("2026-11-01");
    assert_eq!(world.judge("2026-11-01"), (vec![], 0));
    world.to("2027-01-02");
    // Whether anybody could attest is not known to an inventory without the kind.
    assert_eq!(world.judge("2027-01-02"), (vec!["NotServed 2026-Q4".to_owned()], 1));
}

#[test]
fn time_wakes_the_ledger_for_each_step() {
    let mut world = World::new(quarterly(), "2026-10-02");
    world.to("2026-10-02");
    let mut steps = Vec::new();
    while let Some(next) = world.ledger.next_change().filter(|next| *next < at("2027-02-01")) {
        world.advance(next);
        steps.push(next.to_string());
    }
    assert_eq!(
        steps,
        // The reminder, the next quarter, the end of the grace.
        ["2026-12-02T00:00:00Z", "2027-01-01T00:00:00Z", "2027-01-15T00:05:00Z"]
    );
    assert!(world.occurrence("2026-Q4").reminded.is_some());
}

#[test]
fn a_long_absence_and_an_early_start_stay_bounded() {
    let mut world = World::new(rule(json!({"every": "1mo", "start": "1990-01-01"})), "2026-11-22");
    world.to("2026-11-22");
    assert_eq!(world.ledger.occurrences().len(), crate::api::MAX_OCCURRENCES);
    world.to("2036-01-01");
    assert_eq!(world.ledger.occurrences().len(), crate::api::MAX_OCCURRENCES);
}

fn any_rule() -> impl Strategy<Value = AttestationTest> {
    let every = prop::sample::select(vec!["1mo", "2mo", "3mo", "5mo", "6mo", "1y", "2y"]);
    let length = || prop::sample::select(vec!["", "1d", "7d", "28d"]);
    let start = prop::option::of((2020..2027_i16, 1..=12_i8, 1..=31_i8));
    (every, length(), length(), length(), start, 1..3_i32).prop_map(
        |(every, open, grace, remind, start, people)| {
            let mut spec = json!({"every": every, "minAttesters": people});
            for (field, length) in [("openFor", open), ("grace", grace), ("remindBefore", remind)] {
                if !length.is_empty() {
                    spec[field] = length.into();
                }
            }
            if let Some((year, month, day)) = start {
                let days = jiff::civil::date(year, month, 1).days_in_month();
                let day = day.min(days);
                spec["start"] = format!("{year:04}-{month:02}-{day:02}").into();
            }
            rule(spec)
        },
    )
}

proptest! {
    /// Whatever happens: no two occurrences share a period or a number, they come in order, their
    /// dates are in order, and what is closed stays as it is.
    #[test]
    fn occurrences_are_in_order_and_closed_ones_stay(
        rules in prop::collection::vec(any_rule(), 1..4),
        steps in prop::collection::vec((1..4000_i64, 0..3_u8), 1..40),
    ) {
        let mut world = World::new(rules[0].clone(), "2024-03-05");
        let mut now = world.created;
        for (position, (hours, action)) in steps.into_iter().enumerate() {
            now += SignedDuration::from_hours(hours);
            let before = world.ledger.clone();
            match action {
                1 => world.rule = rules[position % rules.len()].clone(),
                2 => if let Some(open) = before.occurrences().iter().find(|one| one.phase == OccurrencePhase::Open) {
                    let name = format!("r{position}");
                    let recorded = now.to_string();
                    let person = format!("p{}", position % 3);
                    world.records.push(record(&name, &open.period, &person, &recorded));
                },
                _ => {}
            }
            world.advance(now);
            let after = world.ledger.occurrences();
            prop_assert!(after.len() <= crate::api::MAX_OCCURRENCES);
            for pair in after.windows(2) {
                prop_assert!(pair[0].opens.0 < pair[1].opens.0);
                prop_assert!(pair[0].period != pair[1].period);
                prop_assert!(item(&pair[0]) != item(&pair[1]));
                prop_assert!(pair[0].phase != OccurrencePhase::Scheduled);
            }
            for one in after {
                prop_assert!(one.opens.0 < one.due.0 && one.due.0 <= one.grace_until.0);
                prop_assert!((one.phase == OccurrencePhase::Scheduled) == (one.opens.0 > now));
                prop_assert!(one.phase.is_closed() == one.closed.is_some());
            }
            for known in before.occurrences() {
                let Some(same) = after.iter().find(|one| one.period == known.period) else { continue };
                if known.phase.is_closed() {
                    prop_assert_eq!((known.phase, &known.closed, &known.due), (same.phase, &same.closed, &same.due));
                }
                if known.phase != OccurrencePhase::Scheduled {
                    prop_assert_eq!((&known.opens, &known.due, &known.rule_digest), (&same.opens, &same.due, &same.rule_digest));
                }
            }
            // Advancing again at the same time changes nothing.
            let once = world.ledger.clone();
            world.advance(now);
            prop_assert_eq!(&once, &world.ledger);
        }
    }
}
