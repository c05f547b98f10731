//! The command line of each component.

use super::port::Port;

/// What the command lines are made of.
pub struct Arguments<'a> {
    /// The control plane's folder.
    pub dir: &'a str,
    pub etcd: &'a Port,
    pub etcd_peer: &'a Port,
    pub api_server: &'a Port,
}

impl Arguments<'_> {
    fn lines(&self, lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| line.replace("{dir}", self.dir)).collect()
    }

    /// The data is thrown away, so that a crash may lose it.
    pub fn etcd(&self) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.etcd.number());
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer.number());
        let mut arguments = self.lines(&["--data-dir={dir}/etcd", "--unsafe-no-fsync"]);
        arguments.extend([
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ]);
        arguments
    }

    /// `extra` replaces a flag of ours of the same name: some flags add up when given twice.
    pub fn api_server(&self, service_accounts: bool, extra: &[String]) -> Vec<String> {
        let mut arguments = self.lines(&[
            "--bind-address=127.0.0.1",
            // Without it, the API server looks for an interface that an isolated machine lacks.
            "--advertise-address=127.0.0.1",
            "--tls-cert-file={dir}/tls.crt",
            "--tls-private-key-file={dir}/tls.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file={dir}/service-account.pub",
            "--service-account-signing-key-file={dir}/service-account.key",
            "--service-cluster-ip-range=10.0.0.0/24",
            // A loopback address is no valid endpoint of the `kubernetes` Service.
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            "--token-auth-file={dir}/tokens.csv",
            "--allow-privileged",
        ]);
        arguments.extend([
            format!("--secure-port={}", self.api_server.number()),
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd.number()),
        ]);
        if !service_accounts {
            // Nobody makes the `default` ServiceAccounts, without which no Pod is admitted.
            arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        let name = |line: &str| line.split('=').next().map(str::to_owned);
        arguments.retain(|line| extra.iter().all(|other| name(other) != name(line)));
        arguments.extend(extra.iter().map(|line| line.replace("{dir}", self.dir)));
        arguments
    }

    pub fn controller_manager(&self, port: &Port, kubeconfig: &str) -> Vec<String> {
        let mut arguments = self.serving(port, kubeconfig);
        arguments.extend(self.lines(&[
            "--service-account-private-key-file={dir}/service-account.key",
            "--root-ca-file={dir}/ca.crt",
            // Each controller as its own user, as installers set it up: RBAC is judged as it is.
            "--use-service-account-credentials",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]));
        arguments
    }

    pub fn scheduler(&self, port: &Port, kubeconfig: &str) -> Vec<String> {
        self.serving(port, kubeconfig)
    }

    fn serving(&self, port: &Port, kubeconfig: &str) -> Vec<String> {
        let mut arguments = self.lines(&[
            "--bind-address=127.0.0.1",
            "--tls-cert-file={dir}/tls.crt",
            "--tls-private-key-file={dir}/tls.key",
            "--leader-elect=false",
        ]);
        arguments.extend([
            format!("--kubeconfig={kubeconfig}"),
            format!("--secure-port={}", port.number()),
        ]);
        arguments
    }

    pub fn kwok(&self, port: &Port, kubeconfig: &str) -> Vec<String> {
        let mut arguments = self.lines(&[
            "--config={dir}/kwok.yaml",
            "--manage-all-nodes",
            "--node-ip=127.0.0.1",
            "--node-lease-duration-seconds=40",
        ]);
        arguments.extend([
            format!("--kubeconfig={kubeconfig}"),
            format!("--server-address=127.0.0.1:{}", port.number()),
        ]);
        arguments
    }
}
