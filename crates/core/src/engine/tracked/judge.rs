//! Judging the items of one control, and what follows for its verdict.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{CompiledTest, TrackedControl};
use crate::{
    api::{State, time::whole_seconds},
    checks::{self, CheckContext, Item, items::ItemSet},
    engine::{
        describe::FindingDescriber,
        exceptions::Exceptions,
        judging::judge_in_scope,
        lapsed::FindingChanges,
        memory::{FindingHash, FindingState, RememberedFinding, ResourceHash},
        movements::{Causes, RecentChanges},
        verdict::{self, ObservedFinding, Reason, SHOWN_FINDINGS, Verdict},
    },
    inventory::Inventory,
};

impl TrackedControl {
    /// Judges the marked and due items, or all of them. True if the verdict may be another. `kept` gets
    /// what changed in the findings; it is None where nobody records.
    pub(super) fn judge(
        &mut self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        recent: &RecentChanges,
        now: Timestamp,
        mut kept: Option<&mut FindingChanges>,
    ) -> bool {
        let CompiledTest::Ready { check, scope, .. } = &self.test else {
            return false;
        };
        let mut items = std::mem::take(&mut self.marked);
        let due = self.judge_all || self.reclassify || !items.is_empty();
        let advanced = self.attestation.advance(&self.spec, inventory, exceptions, now, due);
        items.extend(&advanced);
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        let mut before = FxHashMap::default();
        let mut judged_before = None;
        let gone = self.course.take_gone();
        // An edit counts until everything was judged by it.
        let edited = self.edited.take_if(|_| self.judge_all);
        let referred = self.referral_changed;
        let causes = Causes { context, recent, gone: &gone, edited: edited.as_deref(), referred };
        // Ids of items may mean others by a new spec, so nothing is kept but when each was found.
        if self.judge_all {
            if kept.is_some() {
                before = (self.memory.records())
                    .map(|(item, record)| (record.key, (item, *record)))
                    .collect();
            }
            self.first_found.extend(self.memory.first_found());
            judged_before = Some(std::mem::take(&mut self.memory).into_population());
            items.clear();
            check.items(&context, &mut |item| {
                items.insert(item);
            });
        }
        // Items whose judgement held only until now, without any change of an object.
        items.extend(self.memory.due(now));
        if std::mem::take(&mut self.reclassify) {
            items.extend(self.memory.open_items());
        }
        let compares = kept.is_some() && self.course.begin();
        let moves_alone = self.spec.test.attestation.is_none();
        let mut changed = std::mem::take(&mut self.judge_all) || !advanced.is_empty();
        // Items of the cluster come last: they are judged by how many of the others count.
        let whole = |item: &Item| matches!(item, Item::Cluster(_));
        let parts = items.iter().filter(|item| !whole(item));
        for item in parts.chain(items.iter().filter(|item| whole(item))).copied() {
            let limit_counts = self.memory.limit_counts();
            let judgement = judge_in_scope(check.as_ref(), &context, item, limit_counts);
            let record = |finding: &checks::Finding, failing, known: Option<&RememberedFinding>| {
                let key = FindingHash::of_finding(finding);
                RememberedFinding {
                    key,
                    resource: ResourceHash::new(&finding.resource),
                    since: (self.history.as_ref())
                        .filter(|_| !self.lapsed.knows(key))
                        .and_then(|history| history.since(finding))
                        .or_else(|| known.map(|record| record.since))
                        .or_else(|| self.first_found.get(&key).copied())
                        // A status and the log keep whole seconds; with more here, findings of one
                        // second would have another order after a restart.
                        .unwrap_or(whole_seconds(now).0),
                    severity: finding.severity.unwrap_or(self.spec.severity),
                    standing: if failing {
                        exceptions
                            .allowing(&self.name, &finding.resource, now)
                            .map_or(FindingState::Failing, FindingState::Excepted)
                    } else {
                        FindingState::Unknown
                    },
                }
            };
            let differ = |old: &[RememberedFinding],
                          new: &[RememberedFinding],
                          judgement: Option<&checks::Judgement>| {
                if let Some(kept) = &mut kept {
                    let ending = |gone: &RememberedFinding| causes.ending(item, gone, judgement);
                    let name = |place| exceptions.name(place);
                    kept.compare((old, new), judgement, &before, ending, name);
                }
            };
            let was = match &judged_before {
                Some(judged) => judged.contains(item),
                None => self.memory.judges(item),
            };
            changed |= self.memory.remember(item, judgement.as_ref(), record, differ);
            if compares && moves_alone {
                self.course.note(&causes, item, was, self.memory.judges(item));
            }
        }
        for item in judged_before.iter().flat_map(ItemSet::iter) {
            if compares && moves_alone && !items.contains(&item) {
                self.course.note(&causes, item, true, false);
            }
        }
        if kept.is_some() && !(compares && moves_alone) && changed {
            self.course.give_up();
        }
        if let Some(kept) = kept {
            self.complete(kept, &before, &causes);
        }
        self.first_found = FxHashMap::default();
        // A finding that goes and comes back later is new.
        self.history = None;
        changed
    }

    /// Says of what was found before that it is gone: by what was remembered, and by what the log says.
    fn complete(
        &self,
        kept: &mut FindingChanges,
        before: &FxHashMap<FindingHash, (Item, RememberedFinding)>,
        causes: &Causes<'_>,
    ) {
        let CompiledTest::Ready { check, .. } = &self.test else { return };
        let records = || self.memory.records().map(|(_, record)| record);
        kept.complete(before, records(), |item, gone| {
            // What an item is judged as now tells whether it can be judged; its text is not kept.
            let judgement = self.memory.judges(item).then(|| {
                judge_in_scope(check.as_ref(), &causes.context, item, self.memory.limit_counts())
            });
            causes.ending(item, gone, judgement.flatten().as_ref())
        });
        let Some(history) = &self.history else { return };
        let open = history.open();
        if open.is_empty() {
            return;
        }
        let present: FxHashSet<FindingHash> = records().map(|record| record.key).collect();
        let edited = history.generation().is_some_and(|generation| generation != self.generation);
        let edited = edited.then_some("the control was edited while nobody judged it");
        let causes = Causes {
            context: causes.context,
            recent: causes.recent,
            gone: causes.gone,
            edited: causes.edited.or(edited),
            referred: causes.referred,
        };
        let mut items = FxHashSet::default();
        check.items(&causes.context, &mut |item| {
            items.insert(item);
        });
        // What a finding is about need not be an item: rights are judged by subject.
        let judges = |item| items.contains(&item).then(|| self.memory.judges(item));
        let missing = open.into_iter().filter(|(key, _)| !present.contains(key));
        kept.missing.extend(missing.filter_map(|(key, resource)| {
            Some((key, causes.ending_of_resource(&resource, judges)?))
        }));
    }

    /// Makes a verdict from what is remembered. Failing goes before unknown, and unknown before excepted:
    /// a control that can't be judged in part must not look better than it may be.
    pub(super) fn conclude(
        &mut self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
    ) -> Verdict {
        let counts = self.memory.counts();
        let (state, reason) = if counts.failing > 0 {
            (State::Failing, Reason::FindingsOpen)
        } else if counts.unknown > 0 {
            (State::Unknown, Reason::ItemsUnknown)
        } else if counts.excepted > 0 {
            (State::Excepted, Reason::FindingsExcepted)
        } else if counts.population == 0 {
            (State::NotApplicable, Reason::NoPopulation)
        } else {
            (State::Passing, Reason::NoFindings)
        };
        let worst = |which: fn(FindingState) -> bool| {
            self.describer(inventory, exceptions, now)
                .map_or_else(Vec::new, |describer| describer.worst(SHOWN_FINDINGS, which))
        };
        let findings = worst(|standing| standing == FindingState::Failing);
        let unknown_items = worst(|standing| standing == FindingState::Unknown);
        Verdict {
            generation: self.generation,
            state,
            reason,
            message: self.with_referral(verdict::summary(state, &counts, unknown_items.first())),
            since: self.enter(state, whole_seconds(now).0),
            population: counts.population,
            failing: counts.failing,
            excepted: counts.excepted,
            unknown: counts.unknown,
            open_findings: counts.findings,
            findings,
            unknown_items,
            digest: RememberedFinding::digest(
                self.memory.records().map(|(_, record)| record),
                |place| exceptions.name(place),
            ),
            occurrences: self.attestation.occurrences().to_vec(),
            records: self.attestation.records(inventory),
        }
    }

    /// The summary, with how many subjects are left to the control that reports who holds cluster-admin.
    fn with_referral(&self, summary: String) -> String {
        let CompiledTest::Ready { scope, .. } = &self.test else {
            return summary;
        };
        match (&scope.cluster_admin, self.memory.deferred()) {
            (None, _) | (_, 0) => summary,
            (Some(control), 1) => {
                format!("{summary}; 1 subject holds cluster-admin: see {control}")
            }
            (Some(control), deferred) => {
                format!("{summary}; {deferred} subjects hold cluster-admin: see {control}")
            }
        }
    }

    /// The worst findings, excepted or not, at most `most`. Empty while the control is blocked.
    pub fn worst(
        &self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        most: usize,
    ) -> Vec<ObservedFinding> {
        self.describer(inventory, exceptions, now).map_or_else(Vec::new, |describer| {
            describer.worst(most, |standing| standing != FindingState::Unknown)
        })
    }

    /// Every finding in the states that `which` admits, by severity, then since, then name. Empty while
    /// the control is blocked.
    pub fn findings(
        &self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        which: impl Fn(FindingState) -> bool,
    ) -> Vec<ObservedFinding> {
        self.describer(inventory, exceptions, now)
            .map_or_else(Vec::new, |describer| describer.all(which))
    }

    /// The findings about one item in the states that `which` admits. Empty while the control is blocked.
    pub fn findings_about(
        &self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        item: Item,
        which: impl Fn(FindingState) -> bool,
    ) -> Vec<ObservedFinding> {
        self.describer(inventory, exceptions, now)
            .map_or_else(Vec::new, |describer| describer.about(item, which))
    }

    /// What describes its findings. None while the control is blocked: what it remembers then only keeps
    /// its `since`, and claims nothing.
    fn describer<'a>(
        &'a self,
        inventory: &'a Inventory,
        exceptions: &'a Exceptions,
        now: Timestamp,
    ) -> Option<FindingDescriber<'a>> {
        let CompiledTest::Ready { check, scope, .. } = &self.test else {
            return None;
        };
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        (!self.judge_all).then_some(FindingDescriber {
            check: check.as_ref(),
            context,
            memory: &self.memory,
            exceptions,
        })
    }

    /// Adds how many findings and occurrences of this control each exception allows, by its number.
    pub fn count_excepted(&self, exceptions: &Exceptions, matched: &mut BTreeMap<u16, usize>) {
        if self.judge_all {
            return;
        }
        for (_, record) in self.memory.records() {
            if let FindingState::Excepted(place) = record.standing {
                *matched.entry(place).or_default() += 1;
            }
        }
        for place in self.attestation.waivers().filter_map(|name| exceptions.place(name)) {
            *matched.entry(place).or_default() += 1;
        }
    }
}
