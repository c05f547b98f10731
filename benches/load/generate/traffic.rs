//! What traffic goes through: services, ingresses with certificates, gateways, network policies.

use rand::Rng;
use serde_json::json;

use super::{Place, Planter};

impl Planter {
    /// The Service of a workload; some are published.
    pub(super) fn service(&mut self, place: &Place, name: &str) {
        let mut spec = json!({
            "type": "ClusterIP",
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        });
        let open = self.rng.random_range(0..60);
        match open {
            0 => spec["type"] = "NodePort".into(),
            1 | 2 => {
                spec["type"] = "LoadBalancer".into();
                spec["allocateLoadBalancerNodePorts"] = false.into();
                if open == 2 {
                    spec["loadBalancerSourceRanges"] = json!(["203.0.113.0/24"]);
                }
            }
            _ => {}
        }
        self.add(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": place.name, "labels": {"team": place.team}},
            "spec": spec,
        }));
        let item = format!("{}/{name}", place.name);
        self.expected.judge("services-stay-inside", &item, open < 2);
        if self.one_in(4) {
            self.ingress(place, name);
        }
    }

    fn ingress(&mut self, place: &Place, name: &str) {
        let item = format!("{}/{name}", place.name);
        let plain = self.one_in(12);
        self.expected.judge("ingress-has-tls", &item, plain);
        self.add(ingress(&place.name, name, !plain));
        if plain {
            return;
        }
        let expiring = self.one_in(15);
        let ready = !self.one_in(20);
        self.expected.judge("certificates-do-not-expire", &item, expiring || !ready);
        let hours = if expiring { 24 * 5 } else { 24 * self.rng.random_range(20..80) };
        let expiry = self.hours(hours);
        self.certificate(place, name, &expiry, ready);
    }

    fn certificate(&mut self, place: &Place, name: &str, expiry: &str, ready: bool) {
        let (status, reason) = if ready { ("True", "Ready") } else { ("False", "IncorrectIssuer") };
        let since = self.hours(-24 * 7);
        self.add(json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": name, "namespace": place.name},
            "spec": {
                "secretName": format!("{name}-tls"),
                "dnsNames": [format!("{name}.{}.example.com", place.name)],
                "issuerRef": {"kind": "ClusterIssuer", "name": "public"},
            },
            "status": {
                "notAfter": expiry,
                "conditions": [{
                    "type": "Ready",
                    "status": status,
                    "reason": reason,
                    "message": "as the issuer says",
                    "lastTransitionTime": since,
                }],
            },
        }));
    }

    /// A certificate of the namespace for traffic inside, and now and then a Gateway.
    pub(super) fn certificate_authority(&mut self, place: &Place) {
        let expiry = self.hours(24 * 200);
        self.certificate(place, "internal", &expiry, true);
        let item = format!("{}/internal", place.name);
        self.expected.judge("certificates-do-not-expire", &item, false);
        if !self.one_in(10) {
            return;
        }
        let plain = self.one_in(4);
        let listener = if plain {
            json!({"name": "web", "protocol": "HTTP", "port": 80})
        } else {
            json!({
                "name": "web",
                "protocol": "HTTPS",
                "port": 443,
                "tls": {"mode": "Terminate", "certificateRefs": [{"name": "internal-tls"}]},
            })
        };
        self.add(json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": place.name},
            "spec": {"gatewayClassName": "envoy", "listeners": [listener]},
        }));
        self.expected.judge("gateways-have-tls", &place.name, plain);
    }

    /// Denied by default, but for what the team lets in.
    pub(super) fn network_policies(&mut self, place: &Place) {
        let policy = |name: &str, spec: serde_json::Value| {
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": name, "namespace": place.name},
                "spec": spec,
            })
        };
        if !self.one_in(6) {
            self.add(policy(
                "default-deny",
                json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
            ));
        }
        let from = json!([{"namespaceSelector": {"matchLabels": {"owner": place.team}}}]);
        self.add(policy(
            "allow-team",
            json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": from}]}),
        ));
    }
}

/// An Ingress of one host.
pub fn ingress(namespace: &str, name: &str, tls: bool) -> serde_json::Value {
    let host = format!("{name}.{namespace}.example.com");
    let backend = json!({"service": {"name": name, "port": {"name": "http"}}});
    let mut ingress = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "8m"},
        },
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{
                "host": host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }],
        },
    });
    if tls {
        ingress["spec"]["tls"] = json!([{"hosts": [host], "secretName": format!("{name}-tls")}]);
    }
    ingress
}
