//! `atRest`: the API server encrypts resources before they reach etcd.
//!
//! The API has no object that shows it. What the API server counted is evidence; a flag that
//! names a configuration is none, since the configuration itself may say `identity`.

use super::{
    Check, CheckContext, Dependency, Finding, Item, Judgement, both_sides, finding, some_of,
};
use crate::{
    api::ResourceRef,
    inventory::{
        ApiServer, Change, Facts, Inventory, Object, Symbol,
        api_server::{Direction, Transformation, Transformations},
        workload::Activity,
    },
};

const FLAG: &str = "--encryption-provider-config";

/// How to let the operator read the metrics, for the end of a message.
const GRANT: &str = "let the metrics be read (kubectl create clusterrole api-server-metrics --verb=get --non-resource-url=/metrics, bound to the operator's service account)";

/// What a person can attest instead, for the end of a message.
const ATTEST: &str = "attest it with the provider's document (EKS: cluster.encryptionConfig; GKE: databaseEncryption.state; AKS: securityProfile.azureKeyVaultKms; self-managed: the EncryptionConfiguration)";

/// The `atRest` part; item `Cluster(n)` is the n-th resource of the control.
#[derive(Debug)]
pub struct AtRestCheck {
    resources: Vec<String>,
}

impl AtRestCheck {
    /// For resources as the API server's metrics name them: `secrets`, `widgets.example.com`.
    pub fn new(resources: &[String]) -> Self {
        Self { resources: resources.to_vec() }
    }

    fn visit_all(&self, visit: &mut dyn FnMut(Item)) {
        for (number, _) in (0..).zip(&self.resources) {
            visit(Item::Cluster(number));
        }
    }
}

impl Check for AtRestCheck {
    fn reads(&self) -> Vec<Dependency> {
        vec![Dependency::ApiServer, Dependency::optional("", "Pod")]
    }

    fn items(&self, _: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        self.visit_all(visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        let touched = matches!(change, Change::ApiServer)
            || both_sides(context.inventory, change).any(|object| flags(object).is_some());
        if touched {
            self.visit_all(visit);
        }
    }

    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let Item::Cluster(number) = item else {
            return None;
        };
        let resource = self.resources.get(usize::try_from(number).ok()?)?;
        // An API server without the flag decides for all: whichever of them takes the write stores plain text.
        let servers = ApiServerPods::of(context.inventory);
        // Flags first: that one is missing is certain, whatever an API server has counted so far.
        Some(if servers.without_flag.is_empty() {
            match &context.inventory.api_server {
                ApiServer::Observed(rows) => from_metrics(resource, rows, servers.with_flag > 0),
                ApiServer::Idle => unknown(
                    resource,
                    format!(
                        "the API server has neither read nor written {resource} through a provider since it started, and stores no Secret that would show it: write one to find out"
                    ),
                ),
                ApiServer::Unreadable(error) => not_shown(resource, &servers, Some(error)),
                ApiServer::NotObserved | ApiServer::Pending => not_shown(resource, &servers, None),
            }
        } else {
            failing(
                "NoEncryptionProvider",
                resource,
                format!(
                    "{resource} are stored as plain text: {} runs without {FLAG}",
                    some_of(&servers.without_flag),
                ),
            )
        })
    }
}

/// The API servers that are visible as static pods.
#[derive(Debug, Default)]
struct ApiServerPods {
    with_flag: usize,
    without_flag: Vec<String>,
}

impl ApiServerPods {
    fn of(inventory: &Inventory) -> Self {
        let mut servers = Self::default();
        for (_, object) in inventory.objects_of("", "Pod") {
            match flags(object) {
                Some(flags) if flags.iter().any(|flag| names_a_configuration(flag)) => {
                    servers.with_flag += 1;
                }
                Some(_) => {
                    servers.without_flag.push(format!("Pod {}/{}", object.namespace, object.name));
                }
                None => {}
            }
        }
        // Pods come in the order of their slots.
        servers.without_flag.sort();
        servers
    }
}

/// The flags of an API server that runs; None of any other object, and of one that is started by a script,
/// which hides them.
fn flags(object: &Object) -> Option<&[Symbol]> {
    match &object.facts {
        Facts::Workload(workload) if workload.activity != Activity::Finished => {
            workload.api_server_flags.as_deref().filter(|flags| !flags.is_empty())
        }
        _ => None,
    }
}

/// Whether this is the flag, with a value in the same or the next argument. The API server takes
/// an underscore for a dash in names of flags.
fn names_a_configuration(flag: &str) -> bool {
    let (name, value) = match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    };
    name.replace('_', "-") == FLAG && value != Some("")
}

/// Judges a resource by what the API server counted since it started.
fn from_metrics(resource: &str, rows: &Transformations, configured: bool) -> Judgement {
    if rows.is_empty() {
        return nothing_counted(resource, configured);
    }
    let of_resource: Vec<&Transformation> =
        rows.iter().filter(|row| row.resource == resource).collect();
    let any = |direction, is: fn(&Transformation) -> bool| {
        of_resource.iter().any(|row| row.direction == direction && is(row))
    };
    let mut judgement = Judgement::default();
    if any(Direction::ToStorage, Transformation::is_plaintext) {
        judgement.failing.push(about(
            "PlaintextWrites",
            resource,
            format!("the API server writes {resource} as plain text: put an encrypting provider before identity in its EncryptionConfiguration"),
        ));
    }
    // Both may be found: new writes are encrypted and old rows are not, or neither is.
    if any(Direction::FromStorage, Transformation::is_plaintext) {
        judgement.failing.push(about(
            "PlaintextRows",
            resource,
            format!("{resource} written before encryption was on remain as plain text: rewrite them (kubectl get {resource} -A -o json | kubectl replace -f -) and restart the API server, which counts from its start"),
        ));
    }
    judgement.unknown.extend(missing_proof(resource, rows, &of_resource));
    judgement
}

/// Why the rows do not prove that a resource is encrypted; None when they do.
fn missing_proof(
    resource: &str,
    rows: &Transformations,
    of_resource: &[&Transformation],
) -> Option<Finding> {
    let odd = |row: &Transformation| !row.is_encrypted() && !row.is_plaintext();
    // From the reason that says least about this resource to the one that says most.
    let message = if rows.iter().any(|row| row.resource.is_empty()) {
        format!(
            "the API server's metrics don't say which resource they count, so the counts of {resource} are not known: {ATTEST}"
        )
    } else if of_resource.iter().any(|row| odd(row)) {
        format!(
            "the API server met {resource} that no provider of its EncryptionConfiguration could decrypt: add the provider that wrote them"
        )
    } else if !of_resource.iter().any(|row| row.direction == Direction::ToStorage) {
        format!(
            "the API server has not written {resource} through an encryption provider since it started: write one to find out, or add {resource} to its EncryptionConfiguration"
        )
    } else {
        return None;
    };
    Some(about("NotShown", resource, message))
}

/// Judges a resource when the API server serves the metric and has counted nothing.
fn nothing_counted(resource: &str, configured: bool) -> Judgement {
    // The flag proves that something is configured, and the missing count that it was not used yet.
    if configured {
        return unknown(
            resource,
            format!(
                "{FLAG} is set, but the API server has neither read nor written {resource} through a provider since it started: write one to find out"
            ),
        );
    }
    failing(
        "NoEncryptionProvider",
        resource,
        format!(
            "the API server encrypts nothing: its metrics count no transformation, so it runs without {FLAG}. Where the provider encrypts etcd below the API server, {ATTEST} and grant this finding an exception"
        ),
    )
}

/// Judges a resource without metrics: never a pass.
fn not_shown(resource: &str, servers: &ApiServerPods, error: Option<&String>) -> Judgement {
    let why = match error {
        Some(error) => format!("the metrics of the API server can't be read ({error})"),
        None => "the metrics of the API server were not read".to_owned(),
    };
    unknown(
        resource,
        if servers.with_flag > 0 {
            format!(
                "{FLAG} is set, but the file it names is not visible: the provider for {resource} is not known, since {why}; {GRANT}, or {ATTEST}"
            )
        } else {
            format!(
                "nothing shows whether {resource} are encrypted in etcd: no API server is visible as a pod, and {why}; {GRANT}, or {ATTEST}"
            )
        },
    )
}

fn failing(rule: &'static str, resource: &str, message: String) -> Judgement {
    Judgement { failing: vec![about(rule, resource, message)], ..Judgement::default() }
}

fn unknown(resource: &str, message: String) -> Judgement {
    Judgement { unknown: vec![about("NotShown", resource, message)], ..Judgement::default() }
}

/// A finding about one resource of the configuration, which is a file and no object.
fn about(rule: &'static str, resource: &str, message: String) -> Finding {
    let configuration = ResourceRef {
        api_version: "apiserver.config.k8s.io/v1".to_owned(),
        kind: "EncryptionConfiguration".to_owned(),
        namespace: None,
        name: resource.to_owned(),
    };
    finding(rule, configuration, message)
}
