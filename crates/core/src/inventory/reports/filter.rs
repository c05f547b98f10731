//! Which results of a report a test asks for, and what is kept of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use wildmatch::WildMatch;

use super::{Dated, MAX_ROWS, OWN_SOURCE, ReportEntry, ReportResults, ReportedResource, ResultRow};
use crate::{
    api::Severity,
    inventory::{Interner, Symbol, program::shortened},
};

/// The longest name of a rule, in characters, as statuses keep it.
const MAX_RULE: usize = 128;

/// Which results a test asks for. Empty lists of patterns ask for all.
#[derive(Debug, Default)]
pub struct ResultFilter {
    /// In lower case.
    pub engines: Vec<WildMatch>,
    pub policies: Vec<WildMatch>,
    pub categories: Vec<WildMatch>,
    pub min_severity: Option<Severity>,
    pub warnings_fail: bool,
}

/// What an engine says of a resource by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    Fail,
    /// Not met, and not scored.
    Warn,
    /// It could not be evaluated.
    Error,
    /// It is not about the resource after all.
    Skip,
}

/// A result as a report has it.
#[derive(Clone, Copy, Debug)]
pub struct ReadResult<'a> {
    pub engine: &'a str,
    pub policy: &'a str,
    /// Empty where the policy has no rules.
    pub rule: &'a str,
    pub category: &'a str,
    pub outcome: Outcome,
    pub severity: Option<Severity>,
    pub message: &'a str,
    pub at: Option<Timestamp>,
}

impl ResultFilter {
    /// Whether an engine is asked for. We never are: what we say of others is not evidence of it.
    pub fn takes_engine(&self, engine: &str) -> bool {
        let engine = engine.to_lowercase();
        engine != OWN_SOURCE && matches(&self.engines, &engine)
    }

    /// Whether a result is asked for.
    pub fn takes(&self, result: &ReadResult<'_>) -> bool {
        self.takes_engine(result.engine)
            && matches(&self.policies, result.policy)
            && matches(&self.categories, result.category)
    }

    /// Whether something of this severity fails. What nobody rated may be anything.
    pub fn is_severe(&self, severity: Option<Severity>) -> bool {
        severity.is_none() || severity >= self.min_severity
    }

    fn row(&self, result: &ReadResult<'_>) -> Option<bool> {
        match result.outcome {
            Outcome::Fail => self.is_severe(result.severity).then_some(true),
            Outcome::Warn if self.warnings_fail => self.is_severe(result.severity).then_some(true),
            Outcome::Error => Some(false),
            Outcome::Pass | Outcome::Warn | Outcome::Skip => None,
        }
    }
}

fn matches(patterns: &[WildMatch], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
}

/// Collects what a report says, by resource and engine.
#[derive(Debug)]
pub struct Collector<'a> {
    filter: &'a ResultFilter,
    interner: &'a Interner,
    entries: BTreeMap<(ReportedResource, Option<Box<str>>, String), Collected>,
}

#[derive(Debug, Default)]
struct Collected {
    judged: u32,
    dated: Option<Dated>,
    undated: bool,
    rows: BTreeMap<String, CollectedRow>,
    problem: Option<Box<str>>,
}

#[derive(Debug)]
struct CollectedRow {
    fails: bool,
    severity: Option<Severity>,
    message: String,
    others: u32,
}

impl<'a> Collector<'a> {
    pub fn new(filter: &'a ResultFilter, interner: &'a Interner) -> Self {
        Self { filter, interner, entries: BTreeMap::new() }
    }

    fn entry(
        &mut self,
        resource: &ReportedResource,
        uid: Option<&str>,
        engine: &str,
    ) -> &mut Collected {
        let engine = shortened(engine.replace(char::is_control, " "));
        let key = (resource.clone(), uid.map(Into::into), engine.into());
        self.entries.entry(key).or_default()
    }

    /// Takes in that an engine has looked at a resource, where its report lists only what it found.
    pub fn looked_at(
        &mut self,
        (resource, uid): (&ReportedResource, Option<&str>),
        engine: &str,
        at: Option<Timestamp>,
    ) {
        self.entry(resource, uid, engine).judge(at);
    }

    /// Takes in a result that the filter takes. One that is skipped judges nothing.
    pub fn add(
        &mut self,
        (resource, uid): (&ReportedResource, Option<&str>),
        result: &ReadResult<'_>,
    ) {
        if result.outcome == Outcome::Skip {
            return;
        }
        let row = self.filter.row(result);
        let entry = self.entry(resource, uid, result.engine);
        entry.judge(result.at);
        if let Some(fails) = row {
            entry.keep(fails, result);
        }
    }

    /// Takes in why the report can't be relied on, for every resource of it, or else for the report.
    pub fn distrust(&mut self, report: &ReportedResource, why: &str) {
        if self.entries.is_empty() {
            self.entry(report, None, "");
        }
        for entry in self.entries.values_mut() {
            entry.problem.get_or_insert_with(|| shortened(why.to_owned()));
        }
    }

    /// Takes in why something of the report was left out, as a matter of the report alone.
    pub fn leave_out(&mut self, report: &ReportedResource, why: &str) {
        let entry = self.entry(report, None, "");
        entry.problem.get_or_insert_with(|| shortened(why.to_owned()));
    }

    pub fn finish(self) -> ReportResults {
        let interner = self.interner;
        let entries = self.entries.into_iter().map(|((resource, uid, engine), entry)| {
            let (rows, more) = entry.worst(interner);
            ReportEntry {
                resource,
                uid,
                engine: interner.intern(&engine),
                judged: entry.judged,
                dated: entry.dated.filter(|_| !entry.undated),
                rows,
                more,
                problem: entry.problem,
            }
        });
        ReportResults { entries: entries.collect() }
    }
}

impl Collected {
    fn judge(&mut self, at: Option<Timestamp>) {
        self.judged += 1;
        let Some(at) = at else {
            self.undated = true;
            return;
        };
        let dated = self.dated.get_or_insert(Dated { oldest: at, newest: at });
        dated.oldest = dated.oldest.min(at);
        dated.newest = dated.newest.max(at);
    }

    fn keep(&mut self, fails: bool, result: &ReadResult<'_>) {
        let message = || shortened(result.message.trim().replace(char::is_control, " ")).into();
        let row = self.rows.entry(rule_name(result.policy, result.rule));
        let row = row.and_modify(|row| row.others += 1).or_insert_with(|| CollectedRow {
            fails,
            severity: result.severity,
            message: message(),
            others: 0,
        });
        // Of several results of one rule the worst counts, with what it says.
        if (fails, result.severity) > (row.fails, row.severity) {
            (row.fails, row.severity, row.message) = (fails, result.severity, message());
        }
    }

    fn worst(&self, interner: &Interner) -> (Box<[ResultRow]>, u32) {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(rule, row)| {
            std::cmp::Reverse((row.fails, row.severity, std::cmp::Reverse(*rule)))
        });
        let more = rows.len().saturating_sub(MAX_ROWS);
        rows.truncate(MAX_ROWS);
        let rows = rows.into_iter().map(|(rule, row)| ResultRow {
            rule: interner.intern(rule),
            fails: row.fails,
            severity: row.severity,
            message: match row.others {
                0 => row.message.as_str().into(),
                others => format!("{} (and {others} more of this rule)", row.message).into(),
            },
        });
        (rows.collect(), u32::try_from(more).unwrap_or(u32::MAX))
    }
}

/// The rule of a finding: the policy and its rule, as an engine writes them, in letters that are safe in
/// every table, file and metric.
fn rule_name(whole_policy: &str, whole_rule: &str) -> String {
    let safe = |text: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        text.trim().chars().take(MAX_RULE * 2).map(|c| if plain(c) { c } else { '-' }).collect()
    };
    let (policy, rule) = (safe(whole_policy), safe(whole_rule));
    let name = match (policy.is_empty(), rule.is_empty()) {
        (true, true) => return "Unnamed".to_owned(),
        (false, false) if policy != rule => format!("{policy}/{rule}"),
        (true, false) => rule,
        _ => policy,
    };
    if name.len() <= MAX_RULE {
        return name;
    }
    // Cut, two long ones might be taken for one; a digest tells them apart.
    let digest = Sha256::digest(format!("{whole_policy}\n{whole_rule}"));
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}..{digest}", &name[..MAX_RULE - 10])
}

/// An interned copy of what names a resource.
pub fn resource(
    interner: &Interner,
    [api_version, kind, namespace, name]: [&str; 4],
) -> ReportedResource {
    let intern = |text: &str| -> Symbol { interner.intern(text) };
    ReportedResource {
        api_version: intern(api_version),
        kind: intern(kind),
        namespace: intern(namespace),
        name: intern(name),
    }
}
