//! Whoever makes a deviation vanish without mending it is named by the log: the scope that was
//! narrowed, the namespace that was relabelled, the object that was deleted, the list of what is
//! allowed, the suspension. And who was judged can be followed from entry to entry.

use std::path::PathBuf;

use comptroller_core::api::State;
use comptroller_evidence::{
    data::{
        ChangeKind, EntryFinding, FindingEnding, PopulationCause, PopulationChange, PopulationList,
        VerdictData,
    },
    entry::{Data, Entry, EntryType},
    population::Members,
};

use crate::{
    controlplane::{ControlPlane, wait},
    log::{entries, reader},
    process::{Bench, LIMIT},
};

const PODS: &str = "unprivileged";
const ADMINS: &str = "admins";

fn namespace(name: &str, env: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{env: {env}}}}}}}"
    )
}

fn deployment(namespace: &str, name: &str, privileged: bool) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers: [{{name: c, image: i, securityContext: {{privileged: {privileged}}}}}]
"
    )
}

fn control(name: &str, more: &str, scope: &str, test: &str) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: A control
  criteria: [CC6.1]
  owner: platform
  severity: High
  heartbeat: 1m
  {more}
  scope: {scope}
  test: {test}
"
    )
}

fn pods(more: &str, excluded: &str) -> String {
    let scope =
        format!("{{namespaces: {{matchLabels: {{env: prod}}}}, excludeNamespaces: [{excluded}]}}");
    control(PODS, more, &scope, "{workload: {require: [NoPrivileged]}}")
}

fn admins(allowed: &str) -> String {
    let test = format!("{{rbac: {{forbid: [ClusterAdmin], allow: [{allowed}]}}}}");
    control(ADMINS, "", "{}", &test)
}

const BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ops}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: ops}]
";

struct World {
    bench: Bench,
    log: PathBuf,
    /// How many entries were looked at.
    seen: usize,
}

/// What an entry says of a population.
struct Said {
    digest: Option<String>,
    list: Option<PopulationList>,
    entered: Vec<PopulationChange>,
    left: Vec<PopulationChange>,
}

fn population_of(entry: &Entry, control: &str) -> Option<Said> {
    if entry.subject.name != control {
        return None;
    }
    Some(match entry.data.clone() {
        Data::Verdict(data) => Said {
            digest: data.population_digest,
            list: data.population_list,
            entered: data.entered,
            left: data.left,
        },
        Data::Heartbeat(data) => Said {
            digest: data.population_digest,
            list: data.population_list,
            entered: data.entered,
            left: data.left,
        },
        _ => return None,
    })
}

impl World {
    async fn start() -> Self {
        let plane = ControlPlane::builder().start().await.unwrap();
        let bench = Bench::without_operator(plane).await;
        let log = bench.plane.dir().join("evidence");
        let mut world = Self { bench, log, seen: 0 };
        for object in [
            namespace("prod", "prod"),
            namespace("shop", "prod"),
            deployment("prod", "good", false),
            deployment("shop", "bad", true),
            BINDING.to_owned(),
        ] {
            world.bench.apply(&object).await;
        }
        let (kubeconfig, log) =
            (world.bench.plane.kubeconfig("admin"), world.log.to_str().unwrap().to_owned());
        world.bench.start_operator_as(kubeconfig, &["--evidence", &log]).await;
        world.bench.apply(&pods("", "")).await;
        world.bench.apply(&admins("")).await;
        world.bench.until_state(PODS, State::Failing).await;
        world.bench.until_state(ADMINS, State::Failing).await;
        world
    }

    async fn entries(&self) -> Vec<Entry> {
        entries(&self.log).await
    }

    /// The first new finding of a control that is gone, with what left the population with it.
    async fn gone(&mut self, control: &str) -> (EntryFinding, Vec<PopulationChange>) {
        let seen = self.seen;
        let (at, finding, left) = wait::until("a finding that is gone", LIMIT, async || {
            let entries = self.entries().await;
            entries.into_iter().enumerate().skip(seen).find_map(|(at, entry)| match entry.data {
                Data::Verdict(data) if entry.subject.name == control => {
                    let VerdictData { removed, left, .. } = *data;
                    Some((at, removed.into_iter().next()?, left))
                }
                _ => None,
            })
        })
        .await
        .unwrap();
        self.seen = at + 1;
        (finding, left)
    }

    /// Follows a population from the first list to the last entry; says how often it was checked.
    async fn follow(&self, control: &str) -> usize {
        let reader = reader(&self.log).await;
        let (mut members, mut checked) = (None::<Members>, 0);
        for said in self.entries().await.iter().filter_map(|entry| population_of(entry, control)) {
            if let Some(members) = &mut members {
                members.apply(&said.entered, &said.left);
            }
            if let Some(list) = said.list {
                let text = reader.stored(&list.digest).await.unwrap();
                let listed = Members::of_list(std::str::from_utf8(&text).unwrap());
                assert!(members.is_none_or(|members| members == listed), "{control}");
                members = Some(listed);
            }
            if let (Some(members), Some(digest)) = (&members, said.digest) {
                assert_eq!(members.digest(), digest, "{control} {members:?}");
                checked += 1;
            }
        }
        checked
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vanishes_without_being_mended_says_how() {
    let mut world = World::start().await;

    // The scope leaves the namespace out, and takes it in again.
    world.bench.apply(&pods("", "shop")).await;
    let (finding, left) = world.gone(PODS).await;
    assert_eq!(finding.ending, Some(FindingEnding::LeftScope));
    assert_eq!(finding.ending_detail, "spec.scope.excludeNamespaces was edited");
    assert_eq!(left[0].why, PopulationCause::RuleChanged);
    assert!(left[0].item.name == "bad" && left[0].uid.is_some(), "{left:?}");
    world.bench.until_state(PODS, State::Passing).await;
    world.bench.apply(&pods("", "")).await;
    world.bench.until_state(PODS, State::Failing).await;

    // The namespace gets other labels.
    world.bench.apply(&namespace("shop", "dev")).await;
    let (finding, left) = world.gone(PODS).await;
    let detail = "the labels of Namespace shop changed from env=prod to env=dev";
    assert_eq!(finding.ending, Some(FindingEnding::LeftScope));
    assert_eq!(finding.ending_detail, detail);
    assert_eq!((left[0].why, left[0].detail.as_str()), (PopulationCause::NamespaceLabels, detail));
    let entries = world.entries().await;
    let labels: Vec<_> = entries
        .iter()
        .filter(|entry| entry.subject.kind == "Namespace" && entry.subject.name == "shop")
        .map(|entry| match &entry.data {
            Data::Object(EntryType::Namespace, change) => {
                let env = change.spec.as_ref().unwrap()["labels"]["env"].clone();
                (change.change, env.as_str().unwrap().to_owned())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        labels,
        [(ChangeKind::Created, "prod".to_owned()), (ChangeKind::Updated, "dev".to_owned())]
    );
    world.bench.until_state(PODS, State::Passing).await;
    world.bench.apply(&namespace("shop", "prod")).await;
    world.bench.until_state(PODS, State::Failing).await;

    // Suspended, and resumed.
    world.bench.apply(&pods("suspend: true", "")).await;
    let (finding, _) = world.gone(PODS).await;
    assert_eq!(finding.ending, Some(FindingEnding::Suspended));
    world.bench.apply(&pods("suspend: false", "")).await;
    world.bench.until_state(PODS, State::Failing).await;

    // Deleted instead of mended; and mended.
    world.bench.delete(&deployment("shop", "bad", true)).await;
    let (finding, left) = world.gone(PODS).await;
    assert_eq!(finding.ending, Some(FindingEnding::ObjectGone));
    assert_eq!(left[0].why, PopulationCause::Object);
    world.bench.until_state(PODS, State::Passing).await;
    world.bench.apply(&deployment("shop", "worse", true)).await;
    world.bench.until_state(PODS, State::Failing).await;
    world.bench.apply(&deployment("shop", "worse", false)).await;
    let (finding, _) = world.gone(PODS).await;
    assert_eq!(finding.ending, Some(FindingEnding::Mended));

    // More is allowed than was.
    world.bench.apply(&admins("{kind: Group, name: ops}")).await;
    let (finding, _) = world.gone(ADMINS).await;
    assert_eq!(finding.ending, Some(FindingEnding::RuleChanged), "{finding:?}");
    assert_eq!(finding.ending_detail, "spec.test.rbac.allow was edited");

    assert!(world.follow(PODS).await >= 8);
    assert!(world.follow(ADMINS).await >= 2);
}
