//! The sample company, judged by the pack: wrong where it is meant to be, and nowhere else.

use std::collections::BTreeSet;

use comptroller_core::{
    api::{Control, ControlException, Duration},
    inventory::{
        ApiServer,
        api_server::{Direction, Transformation},
    },
};
use regex::Regex;
use serde_json::Value;

use super::{
    controls::{control, exception, pack},
    files::{kustomize, manifests, objects, objects_of, path, text},
    fresh::{admission, born_access},
    world::{judge, now, summary},
};

const COMPANY: &str = "config/samples/company";
const DYNAMIC: &str = "config/samples/company/dynamic";
const CRDS: &str = "config/samples/crds";

/// A file of the dynamic folder at a time: `{{ago 3h}}` and `{{in 60d}}` become dates.
fn at_this_time(name: &str, text: &str) -> String {
    let token = Regex::new(r#""\{\{(ago|in) ([0-9a-z]+)\}\}""#).unwrap();
    let dated = token.replace_all(text, |token: &regex::Captures<'_>| {
        let length: Duration = token[2].parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let at =
            if &token[1] == "ago" { length.subtract_from(now()) } else { length.add_to(now()) };
        format!("\"{at}\"")
    });
    assert!(!dated.contains("{{"), "{name}: a token is not of the form \"{{{{ago 3h}}}}\"");
    dated.into_owned()
}

fn dynamic() -> impl Iterator<Item = Value> {
    manifests(DYNAMIC).into_iter().flat_map(|file| {
        let name = format!("{DYNAMIC}/{file}");
        objects(&name, &at_this_time(&name, &text(&name)))
    })
}

/// Everything that is applied, with what the API server adds.
fn company() -> (Vec<Value>, Vec<ControlException>) {
    let of_folder = |folder: &'static str| {
        manifests(folder).into_iter().flat_map(move |file| objects_of(&format!("{folder}/{file}")))
    };
    let (exceptions, mut objects): (Vec<Value>, Vec<Value>) = of_folder(CRDS)
        .chain(of_folder(COMPANY))
        .chain(dynamic())
        .chain(admission())
        .partition(|object| object["kind"] == "ControlException");
    for object in &mut objects {
        object["metadata"]["creationTimestamp"] = now().to_string().into();
    }
    // Without a time of creation their rules are added up, as the controller does in a cluster.
    objects.extend(born_access());
    (objects, exceptions.iter().map(|object| exception(DYNAMIC, object)).collect())
}

fn encrypted() -> ApiServer {
    let row = |direction| Transformation {
        resource: "secrets".to_owned(),
        direction,
        prefix: "k8s:enc:secretbox:v1:key1".to_owned(),
    };
    ApiServer::Observed([row(Direction::ToStorage), row(Direction::FromStorage)].into())
}

/// The pack as the company applies it.
fn pack_of_company() -> Vec<Control> {
    let text = kustomize(&path("config/samples/pack"));
    objects("config/samples/pack", &text)
        .iter()
        .map(|object| control("config/samples/pack", object))
        .collect()
}

/// Every control that is not simply Passing. What follows from cluster-admin is told once, by the
/// control about it.
const STORY: &[(&str, &str)] = &[
    ("changes-go-through-delivery", "Failing 1 failing"),
    ("evidence-cannot-be-hidden", "Failing 1 failing"),
    ("exec-is-restricted", "Failing 1 failing"),
    ("gateways-have-tls", "NotApplicable"),
    ("images-are-pinned-and-known", "Failing 2 failing"),
    ("ingress-has-tls", "Failing 1 failing"),
    ("no-privilege-escalation-rights", "Failing 2 failing"),
    ("no-standing-cluster-admin", "Failing 1 failing"),
    ("pod-security-baseline", "Excepted 2 excepted"),
    ("rights-come-through-groups", "Failing 1 failing"),
    ("secrets-readers-are-known", "Failing 1 failing"),
    // Jane has left.
    ("users-are-known", "Failing 1 failing"),
    ("volumes-are-backed-up", "Failing 1 failing"),
    ("volumes-are-encrypted", "Unknown 1 unknown"),
];

/// The controls of the pack that people attest.
fn human_controls() -> BTreeSet<String> {
    let human = pack().into_iter().filter(|control| control.spec.test.attestation.is_some());
    human.filter_map(|control| control.metadata.name).collect()
}

#[test]
fn what_is_wrong_on_purpose_is_found_and_nothing_else() {
    let (objects, exceptions) = company();
    let verdicts = judge(pack_of_company(), &exceptions, &objects, encrypted());
    let mut wrong = Vec::new();
    let human = human_controls();
    for (name, verdict) in &verdicts {
        let by_nature = if human.contains(name) { "NotApplicable" } else { "Passing" };
        let expected =
            STORY.iter().find(|(known, _)| known == name).map_or(by_nature, |(_, state)| state);
        if summary(verdict) != expected {
            let told = verdict.findings.iter().chain(&verdict.unknown_items);
            let told: Vec<String> = told
                .map(|observed| {
                    format!("{:?}: {}", observed.finding.subject, observed.finding.message)
                })
                .collect();
            wrong.push(format!("{name}: {} instead of {expected}: {told:#?}", summary(verdict)));
        }
        // Acme has no Gateway, and no manifest shows what people did.
        let judged = verdict.population > 0 || name == "gateways-have-tls" || human.contains(name);
        assert!(judged, "{name} judges nothing of the company");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mending_two_bindings_turns_the_controls_about_them() {
    let (mut objects, exceptions) = company();
    objects.retain(|object| {
        !["ci-deployer", "jane-hotfix"].contains(&object["metadata"]["name"].as_str().unwrap())
    });
    let verdicts = judge(pack_of_company(), &exceptions, &objects, encrypted());
    let open = verdicts.iter().filter(|(_, verdict)| verdict.failing > 0);
    let open: Vec<&str> = open.map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        open,
        [
            "images-are-pinned-and-known",
            "ingress-has-tls",
            "no-privilege-escalation-rights",
            "volumes-are-backed-up"
        ]
    );
}

#[test]
fn only_the_dynamic_files_hold_tokens() {
    for folder in [COMPANY, CRDS, "config/samples/controls", "config/soc2"] {
        for file in manifests(folder) {
            assert!(!text(&format!("{folder}/{file}")).contains("{{"), "{folder}/{file}");
        }
    }
    for file in manifests(DYNAMIC) {
        assert!(text(&format!("{DYNAMIC}/{file}")).contains("{{"), "{file} belongs a folder up");
    }
}
