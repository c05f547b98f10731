//! A register of the cluster as it is now, with no more read than it is derived from.

use std::error::Error;

use jiff::Timestamp;

use super::{
    RegisterArgs, RegisterError,
    answer::{AnswerSource, ItemRow, KindRead, RegisterAnswer},
    unknown,
};
use crate::{
    cli::cluster::api_message,
    source::{discovery, live},
};
use comptroller_core::{
    engine::{Engine, WatchSet},
    inventory::{Availability, Catalog, Inventory, ResourceType, facts},
    registers::Register,
};

pub async fn read(args: &RegisterArgs) -> Result<RegisterAnswer, Box<dyn Error>> {
    let register =
        Register::find(&args.name).ok_or_else(|| unknown(&args.name, std::iter::empty()))?;
    let at = Timestamp::now();
    let client = args.cluster_args.client().await?;
    let catalog = discovery::catalog(&client)
        .await
        .map_err(|error| RegisterError::Discovery(api_message(&error)))?;
    let mut wanted = WatchSet::default();
    let readable = register.kinds().filter_map(|(group, kind)| readable(&catalog, group, kind));
    wanted.kinds.extend(readable.map(|resource| (resource, Vec::new())));
    let mut engine = Engine::default();
    engine.set_catalog(catalog.clone(), at);
    live::fill(&mut engine, &client, wanted, at, |_| {}).await;
    let inventory = engine.inventory();
    let mut items: Vec<_> = register.derive(inventory).map(|(_, item)| item.fields).collect();
    items.sort_by_cached_key(|fields| format!("{fields:?}"));
    Ok(RegisterAnswer {
        register: register.name.to_owned(),
        source: AnswerSource::Cluster {
            context: args.cluster_args.context_name(),
            at,
            kinds: kinds(register, inventory, &catalog),
        },
        gaps: Vec::new(),
        faults: Vec::new(),
        count: items.len(),
        items: items.into_iter().map(|fields| ItemRow::Derived { fields }).collect(),
    })
}

/// The type of a kind in a version that is understood. None if the cluster serves none.
fn readable(catalog: &Catalog, group: &str, kind: &str) -> Option<ResourceType> {
    let row = catalog.find_kind(group, kind)?;
    let Some(projection) = facts::projection(group, kind) else {
        return Some(row.resource.clone());
    };
    let version = projection
        .versions
        .iter()
        .find(|version| row.versions.iter().any(|served| served == *version))?;
    Some(ResourceType { version: (*version).to_owned(), ..row.resource.clone() })
}

/// What was read, and of which kinds not everything was.
fn kinds(register: &Register, inventory: &Inventory, catalog: &Catalog) -> Vec<KindRead> {
    let mut kinds: Vec<KindRead> = register
        .kinds()
        .map(|(group, kind)| {
            let name = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
            let served = catalog.find_kind(group, kind).is_some();
            let silent = catalog.unreachable_groups.iter().any(|silent| silent == group);
            let why = match inventory.availability(group, kind) {
                Availability::Complete | Availability::NotServed => None,
                Availability::Pending if silent => Some(
                    "its API group does not answer: see what is wrong with its APIService"
                        .to_owned(),
                ),
                // An API that is not installed has no objects.
                Availability::Pending if !served => None,
                Availability::Pending => {
                    Some("it is served in no version that this program reads".to_owned())
                }
                Availability::Forbidden(message) => Some(format!("{message}; grant list on it")),
                Availability::Untaken { error, .. } | Availability::Stale { error, .. } => {
                    Some(format!("{error}; try again"))
                }
            };
            KindRead { kind: name, count: inventory.objects_of(group, kind).count(), why }
        })
        .collect();
    // A register of kinds that the cluster does not have is not known to be empty.
    let has_source = register
        .sources
        .iter()
        .any(|source| catalog.find_kind(source.group, source.kind).is_some());
    if let (false, Some(first)) = (has_source, kinds.first_mut()) {
        first
            .why
            .get_or_insert_with(|| "the cluster serves no kind that the register is of".to_owned());
    }
    kinds
}
