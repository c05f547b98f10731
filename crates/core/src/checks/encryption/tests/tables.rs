//! Kinds of objects against their fixtures.

use serde_json::json;

use super::{
    CERTIFICATES, GATEWAYS, GRPC, INGRESS, LINKERD, MESH, NOW, STORAGE, at, check, documents,
    inventory, judge, verdicts,
};
use crate::inventory::{Inventory, ObjectSource};

fn world(files: &[&str]) -> Inventory {
    let objects: Vec<_> = files.iter().flat_map(|file| documents(file)).collect();
    inventory(&objects)
}

#[test]
fn certificates() {
    let world = world(&[CERTIFICATES]);
    assert_eq!(
        verdicts("certificates: {}", &world, NOW),
        [
            "Certificate shop/dateless: unknown ExpiryUnknown",
            "Certificate shop/expired: fails CertificateExpired",
            "Certificate shop/expiring: pass",
            "Certificate shop/good: pass",
            "Certificate shop/never-issued: fails CertificateNotReady",
            "Certificate shop/renewal-fails: fails CertificateNotReady",
        ]
    );
    let thirty_days = verdicts("certificates: {minValidity: 30d}", &world, NOW);
    assert!(
        thirty_days.contains(&"Certificate shop/expiring: fails CertificateExpiring".to_owned())
    );
    assert!(thirty_days.contains(&"Certificate shop/good: pass".to_owned()));
}

/// 30 days before 2027-01-30 is the last instant at which `good` has enough left.
#[test]
fn the_edge_of_a_certificate() {
    let world = world(&[CERTIFICATES]);
    let spec = "certificates: {minValidity: 30d}";
    for (now, expected) in [
        ("2026-12-30T23:59:59Z", "Certificate shop/good: pass"),
        ("2026-12-31T00:00:00Z", "Certificate shop/good: pass"),
        ("2026-12-31T00:00:01Z", "Certificate shop/good: fails CertificateExpiring"),
        ("2027-01-30T00:00:00Z", "Certificate shop/good: fails CertificateExpiring"),
        ("2027-01-30T00:00:01Z", "Certificate shop/good: fails CertificateExpired"),
    ] {
        assert!(verdicts(spec, &world, now).contains(&expected.to_owned()), "{now}");
    }
}

#[test]
fn ingress_hosts() {
    let world = world(&[INGRESS]);
    assert_eq!(
        verdicts("ingress: {}", &world, NOW),
        [
            "Ingress bank/good: pass",
            "Ingress shop/certificate-of-controller: pass",
            "Ingress shop/default-backend-plain: fails PlaintextDefaultBackend",
            "Ingress shop/default-backend-tls: unknown DefaultBackendNotCovered",
            "Ingress shop/empty-tls: fails PlaintextHost",
            "Ingress shop/every-host-plain: fails PlaintextHost",
            "Ingress shop/expired: pass",
            "Ingress shop/expiring: pass",
            "Ingress shop/good: pass",
            "Ingress shop/not-issued: pass",
            "Ingress shop/one-host-forgotten: fails PlaintextHost",
            "Ingress shop/plain: fails PlaintextHost",
            "Ingress shop/tls-for-all: pass",
            "Ingress shop/wildcard: pass",
            "Ingress shop/wildcard-too-deep: fails PlaintextHost",
        ]
    );
}

#[test]
fn ingress_certificates() {
    let world = world(&[INGRESS, CERTIFICATES]);
    let found = verdicts("ingress: {minValidity: 30d}", &world, NOW);
    for expected in [
        "Ingress bank/good: unknown ExpiryUnknown",
        "Ingress shop/certificate-of-controller: unknown ExpiryUnknown",
        "Ingress shop/expired: fails CertificateExpired",
        "Ingress shop/expiring: fails CertificateExpiring",
        "Ingress shop/good: pass",
        "Ingress shop/not-issued: unknown ExpiryUnknown",
        "Ingress shop/plain: fails PlaintextHost",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected} {found:#?}");
    }
}

#[test]
fn an_ingress_that_serves_nothing_is_not_judged() {
    let empty = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "empty", "namespace": "shop"},
        "spec": {"rules": null},
    });
    assert!(verdicts("ingress: {}", &inventory(&[empty]), NOW).is_empty());
}

#[test]
fn gateways() {
    let world = world(&[GATEWAYS, GRPC]);
    assert_eq!(
        verdicts("gateways: {}", &world, NOW),
        [
            "Gateway edge/by-host: pass",
            "Gateway edge/by-port: fails PlaintextListener",
            "Gateway edge/bytes: unknown OpaqueListener",
            "Gateway edge/good: pass",
            "Gateway edge/grpc: fails PlaintextListener",
            "Gateway edge/mixed: fails PlaintextListener",
            "Gateway edge/no-certificate: fails ListenerWithoutCertificate",
            "Gateway edge/redirects-in-plain: fails PlaintextListener",
            "Gateway edge/unresolved: fails UnresolvedReference",
            "Gateway shop/other-namespace: fails PlaintextListener",
            "ListenerSet edge/added: pass",
        ]
    );
}

/// What the definition of Gateways says of TLS, and what it leaves to implementations.
#[test]
fn listeners_by_protocol_and_mode() {
    let verdict = |annotations: serde_json::Value, listener: serde_json::Value| {
        let gateway = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "g", "namespace": "edge", "annotations": annotations},
            "spec": {"gatewayClassName": "c", "listeners": [listener]},
        });
        let found = verdicts("gateways: {}", &inventory(&[gateway]), NOW);
        found[0].trim_start_matches("Gateway edge/g: ").to_owned()
    };
    let tls = |protocol: &str, tls: serde_json::Value| json!({"name": "l", "protocol": protocol, "port": 443, "tls": tls});
    let none = "fails ListenerWithoutCertificate";
    for (listener, expected) in [
        (tls("TLS", json!({"mode": "Passthrough"})), "pass"),
        (tls("TLS", json!({"mode": "Passthrough", "certificateRefs": []})), "pass"),
        (tls("TLS", json!({"mode": "Terminate"})), none),
        (tls("TLS", json!({"certificateRefs": [{"name": "s"}]})), "pass"),
        (tls("HTTPS", json!({"mode": "Passthrough"})), "fails PassthroughOverHttps"),
        (
            tls("HTTPS", json!({"mode": "Passthrough", "certificateRefs": [{"name": "s"}]})),
            "fails PassthroughOverHttps",
        ),
        (tls("HTTPS", json!({"mode": "Terminate", "certificateRefs": []})), none),
        (tls("HTTPS", json!(null)), none),
        (tls("HTTPS", json!({"options": {}})), none),
        (tls("HTTPS", json!({"options": {"networking.gke.io/pre-shared-certs": "c"}})), "pass"),
        (
            tls("HTTPS", json!({"options": {"example.com/ciphers": "x"}})),
            "unknown CertificateNotShown",
        ),
        (tls("HTTP", json!(null)), "fails PlaintextListener"),
        (tls("HBONE", json!(null)), "pass"),
        (tls("TCP", json!(null)), "unknown OpaqueListener"),
    ] {
        assert_eq!(verdict(json!(null), listener.clone()), expected, "{listener}");
    }
    let mapped = json!({"networking.gke.io/certmap": "m"});
    assert_eq!(verdict(mapped, tls("HTTPS", json!(null))), "pass");
}

#[test]
fn certificates_of_manifests_have_no_status() {
    let certificate = |status: serde_json::Value| {
        json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "c", "namespace": "shop"},
            "spec": {"secretName": "s"},
            "status": status,
        })
    };
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let verdict = |status, source| {
        let mut world = inventory(&[certificate(status)]);
        world.source = source;
        verdicts("certificates: {minValidity: 14d}", &world, NOW)[0]
            .trim_start_matches("Certificate shop/c: ")
            .to_owned()
    };
    for (status, manifest, cluster) in [
        (json!(null), "unknown NotIssuedYet", "fails CertificateNotReady"),
        (json!({}), "unknown NotIssuedYet", "fails CertificateNotReady"),
        (
            json!({"notAfter": "2020-01-01T00:00:00Z"}),
            "fails CertificateExpired; unknown NotIssuedYet",
            "fails CertificateNotReady, CertificateExpired",
        ),
        (
            json!({"conditions": [{"type": "Ready", "status": "False"}]}),
            "fails CertificateNotReady",
            "fails CertificateNotReady",
        ),
        (json!({"conditions": ready, "notAfter": "2027-06-01T00:00:00Z"}), "pass", "pass"),
        // RFC 5280 has this for one that does not expire.
        (json!({"conditions": ready, "notAfter": "9999-12-31T23:59:59Z"}), "pass", "pass"),
        (
            json!({"conditions": ready, "notAfter": "0001-01-01T00:00:00Z"}),
            "unknown ExpiryUnknown",
            "unknown ExpiryUnknown",
        ),
        (
            json!({"conditions": ready, "notAfter": "soon"}),
            "unknown Malformed",
            "unknown Malformed",
        ),
    ] {
        assert_eq!(verdict(status.clone(), ObjectSource::Manifests), manifest, "{status}");
        assert_eq!(verdict(status.clone(), ObjectSource::Cluster), cluster, "{status}");
    }
}

#[test]
fn a_route_that_cant_be_read_might_serve_plain_text() {
    let mut objects = documents(GATEWAYS);
    objects.push(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "odd", "namespace": "edge"},
        "spec": {"parentRefs": "good"},
    }));
    let found = verdicts("gateways: {}", &inventory(&objects), NOW);
    assert!(found.contains(&"Gateway edge/good: unknown RouteNotReadable".to_owned()));
    assert!(found.contains(&"Gateway edge/mixed: fails PlaintextListener".to_owned()));
}

#[test]
fn storage() {
    let world = world(&[STORAGE]);
    assert_eq!(
        verdicts("storageClasses: {}", &world, NOW),
        [
            "PersistentVolume class-gone: unknown EncryptionNotShown",
            "PersistentVolume from-class: pass",
            "PersistentVolume from-plain-class: fails UnencryptedVolume",
            "PersistentVolume google: pass",
            "PersistentVolume host-path: unknown EncryptionNotShown",
            "PersistentVolume nfs: unknown EncryptionNotShown",
            "PersistentVolume no-class: unknown EncryptionNotShown",
            "PersistentVolume older-than-class: unknown EncryptionNotShown",
            "PersistentVolume only-names-class: unknown EncryptionNotShown",
            "PersistentVolume says-no-itself: fails UnencryptedVolume",
            "PersistentVolume says-so-itself: pass",
            "StorageClass aks: pass",
            "StorageClass by-hand: unknown EncryptionNotShown",
            "StorageClass ceph-default: unknown EncryptionNotShown",
            "StorageClass ebs-default: unknown EncryptionNotShown",
            "StorageClass ebs-encrypted: pass",
            "StorageClass ebs-off: fails UnencryptedStorageClass",
            "StorageClass ebs-yes: fails UnencryptedStorageClass",
            "StorageClass gke: pass",
            "StorageClass local-path: unknown EncryptionNotShown",
            "StorageClass longhorn: fails UnencryptedStorageClass",
            "StorageClass longhorn-crypto: pass",
            "StorageClass lookalike: unknown EncryptionNotShown",
            "StorageClass portworx: pass",
            "StorageClass rook: pass",
        ]
    );
}

#[test]
fn mesh() {
    let world = world(&[MESH]);
    assert_eq!(
        verdicts("mesh: {}", &world, NOW),
        [
            "DestinationRule strict/mutual: pass",
            "DestinationRule strict/plain: fails PlaintextDestination",
            "Namespace ambient: fails PlaintextAllowed",
            "Namespace inherits: pass",
            "Namespace istio-system: pass",
            "Namespace opted-out: fails OutsideMesh",
            "Namespace outside: fails OutsideMesh",
            "Namespace strict: pass",
            "Namespace two-policies: fails PlaintextAllowed",
            "Namespace unset: pass",
            "Namespace weakened: fails PlaintextAllowed",
        ]
    );
}

#[test]
fn linkerd() {
    let world = world(&[LINKERD]);
    assert_eq!(
        verdicts("mesh: {}", &world, NOW),
        [
            "Namespace audited: fails PlaintextAllowed",
            "Namespace authorized: fails PlaintextAllowed, PlaintextAllowed",
            "Namespace authorized-by-identity: pass",
            "Namespace denied: pass",
            "Namespace mesh-default: unknown DefaultPolicyNotShown",
            "Namespace not-injected: fails OutsideMesh",
            "Namespace port-opened: fails PlaintextAllowed",
        ]
    );
}

#[test]
fn without_a_policy_plain_text_is_accepted() {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}},
    });
    let found = verdicts("mesh: {}", &inventory(&[namespace]), NOW);
    assert_eq!(found, ["Namespace shop: fails PlaintextAllowed"]);
}

#[test]
fn without_a_mesh_nothing_is_known() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let found = verdicts("mesh: {}", &inventory(&[namespace]), NOW);
    assert_eq!(found, ["cluster: unknown NoMesh"]);
}

#[test]
fn a_policy_that_cant_be_read_decides_nothing() {
    let policy = json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": "istio-system"},
        "spec": {"mtls": {"mode": "STRICTEST"}},
    });
    let mut objects = documents(MESH);
    objects.retain(|object| object["metadata"]["namespace"] != "istio-system");
    objects.push(policy);
    let found = verdicts("mesh: {}", &inventory(&objects), NOW);
    for expected in [
        "Namespace inherits: unknown PolicyNotReadable",
        "Namespace strict: pass",
        "Namespace ambient: fails PlaintextAllowed",
    ] {
        assert!(found.contains(&expected.to_owned()), "{found:#?}");
    }
}

#[test]
fn what_is_malformed_is_unknown() {
    let object = |api_version: &str, kind: &str, spec: serde_json::Value| {
        json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": "odd", "namespace": "shop"},
            "spec": spec,
            "parameters": 3,
        })
    };
    let world = inventory(&[
        object("networking.k8s.io/v1", "Ingress", json!({"tls": [{"hosts": "a.example.com"}]})),
        object("gateway.networking.k8s.io/v1", "Gateway", json!({"listeners": [{"name": "http"}]})),
        object("cert-manager.io/v1", "Certificate", json!({"secretName": []})),
        object("storage.k8s.io/v1", "StorageClass", json!({})),
        object("v1", "PersistentVolume", json!({"csi": "ebs"})),
        object("networking.istio.io/v1", "DestinationRule", json!({})),
    ]);
    let spec = "{storageClasses: {}, ingress: {}, gateways: {}, mesh: {}, certificates: {}}";
    assert_eq!(
        verdicts(spec, &world, NOW),
        [
            "Certificate shop/odd: unknown Malformed",
            "DestinationRule shop/odd: unknown Malformed",
            "Gateway shop/odd: unknown Malformed",
            "Ingress shop/odd: unknown Malformed",
            "PersistentVolume odd: unknown Malformed",
            "StorageClass odd: unknown Malformed",
            "cluster: unknown NoMesh",
        ]
    );
    let judged = judge(check("ingress: {}").as_ref(), &world, at(NOW));
    let message = &judged.values().next().unwrap().unknown[0].message;
    assert!(message.contains("spec.tls[0].hosts"), "{message}");
}

/// The messages are read by people and tested for what they must name.
#[test]
fn messages_name_what_to_mend() {
    let world = world(&[INGRESS, CERTIFICATES, STORAGE, GATEWAYS, MESH]);
    let spec = "{storageClasses: {}, ingress: {minValidity: 30d}, gateways: {}, mesh: {}, certificates: {minValidity: 30d}}";
    let messages: Vec<String> = judge(check(spec).as_ref(), &world, at(NOW))
        .into_values()
        .flat_map(|judgement| judgement.failing.into_iter().chain(judgement.unknown))
        .map(|finding| finding.message)
        .collect();
    for part in [
        "no entry of spec.tls covers admin.example.com:",
        "a.b.example.com, example.com",
        "every host (a rule without one)",
        "Certificate expiring at 2026-12-01T00:00:00Z",
        "less than 30d from now",
        "the parameter encrypted is \"yes\"",
        "(the volume of claim shop/data)",
        "spec.portLevelMtls.8080.mode is PERMISSIVE",
        "PeerAuthentication two-policies/older",
        "InvalidCertificateRef: Secret edge/gone does not exist",
        "spec.subsets[1].trafficPolicy.portLevelSettings[0].tls is DISABLE",
    ] {
        let found = messages.iter().any(|message| message.contains(part));
        assert!(found, "{part} {messages:#?}");
    }
}
