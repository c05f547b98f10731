//! What auditors rely on: the log says it before a status does, says it once, and names nobody;
//! and while it can't be written, nothing new is claimed.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use comptroller_core::api::{Control, ControlStatus, State};
use comptroller_evidence::{
    data::{ChangeKind, OperatorEvent, VerdictData},
    entry::{Data, Entry, EntryType},
};
use kube::{ResourceExt, api::ListParams};

use crate::{
    controlplane::{ControlPlane, wait},
    log,
    process::{Bench, LIMIT, get, kubectl},
};

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: labelled}
spec:
  title: Config maps say who owns them
  criteria: [CC6.1]
  owner: platform
  severity: Low
  test:
    cel:
      resources: [{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]
      matchConditions: [{name: ours, expression: \"object.metadata.namespace == 'default' && object.metadata.name.startsWith('our-')\"}]
      validations: [{expression: \"has(object.metadata.labels) && 'owner' in object.metadata.labels\", message: say who owns it}]
";

fn config_map(name: &str, owner: Option<&str>) -> String {
    let labels = owner.map_or(String::new(), |owner| format!(", labels: {{owner: {owner}}}"));
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default{labels}}}}}"
    )
}

/// A control plane, and where its operators keep their log.
struct Kept {
    bench: Bench,
    log: PathBuf,
}

impl Kept {
    async fn new() -> Self {
        let plane = ControlPlane::builder().start().await.unwrap();
        let bench = Bench::without_operator(plane).await;
        let log = bench.plane.dir().join("evidence");
        Self { bench, log }
    }

    async fn start(&mut self) {
        let kubeconfig = self.bench.plane.kubeconfig("admin");
        let log = self.log.to_str().unwrap().to_owned();
        self.bench.start_operator_as(kubeconfig, &["--evidence", &log]).await;
    }

    /// A status that says so, once the log holds what it cites.
    async fn until(&self, state: State) -> ControlStatus {
        let status = self.bench.until("labelled", state.as_str(), |status| {
            status.state == state && status.evidence.is_some() && recorded(status) == Some("True")
        });
        let status = status.await;
        let entries = entries(&self.log).await;
        let index = usize::try_from(status.evidence.unwrap().index).unwrap();
        let cited = &entries[index];
        assert_eq!(
            (cited.subject.kind.as_str(), cited.subject.name.as_str()),
            ("Control", "labelled")
        );
        let Data::Verdict(verdict) = &cited.data else { panic!("{cited:?}") };
        assert_eq!(verdict.state, state);
        assert_eq!(Some(verdict.since), status.since.as_ref().map(|since| since.0));
        status
    }
}

fn recorded(status: &ControlStatus) -> Option<&str> {
    condition(status, "EvidenceRecorded")
}

fn condition<'a>(status: &'a ControlStatus, type_: &str) -> Option<&'a str> {
    let known = status.conditions.iter().find(|known| known.type_ == type_)?;
    Some(known.status.as_str())
}

/// The events about recording, by name, once there are so many; each with how often it came.
async fn recording_events(bench: &Bench, count: usize) -> Vec<String> {
    let format = "jsonpath={range .items[*]}{.reason} {.type} {.series.count}{\"\\n\"}{end}";
    let arguments = ["get", "events.events.k8s.io", "-A", "-o", format];
    wait::until("the events about recording", LIMIT, async || {
        let events = kubectl(&bench.plane, &arguments).await;
        let known = ["LogUnavailable", "Recorded"];
        let mut events: Vec<String> = events
            .lines()
            .filter(|line| known.iter().any(|reason| line.starts_with(reason)))
            .map(|line| line.trim_end().to_owned())
            .collect();
        events.sort_unstable();
        (events.len() >= count).then_some(events)
    })
    .await
    .unwrap()
}

/// What an auditor runs.
fn verify(log: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["evidence", "verify"])
        .arg(log)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}

/// Every entry, in the order of leaderships.
async fn entries(log: &Path) -> Vec<Entry> {
    let entries = log::entries(log).await;
    assert!(entries.is_sorted_by_key(|entry| entry.epoch), "an epoch fell");
    entries
}

/// What entries say apart from operators that come and go and from the guards, in words.
fn about_objects(entries: &[Entry]) -> Vec<String> {
    let words = entries.iter().filter_map(|entry| {
        let word = match &entry.data {
            Data::Verdict(data) => data.state.as_str(),
            Data::ControlChanged(data) | Data::Exception(data) => data.change.as_str(),
            Data::Operator(_)
            | Data::Gap(_)
            | Data::Inventory(_)
            | Data::Register(_)
            | Data::Stored(EntryType::Register, _)
            | Data::Object(EntryType::Guard, _) => return None,
            other => other.entry_type().as_str(),
        };
        Some(format!("{} {word}", entry.subject.name))
    });
    words.collect()
}

fn verdicts(entries: &[Entry]) -> Vec<&VerdictData> {
    entries
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::Verdict(data) => Some(&**data),
            _ => None,
        })
        .collect()
}

fn gaps(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::Gap(gap) => Some(gap.reason.as_str()),
            _ => None,
        })
        .collect()
}

/// Waits until the operator knows the verdict again, so that whatever it would write is written.
async fn judged(bench: &Bench, state: State) {
    let url = bench.url().to_owned();
    let series =
        format!(r#"comptroller_control_state{{control="labelled",state="{}"}} 1"#, state.as_str());
    wait::until("the verdict is known again", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        (metrics.contains(&series) && metrics.contains("comptroller_evidence_log_entries"))
            .then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_entry_is_written_first_and_once_through_restarts_and_crashes() {
    let mut kept = Kept::new().await;
    kept.start().await;
    kept.bench.apply(&config_map("our-a", Some("ops"))).await;
    kept.bench.apply(CONTROL).await;
    let passing = kept.until(State::Passing).await;
    assert_eq!(passing.population, 1);
    kept.bench.apply(&config_map("our-b", None)).await;
    let failing = kept.until(State::Failing).await;
    let before = entries(&kept.log).await;
    assert_eq!(
        about_objects(&before),
        ["labelled Created", "labelled Passing", "labelled Failing"]
    );
    let [first, verdict] = verdicts(&before)[..] else { panic!("{before:?}") };
    let judged_items =
        first.population_list.as_ref().expect("the first verdict has its population");
    assert_eq!(judged_items.count, 1);
    assert_eq!(verdict.added.len(), 1);
    assert_eq!(verdict.added[0].resource.name, "our-b");
    let version = kept.bench.controls().get("labelled").await.unwrap().resource_version();

    // Stopped in order, then crashed: nothing is said twice, and the statuses stay as they are.
    kept.bench.stop_operator().await;
    let stopped = entries(&kept.log).await;
    let last = stopped.last().map(|entry| &entry.data);
    assert!(
        matches!(last, Some(Data::Operator(data)) if data.event == OperatorEvent::Stopped),
        "{last:?}"
    );
    kept.start().await;
    judged(&kept.bench, State::Failing).await;
    kept.bench.kill_operator();
    kept.start().await;
    judged(&kept.bench, State::Failing).await;
    let after = entries(&kept.log).await;
    assert_eq!(about_objects(&after), about_objects(&before));
    assert_eq!(after[..before.len()], before[..]);
    let mut gaps = gaps(&after);
    gaps.retain(|why| !why.contains("was stopped in order"));
    assert!(matches!(gaps[..], [why] if why.contains("did not stop in order")), "{gaps:?}");
    let control = kept.bench.controls().get("labelled").await.unwrap();
    assert_eq!(control.resource_version(), version, "{:#?}", control.status);

    // It goes on where it was: what was found is gone, since when it was found is known.
    kept.bench.apply(&config_map("our-b", Some("dev"))).await;
    kept.until(State::Passing).await;
    let all = entries(&kept.log).await;
    let Some(Data::Verdict(mended)) = all.last().map(|entry| &entry.data) else {
        panic!("{:?}", all.last())
    };
    assert_eq!(mended.removed.len(), 1);
    assert_eq!(Some(mended.removed[0].since), failing.since.as_ref().map(|since| since.0));
    verify(&kept.log);
}

#[tokio::test]
async fn changes_of_controls_and_exceptions_are_recorded_and_name_nobody() {
    let mut kept = Kept::new().await;
    kept.start().await;
    let bench = &kept.bench;
    bench
        .apply(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: legacy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@corp}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: ann@corp}
",
        )
        .await;
    let control = |severity: &str| {
        format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: few-admins}}
spec:
  title: Few may do everything
  criteria: [CC6.1]
  owner: platform
  severity: {severity}
  test:
    rbac:
      forbid: [ClusterAdmin]
      allow: [{{kind: User, name: ann@corp}}, {{kind: Group, name: 'system:*'}}]
"
        )
    };
    bench.apply(&control("High")).await;
    bench.until_state("few-admins", State::Failing).await;
    bench
        .apply(
            "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {name: legacy}
spec:
  controls: [few-admins]
  resources: [{kind: ClusterRoleBinding, name: legacy}]
  reason: jane@corp moves the jobs away.
  requestedBy: jane@corp
  approvedBy: sam@corp
  expires: \"2027-01-31T00:00:00Z\"
",
        )
        .await;
    bench.until_state("few-admins", State::Excepted).await;
    bench.apply(&control("Critical")).await;
    bench.until("few-admins", "is judged anew", |status| status.observed_generation == 2).await;
    bench.delete(&control("Critical")).await;
    let mut all = Vec::new();
    wait::until("the deletion is recorded", LIMIT, async || {
        all = entries(&kept.log).await;
        about_objects(&all).contains(&"few-admins Deleted".to_owned()).then_some(())
    })
    .await
    .unwrap();

    let changes: Vec<_> = all
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::ControlChanged(change) => Some(change),
            _ => None,
        })
        .collect();
    let kinds: Vec<ChangeKind> = changes.iter().map(|change| change.change).collect();
    assert_eq!(kinds, [ChangeKind::Created, ChangeKind::Updated, ChangeKind::Deleted]);
    let [field] = &changes[1].fields[..] else { panic!("{:?}", changes[1].fields) };
    assert_eq!((field.path.as_str(), field.to.as_ref()), ("/severity", Some(&"Critical".into())));
    assert_eq!(changes[1].previous_digest, changes[0].spec_digest);
    let phases: Vec<_> = all
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::Exception(change) => change.phase.as_deref(),
            _ => None,
        })
        .collect();
    assert!(phases.contains(&"Active"), "{phases:?}");

    let mut files = 0;
    for file in files_below(&kept.log) {
        let bytes = std::fs::read(&file).unwrap();
        files += 1;
        for name in ["jane@corp", "sam@corp", "ann@corp"] {
            let found = bytes.windows(name.len()).any(|window| window == name.as_bytes());
            assert!(!found, "{name} is named in {}", file.display());
        }
    }
    assert!(files > 3, "{files} files");
    kept.bench.stop_operator().await;
    verify(&kept.log);
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn while_the_log_fails_nothing_new_is_claimed_and_then_it_heals() {
    let mut kept = Kept::new().await;
    kept.start().await;
    kept.bench.apply(&config_map("our-a", Some("ops"))).await;
    kept.bench.apply(CONTROL).await;
    let passing = kept.until(State::Passing).await;

    // The volume is gone. Permissions would not stop a test that runs as root.
    let aside = kept.log.with_extension("aside");
    std::fs::rename(&kept.log, &aside).unwrap();
    std::fs::write(&kept.log, "not a directory").unwrap();
    kept.bench.apply(&config_map("our-b", None)).await;
    let closed = kept
        .bench
        .until("labelled", "says that nothing is recorded", |status| {
            recorded(status) == Some("False")
        })
        .await;
    let claims =
        |status: &ControlStatus| ControlStatus { conditions: Vec::new(), ..status.clone() };
    assert_eq!(claims(&closed), claims(&passing), "a blip changes no state");
    let unknown = kept
        .bench
        .until("labelled", "no longer holds", |status| status.state == State::Unknown)
        .await;
    assert_eq!(unknown.reason, "LogUnavailable");
    assert!(unknown.since >= passing.since);
    assert_eq!(condition(&unknown, "Compliant"), Some("Unknown"));
    let (_, metrics) = get(kept.bench.url(), "/metrics").await.unwrap();
    let failures = metrics
        .lines()
        .find_map(|line| line.strip_prefix("comptroller_evidence_append_failures_total "))
        .and_then(|count| count.parse::<u64>().ok());
    assert!(failures.is_some_and(|failures| failures > 0), "{failures:?}");
    // Who looks at the table or at the events sees it, too.
    let table = kubectl(&kept.bench.plane, &["get", "controls"]).await;
    assert!(table.lines().nth(1).unwrap().trim_end().ends_with("LogUnavailable"), "{table}");
    assert_eq!(recording_events(&kept.bench, 1).await, ["LogUnavailable Warning"]);
    // Metrics say what the status says, and how many findings there are now.
    for series in [
        r#"comptroller_control_state{control="labelled",state="Unknown"} 1"#,
        r#"comptroller_control_findings{control="labelled"} 1"#,
    ] {
        assert!(metrics.contains(series), "{metrics}");
    }

    std::fs::remove_file(&kept.log).unwrap();
    std::fs::rename(&aside, &kept.log).unwrap();
    let failing = kept.until(State::Failing).await;
    assert_eq!(failing.failing, 1);
    let table = kubectl(&kept.bench.plane, &["get", "controls"]).await;
    assert!(table.lines().nth(1).unwrap().trim_end().ends_with("Recorded"), "{table}");
    // One event for each change, however often it was tried.
    let events = recording_events(&kept.bench, 2).await;
    assert_eq!(events, ["LogUnavailable Warning", "Recorded Normal"]);
    let all = entries(&kept.log).await;
    assert_eq!(about_objects(&all), ["labelled Created", "labelled Passing", "labelled Failing"]);
    let gaps = gaps(&all);
    assert!(matches!(gaps[..], [why] if why.contains("could not be written")), "{gaps:?}");
    kept.bench.stop_operator().await;
    verify(&kept.log);
}

#[tokio::test]
async fn of_two_operators_one_writes_and_the_other_goes_on() {
    let kept = Kept::new().await;
    let log = kept.log.to_str().unwrap();
    let arguments = ["--leader-elect", "--leader-elect-namespace", "default", "--evidence", log];
    let first = kept.bench.another_operator(&arguments).await;
    kept.bench.apply(&config_map("our-a", None)).await;
    kept.bench.apply(CONTROL).await;
    kept.until(State::Failing).await;
    let mut second = kept.bench.another_operator(&arguments).await;
    // It judges, and neither records nor says how anything stands.
    let (_, metrics) = get(&second.url, "/metrics").await.unwrap();
    assert!(!metrics.contains("comptroller_control_state{"), "{metrics}");
    kept.bench.apply(&config_map("our-b", None)).await;
    let two = kept.bench.until("labelled", "has two", |status| status.failing == 2).await;
    let before = entries(&kept.log).await;

    drop(first);
    let both = |entries: &[Entry]| {
        let started = |entry: &&Entry| matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::Started);
        entries.iter().filter(started).map(|entry| entry.epoch).collect::<Vec<_>>()
    };
    wait::until("the second leads", LIMIT, async || {
        (both(&entries(&kept.log).await).len() == 2).then_some(())
    })
    .await
    .unwrap();
    kept.bench.apply(&config_map("our-c", None)).await;
    let three = kept.bench.until("labelled", "has three", |status| status.failing == 3).await;
    let after = entries(&kept.log).await;
    assert_eq!(after[..before.len()], before[..]);
    let epochs = both(&after);
    assert!(epochs[0] < epochs[1], "{epochs:?}");
    // Since when things are so, it knows from the log.
    assert_eq!(three.since, two.since);
    let since = |status: &ControlStatus, name: &str| {
        let finding = status.findings.iter().find(|finding| finding.resource.name == name);
        finding.and_then(|finding| finding.since.clone())
    };
    for name in ["our-a", "our-b"] {
        assert_eq!(since(&three, name), since(&two, name), "{name}");
    }
    assert_eq!(
        about_objects(&after),
        ["labelled Created", "labelled Failing", "labelled Failing", "labelled Failing"]
    );
    second.terminate().await;
    verify(&kept.log);
}

/// The value of a metric without labels.
fn metric(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_first_start_with_the_pack_takes_two_or_three_appends() {
    let mut kept = Kept::new().await;
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/config/soc2");
    kubectl(&kept.bench.plane, &["apply", "-k", pack]).await;
    let controls = kept.bench.controls().list(&ListParams::default()).await.unwrap().items.len();
    assert!(controls > 40, "{controls} controls");
    kept.start().await;
    let mut unrecorded = Vec::new();
    let all = wait::until("every status cites an entry", LIMIT, async || {
        let listed = kept.bench.controls().list(&ListParams::default()).await.ok()?;
        let cites = |control: &Control| {
            control
                .status
                .as_ref()
                .is_some_and(|status| status.evidence.is_some() && recorded(status) == Some("True"))
        };
        unrecorded = listed.items.iter().filter(|one| !cites(one)).map(Control::name_any).collect();
        unrecorded.is_empty().then_some(())
    });
    all.await.unwrap_or_else(|error| panic!("{error}: {unrecorded:?}"));
    let (_, metrics) = get(kept.bench.url(), "/metrics").await.unwrap();
    let appends = metric(&metrics, "comptroller_evidence_appends_total").unwrap();
    let entries = entries(&kept.log).await;
    let verdicts = entries.iter().filter(|entry| matches!(entry.data, Data::Verdict(_))).count();
    assert!(verdicts >= controls, "{verdicts} verdicts of {controls} controls");
    // That the operator started, and what it found.
    assert!((2..=3).contains(&appends), "{appends} appends of {} entries", entries.len());
    kept.bench.stop_operator().await;
    verify(&kept.log);
}

#[tokio::test]
async fn metrics_say_nothing_that_the_log_does_not() {
    let mut kept = Kept::new().await;
    // Nothing can ever be written there.
    let file = kept.log.with_extension("file");
    std::fs::write(&file, "not a directory").unwrap();
    kept.log = file.join("log");
    kept.start().await;
    kept.bench.apply(&config_map("our-a", None)).await;
    kept.bench.apply(CONTROL).await;
    let status = kept.bench.until("labelled", "says that nothing is recorded", |status| {
        recorded(status) == Some("False")
    });
    assert_eq!(status.await.state, State::Unknown);
    let url = kept.bench.url().to_owned();
    let state = |state: State| {
        format!(r#"comptroller_control_state{{control="labelled",state="{state}"}} 1"#)
    };
    wait::until("the metrics know how much is open", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        assert!(!metrics.contains(&state(State::Failing)), "{metrics}");
        let counted = metrics.contains(r#"comptroller_control_findings{control="labelled"} 1"#);
        (counted && metrics.contains(&state(State::Unknown))).then_some(())
    })
    .await
    .unwrap();
}
