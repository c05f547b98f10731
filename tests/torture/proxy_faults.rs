//! Networks, load balancers and API servers in trouble.

use futures::{StreamExt as _, stream};

use crate::{
    history::History,
    invariants::Finding,
    plans::{self, Plan},
    run::{judge, limit, run},
    stand,
};

const SEED: u64 = 7;

/// All plans, as many beside each other as the stand has room for.
pub async fn run_all(plans: &[Plan], seed: u64) -> Vec<Finding> {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let runs = plans.iter().map(|plan| async move {
        let ended = tokio::time::timeout(limit(plan), run(stand, history, plan, seed)).await;
        ended.unwrap_or_else(|_| vec![Finding::new("liveness", format!("{} hangs", plan.name))])
    });
    let findings: Vec<Vec<Finding>> =
        stream::iter(runs).buffer_unordered(plans.len()).collect().await;
    findings.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_the_network_and_of_the_api_server() {
    let chosen = std::env::var("COMPTROLLER_TORTURE_PLANS").ok();
    let tried = match &chosen {
        Some(names) if names == "all" => plans::all(),
        Some(names) => {
            let wanted = |plan: &Plan| names.split(',').any(|name| name == plan.name);
            plans::all().into_iter().filter(wanted).collect()
        }
        None => plans::smoke(),
    };
    judge(&run_all(&tried, SEED).await);
}
