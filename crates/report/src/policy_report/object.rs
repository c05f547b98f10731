//! A report as an object of the API server.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    api::ReportApi,
    row::{Detail, Outcome, ResultBody},
    shard::Shard,
};
use comptroller_vocabulary::hex;

/// What writes the reports, in their results and labels.
pub const PRODUCER: &str = "comptroller";

/// The label by which our reports are found.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The annotation with the digest of what a report says.
pub const DIGEST: &str = "comptroller.dev/report-digest";

/// The annotation that says how many rows were left out of the reports of a namespace, or of the cluster.
pub const CUT: &str = "comptroller.dev/results-not-listed";

/// The object with which the reports go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name of the `ClusterRole`.
    pub name: String,
    pub uid: String,
}

/// Whether a report of this name, with our label, can be ours.
pub fn is_own_name(name: &str) -> bool {
    name.strip_prefix(PRODUCER).is_some_and(|rest| {
        let number = rest.strip_prefix('-').map(str::parse::<usize>);
        rest.is_empty() || matches!(number, Some(Ok(1..)))
    })
}

impl Shard<'_> {
    /// The name of the object.
    pub fn name(&self) -> String {
        match self.number {
            0 => PRODUCER.to_owned(),
            number => format!("{PRODUCER}-{number}"),
        }
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no row; none has.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows of its namespace, or of the cluster, are left out.
    pub fn cut(&self) -> usize {
        self.cut
    }

    /// A digest of what it says, apart from which entry says so: a heartbeat alone is no change.
    pub fn digest(&self, owner: Option<&Owner>) -> String {
        let mut hash = DigestWriter(Sha256::new());
        let owner = owner.map(|owner| &owner.uid);
        // Writing into a digest can't fail.
        let _ = serde_json::to_writer(&mut hash, &(owner, self.cut, self.results(Detail::Lasting)));
        hex(&hash.0.finalize()[..16])
    }

    /// The object. Without its texts, if it is to be accepted whatever they are.
    pub fn object(&self, api: ReportApi, owner: Option<&Owner>, with_texts: bool) -> Value {
        let kind = api.kind(self.namespace.is_some());
        let detail = if with_texts { Detail::Full } else { Detail::Bare };
        let digest = self.digest(owner);
        // One without texts counts as another, and is tried again with them.
        let digest = if with_texts { digest } else { format!("bare-{digest}") };
        let mut annotations = Map::from_iter([(DIGEST.to_owned(), json!(digest))]);
        if self.cut > 0 {
            annotations.insert(CUT.to_owned(), json!(self.cut.to_string()));
        }
        let mut metadata = json!({
            "name": self.name(),
            "labels": {MANAGED_BY: PRODUCER},
            "annotations": annotations,
        });
        if let Some(namespace) = self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        if let Some(Owner { name, uid }) = owner {
            metadata["ownerReferences"] = json!([{
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "name": name, "uid": uid,
            }]);
        }
        let count = |outcome| self.rows.iter().filter(|row| row.outcome == outcome).count();
        let mut object = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": metadata,
            "summary": {
                "pass": count(Outcome::Pass), "fail": count(Outcome::Fail), "warn": 0,
                "error": count(Outcome::Error), "skip": count(Outcome::Skip),
            },
            "results": self.results(detail),
        });
        if let Some(namespace) = self.namespace {
            object["scope"] = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace});
        }
        if api == ReportApi::OpenReports {
            object["source"] = json!(PRODUCER);
            if self.cut > 0 {
                object["configuration"] = json!({"limits": {"maxResults": self.limit}});
            }
        }
        object
    }

    fn results(&self, detail: Detail) -> Vec<ResultBody<'_>> {
        self.rows.iter().map(|row| row.body(detail)).collect()
    }
}

struct DigestWriter(Sha256);

impl Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
