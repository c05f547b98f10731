//! Cheats by the spec of a control, and by objects that are other ones than they seem.

use comptroller_core::api::State;
use jiff::{SignedDuration, Timestamp};

use crate::{
    process::kubectl,
    world::{Governed, Report, World, list, of_item, time},
};

/// Asks the same as [`OWNED`] in other words.
const OWNED_AGAIN: &str =
    "has(object.metadata.labels) && 'owner' in object.metadata.labels && true";

/// A config map breaks the rule, is not found, and is mended.
async fn bad_time(governed: &Governed, world: &World) {
    governed.config_map(world, "bad", None).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    governed.config_map(world, "bad", Some("ops")).await;
}

/// Four kinds of cheats on one cluster at a time, each on controls and namespaces of its own:
/// another rule in the bad time, another severity or criterion, no control for a moment, and another
/// object of the name or an exception for the moment.
#[tokio::test]
async fn what_was_edited_around_a_bad_time_is_told_and_no_pass() {
    let mut world = World::start().await;
    tokio::join!(
        other_rules(&world),
        other_weights(&world),
        away_for_a_moment(&world),
        other_objects(&world),
    );
    let report = world.report().await;
    other_rules_are_told(&report);
    weights_are_those_of_the_time(&report);
    moments_are_told(&report);
    other_objects_are_told(&report);
}

/// The rule, what it looks at, and for whom are edited before the bad time and back after it, in the
/// same words or others.
async fn other_rules(world: &World) {
    let same = world.governed("weakened").await;
    same.declare_rule(world, "", "true", "true").await;
    same.until(world, State::Passing).await;
    bad_time(&same, world).await;
    same.declare(world, "", "true").await;
    same.until(world, State::Passing).await;

    let reworded = world.governed("reworded").await;
    reworded.declare_rule(world, "", "true", "true").await;
    reworded.until(world, State::Passing).await;
    bad_time(&reworded, world).await;
    reworded.declare_rule(world, "", "true", OWNED_AGAIN).await;
    reworded.until(world, State::Passing).await;

    // Only what is bad is left out, and it is not there yet.
    let condition = world.governed("condition").await;
    condition.declare(world, "", "object.metadata.name != 'bad'").await;
    condition.until(world, State::Passing).await;
    bad_time(&condition, world).await;
    condition.declare(world, "", "object.metadata.name != 'other'").await;
    condition.until(world, State::Passing).await;

    let excluded = world.governed("excluded").await;
    let scope = |name: &str| {
        format!(
            "scope: {{namespaces: {{matchLabels: {{cheat: excluded}}}}, exclude: [{{kind: ConfigMap, name: {name}, namespace: excluded, reason: a test}}]}}"
        )
    };
    excluded.declare(world, &scope("bad"), "true").await;
    excluded.until(world, State::Passing).await;
    bad_time(&excluded, world).await;
    excluded.declare(world, &scope("nothing"), "true").await;
    excluded.until(world, State::Passing).await;

    // The selector moves to another namespace, and to one that says the same in other words.
    let moved = world.governed("moved").await;
    let other = "scope: {namespaces: {matchLabels: {cheat: weakened}}}";
    moved.declare(world, other, "true").await;
    moved.until(world, State::Passing).await;
    bad_time(&moved, world).await;
    let back =
        "scope: {namespaces: {matchExpressions: [{key: cheat, operator: In, values: [moved]}]}}";
    moved.declare(world, back, "true").await;
    moved.until(world, State::Passing).await;
}

/// Each is among the specs, and none is a pass: nobody asked.
fn other_rules_are_told(report: &Report) {
    for name in ["weakened", "reworded", "condition", "excluded", "moved"] {
        let control = report.is_no_pass(name);
        let specs = list(control, "specs");
        assert_eq!(specs.len(), 3, "{name}: {specs:#?}");
        assert!(time(&specs[1]["from"]) < time(&specs[2]["from"]), "{name}: {specs:#?}");
    }
    report.shows(&["object.metadata.name != 'bad'"]);
}

/// What decides how bad it looks is edited in the bad time, and back: the severity, the title, and
/// which criterion it is a deviation of.
async fn other_weights(world: &World) {
    let lowered = world.governed("lowered").await;
    lowered.declare(world, "severity: Low\n  title: Nothing of note", "true").await;
    lowered.until(world, State::Passing).await;
    lowered.break_rule(world).await;
    lowered.config_map(world, "bad", Some("ops")).await;
    lowered.declare(world, "", "true").await;
    lowered.until(world, State::Passing).await;

    let unmapped = world.governed("unmapped").await;
    unmapped.declare(world, "criteria: [A1.1]", "true").await;
    unmapped.until(world, State::Passing).await;
    unmapped.break_rule(world).await;
    unmapped.config_map(world, "bad", Some("ops")).await;
    unmapped.until(world, State::Passing).await;
    unmapped.declare(world, "criteria: [CC6.1]", "true").await;
    unmapped.until(world, State::Passing).await;

    // It served only a criterion that no other control serves, until it was about to deviate.
    let alone = world.governed("alone").await;
    alone.declare(world, "criteria: [CC7.1]", "true").await;
    alone.until(world, State::Passing).await;
    alone.declare(world, "criteria: [A1.2]", "true").await;
    alone.until(world, State::Passing).await;
    alone.break_rule(world).await;
    alone.config_map(world, "bad", Some("ops")).await;
    alone.until(world, State::Passing).await;
}

fn weights_are_those_of_the_time(report: &Report) {
    let control = report.control("lowered");
    let deviation = of_item(control, "deviations", "bad");
    assert_eq!(deviation["severity"], "Low", "as it was then: {deviation:#}");
    let severities: Vec<&str> = list(control, "specs")
        .iter()
        .map(|spec| spec["spec"]["severity"].as_str().unwrap())
        .collect();
    assert_eq!(severities, ["High", "Low", "High"], "{control:#}");
    assert_eq!(report.control("unmapped")["conclusion"], "DeviationObserved");
    for id in ["CC6.1", "CC7.1"] {
        let criterion = report.criterion(id);
        assert_ne!(criterion["conclusion"], "NoDeviationObserved", "{criterion:#}");
        assert_eq!(criterion["mappingChanged"], true, "{criterion:#}");
    }
    let mapping = list(report.criterion("CC6.1"), "mapping");
    assert!(mapping.iter().any(|one| one["control"] == "unmapped"), "{mapping:#?}");
    report.shows(&["Nothing of note"]);
}

/// The control itself is suspended or deleted for a moment, or goes on under another name.
async fn away_for_a_moment(world: &World) {
    let suspended = world.governed("suspended").await;
    suspended.declare(world, "suspend: true", "true").await;
    bad_time(&suspended, world).await;
    suspended.declare(world, "", "true").await;
    suspended.until(world, State::Passing).await;

    let recreated = world.governed("recreated").await;
    kubectl(&world.bench.plane, &["delete", "control/recreated"]).await;
    bad_time(&recreated, world).await;
    recreated.declare(world, "", "true").await;
    recreated.until(world, State::Passing).await;

    // Under another name it would go on as if it were new.
    let renamed = world.governed("renamed").await;
    renamed.break_rule(world).await;
    kubectl(&world.bench.plane, &["delete", "control/renamed"]).await;
    renamed.config_map(world, "bad", Some("ops")).await;
}

/// However short it was, it is no pass if nobody approved it.
fn moments_are_told(report: &Report) {
    let control = report.is_no_pass("suspended");
    assert!(list(control, "suspensions")[0]["approvedBy"].is_null(), "{control:#}");
    for name in ["suspended", "recreated"] {
        let basis = report.is_no_pass(name)["basis"].as_str().unwrap();
        assert!(basis.contains("nobody approved"), "{name}: {basis}");
    }
    for name in ["recreated", "renamed"] {
        let none = report.gaps("NoControl");
        let of = |gap: &&serde_json::Value| list(gap, "controls").iter().any(|one| one == name);
        assert!(none.iter().any(of), "{none:#?}");
    }
    let control = report.control("renamed");
    assert_eq!(control["conclusion"], "DeviationObserved", "{control:#}");
    assert_eq!(of_item(control, "deviations", "bad")["ending"], "ControlDeleted", "{control:#}");
}

/// The bad object is replaced by a good one of its name, which mends nothing; and an exception is
/// there for the bad time alone, or comes after it.
async fn other_objects(world: &World) {
    let replaced = world.governed("replaced").await;
    replaced.break_rule(world).await;
    let good = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"bad\",\"namespace\":\"replaced\",\"labels\":{\"owner\":\"ops\"}}}";
    let file = world.bench.plane.dir().join("good.json");
    std::fs::write(&file, good).unwrap();
    kubectl(&world.bench.plane, &["replace", "--force", "-f", file.to_str().unwrap()]).await;
    replaced.until(world, State::Passing).await;

    let covered = world.governed("covered").await;
    exception(world, "for-the-moment", "covered").await;
    covered.config_map(world, "bad", None).await;
    covered.until(world, State::Excepted).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    covered.config_map(world, "bad", Some("ops")).await;
    covered.until(world, State::Passing).await;
    kubectl(&world.bench.plane, &["delete", "controlexception/for-the-moment"]).await;
    // One of the same name that says something else.
    exception_for(world, "for-the-moment", "covered", "harmless").await;

    let late = world.governed("late").await;
    late.break_rule(world).await;
    exception(world, "afterwards", "late").await;
    late.until(world, State::Excepted).await;
    late.config_map(world, "bad", Some("ops")).await;
    late.until(world, State::Passing).await;
    world
        .until_entry("the last exception is recorded", |entry| entry.subject.name == "afterwards")
        .await;
}

fn other_objects_are_told(report: &Report) {
    let deviation = of_item(report.control("replaced"), "deviations", "bad");
    assert_eq!(deviation["ending"], "ObjectGone", "{deviation:#}");

    let control = report.is_no_pass("covered");
    let found = of_item(control, "exceptedFindings", "bad");
    assert_eq!(found["exception"], "for-the-moment", "{found:#}");
    assert!(time(&found["from"]) < time(&found["to"]) && !found["to"].is_null(), "{found:#}");
    let told: Vec<_> = list(&report.json, "exceptions")
        .iter()
        .filter(|one| one["name"] == "for-the-moment")
        .collect();
    assert!(
        told.iter().any(|one| one["wildcard"] == true && !list(one, "covered").is_empty()),
        "the first of the name is not hidden by the second: {told:#?}"
    );

    let control = report.control("late");
    assert_eq!(control["conclusion"], "DeviationObserved", "{control:#}");
    assert_eq!(of_item(control, "deviations", "bad")["ending"], "Excepted", "{control:#}");
    let exceptions = list(&report.json, "exceptions");
    let after = exceptions.iter().find(|one| one["name"] == "afterwards").unwrap();
    assert_eq!(after["afterTheFact"], true, "{after:#}");
    report.shows(&["for-the-moment", "afterwards"]);
}

async fn exception(world: &World, name: &str, control: &str) {
    exception_for(world, name, control, "*").await;
}

async fn exception_for(world: &World, name: &str, control: &str, object: &str) {
    let expires = Timestamp::now() + SignedDuration::from_hours(24);
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ");
    let yaml = format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {{name: {name}}}
spec:
  controls: [{control}]
  resources: [{{kind: ConfigMap, namespace: '*', name: '{object}'}}]
  reason: We are busy.
  requestedBy: jane@corp
  approvedBy: sam@corp
  expires: \"{expires}\"
"
    );
    world.bench.apply(&yaml).await;
}
