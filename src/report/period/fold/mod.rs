//! Entries of the log -> what a report over a period says. Pure.
use crate::{
    api::criteria::Category,
    evidence::entry::Entry,
    report::period::model::{Period, PeriodReport, PeriodSummary, Provenance, Span},
};

/// A report in the making.
#[derive(Clone, Debug)]
pub struct PeriodFold {
    span: Span,
    categories: Vec<Category>,
}

impl PeriodFold {
    /// A report over a span of time, with the criteria of these categories; Security is always in.
    pub fn new(span: Span, categories: &[Category]) -> Self {
        Self { span, categories: categories.to_vec() }
    }

    /// Takes in an entry, in the order of the log from its beginning.
    pub fn apply(&mut self, _index: u64, _entry: &Entry) {}

    /// What the entries so far say.
    pub fn finish(&self, period: Period, provenance: Provenance) -> PeriodReport {
        let _ = (&self.span, &self.categories);
        PeriodReport {
            period,
            provenance,
            summary: PeriodSummary::default(),
            controls: Vec::new(),
            criteria: Vec::new(),
            exceptions: Vec::new(),
            gaps: Vec::new(),
        }
    }
}
