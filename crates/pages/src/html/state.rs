//! States, severities and phases: each by a sign and a word, and only then by a colour.

use comptroller_core::api::{ExceptionPhase, OccurrencePhase, PeriodPhase, Severity, State};
use maud::{Markup, PreEscaped, html};

/// How something is shown that is good, bad or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Somebody should look before it becomes bad.
    Warn,
    /// It can't be said.
    Unknown,
    /// Not as it should be, and accepted.
    Accepted,
    /// Neither.
    Neutral,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "badge good",
            Self::Bad => "badge bad",
            Self::Warn => "badge warn",
            Self::Unknown => "badge unknown",
            Self::Accepted => "badge accepted",
            Self::Neutral => "badge neutral",
        }
    }

    /// The sign, with a shape of its own for each tone.
    fn sign(self) -> PreEscaped<&'static str> {
        PreEscaped(match self {
            Self::Good => {
                r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><circle cx="8" cy="8" r="7"/><path class="cut" d="M4.7 8.3l2.3 2.3 4.4-4.9"/></svg>"#
            }
            Self::Bad => {
                r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/><path class="cut" d="M5.5 5.5l5 5m0-5l-5 5"/></svg>"#
            }
            Self::Warn => {
                r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="M8 1l7.4 13.5H.6z"/><path class="cut" d="M8 6v4m0 2v.4"/></svg>"#
            }
            Self::Unknown => {
                r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="M3.5 1h9A2.5 2.5 0 0 1 15 3.5v9a2.5 2.5 0 0 1-2.5 2.5h-9A2.5 2.5 0 0 1 1 12.5v-9A2.5 2.5 0 0 1 3.5 1z"/><path class="cut" d="M6.2 6.4a1.9 1.9 0 1 1 2.6 1.7c-.6.3-.8.6-.8 1.3m0 1.9v.3"/></svg>"#
            }
            Self::Accepted => {
                r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><circle class="line" cx="8" cy="8" r="6.2"/><path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z"/></svg>"#
            }
            Self::Neutral => {
                r#"<svg viewBox="0 0 16 16" aria-hidden="true" focusable="false"><circle class="line" cx="8" cy="8" r="6.2"/><path class="line" d="M5 8h6"/></svg>"#
            }
        })
    }
}

/// A word with its sign.
pub fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class=(tone.class()) { (tone.sign()) (word) } }
}

/// The tone of a state.
pub fn state_tone(state: State) -> Tone {
    match state {
        State::Passing => Tone::Good,
        State::Failing => Tone::Bad,
        State::Excepted => Tone::Accepted,
        State::Unknown => Tone::Unknown,
        State::NotApplicable => Tone::Neutral,
    }
}

/// What a state is called.
pub fn state_word(state: State) -> &'static str {
    match state {
        State::NotApplicable => "Not applicable",
        state => state.as_str(),
    }
}

/// A state.
pub fn state(state: State) -> Markup {
    badge(state_tone(state), state_word(state))
}

/// A severity.
pub fn severity(severity: Severity) -> Markup {
    let class = match severity {
        Severity::Critical => "severity critical",
        Severity::High => "severity high",
        Severity::Medium | Severity::Low => "severity",
    };
    html! { span class=(class) { (severity) } }
}

/// The phase of an exception.
pub fn exception_phase(phase: ExceptionPhase) -> Markup {
    let tone = match phase {
        ExceptionPhase::Pending => Tone::Warn,
        ExceptionPhase::Active => Tone::Accepted,
        ExceptionPhase::Rejected => Tone::Bad,
        ExceptionPhase::Expired | ExceptionPhase::Unused => Tone::Neutral,
    };
    badge(tone, phase.as_str())
}

/// The phase of an occurrence. An open one that is past its due date is told as such.
pub fn occurrence_phase(phase: OccurrencePhase, is_overdue: bool) -> Markup {
    match (phase, is_overdue) {
        (OccurrencePhase::Open, true) => badge(Tone::Bad, "Overdue"),
        (OccurrencePhase::Open, false) => badge(Tone::Warn, "Open"),
        (OccurrencePhase::Scheduled, _) => badge(Tone::Neutral, "Scheduled"),
        (OccurrencePhase::Completed, _) => badge(Tone::Good, "Completed"),
        (OccurrencePhase::CompletedLate, _) => badge(Tone::Warn, "Completed late"),
        (OccurrencePhase::Missed, _) => badge(Tone::Bad, "Missed"),
        (OccurrencePhase::Waived, _) => badge(Tone::Accepted, "Waived"),
    }
}

/// The phase of an audit period.
pub fn period_phase(phase: PeriodPhase) -> Markup {
    match phase {
        PeriodPhase::Open => badge(Tone::Neutral, "Open"),
        PeriodPhase::Closed => badge(Tone::Neutral, "Closed"),
    }
}
