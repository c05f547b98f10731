//! `comptroller attest`: records that a person performed the procedure that a control requires.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use kube::{Api, api::PostParams};
use sha2::{Digest, Sha256};

use super::{
    arguments::moment,
    cluster::{ClusterArgs, ClusterError, api_message, whoami},
    output::to_stdout,
};
use comptroller_core::{
    api::{
        Artifact, Attestation, AttestationOutcome, AttestationSpec, Control, InvalidSpec,
        Occurrence, OccurrencePhase,
        test_spec::{AttestationTest, RequiredPart},
        time::whole_seconds,
    },
    checks::attestation::{event_number, requirements},
};
use comptroller_vocabulary::canonical;

/// How many characters of a control's name are part of the record's name.
const SHOWN_NAME: usize = 180;

/// The procedure that was performed.
#[derive(Clone, Debug, clap::Args)]
pub struct AttestArgs {
    /// The control that requires it.
    #[arg(value_name = "CONTROL")]
    pub control: String,
    /// What was done, and the result.
    #[arg(long, value_name = "TEXT")]
    pub summary: String,
    /// A file that shows it, and where it is kept; its SHA-256 is recorded. Can be repeated.
    #[arg(long = "artifact", value_name = "FILE[=URI]")]
    pub artifacts: Vec<String>,
    /// When it was performed, such as 2026-11-20 or 2026-11-20T09:00:00Z. Default: now.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub performed_at: Option<Timestamp>,
    /// The version of the document that was reviewed.
    #[arg(long = "version", value_name = "VERSION")]
    pub reviewed_version: Option<String>,
    /// How the procedure ended.
    #[arg(long, value_enum, default_value_t)]
    pub outcome: OutcomeArg,
    /// A person who took part; can be repeated.
    #[arg(long = "participant", value_name = "PERSON")]
    pub participants: Vec<String>,
    /// The occurrence, if several are open. Default: the one that is due first.
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<String>,
    /// The Attestation that this one corrects.
    #[arg(long, value_name = "NAME")]
    pub corrects: Option<String>,
    /// Write the record for somebody else. Only writers named by the cluster's administrator may do so.
    #[arg(long, value_name = "USER")]
    pub on_behalf_of: Option<String>,
    /// Print the record instead of writing it.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print the record that was written.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub output: Option<RecordFormat>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// The outcome, as the command line spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OutcomeArg {
    /// Performed, with nothing left to do.
    #[default]
    #[value(name = "Completed", alias = "completed")]
    Completed,
    /// Performed, with findings that are followed up elsewhere.
    #[value(name = "CompletedWithFindings", alias = "completed-with-findings")]
    CompletedWithFindings,
}

/// The format of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RecordFormat {
    /// The whole object as YAML.
    Yaml,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// There is no connection to a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The control does not exist, or may not be read.
    #[error(
        "the control {} can't be read: {}; `kubectl get controls` lists all controls",
        .0,
        api_message(.1)
    )]
    Control(String, #[source] kube::Error),
    /// The API server does not say who the user is.
    #[error(
        "the API server does not say who you are: {}; check the credentials of the kubeconfig",
        api_message(.0)
    )]
    Whoami(#[source] kube::Error),
    /// The control has another test.
    #[error("{0} is evaluated by the operator and needs no attestation: its test is {1}")]
    NotHuman(String, String),
    /// The operator has not scheduled any occurrence.
    #[error(
        "{0} has no occurrences yet: check that the operator runs, with `kubectl get control {0}`"
    )]
    NotScheduled(String),
    /// No occurrence is open.
    #[error("{control} has no open occurrence: {next}")]
    NotOpen {
        control: String,
        /// When the next one opens, or how the last one ended.
        next: String,
    },
    /// The given occurrence is not open.
    #[error(
        "{period} of {control} is {phase}, and only an open occurrence can be attested; open: {open}"
    )]
    WrongPeriod { control: String, period: String, phase: String, open: String },
    /// Parts that the control requires are missing.
    #[error("{control} requires {0}", .missing.join(" and "))]
    Missing {
        control: String,
        /// Each missing part, with the option to give.
        missing: Vec<String>,
    },
    /// The user is not one of the control's attesters.
    #[error("{0} is not among the attesters of {1}: have one of {2} attest")]
    NotAttester(String, String, String),
    /// The time would not count.
    #[error("--performed-at {0} {1}")]
    PerformedAt(Timestamp, String),
    /// An artifact can't be read.
    #[error("the artifact {0} can't be read: {1}; give FILE or FILE=URI")]
    Artifact(PathBuf, #[source] io::Error),
    /// The API server would reject the record.
    #[error("the record would be rejected: {0}")]
    Invalid(#[from] InvalidSpec),
    #[error("{0} has been recorded already: to correct it, attest again with --corrects {0}")]
    Exists(String),
    /// The API server rejected the record.
    #[error("the record was rejected: {0}")]
    Refused(String),
    /// The record can't be written.
    #[error("the record can't be written: {0}")]
    Write(#[source] kube::Error),
    /// The record can't be expressed in YAML.
    #[error("the record can't be printed: {0}")]
    Print(#[from] yaml_serde::Error),
    /// Standard output can't be written.
    #[error("the record can't be printed: {0}")]
    Output(#[from] io::Error),
}

/// Records the attestation, or prints what it would record.
pub fn run(args: &AttestArgs) -> Result<u8, Box<dyn std::error::Error>> {
    attest(args)?;
    Ok(0)
}

#[tokio::main(flavor = "current_thread")]
async fn attest(args: &AttestArgs) -> Result<(), AttestError> {
    let client = args.cluster.client().await?;
    let user = whoami(&client).await.map_err(AttestError::Whoami)?.unwrap_or_default();
    let controls: Api<Control> = Api::all(client.clone());
    let control = controls.get(&args.control).await;
    let control = control.map_err(|error| AttestError::Control(args.control.clone(), error))?;
    let artifacts = args.artifacts.iter().map(|text| artifact(text)).collect::<Result<_, _>>()?;
    let record = record(args, &control, &user, artifacts, Timestamp::now())?;
    if args.dry_run {
        return print(&record);
    }
    let name = record.metadata.name.clone().unwrap_or_default();
    let written = Api::<Attestation>::all(client).create(&PostParams::default(), &record).await;
    let written = written.map_err(|error| match error {
        // The name is derived from person, occurrence and correction, so this is the same record.
        kube::Error::Api(status) if status.code == 409 => AttestError::Exists(name.clone()),
        kube::Error::Api(status) => AttestError::Refused(status.message),
        other => AttestError::Write(other),
    })?;
    if args.output == Some(RecordFormat::Yaml) {
        return print(&written);
    }
    let spec = &written.spec;
    to_stdout(|out| {
        writeln!(
            out,
            "attestation.comptroller.dev/{name} recorded: {} {}",
            spec.control, spec.period
        )
    })?;
    Ok(())
}

fn print(record: &Attestation) -> Result<(), AttestError> {
    let text = yaml_serde::to_string(record)?;
    Ok(to_stdout(|out| out.write_all(text.as_bytes()))?)
}

/// The record for the open occurrence of a control.
///
/// # Errors
/// Anything for which the operator would not count the record, or the API server would reject it, so that
/// people learn of it now and not after the due date.
pub fn record(
    args: &AttestArgs,
    control: &Control,
    user: &str,
    artifacts: Vec<Artifact>,
    now: Timestamp,
) -> Result<Attestation, AttestError> {
    let name = &args.control;
    let Some(test) = &control.spec.test.attestation else {
        let kind = control.spec.test.kind().map_or("none", comptroller_core::api::TestKind::as_str);
        return Err(AttestError::NotHuman(name.clone(), kind.to_owned()));
    };
    let status = control.status.as_ref();
    let occurrences = status.map(|status| status.occurrences.as_slice()).unwrap_or_default();
    // Of what events opened a status shows the newest: an older one is judged by the operator alone.
    let is_older = args.period.as_deref().is_some_and(|period| is_older(period, occurrences));
    let occurrence = if is_older { None } else { Some(choose(args, occurrences)?) };
    let rule = occurrence.and_then(|one| one.rule.as_ref()).unwrap_or(test);
    let attested_by = args.on_behalf_of.as_deref().unwrap_or(user);
    check_attester(name, attested_by, rule)?;
    let performed_at = args.performed_at.unwrap_or(now);
    if let Some(occurrence) = occurrence {
        check_time(performed_at, args.performed_at.is_some(), occurrence, now)?;
    }
    let period = occurrence.map_or(args.period.as_ref(), |one| Some(&one.period));
    let spec = AttestationSpec {
        control: name.clone(),
        period: period.cloned().unwrap_or_default(),
        attested_by: attested_by.to_owned(),
        recorded_by: (attested_by != user).then(|| user.to_owned()),
        performed_at: whole_seconds(performed_at),
        summary: args.summary.clone(),
        participants: args.participants.clone(),
        artifacts,
        version: args.reviewed_version.clone(),
        outcome: match args.outcome {
            OutcomeArg::Completed => AttestationOutcome::Completed,
            OutcomeArg::CompletedWithFindings => AttestationOutcome::CompletedWithFindings,
        },
        corrects: args.corrects.clone(),
    };
    check_required(name, &spec, rule)?;
    spec.validate()?;
    Ok(Attestation::new(&name_of(&spec), spec))
}

/// Whether an event opened an occurrence before all that the status shows.
fn is_older(period: &str, occurrences: &[Occurrence]) -> bool {
    let shown = occurrences.first().and_then(|oldest| event_number(&oldest.period));
    match (event_number(period), shown) {
        (Some(number), Some(oldest)) => (1..oldest).contains(&number),
        _ => false,
    }
}

/// The given occurrence, or else the open one that is due first.
fn choose<'a>(
    args: &AttestArgs,
    occurrences: &'a [Occurrence],
) -> Result<&'a Occurrence, AttestError> {
    let control = &args.control;
    let Some(last) = occurrences.last() else {
        return Err(AttestError::NotScheduled(control.clone()));
    };
    let is_open = |one: &&Occurrence| one.phase == OccurrencePhase::Open;
    let open: Vec<&str> =
        occurrences.iter().filter(is_open).map(|one| one.period.as_str()).collect();
    if let Some(period) = &args.period {
        let known = occurrences.iter().find(|one| one.period == *period);
        return known.filter(is_open).ok_or_else(|| AttestError::WrongPeriod {
            control: control.clone(),
            period: period.clone(),
            phase: known.map_or("not known", |one| one.phase.as_str()).to_owned(),
            open: if open.is_empty() { "none".to_owned() } else { open.join(", ") },
        });
    }
    occurrences.iter().find(is_open).ok_or_else(|| AttestError::NotOpen {
        control: control.clone(),
        next: match last.phase {
            OccurrencePhase::Scheduled => {
                let before = occurrences.iter().rev().nth(1);
                let before = before.map(|one| format!("{} is {}, and ", one.period, one.phase));
                format!("{}{} opens at {}", before.unwrap_or_default(), last.period, last.opens.0)
            }
            phase => format!("the last one, {}, is {phase}", last.period),
        },
    })
}

fn check_attester(control: &str, person: &str, rule: &AttestationTest) -> Result<(), AttestError> {
    requirements::check_attester(person, rule).map(drop).map_err(|_| {
        let users = rule.attesters.as_ref().map(|attesters| attesters.users.join(", "));
        AttestError::NotAttester(person.to_owned(), control.to_owned(), users.unwrap_or_default())
    })
}

fn check_time(
    performed_at: Timestamp,
    given: bool,
    occurrence: &Occurrence,
    now: Timestamp,
) -> Result<(), AttestError> {
    // The default time is now and can't be wrong; only a given one is checked.
    let reject = |why: String| Err(AttestError::PerformedAt(performed_at, why));
    if given && performed_at > now {
        return reject("is in the future: attest once it is done".to_owned());
    }
    if given && performed_at < occurrence.opens.0 {
        let (period, opens) = (&occurrence.period, occurrence.opens.0);
        return reject(format!(
            "is before {period}, which opened at {opens}: work done before that does not count for it"
        ));
    }
    Ok(())
}

fn check_required(
    control: &str,
    spec: &AttestationSpec,
    rule: &AttestationTest,
) -> Result<(), AttestError> {
    let missing: Vec<String> =
        rule.requires
            .iter()
            .filter_map(|part| match part {
                RequiredPart::Artifact => spec
                    .artifacts
                    .is_empty()
                    .then(|| "an artifact: give --artifact FILE[=URI]".to_owned()),
                RequiredPart::Version => spec
                    .version
                    .is_none()
                    .then(|| "the version of the reviewed document: give --version".to_owned()),
                RequiredPart::Participants => spec.participants.is_empty().then(|| {
                    "the people who took part: give --participant once for each".to_owned()
                }),
            })
            .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(AttestError::Missing { control: control.to_owned(), missing })
}

/// The name of a record: the same for the same person, occurrence and correction, so that attesting twice
/// by mistake is rejected by the API server.
fn name_of(spec: &AttestationSpec) -> String {
    let identity = [
        spec.control.as_str(),
        &spec.period,
        &spec.attested_by,
        spec.corrects.as_deref().unwrap_or_default(),
    ]
    .join("\n");
    let digest = canonical::sha256(identity.as_bytes());
    let short = digest.trim_start_matches("sha256:").get(..10).unwrap_or_default();
    let control: String = spec.control.chars().take(SHOWN_NAME).collect();
    // A part of a name must not end in these characters.
    let control = control.trim_end_matches(['.', '-']);
    format!("{control}-{}-{short}", spec.period.to_lowercase())
}

/// Parses `FILE` or `FILE=URI`. If a file with the whole name exists, the `=` is part of the name.
fn artifact(text: &str) -> Result<Artifact, AttestError> {
    // A path may contain the sign itself, and a file that exists is surely meant.
    let (path, uri) = match text.split_once('=') {
        Some((file, uri)) if !uri.is_empty() && !Path::new(text).exists() => (file, Some(uri)),
        _ => (text, None),
    };
    let path = Path::new(path);
    let sha256 = digest(path).map_err(|error| AttestError::Artifact(path.to_owned(), error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Artifact {
        uri: uri.map_or_else(|| format!("file:{name}"), str::to_owned),
        sha256,
        media_type: None,
    })
}

/// The SHA-256 of a file in hexadecimal digits. The file may be large, so it is read in chunks.
fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        hasher.update(chunk.get(..length).unwrap_or_default());
    }
    Ok(comptroller_vocabulary::hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests;
