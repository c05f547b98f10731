//! `comptroller who-can`: reads roles and bindings from a cluster or from files, and answers.

use std::{io, path::PathBuf};

use jiff::Timestamp;

use super::{
    cluster::ClusterArgs,
    live,
    scan::sources_of,
    who_can::{Place, Query, print_json, print_table, unreadable, who_can},
};
use crate::{
    controllers::discovery,
    engine::{Engine, Wanted},
    inventory::{Availability, Catalog, Interner, Inventory, Projector, manifest::Found, rbac},
};

/// Who may do something.
#[derive(Debug, clap::Args)]
pub struct WhoCanArgs {
    /// The verb, such as get, create or '*'.
    verb: String,
    /// The resource as kubectl writes it: pods, deployments.apps, pods/exec, or a path such as /metrics.
    resource: String,
    /// The name of one object.
    name: Option<String>,
    /// The namespace; otherwise that of the kubeconfig's context, or default with -f.
    #[arg(short, long, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Ask for the right in the whole cluster.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Read roles and bindings from manifests instead of a cluster: a file, a folder, or -.
    #[arg(short, long, value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// How to write the answer.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Which cluster.
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a person.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// Not all roles and bindings are known, and half an answer would be a wrong one.
    #[error("{0} can't be read whole, so nobody can say who may: {1}")]
    Incomplete(String, String),
    /// A role or binding has another shape than its kind.
    #[error("nobody can say who may, since a role or binding has the wrong shape: {0}")]
    Malformed(String),
    /// A file is wrong.
    #[error("{0}")]
    Manifest(String),
}

/// Answers on standard output.
pub fn run(args: &WhoCanArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let engine =
        if args.filename.is_empty() { from_cluster(args)? } else { from_files(&args.filename)? };
    let place = match (&args.namespace, args.all_namespaces) {
        (_, true) => Place::AllNamespaces,
        (Some(namespace), false) => Place::Namespace(namespace.clone()),
        (None, false) => Place::Namespace(default_namespace(args)),
    };
    let query = Query {
        verb: args.verb.clone(),
        resource: args.resource.clone(),
        name: args.name.clone(),
        place,
    };
    if let Some(first) = unreadable(engine.inventory()).into_iter().next() {
        return Err(RightsError::Malformed(first).into());
    }
    let resolved = query.resolve(engine.catalog())?;
    let answers = who_can(engine.inventory(), &resolved.request());
    let mut stdout = io::stdout().lock();
    let written = match args.output {
        Output::Table => print_table(&answers, &mut stdout),
        Output::Json => print_json(&answers, &mut stdout),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn default_namespace(args: &WhoCanArgs) -> String {
    match args.cluster.config().await {
        Ok(config) if args.filename.is_empty() => config.default_namespace,
        _ => "default".to_owned(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn from_cluster(args: &WhoCanArgs) -> Result<Engine, Box<dyn std::error::Error>> {
    let client = args.cluster.client().await?;
    let mut engine = Engine::default();
    let now = Timestamp::now();
    engine.set_catalog(discovery::catalog(&client).await?, now);
    let mut wanted = Wanted::default();
    for projection in rbac::PROJECTIONS {
        let row =
            engine.catalog().find_kind(projection.group, projection.kind).ok_or_else(|| {
                let why = "the API server does not serve it".to_owned();
                RightsError::Incomplete(projection.kind.to_owned(), why)
            })?;
        wanted.kinds.insert(row.resource.clone(), Vec::new());
    }
    live::fill(&mut engine, &client, wanted, now, |_| {}).await;
    complete(engine.inventory())?;
    Ok(engine)
}

fn complete(inventory: &Inventory) -> Result<(), RightsError> {
    for (_, state) in inventory.kinds() {
        let why = match &state.availability {
            Availability::Complete => continue,
            Availability::Forbidden(error) | Availability::Stale { error, .. } => error.clone(),
            Availability::NotServed | Availability::Pending => {
                "the API server does not serve it".to_owned()
            }
        };
        return Err(RightsError::Incomplete(state.resource.to_string(), why));
    }
    Ok(())
}

fn from_files(paths: &[PathBuf]) -> Result<Engine, Box<dyn std::error::Error>> {
    let mut engine = Engine::for_manifests();
    let now = Timestamp::now();
    engine.set_catalog(Catalog::builtin(), now);
    let interner = std::sync::Arc::new(Interner::default());
    let mut errors = Vec::new();
    let unread = sources_of(paths, &mut |found| match found {
        Ok(Found::Object(object, _)) => {
            let text = |field: &str| {
                object.get(field).and_then(serde_json::Value::as_str).unwrap_or_default()
            };
            let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
            let known =
                rbac::PROJECTIONS.iter().any(|row| row.group == group && row.kind == text("kind"));
            let row = engine.catalog().find_kind(group, text("kind")).filter(|_| known).cloned();
            if let Some(row) = row {
                let kind = engine.kind(&row.resource);
                match Projector::new(row.resource, Vec::new(), interner.clone()).project(&object) {
                    Ok(projected) => {
                        engine.apply(kind, projected, now);
                    }
                    Err(error) => errors.push(error.to_string()),
                }
            }
        }
        Ok(Found::Other(_)) => {}
        Err(error) => errors.push(error.to_string()),
    });
    errors.extend(unread.into_iter().map(|error| match error.file {
        Some(file) => format!("{file}: {}", error.message),
        None => error.message,
    }));
    if errors.is_empty() {
        Ok(engine)
    } else {
        Err(RightsError::Manifest(errors.join("\n")).into())
    }
}
