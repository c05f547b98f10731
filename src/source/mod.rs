//! Where objects come from: watches for the operator, one list for a scan of a cluster, and files.
//!
//! Used by the operator and the command line alike, so nothing here knows either. What watches and
//! discovery find is sent as a [`SourceEvent`](event::SourceEvent).

pub(crate) mod api_server;
pub(crate) mod discovery;
pub(crate) mod event;
pub(crate) mod held;
pub(crate) mod identity;
pub(crate) mod listwatch;
pub(crate) mod live;
pub mod manifest;
pub(crate) mod own_kinds;
pub(crate) mod raw_object;
pub mod rewinds;
pub(crate) mod server_clock;
pub(crate) mod watches;

use kube::core::ApiResource;

use comptroller_core::inventory::ResourceType;

/// How many objects a page of a list asks for. They are dropped once they are projected, so a large
/// page costs little memory, and the number of requests stays low.
const PAGE_SIZE: u32 = 350;

/// The type in kube's terms.
pub fn api_resource(resource: &ResourceType) -> ApiResource {
    ApiResource {
        group: resource.group.clone(),
        version: resource.version.clone(),
        api_version: resource.api_version(),
        kind: resource.kind.clone(),
        plural: resource.plural.clone(),
    }
}
