//! Parameters as each driver reads them.

use serde_json::{Value, json};

use crate::checks::encryption::tests::{NOW, inventory, verdicts};

fn class(provisioner: &str, parameters: &Value) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "c", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "provisioner": provisioner, "parameters": parameters,
    })
}

fn verdict(objects: &[Value], of: &str) -> String {
    let found = verdicts("storageClasses: {}", &inventory(objects), NOW);
    let line = found.iter().find_map(|line| line.strip_prefix(&format!("{of}: ")));
    line.unwrap_or_default().split(' ').next().unwrap().to_owned()
}

#[test]
fn classes() {
    const EBS: &str = "ebs.csi.aws.com";
    const LONGHORN: &str = "driver.longhorn.io";
    const RBD: &str = "rook-ceph.rbd.csi.ceph.com";
    for (provisioner, parameters, expected) in [
        (LONGHORN, json!({"encrypted": "true"}), "pass"),
        (LONGHORN, json!({"encrypted": "T"}), "pass"),
        (LONGHORN, json!({"encrypted": "0"}), "fails"),
        (LONGHORN, json!({"encrypted": "yes"}), "unknown"),
        (LONGHORN, json!({"encrypted": ""}), "unknown"),
        (LONGHORN, json!({"encrypted": null}), "unknown"),
        (LONGHORN, json!({"encrypteD": "true"}), "fails"),
        (LONGHORN, json!({"Encrypted": "true", "encrypted": "false"}), "fails"),
        (LONGHORN, json!({}), "fails"),
        (RBD, json!({"encrypted": "1"}), "pass"),
        (RBD, json!({"encrypted": "tRUE"}), "unknown"),
        (RBD, json!({"encrypted": "F"}), "fails"),
        (RBD, json!({"EnCrypted": "true", "encryptionKMSID": "vault"}), "unknown"),
        (RBD, json!({"encryptionKMSID": "vault"}), "unknown"),
        ("cephfs.csi.ceph.com", json!({"encrypted": "True"}), "pass"),
        (EBS, json!({"ENCRYPTED": "true"}), "pass"),
        (EBS, json!({"encrypted": "True"}), "fails"),
        (EBS, json!({"encrypted": "1"}), "fails"),
        (EBS, json!({"encrypted": "false", "KMSKEYID": "alias/data"}), "pass"),
        (EBS, json!({"kmsKeyId": ""}), "unknown"),
        (EBS, json!({"encrypted": "false", "kmsKeyId": ""}), "fails"),
        (EBS, json!(null), "unknown"),
        ("kubernetes.io/aws-ebs", json!({"kmsKeyId": "alias/data"}), "pass"),
        ("kubernetes.io/aws-ebs", json!({"type": "gp2"}), "unknown"),
        ("ebs.csi.eks.amazonaws.com", json!({"encrypted": "true"}), "pass"),
        ("pxd.portworx.com", json!({"secure": "1"}), "pass"),
        ("pxd.portworx.com", json!({"passphrase": "x"}), "pass"),
        ("pxd.portworx.com", json!({"Secure": "true"}), "fails"),
        ("pxd.portworx.com", json!({"secure": "maybe"}), "unknown"),
        ("csi.scaleway.com", json!({"Encrypted": "t"}), "pass"),
        ("csi.scaleway.com", json!({"encrypted": "no"}), "unknown"),
        ("csi.scaleway.com", json!({}), "unknown"),
        ("linodebs.csi.linode.com", json!({"linodebs.csi.linode.com/encrypted": "true"}), "pass"),
        ("linodebs.csi.linode.com", json!({"encrypted": "true"}), "unknown"),
        ("diskplugin.csi.alibabacloud.com", json!({"encrypted": "true"}), "pass"),
        ("diskplugin.csi.alibabacloud.com", json!({"encrypted": "True"}), "unknown"),
        // Each disk is encrypted; the parameter chooses who keeps the key.
        ("vpc.block.csi.ibm.io", json!({"encrypted": "false"}), "pass"),
        ("kubernetes.io/azure-disk", json!({"kind": "Managed"}), "pass"),
        ("efs.csi.aws.com", json!({"encrypted": "true"}), "unknown"),
        ("csi.hetzner.cloud", json!({"encrypted": "true"}), "unknown"),
        ("kubernetes.io/vsphere-volume", json!({}), "unknown"),
        ("example.com/new", json!({"encrypted": "true"}), "unknown"),
        (EBS, json!({"encrypted": true}), "unknown"),
    ] {
        let class = class(provisioner, &parameters);
        assert_eq!(verdict(&[class], "StorageClass c"), expected, "{provisioner} {parameters}");
    }
}

#[test]
fn volumes() {
    let volume = |spec: Value, by: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {
                "name": "v", "creationTimestamp": "2026-02-01T00:00:00Z",
                "annotations": {"pv.kubernetes.io/provisioned-by": by},
            },
            "spec": spec,
        })
    };
    let csi = |driver: &str, attributes: Value| json!({"storageClassName": "c", "csi": {"driver": driver, "volumeHandle": "h", "volumeAttributes": attributes}});
    let ebs = "ebs.csi.aws.com";
    let longhorn = "driver.longhorn.io";
    let rbd = "rbd.csi.ceph.com";
    let encrypted = json!({"encrypted": "true"});
    for (what, class, volume, expected) in [
        (
            "the EBS driver writes no such attribute, so a person did",
            class(ebs, &json!({})),
            volume(csi(ebs, encrypted.clone()), ebs),
            "unknown",
        ),
        (
            "a class of before the migration made it",
            class("kubernetes.io/aws-ebs", &json!({"kmsKeyId": "k"})),
            volume(csi(ebs, json!({})), ebs),
            "pass",
        ),
        (
            "made in-tree, migrated since",
            class("kubernetes.io/aws-ebs", &encrypted),
            volume(
                json!({"storageClassName": "c", "awsElasticBlockStore": {"volumeID": "v"}}),
                "kubernetes.io/aws-ebs",
            ),
            "pass",
        ),
        (
            "Longhorn copied it",
            class(longhorn, &json!({})),
            volume(csi(longhorn, encrypted.clone()), longhorn),
            "pass",
        ),
        (
            "a person claims it, and Longhorn does not read it",
            class(longhorn, &json!({})),
            volume(csi(longhorn, encrypted.clone()), ""),
            "unknown",
        ),
        (
            "Ceph obeys it, whoever wrote it",
            class(rbd, &json!({})),
            volume(csi(rbd, encrypted.clone()), ""),
            "pass",
        ),
        (
            "Ceph reads the name exactly",
            class(rbd, &json!({})),
            volume(csi(rbd, json!({"Encrypted": "true"})), rbd),
            "unknown",
        ),
        (
            "Ceph was told not to",
            class(rbd, &encrypted),
            volume(csi(rbd, json!({"encrypted": "f"})), rbd),
            "fails",
        ),
    ] {
        assert_eq!(verdict(&[class, volume], "PersistentVolume v"), expected, "{what}");
    }
}

#[test]
fn a_name_in_the_wrong_case_is_named() {
    use crate::checks::encryption::tests::{at, check, judge};
    let inventory = inventory(&[class("driver.longhorn.io", &json!({"Encrypted": "true"}))]);
    let judged = judge(check("storageClasses: {}").as_ref(), &inventory, at(NOW));
    let message = &judged.values().next().unwrap().failing[0].message;
    assert!(message.contains("does not read Encrypted: case counts"), "{message}");
}
