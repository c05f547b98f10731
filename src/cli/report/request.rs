//! The period to report on: of an `AuditPeriod` in a cluster or a file, or of the arguments.

use std::{fs::File, io::BufReader, path::Path};

use jiff::Timestamp;
use kube::{Api, Client};
use serde_json::Value;

use super::ReportArgs;
use crate::{
    cli::cluster::{ClusterError, api_message, whoami},
    source::manifest::{self, Limits, ManifestDocument},
};
use comptroller_core::api::{
    AuditPeriod, AuditPeriodSpec, AuditPeriodStatus, PeriodPhase, ReportType, SystemDescription,
    criteria::Category, invalid::InvalidSpec, structural, time::Time,
};
use comptroller_report::{period::model::Span, visible};

/// What to report on, and who asks for it.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// The name of the period or of the report.
    pub name: String,
    /// The period, or the point in time.
    pub span: Span,
    /// The categories in scope.
    pub categories: Vec<Category>,
    /// The share of the period, in percent, below which nothing is concluded.
    pub minimum_observation: u8,
    /// The uid of the object; None without a cluster.
    pub uid: Option<String>,
    /// The status that the cluster has; None without a cluster.
    pub status: Option<AuditPeriodStatus>,
    /// The user who runs the report, and who says so.
    pub run_by: String,
}

/// Why it is unknown what to report on.
#[derive(Debug, thiserror::Error)]
pub enum ReportRequestError {
    /// There is no connection to a cluster.
    #[error("{0}; or give --from and --to, or --as-of, which need no cluster")]
    Cluster(#[from] ClusterError),
    /// The period can't be read from the cluster.
    #[error(
        "AuditPeriod {name} can't be read: {0}; give --from and --to, or --as-of, instead",
        api_message(.error)
    )]
    Get {
        name: String,
        /// The error of the client.
        error: Box<kube::Error>,
    },
    /// The file can't be read.
    #[error("{file} can't be read: {error}")]
    File {
        file: String,
        /// The error of the file system.
        error: std::io::Error,
    },
    /// A document in the file can't be parsed.
    #[error("{0}")]
    Manifest(String),
    /// The file has no such period, or several.
    #[error("{file} has {found}; name one of these: {names}")]
    NotOne {
        file: String,
        found: String,
        /// The names of the periods in the file.
        names: String,
    },
    /// The period is not valid.
    #[error("AuditPeriod {name}: {error}")]
    Invalid {
        name: String,
        /// What is wrong with it.
        error: InvalidSpec,
    },
    /// Nothing can be recorded of it.
    #[error("{0} lies ahead, so nothing is recorded of it yet: give a time that is over")]
    Future(Timestamp),
    /// No period was given.
    #[error("name an AuditPeriod, or give --from and --to, or --as-of")]
    Nothing,
}

impl ReportRequest {
    /// Finds the period. A cluster is asked only if neither the arguments nor a file have it.
    pub async fn find(args: &ReportArgs) -> Result<Self, ReportRequestError> {
        if let Some(spec) = of_arguments(args) {
            let name = args.period.clone().unwrap_or_else(|| default_name(&spec));
            return Self::of(name, &spec, None, local_user());
        }
        if let Some(path) = &args.filename {
            let period = read(path, args.period.as_deref())?;
            let name = period.metadata.name.unwrap_or_default();
            // Anybody can write a status into a file, so it proves nothing about the operator.
            return Self::of(name, &period.spec, None, local_user());
        }
        let name = args.period.clone().ok_or(ReportRequestError::Nothing)?;
        let client = args.cluster.client().await?;
        let period = Api::<AuditPeriod>::all(client.clone()).get(&name).await.map_err(|error| {
            ReportRequestError::Get { name: name.clone(), error: Box::new(error) }
        })?;
        let user = cluster_user(&client).await.unwrap_or_else(local_user);
        Self::of_period(&period, user)
    }

    /// The request for a period of the cluster.
    pub fn of_period(period: &AuditPeriod, run_by: String) -> Result<Self, ReportRequestError> {
        let name = period.metadata.name.clone().unwrap_or_default();
        let status = period.status.clone().unwrap_or_default();
        let uid = period.metadata.uid.clone();
        Ok(Self { uid, ..Self::of(name, &period.spec, Some(status), run_by)? })
    }

    /// Refuses a time that is yet to come.
    pub fn refuse_future(&self, now: Timestamp) -> Result<(), ReportRequestError> {
        let start = self.span.start();
        if start > now { Err(ReportRequestError::Future(start)) } else { Ok(()) }
    }

    fn of(
        name: String,
        spec: &AuditPeriodSpec,
        status: Option<AuditPeriodStatus>,
        run_by: String,
    ) -> Result<Self, ReportRequestError> {
        let invalid = |error| ReportRequestError::Invalid { name: name.clone(), error };
        // A file may have a period that no API server has validated.
        spec.validate().map_err(invalid)?;
        let span = Span::of(spec).ok_or(ReportRequestError::Nothing)?;
        Ok(Self {
            name,
            span,
            categories: spec.categories(),
            minimum_observation: spec.minimum_observation(),
            uid: None,
            status,
            run_by,
        })
    }

    /// The status of a closed period; None if it is not closed, or there is no status.
    pub fn closed(&self) -> Option<&AuditPeriodStatus> {
        self.status.as_ref().filter(|status| status.phase == PeriodPhase::Closed)
    }
}

fn of_arguments(args: &ReportArgs) -> Option<AuditPeriodSpec> {
    let type_ = match (args.from, args.as_of) {
        (Some(_), _) => ReportType::TypeII,
        (None, Some(_)) => ReportType::TypeI,
        (None, None) => return None,
    };
    Some(AuditPeriodSpec {
        type_,
        as_of: args.as_of.map(Time),
        from: args.from.map(Time),
        to: args.to.map(Time),
        categories: args.categories.clone(),
        auditors: Vec::new(),
        minimum_observation: args.minimum_observation.map(i32::from),
        description: SystemDescription::default(),
    })
}

/// A name such as `2026-07-01 to 2026-10-01`.
fn default_name(spec: &AuditPeriodSpec) -> String {
    let day = |time: &Option<Time>| {
        time.as_ref().map_or_else(String::new, |time| time.0.strftime("%Y-%m-%d").to_string())
    };
    match spec.type_ {
        ReportType::TypeI => day(&spec.as_of),
        ReportType::TypeII => format!("{} to {}", day(&spec.from), day(&spec.to)),
    }
}

/// The period in a file; `name` chooses among several.
fn read(path: &Path, name: Option<&str>) -> Result<AuditPeriod, ReportRequestError> {
    let file = visible(&path.display().to_string()).into_owned();
    let opened =
        File::open(path).map_err(|error| ReportRequestError::File { file: file.clone(), error })?;
    let (mut objects, mut broken): (Vec<Value>, _) = (Vec::new(), None);
    manifest::read(&file, BufReader::new(opened), Limits::default(), &mut |found| match found {
        Ok(ManifestDocument::Object(object, _)) if object["kind"] == "AuditPeriod" => {
            objects.push(object);
        }
        Ok(_) => {}
        Err(error) => broken = broken.take().or(Some(error)),
    });
    if let Some(error) = broken {
        return Err(ReportRequestError::Manifest(error.to_string()));
    }
    let name_of = |object: &Value| object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let names: Vec<String> = objects.iter().map(name_of).collect();
    let mut matching: Vec<Value> = objects
        .into_iter()
        .filter(|object| name.is_none_or(|name| name_of(object) == name))
        .collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(object), true) => structural::read::<AuditPeriod>(&object)
            .map_err(|error| ReportRequestError::Invalid { name: name_of(&object), error }),
        (found, _) => Err(ReportRequestError::NotOne {
            file,
            found: match found {
                None => "no such AuditPeriod".to_owned(),
                Some(_) => format!("{} AuditPeriods", matching.len() + 1),
            },
            names: visible(&names.join(", ")).into_owned(),
        }),
    }
}

/// The user according to the API server; None if it does not say.
async fn cluster_user(client: &Client) -> Option<String> {
    let user = whoami(client).await.ok()??;
    Some(format!("{user} (as the API server knows them)"))
}

/// The user and host according to this machine's environment.
fn local_user() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = var("USER").or_else(|| var("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let host = var("HOSTNAME").or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(name.trim().to_owned())
    });
    format!("{user}@{} (as this machine says)", host.unwrap_or_else(|| "unknown".to_owned()))
}
