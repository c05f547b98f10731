//! Attestations, by the control that they answer.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    IndexUpdate, Object,
    facts::{Facts, MetadataOnly, Projection, ProjectionError, read},
    intern::{Interner, Symbol},
};
use crate::api::{Artifact, AttestationOutcome, AttestationSpec, GROUP, VERSION};
use comptroller_vocabulary::canonical;

/// What checks read of an `Attestation`, and what is recorded of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttestationFacts {
    /// The name of the Attestation, by which statuses and the log cite it.
    pub name: String,
    /// The control that it answers.
    pub control: String,
    /// The occurrence that it answers.
    pub period: String,
    /// The user who attests.
    pub attested_by: String,
    /// The user who wrote it on behalf of that one. None if they are the same.
    pub recorded_by: Option<String>,
    /// When the procedure was performed.
    pub performed_at: Timestamp,
    /// When the record reached the API server. None in a manifest that was never applied.
    pub recorded_at: Option<Timestamp>,
    /// Whether the procedure had findings.
    pub outcome: AttestationOutcome,
    /// The version of what was reviewed. None if the record gives none.
    pub version: Option<String>,
    /// The people who took part.
    pub participants: Box<[String]>,
    /// What was done and what the result was.
    pub summary: Box<str>,
    /// What proves that it was performed, with digests.
    pub artifacts: Box<[Artifact]>,
    /// The name of the record that it corrects. None if it is not a correction.
    pub corrects: Option<String>,
    /// The digest of the whole spec, summary included, as the log records it.
    pub spec_digest: String,
}

/// The projection of attestations.
pub const PROJECTIONS: &[Projection] =
    &[Projection { group: GROUP, kind: "Attestation", versions: &[VERSION], project }];

#[derive(Deserialize)]
struct AttestationObject {
    spec: AttestationSpec,
}

fn project(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let metadata = MetadataOnly::deserialize(object)?.metadata;
    let spec = read::<AttestationObject>(object)?.spec;
    let spec_digest =
        canonical::digest(&spec).map_err(|error| ProjectionError(format!("spec: {error}")))?;
    Ok(Facts::Attestation(Arc::new(AttestationFacts {
        recorded_at: metadata.created()?,
        name: metadata.name.unwrap_or_default(),
        control: spec.control,
        period: spec.period,
        attested_by: spec.attested_by,
        recorded_by: spec.recorded_by,
        performed_at: spec.performed_at.0,
        outcome: spec.outcome,
        version: spec.version,
        participants: spec.participants.into(),
        summary: spec.summary.into(),
        artifacts: spec.artifacts.into(),
        corrects: spec.corrects,
        spec_digest,
    })))
}

/// Attestations by control, and within a control by name, so that nothing depends on the order in which
/// they came.
#[derive(Debug, Default)]
pub struct RecordIndex {
    by_control: BTreeMap<String, BTreeMap<Symbol, Arc<AttestationFacts>>>,
}

impl RecordIndex {
    /// The attestations that answer a control, by name.
    pub fn answering(&self, control: &str) -> impl Iterator<Item = &Arc<AttestationFacts>> {
        self.by_control.get(control).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn update(&mut self, update: &IndexUpdate<'_>) {
        if let Some((name, facts)) = update.before.and_then(attestation)
            && let Some(records) = self.by_control.get_mut(&facts.control)
        {
            // A record cannot change its control, but it may be deleted and recreated under its name.
            records.remove(name);
            if records.is_empty() {
                self.by_control.remove(&facts.control);
            }
        }
        if let Some((name, facts)) = update.after.and_then(attestation) {
            let records = self.by_control.entry(facts.control.clone()).or_default();
            records.insert(name.clone(), Arc::clone(facts));
        }
    }
}

fn attestation(object: &Object) -> Option<(&Symbol, &Arc<AttestationFacts>)> {
    match &object.facts {
        Facts::Attestation(facts) => Some((&object.name, facts)),
        _ => None,
    }
}
