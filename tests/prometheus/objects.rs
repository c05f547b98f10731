//! What is in the cluster: a control for each alert about controls, and some that must be silent.

use jiff::{Span, Timestamp, tz::TimeZone};

/// Controls of which no alert may speak, whatever the operator does.
pub const SILENT: [&str; 2] = ["suspended", "empty"];

/// The witness of this key is never there.
pub const WITNESS_POLICY: &str = "\
witness silent witness.example/silent+32a2567d+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea http://127.0.0.1:9
quorum none
";

/// Every object but the exception's approval.
pub fn all() -> String {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    // Attested monthly, and the month ends in three days.
    let start = now.checked_add(Span::new().days(3)).unwrap();
    let start = start.checked_sub(Span::new().months(1)).unwrap().date();
    let ends = now.checked_add(Span::new().days(3)).unwrap().timestamp();
    [
        labelled("labelled", "our-", "Critical", ""),
        labelled("passing", "good-", "High", ""),
        labelled("excepted", "old-", "Medium", ""),
        labelled("suspended", "our-", "High", "suspend: true"),
        labelled("empty", "no-such-", "High", ""),
        control("unreadable", "High", "", &cel("coordination.k8s.io", "leases", "")),
        control("volumes", "High", "", "{backup: {of: PersistentVolumeClaims, maxAge: 1s}}"),
        control("risks", "Medium", "", "{attestation: {every: 1y, start: '2020-01-01'}}"),
        control("drill", "Low", "", &format!("{{attestation: {{every: 1mo, start: '{start}'}}}}")),
        config_map("our-a", ""),
        config_map("good-a", ", labels: {owner: ops}"),
        config_map("old-a", ""),
        exception(ends),
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: default}, \
         spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"
            .to_owned(),
    ]
    .join("\n---\n")
}

/// One more that the control `labelled` finds fault with.
pub fn unlabelled(name: &str) -> String {
    config_map(&format!("our-{name}"), "")
}

fn labelled(name: &str, prefix: &str, severity: &str, more: &str) -> String {
    let ours = format!("object.metadata.name.startsWith('{prefix}')");
    control(name, severity, more, &cel("", "configmaps", &ours))
}

fn cel(group: &str, resource: &str, condition: &str) -> String {
    let matches = match condition {
        "" => String::new(),
        condition => format!("matchConditions: [{{name: ours, expression: \"{condition}\"}}], "),
    };
    format!(
        "{{cel: {{resources: [{{apiGroups: ['{group}'], apiVersions: [v1], resources: [{resource}]}}], \
         {matches}validations: [{{expression: \"has(object.metadata.labels) && 'owner' in \
         object.metadata.labels\", message: say who owns it}}]}}}}"
    )
}

fn control(name: &str, severity: &str, more: &str, test: &str) -> String {
    format!(
        "apiVersion: comptroller.dev/v1alpha1\nkind: Control\nmetadata: {{name: {name}}}\nspec:\n  \
         title: Everything is as it should be\n  criteria: [CC6.1, CC7.2]\n  owner: platform\n  \
         severity: {severity}\n  {more}\n  test: {test}\n"
    )
}

fn config_map(name: &str, labels: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default{labels}}}}}"
    )
}

fn exception(expires: Timestamp) -> String {
    format!(
        "apiVersion: comptroller.dev/v1alpha1\nkind: ControlException\nmetadata: {{name: legacy}}\n\
         spec:\n  controls: [excepted]\n  resources: [{{kind: ConfigMap, name: old-a}}]\n  \
         reason: It is replaced this week.\n  requestedBy: jane@corp\n  approvedBy: sam@corp\n  \
         expires: \"{}\"\n",
        expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
}
