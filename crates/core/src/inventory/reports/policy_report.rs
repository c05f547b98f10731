//! Reports of openreports.io and wgpolicyk8s.io, which have the same form.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    ReportResults, ReportedResource, check_names,
    filter::{Collector, Outcome, ReadResult, ResultFilter, resource},
    metadata,
};
use crate::{
    api::Severity,
    inventory::{
        facts::{ProjectionError, read as read_object},
        kinds,
        program::WholeObject,
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    scope: Option<Named>,
    #[serde(default)]
    configuration: Option<Configuration>,
    #[serde(default)]
    summary: Option<Summary>,
    #[serde(default)]
    results: Option<Vec<ResultOfReport>>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    limits: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Summary {
    pass: i64,
    fail: i64,
    warn: i64,
    error: i64,
}

#[derive(Deserialize)]
struct ResultOfReport {
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    timestamp: Option<Time>,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    resources: Option<Vec<Named>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Time {
    #[serde(default)]
    seconds: i64,
    #[serde(default)]
    nanos: i32,
}

/// An object as an `ObjectReference` names it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Named {
    api_version: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

/// What a report says of each resource.
pub fn read(
    filter: &ResultFilter,
    whole: &WholeObject<'_>,
) -> Result<ReportResults, ProjectionError> {
    let report: Report = read_object(whole.object)?;
    // Counting from when the report was made is the most that can be said for a result without a time.
    let created = metadata(whole)?.created()?;
    let own = ReportedResource::of(whole.resource, whole.namespace, whole.name);
    let mut collector = Collector::new(filter, whole.interner);
    let mut listed = Summary::default();
    let source = report.source.as_deref().unwrap_or_default();
    let mut asked = !source.is_empty() && filter.takes_engine(source);
    for result in report.results.iter().flatten() {
        let engine = result.source.as_deref().filter(|text| !text.is_empty()).unwrap_or(source);
        asked |= filter.takes_engine(engine);
        let Some(read) = result.read(engine, created) else { continue };
        listed.count(read.outcome);
        if !filter.takes(&read) {
            continue;
        }
        let named: Vec<&Named> = match &result.resources {
            Some(resources) if !resources.is_empty() => resources.iter().collect(),
            _ => report.scope.iter().collect(),
        };
        if named.is_empty() {
            collector.add((&own, None), &read);
        }
        for named in named {
            match named.resource(whole)? {
                Place::Here(resource) => collector.add((&resource, named.uid()), &read),
                Place::Unnamed => collector.add((&own, None), &read),
                Place::Elsewhere => collector.leave_out(&own, ELSEWHERE),
            }
        }
    }
    let limited = report.configuration.is_some_and(|configuration| configuration.limits.is_some());
    if asked
        && let Some(summary) = report.summary
        && let Some(why) = summary.differs(listed, limited)
    {
        collector.distrust(&own, &why);
    }
    Ok(collector.finish())
}

const ELSEWHERE: &str = "it has results about resources of another namespace, which do not count: only a report of the cluster can speak of those";

impl ResultOfReport {
    /// None of a result that is none of the five, which says nothing.
    fn read<'a>(&'a self, engine: &'a str, created: Option<Timestamp>) -> Option<ReadResult<'a>> {
        let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
        Some(ReadResult {
            engine,
            policy: &self.policy,
            rule: text(&self.rule),
            category: text(&self.category),
            outcome: match text(&self.result) {
                "pass" => Outcome::Pass,
                "fail" => Outcome::Fail,
                "warn" => Outcome::Warn,
                "error" => Outcome::Error,
                "skip" => Outcome::Skip,
                _ => return None,
            },
            severity: match text(&self.severity) {
                "critical" => Some(Severity::Critical),
                "high" => Some(Severity::High),
                "medium" => Some(Severity::Medium),
                // There is nothing below Low here; what is only informative is no worse than that.
                "low" | "info" => Some(Severity::Low),
                _ => None,
            },
            message: text(&self.message),
            at: self.timestamp.and_then(Time::read).or(created),
        })
    }
}

impl Time {
    /// None of the zero time, which engines write for none, and of what is out of the calendar.
    fn read(self) -> Option<Timestamp> {
        Timestamp::new(self.seconds, self.nanos).ok().filter(|at| at.as_second() > 0)
    }
}

/// Where a resource lies that a report names.
enum Place {
    Here(ReportedResource),
    /// It has no name.
    Unnamed,
    /// In another namespace than the report, whose author need have no say there.
    Elsewhere,
}

impl Named {
    fn uid(&self) -> Option<&str> {
        self.uid.as_deref().filter(|uid| !uid.is_empty())
    }

    fn resource(&self, whole: &WholeObject<'_>) -> Result<Place, ProjectionError> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (api_version, kind) = (text(&self.api_version), text(&self.kind));
        let (name, mut namespace) = (text(&self.name), text(&self.namespace));
        check_names([&api_version, &kind, &namespace, &name])?;
        if name.is_empty() || kind.is_empty() {
            return Ok(Place::Unnamed);
        }
        let is_namespace = kind == "Namespace" && api_version == "v1";
        if is_namespace {
            // Some engines repeat the name.
            namespace.clear();
        }
        if whole.resource.namespaced {
            let place = if is_namespace { &name } else { &namespace };
            if !place.is_empty() && place != whole.namespace {
                return Ok(Place::Elsewhere);
            }
            if namespace.is_empty() && !is_cluster_scoped(&api_version, &kind) {
                whole.namespace.clone_into(&mut namespace);
            }
        }
        let names = [api_version.as_str(), &kind, &namespace, &name];
        Ok(Place::Here(resource(whole.interner, names)))
    }
}

fn is_cluster_scoped(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    kinds::builtin().any(|known| known.group == group && known.kind == kind && !known.namespaced)
}

impl Summary {
    fn count(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Pass => &mut self.pass,
            Outcome::Fail => &mut self.fail,
            Outcome::Warn => &mut self.warn,
            Outcome::Error => &mut self.error,
            // Nothing follows from how many were skipped, and some engines count those they do not list.
            Outcome::Skip => return,
        };
        *count += 1;
    }

    /// How the counts differ from what is listed, in one sentence. What passes may be left out by a
    /// report that says that it is limited.
    fn differs(self, listed: Self, limited: bool) -> Option<String> {
        let pairs = [
            ("fail", self.fail, listed.fail),
            ("error", self.error, listed.error),
            ("warn", self.warn, listed.warn),
            ("pass", self.pass, listed.pass),
        ];
        let differ = |(what, said, listed): &(&str, i64, i64)| {
            said != listed && !(limited && *what == "pass" && said > listed)
        };
        let (what, said, listed) = pairs.into_iter().find(differ)?;
        Some(format!(
            "its summary counts {said} results that {what}, and it lists {listed}: what it says is not complete"
        ))
    }
}
