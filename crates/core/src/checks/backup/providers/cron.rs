//! `CronJobs` that say which claims they back up.

use crate::{
    checks::{
        CheckContext,
        backup::evidence::{Reliability, Success, ToolEvidence},
    },
    inventory::{Facts, Symbol, backup::index::BackupKey, storage::ClaimFacts},
};

/// The evidence of labelled `CronJobs` about a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> ToolEvidence<'a> {
    let mut evidence = ToolEvidence::new(context);
    let key = BackupKey::CronJobs(namespace.clone());
    for slot in context.inventory.backups.slots(&key) {
        let Some(Facts::Workload(workload)) =
            context.inventory.get(slot).map(|object| &object.facts)
        else {
            continue;
        };
        let Some(cron) = workload.cron.as_ref().filter(|cron| cron.covers(name)) else {
            continue;
        };
        evidence.schedule(slot, cron.suspended);
        if let Some(at) = cron.last_success {
            let success = Success { at, by: slot, until: None };
            evidence.succeeded_for(success, Reliability::Reliable, claim.created);
        }
    }
    evidence
}
