//! What the operator knows, for its pages.

use std::sync::Arc;

use futures::{FutureExt, future};
use kube::{Client, Config};

use super::{
    Cached, Pages, PagesError, ReportMaker,
    log::LogSource,
    site::{Objects, SiteReader},
};
use crate::controllers::{listening::KnownInput, operator::Handle};
use comptroller_evidence::key::VerifierKey;
use comptroller_pages::{Input, ServedBy};
use comptroller_recorder::{Evidence, SignedCheckpoint, Writing};

/// The longest log of which the operator makes a report itself. One of a year of a busy company, with
/// four times as many entries, takes 130 MiB, and the operator has 256 with all else.
const LARGEST_LOG: u64 = 250_000;

/// The operator's pages.
///
/// What they need of the API server beyond the operator's own watches goes over connections of their
/// own, so that a page that is slow delays no watch.
pub fn pages(
    handle: &Handle,
    evidence: &Evidence,
    config: Config,
    instance: String,
    cluster: String,
) -> Result<Pages, PagesError> {
    let signed = evidence.checkpoint();
    let known = move || signed.as_ref().and_then(|signed| signed.borrow().clone());
    let key = known.clone();
    let reports = ReportMaker::new(move || Some(key()?.verifier_key), None, Some(LARGEST_LOG));
    let (held, evidence) = (handle.held.clone(), evidence.clone());
    let board = Arc::clone(&handle.board);
    Pages::start::<kube::Error>(reports, move || {
        let client = Client::try_from(config)?;
        let log = evidence.location().map(|location| {
            let key = known.clone();
            let key = move || VerifierKey::parse(&key()?.verifier_key).ok();
            LogSource::new(location.to_owned(), Box::new(key), None)
        });
        Ok(SiteReader {
            cluster,
            served_by: Box::new(move || ServedBy::Operator {
                instance: instance.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                leads: !matches!(evidence.writing(), Writing::Standby),
            }),
            controls: Objects::Held(held.controls),
            exceptions: Objects::Held(held.exceptions),
            // Of these the operator keeps only what a verdict depends on.
            attestations: Objects::listed(&client),
            responses: Objects::listed(&client),
            periods: Objects::Held(held.periods),
            inputs: Box::new(move || board.inputs().into_iter().map(input).collect()),
            log,
            published_checkpoint: Cached::new(move || {
                future::ready(known().map(|SignedCheckpoint { text, .. }| text)).boxed()
            }),
        })
    })
}

fn input(known: KnownInput) -> Input {
    let KnownInput { name, heard, trouble } = known;
    Input { name, heard, trouble }
}
