//! The options of `comptroller scan`.

use std::{path::PathBuf, str::FromStr};

use crate::cli::{
    cluster::ClusterArgs,
    format_parser::{UnknownFormat, find},
};
use comptroller_core::api::Severity;
use comptroller_report::{EvaluationReport, FORMATS, TextFormat};

/// The default of --max-document-size, in MiB.
pub const MAX_DOCUMENT_MIB: u16 = 64;

const AFTER_HELP: &str = "\
Exit codes:
  0  every control passes, is excepted, or has nothing to judge
  1  a control fails (with --baseline: because of a finding that is not in it)
  2  nothing fails, but something could not be read or evaluated; or the command line is invalid

Examples:
  helm template . | comptroller scan - --namespace shop --namespace-labels env=prod
  comptroller scan manifests/ --only-manifests -o table -o sarif=findings.sarif -o junit=junit.xml
  comptroller scan manifests/ --controls policies/ --control no-root --severity High
  comptroller scan manifests/ -o json --output-file known.json   # then: --baseline known.json
  comptroller scan --cluster";

/// What to scan, with which controls, and where to write the findings.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct ScanArgs {
    /// Manifests: files, folders, or - for standard input.
    #[arg(value_name = "PATH", required_unless_present = "cluster")]
    pub paths: Vec<PathBuf>,
    /// Evaluate a live cluster instead, with its own controls unless --controls is given.
    #[arg(long, conflicts_with = "paths")]
    pub cluster: bool,
    #[command(flatten)]
    pub cluster_args: ClusterArgs,
    /// Files or folders with controls and exceptions; can be repeated. Controls among the manifests are
    /// used too. If there are none, the built-in SOC 2 pack is used.
    #[arg(long, value_name = "PATH")]
    pub controls: Vec<PathBuf>,
    /// The namespace of manifests that name none, as with `kubectl -n`. Only this namespace and
    /// cluster-scoped objects are evaluated.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The labels that this namespace (or default) has in the cluster, such as env=prod. A namespace whose
    /// labels are not given counts as in scope of every control, as production would.
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', conflicts_with = "cluster")]
    pub namespace_labels: Vec<Label>,
    /// Evaluate only this control; can be repeated.
    #[arg(long = "control", value_name = "NAME")]
    pub only_controls: Vec<String>,
    /// Evaluate only controls of at least this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// Evaluate only controls that manifests can answer, and skip those that need a cluster, such as the
    /// ones about backups.
    #[arg(long, conflicts_with = "cluster")]
    pub only_manifests: bool,
    /// Findings that are known and do not count: a file written by an earlier scan with -o json.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// The output format: table, json, sarif, junit, html, policyreport or openreports. FORMAT=FILE writes to
    /// a file. Can be repeated, for several formats in one run.
    #[arg(short, long, value_name = "FORMAT[=FILE]")]
    pub output: Vec<OutputTarget>,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
    /// Exit with 0 even if a control could not be evaluated; it is still reported.
    #[arg(long)]
    pub allow_unknown: bool,
    /// The largest document to read, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = MAX_DOCUMENT_MIB, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_document_size: u16,
}

/// A format, and where to write it.
#[derive(Clone, Debug)]
pub struct OutputTarget {
    pub format: &'static TextFormat<EvaluationReport>,
    /// The file to write; None is standard output.
    pub file: Option<PathBuf>,
}

/// Why a text is not an [`OutputTarget`].
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is nothing after the `=`.
    #[error("names no file after the =")]
    NoFile,
    /// There is no such format.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
}

impl FromStr for OutputTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err(TargetError::NoFile),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        Ok(Self { format: find(FORMATS, format)?, file })
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::ALL
        .iter()
        .copied()
        .find(|severity| severity.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(|| "is not a severity: write Low, Medium, High or Critical".to_owned())
}

/// A label as `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub key: String,
    /// The value; may be empty.
    pub value: String,
}

/// Why a text is not a [`Label`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a label: write KEY=VALUE, such as env=prod")]
pub struct LabelError;

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                Ok(Self { key: key.to_owned(), value: value.to_owned() })
            }
            _ => Err(LabelError),
        }
    }
}

impl ScanArgs {
    /// The formats to write. At most one goes to standard output.
    ///
    /// # Errors
    /// If the options contradict each other.
    pub fn targets(&self) -> Result<Vec<OutputTarget>, ScanOutputError> {
        let mut targets = self.output.clone();
        if targets.is_empty() {
            targets.push(OutputTarget { format: &FORMATS[0], file: None });
        }
        let mut unnamed: Vec<&mut OutputTarget> =
            targets.iter_mut().filter(|target| target.file.is_none()).collect();
        // Two formats on one stream could be told apart by nobody.
        match (unnamed.as_mut_slice(), &self.output_file) {
            ([_, _, ..], _) => Err(ScanOutputError::SeveralFormats),
            ([], Some(_)) => Err(ScanOutputError::NothingForFile),
            ([only], Some(file)) => {
                only.file = Some(file.clone());
                Ok(targets)
            }
            (_, None) => Ok(targets),
        }
    }
}

/// Why the options of the output contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanOutputError {
    /// Two formats have no file.
    #[error(
        "only one format can go to standard output: write the others as FORMAT=FILE, such as -o table -o sarif=findings.sarif"
    )]
    SeveralFormats,
    /// There is a file, but every format has one already.
    #[error(
        "every -o names its own file, so --output-file has nothing to write: leave one of them out"
    )]
    NothingForFile,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(output: &[&str], file: Option<&str>) -> Result<Vec<String>, ScanOutputError> {
        let args = ScanArgs {
            output: output.iter().map(|text| text.parse().unwrap()).collect(),
            output_file: file.map(PathBuf::from),
            ..ScanArgs::default()
        };
        let show = |target: OutputTarget| match target.file {
            Some(file) => format!("{} to {}", target.format.name, file.display()),
            None => target.format.name.to_owned(),
        };
        Ok(args.targets()?.into_iter().map(show).collect())
    }

    #[test]
    fn each_format_goes_to_its_file_and_one_to_standard_output() {
        for (output, file, expected) in [
            (&[][..], None, &["table"][..]),
            (&["SARIF"], None, &["sarif"]),
            (&["json"], Some("a.json"), &["json to a.json"]),
            (&[], Some("a.txt"), &["table to a.txt"]),
            (&["table", "sarif=b=c.sarif"], None, &["table", "sarif to b=c.sarif"]),
            (&["junit", "sarif=b"], Some("a"), &["junit to a", "sarif to b"]),
        ] {
            assert_eq!(targets(output, file).unwrap(), expected, "{output:?} {file:?}");
        }
        assert_eq!(targets(&["table", "json"], None), Err(ScanOutputError::SeveralFormats));
        assert_eq!(targets(&["json=a"], Some("b")), Err(ScanOutputError::NothingForFile));
        for wrong in ["xml", "json=", "=a", ""] {
            assert!(wrong.parse::<OutputTarget>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn labels_are_keys_and_values() {
        let label = |key: &str, value: &str| Label { key: key.into(), value: value.into() };
        assert_eq!("env=prod".parse(), Ok(label("env", "prod")));
        assert_eq!("a/b=".parse(), Ok(label("a/b", "")));
        assert!("env".parse::<Label>().is_err() && "=x".parse::<Label>().is_err());
    }
}
