//! Kinds that a control names and no file has.

use comptroller_core::{
    api::ControlSpec,
    inventory::{Catalog, ResourceType, ServedResource},
};

/// The custom resources that controls name and nothing describes: without an object of their
/// group they are empty, as any kind is that no file has. A group with objects is left out, since
/// one of its kinds may be the named one under a plural that was guessed wrong. So are the groups
/// of Kubernetes itself, where an unknown name is a mistake.
pub(super) fn absent_kinds<'c>(
    controls: impl Iterator<Item = &'c ControlSpec>,
    catalog: &Catalog,
    has_objects: impl Fn(&str) -> bool,
) -> Vec<ServedResource> {
    let mut absent = Vec::new();
    for resource in
        controls.filter_map(|spec| spec.test.cel.as_ref()).flat_map(|test| &test.resources)
    {
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
                        // Nobody ever said the kind; no object will be looked up by it.
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
