//! Every shipped control, one by one.

use std::collections::{BTreeMap, BTreeSet};

use comptroller_core::{
    api::{
        Attestation, AuditPeriod, Control, ControlException, Criterion, DeviationResponse, Person,
        Risk, TestKind, structural, test_spec::Requirement, unknown_fields,
    },
    checks,
};
use serde_json::Value;

use super::files::{self, blocks, kustomization, manifests, name, objects, objects_of};

pub const PACK: &str = "config/soc2";

/// The controls of the pack.
pub fn pack() -> Vec<Control> {
    let files = manifests(PACK);
    let objects = files.iter().flat_map(|file| objects_of(&format!("{PACK}/{file}")));
    objects.map(|object| control(PACK, &object)).collect()
}

/// A control as a file holds it: nothing may be wrong with it, and it can be evaluated.
pub fn control(place: &str, object: &Value) -> Control {
    let at = format!("{place}: {}", name(object));
    assert_eq!(unknown_fields(object), Vec::<String>::new(), "{at}");
    let control: Control = structural::read(object).unwrap_or_else(|error| panic!("{at}: {error}"));
    control.spec.validate().unwrap_or_else(|error| panic!("{at}: {error}"));
    checks::build(&control.spec.test).unwrap_or_else(|error| panic!("{at}: {error}"));
    control
}

/// An exception as a file holds it.
pub fn exception(place: &str, object: &Value) -> ControlException {
    let at = format!("{place}: {}", name(object));
    assert_eq!(unknown_fields(object), Vec::<String>::new(), "{at}");
    let exception: ControlException =
        structural::read(object).unwrap_or_else(|error| panic!("{at}: {error}"));
    exception.spec.validate(None).unwrap_or_else(|error| panic!("{at}: {error}"));
    exception
}

#[test]
fn every_file_of_the_pack_is_one_control_of_its_name() {
    for file in manifests(PACK) {
        let objects = objects_of(&format!("{PACK}/{file}"));
        assert_eq!(objects.len(), 1, "{file}");
        control(&file, &objects[0]);
        assert_eq!(format!("{}.yaml", name(&objects[0])), file);
    }
    assert_eq!(kustomization(PACK), manifests(PACK));
}

#[test]
fn every_control_of_the_pack_tells_its_readers_what_they_need() {
    let readme = files::text(&format!("{PACK}/README.md"));
    let mut titles = BTreeSet::new();
    for control in pack() {
        let name = control.metadata.name.unwrap();
        let spec = control.spec;
        let objective = spec.objective.unwrap_or_else(|| panic!("{name}: no objective"));
        let remedy = spec.remedy.unwrap_or_else(|| panic!("{name}: no remedy"));
        for (text, most) in [(&objective, 600), (&remedy, 800)] {
            let length = text.chars().count();
            assert!((80..=most).contains(&length), "{name}: {length} characters: {text}");
            assert!(text.ends_with('.'), "{name}: {text}");
        }
        assert!(spec.title.chars().count() <= 80, "{name}: {}", spec.title);
        assert!(titles.insert(spec.title.clone()), "{name}: {}", spec.title);
        // A pack that blocks requests on the day it is applied is one that is never applied.
        assert_eq!(spec.enforcement, None, "{name}");
        assert!(!spec.suspend, "{name}");
        let ids: Vec<&str> = spec.criteria.iter().map(Criterion::as_str).collect();
        assert!(spec.criteria.iter().all(|criterion| criterion.soc2().is_some()), "{name}");
        let row = format!(
            "| {} | [`{name}`]({name}.yaml): {} | {} |",
            ids.join(", "),
            spec.title,
            spec.severity
        );
        assert!(readme.contains(&row), "README.md lacks the row {row}");
    }
}

/// Whoever follows a remedy to the letter must not break what the vendor of the cluster put there.
#[test]
fn no_remedy_breaks_a_managed_cluster() {
    for control in pack() {
        let name = control.metadata.name.unwrap();
        let remedy = control.spec.remedy.unwrap();
        let about_shared = control.spec.test.rbac.is_some()
            || ["binding", "webhook", "storage class"].iter().any(|what| remedy.contains(what));
        let vendor = remedy.contains("vendor");
        assert!(!about_shared || vendor, "{name}: says not what of the vendor is left: {remedy}");
    }
}

/// What is accepted or left out says why, and by exact names.
#[test]
fn the_pack_accepts_nothing_without_a_reason() {
    for control in pack() {
        let name = control.metadata.name.unwrap();
        let allow = control.spec.test.rbac.map(|test| test.allow).unwrap_or_default();
        for subject in allow {
            assert!(subject.reason.is_some(), "{name}: {subject:?}");
            assert!(!subject.name.as_str().contains(['*', '?']), "{name}: {subject:?}");
        }
        let scope = control.spec.scope.unwrap_or_default();
        assert!(scope.exclude_namespaces.is_empty(), "{name}: write exclude, with the reason");
    }
}

#[test]
fn the_pack_covers_what_its_readme_says() {
    let controls = pack();
    let mut tests: BTreeMap<String, usize> = BTreeMap::new();
    let mut criteria = BTreeSet::new();
    for control in &controls {
        *tests.entry(control.spec.test.kind().unwrap().to_string()).or_default() += 1;
        criteria.extend(control.spec.criteria.iter().map(Criterion::as_str));
    }
    // Which collector or scanner a cluster must have, only its owner can say.
    let of_a_cluster = [TestKind::Presence, TestKind::Results];
    assert_eq!(tests.len(), TestKind::ALL.len() - of_a_cluster.len(), "{tests:?}");
    assert!(criteria.len() >= 12, "{criteria:?}");
    let claim = format!("{} controls over {} criteria", controls.len(), criteria.len());
    let readme = files::text(&format!("{PACK}/README.md"));
    assert!(readme.contains(&claim), "README.md does not say: {claim}");
}

/// Every control and exception of some texts, checked one by one.
fn check_all(texts: &[(String, String)]) -> Vec<Control> {
    let mut names = BTreeSet::new();
    let mut controls = Vec::new();
    for (place, text) in texts {
        for object in objects(place, text) {
            assert!(names.insert(name(&object).to_owned()), "{place}: {} twice", name(&object));
            match object["kind"].as_str() {
                Some("Control") => controls.push(control(place, &object)),
                Some("ControlException") => drop(exception(place, &object)),
                Some("Attestation") => {
                    let record: Attestation = structural::read(&object).unwrap();
                    assert_eq!(unknown_fields(&object), Vec::<String>::new(), "{place}");
                    record.spec.validate().unwrap_or_else(|error| panic!("{place}: {error}"));
                }
                Some("DeviationResponse") => {
                    let response: DeviationResponse = structural::read(&object).unwrap();
                    assert_eq!(unknown_fields(&object), Vec::<String>::new(), "{place}");
                    response.spec.validate().unwrap_or_else(|error| panic!("{place}: {error}"));
                }
                Some("Person") => {
                    let person: Person = structural::read(&object).unwrap();
                    assert_eq!(unknown_fields(&object), Vec::<String>::new(), "{place}");
                    person.spec.validate().unwrap_or_else(|error| panic!("{place}: {error}"));
                }
                Some("AuditPeriod") => {
                    let period: AuditPeriod = structural::read(&object).unwrap();
                    assert_eq!(unknown_fields(&object), Vec::<String>::new(), "{place}");
                    period.spec.validate().unwrap_or_else(|error| panic!("{place}: {error}"));
                }
                other => panic!("{place}: {other:?} is no kind of ours"),
            }
        }
    }
    controls
}

fn tests_of(controls: &[Control]) -> BTreeSet<String> {
    controls.iter().map(|control| control.spec.test.kind().unwrap().to_string()).collect()
}

fn every_test() -> BTreeSet<String> {
    TestKind::ALL.iter().map(ToString::to_string).collect()
}

#[test]
fn there_is_a_sample_for_every_test() {
    const SAMPLES: &str = "config/samples/controls";
    let texts: Vec<(String, String)> = manifests(SAMPLES)
        .into_iter()
        .map(|file| (file.clone(), files::text(&format!("{SAMPLES}/{file}"))))
        .collect();
    let controls = check_all(&texts);
    assert_eq!(tests_of(&controls), every_test());
    let packed: Vec<Control> = pack();
    for control in &controls {
        let name = &control.metadata.name;
        assert!(control.spec.objective.is_some() && control.spec.remedy.is_some(), "{name:?}");
        assert!(packed.iter().all(|known| known.metadata.name != *name), "{name:?} is in the pack");
    }
    assert_eq!(kustomization(SAMPLES), manifests(SAMPLES));
}

#[test]
fn the_examples_of_the_documentation_are_valid_and_complete() {
    const PAGE: &str = "docs/controls.md";
    let texts: Vec<(String, String)> =
        blocks(PAGE, "yaml").into_iter().map(|block| (PAGE.to_owned(), block)).collect();
    assert_eq!(tests_of(&check_all(&texts)), every_test());
    let page = files::text(PAGE);
    for risk in Risk::ALL {
        let row = format!("| `{risk}` | {} |", risk.meaning());
        assert!(page.contains(&row), "{PAGE} lacks the row {row}");
    }
    for requirement in Requirement::ALL {
        assert!(page.contains(&format!("| `{requirement}` | ")), "{PAGE} lacks {requirement}");
    }
}

/// What only a cluster shows is named in the README: nobody should miss it unseen in a pull request.
#[test]
fn the_readme_names_what_manifests_can_not_answer() {
    let readme = files::text("config/soc2/README.md");
    let section = readme.split("## In a pull request").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let named: BTreeSet<&str> =
        section.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')).collect();
    let pack = pack();
    let left_out = pack.iter().filter(|control| {
        control.spec.test.attestation.is_none()
            && !checks::build(&control.spec.test).unwrap().check.judges_manifests()
    });
    let left_out: BTreeSet<&str> =
        left_out.filter_map(|control| control.metadata.name.as_deref()).collect();
    assert_eq!(named, left_out);
}
