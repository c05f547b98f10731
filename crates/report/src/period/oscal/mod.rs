//! The report as OSCAL 1.2.1 assessment-results (NIST), for the tools that read those.
//!
//! It says what was tested and found. `satisfied` stands where no deviation was observed of the controls
//! that serve the criterion, and nowhere else; whether that is enough is the auditor's opinion, which
//! no document of ours gives.

mod findings;
mod limits;
mod model;
mod observations;
mod registers;
mod system;
mod texts;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, io};

use jiff::Timestamp;
use uuid::Uuid;

use self::{
    model::{
        Actor, AssessmentResults, BackMatter, ComponentStatus, ControlId, ControlSelection, Link,
        LocalDefinitions, Nothing, OSCAL_VERSION, Origin, OscalComponent, OscalDocument,
        OscalMetadata, OscalReference, OscalResource, OscalRole, OscalSubject, Party,
        ResponsibleParty, ResultSet, ReviewedControls,
    },
    texts::{EntryLinks, Ids, plain, properties, reference, span, title},
};
use super::{
    format::{PeriodFormat, Render},
    model::{Conclusion, PeriodReport, Provenance, Span},
};

/// OSCAL assessment results 1.2.1, as JSON.
pub(super) const FORMAT: PeriodFormat =
    PeriodFormat::new("oscal", "OSCAL assessment results 1.2.1, as JSON", Render::File(write));

/// Writes it; the same report is the same bytes.
pub fn write(report: &PeriodReport, out: &mut dyn io::Write) -> io::Result<()> {
    crate::json::write_pretty(&document(report), out)
}

/// What every part of the document refers to.
struct OscalContext<'r> {
    report: &'r PeriodReport,
    ids: Ids,
    entry_links: EntryLinks<'r>,
    tool: Uuid,
    cluster: Uuid,
}

impl<'r> OscalContext<'r> {
    fn new(report: &'r PeriodReport) -> Self {
        let provenance = &report.provenance;
        let ids = Ids::new(&provenance.origin, &report.period.name);
        Self {
            tool: ids.id_of(&["component", "comptroller"]),
            cluster: ids.id_of(&["component", "cluster"]),
            entry_links: EntryLinks { source: &provenance.source, size: provenance.log_size },
            ids,
            report,
        }
    }

    fn origin(&self) -> [Origin; 1] {
        [Origin { actors: [Actor { kind: "tool", actor_uuid: self.tool }] }]
    }

    fn subject(&self) -> [OscalSubject; 1] {
        [OscalSubject { subject_uuid: self.cluster, kind: "component" }]
    }

    /// The first and the last moment of what is reported.
    fn bounds(&self) -> (Timestamp, Timestamp) {
        match self.report.period.span {
            Span::TypeI { as_of } => (as_of, as_of),
            Span::TypeII { from, to } => (from, to),
        }
    }
}

fn document(report: &PeriodReport) -> OscalDocument {
    let context = OscalContext::new(report);
    let provenance = &report.provenance;
    let plan = context.ids.id_of(&["resource", "plan"]);
    // Another checkpoint or another run is another document.
    let run_at = provenance.run_at.to_string();
    let uuid = context.ids.id_of(&["document", &provenance.checkpoint, &run_at]);
    OscalDocument {
        assessment_results: AssessmentResults {
            uuid,
            metadata: metadata(&context),
            import_ap: OscalReference { href: format!("#{plan}") },
            results: [result(&context)],
            back_matter: BackMatter { resources: resources(&context, plan) },
        },
    }
}

fn metadata(context: &OscalContext<'_>) -> OscalMetadata {
    let provenance = &context.report.provenance;
    let author = context.ids.id_of(&["party", "author"]);
    let mut parties =
        vec![Party { uuid: author, kind: "person", name: name_of(&provenance.run_by) }];
    let owners: BTreeSet<&str> =
        context.report.controls.iter().map(|control| control.owner.as_str()).collect();
    let mut responsible = vec![ResponsibleParty { role_id: "preparer", party_uuids: vec![author] }];
    let mut roles = vec![OscalRole { id: "preparer", title: "Person who had this document made" }];
    if let Some(company) = &context.report.system_description.company {
        let uuid = context.ids.id_of(&["party", "company", company]);
        parties.push(Party { uuid, kind: "organization", name: name_of(company) });
        responsible.push(ResponsibleParty { role_id: "company", party_uuids: vec![uuid] });
        roles.push(OscalRole { id: "company", title: "Company that the report is about" });
    }
    if !owners.is_empty() {
        let id = |owner: &str| context.ids.id_of(&["party", "owner", owner]);
        let party_uuids = owners.iter().map(|owner| id(owner)).collect();
        parties.extend(owners.iter().map(|owner| Party {
            uuid: id(owner),
            kind: "organization",
            name: name_of(owner),
        }));
        responsible.push(ResponsibleParty { role_id: "control-owner", party_uuids });
        roles.push(OscalRole { id: "control-owner", title: "Owner of a control" });
    }
    OscalMetadata {
        title: title(&format!("Assessment results: {}", context.report.period.name)),
        last_modified: provenance.run_at,
        version: format!("log-size-{}", provenance.log_size),
        oscal_version: OSCAL_VERSION,
        props: properties([
            ("cluster", provenance.cluster.as_str().into()),
            ("log-origin", provenance.origin.as_str().into()),
            ("log-source", provenance.source.as_str().into()),
            ("log-size", provenance.log_size.to_string().into()),
            ("first-entry", provenance.first_entry.to_string().into()),
            ("run-by", provenance.run_by.as_str().into()),
            ("generator-version", provenance.version.as_str().into()),
            ("reperform-command", provenance.command.as_str().into()),
            ("verify-command", provenance.verify_command.as_str().into()),
        ]),
        links: links(context),
        roles,
        parties,
        responsible_parties: responsible,
        remarks: plain(&format!(
            "This document states facts from a tamper-evident log and gives no opinion. {} {}",
            provenance.verification, provenance.completeness
        )),
    }
}

/// To what the document rests on.
fn links(context: &OscalContext<'_>) -> Vec<Link> {
    [
        ("log", "The evidence log"),
        ("checkpoint", "Its signed checkpoint"),
        ("verifier-key", "Its verifier key"),
    ]
    .map(|(name, text)| {
        let resource = context.ids.id_of(&["resource", name]);
        Link { href: format!("#{resource}"), rel: "reference", text }
    })
    .into()
}

fn name_of(party: &str) -> String {
    let name = crate::visible(party);
    let name = name.trim();
    if name.is_empty() { "(unnamed)".to_owned() } else { name.to_owned() }
}

fn result(context: &OscalContext<'_>) -> ResultSet {
    let report = context.report;
    let (start, end) = context.bounds();
    let over = match report.period.span {
        Span::TypeI { as_of } => format!("Design and implementation at {as_of}"),
        Span::TypeII { from, to } => format!("Operation from {}", span(from, to)),
    };
    let summary = &report.summary;
    let observations = observations::all(context);
    let (findings, risks) = findings::all(context);
    ResultSet {
        uuid: context.ids.id_of(&["result"]),
        title: title(&report.period.name),
        description: plain(&format!("{over}. {}", counts(report))),
        start,
        end,
        props: properties([
            ("coverage", summary.coverage.text().into()),
            ("observed-seconds", summary.coverage.observed_seconds.to_string().into()),
            ("expected-seconds", summary.coverage.expected_seconds.to_string().into()),
        ]),
        local_definitions: LocalDefinitions { components: components(context) },
        reviewed_controls: ReviewedControls { control_selections: [selection(report)] },
        observations,
        risks,
        findings,
    }
}

/// How many controls came to which conclusion, and how many deviations there are.
fn counts(report: &PeriodReport) -> String {
    let summary = &report.summary;
    let counted: Vec<String> = Conclusion::ALL
        .iter()
        .map(|conclusion| {
            let of = report.controls.iter().filter(|one| one.conclusion == *conclusion).count();
            format!("{conclusion} {of}")
        })
        .collect();
    let counted = format!("Controls: {}, by conclusion: {}.", summary.controls, counted.join(", "));
    match report.period.span {
        Span::TypeI { .. } => format!("{counted} Open deviations: {}.", summary.open_deviations),
        Span::TypeII { .. } => format!(
            "{counted} Deviations: {}, of which {} were not seen to end. There is evidence for {} of the time of the controls that the cluster answers; below {} percent nothing is concluded.",
            summary.deviations,
            summary.open_deviations,
            summary.coverage.text(),
            summary.minimum_observation,
        ),
    }
}

fn components(context: &OscalContext<'_>) -> Vec<OscalComponent> {
    let provenance = &context.report.provenance;
    let component = |uuid, kind, title: &str, description: &str, property| OscalComponent {
        uuid,
        kind,
        title: title.to_owned(),
        description: description.to_owned(),
        props: properties([property]),
        status: ComponentStatus { state: "operational" },
    };
    let mut all = vec![
        component(
            context.tool,
            "software",
            "Comptroller",
            "The operator that tested the controls and wrote the evidence log.",
            ("version", provenance.version.as_str().into()),
        ),
        component(
            context.cluster,
            "this-system",
            "Kubernetes cluster",
            "The cluster whose state was tested, named by the uid of its namespace kube-system.",
            ("uid", provenance.cluster.as_str().into()),
        ),
    ];
    all.extend(system::components(context));
    all
}

fn selection(report: &PeriodReport) -> ControlSelection {
    let include: Vec<ControlId> = report
        .criteria
        .iter()
        .map(|criterion| ControlId { control_id: criterion_id(&criterion.id) })
        .collect();
    // The schema wants one control at least in a list.
    if include.is_empty() {
        ControlSelection::All { include: Nothing {} }
    } else {
        ControlSelection::Some { include }
    }
}

/// `cc6.1`: ids of OSCAL catalogs are lower case.
fn criterion_id(id: &str) -> String {
    id.to_ascii_lowercase()
}

fn resources(context: &OscalContext<'_>, plan: Uuid) -> Vec<OscalResource> {
    let Provenance { source, checkpoint, verifier_key, verify_command, command, .. } =
        &context.report.provenance;
    let resource = |name: &str, title, description: String| OscalResource {
        uuid: context.ids.id_of(&["resource", name]),
        title,
        description,
        rlinks: Vec::new(),
    };
    let mut log = resource(
        "log",
        "Evidence log",
        format!("The log that this document is a fold of. To verify it: {}", plain(verify_command)),
    );
    log.rlinks.push(OscalReference { href: reference(source) });
    let mut all = vec![
        OscalResource {
            uuid: plan,
            title: "How the controls are assessed",
            description: plain(&format!(
                "There is no assessment plan as an OSCAL document: every control declares its own test, which the operator evaluates continuously. To make this document again: {command}"
            )),
            rlinks: Vec::new(),
        },
        log,
        resource("checkpoint", "Signed checkpoint of the log", verbatim(checkpoint)),
        resource("verifier-key", "Verifier key of the log", verbatim(verifier_key)),
    ];
    all.extend(system::resources(context));
    all
}

/// Text to be kept to the letter: an indented block of Markdown, of which nothing is interpreted.
fn verbatim(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {}\n", crate::visible(line)));
    lines.collect::<Vec<_>>().concat()
}
