//! Reads a cluster, with no more permissions than the answer needs.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::ListParams,
    core::{PartialObjectMeta, discovery::v2::APIGroupDiscovery},
};

use super::{
    AnswerBasis, BoxedError, RBAC, WhoCanArgs, WhoCanError, answers::malformed, builtin,
    query::ResolvedQuery, types::QueryTypes,
};
use crate::{
    cli::cluster::api_message,
    source::{api_resource, live, raw_object::RawObject},
};
use comptroller_core::{
    inventory::{Facts, Interner, Inventory, Projector, rbac::RoleKind},
    nearest::nearest,
};

/// How many namespaces are listed to find a similar name.
const MAX_NAMESPACES: u32 = 5_000;

/// Reads what the answer needs, and nothing else.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn read(args: &WhoCanArgs) -> Result<AnswerBasis, BoxedError> {
    let config = args.cluster.config().await?;
    let query = args.query(|| config.default_namespace.clone());
    let client = Client::try_from(config)?;
    let groups =
        discover(&client).await.map_err(|error| WhoCanError::Discovery(api_message(&error)))?;
    let types = QueryTypes::discovered(&groups);
    let namespace = query.namespace(&types)?;
    let mut reading = ClusterReader::new(client);
    // Such a namespace can't exist, and its name in a URL could address something else.
    if let Some(namespace) = namespace.as_deref().filter(|name| !is_label(name)) {
        return Err(reading.no_namespace(namespace).await.into());
    }
    if let Err(error) = reading.read_grants(namespace.as_deref()).await {
        // A mistyped word is the better error, and needs no permissions to be found.
        query.resolve(&types, &reading.inventory.rights)?;
        return Err(error);
    }
    let resolved = query.resolve(&types, &reading.inventory.rights)?;
    if let Some(namespace) = resolved.namespace() {
        reading.check_namespace(namespace).await?;
    }
    reading.read_members(&resolved).await?;
    let ClusterReader { inventory, missing: mut gaps, notes, .. } = reading;
    gaps.extend(malformed(&inventory));
    Ok(AnswerBasis { inventory, resolved, gaps, notes })
}

async fn discover(client: &Client) -> kube::Result<Vec<APIGroupDiscovery>> {
    let mut groups = client.list_core_api_versions_aggregated().await?.items;
    groups.extend(client.list_api_groups_aggregated().await?.items);
    Ok(groups)
}

/// Whether a namespace can have this name, which is a DNS label (RFC 1123).
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Reads a cluster step by step.
struct ClusterReader {
    client: Client,
    inventory: Inventory,
    interner: Arc<Interner>,
    /// What could not be read, and the missing permission.
    missing: Vec<String>,
    notes: Vec<String>,
}

impl ClusterReader {
    fn new(client: Client) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
            interner: Arc::default(),
            missing: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads the bindings in effect in the cluster and in a namespace, and the roles that they grant.
    async fn read_grants(&mut self, namespace: Option<&str>) -> Result<(), BoxedError> {
        let mut bindings = self.list(RBAC, "ClusterRoleBinding", None).await?;
        if namespace.is_some() {
            bindings |= self.list(RBAC, "RoleBinding", namespace).await?;
        }
        if !bindings {
            return Err(WhoCanError::Forbidden(std::mem::take(&mut self.missing)).into());
        }
        if self.grants_kind(RoleKind::ClusterRole) {
            self.list(RBAC, "ClusterRole", None).await?;
        }
        if self.grants_kind(RoleKind::Role) {
            self.list(RBAC, "Role", namespace).await?;
        }
        Ok(())
    }

    /// Whether some binding grants a role of this kind.
    fn grants_kind(&self, kind: RoleKind) -> bool {
        self.inventory.iter().any(|(_, object)| match &object.facts {
            Facts::Binding(facts) => facts.role.kind == kind,
            _ => false,
        })
    }

    /// Lists a kind. False, and a note of the missing permission, if that is denied.
    async fn list(
        &mut self,
        group: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<bool, BoxedError> {
        let Some(resource) = builtin(group, kind) else {
            return Ok(false);
        };
        let described = api_resource(&resource);
        let api: Api<RawObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &described),
            None => Api::all_with(self.client.clone(), &described),
        };
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&self.interner));
        let objects = match live::pages(&api, &projector).await {
            Ok(objects) => objects,
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                let place =
                    namespace.map_or_else(String::new, |name| format!(" in namespace {name}"));
                self.missing.push(format!(
                    "{kind}s{place} can't be listed: {}; grant list on {}{place}",
                    status.message,
                    projector.resource(),
                ));
                return Ok(false);
            }
            Err(error) => return Err(WhoCanError::Discovery(api_message(&error)).into()),
        };
        let id = self.inventory.kind(projector.resource());
        self.inventory.begin(id);
        for object in objects {
            self.inventory.stage(id, object);
        }
        self.inventory.commit(id, Vec::new());
        Ok(true)
    }

    /// Reads subjects that belong to an allowed group implicitly: service accounts, and users that some
    /// binding names. The answer has the group itself anyway, so a denial is only a note.
    async fn read_members(&mut self, resolved: &ResolvedQuery) -> Result<(), BoxedError> {
        let entitled = self.inventory.rights.who_can(&resolved.request());
        let mut subjects = entitled.iter().map(|entitlement| &entitlement.subject);
        let Some(group) = subjects.find(|subject| subject.is_implied_group()) else {
            return Ok(());
        };
        let missing = self.missing.len();
        for (of, kind) in [("", "ServiceAccount"), (RBAC, "RoleBinding")] {
            self.list(of, kind, None).await?;
        }
        for refused in self.missing.split_off(missing) {
            self.notes.push(format!("not every member of {group} is listed: {refused}"));
        }
        Ok(())
    }

    /// Checks that the namespace exists, if that may be read.
    async fn check_namespace(&mut self, namespace: &str) -> Result<(), BoxedError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        match api.get_metadata_opt(namespace).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(self.no_namespace(namespace).await.into()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                // A binding in it shows that it exists.
                let mut bindings = self.inventory.objects_of(RBAC, "RoleBinding");
                if bindings.next().is_none() {
                    self.notes.push(format!(
                        "it could not be checked whether the namespace {namespace:?} exists: grant get on namespaces for that"
                    ));
                }
                Ok(())
            }
            Err(error) => Err(WhoCanError::Discovery(api_message(&error)).into()),
        }
    }

    async fn no_namespace(&self, namespace: &str) -> WhoCanError {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let page = ListParams::default().limit(MAX_NAMESPACES);
        let known = api.list_metadata(&page).await.map(|list| list.items).unwrap_or_default();
        let names = known
            .iter()
            .filter_map(|known: &PartialObjectMeta<Namespace>| known.metadata.name.as_deref());
        let near = nearest(namespace, names).into_iter().map(ToOwned::to_owned).collect();
        WhoCanError::Namespace { name: namespace.to_owned(), near }
    }
}
