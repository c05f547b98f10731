//! `CronJobs` that say which claims they back up.

use crate::{
    checks::{
        CheckContext,
        backup::evidence::{Evidence, Standing, Success},
    },
    inventory::{Facts, Symbol, backup::index::BackupKey, storage::ClaimFacts},
};

/// What `CronJobs` say of a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
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
            evidence.succeeded_for(success, Standing::Good, claim.created);
        }
    }
    evidence
}
