//! Writes what an import does. The API server is first asked whether it would take all of it.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{
    ImportError,
    issue::TOLD,
    plan::{Plan, Step},
};
use crate::cli::cluster::api_message;
use comptroller_core::api::Person;

/// Who the API server notes as the writer of the fields.
const MANAGER: &str = "comptroller-people-import";

/// How many requests are under way at a time.
const CONCURRENCY: usize = 16;

/// Writes every step. Nothing is written if the API server refuses one of them.
pub async fn apply(api: &Api<Person>, plan: &Plan) -> Result<(), ImportError> {
    let tried = stream::iter(&plan.steps).map(async |step| {
        let error = write(api, step, true).await.err()?;
        Some((step.name(), api_message(&error)))
    });
    let refused: BTreeMap<&str, String> =
        tried.buffer_unordered(CONCURRENCY).filter_map(std::future::ready).collect().await;
    if !refused.is_empty() {
        let told = refused.iter().take(TOLD).map(|(name, why)| format!("Person {name}: {why}"));
        let mut lines: Vec<String> = told.collect();
        if refused.len() > TOLD {
            lines.push(format!("and {} more", refused.len() - TOLD));
        }
        return Err(ImportError::Refused(lines.join("\n")));
    }
    let mut written = 0;
    let mut writes = stream::iter(&plan.steps)
        .map(async |step| write(api, step, false).await)
        .buffer_unordered(CONCURRENCY);
    loop {
        match writes.try_next().await {
            Ok(Some(())) => written += 1,
            Ok(None) => return Ok(()),
            Err(error) => {
                let (all, why) = (plan.steps.len(), api_message(&error));
                return Err(ImportError::Cut { written, all, why });
            }
        }
    }
}

async fn write(api: &Api<Person>, step: &Step, dry_run: bool) -> kube::Result<()> {
    let (name, uid, spec) = match step {
        Step::Create(name, spec) => {
            let person = Person::new(name, (**spec).clone());
            let params = PostParams { dry_run, field_manager: Some(MANAGER.to_owned()) };
            return api.create(&params, &person).await.map(drop);
        }
        Step::Change { name, uid, patch, .. } => (name, uid, patch.clone()),
        Step::End { name, uid, day } => (name, uid, json!({ "endDate": day })),
    };
    let params =
        PatchParams { dry_run, field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    // The uid sees to it that nobody else is changed who got the name meanwhile.
    let patch = json!({ "metadata": { "uid": uid }, "spec": spec });
    api.patch(name, &params, &Patch::Merge(&patch)).await.map(drop)
}
