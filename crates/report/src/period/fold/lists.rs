//! The newest inventory of a period, kind by kind.

use comptroller_evidence::inventory::InventoryData;

use crate::period::model::ListReport;

/// What an entry says of each kind that was read.
pub fn lists_of(entry: u64, data: &InventoryData) -> Vec<ListReport> {
    let lists = data.kinds.iter().map(|kind| ListReport {
        api_version: kind.api_version.clone(),
        kind: kind.kind.clone(),
        count: kind.count,
        reading: kind.reading,
        resource_version: kind.resource_version.clone(),
        at: kind.listed_at,
        digest: kind.list.as_ref().map(|list| list.digest.clone()),
        collector: data.collector.clone(),
        entry,
    });
    lists.collect()
}
