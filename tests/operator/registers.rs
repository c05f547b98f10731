//! Registers in the log of a running operator: what lived for a moment, what a restart finds, and that
//! nothing is written twice or at rest.

use std::{path::Path, process::Command};

use comptroller_evidence::{
    entry::Data,
    fold::registers::{ItemWithin, Registers},
    register::{RegisterCause, RegisterData},
    replay::replay,
};
use jiff::Timestamp;

use crate::{
    controlplane::{ControlPlane, wait},
    log::{entries, reader},
    process::{Bench, LIMIT},
};

const GRANTS: &str = "grants";

fn binding(name: &str, subject: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}, namespace: default}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}}
subjects: [{subject}]
"
    )
}

const JANE: &str = "{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@acme.example}";
const OPS: &str = "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: ops}";

/// All registers, as whoever has the log folds them.
async fn registers(log: &Path) -> Registers {
    let reader = reader(log).await;
    let mut registers = Registers::default();
    replay(&reader, 0..reader.size(), |index, entry| registers.apply(index, entry)).await.unwrap();
    registers
}

/// Every stay of a binding's grants, once there are so many, of which so many are over.
async fn until_stays(
    log: &Path,
    binding: &str,
    (stays, over): (usize, usize),
) -> Vec<(String, Timestamp, Option<Timestamp>, bool)> {
    let found = async || {
        let registers = registers(log).await;
        let grants = registers.get(GRANTS)?;
        assert_eq!(grants.faults(), []);
        let is_of = |item: &ItemWithin<'_>| item.fields["binding"] == binding;
        let found: Vec<_> = grants
            .within(Timestamp::MIN, Timestamp::MAX)
            .filter(is_of)
            .map(|item| {
                let subject = item.fields["subject"].as_str().unwrap().to_owned();
                let went = item.went.map(|went| went.at);
                (subject, item.came.at, went, item.came.between.is_some())
            })
            .collect();
        let gone = found.iter().filter(|stay| stay.2.is_some()).count();
        ((found.len(), gone) == (stays, over)).then_some(found)
    };
    wait::until(&format!("{stays} stays of {binding}, {over} over"), LIMIT, found).await.unwrap()
}

/// The entries of the register of grants after its first list.
async fn changes(log: &Path) -> Vec<RegisterData> {
    let of_grants = entries(log).await.into_iter().filter(|entry| entry.subject.name == GRANTS);
    let data = of_grants.filter_map(|entry| match entry.data {
        Data::Register(data) if data.cause != RegisterCause::Start => Some(*data),
        _ => None,
    });
    data.collect()
}

fn verify(log: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["evidence", "verify"])
        .arg(log)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_of_a_moment_is_in_the_log_and_a_restart_says_what_it_found() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let log = bench.plane.dir().join("evidence");
    let location = log.to_str().unwrap().to_owned();
    bench.apply(&binding("before", OPS)).await;
    bench.start_operator_as(bench.plane.kubeconfig("admin"), &["--evidence", &location]).await;
    wait::until("the first list of grants", LIMIT, async || {
        // Until the first entry there is no log to read.
        log.join("checkpoint").exists().then_some(())?;
        registers(&log).await.get(GRANTS)?.begun()
    })
    .await
    .unwrap();
    let before = until_stays(&log, "RoleBinding/default/before", (1, 0)).await;
    assert_eq!(before[0].0, "Group ops");

    // What lives for a moment is there with both times, and names nobody.
    bench.apply(&binding("moment", JANE)).await;
    bench.delete(&binding("moment", JANE)).await;
    let stays = until_stays(&log, "RoleBinding/default/moment", (1, 1)).await;
    let (subject, came, went, is_between) = &stays[0];
    assert!(subject.starts_with("User person:"), "{subject}");
    assert!(went.unwrap() >= *came && !is_between);
    let written = changes(&log).await;
    let fields = &written.iter().flat_map(|data| &data.added).next().unwrap().fields;
    assert_eq!(fields["role"], "ClusterRole/admin");
    assert_eq!(fields["scope"], "namespace default");
    assert!(fields["right"].as_str().unwrap().starts_with("can "), "{fields:?}");

    // An operator that is killed has lost nothing of it, and the next one doubles nothing: only what
    // came and went meanwhile is new, with its bounds.
    bench.kill_operator();
    bench.apply(&binding("after", JANE)).await;
    bench.delete(&binding("before", OPS)).await;
    bench.start_operator_as(bench.plane.kubeconfig("admin"), &["--evidence", &location]).await;
    let after = until_stays(&log, "RoleBinding/default/after", (1, 0)).await;
    assert!(after[0].3, "nobody saw it come");
    let before = until_stays(&log, "RoleBinding/default/before", (1, 1)).await;
    assert!(before[0].2.is_some());
    until_stays(&log, "RoleBinding/default/moment", (1, 1)).await;
    let found = changes(&log).await.split_off(written.len());
    let [found] = found.as_slice() else { panic!("{found:#?}") };
    let between = found.between.unwrap();
    assert!(between.from < between.to, "{between:?}");
    assert_eq!((found.added.len(), found.removed.len()), (1, 1));

    // At rest nothing is written: what is next is the next change.
    bench.apply(&binding("last", OPS)).await;
    until_stays(&log, "RoleBinding/default/last", (1, 0)).await;
    let last = changes(&log).await.split_off(written.len() + 1);
    let [last] = last.as_slice() else { panic!("{last:#?}") };
    assert_eq!((last.added.len(), last.between), (1, None));
    bench.stop_operator().await;
    verify(&log);
    let all = entries(&log).await;
    assert!(!format!("{all:?}").contains("jane@acme"), "somebody is named");
    // Kinds that no control asks for make a register unread, never empty.
    let registers = registers(&log).await;
    let volumes = registers.get("volumes").unwrap();
    assert!(volumes.begun().is_none());
    let now = Timestamp::now();
    let gaps = registers.gaps("volumes", now, now);
    assert!(gaps.iter().any(|gap| gap.reason.contains("persistentvolumeclaims")), "{gaps:?}");
}
