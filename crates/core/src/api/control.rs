//! `Control`: one control, the criteria that it serves, its test, and what the operator found.
// Each printcolumn repeats the same keys.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Criterion, Duration, Occurrence, ResourceRef, SHOWN_OCCURRENCES, Selector, Severity, State,
    TestSpec, condition,
    invalid::{FieldPath, InvalidSpec, Problems},
    lenient::lenient,
    selector, structural,
};
use comptroller_vocabulary::closed_enum;

/// How many findings a status lists, the worst first.
pub const MAX_FINDINGS: usize = 20;

/// The shortest time between two records that a control is unchanged: a shorter one would fill the
/// log with nothing.
pub const MIN_HEARTBEAT: Duration = Duration::from_secs(60);
/// The longest time between two records that a control is unchanged: a longer one would leave days
/// for which the log has no evidence.
pub const MAX_HEARTBEAT: Duration = Duration::from_hours(7 * 24);
/// The time between two records that a control is unchanged, where its spec does not set one.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_hours(1);

closed_enum! {
    /// What happens to a request that violates the control.
    pub enum Enforcement {
        /// The request is allowed, and the state of the control shows the violation.
        Audit = "Audit",
        /// The request is allowed, with a warning to whoever sent it.
        Warn = "Warn",
        /// The request is denied.
        Deny = "Deny",
    }
}

/// What the platform team declares.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "comptroller.dev",
    version = "v1alpha1",
    kind = "Control",
    plural = "controls",
    singular = "control",
    shortname = "ctl",
    category = "comptroller",
    status = "ControlStatus",
    derive = "PartialEq",
    doc = "A control of the organisation: what must be true of the cluster, which criteria that \
           serves, who owns it and how it is tested. The operator evaluates it on every change and \
           keeps the result in its status.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Failing", type_ = "integer", json_path = ".status.failing"),
    printcolumn(name = "Population", type_ = "integer", json_path = ".status.population"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Criteria", type_ = "string", json_path = ".spec.criteria"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.owner"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Evidence",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"EvidenceRecorded\")].reason"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ControlSpec {
    /// The control in one sentence, as reports print it.
    #[schemars(length(min = 1, max = 256))]
    pub title: String,
    /// What the control is meant to achieve, for the auditor to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub objective: Option<String>,
    /// What to do when the control fails. Reports show it beside the findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub remedy: Option<String>,
    /// The criteria that the control serves: a SOC 2 id such as CC6.1, or FRAMEWORK:ID for another
    /// framework, such as ISO27001:A.5.15.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub criteria: Vec<Criterion>,
    /// Who is responsible for the control: a team or a person.
    #[schemars(length(min = 1, max = 253))]
    pub owner: String,
    /// How serious it is when the control fails.
    pub severity: Severity,
    /// What the control looks at. If omitted, the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ControlScope>,
    /// How often to record that nothing has changed, from 1m to 7d. Defaults to 1h. Changes are
    /// always recorded immediately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = HEARTBEAT))]
    #[x_kube(validation = heartbeat_rule())]
    pub heartbeat: Option<Duration>,
    /// Whether evaluation is suspended. While it is, the state is Unknown, because nothing is checked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Who may approve exceptions from the control, and that it is suspended. If omitted, anyone but
    /// who requests the exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Approvers>,
    /// What happens to a request that violates the control: Audit allows it, Warn allows it and warns
    /// whoever sent it, Deny refuses it. Defaults to Audit. This version only audits, and the
    /// condition Ready says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// The name of the Lesson that explains what the control is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub lesson: Option<String>,
    /// How the control is tested: exactly one of the fields below. Which one cannot change later.
    #[x_kube(
        validation = super::test_spec::same_kind_rule(),
        validation = super::test_spec::attestation::same_trigger_rule()
    )]
    pub test: TestSpec,
}

/// What a control looks at. Cluster-scoped resources are in every scope.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ControlScope {
    /// Only namespaces with these labels. If omitted, all namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector::schema")]
    pub namespaces: Option<LabelSelector>,
    /// The names of namespaces to leave out, even if their labels match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub exclude_namespaces: Vec<String>,
    /// What to leave out because somebody else is responsible for it, such as the vendor of the
    /// cluster, each with the reason. An rbac test looks at all rights regardless of what is named
    /// here, because a right in a vendor's namespace is still a right: its allow field says who may
    /// hold it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub exclude: Vec<Exclusion>,
}

/// Something that a control leaves out: a namespace with everything in it, or one object. Names are
/// exact, so that nothing else is left out because its name is similar.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(
    validation = Rule::new("has(self.kind) == has(self.name)").message(ONE_OBJECT),
    validation = Rule::new("has(self.kind) || has(self.namespace)").message("must have namespace, or kind and name")
)]
#[serde(rename_all = "camelCase")]
pub struct Exclusion {
    /// The namespace. Without kind and name, all of it is left out; with them, it is the namespace of
    /// the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The kind of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// The name of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Why it is left out, for the auditor to read.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

const ONE_OBJECT: &str =
    "kind and name go together: write both for one object, or namespace alone for everything in it";

/// What the operator found when it last evaluated the control.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct ControlStatus {
    /// The generation of the spec that was last evaluated.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// The result of the last evaluation.
    pub state: State,
    /// Why the control is in this state, in one CamelCase word.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// When the control entered this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// When the control was last evaluated. Updated at least with every heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_evaluated: Option<Time>,
    /// How many items were judged.
    #[schemars(range(min = 0))]
    pub population: i64,
    /// How many items fail, not counting those covered by an exception.
    #[schemars(range(min = 0))]
    pub failing: i64,
    /// How many items fail but are covered by an exception.
    #[schemars(range(min = 0))]
    pub excepted: i64,
    /// How many items could not be judged.
    #[schemars(range(min = 0))]
    pub unknown: i64,
    /// The worst 20 findings, by severity, then by age, then by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_FINDINGS))]
    pub findings: Vec<StatusFinding>,
    /// The first 20 items that could not be judged, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_FINDINGS))]
    pub unknown_items: Vec<StatusFinding>,
    /// For an attestation test, oldest first: the newest 12 occurrences and the next one, or the
    /// newest 20 that events opened. The evidence log has all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = SHOWN_OCCURRENCES))]
    pub occurrences: Vec<Occurrence>,
    /// The entry of the evidence log that holds this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceRef>,
    /// Ready says whether this generation was evaluated; Compliant says whether the control holds;
    /// `EvidenceRecorded` says whether the evidence log has what the status says; Complete is present,
    /// and False, while the API server refuses the texts of the status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

lenient!(ControlStatus);

/// One item that fails, or that could not be judged.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StatusFinding {
    /// What was found, in one CamelCase word, such as `ClusterAdmin`.
    #[schemars(length(min = 1, max = 128))]
    pub rule: String,
    /// The object that was judged.
    pub resource: ResourceRef,
    /// The subject whose rights were judged, such as "User jane@corp".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub subject: Option<String>,
    /// What is wrong, in one sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When it was first found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl StatusFinding {
    /// Cuts texts that come from outside down to the bounds of the schema, since one long name would
    /// otherwise make the API server refuse the whole status. RBAC objects may have such names.
    #[must_use]
    pub fn clipped(mut self) -> Self {
        // The same limits as in the schema of the fields.
        clip(&mut self.rule, 128);
        clip(&mut self.message, 1024);
        clip(&mut self.resource.api_version, 317);
        clip(&mut self.resource.kind, 63);
        clip(&mut self.resource.name, 512);
        if let Some(subject) = &mut self.subject {
            clip(subject, 1024);
        }
        self
    }
}

/// Cuts a text to at most `limit` characters; the last one of a text that was cut is an ellipsis.
fn clip(text: &mut String, limit: usize) {
    if text.chars().nth(limit).is_some() {
        *text = text.chars().take(limit - 1).chain(['…']).collect();
    }
}

/// The entry of the evidence log that holds a state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceRef {
    /// The index of the entry, counted from 0.
    #[schemars(range(min = 0))]
    pub index: i64,
    /// How many entries the log had once this one was in it.
    #[schemars(range(min = 0))]
    pub log_size: i64,
}

/// A heartbeat has no calendar steps: not even `0mo` beside something else, since CEL can't compute
/// with them.
const HEARTBEAT: &str = r"^([0-9]{1,9}(\.[0-9]{1,9})?(ns|us|ms|s|m|h|d|w))+$";

/// The bounds of a heartbeat. CEL can't read days or weeks, nor multiply a duration: a day is 24 times
/// as many hours, made by adding sums to themselves, and a week is 7 times as many days.
fn heartbeat_rule() -> kube_core::Rule {
    let day = "[duration(p.replace('d', 'h').replace('w', 'h'))]\
               .map(x, x + x + x).map(x, x + x).map(x, x + x).map(x, x + x)";
    kube_core::Rule::new(format!(
        "[self.findAll('[0-9.]+[a-z]+').map(p, p.endsWith('d') ? {day}[0] \
         : p.endsWith('w') ? {day}.map(x, x + x + x + x + x + x + x)[0] \
         : duration(p)).sum()].all(all, all >= duration('1m') && all <= duration('168h'))"
    ))
    .message("must be between 1m and 7d, such as 1h")
}

/// The people who may approve exceptions from a control.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.users) || has(self.groups)")
    .message("must have users or groups; leave approvers out to let anyone but the requester approve"))]
#[serde(rename_all = "camelCase")]
pub struct Approvers {
    /// Their user names, as the API server knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub users: Vec<String>,
    /// Groups whose members may approve. Only the API server knows who is in a group, and only at the
    /// time of the request: the admission policy exception-approvers checks it then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 512)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub groups: Vec<String>,
}

impl ControlSpec {
    /// How often to record that nothing has changed; [`DEFAULT_HEARTBEAT`] where the spec does not
    /// say.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat.unwrap_or(DEFAULT_HEARTBEAT)
    }

    /// What happens to a request that violates the control; audit where the spec does not say.
    pub fn enforcement(&self) -> Enforcement {
        self.enforcement.unwrap_or(Enforcement::Audit)
    }

    /// Checks everything that the API server would refuse, for files that no API server has seen, and
    /// what a schema cannot say, such as that a selector can match something. The error has every
    /// problem, not only the first.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        let mut problems = Problems::default();
        let at = FieldPath::new("spec");
        // First what the schema says, so that its messages come before those that follow from it.
        structural::check_spec::<Control>(self, &mut problems);
        for (position, criterion) in self.criteria.iter().enumerate() {
            criterion.validate(&at.field("criteria").index(position), &mut problems);
        }
        if let Some(scope) = &self.scope {
            scope.validate(&at.field("scope"), &mut problems);
        }
        if let Some(heartbeat) = self.heartbeat {
            validate_heartbeat(heartbeat, &at.field("heartbeat"), &mut problems);
        }
        if self.approvers.as_ref().is_some_and(|one| one.users.is_empty() && one.groups.is_empty())
        {
            problems.push(
                &at.field("approvers"),
                "names nobody",
                "name who may approve, or leave approvers out to let anyone but the requester approve",
            );
        }
        self.test.validate(&at.field("test"), &mut problems);
        problems.into_result()
    }
}

fn validate_heartbeat(heartbeat: Duration, at: &FieldPath, problems: &mut Problems) {
    let inside = heartbeat.exact().is_some_and(|length| {
        MIN_HEARTBEAT.exact().is_some_and(|least| length >= least)
            && MAX_HEARTBEAT.exact().is_some_and(|most| length <= most)
    });
    if !inside {
        problems.push(
            at,
            format!("{heartbeat} is not between {MIN_HEARTBEAT} and {MAX_HEARTBEAT}"),
            "write a duration in this range, such as 1h or 1d",
        );
    }
}

impl ControlScope {
    fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        let Some(namespaces) = &self.namespaces else {
            return;
        };
        selector::validate(namespaces, &at.field("namespaces"), problems);
        // A selector that does not compile was reported above.
        let selected = Selector::compile(namespaces).ok();
        let selected = selected.as_ref().and_then(|selector| selector.values_of(NAME_LABEL));
        // A scope that selects and excludes the same namespaces judges nothing, and would look fine.
        let excluded =
            |name: &&str| self.exclude_namespaces.iter().any(|excluded| excluded == name);
        if selected.is_some_and(|names| !names.is_empty() && names.iter().all(excluded)) {
            problems.push(
                &at.field("excludeNamespaces"),
                format!("leaves out every namespace that {NAME_LABEL} selects"),
                "correct one of the two, or delete the control",
            );
        }
        for (position, exclusion) in self.exclude.iter().enumerate() {
            exclusion.validate(&at.field("exclude").index(position), problems);
        }
    }
}

impl Exclusion {
    fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        match (&self.kind, &self.name, &self.namespace) {
            (Some(_), None, _) => problems.push(
                &at.field("name"),
                "missing",
                "write the name of the object, or remove kind to leave out the whole namespace",
            ),
            (None, Some(_), _) => {
                problems.push(&at.field("kind"), "missing", "write the kind of the object");
            }
            (None, None, None) => problems.push(
                at,
                "names nothing",
                "write namespace for everything in it, or kind and name for one object",
            ),
            _ => {}
        }
    }
}

/// The label that every API server sets on every namespace (KEP-2161).
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";
