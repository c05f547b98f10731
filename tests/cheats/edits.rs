//! Cheats that need no more than the right to edit controls, exceptions or namespaces.

use comptroller_core::api::State;
use jiff::{SignedDuration, Timestamp};

use crate::{
    process::kubectl,
    world::{PASS, World, list, now, of_item, time},
};

#[tokio::test]
async fn what_left_the_scope_while_it_was_bad_stays_open_until_it_was_seen_mended() {
    let mut world = World::start().await;

    let scoped = world.governed("scoped").await;
    scoped.break_rule(&world).await;
    let hidden = "scope: {namespaces: {matchLabels: {cheat: scoped}}, excludeNamespaces: [scoped]}";
    scoped.declare(&world, hidden, "true").await;
    scoped.until(&world, State::NotApplicable).await;
    scoped.config_map(&world, "bad", Some("ops")).await;
    scoped.declare(&world, "", "true").await;
    scoped.until(&world, State::Passing).await;

    let relabelled = world.governed("relabelled").await;
    relabelled.break_rule(&world).await;
    relabelled.label(&world, "dev").await;
    relabelled.until(&world, State::NotApplicable).await;
    relabelled.config_map(&world, "bad", Some("ops")).await;
    relabelled.label(&world, "prod").await;
    relabelled.until(&world, State::Passing).await;

    let gone = world.governed("relabelled-for-good").await;
    gone.break_rule(&world).await;
    gone.label(&world, "dev").await;
    gone.until(&world, State::NotApplicable).await;

    let never = world.governed("never-found").await;
    never.label(&world, "dev").await;
    never.until(&world, State::NotApplicable).await;
    never.config_map(&world, "bad", None).await;
    never.config_map(&world, "bad", Some("ops")).await;
    never.label(&world, "prod").await;
    never.until(&world, State::Passing).await;

    let report = world.report().await;
    for (name, why) in [("scoped", "excludeNamespaces"), ("relabelled", "env")] {
        let control = report.control(name);
        assert_eq!(control["conclusion"], "DeviationObserved", "{control:#}");
        let left = of_item(control, "outOfScope", "bad");
        assert!(left["why"].as_str().unwrap().contains(why), "{left:#}");
        assert!(!left["to"].is_null(), "it came back: {left:#}");
        let deviation = of_item(control, "deviations", "bad");
        assert_eq!(deviation["ending"], "Mended", "{deviation:#}");
        assert!(
            time(&deviation["to"]) >= time(&left["to"]),
            "open until it was seen mended: {control:#}"
        );
    }
    let control = report.control("relabelled-for-good");
    assert_eq!(control["conclusion"], "DeviationObserved", "{control:#}");
    let deviation = of_item(control, "deviations", "bad");
    assert!(deviation["to"].is_null(), "nobody saw it mended: {deviation:#}");
    assert!(of_item(control, "outOfScope", "bad")["to"].is_null(), "{control:#}");
    // Nobody could see that it was bad, but everybody sees that nobody looked.
    let control = report.control("never-found");
    assert!(!of_item(control, "outOfScope", "good")["to"].is_null(), "{control:#}");
}

#[tokio::test]
async fn an_object_that_was_deleted_and_a_rule_that_was_edited_mended_nothing() {
    let mut world = World::start().await;

    let deleted = world.governed("deleted").await;
    deleted.break_rule(&world).await;
    deleted.delete(&world, "configmap/bad").await;
    deleted.until(&world, State::Passing).await;

    let narrowed = world.governed("narrowed").await;
    narrowed.break_rule(&world).await;
    narrowed.declare(&world, "", "object.metadata.name != 'bad'").await;
    narrowed.until(&world, State::Passing).await;

    let lowered = world.governed("lowered").await;
    lowered.break_rule(&world).await;
    lowered.declare(&world, "severity: Low", "true").await;
    lowered.until(&world, State::Failing).await;
    lowered.config_map(&world, "bad", Some("ops")).await;
    lowered.until(&world, State::Passing).await;

    let mended = world.governed("mended").await;
    mended.break_rule(&world).await;
    mended.config_map(&world, "bad", Some("ops")).await;
    mended.until(&world, State::Passing).await;

    let report = world.report().await;
    for (name, ending) in [("deleted", "ObjectGone"), ("mended", "Mended")] {
        let control = report.control(name);
        assert_eq!(control["conclusion"], "DeviationObserved", "{control:#}");
        assert_eq!(of_item(control, "deviations", "bad")["ending"], ending, "{control:#}");
    }
    let control = report.control("narrowed");
    let deviation = of_item(control, "deviations", "bad");
    assert!(
        ["RuleChanged", "LeftScope"].iter().any(|ending| deviation["ending"] == *ending)
            || deviation["to"].is_null(),
        "{deviation:#}"
    );
    assert_ne!(control["conclusion"], PASS);
    assert_eq!(list(control, "specs").len(), 2, "{control:#}");
    let control = report.control("lowered");
    assert_eq!(
        of_item(control, "deviations", "bad")["severity"],
        "High",
        "of the time: {control:#}"
    );
    assert_eq!(list(control, "specs").len(), 2, "{control:#}");
}

#[tokio::test]
async fn a_control_that_was_away_in_the_bad_time_is_not_concluded_upon() {
    let mut world = World::start().await;

    let suspended = world.governed("suspended").await;
    suspended.declare(&world, "suspend: true", "true").await;
    suspended.until(&world, State::Unknown).await;
    suspended.config_map(&world, "bad", None).await;
    let away = tokio::time::Instant::now();
    let deleted = world.governed("recreated").await;
    kubectl(&world.bench.plane, &["delete", "control/recreated"]).await;
    deleted.config_map(&world, "bad", None).await;
    deleted.config_map(&world, "bad", Some("ops")).await;
    // A share of the period that nobody can overlook, whatever the machine's speed.
    tokio::time::sleep_until(away + std::time::Duration::from_secs(8)).await;
    suspended.config_map(&world, "bad", Some("ops")).await;
    suspended.declare(&world, "", "true").await;
    suspended.until(&world, State::Passing).await;
    deleted.declare(&world, "", "true").await;
    deleted.until(&world, State::Passing).await;

    let report = world.report().await;
    let control = report.control("suspended");
    assert_eq!(control["conclusion"], "NotDeterminable", "{control:#}");
    let suspensions = list(control, "suspensions");
    assert_eq!(suspensions.len(), 1, "{control:#}");
    assert!(suspensions[0]["approvedBy"].is_null(), "{suspensions:#?}");
    let control = report.control("recreated");
    assert_eq!(control["conclusion"], "NotDeterminable", "{control:#}");
    let none = report.gaps("NoControl");
    assert!(
        none.iter().any(|gap| list(gap, "controls").iter().any(|name| name == "recreated")),
        "{none:#?}"
    );
}

#[tokio::test]
async fn an_exception_for_everything_that_nobody_is_bound_to_is_no_pass() {
    let mut world = World::start().await;
    let excepted = world.governed("excepted").await;
    let expires = Timestamp::now() + SignedDuration::from_hours(24);
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ");
    world
        .bench
        .apply(&format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {{name: everything}}
spec:
  controls: [excepted]
  resources: [{{kind: ConfigMap, namespace: '*', name: '*'}}]
  reason: We are busy.
  requestedBy: jane@corp
  approvedBy: sam@corp
  expires: \"{expires}\"
"
        ))
        .await;
    excepted.config_map(&world, "bad", None).await;
    excepted.until(&world, State::Excepted).await;
    // Long enough that entries of whole seconds say that it was observed.
    world.from = now() + SignedDuration::from_secs(1);
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;

    let report = world.report().await;
    let control = report.control("excepted");
    assert_eq!(control["conclusion"], "NotDeterminable", "{control:#}");
    assert!(control["basis"].as_str().unwrap().contains("not bound"), "{control:#}");
    let found = of_item(control, "exceptedFindings", "bad");
    assert_eq!(found["exception"], "everything", "{found:#}");
    let criteria = list(&report.json, "criteria");
    let criterion = criteria.iter().find(|one| one["id"] == "CC6.1").unwrap();
    assert_ne!(criterion["conclusion"], PASS, "{criterion:#}");
}
