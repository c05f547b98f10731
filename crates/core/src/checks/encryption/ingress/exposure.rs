//! What the controllers of Ingresses make of them: who ends TLS without `spec.tls`, and who serves
//! plain HTTP beside it. An annotation counts only for the controller that reads it.

use serde_json::Value;

use super::{
    super::storage_classes::parse_bool,
    controllers::{HAPROXY_COMMUNITY, HAPROXY_TECHNOLOGIES, IngressController, ServedBy},
};
use crate::inventory::{
    Inventory,
    network::{IngressAnnotations, IngressFacts},
};

/// How clients reach the hosts of an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    pub tls: TlsTermination,
    pub plain: PlainHttp,
}

/// Which hosts of an Ingress the controller serves over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsTermination {
    /// For each host that `spec.tls` covers.
    BySpec,
    /// For every host, if `spec.tls` has an entry.
    ByAnyEntry,
    /// For every host, by a certificate that is named elsewhere.
    Always,
    /// `spec.tls` decides, or else something that is not visible: why, and what to do.
    NotShown(String),
    /// Nowhere, whatever `spec.tls` says: why, and what to do.
    Never(String),
}

/// Whether hosts that are served over TLS are served over plain HTTP as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// They are not, or only to redirect.
    No,
    /// They are: what to do.
    Yes(String),
    /// It is not known: why, and what to do.
    NotShown(String),
}

impl Exposure {
    /// As the Ingress API has it.
    const BY_SPEC: Self = Self { tls: TlsTermination::BySpec, plain: PlainHttp::No };

    /// How an Ingress is exposed by the controller that serves it.
    pub fn of(inventory: &Inventory, facts: &IngressFacts) -> Self {
        let ServedBy { controller, has_parameters } = ServedBy::of(inventory, facts);
        let annotations = &facts.annotations;
        match controller {
            Some(controller) => controller.exposure(annotations, has_parameters),
            // GKE serves what names no class, and nobody else reads its annotations.
            None if facts.class.is_none() && names_google_certificate(annotations) => {
                IngressController::Gce.exposure(annotations, has_parameters)
            }
            None => of_unknown(annotations),
        }
    }
}

impl IngressController {
    /// How this controller exposes an Ingress with these annotations, whose class has `parameters`.
    fn exposure(self, annotations: &IngressAnnotations, parameters: bool) -> Exposure {
        match self {
            Self::Alb => alb(annotations, parameters),
            Self::AlibabaAlb => alibaba(annotations),
            Self::AppGateway => app_gateway(annotations),
            Self::Cloudflare => Exposure {
                tls: TlsTermination::NotShown("TLS ends at Cloudflare, and whether it serves plain HTTP as well is its setting Always Use HTTPS: attest it".to_owned()),
                plain: PlainHttp::No,
            },
            Self::Contour => contour(annotations),
            Self::Gce => gce(annotations),
            Self::Haproxy(prefixes) => haproxy(annotations, prefixes),
            Self::Istio => Exposure {
                tls: TlsTermination::BySpec,
                plain: PlainHttp::NotShown("Istio serves an Ingress on port 80 too: use a Gateway with tls.httpsRedirect instead".to_owned()),
            },
            Self::Kong => kong(annotations),
            Self::Nginx => nginx(annotations),
            Self::NginxInc => nginx_inc(annotations),
            Self::OpenShift => openshift(annotations),
            Self::Oracle => oracle(annotations),
            // It opens port 443 alone, with a certificate of its own.
            Self::Tailscale => Exposure { tls: TlsTermination::Always, plain: PlainHttp::No },
            Self::Traefik => traefik(annotations),
        }
    }
}

/// The exposure when it is not known who reads the annotations: what would follow if the controller they
/// are meant for did makes the answer uncertain.
fn of_unknown(annotations: &IngressAnnotations) -> Exposure {
    let mut exposure = Exposure::BY_SPEC;
    for (controller, prefix) in [
        (IngressController::Nginx, "nginx.ingress.kubernetes.io/"),
        (IngressController::Alb, "alb.ingress.kubernetes.io/"),
        (IngressController::AppGateway, "appgw.ingress.kubernetes.io/"),
        (IngressController::Haproxy(HAPROXY_TECHNOLOGIES), "haproxy.org/"),
        (IngressController::Haproxy(HAPROXY_COMMUNITY), "haproxy-ingress.github.io/"),
        (IngressController::Kong, "konghq.com/"),
        (IngressController::NginxInc, "nginx.org/"),
        (IngressController::OpenShift, "route.openshift.io/"),
        (IngressController::Oracle, "oci-native-ingress.oraclecloud.com/"),
        (IngressController::Traefik, "traefik.ingress.kubernetes.io/"),
        (IngressController::Gce, "networking.gke.io/"),
        (IngressController::Gce, "ingress.gcp.kubernetes.io/"),
    ] {
        if !annotations.keys().any(|key| key.starts_with(prefix)) {
            continue;
        }
        let why = || {
            format!(
                "the annotations {prefix}* count only for the controller that reads them, and who serves this Ingress is not known: name its IngressClass in spec.ingressClassName"
            )
        };
        let if_served = controller.exposure(annotations, false);
        // Only where an annotation would make things better or worse than the Ingress alone shows, is the
        // answer uncertain.
        if matches!(if_served.tls, TlsTermination::Always | TlsTermination::NotShown(_)) {
            exposure.tls = TlsTermination::NotShown(why());
        }
        if if_served.plain != PlainHttp::No {
            exposure.plain = PlainHttp::NotShown(why());
        }
    }
    exposure
}

/// ingress-nginx redirects hosts that have TLS, unless told otherwise.
fn nginx(annotations: &IngressAnnotations) -> Exposure {
    let on = |key| annotations.get(key).and_then(parse_bool);
    let forced = on("nginx.ingress.kubernetes.io/force-ssl-redirect") == Some(true);
    let off = on("nginx.ingress.kubernetes.io/ssl-redirect") == Some(false);
    Exposure {
        // The controller ignores ssl-passthrough unless it runs with a flag, and its flags are not read.
        tls: if on("nginx.ingress.kubernetes.io/ssl-passthrough") == Some(true) {
            TlsTermination::NotShown("TLS goes through to the pods if the controller runs with --enable-ssl-passthrough, which is not visible: attest it".to_owned())
        } else if forced {
            TlsTermination::NotShown("plain HTTP is redirected (force-ssl-redirect), and TLS ends with the controller's default certificate or in front of it: name one in spec.tls, or attest it".to_owned())
        } else {
            TlsTermination::BySpec
        },
        plain: if off && !forced {
            PlainHttp::Yes(
                "remove the annotation nginx.ingress.kubernetes.io/ssl-redirect".to_owned(),
            )
        } else {
            PlainHttp::No
        },
    }
}

fn nginx_inc(annotations: &IngressAnnotations) -> Exposure {
    let off = ["nginx.org/ssl-redirect", "ingress.kubernetes.io/ssl-redirect"]
        .into_iter()
        .find(|key| annotations.get(key).and_then(parse_bool) == Some(false));
    Exposure {
        tls: TlsTermination::BySpec,
        plain: off
            .map_or(PlainHttp::No, |key| PlainHttp::Yes(format!("remove the annotation {key}"))),
    }
}

fn haproxy(annotations: &IngressAnnotations, prefixes: &[&str]) -> Exposure {
    let find = |name: &str| {
        prefixes.iter().find_map(|prefix| {
            let key = format!("{prefix}{name}");
            annotations.get(&key).map(|value| (switch(value), key))
        })
    };
    Exposure {
        tls: match find("ssl-passthrough") {
            Some((Some(true), key)) => TlsTermination::NotShown(format!(
                "TLS goes through to the pods ({key}), and whether they speak it is not visible: attest it"
            )),
            _ => TlsTermination::BySpec,
        },
        plain: match find("ssl-redirect") {
            Some((Some(false), key)) => PlainHttp::Yes(format!("remove the annotation {key}")),
            _ => PlainHttp::No,
        },
    }
}

/// Reads a bool as the configuration of `HAProxy` writes it; None for anything else.
fn switch(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "enabled" | "yes" => Some(true),
        "off" | "disabled" | "no" => Some(false),
        other => parse_bool(other),
    }
}

/// The AWS Load Balancer Controller opens the ports of `listen-ports`: without it HTTPS where a
/// certificate is named, else HTTP. It takes certificates for HTTPS from ACM by the hosts.
fn alb(annotations: &IngressAnnotations, parameters: bool) -> Exposure {
    const PORTS: &str = "alb.ingress.kubernetes.io/listen-ports";
    let ports = if let Some(text) = annotations.get(PORTS) {
        // The controller refuses the whole Ingress, so what is served is what was there before.
        let Some(ports) = ListenPorts::read(text) else {
            return not_shown(format!(
                "the annotation {PORTS} is not a list such as [{{\"HTTPS\": 443}}]: fix it"
            ));
        };
        ports
    } else {
        let https = annotations.has("alb.ingress.kubernetes.io/certificate-arn");
        ListenPorts { http: !https, https }
    };
    // Ingresses of one group share a load balancer, and so its listeners.
    let shared = annotations.has("alb.ingress.kubernetes.io/group.name");
    let redirects = annotations.has("alb.ingress.kubernetes.io/ssl-redirect");
    if !ports.https {
        return if parameters || shared {
            not_shown("the parameters of its IngressClass or another Ingress of its group may open HTTPS: name the certificate in alb.ingress.kubernetes.io/certificate-arn".to_owned())
        } else {
            Exposure {
                tls: TlsTermination::Never(format!(
                    "the AWS Load Balancer Controller opens plain HTTP alone: name the certificate in alb.ingress.kubernetes.io/certificate-arn, or set {PORTS} to [{{\"HTTPS\": 443}}] to have it found by host"
                )),
                plain: PlainHttp::No,
            }
        };
    }
    let redirect = "set alb.ingress.kubernetes.io/ssl-redirect to \"443\"";
    Exposure {
        tls: TlsTermination::Always,
        plain: if !ports.http || redirects {
            PlainHttp::No
        } else if parameters
            || shared
            || annotations.has("alb.ingress.kubernetes.io/actions.ssl-redirect")
        {
            PlainHttp::NotShown(format!(
                "it listens on HTTP too, and its class, its group or an action may redirect: {redirect}"
            ))
        } else {
            PlainHttp::Yes(redirect.to_owned())
        },
    }
}

/// Alibaba's controller reads annotations of the same names, and finds certificates by itself.
fn alibaba(annotations: &IngressAnnotations) -> Exposure {
    let redirects = annotations.get("alb.ingress.kubernetes.io/ssl-redirect").and_then(parse_bool)
        == Some(true);
    match annotations.get("alb.ingress.kubernetes.io/listen-ports").map(ListenPorts::read) {
        // Without the annotation it opens HTTPS for what spec.tls covers.
        None => Exposure::BY_SPEC,
        Some(Some(ListenPorts { https: true, http })) => Exposure {
            tls: TlsTermination::NotShown(
                "its HTTPS listener takes a certificate from the AlbConfig, which is not read: name one in spec.tls".to_owned(),
            ),
            plain: if http && !redirects {
                PlainHttp::Yes("set alb.ingress.kubernetes.io/ssl-redirect to \"true\"".to_owned())
            } else {
                PlainHttp::No
            },
        },
        Some(Some(_)) => Exposure {
            tls: TlsTermination::Never("alb.ingress.kubernetes.io/listen-ports opens plain HTTP alone: add {\"HTTPS\": 443}".to_owned()),
            plain: PlainHttp::No,
        },
        Some(None) => not_shown(
            "the annotation alb.ingress.kubernetes.io/listen-ports can't be read: fix it".to_owned(),
        ),
    }
}

/// The protocols that a balancer listens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListenPorts {
    http: bool,
    https: bool,
}

impl ListenPorts {
    /// Reads `[{"HTTP": 80}, {"HTTPS": 443}]`; None for what the controller refuses.
    fn read(text: &str) -> Option<Self> {
        let Value::Array(entries) = serde_json::from_str(text).ok()? else {
            return None;
        };
        let mut ports = Self { http: false, https: false };
        for entry in &entries {
            for protocol in entry.as_object()?.keys() {
                match protocol.as_str() {
                    "HTTP" => ports.http = true,
                    "HTTPS" => ports.https = true,
                    // HTTP/3 is TLS by definition, and comes with HTTPS.
                    "QUIC" => {}
                    _ => return None,
                }
            }
        }
        (ports.http || ports.https).then_some(ports)
    }
}

/// Application Gateway listens on HTTP beside HTTPS only to redirect.
fn app_gateway(annotations: &IngressAnnotations) -> Exposure {
    let named = annotations.has("appgw.ingress.kubernetes.io/appgw-ssl-certificate");
    Exposure {
        tls: if named { TlsTermination::Always } else { TlsTermination::BySpec },
        plain: PlainHttp::No,
    }
}

fn names_google_certificate(annotations: &IngressAnnotations) -> bool {
    annotations.has("networking.gke.io/managed-certificates")
        || annotations.has("ingress.gcp.kubernetes.io/pre-shared-cert")
}

/// Google's balancer serves HTTP beside HTTPS, for all hosts alike.
fn gce(annotations: &IngressAnnotations) -> Exposure {
    const ALLOW: &str = "kubernetes.io/ingress.allow-http";
    Exposure {
        tls: if names_google_certificate(annotations) {
            TlsTermination::Always
        } else {
            TlsTermination::ByAnyEntry
        },
        // Plain HTTP is open unless the annotation closes it; a value that is no bool closes nothing.
        plain: if annotations.get(ALLOW).and_then(parse_bool) == Some(false) {
            PlainHttp::No
        } else if annotations.has("networking.gke.io/v1beta1.FrontendConfig") {
            PlainHttp::NotShown(format!(
                "whether its FrontendConfig redirects is not read: set {ALLOW} to \"false\", or attest the redirect"
            ))
        } else {
            PlainHttp::Yes(format!("set {ALLOW} to \"false\""))
        },
    }
}

fn contour(annotations: &IngressAnnotations) -> Exposure {
    let on = |key| annotations.get(key).and_then(parse_bool);
    let closed = on("ingress.kubernetes.io/force-ssl-redirect") == Some(true)
        || on("kubernetes.io/ingress.allow-http") == Some(false);
    Exposure {
        tls: TlsTermination::BySpec,
        // Contour serves both ports, and redirects only where it is told to.
        plain: if closed {
            PlainHttp::No
        } else {
            PlainHttp::Yes("set ingress.kubernetes.io/force-ssl-redirect to \"true\"".to_owned())
        },
    }
}

/// Kong serves both protocols with a certificate of its own, unless told otherwise.
fn kong(annotations: &IngressAnnotations) -> Exposure {
    const PROTOCOLS: &str = "konghq.com/protocols";
    let protocols: Vec<&str> = annotations
        .get(PROTOCOLS)
        .map_or_else(Vec::new, |text| text.split(',').map(str::trim).collect());
    let secure = |protocol: &&str| matches!(*protocol, "https" | "grpcs" | "tls" | "wss");
    // An empty list is the default, and the default is both protocols.
    if !protocols.is_empty() && protocols.iter().all(secure) {
        return Exposure { tls: TlsTermination::Always, plain: PlainHttp::No };
    }
    let remedy = format!("set {PROTOCOLS} to https");
    Exposure {
        tls: TlsTermination::BySpec,
        plain: if annotations.has("konghq.com/override") {
            PlainHttp::NotShown(format!("its KongIngress is not read: {remedy}"))
        } else {
            PlainHttp::Yes(remedy)
        },
    }
}

/// The router redirects what it makes of an Ingress with TLS.
fn openshift(annotations: &IngressAnnotations) -> Exposure {
    let through = annotations.get("route.openshift.io/termination") == Some("passthrough");
    Exposure {
        tls: if through {
            TlsTermination::NotShown("TLS goes through to the pods (route.openshift.io/termination), and whether they speak it is not visible: attest it".to_owned())
        } else {
            TlsTermination::BySpec
        },
        plain: PlainHttp::No,
    }
}

fn oracle(annotations: &IngressAnnotations) -> Exposure {
    let named = annotations.has("oci-native-ingress.oraclecloud.com/certificate-ocid");
    Exposure {
        tls: if named { TlsTermination::Always } else { TlsTermination::BySpec },
        plain: PlainHttp::No,
    }
}

/// A router of Traefik with `tls` takes TLS alone. Without it, `spec.tls` brings certificates, and
/// the entry points decide.
fn traefik(annotations: &IngressAnnotations) -> Exposure {
    const TLS: &str = "traefik.ingress.kubernetes.io/router.tls";
    const ENTRY: &str = "traefik.ingress.kubernetes.io/router.entrypoints";
    if annotations.get(TLS).and_then(parse_bool) == Some(true) {
        return Exposure { tls: TlsTermination::Always, plain: PlainHttp::No };
    }
    let entry = annotations.get(ENTRY).unwrap_or_default();
    let mut points = entry.split(',').map(str::trim).filter(|point| !point.is_empty()).peekable();
    // A list without an entry means every default entry point, so it is not "only secure".
    let only_secure = points.peek().is_some() && points.all(|point| point == "websecure");
    if only_secure {
        return Exposure {
            tls: TlsTermination::NotShown(format!(
                "whether the entry point websecure ends TLS is in Traefik's own configuration: set {TLS} to \"true\""
            )),
            plain: PlainHttp::No,
        };
    }
    Exposure {
        tls: TlsTermination::BySpec,
        plain: PlainHttp::NotShown(format!(
            "Traefik serves it at every default entry point, and whether that for plain HTTP redirects is in its own configuration: set {TLS} to \"true\""
        )),
    }
}

fn not_shown(why: String) -> Exposure {
    Exposure { tls: TlsTermination::NotShown(why.clone()), plain: PlainHttp::NotShown(why) }
}
