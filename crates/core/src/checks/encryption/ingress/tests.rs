//! Who serves an Ingress decides what its annotations and its entries come to.

use serde_json::{Value, json};

use crate::{
    checks::encryption::tests::{NOW, inventory, verdicts},
    inventory::ObjectSource,
};

fn class(name: &str, controller: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": name}, "spec": {"controller": controller},
    })
}

/// An Ingress for `a.example.com`, with entries in `spec.tls` for these hosts.
fn ingress(class: Option<&str>, annotations: &Value, tls: &[&str]) -> Value {
    let entries =
        if tls.is_empty() { json!(null) } else { json!([{"hosts": tls, "secretName": "s"}]) };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "i", "namespace": "shop", "annotations": annotations},
        "spec": {"ingressClassName": class, "rules": [{"host": "a.example.com"}], "tls": entries},
    })
}

fn verdict(objects: &[Value]) -> String {
    verdict_of("ingress: {}", objects, ObjectSource::Cluster)
}

fn verdict_of(spec: &str, objects: &[Value], source: ObjectSource) -> String {
    let mut inventory = inventory(objects);
    inventory.source = source;
    let found = verdicts(spec, &inventory, NOW);
    found
        .iter()
        .find_map(|line| line.strip_prefix("Ingress shop/i: "))
        .unwrap_or_default()
        .to_owned()
}

const PLAIN: &str = "fails PlaintextHost";
const BESIDE: &str = "fails PlaintextBesideTls";
const HIDDEN: &str = "unknown TlsNotShown";
const REDIRECT: &str = "unknown RedirectNotShown";
const PASS: &str = "pass";
const A: &[&str] = &["a.example.com"];

#[test]
fn controllers_by_the_name_of_their_class() {
    let alb = |key: &str| format!("alb.ingress.kubernetes.io/{key}");
    for (class, annotations, tls, expected) in [
        ("nginx", json!({}), A, PASS),
        ("nginx", json!({}), &[][..], PLAIN),
        ("nginx", json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false"}), A, BESIDE),
        ("nginx", json!({"nginx.ingress.kubernetes.io/ssl-redirect": "F"}), A, BESIDE),
        ("nginx", json!({"nginx.ingress.kubernetes.io/ssl-redirect": "never"}), A, PASS),
        (
            "nginx-internal",
            json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false", "nginx.ingress.kubernetes.io/force-ssl-redirect": "true"}),
            A,
            PASS,
        ),
        ("nginx", json!({"nginx.ingress.kubernetes.io/force-ssl-redirect": "true"}), &[], HIDDEN),
        ("nginx", json!({"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}), &[], HIDDEN),
        ("nginx", json!({"nginx.ingress.kubernetes.io/ssl-passthrough": "false"}), &[], PLAIN),
        // What another controller reads does not count.
        ("nginx", json!({alb("certificate-arn"): "arn:aws:acm:x"}), &[], PLAIN),
        ("nginx", json!({"haproxy.org/ssl-passthrough": "true"}), &[], PLAIN),
        ("traefik", json!({"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}), &[], PLAIN),
        ("haproxy", json!({"haproxy.org/ssl-passthrough": "true"}), &[], HIDDEN),
        ("haproxy", json!({"haproxy.org/ssl-redirect": "OFF"}), A, BESIDE),
        ("haproxy", json!({"haproxy-ingress.github.io/ssl-redirect": "false"}), A, BESIDE),
        ("haproxy", json!({}), A, PASS),
        ("alb", json!({alb("certificate-arn"): "arn:aws:acm:x"}), &[], PASS),
        ("alb", json!({alb("listen-ports"): r#"[{"HTTPS":443}]"#}), &[], PASS),
        ("alb", json!({alb("listen-ports"): r#"[{"HTTP":80},{"HTTPS":443}]"#}), &[], BESIDE),
        (
            "alb",
            json!({alb("listen-ports"): r#"[{"HTTP":80,"HTTPS":443}]"#, alb("ssl-redirect"): "443"}),
            &[],
            PASS,
        ),
        (
            "alb",
            json!({alb("listen-ports"): r#"[{"HTTP":80},{"HTTPS":443}]"#, alb("group.name"): "g"}),
            &[],
            REDIRECT,
        ),
        (
            "alb",
            json!({alb("listen-ports"): r#"[{"HTTP":80}]"#, alb("certificate-arn"): "arn"}),
            &[],
            PLAIN,
        ),
        ("alb", json!({alb("listen-ports"): "443"}), A, REDIRECT),
        ("alb", json!({}), A, PLAIN),
        ("alb", json!({alb("group.name"): "g"}), &[], HIDDEN),
        ("gce", json!({"networking.gke.io/managed-certificates": "c"}), &[], BESIDE),
        (
            "gce",
            json!({"ingress.gcp.kubernetes.io/pre-shared-cert": "c", "kubernetes.io/ingress.allow-http": "false"}),
            &[],
            PASS,
        ),
        ("gce", json!({"kubernetes.io/ingress.allow-http": "false"}), &[], PLAIN),
        ("gce", json!({"networking.gke.io/v1beta1.FrontendConfig": "f"}), A, REDIRECT),
        // Google's balancer has one certificate for all hosts.
        ("gce", json!({"kubernetes.io/ingress.allow-http": "false"}), &["b.example.com"], PASS),
        (
            "azure-application-gateway",
            json!({"appgw.ingress.kubernetes.io/appgw-ssl-certificate": "c"}),
            &[],
            PASS,
        ),
        (
            "azure-application-gateway",
            json!({"appgw.ingress.kubernetes.io/appgw-ssl-certificate": ""}),
            &[],
            PLAIN,
        ),
        ("traefik", json!({"traefik.ingress.kubernetes.io/router.tls": "true"}), &[], PASS),
        (
            "traefik",
            json!({"traefik.ingress.kubernetes.io/router.entrypoints": "websecure"}),
            A,
            PASS,
        ),
        (
            "traefik",
            json!({"traefik.ingress.kubernetes.io/router.entrypoints": "websecure"}),
            &[],
            HIDDEN,
        ),
        (
            "traefik",
            json!({"traefik.ingress.kubernetes.io/router.entrypoints": "web, websecure"}),
            A,
            REDIRECT,
        ),
        ("traefik", json!({}), A, REDIRECT),
        ("contour", json!({}), A, BESIDE),
        ("contour", json!({"ingress.kubernetes.io/force-ssl-redirect": "true"}), A, PASS),
        ("kong", json!({}), A, BESIDE),
        ("kong", json!({"konghq.com/protocols": "https"}), &[], PASS),
        ("kong", json!({"konghq.com/protocols": "http,https"}), A, BESIDE),
        ("istio", json!({}), A, REDIRECT),
        ("tailscale", json!({}), &[], PASS),
        ("cloudflare-tunnel", json!({}), &[], HIDDEN),
        (
            "openshift-default",
            json!({"route.openshift.io/termination": "passthrough"}),
            &[],
            HIDDEN,
        ),
        ("mine", json!({}), A, PASS),
        ("mine", json!({}), &[], PLAIN),
        ("mine", json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false"}), A, REDIRECT),
        ("mine", json!({"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}), &[], HIDDEN),
        ("mine", json!({alb("certificate-arn"): "arn"}), &[], HIDDEN),
    ] {
        let by_field = ingress(Some(class), &annotations, tls);
        assert_eq!(verdict(&[by_field]), expected, "{class} {annotations} {tls:?}");
        let mut annotated = annotations.clone();
        annotated["kubernetes.io/ingress.class"] = class.into();
        assert_eq!(verdict(&[ingress(None, &annotated, tls)]), expected, "{annotated} {tls:?}");
    }
}

#[test]
fn the_class_object_says_who_serves() {
    let off = json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false"});
    for (controller, expected) in [
        ("k8s.io/ingress-nginx", BESIDE),
        ("k8s.io/internal-ingress-nginx", BESIDE),
        ("nginx.org/ingress-controller", PASS),
        ("haproxy.org/ingress-controller/public", PASS),
        ("example.com/own", REDIRECT),
    ] {
        for name in ["nginx", "public"] {
            let objects = [class(name, controller), ingress(Some(name), &off, A)];
            assert_eq!(verdict(&objects), expected, "{controller} {name}");
        }
    }
    let own = json!({"haproxy.org/ssl-redirect": "false"});
    let objects = [class("h", "haproxy-ingress.github.io/controller"), ingress(Some("h"), &own, A)];
    assert_eq!(verdict(&objects), PASS, "the other HAProxy reads it");
}

#[test]
fn without_a_class() {
    let off = json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false"});
    assert_eq!(verdict(&[ingress(None, &off, A)]), REDIRECT);
    let google = json!({"networking.gke.io/managed-certificates": "c", "kubernetes.io/ingress.allow-http": "false"});
    assert_eq!(verdict(&[ingress(None, &google, &[])]), PASS);
    // A manifest gets the default class once it is applied; an object would have got it.
    let mut default = class("nginx", "k8s.io/ingress-nginx");
    default["metadata"]["annotations"] =
        json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    let objects = [default, ingress(None, &off, A)];
    assert_eq!(verdict_of("ingress: {}", &objects, ObjectSource::Manifests), BESIDE);
    assert_eq!(verdict_of("ingress: {}", &objects, ObjectSource::Cluster), REDIRECT);
}

#[test]
fn a_class_with_parameters_may_say_more() {
    let mut with = class("alb", "ingress.k8s.aws/alb");
    with["spec"]["parameters"] =
        json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "p"});
    assert_eq!(verdict(&[with, ingress(Some("alb"), &json!({}), &[])]), HIDDEN);
}

#[test]
fn default_backends() {
    let default = |class: Option<&str>, rules: Value, tls: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "i", "namespace": "shop"},
            "spec": {
                "ingressClassName": class, "rules": rules, "tls": tls,
                "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
            },
        })
    };
    let rule = json!([{"host": "a.example.com"}]);
    let entry = json!([{"hosts": A, "secretName": "s"}]);
    let for_all = json!([{"secretName": "s"}]);
    for (class, rules, tls, expected) in [
        (None, json!(null), json!(null), "fails PlaintextDefaultBackend"),
        (None, json!([]), json!([]), "fails PlaintextDefaultBackend"),
        (None, json!(null), entry.clone(), "unknown DefaultBackendNotCovered"),
        (None, json!(null), for_all.clone(), PASS),
        (None, rule.clone(), entry.clone(), "unknown DefaultBackendNotCovered"),
        (None, rule.clone(), for_all, PASS),
        (None, rule, json!(null), PLAIN),
        (Some("tailscale"), json!(null), entry, PASS),
    ] {
        let object = default(class, rules, tls);
        assert_eq!(verdict(std::slice::from_ref(&object)), expected, "{object}");
    }
}

#[test]
fn a_certificate_of_the_balancer_can_not_be_dated() {
    let google = json!({"networking.gke.io/managed-certificates": "c", "kubernetes.io/ingress.allow-http": "false"});
    let object = ingress(Some("gce"), &google, &[]);
    let found = verdict_of("ingress: {minValidity: 30d}", &[object], ObjectSource::Cluster);
    assert_eq!(found, "unknown ExpiryUnknown");
}
