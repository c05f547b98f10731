//! Reports to download: made by the code of `comptroller report`, one at a time.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt;
use tokio::{sync::Semaphore, time::timeout};

use super::{Answer, Asker, Download, log::LogSource, zip};
use crate::cli::report::{MadeReport, PeriodReportRequest};
use comptroller_core::api::AuditPeriod;
use comptroller_pages::{Problem, Site, report_download};
use comptroller_report::{
    period::{FORMATS, PeriodFormat, Rendered},
    shell_word,
};

/// How long a report may take.
const LIMIT: Duration = Duration::from_mins(2);

/// A report that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    period: String,
    file: &'static FileKind,
}

/// A file that is offered of every period.
#[derive(Debug, PartialEq, Eq)]
struct FileKind {
    /// The name of the report's format.
    format: &'static str,
    /// How the name of the file ends.
    ending: &'static str,
    content_type: &'static str,
}

const FILES: &[FileKind] = &[
    FileKind { format: "html", ending: ".html", content_type: "text/html; charset=utf-8" },
    FileKind { format: "csv", ending: "-csv.zip", content_type: "application/zip" },
    FileKind { format: "json", ending: ".json", content_type: "application/json" },
    FileKind { format: "oscal", ending: "-oscal.json", content_type: "application/json" },
];

/// The report that a path asks for. None for any other path.
pub fn wanted(path: &str) -> Option<Wanted> {
    let (period, format) = report_download(path)?;
    let file = FILES.iter().find(|known| known.format == format)?;
    Some(Wanted { period, file })
}

/// Makes reports.
pub struct ReportMaker {
    /// The verifier key, in note format or a file with it. None: the one beside the log.
    pub key: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// A file with the policy of the witnesses. None: the one beside the log.
    pub policy: Option<std::path::PathBuf>,
    /// The longest log of which a report is made here: it takes memory that others need. None: any.
    pub largest_log: Option<u64>,
    turn: Arc<Semaphore>,
}

impl ReportMaker {
    pub fn new(
        key: impl Fn() -> Option<String> + Send + Sync + 'static,
        policy: Option<std::path::PathBuf>,
        largest_log: Option<u64>,
    ) -> Self {
        Self { key: Box::new(key), policy, largest_log, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Makes a report of a period that the site knows.
    pub(super) async fn make(
        &self,
        wanted: &Wanted,
        site: &Site,
        log: Option<&LogSource>,
        asker: Asker,
    ) -> Result<Answer, Problem> {
        let named = |period: &&Arc<AuditPeriod>| period.name_any() == wanted.period;
        let Some(period) = site.periods.items.iter().find(named) else {
            return Err(match &site.periods.trouble {
                Some(trouble) => Problem::Unavailable(trouble.clone()),
                None => Problem::NotFound,
            });
        };
        let Some(log) = log else {
            return Err(Problem::Unavailable(
                "A report is made from the evidence log, and none was given. Start the operator, or `comptroller ui`, with --evidence.".to_owned(),
            ));
        };
        let command = command(wanted, log);
        if self.largest_log.is_some_and(|most| log.size() > most) {
            return Err(Problem::Unavailable(format!(
                "The evidence log has {} entries: a report of it would take memory that the operator needs. Make it on another machine, with `{command}`, or download it from `comptroller ui --evidence {}`.",
                log.size(),
                shell_word(log.location())
            )));
        }
        let Ok(_turn) = self.turn.try_acquire() else {
            return Err(Problem::Unavailable(
                "Another report is being made, and they are made one at a time. Try again in a moment.".to_owned(),
            ));
        };
        let format = FORMATS.iter().find(|known| known.name == wanted.file.format);
        let format: &'static PeriodFormat = format.ok_or(Problem::NotFound)?;
        let request = PeriodReportRequest {
            period,
            evidence: log.location(),
            key: (self.key)(),
            policy: self.policy.clone(),
            format,
            run_by: run_by(asker),
        };
        let made = timeout(LIMIT, request.make()).await;
        let made = made.map_err(|_| {
            Problem::Unavailable(format!(
                "The report was not ready after {} seconds. Make it with `{command}`, which takes as long as it takes.",
                LIMIT.as_secs()
            ))
        })?;
        let MadeReport { rendered, mismatch } = made.map_err(|error| {
            Problem::Failed(format!(
                "The report can't be made: {error}. `{command}` tries the same."
            ))
        })?;
        // Whoever downloads a file reads no exit code: a report that contradicts its period is not
        // handed out without a word.
        if let Some(mismatch) = mismatch {
            return Err(Problem::Failed(format!(
                "The report is not handed out, because it contradicts what else is known: {mismatch}. `{command}` writes it all the same."
            )));
        }
        let bytes = match rendered {
            Rendered::File(bytes) => bytes,
            Rendered::Files(files) => {
                zip::archive(&files).map_err(|error| Problem::Failed(error.to_string()))?
            }
        };
        let name = format!("comptroller-{}{}", safe(&wanted.period), wanted.file.ending);
        Ok(Answer::File(Download { name, content_type: wanted.file.content_type, bytes }))
    }
}

/// The command that makes the same report.
fn command(wanted: &Wanted, log: &LogSource) -> String {
    let Wanted { period, file } = wanted;
    let output = match file.format {
        "csv" => safe(period),
        _ => format!("{}{}", safe(period), file.ending),
    };
    format!(
        "comptroller report {} --evidence {} -o {} --output {output}",
        shell_word(period),
        shell_word(log.location()),
        file.format
    )
}

fn run_by(asker: Asker) -> String {
    match asker.user {
        Some(user) => format!("{user} (as the API server knows them)"),
        None => "somebody on the operator's machine".to_owned(),
    }
}

/// A name that is fit for a header and for every file system.
fn safe(name: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    name.chars().map(|c| if is_safe(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_period_are_known_and_nothing_else_is() {
        for (path, found) in [
            ("/ui/periods/2026-q4/report.html", Some(("2026-q4", "html"))),
            ("/ui/periods/2026-q4/report.csv", Some(("2026-q4", "csv"))),
            ("/ui/periods/2026-q4/report.oscal", Some(("2026-q4", "oscal"))),
            ("/ui/periods/2026-q4/report.exe", None),
            ("/ui/periods/2026-q4", None),
            ("/ui/periods/a", None),
            ("/ui/controls/a/report.html", None),
        ] {
            let wanted = wanted(path);
            let wanted = wanted.as_ref().map(|it| (it.period.as_str(), it.file.format));
            assert_eq!(wanted, found, "{path}");
        }
        for file in FILES {
            assert!(FORMATS.iter().any(|format| format.name == file.format), "{}", file.format);
        }
        assert_eq!(safe("a\"\r\n\u{fc}/..b"), "a_____..b");
    }
}
