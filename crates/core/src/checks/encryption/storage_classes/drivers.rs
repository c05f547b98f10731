//! How storage drivers decide whether to encrypt: by their own source where it is open, else by their
//! documentation.

use crate::inventory::storage::Parameters;

/// Whether data is encrypted: if not, why; if it is not known, why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    On,
    Off(String),
    NotShown(String),
}

/// How a driver decides.
#[derive(Clone, Copy, Debug)]
pub enum Driver {
    /// It always encrypts, and offers no way to turn it off.
    Always,
    /// By something that no object shows, and what that is.
    Elsewhere(&'static str),
    /// By parameters of the class.
    Parameters(&'static EncryptionSwitch),
}

/// Parameters that turn encryption on.
#[derive(Debug)]
pub struct EncryptionSwitch {
    /// The first is the one to recommend.
    parameters: &'static [Parameter],
    /// Why the absence of all of them proves nothing; None where it means that nothing is encrypted.
    absent: Option<&'static str>,
    attributes: Attributes,
}

/// What a driver leaves in `spec.csi.volumeAttributes` of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attributes {
    /// Nothing about encryption; whatever is there was written by hand.
    Silent,
    /// A copy of the parameters. Whoever writes a volume by hand may claim anything.
    Copied,
    /// What it obeys when it mounts the volume.
    Obeyed,
}

#[derive(Debug)]
struct Parameter {
    /// As the driver's documentation writes it.
    key: &'static str,
    name: NameMatch,
    value: ValueRule,
}

/// How a driver compares the name of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameMatch {
    Exact,
    AnyCase,
}

/// Which value turns encryption on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueRule {
    /// `true` and nothing else.
    True,
    /// What strconv.ParseBool takes for true. The driver refuses what is not a bool.
    Bool,
    /// `true`; what else the driver takes is not known here.
    Documented,
    /// Any but the empty one: the key to encrypt with.
    Key,
}

const fn parameter(key: &'static str, name: NameMatch, value: ValueRule) -> Parameter {
    Parameter { key, name, value }
}

/// The driver ignores every value but `true`, and a key turns encryption on whatever `encrypted`
/// says (aws-ebs-csi-driver, `pkg/driver/controller.go` and `pkg/cloud/cloud.go`).
const EBS: EncryptionSwitch = EncryptionSwitch {
    parameters: &[
        parameter("encrypted", NameMatch::AnyCase, ValueRule::True),
        parameter("kmsKeyId", NameMatch::AnyCase, ValueRule::Key),
    ],
    absent: Some("whether the AWS account encrypts volumes by default is not visible"),
    attributes: Attributes::Silent,
};

/// longhorn-manager, `csi/util.go`. The node asks Longhorn's volume and not the attributes.
const LONGHORN: EncryptionSwitch = EncryptionSwitch {
    parameters: &[parameter("encrypted", NameMatch::Exact, ValueRule::Bool)],
    absent: None,
    attributes: Attributes::Copied,
};

/// ceph-csi, `internal/rbd/encryption.go` and `internal/cephfs`.
const CEPH: EncryptionSwitch = EncryptionSwitch {
    parameters: &[parameter("encrypted", NameMatch::Exact, ValueRule::Bool)],
    absent: Some("whether Ceph encrypts its own disks is not visible"),
    attributes: Attributes::Obeyed,
};

/// By the source of openstorage, `api/spec/spec_handler.go`. A passphrase turns encryption on as well.
const PORTWORX: EncryptionSwitch = EncryptionSwitch {
    parameters: &[
        parameter("secure", NameMatch::Exact, ValueRule::Bool),
        parameter("passphrase", NameMatch::Exact, ValueRule::Key),
    ],
    absent: None,
    attributes: Attributes::Copied,
};

/// By the source of scaleway-csi, `pkg/driver/helpers.go`, which compares names without case.
const SCALEWAY: EncryptionSwitch = EncryptionSwitch {
    parameters: &[
        parameter("encrypted", NameMatch::AnyCase, ValueRule::Bool),
        parameter("kmsKeyId", NameMatch::AnyCase, ValueRule::Key),
    ],
    absent: Some("whether the provider encrypts its disks is not visible"),
    attributes: Attributes::Copied,
};

const LINODE: EncryptionSwitch = EncryptionSwitch {
    parameters: &[
        parameter("linodebs.csi.linode.com/encrypted", NameMatch::Exact, ValueRule::Documented),
        parameter(
            "linodebs.csi.linode.com/luks-encrypted",
            NameMatch::Exact,
            ValueRule::Documented,
        ),
    ],
    absent: Some("whether the region encrypts volumes by default is not visible"),
    attributes: Attributes::Silent,
};

const ALIBABA: EncryptionSwitch = EncryptionSwitch {
    parameters: &[parameter("encrypted", NameMatch::Exact, ValueRule::Documented)],
    absent: Some("whether the account encrypts disks by default is not visible"),
    attributes: Attributes::Silent,
};

/// The driver of this name, as `StorageClass.provisioner` and `spec.csi.driver` write it; None when it is
/// not known here. What was built into Kubernetes is served by the CSI driver that took its place, with
/// the same parameters.
pub fn driver(name: &str) -> Option<Driver> {
    let ceph = |driver: &str| {
        // Operators of Ceph put their namespace before the name of its drivers.
        name.strip_suffix(driver).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    };
    Some(match canonical(name) {
        "pd.csi.storage.gke.io"
        | "filestore.csi.storage.gke.io"
        | "disk.csi.azure.com"
        | "file.csi.azure.com"
        | "blob.csi.azure.com"
        | "blockvolume.csi.oraclecloud.com"
        | "fss.csi.oraclecloud.com"
        | "vpc.block.csi.ibm.io" => Driver::Always,
        "ebs.csi.aws.com" | "ebs.csi.eks.amazonaws.com" => Driver::Parameters(&EBS),
        "driver.longhorn.io" => Driver::Parameters(&LONGHORN),
        "pxd.portworx.com" => Driver::Parameters(&PORTWORX),
        "csi.scaleway.com" => Driver::Parameters(&SCALEWAY),
        "linodebs.csi.linode.com" => Driver::Parameters(&LINODE),
        "diskplugin.csi.alibabacloud.com" => Driver::Parameters(&ALIBABA),
        "efs.csi.aws.com" => Driver::Elsewhere(
            "EFS encrypts or not by file system, which is made outside the cluster",
        ),
        "cinder.csi.openstack.org" => {
            Driver::Elsewhere("Cinder encrypts or not by volume type, which OpenStack keeps")
        }
        "csi.vsphere.vmware.com" => {
            Driver::Elsewhere("vSphere encrypts or not by storage policy, which vCenter keeps")
        }
        "csi.hetzner.cloud" => Driver::Elsewhere(
            "the driver encrypts where the Secret named by csi.storage.k8s.io/node-publish-secret-name has an encryption-passphrase, and Secrets are not read",
        ),
        _ if ceph("rbd.csi.ceph.com") || ceph("cephfs.csi.ceph.com") => Driver::Parameters(&CEPH),
        _ => return None,
    })
}

/// The CSI driver that serves what is built into Kubernetes; any other name as it is.
pub fn canonical(name: &str) -> &str {
    match name {
        "kubernetes.io/aws-ebs" => "ebs.csi.aws.com",
        "kubernetes.io/azure-disk" => "disk.csi.azure.com",
        "kubernetes.io/azure-file" => "file.csi.azure.com",
        "kubernetes.io/cinder" => "cinder.csi.openstack.org",
        "kubernetes.io/gce-pd" => "pd.csi.storage.gke.io",
        "kubernetes.io/portworx-volume" => "pxd.portworx.com",
        "kubernetes.io/vsphere-volume" => "csi.vsphere.vmware.com",
        other => other,
    }
}

impl Driver {
    /// What a class says about the volumes made from it.
    pub fn of_class(self, parameters: &Parameters) -> Encryption {
        match self {
            Self::Always => Encryption::On,
            Self::Elsewhere(why) => Encryption::NotShown(format!("{why}: attest it")),
            Self::Parameters(switch) => {
                switch.stated(parameters).unwrap_or_else(|| switch.silent(parameters))
            }
        }
    }

    /// What a volume's own attributes prove; None where they prove nothing. `made` says whether the
    /// driver wrote them.
    pub fn of_attributes(self, attributes: &Parameters, made: bool) -> Option<Encryption> {
        match self {
            Self::Always => Some(Encryption::On),
            Self::Elsewhere(why) => Some(Encryption::NotShown(format!("{why}: attest it"))),
            Self::Parameters(switch) => match (switch.attributes, switch.stated(attributes)) {
                (Attributes::Silent, _) => None,
                (Attributes::Copied, Some(Encryption::On)) if !made => None,
                (_, stated) => stated,
            },
        }
    }
}

impl EncryptionSwitch {
    /// What the parameters that the driver reads decide; None where there are none of them.
    fn stated(&self, parameters: &Parameters) -> Option<Encryption> {
        let mut worst = None;
        for parameter in self.parameters {
            let key = parameter.key;
            for (name, value) in parameter.find(parameters) {
                let said = format!("the parameter {name} is {value:?}");
                match parameter.value.turns_on(value) {
                    // One parameter that turns encryption on outweighs others that don't.
                    Some(true) => return Some(Encryption::On),
                    // An empty key is none.
                    Some(false) if parameter.value == ValueRule::Key => {}
                    Some(false) => {
                        worst = Some(Encryption::Off(format!("{said}: {}", self.remedy())));
                    }
                    None => worst = worst.or_else(|| Some(Encryption::NotShown(format!(
                        "{said}, which is neither true nor false to the driver: write {key}: \"true\""
                    )))),
                }
            }
        }
        worst
    }

    /// What it means that none of them is there.
    fn silent(&self, parameters: &Parameters) -> Encryption {
        let key = self.recommended();
        // The likeliest mistake, and invisible without a hint: the driver ignores it silently.
        let mistyped = parameters.any_case(key).next().map_or_else(String::new, |(name, _)| {
            format!(" (the driver does not read {name}: case counts)")
        });
        let missing = format!("the parameter {key} is missing{mistyped}");
        match self.absent {
            None => Encryption::Off(format!(
                "{missing}, and the driver does not encrypt without it: {}",
                self.remedy()
            )),
            Some(why) => Encryption::NotShown(format!(
                "{missing}, and {why}: make a class with {key}: \"true\", or attest the default"
            )),
        }
    }

    fn recommended(&self) -> &'static str {
        self.parameters.first().map_or("", |parameter| parameter.key)
    }

    fn remedy(&self) -> String {
        format!(
            "make a class with {}: \"true\", and move the data to volumes of it",
            self.recommended()
        )
    }
}

impl Parameter {
    fn find<'a>(&self, parameters: &'a Parameters) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (key, name) = (self.key, self.name);
        parameters
            .any_case(key)
            .filter(move |(known, _)| name == NameMatch::AnyCase || *known == key)
    }
}

impl ValueRule {
    /// None where the driver refuses the value, or what it makes of it is not known.
    fn turns_on(self, value: &str) -> Option<bool> {
        match self {
            Self::True => Some(value == "true"),
            Self::Bool => parse_bool(value),
            Self::Documented => match value {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            Self::Key => Some(!value.is_empty()),
        }
    }
}

/// Reads a bool as Go's `strconv.ParseBool` does; None for what that refuses.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
