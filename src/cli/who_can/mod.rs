//! `comptroller who-can`: every subject that may do something, and by which binding.

mod answers;
mod cluster;
mod files;
mod mistakes;
mod query;
#[cfg(test)]
mod tests;
mod types;

use std::{io, path::PathBuf};

use self::{
    answers::{Answer, print_json, print_table, who_can},
    query::{Place, Query, Resolved},
};
use super::cluster::ClusterArgs;
use comptroller_core::inventory::{Inventory, ResourceType, kinds};
use comptroller_report::visible;

const RBAC: &str = "rbac.authorization.k8s.io";
/// The answer is only a part.
const INCOMPLETE: u8 = 2;
/// How many reasons are told.
const SHOWN: usize = 20;

/// Who may do something.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct WhoCanArgs {
    /// The verb, such as get, create or '*'; of a path the HTTP method, such as get or post.
    verb: String,
    /// The resource as kubectl writes it: pods, deployments.apps, pods/exec, or a path such as /metrics.
    resource: String,
    /// The name of one object.
    name: Option<String>,
    /// The namespace; otherwise that of the kubeconfig's context. With -f otherwise default, and
    /// also the namespace of manifests that name none, as of kubectl apply -n.
    #[arg(short, long, conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// Ask for the right in the whole cluster, in namespaces to come too.
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

const HELP: &str = "\
Examples:
  who-can get secrets -n prod             by rights in prod and by those in the whole cluster
  who-can create pods/exec -n prod        run commands in pods
  who-can update deployments/scale web    one object, in the namespace of the context
  who-can patch namespaces prod           change the labels of a Namespace
  who-can delete nodes                    what has no namespace
  who-can get /metrics                    a path
  who-can get secrets -n prod -f rbac/    by manifests, before they are applied

What is needed: list on clusterrolebindings and clusterroles, and with a
namespace on rolebindings and roles in it.

Exit codes:
  0  answered
  2  not answered, or only in part: a right is lacking, a role is in no
     manifest, or the verb, the resource, the subresource or the namespace
     does not exist. Standard error says why.";

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a person.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// What was read for an answer.
#[derive(Debug)]
struct Ground {
    inventory: Inventory,
    resolved: Resolved,
    /// Why the answer is only a part.
    gaps: Vec<String>,
    /// What to know about a whole answer.
    notes: Vec<String>,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
enum WhoCanError {
    /// The API server does not say what it serves.
    #[error(
        "the cluster does not answer: {0}; check that it runs and that the kubeconfig names it"
    )]
    Discovery(String),
    /// Half of the bindings would be no answer.
    #[error("nobody can say who may, since no binding can be read:\n{}", .0.join("\n"))]
    Forbidden(Vec<String>),
    /// No such namespace.
    #[error("there is no namespace {name:?}{}", comptroller_core::nearest::did_you_mean(near))]
    Namespace {
        /// What was asked.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// Manifests are wrong.
    #[error("{}", .0.join("\n"))]
    Manifests(Vec<String>),
}

type Failure = Box<dyn std::error::Error>;

/// Answers on standard output.
pub fn run(args: &WhoCanArgs) -> Result<u8, Failure> {
    let ground = if args.filename.is_empty() { cluster::read(args)? } else { files::read(args)? };
    let answers = who_can(&ground.inventory, &ground.resolved.request());
    let mut stdout = io::stdout().lock();
    let written = match args.output {
        Output::Table => print_table(&answers, &mut stdout),
        Output::Json => print_json(&answers, &mut stdout),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    say(&ground.notes);
    say(named_only(&ground, &answers).as_slice());
    if ground.gaps.is_empty() {
        return Ok(0);
    }
    eprintln!("comptroller: the answer is only a part, since");
    say(&ground.gaps);
    Ok(INCOMPLETE)
}

/// Whoever may by a role that names the Namespace, where namespaces were asked about as a whole.
fn named_only(ground: &Ground, answers: &[Answer]) -> Option<String> {
    let one = ground.resolved.of_the_namespace()?;
    let more = who_can(&ground.inventory, &one.request()).len().checked_sub(answers.len());
    more.filter(|more| *more > 0).map(|more| {
        format!("{more} more may since a role names this Namespace: ask {}", one.as_asked())
    })
}

fn say(lines: &[String]) {
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
        let place = match named {
            _ if self.all_namespaces => Place::AllNamespaces,
            Some(namespace) => Place::Named(namespace),
            None => Place::Default(default_namespace()),
        };
        Query {
            verb: self.verb.clone(),
            resource: self.resource.clone(),
            name: self.name.clone().filter(|name| !name.is_empty()),
            place,
        }
    }
}

/// A kind of RBAC, or of what it is about, as every API server serves it.
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
