//! Claims with their volumes, and snapshots where no schedule covers them.

use rand::Rng;
use serde_json::json;

use super::{Place, Planter, base::CLASSES};

impl Planter {
    /// A claim, bound to a volume of some class.
    pub(super) fn claim(&mut self, place: &mut Place, name: &str) {
        // Most follow the default; the classes of before are still there.
        let class = CLASSES[[0, 0, 0, 0, 0, 0, 0, 1, 2, 2][self.rng.random_range(0..10)]];
        let (class_name, driver, _, encrypted) = class;
        let volume = format!("pvc-{}-{name}", place.name);
        self.add(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": place.name, "labels": {"team": place.team}},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": class_name,
                "volumeName": volume,
                "resources": {"requests": {"storage": "20Gi"}},
            },
        }));
        self.add(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": volume,
                "annotations": {"pv.kubernetes.io/provisioned-by": driver},
            },
            "spec": {
                "capacity": {"storage": "20Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": class_name,
                "claimRef": {"namespace": place.name, "name": name},
                "csi": {"driver": driver, "volumeHandle": format!("vol-{volume}")},
            },
        }));
        let item = format!("PersistentVolume {volume}");
        self.expected.judge("volumes-are-encrypted", &item, !encrypted);
        place.claims.push(name.to_owned());
    }

    /// A snapshot of a claim, taken at a time.
    pub(super) fn snapshot(&mut self, namespace: &str, claim: &str, taken: &str) {
        for object in snapshot_of(namespace, claim, taken) {
            self.add(object);
        }
    }
}

/// A ready snapshot and its content; the former first.
pub fn snapshot_of(namespace: &str, claim: &str, taken: &str) -> [serde_json::Value; 2] {
    let name = format!("{claim}-nightly");
    let content = format!("snapcontent-{namespace}-{name}");
    [
        json!({
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshot",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"source": {"persistentVolumeClaimName": claim}},
            "status": {
                "boundVolumeSnapshotContentName": content,
                "creationTime": taken,
                "readyToUse": true,
                "restoreSize": "20Gi",
            },
        }),
        json!({
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotContent",
            "metadata": {"name": content},
            "spec": {
                "driver": "ebs.csi.aws.com",
                "deletionPolicy": "Retain",
                "source": {"snapshotHandle": format!("snap-{namespace}-{claim}")},
                "volumeSnapshotRef": {"namespace": namespace, "name": name},
            },
            "status": {"readyToUse": true},
        }),
    ]
}
