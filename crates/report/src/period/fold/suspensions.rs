//! When a control was suspended, and who approved it.

use jiff::Timestamp;

use super::{Window, authors::Lapses, exceptions::ExceptionFold, spec::SpecFold};
use crate::period::model::Suspension;

/// A time for which somebody approved that a control is suspended.
#[derive(Clone, Debug)]
pub(super) struct Approval {
    from: Timestamp,
    to: Timestamp,
    approved_by: String,
    exception: String,
    author_bound: Option<bool>,
}

impl Approval {
    /// Whether it is for the whole of a time.
    pub(super) fn covers(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from <= from && to <= self.to
    }
}

/// The approvals of a control's suspension, by time.
pub(super) fn approvals(
    control: &str,
    exceptions: &[(&str, &ExceptionFold)],
    lapses: &Lapses,
) -> Vec<Approval> {
    let mut all: Vec<Approval> = exceptions
        .iter()
        .filter(|(_, exception)| exception.suspends(control))
        .flat_map(|(name, exception)| {
            exception.times_in_force().into_iter().filter_map(|(from, to)| {
                let approved_by = exception.approved_by()?;
                let (author_bound, _) = exception.approval_bound(lapses);
                let exception = (*name).to_owned();
                Some(Approval { from, to, approved_by, exception, author_bound })
            })
        })
        .collect();
    all.sort_by(|a, b| (a.from, a.to, &a.exception).cmp(&(b.from, b.to, &b.exception)));
    all
}

/// The suspensions in the window, by time, each in parts that were approved and parts that were not.
pub(super) fn suspensions(
    specs: &SpecFold,
    approvals: &[Approval],
    window: Window,
) -> Vec<Suspension> {
    let mut all = Vec::new();
    for (from, to, entry) in specs.suspended() {
        // Entries have whole seconds: one that lasted for less has no length, and is told.
        let is_moment = from == to && window.touches(from, Some(to));
        let clipped = window.clip(from, to).or_else(|| is_moment.then_some((from, to)));
        let Some((from, to)) = clipped else { continue };
        if is_moment {
            let approval = approvals.iter().find(|approval| approval.covers(from, to));
            all.push(part((from, to), approval, entry));
            continue;
        }
        if window.instant {
            let approval =
                approvals.iter().find(|approval| approval.from <= to && to < approval.to);
            all.push(part((from, to), approval, entry));
            continue;
        }
        let mut at = from;
        for approval in approvals {
            let (begins, ends) = (approval.from.max(at), approval.to.min(to));
            if begins < ends {
                push(&mut all, (at, begins), None, entry);
                push(&mut all, (begins, ends), Some(approval), entry);
                at = ends;
            }
        }
        push(&mut all, (at, to), None, entry);
    }
    all
}

fn push(
    all: &mut Vec<Suspension>,
    time: (Timestamp, Timestamp),
    approval: Option<&Approval>,
    entry: u64,
) {
    if time.0 < time.1 {
        all.push(part(time, approval, entry));
    }
}

fn part((from, to): (Timestamp, Timestamp), approval: Option<&Approval>, entry: u64) -> Suspension {
    Suspension {
        from,
        to,
        approved_by: approval.map(|approval| approval.approved_by.clone()),
        exception: approval.map(|approval| approval.exception.clone()),
        author_bound: approval.and_then(|approval| approval.author_bound),
        entry,
    }
}
