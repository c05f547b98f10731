//! The built-in pack: the controls of `config/soc2`, which a scan uses if it is given none, and which
//! `comptroller pack` prints.

mod command;
mod profile;

pub use command::{PackArgs, PackError, render, run};
pub use profile::{PROFILES, PackProfile, ProfileError};

/// A control of the pack; its file has the same name.
macro_rules! control {
    ($name:literal) => {
        ($name, include_str!(concat!("../../config/soc2/", $name, ".yaml")))
    };
}

/// The name and the YAML of each control, sorted by name.
pub const PACK: &[(&str, &str)] = &[
    control!("access-is-reviewed"),
    control!("assets-are-inventoried"),
    control!("batch-runs-succeed"),
    control!("capacity-is-reviewed"),
    control!("certificates-do-not-expire"),
    control!("changes-go-through-delivery"),
    control!("continuity-plan-is-reviewed"),
    control!("control-changes-are-reviewed"),
    control!("databases-are-backed-up"),
    control!("deleted-controls-are-explained"),
    control!("deviations-get-a-response"),
    control!("disaster-recovery-is-exercised"),
    control!("evidence-cannot-be-hidden"),
    control!("evidence-gaps-are-explained"),
    control!("evidence-is-guarded"),
    control!("exceptions-are-reviewed"),
    control!("exec-is-restricted"),
    control!("gateways-have-tls"),
    control!("guards-are-protected"),
    control!("guards-fail-closed"),
    control!("images-are-pinned-and-known"),
    control!("incident-response-is-exercised"),
    control!("ingress-has-tls"),
    control!("insurance-is-reviewed"),
    control!("internal-audit-is-performed"),
    control!("logs-and-alerts-are-reviewed"),
    control!("long-failures-are-escalated"),
    control!("namespaces-are-described"),
    control!("no-anonymous-access"),
    control!("no-dangling-bindings"),
    control!("no-privilege-escalation-rights"),
    control!("no-standing-cluster-admin"),
    control!("penetration-test-is-performed"),
    control!("phishing-is-simulated"),
    control!("pod-security-baseline"),
    control!("pod-security-restricted-in-production"),
    control!("policies-are-reviewed"),
    control!("production-can-be-restored"),
    control!("production-is-redundant"),
    control!("restores-are-exercised"),
    control!("rights-come-through-groups"),
    control!("risks-are-assessed"),
    control!("roles-are-reviewed"),
    control!("secrets-encrypted-at-rest"),
    control!("secrets-readers-are-known"),
    control!("security-is-governed"),
    control!("security-training-is-given"),
    control!("services-stay-inside"),
    control!("users-are-known"),
    control!("vendors-are-reviewed"),
    control!("volumes-are-backed-up"),
    control!("volumes-are-encrypted"),
    control!("vulnerabilities-are-triaged"),
    control!("workloads-are-operable"),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::PACK;
    use crate::source::manifest::{self, Limits, ManifestDocument};
    use comptroller_core::api::{Control, structural, unknown_fields};

    #[test]
    fn the_pack_has_every_file_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/soc2");
        let files: BTreeMap<String, String> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter_map(|name| Some((name.strip_suffix(".yaml")?.to_owned(), name)))
            .filter(|(control, _)| control != "kustomization")
            .map(|(control, name)| {
                let text = std::fs::read_to_string(folder.join(name)).expect("readable");
                (control, text)
            })
            .collect();
        let packed: BTreeMap<String, String> =
            PACK.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(packed.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        assert_eq!(packed, files);
    }

    #[test]
    fn every_control_of_the_pack_is_valid_and_named_after_its_file() {
        for (name, text) in PACK {
            let mut found = Vec::new();
            manifest::read(name, text.as_bytes(), Limits::default(), &mut |one| found.push(one));
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            let Some(Ok(ManifestDocument::Object(object, _))) = found.pop() else {
                panic!("{name}: {found:?}");
            };
            let control: Control =
                structural::read(&object).unwrap_or_else(|error| panic!("{name}: {error}"));
            control.spec.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(unknown_fields(&object), Vec::<String>::new(), "{name}");
            assert_eq!(control.metadata.name.as_deref(), Some(*name));
        }
    }
}
