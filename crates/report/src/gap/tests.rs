use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::TableStyle;

fn control(name: &str, criteria: &[&str], state: Option<State>) -> AssessedControl {
    AssessedControl {
        name: name.into(),
        criteria: criteria.iter().map(|id| (*id).to_owned()).collect(),
        attested: false,
        state,
        reason: match state {
            Some(State::Unknown) => "Forbidden",
            Some(State::NotApplicable) => "NoPopulation",
            None => "NotEvaluated",
            _ => "",
        }
        .into(),
    }
}

fn attested(mut control: AssessedControl) -> AssessedControl {
    control.attested = true;
    control
}

fn assess(controls: Vec<AssessedControl>) -> ReadinessReport {
    ReadinessReport::assess(controls, &[], "States: as the test has them.".into(), Vec::new())
}

/// Every standing, every class, a hostile name, and an error.
fn sample() -> ReadinessReport {
    use State::{Excepted, Failing, NotApplicable, Passing, Unknown};
    let controls = vec![
        control("zz-last", &["CC6.1", "ISO27001:A.5.15"], Some(Passing)),
        control("admins", &["CC6.1", "CC6.3"], Some(Failing)),
        control("gateways", &["CC6.6"], Some(Unknown)),
        control("redundancy", &["CC9.1"], Some(Excepted)),
        control("mesh", &["CC6.7"], Some(NotApplicable)),
        control("\u{1b}[2J=evil", &["PI1.3"], None),
        attested(control("code-of-conduct", &["CC1.1"], Some(Passing))),
        control("providers", &["CC6.4"], Some(Passing)),
    ];
    let errors = vec![ReportedError {
        file: Some("controls/broken.yaml".into()),
        line: Some(3),
        message: "did not find expected key".into(),
        ..ReportedError::default()
    }];
    ReadinessReport::assess(controls, &[], "States: as the test has them.".into(), errors)
}

fn written(readiness: &ReadinessReport, format: &TextFormat<ReadinessReport>) -> String {
    written_in(readiness, format, TableStyle::default())
}

fn written_in(
    readiness: &ReadinessReport,
    format: &TextFormat<ReadinessReport>,
    style: TableStyle,
) -> String {
    let mut output = Vec::new();
    format.write(readiness, style, &mut output).unwrap();
    String::from_utf8(output).unwrap()
}

fn standing_of(readiness: &ReadinessReport, id: &str) -> CriterionStanding {
    readiness.criteria.iter().find(|criterion| criterion.id == id).unwrap().standing
}

#[test]
fn formats_are_as_agreed() {
    let sample = sample();
    insta::assert_snapshot!("table", written(&sample, &table::FORMAT));
    insta::assert_snapshot!("json", written(&sample, &json::FORMAT));
    insta::assert_snapshot!("csv", written(&sample, &csv::FORMAT));
    let narrow = TableStyle { colour: true, width: Some(100) };
    let some = ReadinessReport::assess(
        vec![control("admins", &["A1.2"], Some(State::Failing))],
        &[Category::Availability],
        "States: as the test has them.".into(),
        Vec::new(),
    );
    let table = written_in(&some, &table::FORMAT, narrow).replace('\u{1b}', "<ESC>");
    insta::assert_snapshot!("narrow_table", table);
}

#[test]
fn nothing_from_outside_acts_on_a_terminal() {
    for format in FORMATS {
        let text = written(&sample(), format);
        let acting = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\r');
        assert_eq!(acting, None, "{format:?}");
    }
}

#[test]
fn a_failure_outweighs_the_unknown_which_outweighs_what_holds() {
    use CriterionStanding as Standing;
    use State::{Excepted, Failing, NotApplicable, Passing, Unknown};
    for (states, expected) in [
        (&[][..], Standing::NotCovered),
        (&[Some(Passing)], Standing::Passing),
        (&[Some(Passing), Some(NotApplicable)], Standing::Passing),
        (&[Some(Excepted)], Standing::Passing),
        (&[Some(NotApplicable)], Standing::Unknown),
        (&[None], Standing::Unknown),
        (&[Some(Passing), None], Standing::Unknown),
        (&[Some(Passing), Some(Unknown)], Standing::Unknown),
        (&[Some(Unknown), Some(Failing), None, Some(Passing)], Standing::Failing),
    ] {
        let controls = states.iter().map(|state| control("a", &["CC7.1"], *state)).collect();
        assert_eq!(standing_of(&assess(controls), "CC7.1"), expected, "{states:?}");
    }
}

#[test]
fn what_only_people_can_prove_is_not_proved_by_a_cluster_in_order() {
    let passing = control("a", &["CC6.4", "CC9.1", "CC7.1"], Some(State::Passing));
    let alone = assess(vec![passing.clone()]);
    assert_eq!(standing_of(&alone, "CC6.4"), CriterionStanding::Unknown);
    assert_eq!(standing_of(&alone, "CC9.1"), CriterionStanding::Passing);
    assert_eq!(alone.summary.without_people, 2, "CC6.4 and CC9.1, and not CC7.1");
    let asked = attested(control("b", &["CC6.4", "CC9.1"], Some(State::Passing)));
    let both = assess(vec![passing, asked]);
    assert_eq!(standing_of(&both, "CC6.4"), CriterionStanding::Passing);
    assert_eq!(both.summary.without_people, 0);
    // Nobody has attested anything yet.
    let passing = control("a", &["CC6.4"], Some(State::Passing));
    let early = attested(control("b", &["CC6.4"], Some(State::NotApplicable)));
    assert_eq!(standing_of(&assess(vec![passing, early]), "CC6.4"), CriterionStanding::Unknown);
}

#[test]
fn categories_are_chosen_and_kept_in_order() {
    let categories = [Category::Privacy, Category::Availability];
    let some = ReadinessReport::assess(Vec::new(), &categories, String::new(), Vec::new());
    let shown: Vec<Category> = some.categories.iter().map(|one| one.category).collect();
    assert_eq!(shown, [Category::Availability, Category::Privacy]);
    assert_eq!((some.summary.criteria, some.summary.not_covered), (21, 21));
}

proptest! {
    #[test]
    fn counts_add_up(
        served in proptest::collection::vec(
            (proptest::sample::subsequence(SOC2.to_vec(), 0..20), 0..6_usize, any::<bool>()), 0..12)
    ) {
        let states = [None, Some(State::Passing), Some(State::Failing), Some(State::Excepted),
            Some(State::Unknown), Some(State::NotApplicable)];
        let mut expected = BTreeSet::new();
        let controls = served.iter().enumerate().map(|(n, (criteria, state, asks))| {
            expected.extend(criteria.iter().map(|criterion| criterion.id));
            let ids: Vec<&str> = criteria.iter().map(|criterion| criterion.id).collect();
            let mut one = control(&format!("c{n}"), &ids, states[*state]);
            one.attested = *asks;
            one
        }).collect();
        let readiness = assess(controls);
        let all = readiness.summary;
        prop_assert_eq!(all.criteria, 61);
        prop_assert_eq!(all.covered, expected.len());
        prop_assert_eq!(all.passing + all.failing + all.unknown, all.covered);
        prop_assert_eq!(all.covered + all.not_covered, all.criteria);
        let summed: usize = readiness.categories.iter().map(|one| one.standings.covered).sum();
        prop_assert_eq!(summed, all.covered);
        for criterion in &readiness.criteria {
            if criterion.standing == CriterionStanding::Passing {
                prop_assert!(criterion.controls.iter().all(|one| !matches!(
                    one.state, None | Some(State::Failing | State::Unknown))));
                prop_assert!(criterion.controls.iter().any(|one| matches!(
                    one.state, Some(State::Passing | State::Excepted))));
            }
        }
    }
}
