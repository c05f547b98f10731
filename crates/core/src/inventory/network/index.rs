//! Which objects share a Secret, and which namespaces are in a mesh.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::NetworkFacts;
use crate::inventory::{Facts, IndexUpdate, Object, Slot, Symbol};

/// Which Certificates and Ingresses share a Secret, and which namespaces are in a mesh.
#[derive(Debug, Default)]
pub struct NetworkIndex {
    by_secret: FxHashMap<(Symbol, Symbol), SecretUsers>,
    meshed: FxHashSet<Slot>,
}

/// The objects that name a Secret. Ordered, so that findings are, too.
#[derive(Debug, Default)]
struct SecretUsers {
    certificates: BTreeSet<Slot>,
    ingresses: BTreeSet<Slot>,
}

impl NetworkIndex {
    /// The numbers of the Certificates that write to a Secret.
    pub fn certificates(&self, namespace: &Symbol, secret: &Symbol) -> impl Iterator<Item = Slot> {
        let users = self.by_secret.get(&(namespace.clone(), secret.clone()));
        users.into_iter().flat_map(|users| users.certificates.iter().copied())
    }

    /// The numbers of the Ingresses that take their certificate from a Secret.
    pub fn ingresses(&self, namespace: &Symbol, secret: &Symbol) -> impl Iterator<Item = Slot> {
        let users = self.by_secret.get(&(namespace.clone(), secret.clone()));
        users.into_iter().flat_map(|users| users.ingresses.iter().copied())
    }

    /// How many namespaces are in a mesh.
    pub fn meshed(&self) -> usize {
        self.meshed.len()
    }

    /// Follows a change of one object.
    pub fn update(&mut self, update: &IndexUpdate<'_>) {
        if let Some(before) = update.before {
            self.forget(update.slot, before);
        }
        if let Some(after) = update.after {
            self.learn(update.slot, after);
        }
    }

    fn learn(&mut self, slot: Slot, object: &Object) {
        match &object.facts {
            Facts::Namespace(facts) if facts.mesh.is_some() => {
                self.meshed.insert(slot);
            }
            Facts::Network(facts) => {
                for secret in secrets(facts) {
                    let key = (object.namespace.clone(), secret.clone());
                    self.by_secret.entry(key).or_default().of_kind(facts).insert(slot);
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, slot: Slot, object: &Object) {
        match &object.facts {
            Facts::Namespace(_) => {
                self.meshed.remove(&slot);
            }
            Facts::Network(facts) => {
                for secret in secrets(facts) {
                    let key = (object.namespace.clone(), secret.clone());
                    if let Some(users) = self.by_secret.get_mut(&key) {
                        users.of_kind(facts).remove(&slot);
                        // Or names of Secrets that nobody uses any more would pile up.
                        if users.certificates.is_empty() && users.ingresses.is_empty() {
                            self.by_secret.remove(&key);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

impl SecretUsers {
    /// The set to which an object with these facts belongs.
    fn of_kind(&mut self, facts: &NetworkFacts) -> &mut BTreeSet<Slot> {
        match facts {
            NetworkFacts::Certificate(_) => &mut self.certificates,
            _ => &mut self.ingresses,
        }
    }
}

/// The Secrets that a Certificate or an Ingress names.
fn secrets(facts: &NetworkFacts) -> impl Iterator<Item = &Symbol> {
    let (one, many) = match facts {
        NetworkFacts::Certificate(certificate) => (certificate.secret.as_ref(), &[][..]),
        NetworkFacts::Ingress(ingress) => (None, &*ingress.tls),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(many.iter().filter_map(|tls| tls.secret.as_ref()))
}
