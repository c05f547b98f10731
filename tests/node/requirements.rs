//! What a machine must have, told all at once and with the Debian package that brings it.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::error::Error;

/// Commands, and the packages that bring them.
const COMMANDS: [(&str, &str); 10] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("flock", "util-linux"),
    ("mount", "mount"),
    ("tar", "tar"),
    // Packs the operator's image.
    ("buildah", "buildah"),
];

/// Where distributions put the network plugins.
const PLUGIN_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// The plugins of the pods' network.
const PLUGINS: [&str; 3] = ["ptp", "host-local", "loopback"];

/// Capabilities that root has, and root in a container often has not.
const RIGHTS: [(u32, &str); 2] =
    [(12, "CAP_NET_ADMIN (networks)"), (21, "CAP_SYS_ADMIN (mounts, namespaces, cgroups)")];

/// Of `make node`; the control plane's are looked for by the control plane.
const BUILT: [&str; 4] = ["kubelet", "kube-proxy", "coredns", "pause"];

/// Where on this machine everything is.
pub struct Machine {
    /// The folder of the network plugins.
    pub plugins: PathBuf,
    /// The folder of what tests/node/build.sh built.
    pub built: PathBuf,
}

impl Machine {
    /// Looks for everything that a node needs.
    pub fn inspect() -> Result<Self, Error> {
        let mut lacking = Vec::new();
        if !cfg!(target_os = "linux") {
            return Err(Error::Lacking(vec!["Linux: kubelets run on nothing else".to_owned()]));
        }
        if fs::metadata("/proc/self").map_or(true, |process| process.uid() != 0) {
            lacking.push("root: run it with sudo".to_owned());
        } else {
            let missing = RIGHTS.iter().filter(|(bit, _)| (capabilities() >> bit) & 1 == 0);
            lacking.extend(
                missing.map(|(_, name)| {
                    format!("the right {name}: in a container, run it privileged")
                }),
            );
        }
        if !fs::read_to_string("/proc/mounts").is_ok_and(|mounts| mounts.contains(" cgroup")) {
            lacking.push("cgroups: none is mounted".to_owned());
        }
        let mut packages: Vec<&str> = Vec::new();
        for (command, package) in COMMANDS {
            if find(command).is_none() {
                lacking.push(format!("{command} (Debian package {package})"));
                packages.push(package);
            }
        }
        let has_plugins =
            |folder: &&&str| PLUGINS.iter().all(|name| Path::new(**folder).join(name).is_file());
        let plugins = PLUGIN_FOLDERS.iter().find(has_plugins);
        if plugins.is_none() {
            let [all, folders] = [PLUGINS.join(", "), PLUGIN_FOLDERS.join(" or ")];
            lacking.push(format!(
                "the CNI plugins {all} in {folders} (Debian package containernetworking-plugins)"
            ));
            packages.push("containernetworking-plugins");
        }
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/node/bin");
        for name in BUILT.iter().filter(|name| !built.join(name).is_file()) {
            lacking.push(format!("{name} in {}: run tests/node/build.sh", built.display()));
        }
        packages.dedup();
        if !packages.is_empty() {
            lacking.push(format!("All at once: apt-get install {}", packages.join(" ")));
        }
        match plugins {
            Some(plugins) if lacking.is_empty() => Ok(Self { plugins: plugins.into(), built }),
            _ => Err(Error::Lacking(lacking)),
        }
    }
}

/// The capabilities of this process, by bit; all of them where the kernel does not say.
fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX)
}

/// A command in `PATH`, or in the folders of the administrator, which a user's `PATH` may lack.
pub fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(command))
        .find(|candidate| candidate.is_file())
}
