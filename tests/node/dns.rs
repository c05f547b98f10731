//! The cluster's DNS, as kubeadm installs it.

use super::{Node, error::Error, image::Image, settings::DNS};

const MANIFESTS: &str = include_str!("dns.yaml");
const IMAGE: &str = "comptroller.dev/test/coredns:1";

impl Node {
    /// Installs `CoreDNS` and waits until it answers.
    pub(super) async fn install_dns(&self) -> Result<(), Error> {
        let binary = self.machine.built.join("coredns");
        let folder = self.folder("images/coredns")?;
        let image = Image::new(IMAGE, folder, &["/coredns"])?.file(&binary, "/coredns")?;
        self.import(&image.archive()?).await?;
        let manifests = MANIFESTS.replace("{address}", DNS).replace("{image}", IMAGE);
        self.kubectl_with_input(&["apply", "-f", "-"], &manifests).await?;
        let wait =
            ["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"];
        self.kubectl(&wait).await.map(drop)
    }
}
