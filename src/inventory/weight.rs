//! What facts weigh: who fills a cluster with the largest objects that an API server takes must not
//! fill the operator. What is too much is [`Facts::Malformed`], unknown and never a pass.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use super::{Facts, Symbol, facts::Labels, rbac::Subject, workload::WorkloadFacts};

/// What the facts of one object may weigh, in bytes.
pub const OF_ONE: usize = 4 * 1024 * 1024;

/// What a thing in a list costs in facts, indexes and what is remembered of it, beside its text.
const SUBJECT: usize = 448;
const CONTAINER: usize = 400;
const RULE: usize = 128;
const WORD: usize = 64;
/// The same for a text that others hold too.
const SHARED: usize = 16;

/// What the facts of all objects together may weigh.
pub const fn of_all(objects: usize) -> usize {
    const BASE: usize = 16 * 1024 * 1024;
    /// Facts of most objects are some 300 bytes.
    const EACH: usize = 1024;
    BASE + objects * EACH
}

/// What is said of an object that is not taken in for its size.
pub fn refusal(weight: usize, limit: usize) -> Facts {
    let text = if limit == OF_ONE {
        format!(
            "it is too large to be judged: what is read of it takes {} KiB, and {} may be; split it",
            weight / 1024,
            limit / 1024
        )
    } else {
        ALTOGETHER.to_owned()
    };
    Facts::Malformed(text.into())
}

const ALTOGETHER: &str = "there are too many objects as large as this one to judge them all: split or delete the largest of the cluster";

/// Whether an object was refused because of the others.
pub fn is_refused(facts: &Facts) -> bool {
    matches!(facts, Facts::Malformed(text) if **text == *ALTOGETHER)
}

/// Bytes that the lists in facts take.
pub fn of(facts: &Facts) -> usize {
    match facts {
        Facts::Exists | Facts::Malformed(_) | Facts::Quota => 0,
        Facts::Namespace(facts) => of_labels(&facts.labels),
        Facts::Workload(facts) => of_workload(facts),
        Facts::Role(facts) => {
            let rules = facts.rules.iter().map(|rule| {
                let words = [&rule.verbs, &rule.groups, &rule.resources, &rule.names, &rule.urls];
                RULE + words.into_iter().flatten().map(of_word).sum::<usize>()
            });
            rules.sum::<usize>() + of_labels(&facts.labels)
        }
        Facts::Binding(facts) => facts.subjects.iter().map(of_subject).sum(),
        Facts::ServiceAccount(facts) => of_text(facts),
        Facts::Claim(facts) => of_text(facts),
        Facts::Volume(facts) => of_text(facts),
        Facts::StorageClass(facts) => of_text(facts),
        Facts::Network(facts) => of_text(facts),
        Facts::Backup(facts) => of_text(facts),
        Facts::Attestation(facts) => of_text(facts),
    }
}

fn of_workload(facts: &WorkloadFacts) -> usize {
    // One is held here and one by the pool.
    let shared = Arc::strong_count(&facts.pod) > 2;
    let pod = if shared {
        0
    } else {
        let listed = facts.pod.sysctls.len() + facts.pod.token_volumes.len();
        let volumes = WORD * (listed + facts.pod.volumes.len());
        let containers = facts.pod.containers.iter().map(|container| {
            let handlers = container.handler_hosts.iter().map(of_word).sum::<usize>();
            CONTAINER + container.image.len() + handlers + 8 * container.host_ports.len()
        });
        volumes + containers.sum::<usize>()
    };
    let flags = facts.api_server_flags.iter().flatten().map(of_word).sum::<usize>();
    let cron = facts.cron.as_ref().map_or(0, |cron| of_text(cron));
    pod + flags + cron + of_labels(&facts.labels)
}

fn of_subject(subject: &Subject) -> usize {
    let name = subject.name();
    if name.is_shared() { 6 * SHARED } else { SUBJECT + name.len() }
}

fn of_word(word: &Symbol) -> usize {
    if word.is_shared() { SHARED } else { WORD + word.len() }
}

fn of_labels(labels: &Labels) -> usize {
    labels.iter().map(|(key, value)| of_word(key) + of_word(value)).sum()
}

/// By its text, which is about as long as what it shows is large.
fn of_text(facts: &impl fmt::Debug) -> usize {
    struct Length(usize);
    impl fmt::Write for Length {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut length = Length(0);
    // Counting can't fail.
    let _ = write!(length, "{facts:?}");
    length.0
}
