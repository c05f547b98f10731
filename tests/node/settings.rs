//! The configuration of each component of the node.

use std::path::Path;

use serde_json::{Value, json};

use super::host::{ADDRESS, PODS, ROOT, STATE};

/// The node's name.
pub const NAME: &str = "node-1";
/// The address of the cluster's DNS, within the control plane's range of Services.
pub const DNS: &str = "10.0.0.10";
/// The image of each pod's sandbox.
pub const PAUSE: &str = "comptroller.dev/test/pause:1";

/// Where containerd listens.
pub fn socket() -> String {
    format!("{STATE}/containerd.sock")
}

/// `config.toml` of containerd 1.6 and newer.
pub fn containerd(snapshotter: &str, plugins: &Path) -> String {
    let (socket, plugins) = (socket(), plugins.display());
    format!(
        r#"version = 2
root = "{ROOT}/containerd"
state = "{STATE}/containerd"
disabled_plugins = [
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.internal.v1.tracing",
]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{ROOT}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
# Within a container or a small virtual machine, root may not lower a process's OOM score.
restrict_oom_score_adj = true
# Below our folder, so that whoever clears up knows whose they are.
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{ROOT}/cni/net.d"
"#
    )
}

/// A cable from each pod to the node. On a common bridge, answers would bypass the node's address
/// translation, which Services need.
pub fn network() -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": PODS }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
                "dataDir": format!("{ROOT}/cni/addresses"),
            },
        }],
    })
}

/// The ports that the node opens.
pub struct Ports {
    pub kubelet: u16,
    pub proxy_health: u16,
    pub proxy_metrics: u16,
}

pub fn kubelet(ports: &Ports, authority: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "port": ports.kubelet,
        "healthzPort": 0,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "Webhook" },
        "containerRuntimeEndpoint": format!("unix://{}", socket()),
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": STATE.trim_start_matches("/run"),
        // Older machines, and this one's size, are as good for a test.
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "evictionHard": { "memory.available": "10Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        // Images were imported and can't be fetched again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "makeIPTablesUtilChains": false,
        "podLogsDir": format!("{ROOT}/pods-logs"),
        "volumePluginDir": format!("{ROOT}/volume-plugins"),
    })
}

pub fn kubelet_arguments(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--config={ROOT}/kubelet.json"),
        format!("--root-dir={ROOT}/kubelet"),
        format!("--cert-dir={ROOT}/kubelet-pki"),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--hostname-override={NAME}"),
        format!("--node-ip={ADDRESS}"),
    ]
}

pub fn proxy(ports: &Ports, kubeconfig: &Path) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": PODS,
        "hostnameOverride": NAME,
        "clientConnection": { "kubeconfig": kubeconfig },
        "healthzBindAddress": format!("127.0.0.1:{}", ports.proxy_health),
        "metricsBindAddress": format!("127.0.0.1:{}", ports.proxy_metrics),
        // The machine's own limits stay as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    })
}

/// What the API server needs to be reached by pods, and to reach the kubelet.
pub fn api_server_arguments() -> [String; 8] {
    [
        "--bind-address=0.0.0.0".to_owned(),
        format!("--advertise-address={ADDRESS}"),
        // The `kubernetes` Service leads to it.
        "--endpoint-reconciler-type=lease".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--kubelet-client-certificate={dir}/kubelet-client.crt".to_owned(),
        "--kubelet-client-key={dir}/kubelet-client.key".to_owned(),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ]
}
