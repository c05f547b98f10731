//! The readiness of a company: which criteria its controls cover, and how those stand. Pure.

mod csv;
mod json;
mod table;

#[cfg(test)]
mod tests;

pub use super::standing::CriterionStanding;

use serde::Serialize;

use super::{
    TextFormat,
    model::ReportedError,
    period::model::Conclusion,
    standing::{self, criterion_conclusion},
};
use comptroller_core::api::{
    State,
    criteria::{Category, EvidenceSource, SOC2, Soc2Criterion},
};

/// The formats of readiness, the default first: the registry, one line each.
pub const FORMATS: &[TextFormat<ReadinessReport>] = &[table::FORMAT, json::FORMAT, csv::FORMAT];

/// A control as the assessment takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssessedControl {
    /// The name of the Control.
    pub name: String,
    /// The criteria that it serves; those of other frameworks are ignored.
    pub criteria: Vec<String>,
    /// Whether people attest it.
    pub attested: bool,
    /// What its evaluation came to; None if nobody evaluated it, so that only its coverage counts.
    pub state: Option<State>,
    /// Why, in one CamelCase word.
    pub reason: String,
}

/// The criteria against the controls.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessReport {
    /// How the states of the controls are known, in one sentence.
    pub basis: String,
    /// All criteria in question.
    pub summary: CriteriaCounts,
    /// The same for each category, in the order of the criteria.
    pub categories: Vec<CategoryReadiness>,
    /// Each criterion in question, in their order.
    pub criteria: Vec<CriterionReadiness>,
    /// What could not be read.
    pub errors: Vec<ReportedError>,
}

/// How many criteria stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CriteriaCounts {
    /// All that are in question.
    pub criteria: usize,
    /// Those that a control serves.
    pub covered: usize,
    /// Covered, and every control that has something to judge is in order.
    pub passing: usize,
    /// Covered, and a control fails.
    pub failing: usize,
    /// Covered, and too little is known to say.
    pub unknown: usize,
    /// Those that no control serves.
    pub not_covered: usize,
    /// Covered, but people have a part in them and no control asks people.
    pub without_people: usize,
}

/// The readiness for one category of criteria.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoryReadiness {
    /// The category that these counts are of.
    pub category: Category,
    /// How its criteria stand.
    #[serde(flatten)]
    pub standings: CriteriaCounts,
}

/// The readiness for one criterion.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CriterionReadiness {
    /// Its id, such as `CC6.1`.
    pub id: &'static str,
    /// The category that it belongs to.
    pub category: Category,
    /// Who can provide the evidence.
    pub evidence: EvidenceSource,
    /// What it asks, in our words.
    pub title: &'static str,
    /// How it is covered.
    pub standing: CriterionStanding,
    /// Whether people have a part in it that no control asks them for.
    pub without_people: bool,
    /// The controls that serve it, by name.
    pub controls: Vec<ServingControl>,
}

/// A control that serves a criterion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingControl {
    /// The name of the Control.
    pub name: String,
    /// What its evaluation came to; None when nobody evaluated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why, in one CamelCase word.
    pub reason: String,
}

impl ReadinessReport {
    /// Compares the criteria of these categories (of all, when there is none) with the controls.
    pub fn assess(
        mut controls: Vec<AssessedControl>,
        categories: &[Category],
        basis: String,
        errors: Vec<ReportedError>,
    ) -> Self {
        controls.sort_by(|a, b| a.name.cmp(&b.name));
        let wanted = |category: &Category| categories.is_empty() || categories.contains(category);
        let criteria: Vec<CriterionReadiness> = SOC2
            .iter()
            .filter(|criterion| wanted(&criterion.category))
            .map(|criterion| assess_criterion(criterion, &controls))
            .collect();
        let categories = Category::ALL
            .iter()
            .filter(|category| wanted(category))
            .map(|category| CategoryReadiness {
                category: *category,
                standings: count(criteria.iter().filter(|one| one.category == *category)),
            })
            .collect();
        Self { basis, summary: count(criteria.iter()), categories, criteria, errors }
    }
}

fn assess_criterion(
    criterion: &'static Soc2Criterion,
    controls: &[AssessedControl],
) -> CriterionReadiness {
    let serving: Vec<&AssessedControl> = controls
        .iter()
        .filter(|control| control.criteria.iter().any(|id| id == criterion.id))
        .collect();
    let attested = serving.iter().any(|control| control.attested);
    let without_people =
        !serving.is_empty() && !attested && criterion.source != EvidenceSource::Cluster;
    CriterionReadiness {
        id: criterion.id,
        category: criterion.category,
        evidence: criterion.source,
        title: criterion.title,
        standing: standing_today(criterion.source, &serving),
        without_people,
        controls: serving
            .into_iter()
            .map(|control| ServingControl {
                name: control.name.clone(),
                state: control.state,
                reason: control.reason.clone(),
            })
            .collect(),
    }
}

fn standing_today(source: EvidenceSource, serving: &[&AssessedControl]) -> CriterionStanding {
    // Today's state of a human control says already whether somebody performed it.
    let control = |control: &&AssessedControl| standing::ServingControl {
        conclusion: conclusion(control.state),
        attested: control.attested,
        performed: true,
    };
    let controls: Vec<standing::ServingControl> = serving.iter().map(control).collect();
    if controls.is_empty() {
        return CriterionStanding::NotCovered;
    }
    match criterion_conclusion(source, &controls) {
        Conclusion::NoDeviationObserved | Conclusion::AcceptedRisk => CriterionStanding::Passing,
        Conclusion::DeviationObserved => CriterionStanding::Failing,
        Conclusion::NotDeterminable | Conclusion::NotDue => CriterionStanding::Unknown,
    }
}

fn conclusion(state: Option<State>) -> Conclusion {
    match state {
        Some(State::Passing) => Conclusion::NoDeviationObserved,
        Some(State::Excepted) => Conclusion::AcceptedRisk,
        Some(State::Failing) => Conclusion::DeviationObserved,
        Some(State::Unknown) | None => Conclusion::NotDeterminable,
        Some(State::NotApplicable) => Conclusion::NotDue,
    }
}

fn count<'c>(criteria: impl Iterator<Item = &'c CriterionReadiness>) -> CriteriaCounts {
    let mut counts = CriteriaCounts::default();
    for criterion in criteria {
        counts.criteria += 1;
        counts.without_people += usize::from(criterion.without_people);
        match criterion.standing {
            CriterionStanding::Passing => counts.passing += 1,
            CriterionStanding::Failing => counts.failing += 1,
            CriterionStanding::Unknown => counts.unknown += 1,
            CriterionStanding::NotCovered => counts.not_covered += 1,
        }
    }
    counts.covered = counts.criteria - counts.not_covered;
    counts
}

/// Who can provide the evidence, in words.
fn evidence_words(source: EvidenceSource) -> &'static str {
    match source {
        EvidenceSource::Cluster => "cluster shows",
        EvidenceSource::Both => "cluster contributes",
        EvidenceSource::Human => "people only",
    }
}

/// A standing in words.
fn standing_words(standing: CriterionStanding) -> &'static str {
    match standing {
        CriterionStanding::Passing => "passing",
        CriterionStanding::Failing => "failing",
        CriterionStanding::Unknown => "unknown",
        CriterionStanding::NotCovered => "not covered",
    }
}

/// A category in words.
fn category_words(category: Category) -> &'static str {
    match category {
        Category::ProcessingIntegrity => "Processing integrity",
        category => category.as_str(),
    }
}
