//! Situations and what is to be said of them. Plain objects, so that the same table runs here and
//! against the real schemas on an API server.

#![allow(clippy::needless_pass_by_value, reason = "a table reads better without borrows")]

pub mod objects;

mod cnpg;
mod cron;
mod k8up;
mod kasten;
mod longhorn;
mod manifests;
mod others;
mod restores;
mod snapshots;
mod velero;
mod velero_volumes;
mod volsync;
mod young;

use serde_json::Value;

/// When the situations are judged. Objects speak of times before it.
pub const NOW: &str = "2026-11-21T12:00:00Z";
/// The namespace of the items. Occurs nowhere else in an object, so that it can be replaced.
pub const SHOP: &str = "shop";
/// The namespace of the tools that have one. The same holds for it.
pub const TOOLS: &str = "backup-tools";

/// A situation. Backups may be a day old.
pub struct Scenario {
    /// Names the scenario in failures.
    pub name: String,
    /// What is to be backed up.
    pub of: &'static str,
    /// How often a restore must be tried.
    pub restore_test_every: Option<&'static str>,
    /// Whether the objects come from files, and not from a cluster.
    pub files: bool,
    /// The objects of the cluster, of any kind and in any order.
    pub objects: Vec<Value>,
    /// `pass`, `unknown`, `pending`, `none` when no item counts, or the failing rules.
    pub expect: &'static str,
}

impl Scenario {
    fn claims(name: &str, objects: Vec<Value>, expect: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            of: "PersistentVolumeClaims",
            restore_test_every: None,
            files: false,
            objects: [vec![objects::claim()], objects].concat(),
            expect,
        }
    }

    fn namespaces(name: &str, objects: Vec<Value>, expect: &'static str) -> Self {
        Self {
            of: "Namespaces",
            objects: [vec![objects::namespace()], objects].concat(),
            ..Self::claims(name, vec![], expect)
        }
    }

    fn databases(name: &str, objects: Vec<Value>, expect: &'static str) -> Self {
        Self { of: "Databases", objects, ..Self::claims(name, vec![], expect) }
    }

    fn in_files(self) -> Self {
        Self { files: true, ..self }
    }

    fn restored(self) -> Self {
        Self { restore_test_every: Some("90d"), ..self }
    }

    /// The test of the control that judges it.
    pub fn test(&self) -> Value {
        let mut test = serde_json::json!({"of": self.of, "maxAge": "24h"});
        if let Some(every) = self.restore_test_every {
            test["restoreTestEvery"] = every.into();
        }
        test
    }
}

pub fn all() -> Vec<Scenario> {
    [
        velero::all(),
        velero_volumes::all(),
        volsync::all(),
        kasten::all(),
        others::all(),
        young::all(),
        manifests::all(),
        snapshots::all(),
        k8up::all(),
        cnpg::all(),
        longhorn::all(),
        cron::all(),
        restores::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
