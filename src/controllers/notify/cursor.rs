//! Up to where the webhook was told, noted beside the published checkpoint.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::controllers::{body, checkpoint_publisher::CONFIG_MAP};

/// The annotation: how many entries were told, and until when it was looked what time alone made so.
const ANNOTATION: &str = "comptroller.dev/notified";

/// The field manager of the annotation.
const MANAGER: &str = "comptroller/notifications";

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Up to where it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// How many entries of the log.
    pub size: u64,
    /// Until when obligations and exceptions were looked at.
    pub time: Timestamp,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (size, time) = text.split_once(' ')?;
        Some(Self { size: size.parse().ok()?, time: time.parse().ok()? })
    }
}

/// Where it is noted: in the `ConfigMap` that has the checkpoint, which the operator may patch.
pub struct CursorStore(Api<ConfigMap>);

impl CursorStore {
    pub fn new(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }

    /// What is noted. None: nothing that can be read, or there is no `ConfigMap`.
    pub async fn read(&self) -> kube::Result<Option<Cursor>> {
        // A patch that changes nothing reads, and needs no further right.
        let nothing = Patch::Merge(json!({}));
        let params = PatchParams::default();
        let patched = self.0.patch(CONFIG_MAP, &params, &nothing);
        match tokio::time::timeout(TIMEOUT, patched).await {
            Ok(Ok(there)) => {
                Ok(there.annotations().get(ANNOTATION).and_then(|text| Cursor::parse(text)))
            }
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(late) => Err(kube::Error::Service(Box::new(late))),
        }
    }

    pub async fn write(&self, cursor: &Cursor) -> kube::Result<()> {
        let noted = format!("{} {}", cursor.size, cursor.time);
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIG_MAP, "annotations": {ANNOTATION: noted}},
        });
        let written = body::apply(&self.0, CONFIG_MAP, MANAGER, &object);
        match tokio::time::timeout(TIMEOUT, written).await {
            Ok(written) => written.map(drop),
            Err(late) => Err(kube::Error::Service(Box::new(late))),
        }
    }
}
