//! `comptroller people import`, end to end: what is created, changed, ended, refused and left alone.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    controlplane::ControlPlane,
    process::{install_crds, kubectl},
};

/// A cluster with the CRDs, and the command line of an administrator.
pub struct Hr<'a> {
    pub plane: &'a ControlPlane,
}

/// What a command said, and its exit code.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Hr<'_> {
    /// Imports an export with further arguments.
    pub fn import(&self, export: &[u8], arguments: &[&str]) -> Answer {
        let file: PathBuf = self.plane.dir().join("export.csv");
        std::fs::write(&file, export).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["people", "import"])
            .arg(&file)
            .arg("--kubeconfig")
            .arg(self.plane.kubeconfig("admin"))
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// The spec of a Person.
    pub async fn spec(&self, name: &str) -> Value {
        let text = kubectl(self.plane, &["get", "person", name, "-o", "json"]).await;
        serde_json::from_str::<Value>(&text).unwrap()["spec"].clone()
    }

    /// The names of all Persons.
    pub async fn names(&self) -> Vec<String> {
        let text = kubectl(self.plane, &["get", "people", "-o", "name"]).await;
        text.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect()
    }
}

const EXPORT: &str = "\
Employee ID,Full name,Email,Username,Manager,Start,End,Department,Roles
1,Sam Smith,sam@corp.example,sam@corp,,2020-01-01,,Board,
2,Zoë Doe,zoe@corp.example,zoe@corp,1,2024-02-29,,Platform,engineer|on-call
3,Joe Low,joe@corp.example,joe@corp,zoe@corp.example,2025-01-01,,Platform,engineer
";

#[tokio::test]
async fn an_export_becomes_people_and_nobody_is_lost() {
    let plane = ControlPlane::builder().start().await.unwrap();
    install_crds(&plane).await;
    let hr = Hr { plane: &plane };

    let dry = hr.import(EXPORT.as_bytes(), &["--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.out.contains("create") && dry.out.contains("Nothing was written."), "{dry:?}");
    assert!(hr.names().await.is_empty());

    let first = hr.import(EXPORT.as_bytes(), &[]);
    assert_eq!(
        (first.code, hr.names().await),
        (0, ["1", "2", "3"].map(str::to_owned).into()),
        "{first:?}"
    );
    assert!(first.out.contains("3 created, 0 changed"), "{first:?}");
    let zoe = hr.spec("2").await;
    assert_eq!(zoe["displayName"], "Zoë Doe");
    assert_eq!(zoe["identities"]["usernames"], serde_json::json!(["zoe@corp"]));
    assert_eq!(zoe["manager"], "1");
    assert_eq!(zoe["roles"], serde_json::json!(["engineer", "on-call"]));

    // Again, in other encodings and with another separator: nothing differs.
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(EXPORT.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let windows: Vec<u8> =
        EXPORT.replace(',', ";").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (bytes, arguments) in [
        (EXPORT.as_bytes().to_vec(), &[][..]),
        (utf16, &[]),
        (windows.clone(), &["--encoding", "windows-1252"]),
    ] {
        let again = hr.import(&bytes, arguments);
        assert!(again.out.contains("0 created, 0 changed, 0 ended, 3 unchanged"), "{again:?}");
    }
    let refused = hr.import(&windows, &[]);
    assert!(refused.code == 2 && refused.err.contains("line 3 is not UTF-8"), "{refused:?}");

    // What a person added by hand stays; what HR changed is changed.
    kubectl(
        &plane,
        &[
            "patch",
            "person",
            "3",
            "--type=merge",
            "-p",
            r#"{"spec":{"identities":{"groups":["ops"]}}}"#,
        ],
    )
    .await;
    let moved = EXPORT.replace("2025-01-01,,Platform", "2025-01-01,2026-12-31,Sales");
    let changed = hr.import(moved.as_bytes(), &[]);
    assert!(changed.out.contains("0 created, 1 changed"), "{changed:?}");
    let joe = hr.spec("3").await;
    assert_eq!((&joe["department"], &joe["endDate"]), (&"Sales".into(), &"2026-12-31".into()));
    assert_eq!(joe["identities"]["groups"], serde_json::json!(["ops"]));

    missing_people_are_asked_about(&hr).await;
    what_is_wrong_is_told_and_nothing_is_done(&hr).await;
}

async fn missing_people_are_asked_about(hr: &Hr<'_>) {
    let without_joe: String = EXPORT.split_inclusive('\n').take(3).collect();
    kubectl(
        hr.plane,
        &["patch", "person", "3", "--type=merge", "-p", r#"{"spec":{"endDate":null}}"#],
    )
    .await;
    let asked = hr.import(without_joe.replace("Board", "Office").as_bytes(), &[]);
    assert_eq!(asked.code, 1, "{asked:?}");
    assert!(asked.out.contains("\n  3\n") && asked.out.contains("--missing keep"), "{asked:?}");
    assert_eq!(hr.spec("1").await["department"], "Board", "nothing is half done");
    let kept = hr.import(without_joe.as_bytes(), &["--missing", "keep"]);
    assert!(kept.code == 0 && kept.out.contains("1 not in the export"), "{kept:?}");
    assert!(hr.spec("3").await["endDate"].is_null());
    let dry = hr.import(without_joe.as_bytes(), &["--missing", "end=2026-11-30", "--dry-run"]);
    assert!(dry.out.contains("end ") && hr.spec("3").await["endDate"].is_null(), "{dry:?}");
    let ended = hr.import(without_joe.as_bytes(), &["--missing", "end=2026-11-30"]);
    assert!(ended.code == 0 && ended.out.contains("1 ended"), "{ended:?}");
    assert_eq!(hr.spec("3").await["endDate"], "2026-11-30");
    // Whoever has left is not asked about again, and whoever comes back is back.
    let quiet = hr.import(without_joe.as_bytes(), &[]);
    assert!(quiet.code == 0 && quiet.out.contains("2 unchanged, 0 not in the export"), "{quiet:?}");
    let back = hr.import(EXPORT.as_bytes(), &[]);
    assert!(back.code == 0 && hr.spec("3").await["endDate"].is_null(), "{back:?}");
}

async fn what_is_wrong_is_told_and_nothing_is_done(hr: &Hr<'_>) {
    let before = kubectl(hr.plane, &["get", "people", "-o", "json"]).await;
    let wrong =
        EXPORT.replace("2024-02-29", "31.02.2024").replace("joe@corp,zoe", "sam@corp,nobody");
    let refused = hr.import(wrong.as_bytes(), &[]);
    assert_eq!(refused.code, 2, "{refused:?}");
    for told in ["line 3, column Start: \"31.02.2024\"", "--date-format"] {
        assert!(refused.err.contains(told), "{told}: {refused:?}");
    }
    let cycle = EXPORT.replace("sam@corp,,2020", "sam@corp,3,2020");
    let refused = hr.import(cycle.as_bytes(), &[]);
    assert!(refused.err.contains("the managers lead back to 1: 1 -> 3 -> 2 -> 1"), "{refused:?}");
    let unknown = hr.import(EXPORT.as_bytes(), &["--map", "department=Abteilung"]);
    assert!(
        unknown.err.contains("the export has no such column; write one of Employee ID"),
        "{unknown:?}"
    );
    // What only the API server refuses is found before anything is written.
    let long =
        EXPORT.replace("Board", "Office").replace("engineer\n", &format!("{}\n", "x".repeat(129)));
    let refused = hr.import(long.as_bytes(), &[]);
    assert!(refused.code == 2 && refused.err.contains("line 4"), "{refused:?}");
    assert_eq!(kubectl(hr.plane, &["get", "people", "-o", "json"]).await, before);
    // Manifests for GitOps are what an import would write.
    let printed = hr.import(EXPORT.as_bytes(), &["-o", "yaml"]);
    let applied = hr.plane.kubectl_with_input(
        "admin",
        &["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"],
        &printed.out,
    );
    let applied = applied.await.unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    assert_eq!(printed.out.matches("kind: Person").count(), 3, "{printed:?}");
}
