//! `comptroller who-can`: lists every subject that may do something, and by which binding.

mod answers;
mod cluster;
mod files;
mod mistakes;
mod query;
#[cfg(test)]
mod tests;
mod types;

use std::path::PathBuf;

use self::{
    answers::{EntitledSubject, print_json, print_table, who_can},
    query::{Query, QueryScope, ResolvedQuery},
};
use super::{cluster::ClusterArgs, output::to_stdout};
use comptroller_core::inventory::{Inventory, ResourceType, kinds};
use comptroller_report::visible;

const RBAC: &str = "rbac.authorization.k8s.io";
/// The exit code of a partial answer.
const INCOMPLETE: u8 = 2;
/// How many reasons are printed.
const SHOWN: usize = 20;

/// List the subjects that may do something, and by which binding.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct WhoCanArgs {
    /// The verb, such as get, create or '*'. For a path: the HTTP method, such as get or post.
    verb: String,
    /// The resource as in kubectl: pods, deployments.apps, pods/exec, or a path such as /metrics.
    resource: String,
    /// The name of an object.
    name: Option<String>,
    /// The namespace. Default: that of the kubeconfig's context. With -f: the namespace of manifests that
    /// name none, as in kubectl apply -n; default if it is not given.
    #[arg(short, long, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Ask for the right in the whole cluster, including namespaces yet to be created.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Read roles and bindings from manifests instead of a cluster: a file, a folder, or -.
    #[arg(short, long, value_name = "PATH")]
    filename: Vec<PathBuf>,
    /// The output format.
    #[arg(short, long, value_enum, default_value_t)]
    output: WhoCanFormat,
    #[command(flatten)]
    cluster: ClusterArgs,
}

const HELP: &str = "\
Examples:
  who-can get secrets -n prod             by rights in prod and by cluster-wide rights
  who-can create pods/exec -n prod        run commands in pods
  who-can update deployments/scale web    one object, in the namespace of the context
  who-can patch namespaces prod           change the labels of a Namespace
  who-can delete nodes                    a cluster-scoped resource
  who-can get /metrics                    a path
  who-can get secrets -n prod -f rbac/    from manifests, before they are applied

Required permissions: list on clusterrolebindings and clusterroles, and with a
namespace also on rolebindings and roles in it.

Exit codes:
  0  the answer is complete
  2  there is no answer, or only a part of it: a permission is missing, a role
     is in no manifest, or the verb, the resource, the subresource or the
     namespace does not exist. Standard error says why.";

/// The format of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum WhoCanFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON, to be read by programs.
    Json,
}

/// What an answer is based on.
#[derive(Debug)]
struct AnswerBasis {
    inventory: Inventory,
    resolved: ResolvedQuery,
    /// Why the answer is incomplete; empty if it is complete.
    gaps: Vec<String>,
    /// What else to know about the answer.
    notes: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum WhoCanError {
    /// The API server did not say what it serves; why not, in its words.
    #[error(
        "the cluster does not answer: {0}; check that it runs and that the kubeconfig names it"
    )]
    Discovery(String),
    /// No binding may be read.
    #[error("there is no answer, since no binding can be read:\n{}", .0.join("\n"))]
    Forbidden(Vec<String>),
    /// There is no such namespace.
    #[error("there is no namespace {name:?}{}", comptroller_core::nearest::did_you_mean(near))]
    Namespace { name: String, near: Vec<String> },
    /// Manifests can't be read.
    #[error("{}", .0.join("\n"))]
    Manifests(Vec<String>),
}

type BoxedError = Box<dyn std::error::Error>;

pub fn run(args: &WhoCanArgs) -> Result<u8, BoxedError> {
    let basis = if args.filename.is_empty() { cluster::read(args)? } else { files::read(args)? };
    let answers = who_can(&basis.inventory, &basis.resolved.request());
    to_stdout(|stdout| match args.output {
        WhoCanFormat::Table => print_table(&answers, stdout),
        WhoCanFormat::Json => print_json(&answers, stdout),
    })?;
    print_lines(&basis.notes);
    print_lines(named_only(&basis, &answers).as_slice());
    if basis.gaps.is_empty() {
        return Ok(0);
    }
    eprintln!("comptroller: the answer is incomplete:");
    print_lines(&basis.gaps);
    Ok(INCOMPLETE)
}

/// If the query is about all namespaces, a note on further subjects whose role names only this Namespace;
/// None if there are none.
fn named_only(basis: &AnswerBasis, answers: &[EntitledSubject]) -> Option<String> {
    let one = basis.resolved.for_namespace_object()?;
    let more = who_can(&basis.inventory, &one.request()).len().checked_sub(answers.len());
    more.filter(|more| *more > 0).map(|more| {
        format!(
            "{more} more subjects may, because a role names this Namespace: ask {}",
            one.as_typed()
        )
    })
}

fn print_lines(lines: &[String]) {
    for line in lines.iter().take(SHOWN) {
        eprintln!("comptroller: {}", visible(line));
    }
    if lines.len() > SHOWN {
        eprintln!("comptroller: and {} more", lines.len() - SHOWN);
    }
}

impl WhoCanArgs {
    fn query(&self, default_namespace: impl FnOnce() -> String) -> Query {
        let named = self.namespace.clone().filter(|namespace| !namespace.is_empty());
        let scope = match named {
            _ if self.all_namespaces => QueryScope::AllNamespaces,
            Some(namespace) => QueryScope::Named(namespace),
            None => QueryScope::Default(default_namespace()),
        };
        Query {
            verb: self.verb.clone(),
            resource: self.resource.clone(),
            name: self.name.clone().filter(|name| !name.is_empty()),
            scope,
        }
    }
}

/// A kind of RBAC, or one that it refers to, as every API server serves it. None if it is none of these.
fn builtin(group: &str, kind: &str) -> Option<ResourceType> {
    let row = kinds::builtin().find(|row| row.group == group && row.kind == kind)?;
    Some(ResourceType {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: row.plural.to_owned(),
        namespaced: row.namespaced,
    })
}
