//! Kinds that a control names and that no file contains.

use comptroller_core::{
    api::ControlSpec,
    inventory::{Catalog, ResourceType, ServedResource},
};

/// The custom resources that controls name and that no definition describes. Like any kind without objects,
/// they are empty. A group with objects is left out, since one of its kinds may be the named one under a
/// wrongly guessed plural, and so are the groups of Kubernetes itself, where an unknown name is a mistake.
pub(super) fn absent_kinds<'c>(
    controls: impl Iterator<Item = &'c ControlSpec>,
    catalog: &Catalog,
    has_objects: impl Fn(&str) -> bool,
) -> Vec<ServedResource> {
    let mut absent = Vec::new();
    for resource in
        controls.filter_map(|spec| spec.test.cel.as_ref()).flat_map(|test| &test.resources)
    {
        // A pattern is no version; any will do, since no object is read.
        let version =
            resource.api_versions.iter().find(|version| *version != "*").map_or("v1", |it| it);
        for group in
            resource.api_groups.iter().filter(|group| is_custom(group) && !has_objects(group))
        {
            for plural in resource.resources.iter().filter(|plural| *plural != "*") {
                if catalog
                    .iter()
                    .any(|row| row.resource.group == *group && row.resource.plural == *plural)
                {
                    continue;
                }
                absent.push(ServedResource {
                    resource: ResourceType {
                        group: group.clone(),
                        version: version.to_owned(),
                        // The kind is unknown, and no object will be looked up by it.
                        kind: plural.clone(),
                        plural: plural.clone(),
                        namespaced: true,
                    },
                    versions: vec![version.to_owned()],
                });
            }
        }
    }
    absent
}

fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io")
}
