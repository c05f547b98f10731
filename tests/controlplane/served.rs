//! Waiting for the kinds of new definitions.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};

use super::{ControlPlane, Error, wait};

/// How long an API server may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

impl ControlPlane {
    /// Waits until the objects of each definition, named `PLURAL.GROUP`, can be listed. Established
    /// alone does not mean that: for a moment the API server refuses to list a new kind, since its
    /// "storage is (re)initializing", and who meets that moment tries again seconds later.
    pub async fn until_served(&self, definitions: &[impl AsRef<str>]) -> Result<(), Error> {
        let client = self.admin_client();
        let all = Api::<CustomResourceDefinition>::all(client.clone());
        for name in definitions.iter().map(AsRef::as_ref) {
            wait::until(&format!("{name} to be served"), LIMIT, async || {
                let definition = all.get(name).await.ok()?;
                let conditions = definition.status.as_ref()?.conditions.as_ref()?;
                let established = conditions.iter().find(|it| it.type_ == "Established")?;
                (established.status == "True").then_some(())?;
                let objects = Api::<DynamicObject>::all_with(client.clone(), &kind(&definition)?);
                // Any version is one of the watch cache, which is what is not ready at first.
                objects.list(&ListParams::default().match_any().limit(1)).await.ok()
            })
            .await?;
        }
        Ok(())
    }
}

/// The kind that a definition brings, in the version that is stored.
fn kind(definition: &CustomResourceDefinition) -> Option<ApiResource> {
    let spec = &definition.spec;
    let version = &spec.versions.iter().find(|version| version.storage)?.name;
    Some(ApiResource {
        group: spec.group.clone(),
        version: version.clone(),
        api_version: format!("{}/{version}", spec.group),
        kind: spec.names.kind.clone(),
        plural: spec.names.plural.clone(),
    })
}
