//! `certificates`: Certificates of cert-manager are ready and don't expire too soon.

use jiff::{SignedDuration, Timestamp};

use super::{
    Check, CheckContext, Dependency, Finding, Item, Judgement, finding, malformed, network,
    object_of, reference,
};
use crate::{
    api::{Duration, ResourceRef},
    checks::{visit_changed, visit_kinds},
    inventory::{
        Change, Facts, ObjectSource,
        network::{CERT_MANAGER, CertificateFacts, CertificateReadiness, NetworkFacts},
    },
};

/// Group and kind of Certificates.
pub const CERTIFICATE: (&str, &str) = (CERT_MANAGER, "Certificate");

/// The `certificates` part of an `encryption` test, compiled.
#[derive(Debug)]
pub struct CertificatesCheck {
    min_validity: Option<Duration>,
    when_served: bool,
}

impl CertificatesCheck {
    /// With `min_validity`, a certificate fails this long before it expires; with `when_served`, a
    /// cluster without cert-manager has nothing to judge.
    pub fn new(min_validity: Option<Duration>, when_served: bool) -> Self {
        Self { min_validity, when_served }
    }
}

impl Check for CertificatesCheck {
    fn reads(&self) -> Vec<Dependency> {
        vec![Dependency::when_served(CERTIFICATE.0, CERTIFICATE.1, self.when_served)]
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        visit_kinds(context.inventory, &[CERTIFICATE], visit);
    }

    fn affected(&self, _: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        visit_changed(change, visit);
    }

    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let (slot, object) = object_of(context, item, CERTIFICATE.0, CERTIFICATE.1)?;
        let resource = reference(context.inventory, slot)?;
        if let Facts::Malformed(text) = &object.facts {
            return Some(malformed(resource, text));
        }
        let Some(NetworkFacts::Certificate(facts)) = network(object) else {
            return None;
        };
        let mut judgement = Judgement::default();
        match &facts.readiness {
            CertificateReadiness::Ready => {}
            CertificateReadiness::NotReady(why) => {
                judgement.failing.push(not_ready(&resource, why));
            }
            CertificateReadiness::NotReported
                if context.inventory.source == ObjectSource::Manifests =>
            {
                judgement.unknown.push(finding(
                    "NotIssuedYet",
                    resource.clone(),
                    "a manifest does not show whether the certificate is issued, nor when it expires: judge it in the cluster".to_owned(),
                ));
            }
            CertificateReadiness::NotReported => judgement.failing.push(not_ready(
                &resource,
                "cert-manager has not reported on it; check that it runs",
            )),
        }
        // Beside the readiness: a certificate may be renewed too late while the old one is still valid.
        self.judge_validity(facts, &resource, context.now, &mut judgement);
        Some(judgement)
    }
}

impl CertificatesCheck {
    fn judge_validity(
        &self,
        facts: &CertificateFacts,
        resource: &ResourceRef,
        now: Timestamp,
        judgement: &mut Judgement,
    ) {
        let Some(not_after) = facts.not_after else {
            // One that is not ready has a finding that says why.
            if facts.readiness == CertificateReadiness::Ready {
                judgement.unknown.push(finding(
                    "ExpiryUnknown",
                    resource.clone(),
                    "status.notAfter is missing, so it is not known when the certificate expires"
                        .to_owned(),
                ));
            }
            return;
        };
        match validity(not_after, self.min_validity, now) {
            Validity::Enough { until } => judgement.valid_until = Some(until),
            Validity::Short { until, min } => {
                judgement.valid_until = Some(until);
                judgement.failing.push(finding(
                    EXPIRING,
                    resource.clone(),
                    format!("the certificate expires at {not_after}, less than {min} from now: renew it, or set spec.renewBefore above {min}"),
                ));
            }
            Validity::Over => judgement.failing.push(finding(
                EXPIRED,
                resource.clone(),
                format!("the certificate expired at {not_after}: renew it (cmctl renew), and find out why cert-manager did not"),
            )),
        }
    }
}

fn not_ready(resource: &ResourceRef, why: &str) -> Finding {
    let message = format!("the certificate is not ready: {why}");
    finding("CertificateNotReady", resource.clone(), message)
}

/// The rule that a certificate has expired.
pub const EXPIRED: &str = "CertificateExpired";
/// The rule that less is left of a certificate than the control asks for.
pub const EXPIRING: &str = "CertificateExpiring";

/// What is left of a certificate, and the first instant at which that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// As much as the control asks for.
    Enough {
        /// The first instant at which less is left.
        until: Timestamp,
    },
    /// Less than the control asks for.
    Short {
        /// The first instant at which it has expired.
        until: Timestamp,
        /// What the control asks for.
        min: Duration,
    },
    /// It has expired, and stays so until another is issued.
    Over,
}

/// A certificate is valid through `not_after`, inclusive (RFC 5280, 4.1.2.5), and so is the last
/// instant at which `min_validity` is left. That one is found by stepping back from the expiry,
/// since calendar months have different lengths from either end.
pub fn validity(not_after: Timestamp, min_validity: Option<Duration>, now: Timestamp) -> Validity {
    if now > not_after {
        return Validity::Over;
    }
    match min_validity {
        Some(min) if now > min.subtract_from(not_after) => {
            Validity::Short { until: just_after(not_after), min }
        }
        min => {
            Validity::Enough { until: just_after(min.unwrap_or_default().subtract_from(not_after)) }
        }
    }
}

/// The first instant at which what held through `last` no longer does.
fn just_after(last: Timestamp) -> Timestamp {
    last.checked_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_edge_is_the_last_good_instant() {
        let not_after = at("2026-12-31T00:00:00Z");
        let month: Duration = "30d".parse().unwrap();
        let edge = at("2026-12-01T00:00:00Z");
        let enough = Validity::Enough { until: just_after(edge) };
        let short = Validity::Short { until: just_after(not_after), min: month };
        for (now, min, expected) in [
            ("2026-11-30T23:59:59Z", Some(month), enough),
            ("2026-12-01T00:00:00Z", Some(month), enough),
            ("2026-12-01T00:00:01Z", Some(month), short),
            ("2026-12-31T00:00:00Z", Some(month), short),
            ("2026-12-31T00:00:01Z", Some(month), Validity::Over),
            ("2026-12-31T00:00:00Z", None, Validity::Enough { until: just_after(not_after) }),
            ("2026-12-31T00:00:01Z", None, Validity::Over),
        ] {
            assert_eq!(validity(not_after, min, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn calendar_months_step_back_from_the_expiry() {
        let month: Duration = "1mo".parse().unwrap();
        let validity =
            validity(at("2027-03-31T00:00:00Z"), Some(month), at("2027-02-28T00:00:00Z"));
        let until = just_after(at("2027-02-28T00:00:00Z"));
        assert_eq!(validity, Validity::Enough { until });
    }

    proptest! {
        /// Nothing changes before the announced time, and something does at it.
        #[test]
        fn holds_until_exactly_then(
            expiry in 1_700_000_000_i64..1_900_000_000,
            before in 0_i64..40_000_000,
            share in 0.0_f64..1.0,
            months in 0_u8..14,
        ) {
            let not_after = Timestamp::from_second(expiry).unwrap();
            let now = Timestamp::from_second(expiry - before).unwrap();
            let min = (months > 0).then(|| Duration::from_months(months));
            let first = validity(not_after, min, now);
            let (Validity::Enough { until } | Validity::Short { until, .. }) = first else {
                return Ok(());
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            let nanos = (until.duration_since(now).as_nanos() as f64 * share) as i128;
            let between = now
                .checked_add(SignedDuration::from_nanos_i128(nanos))
                .unwrap();
            prop_assert!(until > now);
            if between < until {
                prop_assert_eq!(validity(not_after, min, between), first);
            }
            prop_assert_ne!(validity(not_after, min, until), first);
        }
    }
}
