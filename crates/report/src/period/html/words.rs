//! The words of a conclusion: those of a Type II report speak of what was observed over a period,
//! those of a Type I report of what was in place as of a date.

use maud::{Markup, html};

use super::timeline::{self, TimelineStyle};
use crate::period::model::{Conclusion, Span};

/// A conclusion in a few words.
pub fn conclusion_words(span: Span, conclusion: Conclusion) -> &'static str {
    match (span, conclusion) {
        (Span::TypeII { .. }, _) => conclusion.words(),
        (Span::TypeI { .. }, Conclusion::NoDeviationObserved) => "implemented",
        (Span::TypeI { .. }, Conclusion::DeviationObserved) => "not implemented as designed",
        (Span::TypeI { .. }, Conclusion::NotDeterminable) => "not determinable",
        (Span::TypeI { .. }, Conclusion::NotDue) => "nothing to apply to",
        (Span::TypeI { .. }, Conclusion::AcceptedRisk) => "implemented but for accepted risk",
    }
}

/// What a conclusion says of a control, in one sentence.
pub fn conclusion_meaning(span: Span, conclusion: Conclusion) -> &'static str {
    match (span, conclusion) {
        (Span::TypeII { .. }, _) => conclusion.meaning(),
        (Span::TypeI { .. }, Conclusion::NoDeviationObserved) => {
            "As of the date, every item that it judges is as its spec asks."
        }
        (Span::TypeI { .. }, Conclusion::DeviationObserved) => {
            "As of the date, at least one item is not as its spec asks."
        }
        (Span::TypeI { .. }, Conclusion::NotDeterminable) => {
            "As of the date, too little is known, or nobody who could tell looked."
        }
        (Span::TypeI { .. }, Conclusion::NotDue) => {
            "As of the date, there is no item to judge and no occurrence due."
        }
        (Span::TypeI { .. }, Conclusion::AcceptedRisk) => {
            "As of the date, what is not as its spec asks is accepted: by exceptions, or by a wildcard in the control."
        }
    }
}

/// A conclusion by its sign, its colour and its words.
pub fn conclusion(span: Span, conclusion: Conclusion) -> Markup {
    state(style_of(conclusion), conclusion_words(span, conclusion))
}

fn style_of(conclusion: Conclusion) -> TimelineStyle {
    match conclusion {
        Conclusion::NoDeviationObserved => TimelineStyle::Passing,
        Conclusion::DeviationObserved => TimelineStyle::Failed,
        Conclusion::NotDeterminable => TimelineStyle::Unknown,
        Conclusion::NotDue => TimelineStyle::None,
        Conclusion::AcceptedRisk => TimelineStyle::Excepted,
    }
}

/// A state by its sign, its colour and its word.
pub fn state(style: TimelineStyle, word: &str) -> Markup {
    html! { span class={ "state t-" (style.class()) } { (timeline::sign(style)) (word) } }
}

/// Something that a reader must not overlook.
pub fn flag(text: &str) -> Markup {
    html! { span.flagged { (text) } }
}
