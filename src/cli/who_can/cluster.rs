//! An answer from a cluster, with no more rights than the answer needs.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::ListParams,
    core::{PartialObjectMeta, discovery::v2::APIGroupDiscovery},
};

use super::{
    Failure, Ground, RBAC, WhoCanArgs, WhoCanError, answers::malformed, builtin, query::Resolved,
    types::Types,
};
use crate::{
    cli::cluster::said,
    source::{api_resource, live, raw_object::RawObject},
};
use comptroller_core::{
    inventory::{Facts, Interner, Inventory, Projector, rbac::RoleKind},
    nearest::nearest,
};

/// How many namespaces are asked for to find the nearest of them.
const MAX_NAMESPACES: u32 = 5_000;

/// Reads what bears on the answer, and nothing else.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn read(args: &WhoCanArgs) -> Result<Ground, Failure> {
    let config = args.cluster.config().await?;
    let query = args.query(|| config.default_namespace.clone());
    let client = Client::try_from(config)?;
    let groups = discover(&client).await.map_err(|error| WhoCanError::Discovery(said(&error)))?;
    let types = Types::discovered(&groups);
    let namespace = query.namespace(&types)?;
    let mut reading = Reading::new(client);
    if let Some(namespace) = namespace.as_deref().filter(|name| !is_label(name)) {
        return Err(reading.no_namespace(namespace).await.into());
    }
    if let Err(error) = reading.grants(namespace.as_deref()).await {
        // A mistyped word needs no rights to be told.
        query.resolve(&types, &reading.inventory.rights)?;
        return Err(error);
    }
    let resolved = query.resolve(&types, &reading.inventory.rights)?;
    if let Some(namespace) = resolved.namespace() {
        reading.check_namespace(namespace).await?;
    }
    reading.members(&resolved).await?;
    let Reading { inventory, lacking: mut gaps, notes, .. } = reading;
    gaps.extend(malformed(&inventory));
    Ok(Ground { inventory, resolved, gaps, notes })
}

async fn discover(client: &Client) -> kube::Result<Vec<APIGroupDiscovery>> {
    let mut groups = client.list_core_api_versions_aggregated().await?.items;
    groups.extend(client.list_api_groups_aggregated().await?.items);
    Ok(groups)
}

/// Whether a namespace can have this name (RFC 1123, DNS label).
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What was read so far.
struct Reading {
    client: Client,
    inventory: Inventory,
    interner: Arc<Interner>,
    /// What could not be read, and the right that it takes.
    lacking: Vec<String>,
    notes: Vec<String>,
}

impl Reading {
    fn new(client: Client) -> Self {
        Self {
            client,
            inventory: Inventory::default(),
            interner: Arc::default(),
            lacking: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The bindings in effect in the cluster and in a namespace, and the roles that they give.
    async fn grants(&mut self, namespace: Option<&str>) -> Result<(), Failure> {
        let mut bindings = self.list(RBAC, "ClusterRoleBinding", None).await?;
        if namespace.is_some() {
            bindings |= self.list(RBAC, "RoleBinding", namespace).await?;
        }
        if !bindings {
            return Err(WhoCanError::Forbidden(std::mem::take(&mut self.lacking)).into());
        }
        if self.gives(RoleKind::ClusterRole) {
            self.list(RBAC, "ClusterRole", None).await?;
        }
        if self.gives(RoleKind::Role) {
            self.list(RBAC, "Role", namespace).await?;
        }
        Ok(())
    }

    /// Whether some binding gives a role of this kind.
    fn gives(&self, kind: RoleKind) -> bool {
        self.inventory.iter().any(|(_, object)| match &object.facts {
            Facts::Binding(facts) => facts.role.kind == kind,
            _ => false,
        })
    }

    /// Lists a kind. False, with the right that is lacking, where that is refused.
    async fn list(
        &mut self,
        group: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<bool, Failure> {
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
                self.lacking.push(format!(
                    "{kind}s{place} can't be listed: {}; grant list on {}{place}",
                    status.message,
                    projector.resource(),
                ));
                return Ok(false);
            }
            Err(error) => return Err(WhoCanError::Discovery(said(&error)).into()),
        };
        let id = self.inventory.kind(projector.resource());
        self.inventory.begin(id);
        for object in objects {
            self.inventory.stage(id, object);
        }
        self.inventory.commit(id, Vec::new());
        Ok(true)
    }

    /// Whoever belongs by kind alone to a group that may: service accounts, and users whom a binding
    /// anywhere names. The answer has the group anyhow, so that this may be refused.
    async fn members(&mut self, resolved: &Resolved) -> Result<(), Failure> {
        let entitled = self.inventory.rights.who_can(&resolved.request());
        let mut subjects = entitled.iter().map(|entitlement| &entitlement.subject);
        let Some(group) = subjects.find(|subject| subject.is_implied_group()) else {
            return Ok(());
        };
        let lacking = self.lacking.len();
        for (of, kind) in [("", "ServiceAccount"), (RBAC, "RoleBinding")] {
            self.list(of, kind, None).await?;
        }
        for refused in self.lacking.split_off(lacking) {
            self.notes.push(format!("not every member of {group} is listed: {refused}"));
        }
        Ok(())
    }

    /// Whether there is such a namespace, as far as that may be asked.
    async fn check_namespace(&mut self, namespace: &str) -> Result<(), Failure> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        match api.get_metadata_opt(namespace).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(self.no_namespace(namespace).await.into()),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                // What is bound in it shows that it is there.
                let mut bindings = self.inventory.objects_of(RBAC, "RoleBinding");
                if bindings.next().is_none() {
                    self.notes.push(format!(
                        "whether there is a namespace {namespace:?} may not be asked: grant get on namespaces to have its name checked"
                    ));
                }
                Ok(())
            }
            Err(error) => Err(WhoCanError::Discovery(said(&error)).into()),
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
