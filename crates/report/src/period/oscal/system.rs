//! What the company says of the system: a component for the system and for each subservice organization,
//! and resources of the back matter for what the model has no other place for.

use super::{
    OscalContext,
    model::{ComponentStatus, OscalComponent, OscalResource, Property},
    texts::{plain, properties, title},
};
use crate::period::model::{
    ComplementaryControlReport, ReportedSystem, SubserviceReport, SystemBoundary,
};

/// The system, and the organizations that it relies on.
pub(super) fn components(context: &OscalContext<'_>) -> Vec<OscalComponent> {
    let described = &context.report.system_description;
    let component = |kind, name: &str, description: &str, props: Vec<Property>| OscalComponent {
        uuid: context.ids.id_of(&["component", kind, name]),
        kind,
        title: title(name),
        description: paragraphs(description),
        props,
        status: ComponentStatus { state: "operational" },
    };
    let mut all = Vec::new();
    if let Some(system) = &described.system {
        let description = system.description.as_deref().unwrap_or(&system.name);
        let props = properties([
            ("company", described.company.as_deref().unwrap_or_default().into()),
            ("entry", entry(described).into()),
        ]);
        all.push(component("system", &system.name, description, props));
    }
    all.extend(described.subservice_organizations.iter().map(|one| {
        let props = properties([
            ("subservice-organization", one.name.as_str().into()),
            ("method", method(one).into()),
            ("report", one.report.as_deref().unwrap_or_default().into()),
            ("entry", entry(described).into()),
        ]);
        component("service", &one.name, &one.services, props)
    }));
    all
}

fn method(one: &SubserviceReport) -> &str {
    if one.method.is_empty() { "CarveOut" } else { &one.method }
}

fn entry(described: &ReportedSystem) -> String {
    described.entry.map(|entry| entry.to_string()).unwrap_or_default()
}

/// The boundary, complementary controls and points of focus, each as a text of its own.
pub(super) fn resources(context: &OscalContext<'_>) -> Vec<OscalResource> {
    let described = &context.report.system_description;
    let resource = |name: &str, title, lines: Vec<String>| {
        (!lines.is_empty()).then(|| OscalResource {
            uuid: context.ids.id_of(&["resource", name]),
            title,
            description: list(&lines),
            rlinks: Vec::new(),
        })
    };
    let boundary = described.boundary.as_ref().map(boundary).unwrap_or_default();
    let of_others = described.subservice_organizations.iter().flat_map(|one| {
        let controls = one.complementary_controls.iter();
        controls.map(|control| format!("{}: {}", one.name, complementary(control)))
    });
    let of_users = described.complementary_user_entity_controls.iter().map(complementary);
    let points = described
        .points_of_focus
        .iter()
        .flat_map(|focus| focus.points.iter().map(|point| format!("{}: {point}", focus.criterion)));
    [
        resource("boundary", "Boundary of the system, in the words of the company", boundary),
        resource(
            "subservice-controls",
            "Complementary controls of subservice organizations, in the words of the company",
            of_others.collect(),
        ),
        resource(
            "user-entity-controls",
            "Complementary controls of user entities, in the words of the company",
            of_users.collect(),
        ),
        resource(
            "points-of-focus",
            "Points of focus, in the words of the company",
            points.collect(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn boundary(boundary: &SystemBoundary) -> Vec<String> {
    let SystemBoundary { clusters, namespaces, excluded } = boundary;
    let mut lines = Vec::new();
    if !clusters.is_empty() {
        lines.push(format!("Clusters: {}", clusters.join(", ")));
    }
    lines.push(match namespaces.as_slice() {
        [] => "Namespaces: all".to_owned(),
        some => format!("Namespaces: {}", some.join(", ")),
    });
    lines.extend(excluded.iter().map(|one| format!("Outside: {}: {}", one.what, one.why)));
    lines
}

fn complementary(one: &ComplementaryControlReport) -> String {
    if one.criteria.is_empty() {
        one.control.clone()
    } else {
        format!("{} ({})", one.control, one.criteria.join(", "))
    }
}

/// Paragraphs of which nothing is markup; never empty.
fn paragraphs(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { title("") } else { lines.join("\n\n") }
}

/// A list in Markdown of which nothing else is markup.
fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {}\n", plain(line))).collect()
}
