//! `ingress`: every host of every Ingress is served over TLS, not over plain HTTP as well, and with a
//! certificate that remains valid long enough.

mod controllers;
mod exposure;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use self::{
    controllers::INGRESS_CLASS,
    exposure::{Exposure, PlainHttp, TlsTermination},
};
use super::{
    Check, CheckContext, Dependency, Finding, Item, Judgement, both_sides,
    certificates::{CERTIFICATE, EXPIRED, EXPIRING, Validity, validity},
    earlier, finding, is_kind, malformed, network, object_of, reference, some_of,
};
use crate::{
    api::{Duration, ResourceRef},
    checks::{visit_changed, visit_kinds},
    inventory::{
        Change, Facts, Inventory, Object, Symbol,
        network::{CertificateFacts, IngressFacts, IngressTls, NetworkFacts},
    },
};

const INGRESS: (&str, &str) = ("networking.k8s.io", "Ingress");

/// The `ingress` part of an `encryption` test, compiled.
#[derive(Debug)]
pub struct IngressCheck {
    min_validity: Option<Duration>,
}

impl IngressCheck {
    /// With `min_validity`, the certificate of every Secret must be known and last this long.
    pub fn new(min_validity: Option<Duration>) -> Self {
        Self { min_validity }
    }
}

impl Check for IngressCheck {
    fn reads(&self) -> Vec<Dependency> {
        let mut reads = vec![
            Dependency::required(INGRESS.0, INGRESS.1),
            Dependency::optional(INGRESS_CLASS.0, INGRESS_CLASS.1),
        ];
        if self.min_validity.is_some() {
            reads.push(Dependency::optional(CERTIFICATE.0, CERTIFICATE.1));
        }
        reads
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        visit_kinds(context.inventory, &[INGRESS], visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        visit_changed(change, visit);
        for object in both_sides(context.inventory, change) {
            if is_kind(context.inventory, object, INGRESS_CLASS.0, INGRESS_CLASS.1) {
                visit_served_by(context.inventory, &object.name, visit);
            }
            if let Some(NetworkFacts::Certificate(certificate)) = network(object)
                && let Some(secret) = &certificate.secret
            {
                let index = &context.inventory.network;
                index
                    .ingresses(&object.namespace, secret)
                    .for_each(|slot| visit(Item::Object(slot)));
            }
        }
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let (slot, object) = object_of(context, item, INGRESS.0, INGRESS.1)?;
        let resource = reference(context.inventory, slot)?;
        if let Facts::Malformed(text) = &object.facts {
            return Some(malformed(resource, text));
        }
        let Some(NetworkFacts::Ingress(facts)) = network(object) else {
            return None;
        };
        // It routes nothing, so there is nothing to encrypt.
        if facts.hosts.is_empty() && !facts.default_backend {
            return None;
        }
        let mut judgement = Judgement::default();
        let exposure = Exposure::of(context.inventory, facts);
        judge_hosts(facts, &exposure, &resource, &mut judgement);
        if let Some(min_validity) = self.min_validity {
            let mut validities = judge_certificates(context, object, facts, min_validity);
            if facts.tls.is_empty()
                && matches!(exposure.tls, TlsTermination::Always | TlsTermination::NotShown(_))
            {
                validities.unknown.push("the certificate that its controller serves".to_owned());
            }
            report_certificates(&validities, min_validity, &resource, &mut judgement);
        }
        Some(judgement)
    }
}

/// The Ingresses that a class decides about: those that name it, and those that name none, which
/// a default class serves.
fn visit_served_by(inventory: &Inventory, class: &Symbol, visit: &mut dyn FnMut(Item)) {
    for (slot, object) in inventory.objects_of(INGRESS.0, INGRESS.1) {
        if let Some(NetworkFacts::Ingress(facts)) = network(object)
            && facts.class.as_ref().is_none_or(|named| named.name() == class)
        {
            visit(Item::Object(slot));
        }
    }
}

fn judge_hosts(
    facts: &IngressFacts,
    exposure: &Exposure,
    resource: &ResourceRef,
    judgement: &mut Judgement,
) {
    let uncovered = uncovered(facts, &exposure.tls);
    let all = facts.hosts.len() + usize::from(facts.default_backend && facts.hosts.is_empty());
    if !uncovered.is_empty() {
        let hosts = some_of(&uncovered);
        let about = |rule, message| finding(rule, resource.clone(), message);
        match &exposure.tls {
            TlsTermination::NotShown(why) => judgement.unknown.push(about(
                "TlsNotShown",
                format!("whether TLS serves {hosts} is not visible: {why}"),
            )),
            TlsTermination::Never(why) => {
                judgement.failing.push(about(rule_of(facts), format!("{hosts} has no TLS: {why}")));
            }
            _ if facts.hosts.is_empty() => judgement.failing.push(about(
                rule_of(facts),
                format!("{hosts}, is served without TLS: add an entry to spec.tls"),
            )),
            _ => judgement.failing.push(about(
                rule_of(facts),
                format!(
                    "no entry of spec.tls covers {hosts}: add the host to spec.tls[].hosts, with a secretName"
                ),
            )),
        }
    }
    judgement.unknown.extend(default_backend_beside(facts, exposure, resource));
    // What has no TLS at all was already reported as plain.
    if uncovered.len() < all {
        judge_plain(exposure, resource, judgement);
    }
}

fn rule_of(facts: &IngressFacts) -> &'static str {
    if facts.hosts.is_empty() { "PlaintextDefaultBackend" } else { "PlaintextHost" }
}

/// The hosts that no TLS serves, as an Ingress and its controller show it.
fn uncovered<'a>(facts: &'a IngressFacts, tls: &TlsTermination) -> Vec<&'a str> {
    let covered = |host: Option<&Symbol>| match tls {
        TlsTermination::Always => true,
        TlsTermination::Never(_) => false,
        TlsTermination::ByAnyEntry => !facts.tls.is_empty(),
        TlsTermination::BySpec | TlsTermination::NotShown(_) => {
            facts.tls.iter().any(|entry| covers(entry, host))
        }
    };
    if facts.hosts.is_empty() {
        // Hosts of an entry may be all that the default backend is meant to serve.
        let some = matches!(tls, TlsTermination::BySpec | TlsTermination::NotShown(_))
            && !facts.tls.is_empty();
        return if some || covered(None) { Vec::new() } else { vec![DEFAULT_BACKEND] };
    }
    facts
        .hosts
        .iter()
        .filter(|host| !covered(host.as_ref()))
        .map(|host| host.as_deref().unwrap_or("every host (a rule without one)"))
        .collect()
}

const DEFAULT_BACKEND: &str = "spec.defaultBackend, which serves every host";

/// A default backend serves whatever no rule names, so entries for some hosts don't cover it.
fn default_backend_beside(
    facts: &IngressFacts,
    exposure: &Exposure,
    resource: &ResourceRef,
) -> Option<Finding> {
    let by_host = matches!(exposure.tls, TlsTermination::BySpec | TlsTermination::NotShown(_));
    let open = facts.default_backend
        && by_host
        && !facts.tls.is_empty()
        && !facts.tls.iter().any(|entry| covers(entry, None));
    open.then(|| {
        finding(
            "DefaultBackendNotCovered",
            resource.clone(),
            "spec.defaultBackend serves every other host too, and whether in plain text is up to the controller: add an entry without hosts to spec.tls, or replace spec.defaultBackend with rules".to_owned(),
        )
    })
}

fn judge_plain(exposure: &Exposure, resource: &ResourceRef, judgement: &mut Judgement) {
    match &exposure.plain {
        PlainHttp::No => {}
        PlainHttp::Yes(remedy) => judgement.failing.push(finding(
            "PlaintextBesideTls",
            resource.clone(),
            format!("the same is served over plain HTTP as well, without a redirect: {remedy}"),
        )),
        PlainHttp::NotShown(why) => judgement.unknown.push(finding(
            "RedirectNotShown",
            resource.clone(),
            format!("whether the same is served over plain HTTP as well is not visible: {why}"),
        )),
    }
}

/// Whether an entry of `spec.tls` serves a rule's host. A rule for every host needs an entry for
/// every host; an entry without hosts is one (networking.k8s.io/v1, `IngressTLS`).
fn covers(tls: &IngressTls, host: Option<&Symbol>) -> bool {
    if tls.hosts.is_empty() {
        return true;
    }
    host.is_some_and(|host| tls.hosts.iter().any(|pattern| names(pattern, host)))
}

/// Whether a name in a certificate names a host: a wildcard stands for one whole label, the
/// leftmost (RFC 6125, 6.4.3). A wildcard host is named by the same wildcard only.
fn names(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    let Some(domain) = pattern.strip_prefix("*.") else {
        return false;
    };
    host.split_once('.')
        .is_some_and(|(label, rest)| !label.is_empty() && label != "*" && rest == domain)
}

/// The certificates of an Ingress, by how long they remain valid.
#[derive(Debug, Default)]
struct CertificateValidity {
    expired: Vec<String>,
    expiring: Vec<String>,
    unknown: Vec<String>,
    until: Option<Timestamp>,
}

impl CertificateValidity {
    fn add(&mut self, name: &str, facts: &CertificateFacts, min: Duration, now: Timestamp) {
        let Some(not_after) = facts.not_after else {
            self.unknown.push(format!("Certificate {name} (not issued)"));
            return;
        };
        let named = format!("Certificate {name} at {not_after}");
        match validity(not_after, Some(min), now) {
            Validity::Enough { until } => self.until = earlier(self.until, Some(until)),
            Validity::Short { until, .. } => {
                self.until = earlier(self.until, Some(until));
                self.expiring.push(named);
            }
            Validity::Over => self.expired.push(named),
        }
    }
}

fn judge_certificates(
    context: &CheckContext<'_>,
    object: &Object,
    facts: &IngressFacts,
    min_validity: Duration,
) -> CertificateValidity {
    let inventory = context.inventory;
    let mut validities = CertificateValidity::default();
    for tls in &facts.tls {
        let Some(secret) = &tls.secret else {
            validities
                .unknown
                .push("the certificate of the controller (an entry without secretName)".to_owned());
            continue;
        };
        let mut known = false;
        for slot in inventory.network.certificates(&object.namespace, secret) {
            if let Some(certificate) = inventory.get(slot)
                && let Some(NetworkFacts::Certificate(facts)) = network(certificate)
            {
                // Several Certificates may write one Secret: all count, since any may have written last.
                known = true;
                validities.add(&certificate.name, facts, min_validity, context.now);
            }
        }
        if !known {
            validities.unknown.push(format!("Secret {secret}"));
        }
    }
    // Several certificates of one Secret come in no order.
    validities.expired.sort_unstable();
    validities.expiring.sort_unstable();
    validities.unknown.sort_unstable();
    validities
}

fn report_certificates(
    validities: &CertificateValidity,
    min_validity: Duration,
    resource: &ResourceRef,
    judgement: &mut Judgement,
) {
    judgement.valid_until = validities.until;
    if !validities.expired.is_empty() {
        judgement.failing.push(finding(
            EXPIRED,
            resource.clone(),
            format!("served with an expired certificate: {}", some_of(&validities.expired)),
        ));
    }
    if !validities.expiring.is_empty() {
        judgement.failing.push(finding(
            EXPIRING,
            resource.clone(),
            format!(
                "served with a certificate that expires less than {min_validity} from now: {}",
                some_of(&validities.expiring)
            ),
        ));
    }
    if !validities.unknown.is_empty() {
        judgement.unknown.push(finding(
            "ExpiryUnknown",
            resource.clone(),
            format!(
                "it is not known when these expire: {}. Secrets are not read; a Certificate of cert-manager with the same spec.secretName shows it",
                some_of(&validities.unknown)
            ),
        ));
    }
}

#[cfg(test)]
mod wildcards {
    use super::names;

    #[test]
    fn a_wildcard_is_one_label() {
        for (pattern, host, expected) in [
            ("shop.example.com", "shop.example.com", true),
            ("*.example.com", "shop.example.com", true),
            ("*.example.com", "a.shop.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", "*.example.com", true),
            ("*.com", "*.example.com", false),
            ("shop.example.com", "*.example.com", false),
            ("*", "com", false),
            ("*.example.com", ".example.com", false),
            ("*.b.example.com", "*.b.example.com", true),
        ] {
            assert_eq!(names(pattern, host), expected, "{pattern} {host}");
        }
    }
}
