//! Which controller serves an Ingress: by the class that it names, or by the default class.

use super::super::network;
use crate::inventory::{
    Inventory, ObjectSource,
    network::{IngressClassFacts, IngressClassRef, IngressFacts, NetworkFacts},
};

/// The kind that names the controller of an Ingress.
pub const INGRESS_CLASS: (&str, &str) = ("networking.k8s.io", "IngressClass");

/// A controller whose annotations and defaults are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngressController {
    Alb,
    AlibabaAlb,
    AppGateway,
    Cloudflare,
    Contour,
    Gce,
    /// `HAProxy`, by the prefixes of annotations that it reads.
    Haproxy(&'static [&'static str]),
    Istio,
    Kong,
    Nginx,
    /// Of NGINX Inc, not of Kubernetes.
    NginxInc,
    OpenShift,
    Oracle,
    Tailscale,
    Traefik,
}

pub const HAPROXY_TECHNOLOGIES: &[&str] =
    &["haproxy.org/", "haproxy.com/", "ingress.kubernetes.io/"];
pub const HAPROXY_COMMUNITY: &[&str] = &["haproxy-ingress.github.io/", "ingress.kubernetes.io/"];
const HAPROXY_EITHER: &[&str] =
    &["haproxy.org/", "haproxy.com/", "haproxy-ingress.github.io/", "ingress.kubernetes.io/"];

/// Who serves an Ingress, as far as its class shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServedBy {
    /// None for a controller that is not known here.
    pub controller: Option<IngressController>,
    /// Whether the class has parameters: they are not read, and may change what the controller does.
    pub has_parameters: bool,
}

impl ServedBy {
    /// By the class that an Ingress names, or else by the default class.
    pub fn of(inventory: &Inventory, facts: &IngressFacts) -> Self {
        match &facts.class {
            Some(IngressClassRef::Annotation(name)) => Self::by_name(name),
            Some(IngressClassRef::Object(name)) => match class(inventory, name) {
                Some(class) => Self::by_class(class),
                // It may be in another file, or be served by name alone.
                None => Self::by_name(name),
            },
            // The API server fills in the default class when it takes the manifest. In a cluster, an
            // Ingress without a class was created when there was none.
            None if inventory.source == ObjectSource::Manifests => {
                default_class(inventory).map(Self::by_class).unwrap_or_default()
            }
            None => Self::default(),
        }
    }

    fn by_class(class: &IngressClassFacts) -> Self {
        let controller = IngressController::of(&class.controller);
        Self { controller, has_parameters: class.parameters }
    }

    fn by_name(name: &str) -> Self {
        Self { controller: IngressController::of_class(name), has_parameters: false }
    }
}

fn class<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a IngressClassFacts> {
    let object = inventory.lookup(INGRESS_CLASS.0, INGRESS_CLASS.1, "", name)?;
    as_class(network(object)?)
}

fn default_class(inventory: &Inventory) -> Option<&IngressClassFacts> {
    let mut defaults = inventory
        .objects_of(INGRESS_CLASS.0, INGRESS_CLASS.1)
        .filter_map(|(_, object)| as_class(network(object)?))
        .filter(|class| class.default);
    // Of several default classes, which one the API server fills in depends on its version: they decide
    // only where all mean the same controller.
    let first = defaults.next()?;
    defaults.all(|other| other.controller == first.controller).then_some(first)
}

fn as_class(facts: &NetworkFacts) -> Option<&IngressClassFacts> {
    match facts {
        NetworkFacts::IngressClass(class) => Some(class),
        _ => None,
    }
}

impl IngressController {
    /// By `IngressClass.spec.controller`. Whoever runs one twice appends to its name.
    fn of(controller: &str) -> Option<Self> {
        let is = |name: &str| {
            controller
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '-']))
        };
        Some(match controller {
            _ if is("ingress.k8s.aws/alb") || is("eks.amazonaws.com/alb") => Self::Alb,
            _ if is("ingress.k8s.alibabacloud/alb") => Self::AlibabaAlb,
            _ if is("azure/application-gateway") => Self::AppGateway,
            _ if is("strrl.dev/cloudflare-tunnel-ingress-controller") => Self::Cloudflare,
            _ if is("projectcontour.io") => Self::Contour,
            _ if is("haproxy.org/ingress-controller") => Self::Haproxy(HAPROXY_TECHNOLOGIES),
            _ if is("haproxy-ingress.github.io/controller") => Self::Haproxy(HAPROXY_COMMUNITY),
            _ if is("istio.io/ingress-controller") => Self::Istio,
            _ if is("ingress-controllers.konghq.com/kong") => Self::Kong,
            _ if is("webapprouting.kubernetes.azure.com/nginx") => Self::Nginx,
            _ if controller.starts_with("k8s.io/") && controller.contains("nginx") => Self::Nginx,
            _ if is("nginx.org/ingress-controller") => Self::NginxInc,
            _ if is("openshift.io/ingress-to-route") => Self::OpenShift,
            _ if is("oci.oraclecloud.com/native-ingress-controller") => Self::Oracle,
            _ if is("tailscale.com/ts-ingress") => Self::Tailscale,
            _ if is("traefik.io/ingress-controller") => Self::Traefik,
            _ => return None,
        })
    }

    /// By the name that the controller's own documentation gives its class.
    fn of_class(name: &str) -> Option<Self> {
        Some(match name {
            "alb" => Self::Alb,
            "azure/application-gateway" | "azure-application-gateway" => Self::AppGateway,
            "cloudflare-tunnel" => Self::Cloudflare,
            "contour" => Self::Contour,
            "gce" | "gce-internal" => Self::Gce,
            "haproxy" => Self::Haproxy(HAPROXY_EITHER),
            "istio" => Self::Istio,
            "kong" => Self::Kong,
            "openshift-default" => Self::OpenShift,
            "tailscale" => Self::Tailscale,
            "webapprouting.kubernetes.azure.com" => Self::Nginx,
            _ if of_family(name, "nginx") => Self::Nginx,
            _ if of_family(name, "traefik") => Self::Traefik,
            _ => return None,
        })
    }
}

/// Whether the name of a class is one of a family, such as `nginx-internal` and `public-nginx`.
fn of_family(name: &str, family: &str) -> bool {
    name.split(['-', '.', '_']).any(|part| part == family)
}
