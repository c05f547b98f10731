//! Where the demo takes place: in a control plane of its own, or in the reader's cluster.

use std::path::PathBuf;

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Node, ServiceAccount},
};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::KubeConfigOptions,
};
use serde_json::json;

use crate::{
    Result, company,
    controlplane::ControlPlane,
    kubectl::Kubectl,
    settings::Settings,
    steps::{Step, Steps, heading},
};

/// The nodes that KWOK plays, one in each zone.
const NODES: [(&str, &str); 3] = [("node-1", "zone-a"), ("node-2", "zone-b"), ("node-3", "zone-c")];

/// Where the shipped manifests put the operator, and as whom.
const NAMESPACE: &str = "comptroller-system";
const SERVICE_ACCOUNT: &str = "comptroller";

/// How long the operator's token is good for: longer than anybody leaves a demo running.
const TOKEN_SECONDS: i64 = 7 * 24 * 3600;

/// A cluster with our definitions in it.
pub struct Place {
    /// The control plane, when it is the demo's own.
    pub plane: Option<ControlPlane>,
    /// With the rights of a reader, as `kubectl` below.
    pub client: Client,
    pub kubectl: Kubectl,
    /// Where the logs go; removed in the end.
    pub folder: PathBuf,
    /// What the operator gets; what KUBECONFIG says when there is none.
    pub operator_kubeconfig: Option<PathBuf>,
    samples: bool,
    /// Keeps `folder` where there is no control plane that does.
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    /// Whether the sample company is here.
    pub fn has_samples(&self) -> bool {
        self.samples
    }
}

/// Makes the place ready for the operator.
pub async fn prepare(settings: Settings, steps: &Steps) -> Result<Place> {
    let place = if settings.cluster { theirs(settings).await? } else { ours(steps).await? };
    steps
        .step("definitions", async |step| {
            step.say("Control and ControlException");
            install_definitions(&place.kubectl).await
        })
        .await?;
    if place.samples {
        steps
            .step("sample company", async |step| {
                company::install(&place.client, &place.kubectl, step).await
            })
            .await?;
    }
    if place.plane.is_some() {
        // After the company, all of whose people this one program plays: the policies would refuse an
        // exception that comes with its approval.
        steps
            .step("policies", async |step| {
                let folder = "config/admission";
                let applied = place.kubectl.run(&["apply", "--server-side", "-k", folder]).await?;
                step.say(format!("{} of {folder}", applied.lines().count()));
                Ok(())
            })
            .await?;
    }
    Ok(place)
}

/// Applies the pack of controls.
pub async fn install_controls(place: &Place, steps: &Steps) -> Result<()> {
    steps
        .step("controls", async |step| {
            let applied =
                place.kubectl.run(&["apply", "--server-side", "-k", "config/samples/pack"]).await?;
            step.say(format!("{} of config/samples/pack", applied.lines().count()));
            Ok(())
        })
        .await
}

async fn ours(steps: &Steps) -> Result<Place> {
    heading("Comptroller on a Kubernetes control plane of its own");
    let plane = steps.step("control plane", start).await?;
    // A definition is established a moment before its storage is ready; until then, the API server
    // asks to be asked again.
    let mut config = plane.config("admin");
    config.default_retry = true;
    let client = Client::try_from(config)?;
    let kubectl = Kubectl::new(Some(plane.kubeconfig("admin")));
    steps.step("nodes", async |step| create_nodes(&plane, step).await).await?;
    let operator_kubeconfig = steps
        .step("rights", async |step| {
            step.say(format!("{NAMESPACE}/{SERVICE_ACCOUNT}, with the roles of config/rbac"));
            grant(&plane, &client, &kubectl).await
        })
        .await?;
    Ok(Place {
        client,
        kubectl,
        folder: plane.dir().to_owned(),
        operator_kubeconfig: Some(operator_kubeconfig),
        samples: true,
        _temporary: None,
        plane: Some(plane),
    })
}

async fn start(step: &Step) -> Result<ControlPlane> {
    step.say("etcd, kube-apiserver, controllers, scheduler, KWOK");
    let plane = ControlPlane::builder()
        .controller_manager(true)
        .scheduler(true)
        .kwok(true)
        .encryption(&["secrets"])
        .start()
        .await?;
    // The API server counts what it encrypts from its first Secret on, which a cluster that was
    // installed by a tool always has.
    let secret = ["create", "secret", "generic", "first", "-n", "kube-system"];
    Kubectl::new(Some(plane.kubeconfig("admin"))).run(&secret).await?;
    Ok(plane)
}

async fn create_nodes(plane: &ControlPlane, step: &Step) -> Result<()> {
    let nodes = Api::<Node>::all(plane.admin_client());
    for (name, zone) in NODES {
        plane.create_node(name).await?;
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}});
        nodes.patch(name, &PatchParams::default(), &Patch::Merge(labels)).await?;
        step.say(format!("{name} in {zone}"));
    }
    step.say(format!("{} in as many zones, played by KWOK", NODES.len()));
    Ok(())
}

/// The operator runs outside the cluster here, but with the rights that it has inside: as its
/// ServiceAccount, with the shipped roles and nothing else.
async fn grant(plane: &ControlPlane, client: &Client, kubectl: &Kubectl) -> Result<PathBuf> {
    for source in [
        ["-f", "config/manager/namespace.yaml"],
        ["-f", "config/manager/evidence.yaml"],
        ["-k", "config/rbac"],
    ] {
        kubectl.run(&[&["apply", "--server-side"][..], &source[..]].concat()).await?;
    }
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer =
        accounts.create_token_request(SERVICE_ACCOUNT, &PostParams::default(), &request).await?;
    let token = answer.status.ok_or("the API server answered without a token")?.token;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "demo",
        "clusters": [{
            "name": "demo",
            "cluster": {
                "server": plane.server_url(),
                "certificate-authority": plane.dir().join("ca.crt"),
            },
        }],
        "users": [{"name": SERVICE_ACCOUNT, "user": {"token": token}}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": SERVICE_ACCOUNT}}],
    });
    let path = plane.dir().join("kubeconfig").join(SERVICE_ACCOUNT);
    std::fs::write(&path, kubeconfig.to_string())?;
    Ok(path)
}

/// Says what it will do to somebody's cluster before it does it.
async fn theirs(settings: Settings) -> Result<Place> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if std::env::var_os("KUBECONFIG").is_none_or(|value| value.is_empty()) {
        return Err("CLUSTER=1 needs KUBECONFIG: the cluster is named, never guessed".into());
    }
    let config = Config::from_kubeconfig(&KubeConfigOptions::default())
        .await
        .map_err(|error| format!("KUBECONFIG: {error}"))?;
    let kubectl = Kubectl::new(None);
    only_operator(&kubectl).await?;
    heading(&format!("Comptroller on the cluster {}", config.cluster_url));
    println!(
        "  It gets the definitions (crds/) and the controls (config/samples/pack), and keeps them."
    );
    println!("  The operator runs on this machine, with the rights of your kubeconfig.");
    if settings.samples {
        println!("  It gets the sample company too ({}), and keeps it.", company::FOLDER);
    } else {
        println!("  Nothing else is installed; SAMPLES=1 adds the sample company.");
    }
    println!();
    let temporary = tempfile::Builder::new().prefix("comptroller-demo-").tempdir()?;
    std::fs::create_dir(temporary.path().join("logs"))?;
    Ok(Place {
        plane: None,
        client: Client::try_from(config)?,
        kubectl,
        folder: temporary.path().to_owned(),
        operator_kubeconfig: None,
        samples: settings.samples,
        _temporary: Some(temporary),
    })
}

/// Two operators of different versions would write each other's statuses over.
async fn only_operator(kubectl: &Kubectl) -> Result<()> {
    let label = "app.kubernetes.io/name=comptroller";
    let found = kubectl.run(&["get", "deployments", "-A", "-l", label, "-o", "name"]).await?;
    if found.trim().is_empty() {
        return Ok(());
    }
    Err("the cluster runs an operator already: look at `kubectl get controls`, or delete it first \
         (kubectl delete -n comptroller-system deployment/comptroller)"
        .into())
}

async fn install_definitions(kubectl: &Kubectl) -> Result<()> {
    let applied = kubectl.run(&["apply", "--server-side", "-k", "crds", "-o", "name"]).await?;
    let mut arguments = vec!["wait", "--for=condition=Established", "--timeout=60s"];
    arguments.extend(applied.lines());
    kubectl.run(&arguments).await.map(drop)
}
