//! The report with what the sections of the page ask of it again and again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    text::{mono, outside},
    timeline::Scale,
    words,
};
use crate::period::model::{Conclusion, ControlReport, PeriodReport, Span};

/// A report that is written as a page.
pub struct Page<'r> {
    pub report: &'r PeriodReport,
    /// Where each control stands in the report, by name: its number in links.
    positions: BTreeMap<&'r str, usize>,
}

impl<'r> Page<'r> {
    pub fn new(report: &'r PeriodReport) -> Self {
        let names = report.controls.iter().enumerate();
        let positions = names.map(|(position, one)| (one.name.as_str(), position)).collect();
        Self { report, positions }
    }

    pub fn span(&self) -> Span {
        self.report.period.span
    }

    /// Whether the report is about a date, so that nothing in it is about a period.
    pub fn is_type_one(&self) -> bool {
        matches!(self.span(), Span::TypeI { .. })
    }

    /// The scale of the drawings; a report at one time has none.
    pub fn scale(&self) -> Option<Scale> {
        match self.span() {
            Span::TypeI { .. } => None,
            Span::TypeII { from, to } => Some(Scale { from, to }),
        }
    }

    /// A control of the report with its number; None for a name that it does not have.
    pub fn control(&self, name: &str) -> Option<(usize, &'r ControlReport)> {
        let position = *self.positions.get(name)?;
        Some((position, self.report.controls.get(position)?))
    }

    /// The name of a control, which leads to where it is told in full if the report has it.
    pub fn name_link(&self, name: &str) -> Markup {
        match self.control(name) {
            Some((position, _)) => html! { a href={ "#control-" (position) } { (mono(name)) } },
            None => mono(name),
        }
    }

    /// The names of controls, as [`name_link`](Self::name_link) has them, with an end.
    pub fn name_links(&self, names: &[String]) -> Markup {
        const MAX_NAMES: usize = 12;
        html! {
            @for (position, name) in names.iter().take(MAX_NAMES).enumerate() {
                @if position > 0 { ", " }
                (self.name_link(name))
            }
            @if names.len() > MAX_NAMES { " and " (names.len() - MAX_NAMES) " more" }
        }
    }

    /// A conclusion by its sign, its colour and its words.
    pub fn conclusion(&self, conclusion: Conclusion) -> Markup {
        words::conclusion(self.span(), conclusion)
    }
}

/// The title of a control, which leads to where it is told in full.
pub fn link(position: usize, control: &ControlReport) -> Markup {
    html! { a href={ "#control-" (position) } { (outside(&control.title)) } }
}
