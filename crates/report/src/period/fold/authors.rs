//! Whether records were bound to their authors: times in which the policies that see to it were not in
//! force, as entries show it later too. What an entry said of a record when it was written does not
//! outlast that.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{exceptions::ExceptionFold, gaps::RecordedGap};
use comptroller_evidence::{data::GapCause, entry::EntrySubject};

/// How long a policy takes to have an effect, or to lose it, on every API server.
pub(super) const TAKES_EFFECT: SignedDuration = SignedDuration::from_secs(2);

/// How soon after a time in which nobody looked the guards are looked at again. What is found then may
/// have been so all that time.
const LOOKED_AGAIN: SignedDuration = SignedDuration::from_mins(2);

/// What the policies bind to its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    Attestation,
    Exception,
    Response,
}

impl RecordKind {
    /// How the names of its policies begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Attestation => "comptroller-attestation-",
            Self::Exception => "comptroller-exception-",
            Self::Response => "comptroller-response-",
        }
    }

    const ALL: [Self; 3] = [Self::Attestation, Self::Exception, Self::Response];

    /// Whether a guard binds records of this kind. One of another name may bind any of them.
    fn is_bound_by(self, guard: &EntrySubject) -> bool {
        is_policy(guard)
            && (guard.name.starts_with(self.prefix())
                || !Self::ALL.iter().any(|kind| guard.name.starts_with(kind.prefix())))
    }
}

/// Whether a guard is a policy or a binding of one, and not what they read or a right.
pub(super) fn is_policy(guard: &EntrySubject) -> bool {
    guard.kind.starts_with("ValidatingAdmissionPolicy")
}

/// A time in which a guard was not in force, as the entries about it have it.
#[derive(Clone, Debug)]
pub(super) struct SeenLapse {
    pub(super) guard: EntrySubject,
    /// When it was seen.
    pub(super) from: Timestamp,
    /// Since when it was in force again; None while it is not.
    pub(super) until: Option<Timestamp>,
    pub(super) entry: u64,
}

/// Times in which nothing bound records to their authors.
#[derive(Clone, Debug, Default)]
pub(super) struct Lapses {
    seen: Vec<SeenLapse>,
    /// Times in which nobody saw the guards.
    blind: Vec<(Timestamp, Timestamp)>,
}

impl Lapses {
    /// `gaps` are those of the whole cluster.
    pub(super) fn new(seen: Vec<SeenLapse>, gaps: &[RecordedGap]) -> Self {
        // While only the log or the clock fails, the guards are watched all the same.
        let sees = |cause| matches!(cause, GapCause::ClockDiffers | GapCause::LogUnwritable);
        let blind =
            gaps.iter().filter(|gap| !sees(gap.cause)).map(|gap| (gap.from, gap.to)).collect();
        let mut lapses = Self { seen, blind };
        let widened: Vec<Timestamp> =
            lapses.seen.iter().map(|one| lapses.since(one.from)).collect();
        for (one, from) in lapses.seen.iter_mut().zip(widened) {
            one.from = from;
        }
        lapses
    }

    /// Since when what was seen at a time may have been so: longer, if nobody looked before.
    fn since(&self, at: Timestamp) -> Timestamp {
        let shortly = at.saturating_sub(TAKES_EFFECT).unwrap_or(Timestamp::MIN);
        let blind = self.blind.iter().filter(|(from, to)| {
            *from < at && to.saturating_add(LOOKED_AGAIN).unwrap_or(Timestamp::MAX) >= at
        });
        blind.map(|(from, _)| *from).fold(shortly, Timestamp::min)
    }

    /// The entry that shows that nothing bound a record that was written in a second. None if no entry
    /// does.
    pub(super) fn at(&self, kind: RecordKind, written: Timestamp) -> Option<u64> {
        let second = SignedDuration::from_secs(1);
        self.within(kind, written, written.saturating_add(second).unwrap_or(written))
    }

    /// The same of a record of which only is known when it was seen.
    pub(super) fn seen_at(&self, kind: RecordKind, seen: Timestamp) -> Option<u64> {
        self.within(kind, self.since(seen), seen)
    }

    fn within(&self, kind: RecordKind, from: Timestamp, to: Timestamp) -> Option<u64> {
        let overlaps = |one: &&SeenLapse| {
            kind.is_bound_by(&one.guard)
                && one.from <= to
                && one.until.is_none_or(|until| from <= until)
        };
        self.seen.iter().find(overlaps).map(|one| one.entry)
    }
}

/// The exceptions whose approval is not bound to whoever approved.
#[derive(Clone, Debug, Default)]
pub(super) struct UnboundApprovals(BTreeMap<String, Option<u64>>);

impl UnboundApprovals {
    pub(super) fn of(exceptions: &[(&str, &ExceptionFold)], lapses: &Lapses) -> Self {
        let unbound = exceptions.iter().filter_map(|(name, exception)| {
            let (bound, entry) = exception.approval_bound(lapses);
            (bound == Some(false)).then(|| ((*name).to_owned(), entry))
        });
        Self(unbound.collect())
    }

    /// Why the approval of an exception says nothing, in one sentence; None if it is bound, or if that
    /// is not known.
    pub(super) fn why(&self, exception: &str) -> Option<String> {
        let shown = shown_by(*self.0.get(exception)?);
        Some(format!(
            "The approval of the exception {exception} is not bound to whoever approved{shown}: nobody can tell who accepted the risk."
        ))
    }
}

/// Which entry shows that nothing bound a record, as part of a sentence.
pub(super) fn shown_by(entry: Option<u64>) -> String {
    entry.map(|entry| format!(", as entry {entry} shows")).unwrap_or_default()
}
