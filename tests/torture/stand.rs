//! What all cases share: a control plane with our CRDs, and a hand on its objects.

use comptroller_core::api::schema;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize as _;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};

use crate::controlplane::ControlPlane;

/// How many operators run at the same time. Most of them wait.
const OPERATORS: usize = 12;

/// A control plane with the CRDs. Cases keep apart by a label and by names.
pub struct Stand {
    pub plane: ControlPlane,
    pub slots: Semaphore,
}

/// The one that the tests of this binary share. It ends with the process.
pub async fn shared() -> &'static Stand {
    static SHARED: OnceCell<Stand> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let stand = Stand::new().await;
            stand.plane.keep_logs_on_panic();
            stand
        })
        .await
}

impl Stand {
    pub async fn new() -> Self {
        let plane = ControlPlane::builder().start().await.unwrap();
        kubectl(
            &plane,
            &["apply", "--server-side", "-k", concat!(env!("CARGO_MANIFEST_DIR"), "/crds")],
        )
        .await;
        let definitions = schema::crds().into_iter();
        let names: Vec<_> = definitions.filter_map(|crd| crd.metadata.name).collect();
        plane.until_served(&names).await.unwrap();
        Self { plane, slots: Semaphore::new(OPERATORS) }
    }

    pub fn client(&self) -> Client {
        self.plane.admin_client()
    }
}

async fn kubectl(plane: &ControlPlane, arguments: &[&str]) {
    let output = plane.kubectl("admin", arguments).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {said}");
}

/// Objects of the cluster, by their manifests.
#[derive(Clone)]
pub struct Objects {
    client: Client,
}

impl Objects {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Applies YAML, any number of documents.
    pub async fn apply(&self, yaml: &str) {
        for object in documents(yaml) {
            self.try_apply(object.clone())
                .await
                .unwrap_or_else(|error| panic!("{error}: {object}"));
        }
    }

    pub async fn try_apply(&self, object: Value) -> kube::Result<DynamicObject> {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let params = PatchParams::apply("torture").force();
        self.api(&object).patch(&object.name_any(), &params, &Patch::Apply(&object)).await
    }

    /// Deletes what the YAML names; it may be gone.
    pub async fn delete(&self, yaml: &str) {
        for object in documents(yaml) {
            let object: DynamicObject = serde_json::from_value(object).expect("an object");
            let (api, name) = (self.api(&object), object.name_any());
            let deleted = api.delete(&name, &DeleteParams::default()).await;
            match deleted {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => panic!("{}: {error}", object.name_any()),
            }
        }
    }

    pub fn api(&self, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.as_ref().expect("apiVersion and kind");
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types).expect("a kind"));
        match object.namespace() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), &namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }
}

/// Every document of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    yaml_serde::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .filter(|value| !value.is_null())
        .collect()
}
