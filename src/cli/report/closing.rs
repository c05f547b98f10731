//! The entry that closes an `AuditPeriod`, and what it and the status say of the numbers.

use futures::TryStreamExt;

use super::request::ReportRequest;
use comptroller_evidence::{
    data::{ChangeKind, ObjectChange},
    entry::{Data, Entry, EntryType},
    log::LogReader,
    replay::ReplayError,
    verify::{VerifyError, continues},
};
use comptroller_report::period::{
    PeriodClaim,
    model::{DEVIATION_RULE, DeviationRule, PeriodReport},
};
use comptroller_vocabulary::canonical::CanonicalError;

/// What an entry of this type has in its text: most entries of a log need not be parsed.
const TYPE: &[u8] = br#""type":"audit-period""#;

/// That a period is closed, as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// The entry that says so.
    pub entry: u64,
    /// The numbers that it claims.
    pub claim: PeriodClaim,
}

/// Why the numbers of a closed period can't be compared with a log.
#[derive(Debug, thiserror::Error)]
pub enum ClosingError {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] ReplayError),
    /// The log does not continue the checkpoint of the entry.
    #[error("the checkpoint in the entry that closes the period: {0}")]
    Verify(#[from] VerifyError),
    /// The status was summed up before the period was over.
    #[error(
        "the status of AuditPeriod {name} says that it is closed, but it rests on {size} entries, of which the last is from {last}, before the end of the period: somebody else than the operator wrote it, and nothing is reported by it. Give --from and --to, or --as-of, which read the whole log"
    )]
    TooShort { name: String, size: u64, last: String },
}

impl Closing {
    /// Finds the entry that closes the period of a request. None if there is none of this very object.
    pub async fn find(
        reader: &LogReader,
        request: &ReportRequest,
    ) -> Result<Option<Self>, ClosingError> {
        let mut found = None;
        let entries = reader.entries(0..reader.size());
        let mut entries = std::pin::pin!(entries);
        while let Some((index, bytes)) = entries.try_next().await.map_err(ReplayError::Log)? {
            if !bytes.windows(TYPE.len()).any(|window| window == TYPE) {
                continue;
            }
            let wrong = |error| ReplayError::Entry { index, error };
            let entry = Entry::parse(&bytes).map_err(wrong)?;
            if entry.subject.name != request.name {
                continue;
            }
            if let Data::Object(EntryType::AuditPeriod, change) = &entry.data {
                take(&mut found, index, change, request.uid.as_deref());
            }
        }
        let found = found.map(|(entry, claim)| Self { entry, claim });
        if let Some(Self { claim, .. }) = &found {
            continues(reader, claim.checkpoint.as_bytes()).await?;
        }
        Ok(found)
    }

    /// Everything that the status and the report have otherwise than this entry, in sentences.
    pub fn contradictions(
        &self,
        report: &PeriodReport,
        request: &ReportRequest,
        rule: DeviationRule,
    ) -> Result<Vec<String>, CanonicalError> {
        let mut ours = PeriodClaim::closing(report)?;
        if rule != DEVIATION_RULE {
            // Told apart by another rule, the same deviations have another digest.
            ours.report_digest.clone_from(&self.claim.report_digest);
        }
        let mut found = Vec::new();
        let status = request.closed().and_then(PeriodClaim::of_closed);
        let differences = status.map(|status| self.claim.differences(&status)).unwrap_or_default();
        if !differences.is_empty() {
            found.push(format!(
                "the status of AuditPeriod {} is not what entry {} of the log closed the period with: {}; somebody else than the operator wrote it",
                request.name,
                self.entry,
                differences.join(", ")
            ));
        }
        let differences = ours.differences(&self.claim);
        if !differences.is_empty() {
            found.push(format!(
                "entry {} of the log closed the period with other numbers than this report has: {}; the period was closed by another version of the program, or what closed it did not count",
                self.entry,
                differences.join(", ")
            ));
        }
        Ok(found)
    }
}

fn take(
    found: &mut Option<(u64, PeriodClaim)>,
    index: u64,
    change: &ObjectChange,
    uid: Option<&str>,
) {
    match change.change {
        // Of another object of this name.
        ChangeKind::Created | ChangeKind::Deleted => *found = None,
        ChangeKind::Phase => {
            let is_another =
                change.uid.as_deref().zip(uid).is_some_and(|(theirs, ours)| theirs != ours);
            let claim = change.spec.as_ref().and_then(PeriodClaim::read);
            if let Some(claim) = claim.filter(|_| !is_another) {
                // A period closes once: what is said of it later closes nothing.
                found.get_or_insert((index, claim));
            }
        }
        ChangeKind::Updated => {}
    }
}

/// Refuses a status that says "closed" of a log that ends before the period does.
pub async fn refuse_too_short(
    reader: &LogReader,
    request: &ReportRequest,
) -> Result<(), ClosingError> {
    let Some(status) = request.closed() else { return Ok(()) };
    let size = status.log_size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
    let last = size.min(reader.size()).saturating_sub(1);
    let entries = reader.entries(last..size);
    let mut entries = std::pin::pin!(entries);
    let mut at = None;
    while let Some((index, bytes)) = entries.try_next().await.map_err(ReplayError::Log)? {
        let entry = Entry::parse(&bytes).map_err(|error| ReplayError::Entry { index, error })?;
        at = Some(entry.at);
    }
    if at.is_some_and(|at| request.span.is_over(at)) {
        return Ok(());
    }
    let last = at.map_or_else(|| "nowhere".to_owned(), |at| at.to_string());
    Err(ClosingError::TooShort { name: request.name.clone(), size, last })
}

/// What is wrong with a status that says "closed" where no entry does.
pub fn not_closed(request: &ReportRequest) -> Option<String> {
    request.closed().map(|_| {
        format!(
            "the status of AuditPeriod {} says that it is closed, and no entry of the log does: somebody else than the operator wrote it, or an older version closed it; this report reads the whole log and takes nothing from the status",
            request.name
        )
    })
}
