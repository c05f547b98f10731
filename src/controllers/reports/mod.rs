//! Policy reports: what is recorded of controls, as objects that dashboards read.
//!
//! One task keeps them. It looks at the [`FindingsBoard`], builds what there should be
//! ([`policy_report`](comptroller_report::policy_report)), compares that with what it wrote and found
//! ([`plan`]), and writes the difference, a few objects a second ([`objects`]). Nothing waits for it: an
//! API server that refuses reports delays no status.
//!
//! Reports are owned by the ClusterRole that allows to write them. Whoever removes that role, as an
//! uninstallation does, has the cluster's garbage collector remove all of them.

mod board;
mod objects;
mod plan;
mod served;

use std::{collections::BTreeMap, time::Duration};

use clap::ValueEnum;
use jiff::SignedDuration;
use kube::Client;
use tokio::time::Instant;

pub use self::{
    board::{FindingLists, FindingsBoard, FindingsSnapshot},
    served::ServedApis,
};
use self::{
    objects::{ApiObjects, KnownReport, ObjectsError, ReportId, Written},
    plan::{Step, steps},
};
use super::status;
use crate::telemetry::{Metrics, ReportOutcome, RequestFailure};
use comptroller_recorder::{Evidence, Writing};
use comptroller_report::policy_report::{
    Limits, Owner, ReportApi, ReportedControl, Shard, Withheld, shards,
};

/// Which reports are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportsMode {
    /// OpenReports where the cluster serves them, else PolicyReports where it serves those.
    Auto,
    /// Report and ClusterReport of openreports.io.
    #[value(name = "openreports")]
    OpenReports,
    /// PolicyReport and ClusterPolicyReport of wgpolicyk8s.io.
    #[value(name = "policyreport")]
    PolicyReport,
    /// None; those of an earlier run are removed.
    #[default]
    None,
}

impl ReportsMode {
    /// The API in which reports are written. None: none are, or the cluster serves none.
    fn target(self, served: ServedApis) -> Option<ReportApi> {
        let wanted: &[ReportApi] = match self {
            Self::Auto => &ReportApi::ALL,
            Self::OpenReports => &[ReportApi::OpenReports],
            Self::PolicyReport => &[ReportApi::PolicyReport],
            Self::None => &[],
        };
        wanted.iter().copied().find(|api| served.has(*api))
    }
}

/// Changes come together: one write has them.
const GATHER: Duration = Duration::from_secs(1);

/// How often what the API server has is compared with what it should have.
const COMPARE: Duration = Duration::from_mins(10);

/// The shortest time between two requests, so that 10,000 namespaces make no storm.
const SPACING: Duration = Duration::from_millis(40);

/// How many requests follow one look at the board; then it is looked again.
const STEPS_PER_LOOK: usize = 250;

/// What a look costs, it rests so many times as long: it takes at most a tenth of a core.
const REST: u32 = 10;

/// How long nothing may be recorded before it is no longer said that a control holds: as in statuses.
const BLIP: SignedDuration = SignedDuration::from_secs(10);

/// After failures, the first and the longest wait.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// What fails, in the operator's log.
const WHAT: &str = "policy reports";

const REMEDY: &str = "policy reports can't be written: apply config/rbac/reports (or the chart with reports.enabled), and check that the CRDs are those of openreports.io/v1alpha1 or wgpolicyk8s.io/v1alpha2; --reports=none turns them off";

/// Keeps policy reports in line with what is recorded.
pub struct PolicyReports {
    mode: ReportsMode,
    board: std::sync::Arc<FindingsBoard>,
    evidence: Evidence,
    metrics: Metrics,
    objects: ApiObjects,
    /// What the API server has of ours. None: it is to be asked.
    known: Option<KnownReports>,
    failures: u32,
    told_unowned: bool,
}

struct KnownReports {
    reports: BTreeMap<ReportId, KnownReport>,
    owner: Option<Owner>,
    served: ServedApis,
    at: Instant,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Once something changed, or after a time.
    Change(Duration),
    /// After a time, whatever happens.
    After(Duration),
}

impl PolicyReports {
    pub fn new(
        mode: ReportsMode,
        client: Client,
        board: std::sync::Arc<FindingsBoard>,
        evidence: Evidence,
        metrics: Metrics,
    ) -> Self {
        let objects = ApiObjects::new(client);
        Self {
            mode,
            board,
            evidence,
            metrics,
            objects,
            known: None,
            failures: 0,
            told_unowned: false,
        }
    }

    /// Runs for as long as the operator does.
    pub async fn run(mut self) {
        let mut changed = self.board.subscribe();
        let mut writing = self.evidence.subscribe();
        loop {
            changed.mark_unchanged();
            writing.mark_unchanged();
            let began = Instant::now();
            let next = self.look().await;
            let rest = GATHER.max(began.elapsed().min(Duration::from_secs(1)) * REST);
            match next {
                Next::After(wait) => tokio::time::sleep(wait.max(rest)).await,
                Next::Change(limit) => {
                    tokio::select! {
                        Ok(()) = changed.changed() => {}
                        Ok(()) = writing.changed() => {}
                        () = tokio::time::sleep(limit) => {}
                    }
                    tokio::time::sleep(rest).await;
                }
            }
        }
    }

    /// Brings reports in line, as far as one look goes.
    async fn look(&mut self) -> Next {
        let snapshot = self.board.snapshot();
        let now = self.evidence.clock().now();
        let mut until = COMPARE;
        let held = match self.evidence.writing() {
            Writing::Open(opening) if snapshot.is_whole_of(opening) => None,
            Writing::Failing { obstacle, why, since } if snapshot.is_whole() => {
                let left = BLIP - now.duration_since(since);
                if left.is_positive() {
                    until = left.unsigned_abs();
                    None
                } else {
                    Some((status::reason_of(obstacle), why, since))
                }
            }
            // What another leader wrote meanwhile is not known.
            Writing::Standby => {
                self.known = None;
                return Next::Change(COMPARE);
            }
            Writing::Opening | Writing::Open(_) | Writing::Failing { .. } => {
                return Next::Change(COMPARE);
            }
        };
        let withheld =
            held.as_ref().map(|(reason, why, since)| Withheld { reason, why, since: *since });
        match self.bring_in_line(&snapshot, withheld.as_ref()).await {
            Ok(Progress::Done) => {
                self.failures = 0;
                self.metrics.outages().recovered(WHAT);
                Next::Change(until)
            }
            Ok(Progress::More) => Next::After(Duration::ZERO),
            // Another leads, or the API is gone: the board or the log says what is next.
            Ok(Progress::Stopped) => Next::Change(COMPARE),
            Err(error) => {
                self.metrics.outflow().report(ReportOutcome::Failed);
                self.metrics.outages().failed(WHAT, error.failure(), &error, REMEDY);
                // It may have been done all the same.
                self.known = None;
                let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(8)).min(LONGEST_RETRY);
                self.failures = self.failures.saturating_add(1);
                let is_denied = error.failure() == RequestFailure::Denied;
                Next::After(if is_denied { LONGEST_RETRY } else { wait })
            }
        }
    }

    async fn bring_in_line(
        &mut self,
        snapshot: &FindingsSnapshot,
        withheld: Option<&Withheld<'_>>,
    ) -> Result<Progress, ObjectsError> {
        let served = snapshot.served();
        let target = self.mode.target(served);
        let is_current = self
            .known
            .as_ref()
            .is_some_and(|known| known.served == served && known.at.elapsed() < COMPARE);
        if !is_current {
            self.known = Some(self.ask(served, target.is_some()).await?);
        }
        let controls = snapshot.reported();
        let wanted = match target {
            Some(_) => shards(&controls, withheld, Limits::DEFAULT),
            None => Vec::new(),
        };
        if target.is_some() {
            self.tell_what_is_cut(&wanted);
        }
        self.carry_out(target, &wanted).await
    }

    /// Asks the API server which reports of ours it has, and who is to own them.
    async fn ask(
        &mut self,
        served: ServedApis,
        is_wanted: bool,
    ) -> Result<KnownReports, ObjectsError> {
        let mut reports = BTreeMap::new();
        let mut owner = None;
        if served.any() {
            owner = self.objects.owner().await?;
            if is_wanted && owner.is_none() && !self.told_unowned {
                self.told_unowned = true;
                tracing::warn!(
                    "policy reports have no owner, so they stay when the operator is uninstalled: apply config/rbac/reports, or label the ClusterRole that allows to write them comptroller.dev/owns-reports=true"
                );
            }
            // Who writes none needs the right to look for them only where it was granted.
            if is_wanted || owner.is_some() {
                for api in ReportApi::ALL.into_iter().filter(|api| served.has(*api)) {
                    reports.extend(self.objects.list(api).await?);
                }
            }
        }
        Ok(KnownReports { reports, owner, served, at: Instant::now() })
    }

    async fn carry_out(
        &mut self,
        target: Option<ReportApi>,
        wanted: &[Shard<'_>],
    ) -> Result<Progress, ObjectsError> {
        let Some(known) = &mut self.known else { return Ok(Progress::Stopped) };
        let due = steps(target, wanted, &known.reports, known.owner.as_ref());
        let all = due.len();
        for step in due.into_iter().take(STEPS_PER_LOOK) {
            // Who no longer leads leaves it to who does.
            if matches!(self.evidence.writing(), Writing::Standby | Writing::Opening) {
                self.known = None;
                return Ok(Progress::Stopped);
            }
            let paced = tokio::time::sleep(SPACING);
            let Some(known) = &mut self.known else { return Ok(Progress::Stopped) };
            match step {
                Step::Delete(id) => {
                    self.objects.delete(&id).await?;
                    known.reports.remove(&id);
                    self.metrics.outflow().report(ReportOutcome::Deleted);
                }
                Step::Write { id, shard, digest } => {
                    let owner = known.owner.as_ref();
                    let written = self.objects.write(&id, shard, owner).await?;
                    let outcome = match written {
                        Written::Whole => ReportOutcome::Written,
                        Written::WithoutTexts => ReportOutcome::Refused,
                        // Its namespace goes, and with it all that is reported of it.
                        Written::NamespaceGone => ReportOutcome::Deleted,
                        // Discovery finds that out as well, and says when it is back.
                        Written::ApiGone => {
                            self.known = None;
                            return Ok(Progress::Stopped);
                        }
                    };
                    if written != Written::NamespaceGone {
                        self.metrics.outflow().report(outcome);
                    }
                    known.reports.insert(id, KnownReport { digest: Some(digest) });
                }
            }
            paced.await;
        }
        Ok(if all > STEPS_PER_LOOK { Progress::More } else { Progress::Done })
    }

    fn tell_what_is_cut(&self, wanted: &[Shard<'_>]) {
        // Each object of a namespace says it of all of them.
        let cuts: BTreeMap<Option<&str>, usize> =
            wanted.iter().map(|shard| (shard.namespace, shard.cut())).collect();
        let kept_back = self.board.kept_back();
        self.metrics.outflow().results_not_listed(cuts.values().sum::<usize>() + kept_back);
    }
}

/// How far a look came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    More,
    Stopped,
}

impl FindingsSnapshot {
    /// The controls as reports name them, by name.
    fn reported(&self) -> Vec<ReportedControl<'_>> {
        let reported = self.controls().iter().map(|(name, known)| ReportedControl {
            name,
            criteria: &known.criteria,
            severity: known.severity,
            verdict: known.recorded.value(),
            findings: &known.lists.findings,
            undecided: &known.lists.undecided,
            entry: known.recorded.entry().map(|entry| entry.index),
            at: known.recorded.at(),
        });
        reported.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_reports_win_where_both_are_served() {
        use ReportApi::{OpenReports, PolicyReport};
        let served = |open, policy| ServedApis { open_reports: open, policy_report: policy };
        for (mode, open, policy, target) in [
            (ReportsMode::Auto, true, true, Some(OpenReports)),
            (ReportsMode::Auto, false, true, Some(PolicyReport)),
            (ReportsMode::Auto, false, false, None),
            (ReportsMode::OpenReports, false, true, None),
            (ReportsMode::OpenReports, true, true, Some(OpenReports)),
            (ReportsMode::PolicyReport, true, true, Some(PolicyReport)),
            (ReportsMode::PolicyReport, true, false, None),
            (ReportsMode::None, true, true, None),
        ] {
            assert_eq!(mode.target(served(open, policy)), target, "{mode:?} {open} {policy}");
        }
    }
}
