//! A real Prometheus scrapes two real operators, over HTTPS and with a token as a `ServiceMonitor` has it
//! done, on a real API server. Every query of every dashboard and every alert expression is put to what
//! it stored, and each alert is made to fire by what it is about. Only what can't be brought about in
//! seconds is left to promtool (`tests/alerts`), with the reason. The commands of the runbooks work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[allow(dead_code, reason = "each test binary uses a part of it")]
#[path = "../operator/process.rs"]
mod process;

mod dashboards;
mod expressions;
mod objects;
mod replica;
mod rules;
mod runbooks;
mod server;
mod stage;

use std::collections::BTreeSet;

use dashboards::Query;
use expressions::Vocabulary;
use rules::{ONLY_PROMTOOL, Rules};
use server::Prometheus;
use stage::Stage;

/// Queries that may return nothing here, by dashboard and panel, each with the reason.
const MAY_BE_EMPTY: &[(&str, &str, &str)] = &[];

#[tokio::test]
async fn every_query_finds_series_and_every_alert_fires() {
    let Some(binary) = server::binary() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs prometheus in PATH");
        eprintln!("skipped: prometheus is not in PATH (Debian: apt-get install prometheus)");
        return;
    };
    let rules = Rules::shipped();
    let stage = Stage::set(&binary, &rules.hastened()).await;

    let mut fired = BTreeSet::new();
    for (_, alerts) in stage.perform().await {
        fired.extend(alerts.iter().map(|&alert| alert.to_owned()));
    }
    let left: BTreeSet<String> =
        ONLY_PROMTOOL.iter().map(|(alert, _)| (*alert).to_owned()).collect();
    let all = rules.alerts();
    assert!(fired.is_disjoint(&left), "no longer for promtool alone: {left:?}");
    assert_eq!(all, fired.union(&left).cloned().collect(), "every alert fires here or there");
}

/// Puts every query to Prometheus: none may fail, name what is not there, or find nothing.
async fn ask_everything(prometheus: &Prometheus, rules: &Rules) {
    let vocabulary = Vocabulary::of(prometheus).await;
    let mut problems = Vec::new();
    for (name, expression) in rules.expressions() {
        problems.extend(vocabulary.unknown(&expression).map(|word| format!("{name}: {word}")));
        // What an alert finds is for the acts to say.
        if let Err(error) = prometheus.query(&expression).await {
            problems.push(format!("{name}: {error}"));
        }
    }
    let mut used = BTreeSet::new();
    for Query { dashboard, panel, expression } in dashboards::queries() {
        let place = format!("{dashboard}, {panel}");
        problems.extend(vocabulary.unknown(&expression).map(|word| format!("{place}: {word}")));
        let excused =
            MAY_BE_EMPTY.iter().find(|(board, title, _)| *board == dashboard && *title == panel);
        match prometheus.query(&expression).await {
            Err(error) => problems.push(format!("{place}: {error}\n  {expression}")),
            Ok(0) if excused.is_none() => {
                problems.push(format!("{place}: nothing for {expression}"));
            }
            Ok(_) => {}
        }
        used.extend(excused.map(|(board, title, _)| (*board, *title)));
    }
    for (board, title, _) in MAY_BE_EMPTY {
        if !used.contains(&(*board, *title)) {
            problems.push(format!("{board}, {title}: no such panel"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
