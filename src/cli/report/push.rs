//! `comptroller report push`: sends the report to an endpoint that a person names.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::ReportArgs;
use crate::{
    cli::{format_parser, output::to_stdout},
    outbound::{PlainHttp, Sent, Target},
};
use comptroller_report::period::{FORMATS, PeriodFormat, Rendered};
use comptroller_vocabulary::hex;

/// How long the receiver may take: it may well store the report before it answers.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How often it is sent to a receiver that can't take it for now.
const TRIES: u32 = 4;

/// The wait after the first failure; it doubles.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How many steps a template may take: a loop over 100,000 findings, many times over.
const FUEL: u64 = 50_000_000;

/// The largest template and file of headers, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Send the report for an audit period to an HTTPS endpoint.
///
/// The body is the report as `-o` writes it, JSON by default, or what a template makes of the JSON report. In
/// a template (Jinja, as minijinja has it) every `{{ value }}` is written as JSON, with its quotes: write
/// `{"name": {{ period.name }}}`.
///
/// Exit code 0: the receiver took it, or with --dry-run it was printed. 1: nothing was sent, since the status
/// of the audit period, or the entry that closes it, has another number. 2: the report could not be made, or
/// the receiver did not take it.
#[derive(Clone, Debug, clap::Args)]
pub struct PushArgs {
    /// The endpoint: an https URL, or http on this machine.
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// A template that makes the body of the JSON report, and must make JSON.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// A file with headers for the request, a line each: `Authorization: Bearer TOKEN`.
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    /// Print what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// Why a report can't be sent.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("{} has more than 1 MiB: it is not a {what}", path.display())]
    TooLarge { path: PathBuf, what: &'static str },
    #[error("{} line {line} is not a header: write NAME: VALUE", path.display())]
    Header { path: PathBuf, line: usize },
    #[error("{}: {why}", path.display())]
    Template { path: PathBuf, why: String },
    #[error(
        "{} does not make JSON: {error}. Values bring their quotes: write {{{{ name }}}} without any around it",
        path.display()
    )]
    NotJson { path: PathBuf, error: serde_json::Error },
    #[error("-o {0} is several files: a push sends one, so use json, html or oscal")]
    Several(&'static str),
    #[error("a template reads the JSON report: leave out -o {0}, or the template")]
    TemplateFormat(&'static str),
    #[error("a push writes no file: leave out --output, or see the body with --dry-run")]
    Output,
    #[error(
        "{host} does not take the report: {why}. Check --endpoint, the header file and the template; --dry-run prints what is sent"
    )]
    Refused { host: String, why: String },
    #[error(
        "{host} did not take the report in {TRIES} attempts: {why}. Send it again later: the same report has the same Idempotency-Key"
    )]
    Failed { host: String, why: String },
}

/// Makes the report and sends it; returns the exit code.
pub fn run(args: &PushArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let target = Target::new("--endpoint", &args.endpoint, PlainHttp::Loopback, TIMEOUT)?;
    let headers = args.header_file.as_deref().map(read_headers).transpose()?.unwrap_or_default();
    // Mistakes are reported before a long log is read.
    let template = match &args.template {
        Some(path) => Some((path.as_path(), read_file(path, "template")?)),
        None => None,
    };
    let report = &args.report;
    if report.output.is_some() {
        return Err(PushError::Output.into());
    }
    let json = format_parser::find(FORMATS, "json")?;
    let format = report.format.unwrap_or(json);
    if format.is_several_files() || format.needs_samples() {
        return Err(PushError::Several(format.name).into());
    }
    if template.is_some() && format.name != json.name {
        return Err(PushError::TemplateFormat(format.name).into());
    }
    let made = make(&ReportArgs { format: Some(format), ..report.clone() }, format)?;
    if let Some(mismatch) = made.mismatch {
        eprintln!("comptroller: nothing is sent: {mismatch}");
        return Ok(1);
    }
    let Rendered::File(bytes) = made.rendered else {
        return Err(PushError::Several(format.name).into());
    };
    let body = match template {
        Some((path, text)) => fill(path, &text, &bytes)?,
        None => bytes,
    };
    let media_type = match format.name {
        "html" => "text/html; charset=utf-8",
        _ => "application/json",
    };
    if args.dry_run {
        print(args, &headers, media_type, &body)?;
        return Ok(0);
    }
    let key = idempotency_key(&made.digest, &args.endpoint);
    send(&target, headers, media_type, &key, &body)?;
    Ok(0)
}

#[tokio::main(flavor = "current_thread")]
async fn make(
    args: &ReportArgs,
    format: &'static PeriodFormat,
) -> Result<super::MadeReport, Box<dyn std::error::Error>> {
    super::render(args, format).await
}

/// By this a receiver that knows the header keeps a report once that is sent twice: it is another when the
/// report says something else, and not when it is made again.
fn idempotency_key(digest: &str, endpoint: &str) -> String {
    hex(&Sha256::digest(format!("{digest}\n{endpoint}")))
}

#[tokio::main(flavor = "current_thread")]
async fn send(
    target: &Target,
    mut headers: HeaderMap,
    media_type: &'static str,
    key: &str,
    body: &[u8],
) -> Result<(), PushError> {
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(media_type));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.entry(HeaderName::from_static("idempotency-key")).or_insert(key);
    }
    let host = target.host();
    let mut wait = FIRST_RETRY;
    let mut tries = 1;
    loop {
        match target.post(headers.clone(), body.to_vec()).await {
            Sent::Accepted => return Ok(()),
            // Nobody changes the credentials while a command waits.
            Sent::Refused(why) | Sent::Denied(why) => return Err(PushError::Refused { host, why }),
            Sent::Failed(why) if tries == TRIES => return Err(PushError::Failed { host, why }),
            Sent::Failed(why) => {
                eprintln!("comptroller: {host} does not take the report yet, trying again: {why}");
                tokio::time::sleep(wait).await;
            }
        }
        tries += 1;
        wait = wait.saturating_mul(2);
    }
}

/// What would be sent. Headers from a file have credentials, so only their names are shown.
fn print(
    args: &PushArgs,
    headers: &HeaderMap,
    media_type: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let shown = |text: &str| comptroller_vocabulary::visible(text).into_owned();
    eprintln!("POST {}", shown(&args.endpoint));
    if !headers.contains_key(CONTENT_TYPE) {
        eprintln!("content-type: {media_type}");
    }
    for name in headers.keys() {
        eprintln!("{name}: (from the header file)");
    }
    to_stdout(|stdout| {
        stdout.write_all(body)?;
        stdout.write_all(b"\n")
    })
}

fn read_file(path: &Path, what: &'static str) -> Result<String, PushError> {
    let failed = |error| PushError::File { path: path.to_owned(), error };
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
        return Err(PushError::TooLarge { path: path.to_owned(), what });
    }
    fs::read_to_string(path).map_err(failed)
}

fn read_headers(path: &Path) -> Result<HeaderMap, PushError> {
    let mut headers = HeaderMap::new();
    for (number, line) in read_file(path, "file of headers")?.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = || PushError::Header { path: path.to_owned(), line: number + 1 };
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Fills a template with the JSON report. Every value is written as JSON, so that no name in the report
/// can add a field to what is sent.
fn fill(path: &Path, template: &str, report: &[u8]) -> Result<Vec<u8>, PushError> {
    let wrong = |error: minijinja::Error| {
        let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        PushError::Template {
            path: path.to_owned(),
            why: format!(
                "{line}{}{detail}; the fields are those of comptroller report -o json",
                error.kind()
            ),
        }
    };
    let report: Value = serde_json::from_slice(report)
        .map_err(|error| PushError::NotJson { path: path.to_owned(), error })?;
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Json);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let text = environment.render_str(template, minijinja::value::Serde(&report)).map_err(wrong)?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .map_err(|error| PushError::NotJson { path: path.to_owned(), error })?;
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> Result<Value, String> {
        let report = json!({
            "period": {"name": "\"}, \"admin\": true, {\"</script>\u{2028}"},
            "controls": [{"name": "a", "deviations": 2}, {"name": "b", "deviations": 0}],
        });
        let filled = fill(Path::new("t.json"), template, &serde_json::to_vec(&report).unwrap());
        filled
            .map(|bytes| serde_json::from_slice(&bytes).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_stays_the_value_that_it_is() {
        let name = "\"}, \"admin\": true, {\"</script>\u{2028}";
        assert_eq!(filled(r#"{"name": {{ period.name }}}"#).unwrap(), json!({"name": name}));
        let list = r"[{% for one in controls if one.deviations > 0 %}{{ one.name }}{% endfor %}]";
        assert_eq!(filled(list).unwrap(), json!(["a"]));
        let joined = r#"{"title": {{ "SOC 2: " ~ period.name }}, "all": {{ controls }}}"#;
        assert_eq!(filled(joined).unwrap()["title"], format!("SOC 2: {name}"));
    }

    #[test]
    fn a_mistake_in_a_template_is_said() {
        for (template, said) in [
            (r#"{"name": "{{ period.name }}"}"#, "bring their quotes"),
            ("{\n\"name\": {{ period.nam }}}", "line 2"),
            ("{{ period.name", "t.json"),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                "fuel",
            ),
        ] {
            let error = filled(template).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_header_file_has_headers_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        fs::write(&path, "Authorization: Bearer a:b\n\nX-Tenant: 7\n").unwrap();
        let headers = read_headers(&path).unwrap();
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert_eq!(headers["x-tenant"], "7");
        fs::write(&path, "Authorization: x\nno header\n").unwrap();
        assert!(read_headers(&path).unwrap_err().to_string().contains("line 2"));
    }
}
