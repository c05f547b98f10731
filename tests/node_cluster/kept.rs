//! `make node`: a cluster with the operator on it, until Ctrl-C.

use std::path::Path;

use crate::{
    harness::Result,
    node::Node,
    release::{self, NAMESPACE},
};

/// Starts it, says what to try, and holds it until it is stopped.
pub async fn run() -> Result<()> {
    println!("Starting a cluster of one node (Ctrl-C ends it and clears up) ...");
    let node = Node::start().await?;
    println!("Installing the operator ...");
    release::install(&node).await?;
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/config/soc2");
    node.kubectl(&["apply", "--server-side", "-k", pack]).await?;
    guide(&node.plane.kubeconfig("admin"));
    std::future::pending().await
}

fn guide(kubeconfig: &Path) {
    println!(
        "
The operator runs on a real node, with the SOC 2 pack. In another terminal:

  export KUBECONFIG={}
  kubectl get nodes,pods -A
  kubectl get controls
  kubectl -n {NAMESPACE} logs deployment/comptroller
  kubectl -n {NAMESPACE} exec deployment/comptroller -- comptroller evidence verify /var/lib/comptroller/evidence
  kubectl -n {NAMESPACE} port-forward service/comptroller-metrics 8443

Ctrl-C ends the cluster and removes everything.",
        kubeconfig.display()
    );
}
