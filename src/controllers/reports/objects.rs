//! Reports at the API server: listed by their metadata, applied, and deleted.

use std::time::Duration;

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams},
    core::{ApiResource, Status},
};
use tokio::time::timeout;

use crate::{
    controllers::{body, refusal::refusal},
    telemetry::RequestFailure,
};
use comptroller_report::policy_report::{
    DIGEST, MANAGED_BY, Owner, PRODUCER, ReportApi, Shard, is_own_name,
};

/// The field manager under which reports are applied.
const MANAGER: &str = "comptroller/reports";

/// The label of the ClusterRole that allows to write reports, and owns them.
const OWNER_LABEL: &str = "comptroller.dev/owns-reports=true";

/// The longest request that writes. It must end before another replica can take over.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest request that lists.
const LISTING: Duration = Duration::from_secs(10);

/// Reports are listed so many at a time, without their results.
const PAGE: u32 = 500;

/// Which object a report is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportId {
    pub api: ReportApi,
    /// None: it is one of the cluster.
    pub namespace: Option<String>,
    pub name: String,
}

/// What is known of a report that is there.
#[derive(Clone, Debug)]
pub struct KnownReport {
    /// The digest of what it says. None if it does not say.
    pub digest: Option<String>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Whole,
    /// The API server refuses its texts.
    WithoutTexts,
    NamespaceGone,
    ApiGone,
}

/// Why reports can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The API server answered with an error, or the request failed.
    #[error("{}", RequestFailure::describe(.0))]
    Api(#[from] kube::Error),
    /// There was no response in time.
    #[error("no answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

impl ObjectsError {
    pub fn failure(&self) -> RequestFailure {
        match self {
            Self::Api(error) => RequestFailure::of(error),
            Self::Timeout(_) => RequestFailure::NoAnswer,
        }
    }
}

pub struct ApiObjects {
    client: Client,
}

impl ApiObjects {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The ClusterRole that owns reports. None: there is none, or it can't be seen.
    pub async fn owner(&self) -> Result<Option<Owner>, ObjectsError> {
        let roles: Api<ClusterRole> = Api::all(self.client.clone());
        let params = ListParams::default().labels(OWNER_LABEL);
        let listed = match timeout(LISTING, roles.list_metadata(&params)).await? {
            Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(None),
            listed => listed?,
        };
        let owners = listed
            .items
            .into_iter()
            .filter_map(|role| Some(Owner { name: role.name_any(), uid: role.metadata.uid? }));
        // Which of several does not matter, as long as it is always the same.
        Ok(owners.min_by(|a, b| a.name.cmp(&b.name)))
    }

    /// Every report of ours of one API. None are there if the API is gone.
    pub async fn list(&self, api: ReportApi) -> Result<Vec<(ReportId, KnownReport)>, ObjectsError> {
        let mut reports = Vec::new();
        for namespaced in [true, false] {
            let all: Api<DynamicObject> =
                Api::all_with(self.client.clone(), &resource(api, namespaced));
            let label = format!("{MANAGED_BY}={PRODUCER}");
            let mut params = ListParams::default().labels(&label).limit(PAGE);
            loop {
                let page = match timeout(LISTING, all.list_metadata(&params)).await? {
                    Err(kube::Error::Api(status)) if status.is_not_found() => break,
                    page => page?,
                };
                for object in page.items.iter().filter(|object| is_own_name(&object.name_any())) {
                    let id =
                        ReportId { api, namespace: object.namespace(), name: object.name_any() };
                    let digest = object.annotations().get(DIGEST).cloned();
                    reports.push((id, KnownReport { digest }));
                }
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params = params.continue_token(&token),
                    None => break,
                }
            }
        }
        Ok(reports)
    }

    /// Deletes a report; one that is gone already is no error.
    pub async fn delete(&self, id: &ReportId) -> Result<(), ObjectsError> {
        let resource = resource(id.api, id.namespace.is_some());
        let api: Api<DynamicObject> = match &id.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        match timeout(TIMEOUT, api.delete(&id.name, &DeleteParams::default())).await? {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => Ok(deleted.map(drop)?),
        }
    }

    /// Writes a report; without its texts, if the API server refuses them.
    pub async fn write(
        &self,
        id: &ReportId,
        shard: &Shard<'_>,
        owner: Option<&Owner>,
    ) -> Result<Written, ObjectsError> {
        for (with_texts, written) in [(true, Written::Whole), (false, Written::WithoutTexts)] {
            let object = shard.object(id.api, owner, with_texts);
            let collection = collection(id);
            let sent = body::apply_at(&self.client, &collection, &id.name, MANAGER, &object);
            let error = match timeout(TIMEOUT, sent).await? {
                Ok(_) => return Ok(written),
                Err(kube::Error::Api(status)) => status,
                Err(error) => return Err(error.into()),
            };
            if is_namespace_gone(&error) {
                return Ok(Written::NamespaceGone);
            }
            if error.is_not_found() {
                return Ok(Written::ApiGone);
            }
            if !with_texts || refusal(&error).is_none() {
                return Err(kube::Error::Api(error).into());
            }
        }
        Ok(Written::WithoutTexts)
    }
}

fn resource(api: ReportApi, namespaced: bool) -> ApiResource {
    let kind = api.kind(namespaced);
    ApiResource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        api_version: kind.api_version(),
        kind: kind.kind.to_owned(),
        plural: kind.plural.to_owned(),
    }
}

/// The path of the collection that a report is in.
fn collection(id: &ReportId) -> String {
    let kind = id.api.kind(id.namespace.is_some());
    let api_version = kind.api_version();
    match &id.namespace {
        Some(namespace) => format!("/apis/{api_version}/namespaces/{namespace}/{}", kind.plural),
        None => format!("/apis/{api_version}/{}", kind.plural),
    }
}

/// Whether a write failed since the namespace is gone, or about to be.
fn is_namespace_gone(status: &Status) -> bool {
    let details = status.details.as_ref();
    let is_missing =
        status.is_not_found() && details.is_some_and(|details| details.kind == "namespaces");
    let mut causes = details.into_iter().flat_map(|details| &details.causes);
    is_missing || causes.any(|cause| cause.reason == "NamespaceTerminating")
}
