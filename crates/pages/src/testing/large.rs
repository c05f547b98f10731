//! A site with as many objects of each kind as asked for, and with long histories.

use std::sync::Arc;

use comptroller_core::api::{ResourceRef, State, criteria::SOC2};
use serde_json::json;

use super::{objects, sample};
use crate::model::{
    ControlHistory, Input, ListedPopulation, PopulationItem, ReadPopulation, Site, TimelineEvent,
    TimelineFact,
};

/// A cluster with this many controls, exceptions, attestations and items of a population.
pub fn large(count: usize) -> Site {
    let mut site = sample();
    let states = ["Passing", "Failing", "Unknown", "Excepted", "NotApplicable"];
    let severities = ["Low", "Medium", "High", "Critical"];
    site.controls.items = (0..count)
        .map(|number| {
            let criteria = [number, number + 7].map(|at| SOC2[at % SOC2.len()].id);
            let state = states[number % states.len()];
            objects::control(
                &format!("control-{number:05}"),
                json!({"title": format!("Control number {number}"), "criteria": criteria, "owner": format!("team-{}", number % 300),
                    "severity": severities[number % 4]}),
                objects::status(state, "FindingsOpen", &json!({"occurrences": [{
                    "period": "2026-Q4", "phase": "Open", "opens": "2026-10-01T00:00:00Z", "due": "2026-11-01T00:00:00Z",
                    "graceUntil": "2026-12-15T00:00:00Z", "ruleDigest": "sha256:00"}]})),
            )
        })
        .collect();
    let exception = Arc::unwrap_or_clone(site.exceptions.items.remove(0));
    site.exceptions.items = (0..count)
        .map(|number| {
            let mut one = exception.clone();
            one.metadata.name = Some(format!("exception-{number:05}"));
            one.spec.controls = vec!["control-00001".to_owned()];
            Arc::new(one)
        })
        .collect();
    let attestation = Arc::unwrap_or_clone(site.attestations.items.remove(0));
    site.attestations.items = (0..count)
        .map(|number| {
            let mut one = attestation.clone();
            one.metadata.name = Some(format!("attestation-{number:05}"));
            "control-00001".clone_into(&mut one.spec.control);
            Arc::new(one)
        })
        .collect();
    site.inputs = (0..100)
        .map(|number| Input {
            name: format!("kind{number}.example.com"),
            heard: Some(site.now),
            trouble: None,
        })
        .collect();
    let mut log = Arc::unwrap_or_clone(site.log.take().unwrap());
    log.controls.insert("control-00001".to_owned(), history(count));
    site.log = Some(Arc::new(log));
    site.population = Some(ReadPopulation {
        control: "control-00001".to_owned(),
        digest: "sha256:list".to_owned(),
        items: Ok((0..count).map(item).collect()),
    });
    site
}

fn item(number: usize) -> PopulationItem {
    PopulationItem {
        resource: ResourceRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some(format!("namespace-{}", number % 50)),
            name: format!("pod-{number}"),
        },
        uid: Some(format!("uid-{number}")),
    }
}

fn history(size: usize) -> ControlHistory {
    let from = super::at("2026-10-01T00:00:00Z");
    let events = (0..500_u32).map(|number| TimelineEvent {
        at: from + jiff::SignedDuration::from_hours(i64::from(number)),
        entry: u64::from(number),
        fact: TimelineFact::State {
            state: if number % 2 == 0 { State::Failing } else { State::Passing },
            reason: "FindingsOpen".to_owned(),
            message: String::new(),
            population: 10,
            failing: 1,
            excepted: 0,
            unknown: 0,
        },
    });
    ControlHistory {
        events: events.collect(),
        earlier: 0,
        last_at: None,
        population: Some(ListedPopulation {
            at: from,
            entry: 1,
            digest: "sha256:list".to_owned(),
            count: u64::try_from(size).unwrap(),
        }),
    }
}
