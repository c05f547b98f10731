//! Which period: that of an `AuditPeriod` in a cluster or a file, or that of the arguments.

use std::{fs::File, io::BufReader, path::Path};

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};
use serde_json::Value;

use super::ReportArgs;
use crate::{
    cli::cluster::{ClusterError, said},
    source::manifest::{self, Found, Limits},
};
use comptroller_core::api::{
    AuditPeriod, AuditPeriodSpec, AuditPeriodStatus, PeriodPhase, ReportType, criteria::Category,
    invalid::InvalidSpec, structural, time::Time,
};
use comptroller_report::{period::model::Span, visible};

/// What is to be reported on, and for whom.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name.
    pub name: String,
    /// Over what.
    pub span: Span,
    /// The categories in scope.
    pub categories: Vec<Category>,
    /// What the operator says of it.
    pub status: Option<AuditPeriodStatus>,
    /// Who runs the report.
    pub run_by: String,
}

/// Why it is not known what to report on.
#[derive(Debug, thiserror::Error)]
pub enum WantedError {
    /// No cluster.
    #[error("{0}; or give --from and --to, or --as-of, and no cluster is asked")]
    Cluster(#[from] ClusterError),
    /// The cluster does not give it.
    #[error(
        "AuditPeriod {name} can't be read: {0}; give --from and --to, or --as-of, to do without",
        said(.error)
    )]
    Get {
        /// Which.
        name: String,
        /// Why.
        error: Box<kube::Error>,
    },
    /// The file can't be read.
    #[error("{file} can't be read: {error}")]
    File {
        /// Which.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A document in the file is broken.
    #[error("{0}")]
    Manifest(String),
    /// The file has none, or several.
    #[error("{file} has {found}; name one that it has: {names}")]
    NotOne {
        /// The file.
        file: String,
        /// What it has.
        found: String,
        /// Those that it has.
        names: String,
    },
    /// The period is wrong.
    #[error("AuditPeriod {name}: {error}")]
    Invalid {
        /// Which.
        name: String,
        /// Why.
        error: InvalidSpec,
    },
    /// It names no period.
    #[error("name an AuditPeriod, or give --from and --to, or --as-of")]
    Nothing,
}

impl Wanted {
    /// Finds out what is wanted. A cluster is asked only where neither the arguments nor a file say
    /// it.
    pub async fn find(args: &ReportArgs) -> Result<Self, WantedError> {
        if let Some(spec) = of_arguments(args) {
            let name = args.period.clone().unwrap_or_else(|| default_name(&spec));
            return Self::of(name, &spec, None, local_user());
        }
        if let Some(path) = &args.filename {
            let period = read(path, args.period.as_deref())?;
            let name = period.metadata.name.unwrap_or_default();
            // Whatever a file says of the status is no word of the operator's.
            return Self::of(name, &period.spec, None, local_user());
        }
        let name = args.period.clone().ok_or(WantedError::Nothing)?;
        let client = args.cluster.client().await?;
        let period = Api::<AuditPeriod>::all(client.clone())
            .get(&name)
            .await
            .map_err(|error| WantedError::Get { name: name.clone(), error: Box::new(error) })?;
        let user = cluster_user(client).await.unwrap_or_else(local_user);
        Self::of(name, &period.spec, period.status, user)
    }

    fn of(
        name: String,
        spec: &AuditPeriodSpec,
        status: Option<AuditPeriodStatus>,
        run_by: String,
    ) -> Result<Self, WantedError> {
        let invalid = |error| WantedError::Invalid { name: name.clone(), error };
        spec.validate().map_err(invalid)?;
        let span = Span::of(spec).ok_or(WantedError::Nothing)?;
        Ok(Self { name, span, categories: spec.categories(), status, run_by })
    }

    /// What the operator said when it closed the period.
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
    })
}

/// Such as `2026-07-01 to 2026-10-01`.
fn default_name(spec: &AuditPeriodSpec) -> String {
    let day = |time: &Option<Time>| {
        time.as_ref().map_or_else(String::new, |time| time.0.strftime("%Y-%m-%d").to_string())
    };
    match spec.type_ {
        ReportType::TypeI => day(&spec.as_of),
        ReportType::TypeII => format!("{} to {}", day(&spec.from), day(&spec.to)),
    }
}

/// The period of a file, by its name if it has several.
fn read(path: &Path, name: Option<&str>) -> Result<AuditPeriod, WantedError> {
    let file = visible(&path.display().to_string()).into_owned();
    let opened =
        File::open(path).map_err(|error| WantedError::File { file: file.clone(), error })?;
    let (mut objects, mut broken): (Vec<Value>, _) = (Vec::new(), None);
    manifest::read(&file, BufReader::new(opened), Limits::default(), &mut |found| match found {
        Ok(Found::Object(object, _)) if object["kind"] == "AuditPeriod" => objects.push(object),
        Ok(_) => {}
        Err(error) => broken = broken.take().or(Some(error)),
    });
    if let Some(error) = broken {
        return Err(WantedError::Manifest(error.to_string()));
    }
    let name_of = |object: &Value| object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let names: Vec<String> = objects.iter().map(name_of).collect();
    let mut matching: Vec<Value> = objects
        .into_iter()
        .filter(|object| name.is_none_or(|name| name_of(object) == name))
        .collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(object), true) => structural::read::<AuditPeriod>(&object)
            .map_err(|error| WantedError::Invalid { name: name_of(&object), error }),
        (found, _) => Err(WantedError::NotOne {
            file,
            found: match found {
                None => "no such AuditPeriod".to_owned(),
                Some(_) => format!("{} AuditPeriods", matching.len() + 1),
            },
            names: visible(&names.join(", ")).into_owned(),
        }),
    }
}

/// Who the API server says that this is.
async fn cluster_user(client: Client) -> Option<String> {
    let review = Api::<SelfSubjectReview>::all(client)
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .ok()?;
    let user = review.status?.user_info?.username?;
    Some(format!("{user} (as the API server knows them)"))
}

/// Who this machine says that this is.
fn local_user() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = var("USER").or_else(|| var("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let host = var("HOSTNAME").or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(name.trim().to_owned())
    });
    format!("{user}@{} (as this machine says)", host.unwrap_or_else(|| "unknown".to_owned()))
}
